package daemon

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

// TestWebhooksAndPollsTellTheTruthOnce changes one truth that four jobs follow, each by another use of the same
// webhooks, while these are lost, doubled, late and out of order, polls and look-ups read beside them, and the process
// is killed between any two statements. It is not repeatable to the last step, because what happens at once happens on
// goroutines of its own. A failure prints its seed: go test -run WebhooksAndPolls -rapid.seed=N. More of it:
// -rapid.checks=N -rapid.steps=N.
func TestWebhooksAndPollsTellTheTruthOnce(t *testing.T) {
	chosen := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { chosen[f.Name] = true })
	for name, value := range map[string]string{"rapid.checks": "40", "rapid.steps": "25"} {
		if f := flag.Lookup(name); !chosen[name] {
			before := f.Value.String()
			_ = f.Value.Set(value)
			defer func() { _ = f.Value.Set(before) }()
		}
	}
	var sum hookFigures
	histories := 0
	rapid.Check(t, func(t *rapid.T) {
		histories++
		m := newHookMachine(t, &sum)
		defer m.close()
		t.Repeat(rapid.StateMachineActions(m))
		m.calm(t)
	})
	t.Logf("%+v", sum)
	// Few of them, as on a slow machine or by -short, need not have everything.
	if histories >= 8 && (sum.Duplicates == 0 || sum.Kills == 0 || sum.Refused == 0 || sum.Told == 0) || histories >= 40 && sum.Left == 0 {
		t.Errorf("the histories lack something that they are to hold against the bridge: %+v", sum)
	}
}

// hookFigures count what the histories had in them.
type hookFigures struct{ Changes, Hooks, Acknowledged, Duplicates, Refused, Dropped, Polls, Left, Kills, Told int }

// hookJobs are the four uses of a webhook.
var hookJobs = []string{"versioned", "plain", "signal", "named"}

// hookMachine is a bridge under test, the system it follows, and what was said of both.
type hookMachine struct {
	dir     string
	server  *httptest.Server
	d       *Daemon
	power   fuse
	figures *hookFigures
	emit    bool // initial = "emit": the history begins at nothing
	confirm int

	mu      sync.Mutex // the rest, where webhooks, polls and changes happen at once
	truth   map[int]int
	past    map[int]map[int]bool // versions that each record ever had
	absent  map[int]int          // when a record was last not there, by the clock
	version int
	broken  bool          // the source answers 500
	gate    chan struct{} // not nil: answers, already worked out, wait for it
	asked   int           // answers worked out

	pending []*modelHook // on their way
	sent    []*modelHook
	acked   map[string]*modelHook // answered 2xx, by delivery id
	names   int
	clock   int
}

// modelHook is one webhook: what it says of a record. Another one may say the same.
type modelHook struct {
	delivery    string
	id, version int
	deleted     bool

	posted, answered int  // when, by a clock that counts: first, last
	early            bool // before there was a baseline
}

func (h *modelHook) body() string {
	kind := "changed"
	if h.deleted {
		kind = "deleted"
	}
	return fmt.Sprintf(`{"type":%q,"id":%d,"record":%s}`, kind, h.id, hookRecord(h.id, h.version))
}

func hookRecord(id, version int) string { return fmt.Sprintf(`{"id":%d,"v":%d}`, id, version) }

const hookIDs = 6 // records of the truth; number 0 is always there, for a source that empties is held

func newHookMachine(t *rapid.T, figures *hookFigures) *hookMachine {
	dir, err := os.MkdirTemp("", "hooks")
	if err != nil {
		t.Fatal(err)
	}
	m := &hookMachine{dir: dir, power: fuse{left: -1}, figures: figures, emit: rapid.Bool().Draw(t, "emit"), confirm: rapid.IntRange(1, 2).Draw(t, "confirm"),
		truth: map[int]int{}, past: map[int]map[int]bool{}, absent: map[int]int{}, acked: map[string]*modelHook{}}
	m.server = httptest.NewServer(m)
	for id := range rapid.IntRange(1, hookIDs).Draw(t, "records") {
		m.change(id, false, false)
	}
	if err := os.WriteFile(filepath.Join(dir, "bridge.hcl"), []byte(m.config()), 0o600); err != nil {
		t.Fatal(err)
	}
	m.open(t)
	return m
}

func (m *hookMachine) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "destination \"x\" {\n  url = \"http://127.0.0.1:9/\"\n  secrets = [%q]\n  allow = [\"127.0.0.0/8\"]\n}\n", testSecret)
	fmt.Fprintf(&b, "receiver \"orders\" {\n  verify \"standard\" {\n    secrets = [%q]\n  }\n}\n", testSecret)
	initial := ""
	if m.emit {
		initial = `initial = "emit"`
	}
	const applies = "on_event = \"apply\"\n    record = event.body.record\n    deleted = event.body.type == \"deleted\""
	uses := map[string]struct{ job, watchdog string }{
		"versioned": {`version = "v"`, applies},
		"plain":     {"", applies},
		"signal":    {"", `on_event = "poll"`},
		"named":     {"lookup {\n    url = \"" + m.server.URL + "/records/${event.body.id}\"\n    record = \"data\"\n  }", `on_event = "lookup"`},
	}
	for _, name := range hookJobs { // in this order: a seed is to give the same numbers
		of := uses[name]
		fmt.Fprintf(&b, `
job %q {
  schedule = "@every 1h"
  deliver = [destination.x]
  source "http" {
    url = "%s/records"
    retries = 0
  }
  key = "id"
  %s
  %s
  deletes {
    confirm = %d
    max_rows = 1000
  }
  watchdog {
    receiver = receiver.orders
    %s
  }
}
`, name, m.server.URL, initial, of.job, m.confirm, of.watchdog)
	}
	return b.String()
}

