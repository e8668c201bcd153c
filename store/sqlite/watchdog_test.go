package sqlite_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

func TestWhatAWatchdogRemembersSurvives(t *testing.T) {
	file := path(t)
	db, err := sqlite.Open(t.Context(), file, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := setUp(t, db)
	job := b.job.Number
	if state := must[[]byte](t)(b.Watchdog(t.Context(), job)); state != nil {
		t.Errorf("a new job's watchdog remembers %q", state)
	}
	b.SaveWatchdog(job, []byte("one"))
	b.SaveWatchdog(job, []byte("two"))
	b.SaveWatchdog(99, []byte("of nobody"))
	want := []bridge.Transition{{From: "unproven", To: "recovering", At: noon, Why: "first webhook"},
		{From: "listening", To: "fallback", At: noon.Add(time.Hour), Why: "3 changes untold", Missed: 3}}
	event := &bridge.Event{Type: "bridge.watchdog.fallback", Key: "orders", Data: []byte(`{}`)}
	if err := b.RecordTransitions(t.Context(), job, []byte("three"), want, event, b.targets); err != nil {
		t.Fatal(err)
	}
	if due := b.due(10); len(due) != 1 || due[0].Event.ID != event.ID || event.Sequence != 1 {
		t.Errorf("due %+v, told %+v", due, event)
	}
	if err := b.RecordTransitions(t.Context(), 99, nil, want, nil, nil); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("transitions of nobody: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b = &bench{DB: open(t, file), t: t}
	if state := must[[]byte](t)(b.Watchdog(t.Context(), job)); string(state) != "three" {
		t.Errorf("remembers %q", state)
	}
	if diff := cmp.Diff(want, must[[]bridge.Transition](t)(b.Transitions(t.Context(), job, 0))); diff != "" {
		t.Errorf("transitions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1:], must[[]bridge.Transition](t)(b.Transitions(t.Context(), job, 1))); diff != "" {
		t.Errorf("last transition (-want +got):\n%s", diff)
	}
	must[bridge.Pruned](t)(b.Prune(t.Context(), bridge.Retention{Events: time.Hour}, noon.Add(90*time.Minute)))
	if diff := cmp.Diff(want[1:], must[[]bridge.Transition](t)(b.Transitions(t.Context(), job, 0))); diff != "" {
		t.Errorf("transitions left (-want +got):\n%s", diff)
	}
	must[int64](t)(b.ForgetJob(t.Context(), "orders"))
	if state := must[[]byte](t)(b.Watchdog(t.Context(), job)); state != nil {
		t.Errorf("a forgotten job's watchdog remembers %q", state)
	}
	b.sound()
}
