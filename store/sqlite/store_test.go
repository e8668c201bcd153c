package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func path(t testing.TB) string { return filepath.Join(t.TempDir(), "bridge.db") }

func created(key, body string) bridge.Put {
	return bridge.Put{
		Key: key, Body: []byte(body), Entry: bridge.IndexEntry{Key: uint64(len(key)) << 63, Raw: 1<<64 - 1, Canon: 7},
		Event: &bridge.Event{Type: "orders.created", Key: key, Op: bridge.Created, Origin: bridge.Schedule, After: []byte(body)},
	}
}

func TestAChangeGoesFromCommitToDelivered(t *testing.T) {
	ctx := t.Context()
	db := open(t, path(t))
	job := must[bridge.JobState](t)(db.OpenJob(ctx, "orders", "digest", "rules"))
	dest := must[bridge.DestinationInfo](t)(db.OpenDestination(ctx, "crm"))
	began := must[int64](t)(db.BeginRun(ctx, job.Number))
	targets := []bridge.Target{{Destination: dest.Number, Format: "standard", FormatVersion: 1, Ordered: true}}
	chunk := &bridge.Chunk{
		Job: job.Number, Began: began, RulesNumber: job.RulesNumber, First: true, Identity: "http",
		Puts: []bridge.Put{created("1", `{"id":1}`), created("2", `{"id":2}`)}, Targets: targets,
		Finish: &bridge.Finish{Checkpoint: bridge.Checkpoint("etag"), Baselined: true, Complete: true},
	}
	done := must[bridge.Committed](t)(db.Commit(ctx, chunk))
	db.EndRun(job.Number, began)
	if done.Told != 2 || done.Sequence != 2 {
		t.Fatalf("committed %+v", done)
	}
	due, next, err := db.Due(ctx, dest.Number, time.Now(), 10, nil)
	if err != nil || len(due) != 2 || !next.IsZero() {
		t.Fatalf("due %v, next %v, error %v", due, next, err)
	}
	if got, want := due[0].Event.ID, chunk.Puts[0].Event.ID; got != want || got == "" {
		t.Errorf("delivers event %q, committed was %q", got, want)
	}
	if err := db.Settle(ctx, []bridge.Settlement{{Delivery: due[0].ID, Destination: dest.Number, Attempt: bridge.Attempt{At: time.Now(), Status: 204}}}); err != nil {
		t.Fatal(err)
	}
	if got := db.Backlog(); got != 1 {
		t.Errorf("backlog is %d, want 1", got)
	}
	n := 0
	if err := db.Index(ctx, job.Number, func(e bridge.IndexEntry) error {
		if e.ID != done.IDs[n] || e.Raw != 1<<64-1 || e.Canon != 7 {
			t.Errorf("index entry %+v", e)
		}
		n++
		return nil
	}); err != nil || n != 2 {
		t.Fatalf("%d rows in the index, error %v", n, err)
	}
	state := must[bridge.JobState](t)(db.Job(ctx, "orders"))
	if string(state.Checkpoint) != "etag" || !state.Baselined || state.Records != 2 || state.Identity != "http" {
		t.Errorf("job %+v", state)
	}
}
