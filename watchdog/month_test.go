package watchdog

import (
	"slices"
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
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	for seed := range uint64(3) {
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

// TestADeadWebhookIsFoundWithinWindowPollAndGrace ends webhooks in the middle of a working month.
func TestADeadWebhookIsFoundWithinWindowPollAndGrace(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{1, 10, 100} {
		var all []time.Duration
		for seed := range uint64(5) {
			w := newWorld(t, Config{}, "2026-02-02 07:00", seed)
			w.poisson(rate, always(rate))
			w.run(10*24*time.Hour + time.Duration(w.rand.Float64()*float64(24*time.Hour)))
			if w.m.state.State != Listening && w.m.state.State != Probing {
				t.Fatalf("seed %d, %v/h: %s after ten days", seed, rate, w.m.state.State)
			}
			dead := w.now
			w.lose = func(time.Time) bool { return true }
			var first time.Time
			for w.m.state.State != Fallback {
				w.run(time.Second)
				if first.IsZero() && len(w.lost) > 0 {
					first = w.now
				}
				if w.now.Sub(dead) > 24*time.Hour {
					t.Fatalf("seed %d, %v/h: a day after the end still %s", seed, rate, w.m.state.State)
				}
			}
			took := w.now.Sub(first)
			all = append(all, took)
			if limit := 4*time.Hour + w.takes + w.m.wait(w.now) + time.Second; took > limit {
				t.Errorf("seed %d, %v/h: fell back %v after the first loss, limit %v", seed, rate, took, limit)
			}
			if lost := len(w.found); lost == 0 || w.m.state.Missed == 0 {
				t.Errorf("seed %d: fell back with %d found, %d missed", seed, lost, w.m.state.Missed)
			}
			w.lose = func(time.Time) bool { return false }
			w.run(6 * time.Hour)
			if rate > 1 {
				w.want(Listening)
			}
		}
		slices.Sort(all)
		t.Logf("%v/h: from the first loss to fallback, grace included: median %v, slowest %v", rate, all[len(all)/2], all[len(all)-1])
	}
}

// TestLateWebhooksAreNotLost delays every webhook by minutes for a month.
func TestLateWebhooksAreNotLost(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		w := newWorld(t, Config{}, "2026-02-02 07:00", seed)
		w.delay = func(time.Time) time.Duration {
			return time.Duration(w.rand.ExpFloat64() * float64(5*time.Minute))
		}
		w.poisson(10, always(10))
		w.run(month)
		w.tolerates(seed, 2)
	}
}

// tolerates accepts so many fallbacks, each taken back.
func (w *world) tolerates(seed uint64, most int) {
	t := w.tb
	t.Helper()
	t.Logf("seed %d: polls %v, %d fallbacks, grace %v", seed, w.polls, w.count(Fallback), w.m.wait(w.now))
	if n := w.count(Fallback); n > most {
		t.Errorf("seed %d: %d fallbacks, want at most %d: %v", seed, n, most, w.last(9))
	}
	if w.m.state.State == Fallback {
		t.Errorf("seed %d: still in fallback: %v", seed, w.last(4))
	}
}

// TestAFlappingProducerDoesNotFlapTheState has webhooks come for two hours and fail for two, for a month.
func TestAFlappingProducerDoesNotFlapTheState(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		for _, up := range []time.Duration{10 * time.Minute, 2 * time.Hour} {
			w := newWorld(t, Config{}, "2026-02-02 07:00", seed)
			w.lose = func(now time.Time) bool { return now.Truncate(up).Sub(now.Truncate(2*up)) != 0 }
			w.poisson(30, always(30))
			w.run(month)
			t.Logf("seed %d, up and down for %v: %d fallbacks, %d recoveries, polls %v", seed, up, w.count(Fallback), w.count(Recovering), w.polls)
			if n := len(w.moves) - w.count(Probing) - w.count(Listening); n > 3*30 {
				t.Errorf("seed %d, %v: the state moved %d times in a month, the producer %d times", seed, up, n, month/up)
			}
		}
	}
}

// TestPartialLossDoesNotFlapTheState loses a third of all webhooks of a busy source.
func TestPartialLossDoesNotFlapTheState(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		w := newWorld(t, Config{}, "2026-02-02 07:00", seed)
		w.run(time.Minute)
		w.poisson(60, always(60))
		w.run(24 * time.Hour)
		w.lose = func(time.Time) bool { return w.rand.IntN(3) == 0 }
		began := len(w.moves)
		w.run(month)
		t.Logf("seed %d: %d moves, %d fallbacks, polls %v", seed, len(w.moves)-began, w.count(Fallback), w.polls)
		if w.count(Fallback) == 0 {
			t.Errorf("seed %d: partial loss was never found", seed)
		}
		if n := len(w.moves) - began; n > 3*30 {
			t.Errorf("seed %d: the state moved %d times: %v", seed, n, w.last(8))
		}
	}
}

// TestRestartsAndDowntimeCauseNoFallback stops the daemon for an hour a day, at all hours, while changes and their webhooks go on.
func TestRestartsAndDowntimeCauseNoFallback(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		w := newWorld(t, Config{}, "2026-02-02 07:00", seed)
		w.lose = func(time.Time) bool { return w.down } // nobody answers, and this sender does not try again
		w.poisson(20, always(20))
		for range 30 {
			w.run(23*time.Hour + time.Duration(w.rand.Float64()*float64(time.Hour)))
			w.restartAfter(time.Duration(w.rand.Float64() * float64(2*time.Hour)))
			w.run(3 * time.Hour)
		}
		if w.count(Fallback) != 0 || w.m.state.Missed != 0 {
			t.Errorf("seed %d: %d fallbacks, %d missed: %v", seed, w.count(Fallback), w.m.state.Missed, w.last(5))
		}
		if len(w.lost) != 0 && w.polls[Catchup] < 30 {
			t.Errorf("seed %d: %d catch-up polls, %d changes never seen", seed, w.polls[Catchup], len(w.lost))
		}
	}
}

// TestClockChangesCauseNoFallback runs through both changes of summer time, with office hours declared, learned and neither.
func TestClockChangesCauseNoFallback(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"} {
		place := zone(t, name)
		hours, err := ParseHours("Mon-Fri 08:00-18:00", place)
		if err != nil {
			t.Fatal(err)
		}
		for _, start := range []string{"2026-03-02 07:00", "2026-10-04 07:00"} {
			for _, cfg := range []Config{{Zone: place}, {Expect: hours}, {Silence: 30 * time.Minute, Expect: hours}} {
				w := newWorld(t, cfg, start, 7)
				w.poisson(12, office(12, place))
				w.run(month)
				if w.count(Fallback) != 0 || w.m.state.State != Listening && w.m.state.State != Probing {
					t.Errorf("%s from %s: %s, %v", name, start, w.m.state.State, w.last(4))
				}
				for _, move := range w.moves {
					if move.To == Probing && cfg.Expect != nil && !hours.Contains(move.At) && !hours.Contains(move.At.Add(-5*time.Minute)) {
						t.Errorf("%s: probes at %v, when nothing is expected", name, move.At.In(place))
					}
				}
			}
		}
	}
}
