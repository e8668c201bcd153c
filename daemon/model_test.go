package daemon

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

// TestHistoryIsTheTruth drives a bridge over real HTTP and a real store, cuts its power between any two statements, and
// holds every row, event and delivery against the model. A failure prints its seed: go test -run History
// -rapid.seed=N. More of it: -rapid.checks=N -rapid.steps=N.
func TestHistoryIsTheTruth(t *testing.T) {
	chosen := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { chosen[f.Name] = true })
	for name, value := range map[string]string{"rapid.checks": "25", "rapid.steps": "50"} {
		if f := flag.Lookup(name); !chosen[name] {
			before := f.Value.String()
			_ = f.Value.Set(value)
			defer func() { _ = f.Value.Set(before) }()
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		defer m.close()
		t.Repeat(rapid.StateMachineActions(m))
		m.calm(t)
	})
}

// machine is a bridge under test, the legacy system it reads and the model of both.
type machine struct {
	dir    string
	server *httptest.Server
	d      *Daemon
	power  fuse

	shelves map[string]*shelf
	jobs    map[string]*modelJob // configured, by name
	gone    map[string]*modelJob // no longer configured; their state stays
	moved   [2]string            // the moved block of the configuration
	names   int                  // given to jobs

	ids                     map[string]bool // of events
	due, deliveries         map[string]int  // "event to destination": since the last look, ever
	lastEvent, lastDelivery int64
	undo                    map[string][]string // what shelves held before they last changed
}

// fuse cuts the power of a store after a number of statements, or does something else.
type fuse struct {
	mu    sync.Mutex
	left  int // below 0: never
	blown bool
	call  func() // instead of cutting the power
}

var errPower = errors.New("the power is cut")

func (f *fuse) light(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.blown, f.call = n, false, nil
}

// at has something called after a number of statements.
func (f *fuse) at(n int, call func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.blown, f.call = n, false, call
}

// put removes the fuse and tells whether it has blown.
func (f *fuse) put() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = -1
	return f.blown
}

func (f *fuse) fault(string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.left < 0:
		return nil
	case f.left == 0 && f.call != nil:
		f.left, f.blown = -1, true
		f.call()
		return nil
	case f.left == 0:
		f.blown = true
		return errPower
	}
	f.left--
	return nil
}

func newMachine(t *rapid.T) *machine {
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{dir: dir, power: fuse{left: -1}, shelves: map[string]*shelf{"a": {}, "b": {}}, jobs: map[string]*modelJob{},
		gone: map[string]*modelJob{}, ids: map[string]bool{}, due: map[string]int{}, deliveries: map[string]int{}, undo: map[string][]string{}}
	m.server = httptest.NewServer(m)
	m.add(t)
	m.write(t)
	for _, name := range []string{"a", "b"} {
		for id := range rapid.IntRange(0, smallIDs-2).Draw(t, "records") {
			m.shelves[name].records = append(m.shelves[name].records, drawBody(t, id+1))
		}
	}
	m.open(t)
	return m
}

func (m *machine) close() {
	if m.d != nil {
		_ = m.d.Close()
	}
	m.server.Close()
	_ = os.RemoveAll(m.dir)
}

func (m *machine) path() string { return filepath.Join(m.dir, "bridge.hcl") }

