package daemon

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

// A full disk (P12): runs fail and change nothing, webhooks are answered 503, delivery goes on; and once there is space
// everything does, by itself and without a loss.
func TestAFullDiskStopsNothingForGood(t *testing.T) {
	source, heap, sink := newLegacy(t, `{"id":1,"v":1}`), newLegacy(t, `{"id":0}`), newReceiver(t)
	without := watched(source.URL, sink.URL, `record = event.body`, `version = "v"`)
	b := newBench(t, without+fmt.Sprintf(`
job "heap" {
  schedule = "@every 1h"
  deliver  = [destination.receiver]
  key      = "id"
  source "http" {
    url = "%s/records"
  }
}`, heap.URL))
	d, err := Open(t.Context(), Options{Path: b.path, Logger: b.log, MaxPages: 500})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, d)
	poll(t, d, "orders")
	poll(t, d, "heap")
	if err := d.Pause(t.Context(), Target{Destination: "receiver"}); err != nil {
		t.Fatal(err)
	}
	source.set(`{"id":1,"v":2}`)
	poll(t, d, "orders")

	large := strings.Repeat("x", 100_000)
	records := []string{`{"id":0}`}
	for failed := false; !failed; failed = poll(t, d, "heap").Outcome == "failed" {
		if len(records) == 100 {
			t.Fatal("the disk is never full")
		}
		records = append(records, fmt.Sprintf(`{"id":%d,"x":%q}`, len(records), large))
		heap.set(records...)
	}
	fit := len(records) - 2 // beside the first, which is taken in silently, and without the last
	if kept, err := d.store.Job(t.Context(), "heap"); err != nil || kept.Records != int64(fit)+1 || kept.Sequence != int64(fit) {
		t.Errorf("after a run without space for record %d there are %d records and %d events (%v)", fit+1, kept.Records, kept.Sequence, err)
	}
	source.set(fmt.Sprintf(`{"id":1,"v":3,"x":%q}`, large))
	report, err := d.Poll(t.Context(), "orders")
	if err != nil || report.Outcome != bridge.RunFailed || !strings.Contains(report.Error, "no space left for the store") {
		t.Errorf("poll: %+v, %v; want a run that found no space", report, err)
	}
	if got := hook(t, d, "m1", fmt.Sprintf(`{"id":2,"v":1,"x":%q}`, large)); got != http.StatusServiceUnavailable {
		t.Errorf("a webhook was answered %d, want 503", got)
	}
	if err := d.Resume(t.Context(), Target{Destination: "receiver"}); err != nil {
		t.Fatal(err)
	}
	sink.wait(fit + 1) // while the disk is full

	reload(t, b, d, without)
	if _, err := d.Forget(t.Context(), Target{Job: "heap"}); err != nil {
		t.Fatal(err)
	}
	if got := hook(t, d, "m1", `{"id":2,"v":1}`); got/100 != 2 {
		t.Errorf("with space again a webhook was answered %d", got)
	}
	if diff := cmp.Diff(reportOf{Outcome: "changed", Updated: 1, Pending: 1}, poll(t, d, "orders")); diff != "" {
		t.Errorf("with space again (-want +got):\n%s", diff)
	}
	told := map[string]int{}
	for _, e := range sink.wait(fit + 3) {
		told[e.Type+" "+e.Key]++
	}
	want := map[string]int{"orders.updated 1": 2, "orders.created 2": 1}
	for i := range fit {
		want[fmt.Sprint("heap.created ", i+1)]++
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("arrived (-want +got):\n%s", diff)
	}
	if s, err := d.Status(t.Context(), StatusRequest{Deep: true}); err != nil || !s.Deep.OK {
		t.Errorf("status: %+v, %v", s.Deep, err)
	}
}
