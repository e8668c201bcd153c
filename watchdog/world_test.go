package watchdog

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// world is a source whose records change, a sender of webhooks that may lose, delay or stop them, and a daemon that does
// what the machine says. Its time is simulated.
type world struct {
	tb      testing.TB
	cfg     Config
	m       *Machine
	now     time.Time
	rand    *rand.Rand
	queue   queue
	serial  int
	every   time.Duration                 // of the schedule
	takes   time.Duration                 // a poll
	lose    func(time.Time) bool          // whether a webhook sent at that time never comes
	delay   func(time.Time) time.Duration // of a webhook
	fails   func(time.Time) bool          // whether a poll begun at that time fails
	down    bool                          // the daemon does not run
	polling bool
	wake    int // serial of the last wake-up

	truth, known map[string]int // versions
	dirty        map[string]bool
	lost         map[string]time.Time // first change of a key whose webhook was lost and that no poll has seen
	found        []time.Duration      // from a lost change to the poll that saw it
	polls        map[Reason]int
	moves        []Transition
}

type timed struct {
	at     time.Time
	serial int
	do     func()
}

type queue []timed

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].serial < q[j].serial
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(timed)) }
func (q *queue) Pop() any     { old := *q; x := old[len(old)-1]; *q = old[:len(old)-1]; return x }

func newWorld(tb testing.TB, cfg Config, start string, seed uint64) *world {
	w := &world{
		tb: tb, cfg: cfg, now: date(tb, start), rand: rand.New(rand.NewPCG(seed, 1)), every: 30 * time.Second, takes: 2 * time.Second,
		truth: map[string]int{}, known: map[string]int{}, dirty: map[string]bool{}, lost: map[string]time.Time{}, polls: map[Reason]int{},
		lose:  func(time.Time) bool { return false },
		delay: func(time.Time) time.Duration { return time.Second },
		fails: func(time.Time) bool { return false },
	}
	w.m = New(cfg, w.rand.Float64)
	w.m.Hear(w.now)
	w.ask()
	w.tick()
	return w
}

func date(tb testing.TB, text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func (w *world) at(t time.Time, do func()) int {
	w.serial++
	heap.Push(&w.queue, timed{t, w.serial, do})
	return w.serial
}

func (w *world) after(d time.Duration, do func()) int { return w.at(w.now.Add(d), do) }

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		next := heap.Pop(&w.queue).(timed)
		w.now = next.at
		next.do()
	}
	w.now = end
}

func (w *world) ask() {
	if w.down {
		return
	}
	decision := w.m.Next(w.now)
	w.moves = append(w.moves, w.m.Transitions()...)
	if decision.Poll != None && !w.polling {
		w.poll(decision.Poll)
		return
	}
	if !decision.At.IsZero() {
		if !decision.At.After(w.now) {
			w.tb.Fatalf("asks to be asked at %v, it is %v", decision.At, w.now)
		}
		var serial int
		serial = w.at(decision.At, func() {
			if w.wake == serial {
				w.ask()
			}
		})
		w.wake = serial
	}
}

func (w *world) tick() {
	w.after(w.every, w.tick)
	if w.down || w.polling {
		return
	}
	if reason := w.m.Next(w.now).Scheduled; reason != None {
		w.poll(reason)
	}
}

func (w *world) poll(reason Reason) {
	w.polls[reason]++
	w.polling = true
	w.m.PollBegan(w.now)
	failed := w.fails(w.now)
	seen := map[string]int{}
	for key := range w.dirty {
		seen[key] = w.truth[key]
	}
	began, m := w.now, w.m
	w.after(w.takes, func() {
		w.polling = false
		if m != w.m || w.down {
			return
		}
		result := PollResult{Failed: failed, Complete: true}
		for key, version := range seen {
			if failed {
				break
			}
			if t, ok := w.lost[key]; ok {
				w.found = append(w.found, began.Sub(t))
				delete(w.lost, key)
			}
			if version > w.known[key] {
				w.learn(key, version)
				result.Changes = append(result.Changes, Change{Key: key, Expected: true})
			}
		}
		w.m.PollEnded(w.now, result)
		w.ask()
	})
}

func (w *world) learn(key string, version int) {
	w.known[key] = max(w.known[key], version)
	if w.known[key] == w.truth[key] {
		delete(w.dirty, key)
	}
}

// change changes a record and sends its webhook.
func (w *world) change(key string) {
	w.truth[key]++
	w.dirty[key] = true
	version := w.truth[key]
	if w.lose(w.now) {
		if _, ok := w.lost[key]; !ok {
			w.lost[key] = w.now
		}
		return
	}
	w.after(w.delay(w.now), func() { w.webhook(key, version) })
}

func (w *world) webhook(key string, version int) {
	if w.down {
		w.after(w.every, func() { w.webhook(key, version) }) // the sender tries again
		return
	}
	w.m.Webhook(w.now, Webhook{Key: key})
	w.learn(key, version)
	w.ask()
}

// restartAfter ends the daemon for a while.
func (w *world) restartAfter(d time.Duration) {
	memory, err := w.m.MarshalJSON()
	if err != nil {
		w.tb.Fatal(err)
	}
	w.down, w.polling = true, false
	w.after(d, func() {
		w.m, err = Load(w.cfg, memory, w.rand.Float64)
		if err != nil {
			w.tb.Fatal(err)
		}
		w.down = false
		w.m.Hear(w.now)
		w.ask()
	})
}

// poisson changes records at random, rate(t) of them an hour, at most peak.
func (w *world) poisson(peak float64, rate func(time.Time) float64) {
	var next func()
	serial := 0
	next = func() {
		if w.rand.Float64()*peak < rate(w.now) {
			serial++
			w.change(fmt.Sprintf("k%d", serial%5000))
		}
		w.after(time.Duration(-math.Log(1-w.rand.Float64())/peak*float64(time.Hour)), next)
	}
	next()
}

func always(rate float64) func(time.Time) float64 {
	return func(time.Time) float64 { return rate }
}

// office is a rate by the working hours of a place.
func office(rate float64, zone *time.Location) func(time.Time) float64 {
	return func(t time.Time) float64 {
		local := t.In(zone)
		if d := local.Weekday(); d == time.Saturday || d == time.Sunday || local.Hour() < 8 || local.Hour() >= 18 {
			return 0
		}
		return rate
	}
}

func (w *world) count(to State) int {
	n := 0
	for _, move := range w.moves {
		if move.To == to {
			n++
		}
	}
	return n
}

func (w *world) want(state State) {
	w.tb.Helper()
	if w.m.state.State != state {
		w.tb.Fatalf("%v: %s, want %s; moves: %v", w.now, w.m.state.State, state, w.last(6))
	}
}

func (w *world) last(n int) []string {
	var said []string
	for _, m := range w.moves[max(0, len(w.moves)-n):] {
		said = append(said, fmt.Sprintf("\n%s %s -> %s: %s", m.At.Format("Jan 2 15:04:05"), m.From, m.To, m.Why))
	}
	return said
}