// write writes the configuration that the model has.
func (m *machine) write(t *rapid.T) {
	var b strings.Builder
	destinations := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(m.jobs)) {
		j := m.jobs[name]
		for _, d := range j.Deliver {
			destinations[d] = true
		}
		b.WriteString(j.text(m.server.URL))
	}
	for _, name := range slices.Sorted(maps.Keys(destinations)) {
		fmt.Fprintf(&b, "destination %q {\n  url = \"http://127.0.0.1:9/\"\n  secrets = [%q]\n  allow = [\"127.0.0.0/8\"]\n}\n", name, testSecret)
	}
	if m.moved[0] != "" {
		fmt.Fprintf(&b, "moved {\n  from = \"job.%s\"\n  to = \"job.%s\"\n}\n", m.moved[0], m.moved[1])
	}
	if err := os.WriteFile(m.path(), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// text is the job's block.
func (j *modelJob) text(server string) string {
	var b strings.Builder
	list := func(name string, of []string) {
		if len(of) > 0 {
			fmt.Fprintf(&b, "  %s = [\"%s\"]\n", name, strings.Join(of, `", "`))
		}
	}
	fmt.Fprintf(&b, "job %q {\n  schedule = \"@every 1h\"\n  deliver = [destination.%s]\n", j.name, strings.Join(j.Deliver, ", destination."))
	fmt.Fprintf(&b, "  source \"http\" {\n    url = \"%s/%s?view=%d\"\n    retries = 0\n    decode \"json\" {\n      items = \"items\"\n    }\n", server, j.List, j.View)
	if j.Size > 0 {
		fmt.Fprintf(&b, "    pagination \"page\" {\n      size_param = \"size\"\n      size = %d\n", j.Size)
		if j.Counted {
			b.WriteString("      total = \"total\"\n")
		}
		b.WriteString("    }\n")
	}
	b.WriteString("  }\n")
	list("key", modelKeys[j.Key])
	rule := modelRules[j.Rule]
	list("ignore", rule.ignore)
	list("select", rule.selected)
	list("unordered", rule.unordered)
	if j.Emit {
		b.WriteString("  initial = \"emit\"\n")
	}
	if j.Quarantine {
		b.WriteString("  on_bad_record = \"quarantine\"\n")
	}
	if j.Mute != "" {
		fmt.Fprintf(&b, "  event {\n    when = change.op != %q\n  }\n", j.Mute)
	}
	fmt.Fprintf(&b, "  deletes {\n    confirm = %d\n    max_rows = %d\n  }\n}\n", j.Confirm, j.MaxRows)
	return b.String()
}

// open starts the bridge on its files, once or twice with the power cut on the way, and has the store checked.
func (m *machine) open(t *rapid.T) {
	for fuse := wire(t, 30); ; fuse = -1 {
		m.power.light(fuse)
		d, err := Open(t.Context(), Options{Path: m.path(), Fault: m.power.fault, Version: "test"})
		if m.power.put() {
			if err == nil {
				_ = d.Close()
			}
			continue
		}
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		m.d = d
		break
	}
	m.configured(t)
	status, err := m.d.Status(t.Context(), StatusRequest{Deep: true})
	if err != nil || !status.Deep.OK {
		t.Fatalf("after opening: %+v, %v", status.Deep, err)
	}
}

// reopen is what follows a power cut, or a restart.
func (m *machine) reopen(t *rapid.T) {
	if err := m.d.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	m.d = nil
	m.open(t)
}

// configured has the model follow a configuration that is in force.
func (m *machine) configured(t *rapid.T) {
	for _, j := range m.jobs {
		state, err := m.d.store.Job(t.Context(), j.name)
		if err != nil {
			t.Fatal(err)
		}
		if j.number == 0 {
			j.number, j.old = state.Number, j.Rule
		}
		if state.Number != j.number {
			t.Fatalf("job %s has the state of number %d, not %d", j.name, state.Number, j.number)
		}
	}
}

// reload puts what was written in force, by a reload or by a restart.
func (m *machine) reload(t *rapid.T) {
	m.write(t)
	if rapid.Bool().Draw(t, "by restart") {
		m.reopen(t)
		return
	}
	m.power.light(wire(t, 30))
	err := m.d.Reload(t.Context())
	if m.power.put() {
		m.reopen(t)
		return
	}
	if err != nil {
		t.Fatalf("reload: %v", err)
	}
	m.configured(t)
}

// wire draws after how many statements the power is cut; most often never.
func wire(t *rapid.T, most int) int {
	if rapid.IntRange(0, 2).Draw(t, "power cut") > 0 {
		return -1
	}
	return rapid.IntRange(0, most).Draw(t, "after")
}

func (m *machine) everyJob() []*modelJob {
	return append(slices.Collect(maps.Values(m.jobs)), slices.Collect(maps.Values(m.gone))...)
}

func (m *machine) numbered(number int64) *modelJob {
	for _, j := range m.everyJob() {
		if j.number == number {
			return j
		}
	}
	return nil
}

func (m *machine) pick(t *rapid.T) *modelJob {
	if len(m.jobs) == 0 {
		t.Skip("no job")
	}
	return m.jobs[rapid.SampledFrom(slices.Sorted(maps.Keys(m.jobs))).Draw(t, "job")]
}

// recall takes from the job what a power cut may have made it forget: that its baseline waits for a second look.
func (m *machine) recall(t *rapid.T, j *modelJob) {
	now, err := m.d.job(j.name)
	if err != nil {
		t.Fatal(err)
	}
	now.mu.Lock()
	defer now.mu.Unlock()
	j.again = now.state.LastRun.Open == now.identity
}

// poll runs a job once and holds what came of it against the model.
func (m *machine) poll(t *rapid.T, j *modelJob, fuse int) {
	s := m.shelves[j.List]
	s.shown()
	m.recall(t, j)
	m.power.light(fuse)
	report, err := m.d.Poll(t.Context(), j.name)
	cut := m.power.put()
	if err != nil {
		t.Fatalf("poll: %v", err)
	}
	failed := report.Outcome == bridge.RunFailed
	scans, unread := s.shown()
	if len(scans) == 0 {
		t.Fatalf("nothing was read: %+v", report)
	}
	r := j.read(scans[len(scans)-1])
	t.Logf("poll %s: power cut %v, %+v", j.name, cut, report)
	bad := unread || r.short || r.bad > 0 && !j.Quarantine
	switch {
	case report.Outcome == bridge.RunDropped:
		t.Fatalf("the run was dropped: %+v", report)
	case bad && !failed:
		t.Fatalf("the run should have failed: %+v", report)
	case failed && !bad && !cut && !r.twice:
		t.Fatalf("the run should not have failed: %+v", report)
	}
	p, want := j.stay(), none
	switch {
	case !failed:
		p, want = j.run(r), all
	case cut && !bad:
		p, want = j.run(r), some
	}
	if cut {
		m.reopen(t)
	}
	m.settle(t, j, p, want)
	if !failed && (report.Held != j.held() || report.Complete != (r.bad == 0) || report.Stable != r.stable) {
		t.Fatalf("the report %+v should say held %d, complete %v, stable %v", report, j.held(), r.bad == 0, r.stable)
	}
}

// calm lets everything come to rest and compares the snapshots with the truth itself.
func (m *machine) calm(t *rapid.T) {
	for _, s := range m.shelves {
		s.mu.Lock()
		s.failure, s.move = "", nil
		s.mu.Unlock()
	}
	for _, name := range slices.Sorted(maps.Keys(m.jobs)) {
		j := m.jobs[name]
		for range j.Confirm + 3 { // a baseline that has to be seen twice, what is absent, and one for good measure
			before := maps.Clone(j.rows)
			if m.poll(t, j, -1); j.done && !j.empty && maps.Equal(before, j.rows) {
				break
			}
		}
		rule, seen := modelRules[j.Rule], map[string]bool{}
		for _, body := range m.shelves[j.List].records {
			key, _ := j.key(body)
			seen[key] = true
			if row, there := j.rows[key]; !there || !rule.same(row.Body, body) {
				t.Errorf("job %s: the truth has %s, the snapshot %v %+v", name, body, there, row)
			}
		}
		for key, row := range j.rows {
			if !seen[key] && !row.Absent.Held && !row.Absent.Rejected {
				t.Errorf("job %s: the snapshot has %+v, the truth has not", name, row)
			}
		}
	}
	m.checkDeliveries(t)
	m.reopen(t)
}

// Check holds the store against the model after each action that has not done so itself.
func (m *machine) Check(t *rapid.T) { m.settle(t, nil, plan{}, all) }
