package login

import (
	"context"
	"sync"
)

// turn lets one source log in while all that need the same login wait, each no longer than its own time. What the one
// is told goes for those who waited, too: a wrong password is not tried once for every job.
type turn struct {
	taken chan struct{}

	mu    sync.Mutex
	tries int
	err   error // of the last try
}

func newTurn() *turn { return &turn{taken: make(chan struct{}, 1)} }

// take does it unless done reports that it was done meanwhile.
func (t *turn) take(ctx context.Context, done func() bool, do func() error) error {
	before, _ := t.last()
	select {
	case t.taken <- struct{}{}:
		defer func() { <-t.taken }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if done() {
		return nil
	}
	if tries, err := t.last(); tries > before && err != nil {
		return err
	}
	err := do()
	if ctx.Err() != nil {
		return err // which says nothing to anybody else
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tries++
	t.err = err
	return err
}

func (t *turn) last() (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tries, t.err
}
