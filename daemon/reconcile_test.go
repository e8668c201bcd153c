package daemon

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

func TestReconciliationFindsWhatPollsWereNotShown(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`, `{"id":2}`), newReceiver(t)
	source.etag, source.lies = true, true
	d := newBench(t, config(source.URL, sink.URL, "deletes {\n confirm = 1\n}")).open()
	defer d.Close()
	poll(t, d, "orders")
	source.set(`{"id":1,"v":1}`, `{"id":3}`)
	if diff := cmp.Diff(reportOf{Outcome: "unchanged"}, poll(t, d, "orders")); diff != "" {
		t.Errorf("a poll that was answered 304 (-want +got):\n%s", diff)
	}
	report, err := d.Reconcile(t.Context(), "orders")
	if err != nil || report.Created != 1 || report.Updated != 1 || report.Deleted != 1 {
		t.Errorf("reconcile: %+v, %v; want one of each kind", report, err)
	}
	events, err := d.Events(t.Context(), bridge.EventQuery{})
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v; want 3", len(events), err)
	}
	for _, e := range events {
		if e.Origin != bridge.Reconcile {
			t.Errorf("event %s has origin %s, want reconcile", e.Key, e.Origin)
		}
	}
	if again, err := d.Reconcile(t.Context(), "orders"); err != nil || again.Created+again.Updated+again.Deleted != 0 {
		t.Errorf("reconcile again: %+v, %v; want nothing", again, err)
	}
}

// A job that was never reconciled counts from its baseline, however often the daemon is restarted meanwhile.
func TestReconciliationCountsFromTheBaseline(t *testing.T) {
	b := newBench(t, jobEvery("@every 100h", `reconcile = "@every 7h"`))
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{answer: fine}
		t0 := time.Now()
		for range 4 {
			simulate(t, b, p, 4*time.Hour, nil)
		}
		if d := cmp.Diff([]string{"0s", "7h0m0s", "14h0m0s"}, p.since(t0)); d != "" {
			t.Errorf("polls (-want +got):\n%s", d)
		}
	})
}

// P5: a reconciliation that the backlog holds up is made when there is room, not at its next time.
func TestReconciliationRunsAsSoonAsThereIsRoom(t *testing.T) {
	text := jobEvery("@every 100h", `reconcile = "@every 60m"`)
	b := newBench(t, text+"bridge {\n retain {\n backlog = 1\n }\n}\n")
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{answer: func(n int) (int, http.Header, string, time.Duration) {
			return 200, nil, fmt.Sprintf(`[{"id":1,"v":%d}]`, n), 0
		}}
		t0 := time.Now()
		simulate(t, b, p, 2*time.Hour+10*time.Minute, func(d *Daemon) { // one is told at 1h and not delivered
			if s := statusOf(t, d); s.Jobs[0].State != "backlog" {
				t.Errorf("state %s, want backlog", s.Jobs[0].State)
			}
			b.write(text)
			if err := d.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(clockStep)
			synctest.Wait()
			if s := statusOf(t, d); s.Jobs[0].State != "idle" || s.Jobs[0].LastRun.Origin != bridge.Reconcile {
				t.Errorf("state %s, last run %+v", s.Jobs[0].State, s.Jobs[0].LastRun)
			}
		})
		if polls := p.since(t0); len(polls) != 3 {
			t.Errorf("polls at %v, want one when there was room", polls)
		}
	})
}
