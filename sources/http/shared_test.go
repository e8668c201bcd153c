package http

import (
	"testing"
	"time"
)

// rateOf is what the host is held to, per second; 0: nothing.
func rateOf(h *host) float64 {
	if h.limiter == nil {
		return 0
	}
	return float64(h.limiter.Limit())
}

func TestARateHoldsAsLongAsItsSource(t *testing.T) {
	h, sources := &host{}, [3]Source{}
	for i, step := range []struct {
		do   func()
		want float64
	}{
		{func() { h.limit(5, &sources[0]) }, 5},
		{func() { h.limit(2, &sources[1]) }, 2},
		{func() { h.limit(9, &sources[2]) }, 2},
		{func() { h.limit(2, &sources[2]) }, 2},
		{func() { h.release(2) }, 2}, // the other of that rate still lives
		{func() { h.release(2) }, 5},
		{func() { h.release(9) }, 5},
		{func() { h.release(5) }, 0},
		{func() { h.limit(7, &sources[0]) }, 7},
	} {
		step.do()
		if got := rateOf(h); got != step.want {
			t.Errorf("after step %d the rate is %v, want %v", i+1, got, step.want)
		}
	}
}

func TestAHostRestsUntilTheLatestOfWhatItSaid(t *testing.T) {
	h, now := &host{}, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	if _, busy := h.Busy(now); busy {
		t.Error("busy from the start")
	}
	h.rest(now.Add(time.Hour))
	h.rest(now.Add(time.Minute)) // the answer to a request that was under way
	if until, busy := h.Busy(now.Add(59 * time.Minute)); !busy || !until.Equal(now.Add(time.Hour)) {
		t.Errorf("busy %t until %v", busy, until)
	}
	if _, busy := h.Busy(now.Add(time.Hour)); busy {
		t.Error("busy beyond what it said")
	}
}
