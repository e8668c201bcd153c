package login

import (
	"context"
	"errors"
	"sync"
	"time"
)

// turn lets one source log in while all that need the same login wait, each no longer than its own time. What the one
// is told goes for those who waited, and a refusal for those who come soon after, too: a wrong password is not tried once
// for every job.
type turn struct {
	taken chan struct{}

	mu    sync.Mutex
	tries int
	err   error     // of the last try
	at    time.Time // of the last try
}

// pause is for how long a refusal goes for everybody.
const pause = 30 * time.Second

// refusedError is a login that was refused for what it is. To try it again would only count as another wrong password.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

func newTurn() *turn { return &turn{taken: make(chan struct{}, 1)} }

// take does it unless done reports that it was done meanwhile.
func (t *turn) take(ctx context.Context, done func() bool, do func() error) error {
	before := t.count()
	select {
	case t.taken <- struct{}{}:
		defer func() { <-t.taken }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if done() {
		return nil
	}
	if err := t.told(before); err != nil {
		return err
	}
	err := do()
	if ctx.Err() != nil {
		return err // which says nothing to anybody else
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tries++
	t.err, t.at = err, time.Now()
	return err
}

func (t *turn) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tries
}

// told is what the last try says to somebody who came when there had been so many; nil: nothing.
func (t *turn) told(before int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, refused := errors.AsType[*refusedError](t.err); t.tries > before || refused && time.Since(t.at) < pause {
		return t.err
	}
	return nil
}
