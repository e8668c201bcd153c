package watchdog

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// process is a way in which webhooks arrive: next is the one after t, with state kept in a closure per run.
type process struct {
	name string
	make func(r *rand.Rand, start time.Time) func(t time.Time) time.Time
}

func gap(r *rand.Rand, perHour float64) time.Duration {
	return time.Duration(-math.Log(1-r.Float64()) / perHour * float64(time.Hour))
}

// thinned draws from a rate that varies with time.
func thinned(peak float64, rate func(t, start time.Time) float64) func(*rand.Rand, time.Time) func(time.Time) time.Time {
	return func(r *rand.Rand, start time.Time) func(time.Time) time.Time {
		return func(t time.Time) time.Time {
			for {
				t = t.Add(gap(r, peak))
				if r.Float64()*peak < rate(t, start) {
					return t
				}
			}
		}
	}
}

func steady(perHour float64) func(*rand.Rand, time.Time) func(time.Time) time.Time {
	return thinned(perHour, func(time.Time, time.Time) float64 { return perHour })
}

// bursts are n webhooks within seconds.
func bursts(n int, perHour float64, next func(r *rand.Rand, t time.Time) time.Time) func(*rand.Rand, time.Time) func(time.Time) time.Time {
	return func(r *rand.Rand, _ time.Time) func(time.Time) time.Time {
		left := 0
		return func(t time.Time) time.Time {
			if left--; left > 0 {
				return t.Add(gap(r, perHour))
			}
			left = n
			return next(r, t)
		}
	}
}

const simulated = 8 * week * time.Hour

func processes(tb testing.TB) []process {
	berlin := zone(tb, "Europe/Berlin")
	during := func(perHour float64) func(*rand.Rand, time.Time) func(time.Time) time.Time {
		return thinned(perHour, func(t, _ time.Time) float64 { return office(perHour, berlin)(t) })
	}
	drift := func(from, to float64) func(*rand.Rand, time.Time) func(time.Time) time.Time {
		return thinned(max(from, to), func(t, start time.Time) float64 {
			return from * math.Pow(to/from, float64(t.Sub(start))/float64(simulated))
		})
	}
	return []process{
		{"poisson 1/min", steady(60)},
		{"poisson 1/h", steady(1)},
		{"poisson 1/day", steady(1. / 24)},
		{"bursts of 50 per 6 h", bursts(50, 3600, func(r *rand.Rand, t time.Time) time.Time { return t.Add(gap(r, 1./6)) })},
		{"office hours 100/h", during(100)},
		{"office hours 3/h", during(3)},
		{"pareto gaps", func(r *rand.Rand, _ time.Time) func(time.Time) time.Time {
			return func(t time.Time) time.Time { // index 1.5, mean gap 12 min
				return t.Add(time.Duration(float64(4*time.Minute) * math.Pow(1-r.Float64(), -1/1.5)))
			}
		}},
		{"heartbeat 10 min", func(r *rand.Rand, _ time.Time) func(time.Time) time.Time {
			return func(t time.Time) time.Time {
				return t.Add(10*time.Minute + time.Duration(r.NormFloat64()*float64(5*time.Second)))
			}
		}},
		{"rate drifting x10", drift(1.5, 15)},
		{"rate drifting /10", drift(15, 1.5)},
		{"nightly batch of 1000", bursts(1000, 12000, func(r *rand.Rand, t time.Time) time.Time {
			night := t.In(berlin).Add(12 * time.Hour)
			return time.Date(night.Year(), night.Month(), night.Day(), 2, 0, 0, 0, berlin).Add(24*time.Hour + time.Duration(r.Float64()*float64(10*time.Minute)))
		})},
	}
}

// figures of one process.
type figures struct {
	probes float64   // a day, while healthy
	delays []float64 // minutes from the first lost webhook to the poll that sees its change
	lost   []float64 // webhooks until then
}

