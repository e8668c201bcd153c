package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookbridge/bridge"
	"pgregory.net/rapid"
)

// machine plays one history to a store and its model.
type machine struct {
	open  func(fault func(string) error) (Store, error)
	store Store
	world *world
	ids   map[*mdelivery]int64 // as the store numbers them
	used  map[int64]bool       // numbers of jobs so far
	gone  []int64              // rows deleted so far
	step  int

	began    time.Time // of the history: webhooks come a second after each other
	readings []reading

	left    int // statements until the crash; 0: none is coming
	crashed bool
}

var (
	jobNames         = []string{"a", "a/x", "a/y", "a-b", "b", "b/x"}
	keys             = []string{"1", "2", "3", "ä 4"}
	destinationNames = []string{"crm", "log"}
)

func newMachine(t *rapid.T, open func(fault func(string) error) (Store, error)) *machine {
	m := &machine{open: open, world: newWorld(), used: make(map[int64]bool), began: time.Now().UTC().Truncate(time.Millisecond)}
	m.start(t)
	return m
}

func (m *machine) start(t *rapid.T) {
	m.left, m.crashed = 0, false
	store, err := m.open(m.fault)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	m.store = store
}

func (m *machine) close() {
	if m.store != nil {
		_ = m.store.Close()
	}
}

func (m *machine) fault(string) error {
	if m.left == 0 {
		return nil
	}
	m.left--
	if m.left == 0 {
		m.crashed = true
	}
	if m.crashed {
		return errCrash
	}
	return nil
}

// try does something that writes, now and then with a crash in the midst of it, and reports whether it was done. A
// crash is survived by opening the store again, and what was being done must then not have happened at all.
func (m *machine) try(t *rapid.T, what string, do func() error) bool {
	if rapid.IntRange(0, 3).Draw(t, "crash") == 0 {
		m.left = rapid.IntRange(1, 25).Draw(t, "statements")
	}
	err := do()
	if m.crashed {
		if err == nil {
			t.Fatalf("%s: the store ended, and it went on", what)
		}
		if !errors.Is(err, errCrash) {
			t.Fatalf("%s: ended with %v", what, err)
		}
		m.restart(t)
		return false
	}
	m.left = 0
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return true
}

// restart opens the store again. Runs do not outlive the process.
func (m *machine) restart(t *rapid.T) {
	err := m.store.Close()
	if err != nil && !m.crashed {
		t.Fatalf("close: %v", err)
	}
	m.start(t)
	for _, j := range m.world.jobs {
		j.runs, j.graves = make(map[int64]*mrun), make(map[string]int)
	}
	m.check(t)
}

func (m *machine) anyJob(t *rapid.T) *mjob {
	var numbers []int64
	for n := range m.world.jobs {
		numbers = append(numbers, n)
	}
	if len(numbers) == 0 {
		m.openJob(t)
		return m.anyJob(t)
	}
	slices.Sort(numbers)
	return m.world.jobs[rapid.SampledFrom(numbers).Draw(t, "job")]
}

func (m *machine) openJob(t *rapid.T) {
	name := rapid.SampledFrom(jobNames).Draw(t, "name")
	digest := rapid.SampledFrom([]string{"d1", "d2"}).Draw(t, "digest")
	rules := rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "rules")
	var got bridge.JobState
	if !m.try(t, "open job", func() (err error) {
		got, err = m.store.OpenJob(context.Background(), name, digest, rules)
		return err
	}) {
		return
	}
	j := m.world.job(name)
	if j == nil {
		if m.used[got.Number] {
			t.Fatalf("job number %d was given again", got.Number)
		}
		m.used[got.Number] = true
		j = &mjob{rows: make(map[int64]*mrow), graves: make(map[string]int), runs: make(map[int64]*mrun)}
		j.state = bridge.JobState{Number: got.Number, Name: name, Digest: digest, Rules: rules, OldRules: rules, RulesNumber: got.RulesNumber}
		m.world.jobs[got.Number] = j
	}
	if j.state.Digest != digest || j.state.Rules != rules {
		j.state.Digest, j.state.Checkpoint = digest, nil
	}
	if j.state.Rules != rules {
		j.state.Rules = rules
		j.state.RulesNumber++
	}
	same(t, "job opened", got, j.state, nil)
}

func (m *machine) beginRun(t *rapid.T) { m.begin(t, m.anyJob(t)) }

func (m *machine) begin(t *rapid.T, j *mjob) {
	began, err := m.store.BeginRun(context.Background(), j.state.Number)
	if err != nil || j.runs[began] != nil {
		t.Fatalf("run began at %d, error %v", began, err)
	}
	m.world.commits++
	j.runs[began] = &mrun{began: m.world.commits, own: make(map[int]bool), rules: j.state.RulesNumber}
}

// run returns one of the job's runs under way, beginning one where there is none.
func (m *machine) run(t *rapid.T, j *mjob) int64 {
	var began []int64
	for n := range j.runs {
		began = append(began, n)
	}
	if len(began) == 0 {
		m.begin(t, j)
		return m.run(t, j)
	}
	slices.Sort(began)
	return rapid.SampledFrom(began).Draw(t, "run")
}

func (m *machine) endRun(t *rapid.T) {
	j := m.anyJob(t)
	began := m.run(t, j)
	m.store.EndRun(j.state.Number, began)
	delete(j.runs, began)
}

func (m *machine) targets(t *rapid.T) (targets []bridge.Target) {
	for _, name := range destinationNames {
		if n := m.world.destination(name); n != 0 && rapid.Bool().Draw(t, "to "+name) {
			ordered := rapid.IntRange(0, 4).Draw(t, "ordered") > 0
			format := rapid.SampledFrom([]string{"standard", "raw"}).Draw(t, "format")
			targets = append(targets, bridge.Target{Destination: n, Format: format, FormatVersion: 1, Ordered: ordered})
		}
	}
	return targets
}

