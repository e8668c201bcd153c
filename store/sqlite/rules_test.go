package sqlite_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

func (b *bench) begin() int64 {
	b.t.Helper()
	return must[int64](b.t)(b.BeginRun(b.t.Context(), b.job.Number))
}

func (b *bench) commit(chunk *bridge.Chunk) bridge.Committed {
	b.t.Helper()
	return must[bridge.Committed](b.t)(b.Commit(b.t.Context(), chunk))
}

func (b *bench) remove(began, id int64, key string) bool {
	b.t.Helper()
	chunk := b.chunk(began)
	chunk.Deletes = []bridge.Delete{{ID: id, Key: key, Event: &bridge.Event{Type: "orders.deleted", Key: key, Op: bridge.Deleted}}}
	return b.commit(chunk).Gone[0]
}

func (b *bench) state() bridge.JobState {
	b.t.Helper()
	return must[bridge.JobState](b.t)(b.Job(b.t.Context(), b.job.Name))
}

func TestARunLeavesAloneWhatHasMovedOn(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	ids := b.create(false, "changed", "deleted")
	slow, fast := b.begin(), b.begin()
	chunk := b.chunk(fast)
	put := created("changed", `{"by":"fast"}`)
	put.Entry.ID = ids[0]
	chunk.Puts = []bridge.Put{put, created("new", "{}")}
	b.commit(chunk)
	b.remove(fast, ids[1], "deleted")
	b.EndRun(b.job.Number, fast) // what it deleted must be remembered as long as the slow one goes
	told := b.state().Sequence
	chunk = b.chunk(slow)
	put = created("changed", `{"by":"slow"}`)
	put.Entry.ID = ids[0]
	chunk.Puts = []bridge.Put{put, created("new", `{"by":"slow"}`), created("deleted", "{}")}
	chunk.Deletes = []bridge.Delete{{ID: ids[0], Key: "changed", Event: &bridge.Event{}}}
	chunk.Absences = []bridge.Absence{{ID: ids[0], Scans: 1}}
	done := b.commit(chunk)
	if diff := cmp.Diff(bridge.Committed{IDs: []int64{0, 0, 0}, Gone: []bool{false}, Sequence: told}, done, cmpopts.IgnoreFields(done, "Took", "Number", "Left")); diff != "" {
		t.Errorf("committed by the slow run (-want +got):\n%s", diff)
	}
	b.EndRun(b.job.Number, slow)
	if id := b.create(false, "deleted")[0]; id == 0 || id == ids[1] {
		t.Errorf("created again as row %d, was %d", id, ids[1])
	}
	b.sound()
}

