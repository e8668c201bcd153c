package outbound

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hookbridge/bridge"
)

// Bounds of one courier.
const (
	minQueue     = 64
	maxQueue     = 1024
	queueBytes   = 16 << 20 // bodies held in memory, about
	maxUnsettled = 4096     // outcomes held while the store cannot take them; then attempts stop
	settleBatch  = 512
	settlePause  = 2 * time.Millisecond // between the beginnings of two small batches

	workerPatience = time.Second // of workers who have nothing to do
)

// courier carries everything of one destination. All of its state but the orders belongs to one goroutine, run; attempts,
// reads of the outbox and settlements are goroutines that report back to it and own nothing. An idle courier is that one
// goroutine, asleep.
type courier struct {
	*Dispatcher
	number int64
	wake   chan struct{} // of one: the table is the truth, this only says "look"

	mu      sync.Mutex // orders from outside
	plan    *plan
	state   bridge.DestinationState
	removed bool

	// What follows belongs to run.
	applied *plan // whose limits are in force
	client  *client
	limit   throttle
	rate    *rate.Limiter
	permit  time.Time // when the next attempt may begin by the rate; zero: not asked yet

	queue   []*bridge.Delivery // to be sent, oldest first
	flying  int
	workers sync.WaitGroup
	crew    int          // workers, flying or waiting for more
	idle    time.Time    // when those who wait may go
	ready   chan *flight // to workers that have just landed
	landed  chan *landing

	claims   map[int64]struct{} // queued, flying or unsettled: Due must not return them
	released []int64            // claims to be dropped when Due has returned; see refill
	filling  bool
	filled   chan filling
	look     bool      // the outbox may have something
	next     time.Time // when it has something without being told; zero: never
	weight   int       // mean bytes of a delivery

	unsettled []bridge.Settlement
	notices   map[int64]Notice // by delivery, of what is unsettled
	settling  []bridge.Settlement
	gather    time.Time // when the next batch may go, however small
	settled   chan error

	looking, recording trouble // the store's
	sending            trouble // the receiver's
}

func newCourier(d *Dispatcher, p *plan) *courier {
	return &courier{
		Dispatcher: d,
		number:     p.Number,
		wake:       make(chan struct{}, 1),
		plan:       p,
		state:      p.State,
		ready:      make(chan *flight),
		landed:     make(chan *landing, 64),
		claims:     map[int64]struct{}{},
		filled:     make(chan filling, 1),
		look:       true,
		notices:    map[int64]Notice{},
		settled:    make(chan error, 1),
	}
}

// poke makes the courier look at its orders and at the outbox.
func (c *courier) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *courier) assign(p *plan) {
	c.mu.Lock()
	c.plan, c.state, c.removed = p, p.State, false
	c.mu.Unlock()
	c.poke()
}

func (c *courier) turn(state bridge.DestinationState) {
	c.mu.Lock()
	c.state = state
	c.mu.Unlock()
	c.poke()
}

func (c *courier) remove() {
	c.mu.Lock()
	c.removed = true
	c.mu.Unlock()
	c.poke()
}

func (c *courier) orders() (p *plan, active, removed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.plan, c.state == bridge.Active && !c.removed, c.removed
}

// run carries until ctx ends and all is settled, or until the destination is removed and all is settled.
func (c *courier) run(ctx, drain context.Context) error {
	flight, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	defer c.workers.Wait()
	defer close(c.ready)
	defer context.AfterFunc(drain, func() { cut(errCut) })()
	defer func() { c.client.close() }()

	alarm := time.NewTimer(0)
	defer alarm.Stop()
	stop, last := ctx.Done(), drain.Done()
	stopping, over := false, false
	for {
		p, active, removed := c.orders()
		c.apply(p)
		now := time.Now()
		if stopping || !active {
			c.drop()
		} else {
			c.refill(ctx, now)
			c.depart(flight, now)
		}
		if c.flying == 0 && !c.filling && c.settling == nil {
			if len(c.unsettled) == 0 && (stopping || removed && c.retire(c)) {
				return nil
			}
			if over && c.recording.err != nil {
				return fmt.Errorf("destination %q: %d outcomes could not be recorded, their events will be delivered again: %w", p.Name, len(c.unsettled), c.recording.err)
			}
		}
		if !over || c.flying == 0 {
			c.record(context.WithoutCancel(ctx), now)
		}
		c.dismiss(now)
		alarm.Reset(c.alarm(now, active && !stopping))

		select {
		case <-c.wake:
			c.look = true
		case l := <-c.landed:
			c.land(ctx, l)
			for range len(c.landed) {
				c.land(ctx, <-c.landed)
			}
		case f := <-c.filled:
			c.take(f)
		case err := <-c.settled:
			c.recorded(err)
		case <-alarm.C:
		case <-stop:
			stopping, stop = true, nil
		case <-last:
			stopping, over, stop, last = true, true, nil, nil
			c.recording = trouble{} // one last try, when all have landed
		}
	}
}