func (m *machine) event(t *rapid.T, op bridge.Op, key, before, after string) *bridge.Event {
	if rapid.IntRange(0, 3).Draw(t, "silent") == 0 {
		return nil
	}
	e := &bridge.Event{Type: "orders." + string(op), Key: key, Op: op, Origin: bridge.Schedule}
	if op != bridge.Created {
		e.Before = []byte(before)
	}
	if op != bridge.Deleted {
		e.After = []byte(after)
	}
	if op == bridge.Updated {
		e.Changed = []string{"/status", "/a~1b"}
	}
	return e
}

func (m *machine) commit(t *rapid.T) {
	j := m.anyJob(t)
	began := m.run(t, j)
	m.step++
	c := &bridge.Chunk{
		Job: j.state.Number, Began: began, RulesNumber: j.runs[began].rules, Identity: rapid.SampledFrom([]string{"i1", "i2"}).Draw(t, "identity"),
		First: rapid.Bool().Draw(t, "first"), Targets: m.targets(t),
	}
	m.fill(t, j, c)
	if rapid.IntRange(0, 2).Draw(t, "last") == 0 {
		c.Finish = &bridge.Finish{
			Checkpoint: bridge.Checkpoint(rapid.SampledFrom([]string{"", "etag"}).Draw(t, "checkpoint")),
			Baselined:  rapid.Bool().Draw(t, "baselined"), Empty: rapid.Bool().Draw(t, "empty"), Complete: rapid.Bool().Draw(t, "complete"),
		}
		if rapid.Bool().Draw(t, "bad") {
			c.Quarantine = []bridge.Quarantined{{Key: "x", Page: 1, Item: m.step, Reason: "no key", Body: []byte("{")}}
		}
	}
	var done bridge.Committed
	if m.try(t, "commit", func() (err error) {
		done, err = m.store.Commit(context.Background(), c)
		return err
	}) {
		if err := m.world.commit(c, done); err != nil {
			t.Fatal(err)
		}
		for i, d := range c.Deletes {
			if done.Gone[i] {
				m.gone = append(m.gone, d.ID)
			}
		}
	}
}

// fill puts changes of any of the rows into a chunk, sensible or not: a store judges by P8 only.
func (m *machine) fill(t *rapid.T, j *mjob, c *bridge.Chunk) {
	for _, key := range keys {
		row := j.row(key)
		body := fmt.Sprintf(`{"step":%d}`, m.step)
		entry := bridge.IndexEntry{Key: uint64(len(key)) << 62, Raw: uint64(m.step), Canon: uint64(m.step) + 1}
		switch what := rapid.IntRange(0, 7).Draw(t, "what of "+key); {
		case what == 0: // as if it were not there
			c.Puts = append(c.Puts, bridge.Put{Entry: entry, Key: key, Body: []byte(body), Event: m.event(t, bridge.Created, key, "", body)})
		case row == nil && what < 4:
			c.Puts = append(c.Puts, bridge.Put{Entry: entry, Key: key, Body: []byte(body), Event: m.event(t, bridge.Created, key, "", body)})
		case row == nil:
		case what == 1:
			entry.ID = row.entry.ID
			c.Puts = append(c.Puts, bridge.Put{Entry: entry, Key: key, Body: []byte(body), Event: m.event(t, bridge.Updated, key, row.body, body)})
		case what == 2:
			entry.ID = row.entry.ID
			c.Puts = append(c.Puts, bridge.Put{Entry: entry, Key: key})
		case what == 3 || what == 4:
			a := bridge.Absence{ID: row.entry.ID, Scans: rapid.IntRange(-1, 3).Draw(t, "scans")}
			a.Stable = rapid.IntRange(0, 2).Draw(t, "stable")
			if a.Scans > 0 && rapid.Bool().Draw(t, "held") {
				a.Hold = -1
			}
			c.Absences = append(c.Absences, a)
		case what == 5:
			c.Deletes = append(c.Deletes, bridge.Delete{ID: row.entry.ID, Key: key, Event: m.event(t, bridge.Deleted, key, row.body, "")})
		}
	}
	for _, id := range m.gone {
		if id>>40 == c.Job && rapid.IntRange(0, 9).Draw(t, "gone") == 0 {
			c.Deletes = append(c.Deletes, bridge.Delete{ID: id, Key: "gone", Event: m.event(t, bridge.Deleted, "gone", "{}", "")})
		}
	}
}

func (m *machine) recordRun(t *rapid.T) {
	j := m.anyJob(t)
	m.step++
	report := bridge.RunReport{Began: time.UnixMilli(int64(m.step)).UTC(), Took: time.Second, Origin: bridge.Manual, Outcome: bridge.RunUnchanged, Seen: int64(m.step)}
	var checkpoint *bridge.Checkpoint
	if rapid.Bool().Draw(t, "with checkpoint") {
		checkpoint = &bridge.Checkpoint{byte(m.step)}
	}
	m.store.RecordRun(j.state.Number, report, checkpoint)
	j.state.LastRun = report
	if checkpoint != nil {
		j.state.Checkpoint = *checkpoint
	}
}

func (m *machine) pause(t *rapid.T) {
	j := m.anyJob(t)
	paused := rapid.Bool().Draw(t, "paused")
	if m.try(t, "pause", func() error { return m.store.PauseJob(context.Background(), j.state.Name, paused) }) {
		j.state.Paused = paused
	}
}
