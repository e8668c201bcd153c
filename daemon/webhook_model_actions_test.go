package daemon

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

// signedHook is a webhook signed by the official library.
func signedHook(delivery, body string) (*http.Request, error) {
	signer, err := standardwebhooks.NewWebhook(testSecret)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	sign, err := signer.Sign(delivery, now, []byte(body))
	if err != nil {
		return nil, err
	}
	r := httptest.NewRequest(http.MethodPost, "/in/orders", strings.NewReader(body))
	r.Header.Set("content-type", "application/json")
	r.Header.Set("webhook-id", delivery)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("webhook-signature", sign)
	return r, nil
}

// deed is something that happens to the truth.
type deed struct {
	id            int
	remove, twice bool
}

func drawDeed(t *rapid.T) deed {
	return deed{rapid.IntRange(0, hookIDs-1).Draw(t, "id"), rapid.IntRange(0, 3).Draw(t, "remove") == 0, rapid.IntRange(0, 4).Draw(t, "twice") == 0}
}

// Change changes the truth.
func (m *hookMachine) Change(t *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		d := drawDeed(t)
		m.change(d.id, d.remove, d.twice)
	}
}

// take draws webhooks that arrive now: most often the next ones, else any, and now and then some that have come before.
func (m *hookMachine) take(t *rapid.T, most int) []*modelHook {
	var taken []*modelHook
	m.mu.Lock()
	defer m.mu.Unlock()
	for range rapid.IntRange(1, most).Draw(t, "webhooks") {
		switch what := rapid.SampledFrom([]string{"next", "next", "any", "any", "again", "lost"}).Draw(t, "which"); {
		case what == "again" && len(m.sent) > 0:
			taken = append(taken, rapid.SampledFrom(m.sent).Draw(t, "again"))
		case len(m.pending) > 0:
			n := 0
			if what == "any" {
				n = rapid.IntRange(0, len(m.pending)-1).Draw(t, "n")
			}
			h := m.pending[n]
			m.pending = append(m.pending[:n:n], m.pending[n+1:]...)
			if what == "lost" {
				m.figures.Dropped++
				continue
			}
			taken, m.sent = append(taken, h), append(m.sent, h)
		}
	}
	return taken
}

// Deliver has webhooks arrive one after the other.
func (m *hookMachine) Deliver(t *rapid.T) {
	m.power.light(wire(t, 40))
	for _, h := range m.take(t, 4) {
		if err := m.post(h); err != nil {
			t.Fatal(err)
		}
	}
	m.cut(t)
}

// cut ends the process where the power was cut.
func (m *hookMachine) cut(t *rapid.T) {
	if m.blown() {
		m.reopen(t)
	}
	m.power.put()
}

// Poll runs one job.
func (m *hookMachine) Poll(t *rapid.T) {
	m.power.light(wire(t, 40))
	m.poll(t, rapid.SampledFrom(hookJobs).Draw(t, "job"), rapid.SampledFrom([]bridge.Origin{bridge.Manual, bridge.Manual, bridge.Reconcile}).Draw(t, "origin"))
	m.cut(t)
}

// Overtake has answers that are on their way overtaken by changes of the truth and the webhooks that tell of them.
func (m *hookMachine) Overtake(t *rapid.T) { m.storm(t, true) }

// Storm has changes, webhooks and polls happen at once.
func (m *hookMachine) Storm(t *rapid.T) { m.storm(t, false) }

func (m *hookMachine) storm(t *rapid.T, overtake bool) {
	var deeds []deed
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		deeds = append(deeds, drawDeed(t))
	}
	hooks, polls := m.take(t, 6), rapid.SliceOfN(rapid.SampledFrom(hookJobs), 1, 4).Draw(t, "polls")
	late := rapid.Bool().Draw(t, "news arrives at once")
	m.power.light(wire(t, 150))
	var polling, telling sync.WaitGroup
	gate := make(chan struct{})
	m.mu.Lock()
	asked := m.asked
	if overtake {
		m.gate = gate
	}
	m.mu.Unlock()
	for _, name := range polls {
		polling.Go(func() { m.poll(t, name, bridge.Manual) })
	}
	for overtake && !m.blown() { // until one has read what is about to be overtaken
		m.mu.Lock()
		reading := m.asked > asked
		m.mu.Unlock()
		if reading {
			break
		}
	}
	failed := make(chan error, len(hooks)+2*len(deeds))
	telling.Go(func() {
		for _, d := range deeds {
			m.change(d.id, d.remove, d.twice)
			if late {
				m.mu.Lock()
				h := m.pending[len(m.pending)-1]
				m.pending, m.sent = m.pending[:len(m.pending)-1], append(m.sent, h)
				m.mu.Unlock()
				failed <- m.post(h)
			}
		}
	})
	for _, h := range hooks {
		telling.Go(func() { failed <- m.post(h) })
	}
	telling.Wait()
	m.mu.Lock()
	m.gate = nil
	m.mu.Unlock()
	close(gate)
	polling.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			t.Fatal(err)
		}
	}
	m.cut(t)
}

func (m *hookMachine) blown() bool {
	m.power.mu.Lock()
	defer m.power.mu.Unlock()
	return m.power.blown
}

// Outage has the source fail for a poll.
func (m *hookMachine) Outage(t *rapid.T) {
	m.outage(true)
	m.poll(t, rapid.SampledFrom(hookJobs).Draw(t, "job"), bridge.Manual)
	m.outage(false)
}

func (m *hookMachine) outage(broken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = broken
}

// Kill ends the process and starts the next.
func (m *hookMachine) Kill(t *rapid.T) { m.reopen(t) }

// A webhook that came before the baseline acts once, wherever the process is killed while it does.
func TestAWebhookThatWaitedActsOnceWhereverItIsKilled(t *testing.T) {
	for n := range 60 {
		source, power := newLegacy(t, `{"id":1,"v":2}`), &fuse{left: -1}
		b := newBench(t, watched(source.URL, "http://127.0.0.1:9", "on_event = \"apply\"\nrecord = event.body", ""))
		open := func() *Daemon {
			d, err := Open(t.Context(), Options{Path: b.path, Fault: power.fault})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := open()
		if got := hook(t, d, "m1", `{"id":1,"v":1}`); got/100 != 2 {
			t.Fatalf("the webhook was answered %d", got)
		}
		power.light(n)
		poll(t, d, "orders")
		cut := power.put()
		power.light(0)
		_ = d.Close()
		power.put()
		d = open()
		for range 3 {
			poll(t, d, "orders")
		}
		told := 0
		for _, k := range kinds(t, d) {
			if strings.HasPrefix(k, "orders.updated 1 webhook ") {
				told++
			}
		}
		if states := inboundStates(t, d); told != 1 || states[bridge.InboundApplied] != 1 {
			t.Errorf("killed at statement %d: told %d times, %v: %q", n, told, states, kinds(t, d))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if !cut {
			return
		}
	}
	t.Error("the power was cut at each of 60 statements; the run should have ended")
}
