package decode

import "context"

type traceKey struct{}

// WithTrace makes every fetch under the context report each request and its answer, in one line without secrets. A fetch
// calls trace as it calls emit: on the goroutine that called it, one call at a time.
func WithTrace(ctx context.Context, trace func(line string)) context.Context {
	return context.WithValue(ctx, traceKey{}, trace)
}

// Trace returns the function given to WithTrace, or nil.
func Trace(ctx context.Context) func(line string) {
	trace, _ := ctx.Value(traceKey{}).(func(string))
	return trace
}
