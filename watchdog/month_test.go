package watchdog

import (
	"testing"
	"time"
)

const month = 30 * 24 * time.Hour

func zone(tb testing.TB, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

// TestQuietNightsAndWeekendsAreNoFallback simulates a month of a provider that only works in office hours, without `expect`.
func TestQuietNightsAndWeekendsAreNoFallback(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for seed := range uint64(5) {
		for _, rate := range []float64{3, 100} {
			w := newWorld(t, Config{Zone: berlin}, "2026-02-02 07:00", seed)
			w.poisson(rate, office(rate, berlin))
			w.run(month)
			polls := 0
			for _, reason := range []Reason{Probe, Audit} {
				polls += w.polls[reason]
			}
			t.Logf("seed %d, %v/h: polls %v, %d lost and found", seed, rate, w.polls, len(w.found))
			if w.count(Fallback) != 0 || w.m.state.State == Unproven {
				t.Errorf("seed %d: fell back: %v", seed, w.last(5))
			}
			if polls == 0 || polls > 30*14 {
				t.Errorf("seed %d: %d probes and audits in a month", seed, polls)
			}
		}
	}
}
