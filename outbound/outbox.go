package outbound

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/hookbridge/bridge"
)

// trouble is a series of failures of the same kind: logged when it begins and when it ends, retried ever less often.
type trouble struct {
	err   error
	wait  time.Duration
	until time.Time // no sooner is it tried again
}

func (t *trouble) again(err error, now time.Time) (began bool) {
	began = t.err == nil
	t.err = err
	t.wait = min(max(2*t.wait, 100*time.Millisecond), 5*time.Second)
	t.until = now.Add(t.wait)
	return began
}

func (t *trouble) over() (ended bool) {
	ended = t.err != nil
	*t = trouble{}
	return ended
}

// filling is what a look at the outbox brought.
type filling struct {
	deliveries []bridge.Delivery
	limit      int
	next       time.Time
	err        error
}

// capacity is how many deliveries are kept at hand: enough that attempts do not wait for the outbox, little enough that
// large bodies do not fill the memory.
func (c *courier) capacity() int {
	n := min(max(16*c.applied.Concurrency, minQueue), maxQueue)
	if c.weight > 0 {
		n = min(n, max(2, queueBytes/c.weight))
	}
	return n
}

// refill looks at the outbox when the queue is under half. Until Due has returned nobody changes the claims: what was
// settled meanwhile could otherwise be no longer claimed, yet still be due in the older state that Due reads, and would
// be sent twice.
func (c *courier) refill(ctx context.Context, now time.Time) {
	if !c.next.IsZero() && !c.next.After(now) {
		c.look, c.next = true, time.Time{}
	}
	capacity := c.capacity()
	if !c.look || c.filling || len(c.queue) > capacity/2 || c.looking.until.After(now) {
		return
	}
	c.look, c.filling = false, true
	limit := capacity - len(c.queue)
	if c.weight == 0 {
		limit = min(limit, minQueue) // nobody knows yet how large they are
	}
	go func() {
		deliveries, next, err := c.outbox.Due(ctx, c.number, now, limit, c.claimed)
		if err != nil && ctx.Err() != nil {
			err = ctx.Err() // whatever the store calls it, we are stopping
		}
		c.filled <- filling{deliveries, limit, next, err}
	}()
}

func (c *courier) claimed(id int64) bool {
	_, claimed := c.claims[id]
	return claimed
}

// take puts what Due returned into the queue.
func (c *courier) take(f filling) {
	c.filling = false
	for _, id := range c.released {
		delete(c.claims, id)
	}
	c.released = c.released[:0]
	if f.err != nil {
		c.look = true
		if errors.Is(f.err, context.Canceled) {
			return
		}
		if c.looking.again(f.err, time.Now()) {
			c.options.Logger.Error("the outbox cannot be read; deliveries wait", "destination", c.applied.Name, "error", f.err)
		}
		return
	}
	if c.looking.over() {
		c.options.Logger.Info("the outbox can be read again", "destination", c.applied.Name)
	}
	c.next = f.next
	c.look = c.look || len(f.deliveries) >= f.limit
	var bytes int
	for i := range f.deliveries {
		e := &f.deliveries[i].Event
		bytes += 512 + len(e.Before) + len(e.After) + len(e.Data)
		c.claims[f.deliveries[i].ID] = struct{}{}
	}
	if n := len(f.deliveries); n > 0 {
		c.weight = bytes / n
	}
	for i := range f.deliveries {
		c.queue = append(c.queue, &f.deliveries[i])
	}
}

// release gives up a claim, at once or when Due has returned.
func (c *courier) release(ids ...int64) {
	if c.filling {
		c.released = append(c.released, ids...)
		return
	}
	for _, id := range ids {
		delete(c.claims, id)
	}
}

// drop gives back what has not been begun; it stays due in the outbox.
func (c *courier) drop() {
	for i := range c.queue {
		c.release(c.queue[i].ID)
	}
	c.look = c.look || len(c.queue) > 0
	c.queue = nil
}

// record hands outcomes to the store, one batch at a time. While a batch is being committed the next one gathers, so
// commits become larger exactly when there is much to commit, and nobody waits when there is little. ctx does not end: an outcome is a fact, and whoever is stopping waits for it.
func (c *courier) record(ctx context.Context, now time.Time) {
	if len(c.unsettled) == 0 || c.settling != nil || c.recordable().After(now) {
		return
	}
	c.gather = now.Add(settlePause)
	n := min(len(c.unsettled), settleBatch)
	c.settling = c.unsettled[:n:n]
	c.unsettled = c.unsettled[n:]
	batch := c.settling
	var notices []Notice
	for i := range batch {
		if notice, ok := c.notices[batch[i].Delivery]; ok {
			notices = append(notices, notice)
		}
	}
	go func() {
		err := c.outbox.Settle(ctx, batch)
		if err == nil {
			for _, notice := range notices {
				c.options.Notify(notice)
			}
		}
		c.settled <- err
	}()
}

// recordable is when outcomes may be handed to the store. While others can be sent, small batches are let grow for a moment:
// a commit costs the pages it touches, however little it writes to them. What only waits for the outcome is never held up.
func (c *courier) recordable() time.Time {
	at := c.recording.until
	if len(c.queue) > 0 && len(c.unsettled) < settleBatch && c.gather.After(at) {
		at = c.gather
	}
	return at
}

// recorded takes down whether a batch was committed.
func (c *courier) recorded(err error) {
	batch := c.settling
	c.settling = nil
	if err != nil {
		c.unsettled = slices.Concat(batch, c.unsettled)
		if c.recording.again(err, time.Now()) {
			c.options.Logger.Error("outcomes of deliveries cannot be recorded; they are kept and tried again", "destination", c.applied.Name, "error", err)
		}
		return
	}
	if c.recording.over() {
		c.options.Logger.Info("outcomes of deliveries are recorded again", "destination", c.applied.Name)
	}
	for i := range batch {
		c.release(batch[i].Delivery)
		delete(c.notices, batch[i].Delivery)
	}
	c.look = true // the next of their lanes, and retries
}

// tell logs an outcome and notes down whom to tell once it is recorded.
func (c *courier) tell(ctx context.Context, p *plan, l *landing, s *bridge.Settlement) {
	e := &l.delivery.Event
	if s.Verdict == bridge.Delivered && c.sending.err == nil && !c.options.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	log := c.options.Logger.With("destination", p.Name, "event", e.ID, "type", e.Type, "attempt", s.Attempt.Number)
	switch s.Verdict {
	case bridge.Delivered:
		if c.sending.over() {
			log.Info("the destination takes deliveries again")
		}
		log.Debug("delivered", "status", s.Attempt.Status, "took", s.Attempt.Took)
		return
	case bridge.Retry:
		level := log.Debug
		if c.sending.again(errors.New(s.Attempt.Error), s.RetryAt) {
			level = log.Warn
		}
		level("delivery failed", "error", s.Attempt.Error, "retry_at", s.RetryAt)
		return
	case bridge.Disable:
		c.mu.Lock()
		first := c.state == bridge.Active
		if first {
			c.state = bridge.Disabled
		}
		c.mu.Unlock()
		if !first {
			return
		}
		log.Debug("the receiver disabled the destination", "reason", s.Attempt.Error) // Notify tells it, once it is recorded
	case bridge.Dead:
		log.Debug("dead letter", "reason", s.Attempt.Error)
	}
	c.notices[s.Delivery] = Notice{
		Destination: c.number, Name: p.Name, Verdict: s.Verdict, Delivery: s.Delivery,
		Event: e.ID, Type: e.Type, Job: e.Job, Key: e.Key, Reason: s.Attempt.Error,
	}
}
