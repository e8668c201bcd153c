package daemon

import (
	"testing"

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
