package daemon

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/hookbridge/bridge"
)

func TestMain(m *testing.M) {
	if os.Getenv(benchServer) != "" {
		serveListing()
		return
	}
	goleak.VerifyTestMain(m)
}

// serve starts a daemon and stops it with the test, or when the returned function is called.
func serve(t *testing.T, d *Daemon) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, context.WithoutCancel(ctx)) }()
	done := false
	stop = func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func TestChangesArriveOnceAndInOrder(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`, `{"id":2,"v":1}`), newReceiver(t)
	b := newBench(t, config(source.URL, sink.URL, `deletes { confirm = 1 }`))
	d := b.open()
	serve(t, d)
	poll(t, d, "orders") // the baseline, or joins it

	source.set(`{"id":1, "v":2}`, `{"id":2,"v":1}`, `{"id":3,"v":9007199254740993}`)
	if d := cmp.Diff(reportOf{Outcome: "changed", Created: 1, Updated: 1}, poll(t, d, "orders")); d != "" {
		t.Errorf("second run (-want +got):\n%s", d)
	}
	source.set(`{"id":1, "v":2}`, `{"id":3,"v":9007199254740992}`)
	if d := cmp.Diff(reportOf{Outcome: "changed", Updated: 1, Deleted: 1}, poll(t, d, "orders")); d != "" {
		t.Errorf("third run (-want +got):\n%s", d)
	}
	sink.wait(4)
	want := map[string][]string{
		"1": {`orders.updated 1 {"id":1,"v":1}>{"id":1, "v":2} /v`},
		"2": {`orders.deleted 2 {"id":2,"v":1}>null `},
		"3": {`orders.created 3 null>{"id":3,"v":9007199254740993} `,
			`orders.updated 3 {"id":3,"v":9007199254740993}>{"id":3,"v":9007199254740992} /v`},
	}
	byKey := map[string][]string{}
	for _, e := range sink.wait(4) {
		byKey[e.Key] = append(byKey[e.Key], line(e))
	}
	if d := cmp.Diff(want, byKey); d != "" {
		t.Errorf("events by key (-want +got):\n%s", d)
	}
	if d := cmp.Diff(reportOf{Outcome: "unchanged"}, poll(t, d, "orders")); d != "" {
		t.Errorf("fourth run (-want +got):\n%s", d)
	}
}

func TestFailedPollsLeaveTheSnapshotAlone(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`, `{"id":2}`), newReceiver(t)
	d := newBench(t, config(source.URL, sink.URL, `deletes { confirm = 1 }`)).open()
	defer d.Close()
	poll(t, d, "orders")
	for _, broken := range []func(){
		func() { source.fail(500) },
		func() { source.fail(200) }, // "no" is not JSON
		func() { source.fail(0); source.set(`{"id":1}`, `{"id":1}`) },
		func() { source.set(`{"id":1}`, `{"name":"no id"}`) },
		func() { source.set(`{"id":1}`, `{"id":`) },
	} {
		broken()
		if got := poll(t, d, "orders"); got.Outcome != "failed" {
			t.Errorf("got %+v, want a failed run", got)
		}
	}
	source.set(`{"id":2}`, `{"id":1}`)
	if d := cmp.Diff(reportOf{Outcome: "unchanged"}, poll(t, d, "orders")); d != "" {
		t.Errorf("after the failures (-want +got):\n%s", d)
	}
}

func TestMassDeletionIsHeldUntilSomebodyDecides(t *testing.T) {
	var all []string
	for _, id := range strings.Fields("1 2 3 4 5 6 7 8 9") {
		all = append(all, `{"id":`+id+`}`)
	}
	source, sink := newLegacy(t, all...), newReceiver(t)
	d := newBench(t, config(source.URL, sink.URL, "deletes {\n confirm = 2\n max = \"20%\"\n max_rows = 2\n }")).open()
	defer d.Close()
	step := func(what string, want reportOf) {
		t.Helper()
		if diff := cmp.Diff(want, poll(t, d, "orders")); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", what, diff)
		}
	}
	step("baseline", reportOf{Outcome: "baseline", Silent: 9})
	source.set(all[:5]...)
	step("absent once", reportOf{Outcome: "unchanged", Pending: 4})
	step("absent twice", reportOf{Outcome: "unchanged", Held: 4})
	step("still held", reportOf{Outcome: "unchanged", Held: 4})
	if _, err := d.Approve(t.Context(), ApproveRequest{Job: "orders", Hold: 99}); err == nil {
		t.Error("approving a hold that does not exist succeeded")
	}
	source.set(all[:6]...)
	step("one came back", reportOf{Outcome: "unchanged", Held: 3})
	report, err := d.Approve(t.Context(), ApproveRequest{Job: "orders"})
	if err != nil || report.Deleted != 3 {
		t.Fatalf("approve: %+v, %v; want 3 deleted", report, err)
	}
	if _, err := d.Approve(t.Context(), ApproveRequest{Job: "orders"}); err == nil {
		t.Error("approving again succeeded")
	}
	step("after approval", reportOf{Outcome: "unchanged"})

	source.set(all[:2]...)
	step("absent once", reportOf{Outcome: "unchanged", Pending: 4})
	step("absent twice", reportOf{Outcome: "unchanged", Held: 4})
	if report, err := d.Approve(t.Context(), ApproveRequest{Job: "orders", Reject: true}); err != nil || report.Kept != 4 {
		t.Fatalf("reject: %+v, %v; want 4 kept", report, err)
	}
	step("absent, but rejected", reportOf{Outcome: "unchanged"})
	source.set(all[:6]...)
	step("shown again", reportOf{Outcome: "unchanged"})
	source.set(all[:5]...)
	step("counts again", reportOf{Outcome: "unchanged", Pending: 1})
	step("and is proved", reportOf{Outcome: "changed", Deleted: 1})

	status, err := d.Status(t.Context(), StatusRequest{Deep: true})
	if err != nil || !status.Deep.OK || len(status.Holds) != 0 || status.Jobs[0].Records != 5 {
		t.Errorf("status: %+v, %+v, %v", status, status.Deep, err)
	}
}