func TestARunUnderOldRulesProvesNothing(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	chunk := b.chunk(b.begin())
	chunk.Puts = []bridge.Put{created("1", "{}")}
	chunk.Finish = &bridge.Finish{Checkpoint: bridge.Checkpoint("etag"), Complete: true}
	edited := must[bridge.JobState](t)(b.OpenJob(t.Context(), "orders", "digest 2", "rules 2"))
	b.commit(chunk)
	state := b.state()
	if state.Checkpoint != nil || state.Rules != "rules 2" || state.OldRules != "rules" || state.RulesNumber != edited.RulesNumber {
		t.Errorf("job %+v", state)
	}
	err := b.Index(t.Context(), b.job.Number, func(e bridge.IndexEntry) error {
		if e.Canon != 0 {
			t.Errorf("entry %+v has the fingerprint of other rules", e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	chunk = b.chunk(b.begin())
	chunk.RulesNumber = state.RulesNumber
	chunk.Finish = &bridge.Finish{Checkpoint: bridge.Checkpoint("etag"), Complete: true}
	b.commit(chunk)
	if state := b.state(); string(state.Checkpoint) != "etag" || state.OldRules != "rules 2" {
		t.Errorf("job after a complete run under the new rules %+v", state)
	}
}

func TestAQueuedRunRowNeverBringsBackACheckpoint(t *testing.T) {
	file := path(t)
	b := setUp(t, must[*sqlite.DB](t)(sqlite.Open(t.Context(), file, sqlite.Options{})))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }() // run rows are queued from here on, sooner or later
	for i := range 20 {
		report := bridge.RunReport{Outcome: bridge.RunUnchanged, Seen: int64(i)}
		b.RecordRun(b.job.Number, report, &bridge.Checkpoint{'o', 'l', 'd'})
		if state := b.state(); string(state.Checkpoint) != "old" || state.LastRun.Seen != int64(i) {
			t.Fatalf("job after a run %+v", state)
		}
		chunk := b.chunk(0)
		chunk.First = true
		b.commit(chunk)
		if state := b.state(); state.Checkpoint != nil || state.LastRun.Seen != int64(i) {
			t.Fatalf("job after the first chunk of the next run %+v", state)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.DB = open(t, file)
	if state := b.state(); state.Checkpoint != nil || state.LastRun.Seen != 19 {
		t.Errorf("job after opening again %+v", state)
	}
}

func TestAHoldEndsWithItsRows(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	ids := b.create(true, "1", "2")
	began := b.begin()
	hold := func(absences ...bridge.Absence) []bridge.Hold {
		t.Helper()
		chunk := b.chunk(began)
		chunk.Absences = absences
		chunk.Finish = &bridge.Finish{}
		b.commit(chunk)
		return must[[]bridge.Hold](t)(b.Holds(t.Context()))
	}
	first := hold(bridge.Absence{ID: ids[0], Scans: 2, Hold: -1}, bridge.Absence{ID: ids[1], Scans: 2, Hold: -1})
	if len(first) != 1 || first[0].Rows != 2 || first[0].Total != 2 || first[0].Job != "orders" || time.Since(first[0].Since) > time.Hour {
		t.Fatalf("holds %+v", first)
	}
	rejected := hold(bridge.Absence{ID: ids[0], Scans: -1, Hold: first[0].ID, Stable: 3})
	if len(rejected) != 1 || rejected[0].ID != first[0].ID || rejected[0].Rows != 1 {
		t.Errorf("holds after one was rejected %+v", rejected)
	}
	if over := hold(bridge.Absence{ID: ids[1], Scans: 0}); len(over) != 0 {
		t.Errorf("holds after the other was seen again %+v", over)
	}
	want := []bridge.Absence{{ID: ids[0], Scans: -1}}
	if diff := cmp.Diff(want, must[[]bridge.Absence](t)(b.Absences(t.Context(), b.job.Number))); diff != "" {
		t.Errorf("absences (-want +got):\n%s", diff)
	}
	if again := hold(bridge.Absence{ID: ids[1], Scans: 2, Hold: -1}); len(again) != 1 || again[0].ID == first[0].ID {
		t.Errorf("holds after new absences %+v, want one of another id than %d", again, first[0].ID)
	}
	b.sound()
}

func TestAttemptsGoOnBeingNumberedAfterAReplay(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	b.create(false, "1")
	b.settle(bridge.Retry, b.due(1)...)
	b.settle(bridge.Dead, b.due(1)...)
	if n := must[int64](t)(b.Replay(t.Context(), bridge.ReplayQuery{Dead: true})); n != 1 {
		t.Fatalf("%d replayed", n)
	}
	again := b.due(1)
	if again[0].Attempts != 0 || !again[0].Replay {
		t.Errorf("replayed delivery %+v begins its schedule anew", again[0])
	}
	long := bridge.Settlement{Delivery: again[0].ID, Destination: b.dest.Number, Verdict: bridge.Delivered, Attempt: bridge.Attempt{
		Number: 1, At: time.Now(), Took: time.Second, Status: 200, Error: strings.Repeat("é", 4000), Answer: strings.Repeat("é", 4000)}}
	if err := b.Settle(t.Context(), []bridge.Settlement{long, long}); err != nil { // the second finds it delivered
		t.Fatal(err)
	}
	row, attempts, err := b.Delivery(t.Context(), again[0].ID)
	if err != nil || len(attempts) != 4 || row.Attempts != 4 || row.State != bridge.StateDelivered || b.Backlog() != 0 {
		t.Fatalf("delivery %+v with %d attempts, backlog %d, error %v", row, len(attempts), b.Backlog(), err)
	}
	for i, a := range attempts {
		if a.Number != i+1 {
			t.Errorf("attempt %d has number %d", i+1, a.Number)
		}
	}
	if last := attempts[2]; last.Error != strings.Repeat("é", 512) || last.Answer != strings.Repeat("é", 2048) || last.Took != time.Second {
		t.Errorf("last attempt kept %d bytes of error and %d of answer", len(last.Error), len(last.Answer))
	}
	b.sound()
	gone := must[bridge.Pruned](t)(b.Prune(t.Context(), bridge.Retention{Attempts: time.Hour}, time.Now().Add(2*time.Hour)))
	if _, attempts, err := b.Delivery(t.Context(), row.ID); err != nil || len(attempts) != 0 || gone != (bridge.Pruned{Attempts: 4}) {
		t.Errorf("pruned %+v, left %d attempts, error %v", gone, len(attempts), err)
	}
}

func TestPruneTakesOnlyWhatIsOver(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	b.create(false, "delivered", "dead", "retried", "held")
	due := b.due(4)
	b.settle(bridge.Delivered, due[0])
	b.settle(bridge.Dead, due[1])
	b.settle(bridge.Retry, due[2])
	b.settle(bridge.Disable, due[3])
	keep := bridge.Retention{Events: time.Hour, Attempts: time.Hour, Dead: 3 * time.Hour}
	if gone := must[bridge.Pruned](t)(b.Prune(t.Context(), keep, time.Now())); gone != (bridge.Pruned{}) {
		t.Errorf("pruned %+v of what is young", gone)
	}
	if gone := must[bridge.Pruned](t)(b.Prune(t.Context(), keep, time.Now().Add(2*time.Hour))); gone != (bridge.Pruned{Events: 1, Attempts: 2}) {
		t.Errorf("pruned %+v after two hours", gone)
	}
	if gone := must[bridge.Pruned](t)(b.Prune(t.Context(), keep, time.Now().Add(4*time.Hour))); gone != (bridge.Pruned{Events: 1, Dead: 1}) {
		t.Errorf("pruned %+v after four hours", gone)
	}
	if b.Backlog() != 2 || len(b.due(9)) != 2 {
		t.Errorf("backlog %d, due %d; want the two that are not over", b.Backlog(), len(b.due(9)))
	}
	b.sound()
}

func TestADisabledDestinationHoldsItsDeliveries(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	b.create(false, "1")
	s := bridge.Settlement{Delivery: b.due(1)[0].ID, Destination: b.dest.Number, Verdict: bridge.Disable, Attempt: bridge.Attempt{Status: 410}}
	if err := b.Settle(t.Context(), []bridge.Settlement{s}); err != nil {
		t.Fatal(err)
	}
	got := must[[]bridge.DestinationInfo](t)(b.Destinations(t.Context()))[0]
	if got.State != bridge.Disabled || got.Reason != "the receiver answered 410" || got.Backlog != 1 || got.Next.IsZero() {
		t.Errorf("destination %+v", got)
	}
	if due := b.due(1); len(due) != 1 || due[0].Attempts != 0 {
		t.Errorf("due %+v, want the delivery with its schedule not begun", due)
	}
}

func TestMovesHappenTogetherOrNotAtAll(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	b.create(false, "1")
	for _, name := range []string{"orders/eu", "orders/us", "orders-old", "stock", "items"} {
		must[bridge.JobState](t)(b.OpenJob(t.Context(), name, "", ""))
	}
	names := func() string {
		t.Helper()
		var names []string
		for _, j := range must[[]bridge.JobState](t)(b.Jobs(t.Context())) {
			names = append(names, j.Name)
		}
		return strings.Join(names, " ")
	}
	err := b.MoveJobs(t.Context(), [][2]string{{"orders", "sales"}, {"stock", "items"}})
	if err == nil || !strings.Contains(err.Error(), `job "stock"`) || !strings.Contains(err.Error(), `job "items"`) {
		t.Errorf("moved onto state: %v", err)
	}
	if got := names(); got != "items orders orders-old orders/eu orders/us stock" {
		t.Errorf("jobs after a move that failed: %s", got)
	}
	moves := [][2]string{{"orders", "sales"}, {"sales/eu", "sales/emea"}, {"stock", "stock/all"}, {"gone", "sales"}}
	if err := b.MoveJobs(t.Context(), moves); err != nil {
		t.Fatal(err)
	}
	if got := names(); got != "items orders-old sales sales/emea sales/us stock/all" {
		t.Errorf("jobs after the moves: %s", got)
	}
	moved := must[bridge.JobState](t)(b.Job(t.Context(), "sales"))
	if moved.Number != b.job.Number || moved.Records != 1 {
		t.Errorf("moved job %+v has lost its state", moved)
	}
	for _, name := range []string{"orders", "sales"} { // told under the one, found under both
		if found := must[[]bridge.EventRow](t)(b.Events(t.Context(), bridge.EventQuery{Job: name})); len(found) != 1 || found[0].Job != "orders" {
			t.Errorf("events of job %s: %+v", name, found)
		}
	}
	b.job.Name = "sales"
	b.create(false, "2")
	if e := b.due(9)[1].Event; e.Job != "sales" || e.Sequence != 2 {
		t.Errorf("told after the move: %+v", e)
	}
}

func TestAReplayStandsOutsideItsLane(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	id := b.create(false, "1")[0]
	tell := func(n int) {
		t.Helper()
		chunk := b.chunk(b.begin())
		put := created("1", fmt.Sprintf(`{"n":%d}`, n))
		put.Entry.ID, put.Event.Op = id, bridge.Updated
		chunk.Puts = []bridge.Put{put}
		b.commit(chunk)
	}
	due := func(want ...int64) []bridge.Delivery {
		t.Helper()
		var got []int64
		found := b.due(9)
		for _, d := range found {
			got = append(got, d.Event.Sequence)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("sequences due (-want +got):\n%s", diff)
		}
		return found
	}
	b.settle(bridge.Delivered, due(1)...)
	tell(2)
	tell(3)
	must[int64](t)(b.Replay(t.Context(), bridge.ReplayQuery{Job: "orders"}))
	both := due(1, 2) // the replay goes beside the lane's head
	for _, d := range both {
		if d.Event.Sequence == 1 {
			b.settle(bridge.Delivered, d)
		}
	}
	due(2) // and lets nobody go when it is over
	tell(4)
	b.sound()
	for _, next := range []int64{2, 3, 4} {
		b.settle(bridge.Delivered, due(next)...)
	}
	due()
	b.sound()
}