// simulate lets a machine listen for eight weeks, and at ten moments asks what would happen if webhooks ended there.
func simulate(p process, seed uint64, berlin *time.Location) figures {
	r := rand.New(rand.NewPCG(seed, 2))
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, berlin)
	end := start.Add(simulated)
	m := New(Config{Zone: berlin}, r.Float64)
	m.state.State, m.state.Baselined = Listening, true
	m.Hear(start)
	next := p.make(r, start)
	var failures []time.Time
	for range 10 {
		failures = append(failures, start.Add(time.Duration((.25+.75*r.Float64())*float64(simulated))))
	}
	slices.SortFunc(failures, time.Time.Compare)
	f := figures{}
	probes := 0
	poll := func(m *Machine, t time.Time, reason Reason) {
		m.PollBegan(t, reason)
		m.PollEnded(t, PollResult{Complete: true})
	}
	event, wake := next(start), start
	for now := start; now.Before(end); {
		now = earlier(event, wake)
		for len(failures) > 0 && failures[0].Before(now) {
			failures = failures[1:]
			f.fail(*m, event, next, poll)
		}
		if now.Equal(event) {
			m.Webhook(now, Webhook{})
			event = next(event)
		}
		d := m.Next(now)
		for d.Poll != None {
			if d.Poll == Probe {
				probes++
			}
			poll(m, now, d.Poll)
			d = m.Next(now)
		}
		m.Transitions()
		wake = d.At
	}
	f.probes = float64(probes) / (simulated.Hours() / 24)
	return f
}

// fail lets a copy of the machine hear nothing from event on.
func (f *figures) fail(m Machine, event time.Time, next func(time.Time) time.Time, poll func(*Machine, time.Time, Reason)) {
	m.told.reset()
	m.told.agree(m.state.Polled, m.state.Polled, PollResult{Complete: true})
	now := m.clock.last
	for {
		d := m.Next(now)
		if d.Poll != None && now.After(event) {
			break
		}
		if d.Poll != None {
			poll(&m, now, d.Poll)
			continue
		}
		now = d.At
	}
	f.delays = append(f.delays, now.Sub(event).Minutes())
	lost := 0.
	for at := event; !at.After(now); at = next(at) {
		lost++
	}
	f.lost = append(f.lost, lost)
}

func geomean(x []float64) float64 {
	sum := 0.
	for _, v := range x {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(x)))
}

func quantile(x []float64, q float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[min(len(x)-1, int(q*float64(len(x))))]
}

func mean(x []float64) float64 {
	sum := 0.
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// row is what the published table says of this detector: 11 processes, 60 seeds, eight weeks, ten failures each.
var row = []struct {
	unit  string
	value float64
}{{"probes/day", 5.8}, {"worst-probes/day", 8.8}, {"median-min", 17}, {"p95-min", 57}, {"median-lost", 6.6}}

// table computes the row anew. Probes are averaged over the processes; delays and losses, which differ by orders of magnitude
// between a nightly batch and one webhook a day, by geometric mean. The table leaves open the mean of the Pareto gaps, where
// the drifts begin and how dense a burst is; the values here are plain ones.
func table(tb testing.TB, seeds int) []float64 {
	berlin := zone(tb, "Europe/Berlin")
	var probes, medians, p95s, losts []float64
	for _, p := range processes(tb) {
		var f figures
		var costs []float64
		runs := make([]figures, seeds)
		var group sync.WaitGroup
		for seed := range runs {
			group.Go(func() { runs[seed] = simulate(p, uint64(seed)+1, berlin) })
		}
		group.Wait()
		for _, one := range runs {
			costs = append(costs, one.probes)
			f.delays = append(f.delays, one.delays...)
			f.lost = append(f.lost, one.lost...)
		}
		probes = append(probes, mean(costs))
		medians = append(medians, quantile(f.delays, .5))
		p95s = append(p95s, quantile(f.delays, .95))
		losts = append(losts, quantile(f.lost, .5))
		tb.Logf("%-24s seeds 1-%d: %4.1f probes a day; found after %5.1f min (median), %5.1f (p95); %6.1f lost (median)",
			p.name, seeds, mean(costs), quantile(f.delays, .5), quantile(f.delays, .95), quantile(f.lost, .5))
	}
	return []float64{mean(probes), slices.Max(probes), geomean(medians), geomean(p95s), geomean(losts)}
}

// BenchmarkSilence measures the detector on 11 ways of arriving and prints the row beside what the table says.
func BenchmarkSilence(b *testing.B) {
	for b.Loop() {
		for i, value := range table(b, 20) {
			b.ReportMetric(value, row[i].unit)
			b.Logf("%-18s %5.1f, published %5.1f (%+.0f %%)", row[i].unit, value, row[i].value, 100*(value/row[i].value-1))
		}
	}
}

// TestDetectorCostsAndFindsAsPublished holds the same figures, from fewer seeds, to a fifth of the table's.
func TestDetectorCostsAndFindsAsPublished(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates years")
	}
	t.Parallel()
	for i, value := range table(t, 5) {
		if ratio := value / row[i].value; ratio < .8 || ratio > 1.2 {
			t.Errorf("%s: %.2f, published %.2f", row[i].unit, value, row[i].value)
		}
	}
}