func TestEditsDoNotFloodAndLoseNothing(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"a":1,"b":1}`, `{"id":2,"a":1,"b":1}`), newReceiver(t)
	b := newBench(t, config(source.URL, sink.URL, `ignore = ["a"]`))
	d := b.open()
	defer func() { _ = d.Close() }()
	poll(t, d, "orders")
	source.set(`{"id":1,"a":2,"b":1}`, `{"id":2,"a":2,"b":1}`)
	poll(t, d, "orders")
	b.write(config(source.URL, sink.URL, ``))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	source.set(`{"id":1,"a":3,"b":1}`, `{"id":2,"a":3,"b":2}`)
	if diff := cmp.Diff(reportOf{Outcome: "changed", Updated: 1, Silent: 1}, poll(t, d, "orders")); diff != "" {
		t.Errorf("first run after the edit (-want +got):\n%s", diff)
	}
	source.set(`{"id":1,"a":4,"b":1}`, `{"id":2,"a":3,"b":2}`)
	if diff := cmp.Diff(reportOf{Outcome: "changed", Updated: 1}, poll(t, d, "orders")); diff != "" {
		t.Errorf("second run after the edit (-want +got):\n%s", diff)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	// Another key is another snapshot: everything moves unseen, and the report says how much.
	b.write(strings.Replace(config(source.URL, sink.URL, ``), `key = "id"`, `key = ["id", "b"]`, 1))
	d = b.open()
	if diff := cmp.Diff(reportOf{Outcome: "baseline", Silent: 4}, poll(t, d, "orders")); diff != "" {
		t.Errorf("after a new key (-want +got):\n%s", diff)
	}
	events, err := d.Events(t.Context(), bridge.EventQuery{})
	if err != nil || len(events) != 2 {
		t.Errorf("%d events, %v; want 2", len(events), err)
	}
}

func TestEmptyFirstAnswerNeedsASecond(t *testing.T) {
	source, sink := newLegacy(t), newReceiver(t)
	d := newBench(t, config(source.URL, sink.URL, ``)).open()
	defer d.Close()
	if diff := cmp.Diff(reportOf{Outcome: "unchanged"}, poll(t, d, "orders")); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(reportOf{Outcome: "baseline"}, poll(t, d, "orders")); diff != "" {
		t.Errorf("second (-want +got):\n%s", diff)
	}
	source.set(`{"id":1}`)
	if diff := cmp.Diff(reportOf{Outcome: "changed", Created: 1}, poll(t, d, "orders")); diff != "" {
		t.Errorf("third (-want +got):\n%s", diff)
	}
}

func TestInitialEmitTellsEverything(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`, `{"id":2}`), newReceiver(t)
	d := newBench(t, config(source.URL, sink.URL, `initial = "emit"`)).open()
	defer d.Close()
	if diff := cmp.Diff(reportOf{Outcome: "changed", Created: 2}, poll(t, d, "orders")); diff != "" {
		t.Errorf("first run (-want +got):\n%s", diff)
	}
}

func TestQuarantineKeepsTheRestGoingAndNothingIsDeleted(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`, `{"id":2}`, `{"name":"no id"}`), newReceiver(t)
	d := newBench(t, config(source.URL, sink.URL, "on_bad_record = \"quarantine\"\ndeletes {\n confirm = 1\n}")).open()
	defer d.Close()
	poll(t, d, "orders")
	source.set(`{"id":1}`, `{"id":3}`, `{"name":"still no id"}`, `{"id":3}`)
	if diff := cmp.Diff(reportOf{Outcome: "changed", Created: 1}, poll(t, d, "orders")); diff != "" {
		t.Errorf("with bad records (-want +got):\n%s", diff)
	}
	s := statusOf(t, d)
	var reasons []string
	for _, q := range s.Jobs[0].Quarantine {
		reasons = append(reasons, fmt.Sprintf("page %d, item %d, key %q", q.Page, q.Item, q.Key))
	}
	want := []string{`page 1, item 3, key ""`, `page 1, item 4, key "3"`}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("quarantine in status (-want +got):\n%s", diff)
	}
	source.set(`{"id":1}`, `{"id":3}`, `{"id":4}`)
	if diff := cmp.Diff(reportOf{Outcome: "changed", Created: 1, Deleted: 1}, poll(t, d, "orders")); diff != "" {
		t.Errorf("healed (-want +got):\n%s", diff)
	}
	if s := statusOf(t, d); len(s.Jobs[0].Quarantine) > 0 {
		t.Errorf("the quarantine outlives its records: %+v", s.Jobs[0].Quarantine)
	}
}
