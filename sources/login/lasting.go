package login

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// grace is how long the answer to a request is waited for after its job has been cancelled.
const grace = 5 * time.Second

// lasting is the context of a request whose answer must not be lost once it has been sent: what it carries has been used
// then, and what replaces it is in the answer. Until then it ends with ctx.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	longer, cancel := context.WithCancelCause(httptrace.WithClientTrace(until{context.WithoutCancel(ctx), ctx}, trace))
	stop := context.AfterFunc(ctx, func() {
		if sent.Load() {
			timer := time.NewTimer(grace)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-longer.Done():
			}
		}
		cancel(context.Cause(ctx))
	})
	return longer, func() { stop(); cancel(nil) }
}

// until has the deadline of a context that it outlasts, for those who wait before a request is sent.
type until struct {
	context.Context
	limit context.Context
}

func (u until) Deadline() (time.Time, bool) { return u.limit.Deadline() }
