package outbound

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/signature"
)

// ledger is an outbox in memory, for tests in which time is not real. It keeps the rules of a store: at most the head
// of a lane is due, and it says so where the dispatcher breaks one.
type ledger struct {
	t *testing.T

	mu       sync.Mutex
	rows     []*row
	refuse   error // what Settle fails with
	settled  []bridge.Settlement
	disabled map[int64]bool
	looks    int
	commits  int
	slow     time.Duration // what Due takes
}

type row struct {
	bridge.Delivery
	lane  string
	state bridge.DeliveryState
	due   time.Time
	tries []bridge.Attempt
}

func newLedger(t *testing.T) *ledger { return &ledger{t: t, disabled: map[int64]bool{}} }

// add queues an event for a key; the empty key stands alone.
func (l *ledger) add(destination int64, key string) *row {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := int64(len(l.rows) + 1)
	r := &row{lane: key, state: bridge.StateReady, due: time.Now(), Delivery: bridge.Delivery{
		ID: id, Destination: destination, Format: FormatStandard, FormatVersion: Version,
		Event: bridge.Event{
			ID: fmt.Sprintf("evt_%d", id), Job: "orders", JobNumber: 1, Sequence: id,
			Type: "orders.updated", Key: key, Op: bridge.Updated, Time: time.Now().UTC(), Origin: bridge.Schedule,
			Before: []byte(`{"id":1}`), After: []byte(`{"id":1,"n":2}`), Changed: []string{"/n"},
		},
	}}
	if key != "" && slices.ContainsFunc(l.rows, func(o *row) bool { return o.lane == key && o.Destination == destination && o.pending() }) {
		r.state = bridge.StateWaiting
	}
	l.rows = append(l.rows, r)
	return r
}

func (r *row) pending() bool { return r.state == bridge.StateWaiting || r.state == bridge.StateReady }

// Due answers from the state at its beginning, and takes its time: a store reads a snapshot while others commit.
func (l *ledger) Due(_ context.Context, destination int64, now time.Time, limit int, claimed func(int64) bool) ([]bridge.Delivery, time.Time, error) {
	ready, next := l.ready(destination, now)
	if l.slow > 0 {
		<-time.After(l.slow)
	}
	var out []bridge.Delivery
	for _, delivery := range ready {
		if len(out) < limit && !claimed(delivery.ID) {
			out = append(out, delivery)
		}
	}
	return out, next, nil
}

func (l *ledger) ready(destination int64, now time.Time) (out []bridge.Delivery, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks++
	var due []*row
	for _, r := range l.rows {
		switch {
		case r.Destination != destination || r.state != bridge.StateReady:
		case r.due.After(now):
			if next.IsZero() || r.due.Before(next) {
				next = r.due
			}
		default:
			due = append(due, r)
		}
	}
	slices.SortStableFunc(due, func(a, b *row) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.ID, b.ID)) })
	for _, r := range due {
		d := r.Delivery
		d.Attempts = len(r.tries)
		out = append(out, d)
	}
	return out, next
}

func (l *ledger) Settle(_ context.Context, outcomes []bridge.Settlement) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return l.refuse
	}
	l.commits++
	for _, s := range outcomes {
		r := l.rows[s.Delivery-1]
		if r.state != bridge.StateReady {
			l.t.Errorf("delivery %d was attempted while %s", r.ID, r.state)
		}
		if s.Destination != r.Destination || s.Attempt.Number != len(r.tries)+1 {
			l.t.Errorf("delivery %d: settlement %+v does not belong to it", r.ID, s)
		}
		l.settled = append(l.settled, s)
		r.tries = append(r.tries, s.Attempt)
		switch s.Verdict {
		case bridge.Retry:
			r.due = s.RetryAt
			continue
		case bridge.Disable:
			l.disabled[r.Destination] = true
			continue
		case bridge.Delivered:
			r.state = bridge.StateDelivered
		case bridge.Dead:
			r.state = bridge.StateDead
		}
		if i := slices.IndexFunc(l.rows, func(o *row) bool {
			return o.lane == r.lane && o.Destination == r.Destination && o.state == bridge.StateWaiting
		}); r.lane != "" && i >= 0 {
			l.rows[i].state, l.rows[i].due = bridge.StateReady, time.Now()
		}
	}
	return nil
}

// count returns how many rows are in a state.
func (l *ledger) count(state bridge.DeliveryState) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rows {
		if r.state == state {
			n++
		}
	}
	return n
}

var testSecret = signature.NewSecret()

// to is a destination with defaults.
func to(number int64, url string) Destination {
	return Destination{Number: number, Name: "shop", URL: url, Secrets: []bridge.Secret{testSecret}}
}

// running starts a dispatcher and returns it with its stop: stop ends the drain when cut is true, and returns what Run
// returned.
func running(t *testing.T, outbox Outbox, options Options, destinations ...Destination) (*Dispatcher, func(cut bool) error) {
	t.Helper()
	d := New(outbox, options)
	if err := d.Set(destinations); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	drain, cut := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, drain) }()
	var result error
	var once sync.Once
	end := func(now bool) error {
		once.Do(func() {
			stop()
			if now {
				cut()
			}
			result = <-ended
			cut()
		})
		return result
	}
	t.Cleanup(func() { _ = end(true) })
	return d, end
}

// pass lets the time of a bubble go by, and everybody do what is to be done by then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// attempts returns how many were recorded.
func (l *ledger) attempts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.settled)
}

// eventually waits for something that real goroutines and sockets do; a test that hangs is ended by go test.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-t.Context().Done():
			t.Fatal("the test ended first")
		case <-tick.C:
		}
	}
}

// sender makes attempts at a sample delivery, one after another by the same client.
type sender struct {
	courier *courier
	client  *client
}

func newSender(t testing.TB, destination Destination, transport http.RoundTripper) sender {
	t.Helper()
	d := New(nil, Options{UserAgent: "hookbridge/test"})
	p, err := d.plan(destination)
	if err != nil {
		t.Fatal(err)
	}
	s := sender{newCourier(d, p), newClient(p, transport)}
	t.Cleanup(s.client.close)
	return s
}

// try makes an attempt, after what may be changed of the delivery.
func (s sender) try(ctx context.Context, change func(*bridge.Delivery)) *landing {
	p := s.courier.plan
	delivery := bridge.Delivery{ID: 1, Destination: p.Number, Event: sample(), Format: FormatStandard, FormatVersion: Version}
	if change != nil {
		change(&delivery)
	}
	return s.courier.attempt(ctx, &leash{}, p, s.client, &delivery)
}

// try makes one attempt at a sample delivery.
func try(t testing.TB, destination Destination, transport http.RoundTripper) *landing {
	t.Helper()
	return newSender(t, destination, transport).try(t.Context(), nil)
}