// apply puts a new plan into force.
func (c *courier) apply(p *plan) {
	if p == c.applied {
		return
	}
	if c.client == nil || !c.client.fits(p) {
		c.client.close()
		c.client = newClient(p, c.options.Transport)
	}
	if c.applied == nil || c.applied.Rate != p.Rate {
		c.rate, c.permit = p.limiter(), time.Time{}
	}
	c.limit.resize(p.Concurrency)
	c.applied = p
}

// depart begins as many attempts as limit and rate allow.
func (c *courier) depart(ctx context.Context, now time.Time) {
	for c.limit.room(c.flying) && len(c.unsettled)+len(c.settling)+c.flying < maxUnsettled {
		i, _ := c.first(now)
		if i < 0 {
			return
		}
		if c.rate != nil {
			if c.permit.IsZero() {
				c.permit = now.Add(c.rate.ReserveN(now, 1).DelayFrom(now))
			}
			if c.permit.After(now) {
				return
			}
			c.permit = time.Time{}
		}
		delivery := c.queue[i]
		if i == 0 {
			c.queue[0] = nil // let go of its bodies
			c.queue = c.queue[1:]
		} else {
			c.queue = append(c.queue[:i], c.queue[i+1:]...)
		}
		c.flying++
		f := &flight{c.applied, c.client, delivery}
		select {
		case c.ready <- f:
		default:
			c.crew++
			c.workers.Go(func() { c.work(ctx, f) })
		}
	}
}

// flight is an attempt about to begin, with the plan in force at its beginning.
type flight struct {
	plan     *plan
	client   *client
	delivery *bridge.Delivery
}

// work makes attempts until it is dismissed. A worker that goes on has a stack that fits; a new goroutine would have to
// grow one for each attempt.
func (c *courier) work(ctx context.Context, f *flight) {
	var l leash
	defer l.drop()
	for ; f != nil; f = <-c.ready {
		c.landed <- c.attempt(ctx, &l, f.plan, f.client, f.delivery)
	}
}

// dismiss ends the workers once there was nothing to do for a while.
func (c *courier) dismiss(now time.Time) {
	if c.flying > 0 || c.crew == 0 || now.Before(c.idle) {
		return
	}
	for ; c.crew > 0; c.crew-- {
		c.ready <- nil // all have landed and wait for it
	}
}

// first finds the first delivery of the queue that may go now, or says when one may.
func (c *courier) first(now time.Time) (int, time.Time) {
	var soonest time.Time
	for i := range c.queue {
		wait := c.applied.early(c.queue[i], now)
		if wait <= 0 {
			return i, time.Time{}
		}
		if at := now.Add(wait); soonest.IsZero() || at.Before(soonest) {
			soonest = at
		}
	}
	return -1, soonest
}

// alarm is how long the courier may sleep when nothing happens.
func (c *courier) alarm(now time.Time, active bool) time.Duration {
	wait := time.Minute // a clock that was set does not go unnoticed for longer
	until := func(at time.Time) {
		if !at.IsZero() {
			wait = max(0, min(wait, at.Sub(now)))
		}
	}
	if len(c.unsettled) > 0 && c.settling == nil {
		until(c.recordable())
	}
	if c.flying == 0 && c.crew > 0 {
		until(c.idle)
	}
	if !active {
		return wait
	}
	if !c.filling && len(c.queue) <= c.capacity()/2 {
		until(c.next)
		if c.look {
			until(c.looking.until)
		}
	}
	if len(c.queue) > 0 && c.limit.room(c.flying) {
		until(c.permit)
		if _, at := c.first(now); c.permit.IsZero() {
			until(at)
		}
	}
	return wait
}

// land takes down how an attempt ended.
func (c *courier) land(ctx context.Context, l *landing) {
	c.flying--
	if l.cut {
		c.release(l.delivery.ID) // stays due: it is made again at the next start
		return
	}
	now := time.Now()
	c.idle = now.Add(workerPatience)
	p := c.applied
	s := p.settle(l, now)
	if l.verdict == bridge.Delivered {
		c.limit.won()
	} else if l.strained {
		c.limit.lost(l.attempt.At, now)
	}
	c.tell(ctx, p, l, &s)
	c.unsettled = append(c.unsettled, s)
}