func (m *hookMachine) close() {
	if m.d != nil {
		_ = m.d.Close()
	}
	m.server.Close()
	_ = os.RemoveAll(m.dir)
}

// ServeHTTP is the system: what it answers is the truth of one moment, which may be over when the answer arrives.
func (m *hookMachine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	status, body := http.StatusOK, ""
	var id int
	if _, err := fmt.Sscanf(r.URL.Path, "/records/%d", &id); err == nil {
		if version, there := m.truth[id]; there {
			body = `{"data":` + hookRecord(id, version) + `}`
		} else {
			status = http.StatusNotFound
		}
	} else {
		var records []string
		for id := range hookIDs {
			if version, there := m.truth[id]; there {
				records = append(records, hookRecord(id, version))
			}
		}
		body = "[" + strings.Join(records, ",") + "]"
	}
	if m.broken {
		status, body = http.StatusInternalServerError, ""
	}
	gate := m.gate
	m.asked++
	m.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// change changes the truth of one record and sends webhooks of it on their way: one, or two that say the same.
func (m *hookMachine) change(id int, remove, twice bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, there := m.truth[id]
	remove = remove && there && id > 0
	if !there {
		m.absent[id] = m.clock
	}
	m.version++
	h := modelHook{id: id, version: m.version, deleted: remove}
	if remove {
		delete(m.truth, id)
	} else {
		m.truth[id] = m.version
	}
	if m.past[id] == nil {
		m.past[id] = map[int]bool{}
	}
	m.past[id][m.version] = true
	m.figures.Changes++
	for n := range 2 {
		if n == 0 || twice {
			m.names++
			h.delivery = fmt.Sprintf("d%d", m.names)
			one := h
			m.pending = append(m.pending, &one)
		}
	}
}

// open starts the process on its files, and what an earlier one had left to do.
func (m *hookMachine) open(t *rapid.T) {
	d, err := Open(t.Context(), Options{Path: filepath.Join(m.dir, "bridge.hcl"), Fault: m.power.fault, Version: "test"})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	m.d = d
	if status, err := d.Status(t.Context(), StatusRequest{Deep: true}); err != nil || !status.Deep.OK {
		t.Fatalf("after opening: %+v, %v", status.Deep, err)
	}
	d.serving.Store(true)
	at := "here"
	if rapid.Bool().Draw(t, "hears") { // polls of its own accord then
		d.listening.Store(&at)
	}
	now := time.Now()
	for _, j := range d.allJobs() {
		d.start(j, now)
	}
}

// reopen kills the process, where the power was not cut before, and starts the next.
func (m *hookMachine) reopen(t *rapid.T) {
	m.power.light(0)
	_ = m.d.Close() // what it still wants to write is lost
	m.power.put()
	m.d = nil
	m.figures.Kills++
	m.open(t)
}

// post sends a webhook and notes whether it was acknowledged.
func (m *hookMachine) post(h *modelHook) error {
	r, err := signedHook(h.delivery, h.body())
	if err != nil {
		return err
	}
	j, err := m.d.job("versioned")
	if err != nil {
		return err
	}
	j.mu.Lock()
	early := !j.state.Baselined
	j.mu.Unlock()
	m.mu.Lock()
	m.clock++
	if h.posted == 0 {
		h.posted = m.clock
	}
	h.early = h.early || early
	m.mu.Unlock()
	w := httptest.NewRecorder()
	m.d.inbound.ServeHTTP(w, r)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.figures.Hooks++
	m.clock++
	h.answered = m.clock
	switch {
	case w.Code/100 == 2:
		if m.acked[h.delivery] != nil {
			m.figures.Duplicates++
		}
		m.acked[h.delivery] = h
		m.figures.Acknowledged++
	case w.Code == http.StatusServiceUnavailable || w.Code == http.StatusInternalServerError:
		m.figures.Refused++
	default:
		return fmt.Errorf("webhook %+v was answered %d: %s", h, w.Code, w.Body)
	}
	return nil
}

// poll runs a job. What comes of it is seen in what is told.
func (m *hookMachine) poll(t *rapid.T, name string, origin bridge.Origin) bridge.RunReport {
	run := m.d.Poll
	if origin == bridge.Reconcile {
		run = m.d.Reconcile
	}
	report, err := run(t.Context(), name)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.figures.Polls++
	m.figures.Left += int(report.Left)
	if err != nil {
		t.Errorf("poll %s: %v", name, err)
	}
	return report
}
