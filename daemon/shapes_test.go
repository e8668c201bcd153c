package daemon

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const applied = "on_event = \"apply\"\nrecord = event.body"

// told are the job's events, without the bridge's own, and what these are called.
func toldOf(t *testing.T, d *Daemon) (job, own []string) {
	t.Helper()
	for _, k := range kinds(t, d) {
		if strings.HasPrefix(k, "bridge.") {
			own = append(own, strings.Fields(k)[0])
		} else {
			job = append(job, k)
		}
	}
	return job, own
}

// Each poll takes back what a webhook wrote, until that is plain.
func TestWebhooksOfAnotherShapeBecomeSignals(t *testing.T) {
	source, sink := newLegacy(t), newReceiver(t)
	text := watched(source.URL, sink.URL, applied, "")
	b := newBench(t, text)
	d := b.open()
	records := func(v ...int) {
		var out []string
		for id, v := range v {
			out = append(out, fmt.Sprintf(`{"id":%d,"v":%d,"owner":{"id":7},"at":"2026-01-05T10:00:0%dZ","note":null}`, id, v, v))
		}
		source.set(out...)
	}
	brought := func(id, v int) {
		t.Helper()
		body := fmt.Sprintf(`{"id":%d,"v":%d,"owner":7,"at":"2026-01-05 10:00:0%d"}`, id, v, v)
		if got := hook(t, d, fmt.Sprint("m", id, v), body); got/100 != 2 {
			t.Fatalf("webhook %d of record %d was answered %d", v, id, got)
		}
	}
	records(1, 1, 1)
	poll(t, d, "orders")
	for id := range 3 {
		brought(id, 2)
		if w := d.jobs["orders"].watch; w.signals() {
			t.Fatalf("signals after %d records", id)
		}
		v := []int{1, 1, 1}
		for k := range id + 1 {
			v[k] = 2
		}
		records(v...)
		poll(t, d, "orders")
	}
	d.consult(d.jobs["orders"].watch)
	job, own := toldOf(t, d)
	if len(job) != 6 { // each twice: the price until then
		t.Errorf("told:\n%s", strings.Join(job, "\n"))
	}
	if diff := cmp.Diff([]string{"bridge.watchdog.mismatch"}, own); diff != "" {
		t.Errorf("told of the bridge (-want +got):\n%s", diff)
	}
	const want = "polls take back what webhooks write, always at /at, /note, /owner"
	check := func(when string) {
		t.Helper()
		status, err := d.Status(t.Context(), StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		s := status.Jobs[0]
		if s.Watchdog == nil || !strings.HasPrefix(s.Watchdog.Warning, want) || !strings.Contains(s.Watchdog.Words, "taken as signals") {
			t.Errorf("%s, status: %+v", when, s.Watchdog)
		}
		if n := len(s.History); n == 0 || !strings.HasPrefix(s.History[0].Why, want) && !strings.HasPrefix(s.History[n-1].Why, want) {
			t.Errorf("%s, history: %+v", when, s.History)
		}
	}
	check("at once")

	signalled := func(id, v int, truth ...int) {
		t.Helper()
		before, _ := toldOf(t, d)
		brought(id, v)
		records(truth...)
		if job, _ := toldOf(t, d); len(job) != len(before) {
			t.Errorf("a signal told something: %s", job[len(before):])
		}
		poll(t, d, "orders")
		for inboundStates(t, d)["received"] > 0 { // its end is noted after the run's
		}
		job, _ := toldOf(t, d)
		if got := job[len(before):]; len(got) != 1 || !strings.Contains(got[0], fmt.Sprintf(`"v":%d,"owner":{`, v)) {
			t.Errorf("after a signal and a poll: %q, want the change once", got)
		}
	}
	signalled(0, 3, 3, 2, 2)
	if s := d.jobs["orders"].watch.status(); s.Missed != 0 {
		t.Errorf("what webhooks announced counts as missed: %+v", s)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = b.open()
	defer func() { _ = d.Close() }()
	check("after a restart")
	signalled(1, 3, 3, 3, 2)

	reload(t, b, d, strings.Replace(text, applied, "on_event = \"apply\"\nrecord = { id = event.body.id, v = event.body.v, owner = { id = event.body.owner } }", 1))
	if d.jobs["orders"].watch.signals() {
		t.Error("an edit of the job did not give its webhooks another chance")
	}
	brought(2, 3)
	if job, _ := toldOf(t, d); !strings.Contains(job[len(job)-1], " webhook ") {
		t.Errorf("the last told: %s; want what the webhook brought", job[len(job)-1])
	}
}

// What changes between a webhook and the next poll is a change, however often.
func TestChangesAfterWebhooksAreNoMatterOfShape(t *testing.T) {
	for name, extra := range map[string]string{"without a version": "", "with a version": `version = "v"`} {
		t.Run(name, func(t *testing.T) {
			source, sink := newLegacy(t), newReceiver(t)
			d := newBench(t, watched(source.URL, sink.URL, applied, extra)).open()
			defer d.Close()
			var records []string
			for id := range 8 {
				records = append(records, fmt.Sprintf(`{"id":%d,"v":1,"status":"new","shipped":null}`, id))
			}
			source.set(records...)
			poll(t, d, "orders")
			for id := range records {
				hook(t, d, fmt.Sprint("m", id), fmt.Sprintf(`{"id":%d,"v":2,"status":"open","shipped":null}`, id))
				records[id] = fmt.Sprintf(`{"id":%d,"v":3,"status":"in transit","shipped":"2026-01-05T10:00:00Z","parcel":%d}`, id, id)
				source.set(records...)
				poll(t, d, "orders")
			}
			if w := d.jobs["orders"].watch; w.signals() {
				t.Errorf("taken for a mismatch: %+v", w.shapes())
			}
		})
	}
}

// Where both carry the same version, every difference is one of shape.
func TestTheSameVersionProvesAMismatch(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1,"total":"10.00"}`), newReceiver(t)
	d := newBench(t, watched(source.URL, sink.URL, applied, `version = "v"`)).open()
	defer d.Close()
	poll(t, d, "orders")
	for v := 2; v < 5; v++ {
		hook(t, d, fmt.Sprint("m", v), fmt.Sprintf(`{"id":1,"v":%d,"total":"EUR 10"}`, v))
		source.set(fmt.Sprintf(`{"id":1,"v":%d,"total":"10.00"}`, v))
		poll(t, d, "orders")
	}
	if diff := cmp.Diff([]string{"/total"}, d.jobs["orders"].watch.shapes().Differ); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}
