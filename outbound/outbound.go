// Package outbound delivers events: it wraps them, signs them, posts them, retries them on a schedule, keeps the order
// of every lane and stops where a receiver says stop. The table behind Outbox is the truth; everything here may be lost
// at any moment and costs at most a second delivery under the same id.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
)

// Outbox is what the dispatcher needs from the store.
type Outbox interface {
	// Due returns up to limit deliveries of a destination that may be sent now, oldest first, at most the head of each
	// lane and none for which claimed is true, and the time at which the next one becomes due (zero: none known).
	// claimed is not called after Due has returned.
	Due(ctx context.Context, destination int64, now time.Time, limit int, claimed func(id int64) bool) ([]bridge.Delivery, time.Time, error)
	// Settle records the outcomes of attempts in one commit. Nothing is recorded when it fails.
	Settle(ctx context.Context, outcomes []bridge.Settlement) error
}

// Notice tells that a delivery became a dead letter, or that a receiver disabled its destination. It comes after that
// was recorded, at least once, and one at a time per destination: the next outcomes wait until Notify has returned.
type Notice struct {
	Destination int64
	Name        string // of the destination
	Verdict     bridge.Verdict
	Delivery    int64
	Event       string // id
	Type        string
	Job         string
	Key         string
	Reason      string
}

// Options are all optional.
type Options struct {
	Logger    *slog.Logger      // nil: discards
	UserAgent string            // default hookbridge
	Transport http.RoundTripper // for tests without a network; it replaces the address check too
	Notify    func(Notice)
}

// Dispatcher delivers to any number of destinations. Each has its own courier with its own limits and connections, so
// one that is slow or down costs the others nothing.
type Dispatcher struct {
	outbox  Outbox
	options Options

	mu       sync.Mutex
	couriers map[int64]*courier
	running  *term // nil before Run
	failed   []error
	rounds   sync.WaitGroup
}

// term is one call of Run.
type term struct {
	ctx, drain context.Context
	over       bool // no courier starts any more
}

// New returns a dispatcher without destinations. It does nothing until Run.
func New(outbox Outbox, options Options) *Dispatcher {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.UserAgent == "" {
		options.UserAgent = "hookbridge"
	}
	if options.Notify == nil {
		options.Notify = func(Notice) {}
	}
	return &Dispatcher{outbox: outbox, options: options, couriers: map[int64]*courier{}}
}

// Set replaces the destinations, at the start and at every reload. URL, secrets and limits change in place, for
// deliveries already queued too. A destination that is no longer named claims nothing more; what is in flight ends.
// When a destination is invalid nothing changes and the error names every mistake.
func (d *Dispatcher) Set(destinations []Destination) error {
	plans := make(map[int64]*plan, len(destinations))
	var problems []error
	for _, destination := range destinations {
		p, err := d.plan(destination)
		if err != nil {
			problems = append(problems, fmt.Errorf("destination %q: %w", destination.Name, err))
			continue
		}
		if _, twice := plans[destination.Number]; twice {
			problems = append(problems, fmt.Errorf("destination %q: number %d is taken by another", destination.Name, destination.Number))
			continue
		}
		plans[destination.Number] = p
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	for number, c := range d.couriers {
		if plans[number] == nil {
			c.remove()
			if d.running == nil {
				delete(d.couriers, number)
			}
		}
	}
	for number, p := range plans {
		if c := d.couriers[number]; c != nil {
			c.assign(p)
			continue
		}
		c := newCourier(d, p)
		d.couriers[number] = c
		d.start(c)
	}
	return nil
}

// SetState pauses, disables or resumes a destination, after the store has taken it down. Unknown numbers are ignored:
// what is not configured does not move anyway.
func (d *Dispatcher) SetState(number int64, state bridge.DestinationState) {
	d.mu.Lock()
	c := d.couriers[number]
	d.mu.Unlock()
	if c != nil {
		c.turn(state)
	}
}

// Wake tells that deliveries were committed for these destinations; without any, for all. It never blocks, and several
// calls may count as one.
func (d *Dispatcher) Wake(destinations ...int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(destinations) == 0 {
		for _, c := range d.couriers {
			c.poke()
		}
		return
	}
	for _, number := range destinations {
		if c := d.couriers[number]; c != nil {
			c.poke()
		}
	}
}

// Run delivers until ctx ends, then finishes what is in flight and records it; when drain ends, attempts that still
// wait for an answer are cut and will be made again at the next start. An error says which outcomes could not be
// recorded: those events will be delivered a second time. Run is called once.
func (d *Dispatcher) Run(ctx, drain context.Context) error {
	d.mu.Lock()
	if d.running != nil {
		d.mu.Unlock()
		return errors.New("the dispatcher was run before")
	}
	d.running = &term{ctx: ctx, drain: drain}
	for _, c := range d.couriers {
		d.start(c)
	}
	d.mu.Unlock()

	<-ctx.Done()
	d.mu.Lock()
	d.running.over = true
	d.mu.Unlock()
	d.rounds.Wait()
	return errors.Join(d.failed...)
}

// start needs mu.
func (d *Dispatcher) start(c *courier) {
	term := d.running
	if term == nil || term.over {
		return
	}
	d.rounds.Go(func() {
		if err := c.run(term.ctx, term.drain); err != nil {
			d.mu.Lock()
			d.failed = append(d.failed, err)
			d.mu.Unlock()
		}
	})
}

// retire forgets a courier that has nothing left to do, unless its destination has come back meanwhile.
func (d *Dispatcher) retire(c *courier) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, _, removed := c.orders(); !removed {
		return false
	}
	if d.couriers[c.number] == c {
		delete(d.couriers, c.number)
	}
	return true
}
