package outbound

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

// witness is a receiver with moods that notes who came.
type witness struct {
	mu     sync.Mutex
	moods  []int // drawn in advance, used in turn; 200 when there are no more
	events map[string]*row
	last   map[string]int64 // lane: sequence of its last arrival
	inside map[string]int   // lane: attempts in the air
	taken  map[string]int   // event: times it was answered 2xx
	faults []string
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	e := w.events[r.Header.Get("webhook-id")]
	mood := 200
	if len(w.moods) > 0 {
		mood, w.moods = w.moods[0], w.moods[1:]
	}
	lane := fmt.Sprint(e.Destination, "/", e.lane)
	if e.lane != "" {
		if e.Event.Sequence < w.last[lane] {
			w.faults = append(w.faults, fmt.Sprintf("%s: %d came after %d", lane, e.Event.Sequence, w.last[lane]))
		}
		if w.inside[lane]++; w.inside[lane] > 1 {
			w.faults = append(w.faults, fmt.Sprintf("%s: two in the air", lane))
		}
		w.last[lane] = e.Event.Sequence
	}
	w.mu.Unlock()
	defer func() { w.mu.Lock(); w.inside[lane]--; w.mu.Unlock() }()
	switch mood {
	case 0: // hangs
		<-r.Context().Done()
		return nil, r.Context().Err()
	case 1: // goes away
		return nil, errors.New("connection reset by peer")
	case 2:
		return answer(400, "webhook-delivery", "abort-message"), nil
	case 429:
		return answer(429, "Retry-After", "90"), nil
	}
	if mood < 300 {
		select { // takes its time, and may be cut
		case <-time.After(50 * time.Millisecond):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		w.mu.Lock()
		w.taken[e.Event.ID]++
		w.mu.Unlock()
	}
	return answer(mood), nil
}

// step is one thing that happens to a running dispatcher.
type step struct {
	wait        time.Duration
	what        string
	concurrency int
	adds        []add
}

type add struct {
	destination int64
	lane        string
}

func drawStep(r *rapid.T) step {
	return step{
		wait:        time.Duration(rapid.IntRange(0, 5000).Draw(r, "wait")) * time.Millisecond,
		what:        rapid.SampledFrom([]string{"add", "add", "pause", "resume", "reload", "remove", "refuse", "accept", "crash"}).Draw(r, "what"),
		concurrency: rapid.IntRange(1, 5).Draw(r, "concurrency"),
		adds: rapid.SliceOfN(rapid.Custom(func(r *rapid.T) add {
			return add{rapid.Int64Range(1, 2).Draw(r, "destination"), rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(r, "lane")}
		}), 1, 8).Draw(r, "adds"),
	}
}

// TestOrderPerLane: under failures, pauses, reloads, a store that refuses for a while and crashes, attempts of a lane
// come one at a time and never go back; everything ends as delivered or dead; and without a crash what was taken is
// sent no more.
func TestOrderPerLane(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		moods := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 2, 200, 200, 200, 204, 301, 429, 500, 503}), 0, 60).Draw(r, "moods")
		steps := append([]step{{what: "add", adds: drawStep(r).adds}}, rapid.SliceOfN(rapid.Custom(drawStep), 0, 12).Draw(r, "steps")...)
		var faults []string
		synctest.Test(t, func(t *testing.T) { faults = happen(t, moods, steps) })
		for _, fault := range faults {
			r.Error(fault)
		}
	})
}

// happen lets the steps happen and returns what was wrong.
func happen(t *testing.T, moods []int, steps []step) []string {
	l := newLedger(t)
	l.slow = 20 * time.Millisecond
	w := &witness{moods: moods, events: map[string]*row{}, last: map[string]int64{}, inside: map[string]int{}, taken: map[string]int{}}
	destinations := []Destination{to(1, "http://a.test/"), to(2, "http://b.test/")}
	for i := range destinations {
		destinations[i].Retry = []time.Duration{0, time.Second, time.Minute, time.Hour}
	}
	fault := func(format string, args ...any) { w.faults = append(w.faults, fmt.Sprintf(format, args...)) }
	set := func(d *Dispatcher, destinations []Destination) {
		if err := d.Set(destinations); err != nil {
			fault("set: %v", err)
		}
	}
	refuse := func(err error) { l.mu.Lock(); l.refuse = err; l.mu.Unlock() }

	d, end := running(t, l, Options{Transport: w}, destinations...)
	crashed := false
	for _, step := range steps {
		pass(step.wait)
		switch step.what {
		case "add":
			for _, a := range step.adds {
				w.mu.Lock()
				e := l.add(a.destination, a.lane)
				w.events[e.Event.ID] = e
				w.mu.Unlock()
			}
			d.Wake()
		case "pause":
			d.SetState(1, bridge.Paused)
		case "resume":
			d.SetState(1, bridge.Active)
		case "reload":
			destinations[0].Concurrency = step.concurrency
			set(d, destinations)
		case "remove":
			set(d, destinations[1:])
		case "refuse":
			refuse(bridge.ErrFull)
		case "accept":
			refuse(nil)
		case "crash":
			crashed = true
			_ = end(true) // what could not be recorded is forgotten, as by a crash
			d, end = running(t, l, Options{Transport: w}, destinations...)
		}
	}
	refuse(nil)
	set(d, destinations)
	pass(48 * time.Hour)
	if err := end(false); err != nil {
		fault("end: %v", err)
	}
	for _, e := range l.rows {
		if e.pending() {
			fault("delivery %d of lane %q is still %s after %d attempts", e.ID, e.lane, e.state, len(e.tries))
		}
		if taken := w.taken[e.Event.ID]; e.state == bridge.StateDelivered && taken == 0 || !crashed && taken > 1 {
			fault("delivery %d is %s and was taken %d times", e.ID, e.state, taken)
		}
	}
	return w.faults
}
