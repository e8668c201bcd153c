package outbound

import (
	"context"
	"time"
)

// leash ends what takes too long. A worker takes one along from attempt to attempt, for as long as it was never pulled: a
// context and a timer for each would be a good part of what an attempt costs.
type leash struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	plan   *plan
}

// begin puts an attempt by a plan on the leash, under ctx, which is the same each time.
func (l *leash) begin(ctx context.Context, p *plan) context.Context {
	if l.ctx != nil && l.ctx.Err() == nil && l.plan == p {
		l.timer.Reset(p.Timeout)
		return l.ctx
	}
	l.drop()
	inner, cancel := context.WithCancelCause(ctx)
	l.ctx, l.cancel, l.plan = inner, cancel, p
	l.timer = time.AfterFunc(p.Timeout, func() { cancel(p.late) })
	return inner
}

// end takes the attempt off. A timer that has gone off may not have pulled yet: then the leash is not used again.
func (l *leash) end() {
	if !l.timer.Stop() {
		l.cancel(nil)
	}
}

// drop lets go of everything.
func (l *leash) drop() {
	if l.ctx != nil {
		l.timer.Stop()
		l.cancel(nil)
	}
}
