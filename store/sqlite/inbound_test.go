package sqlite_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func webhook(delivery string) *bridge.Inbound {
	w := &bridge.Inbound{
		Receiver: "orders", DeliveryID: delivery, At: noon, Method: "POST", Path: "/in/orders", Query: "a=xxxxx",
		Header: http.Header{"X-Event": {"order.updated", "again"}}, Body: []byte(`{"id":"1"}`), State: bridge.InboundReceived,
	}
	if delivery != "" {
		w.Until = noon.Add(time.Hour)
	}
	return w
}

func (b *bench) take(take *bridge.Take) (duplicate bool) {
	b.t.Helper()
	duplicate, _, err := b.TakeInbound(b.t.Context(), take)
	if err != nil {
		b.t.Fatal(err)
	}
	return duplicate
}

// apply is a webhook that puts a record as it is now.
func (b *bench) apply(delivery, key string) *bridge.Take {
	b.t.Helper()
	row, moved, found, err := b.RowByKey(b.t.Context(), b.job.Number, key)
	if err != nil {
		b.t.Fatal(err)
	}
	put := created(key, `{"by":"`+delivery+`"}`)
	put.Event.Origin = bridge.Webhook
	if found {
		put.Entry.ID, put.Moved, put.Event.Op = row.ID, moved, bridge.Updated
	}
	chunk := b.chunk(0)
	chunk.First, chunk.Puts = true, []bridge.Put{put}
	return &bridge.Take{Webhook: webhook(delivery), Chunks: []*bridge.Chunk{chunk}}
}

// withdraw is a webhook that deletes a record.
func (b *bench) withdraw(delivery, key string) *bridge.Take {
	b.t.Helper()
	row, moved, found, err := b.RowByKey(b.t.Context(), b.job.Number, key)
	if err != nil || !found {
		b.t.Fatalf("row %q: found %v, error %v", key, found, err)
	}
	chunk := b.chunk(0)
	chunk.First, chunk.Deletes = true, []bridge.Delete{{ID: row.ID, Key: key, Moved: moved}}
	return &bridge.Take{Webhook: webhook(delivery), Chunks: []*bridge.Chunk{chunk}}
}

func TestAWebhookAndItsEffectsAreOneCommit(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	b.create(true, "0")
	checkpoint := bridge.Checkpoint("etag")
	b.RecordRun(b.job.Number, bridge.RunReport{}, &checkpoint)
	take := b.apply("d1", "1")
	duplicate, done, err := b.TakeInbound(t.Context(), take)
	if err != nil || duplicate || len(done) != 1 || done[0].Told != 1 || done[0].IDs[0] == 0 || take.Webhook.ID != 1 {
		t.Fatalf("took %+v: duplicate %v, %+v, error %v", take.Webhook, duplicate, done, err)
	}
	if due := b.due(10); len(due) != 1 || due[0].Event.Origin != bridge.Webhook || due[0].Event.ID != take.Chunks[0].Puts[0].Event.ID {
		t.Errorf("due %+v", due)
	}
	if state := must[bridge.JobState](t)(b.Job(t.Context(), "orders")); state.Checkpoint != nil || state.Records != 2 {
		t.Errorf("job %+v; a commit outside a run clears the checkpoint", state)
	}
	want := *take.Webhook
	want.State = bridge.InboundApplied
	if diff := cmp.Diff(want, must[bridge.Inbound](t)(b.Inbound(t.Context(), 1))); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	row, moved, found, err := b.RowByKey(t.Context(), b.job.Number, "1")
	if err != nil || !found || moved == 0 || string(row.Body) != `{"by":"d1"}` || row.ID != done[0].IDs[0] {
		t.Errorf("row %+v moved by %d, found %v, error %v", row, moved, found, err)
	}
	if _, _, found, err = b.RowByKey(t.Context(), b.job.Number, "2"); found || err != nil {
		t.Errorf("a row nobody made: %v, error %v", found, err)
	}
	b.sound()
}

func TestADeliveryActsOnceUntilItsIDIsForgotten(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	for _, tc := range []struct {
		name      string
		edit      func(*bridge.Inbound)
		duplicate bool
		records   int64
		id        int64
	}{
		{"the first", func(*bridge.Inbound) {}, false, 1, 1},
		{"the same again", func(*bridge.Inbound) {}, true, 1, 1},
		{"in the last millisecond", func(w *bridge.Inbound) { w.At = noon.Add(time.Hour - time.Millisecond) }, true, 1, 1},
		{"at another receiver", func(w *bridge.Inbound) { w.Receiver = "customers" }, false, 2, 2},
		{"when it may act again", func(w *bridge.Inbound) { w.At, w.Until = noon.Add(time.Hour), noon.Add(2*time.Hour) }, false, 3, 3},
		{"which then counts", func(w *bridge.Inbound) { w.At = noon.Add(90 * time.Minute) }, true, 3, 3},
		{"without an id", func(w *bridge.Inbound) { w.DeliveryID, w.Until = "", time.Time{} }, false, 4, 4},
		{"without an id again", func(w *bridge.Inbound) { w.DeliveryID, w.Until = "", time.Time{} }, false, 5, 5},
	} {
		take := b.apply("d1", tc.name)
		tc.edit(take.Webhook)
		duplicate, done, err := b.TakeInbound(t.Context(), take)
		state := must[bridge.JobState](t)(b.Job(t.Context(), "orders"))
		if err != nil || duplicate != tc.duplicate || (len(done) == 0) != tc.duplicate || state.Records != tc.records || take.Webhook.ID != tc.id {
			t.Errorf("%s: webhook %d, duplicate %v, %d records, error %v", tc.name, take.Webhook.ID, duplicate, state.Records, err)
		}
	}
	b.sound()
}

func TestWhatHasFailedActsAgainWhenItIsRedelivered(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	w := webhook("d1")
	w.State, w.Reason, w.Body = bridge.InboundFailed, "the body is not valid JSON", []byte("{")
	b.take(&bridge.Take{Webhook: w})
	take := b.apply("d1", "1")
	take.Webhook.At = noon.Add(time.Minute)
	if b.take(take) || take.Webhook.ID != w.ID {
		t.Fatalf("taken as %+v", take.Webhook)
	}
	got := must[bridge.Inbound](t)(b.Inbound(t.Context(), w.ID))
	if got.State != bridge.InboundApplied || got.Reason != "" || string(got.Body) != `{"id":"1"}` || !got.At.Equal(noon.Add(time.Minute)) {
		t.Errorf("kept %+v", got)
	}
	if !b.take(b.apply("d1", "1")) {
		t.Error("what was mended acts twice")
	}
}

func TestAnUnwantedWebhookIsIgnored(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	w := webhook("d1")
	w.Reason = "no job wants it"
	b.take(&bridge.Take{Webhook: w})
	got := must[[]bridge.Inbound](t)(b.Inbounds(t.Context(), bridge.InboundQuery{}))
	if len(got) != 1 || got[0].State != bridge.InboundIgnored || got[0].Reason != "no job wants it" || got[0].Body != nil {
		t.Errorf("kept %+v", got)
	}
}

func TestAWebhookIsNotTakenWhereItsRowHasMovedOn(t *testing.T) {
	update := func(b *bench) { b.take(b.apply("updating", "1")) }
	remove := func(b *bench) { b.take(b.withdraw("removing", "1")) }
	for name, tc := range map[string]struct {
		there   bool
		between func(*bench)
	}{
		"updated":             {true, update},
		"deleted":             {true, remove},
		"created":             {false, update},
		"deleted and created": {true, func(b *bench) { remove(b); update(b) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, open(t, path(t)))
			if tc.there {
				b.create(true, "1")
			}
			take := b.apply("late", "1")
			tc.between(b)
			_, done, err := b.TakeInbound(t.Context(), take)
			if !errors.Is(err, bridge.ErrMoved) || done != nil || take.Webhook.ID != 0 {
				t.Fatalf("took %+v, error %v", done, err)
			}
			if found := must[[]bridge.Inbound](t)(b.Inbounds(t.Context(), bridge.InboundQuery{DeliveryID: "late"})); len(found) != 0 {
				t.Errorf("kept %+v", found)
			}
			if b.take(b.apply("late", "1")) {
				t.Error("what was not taken counts as a duplicate")
			}
			b.sound()
		})
	}
}

// A poll that began before a webhook was applied leaves its row alone, also where the webhook deleted it.
func TestAPollLeavesAloneWhatAWebhookMoved(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	ids := b.create(true, "1", "2")
	poll := must[int64](t)(b.BeginRun(t.Context(), b.job.Number))
	defer b.EndRun(b.job.Number, poll)
	b.take(b.apply("d1", "1"))
	b.take(b.withdraw("d2", "2"))
	old := b.chunk(poll)
	stale := created("1", `{"old":true}`)
	stale.Entry.ID = ids[0]
	old.Puts = []bridge.Put{stale, created("2", `{"old":true}`)}
	done := must[bridge.Committed](t)(b.Commit(t.Context(), old))
	if done.IDs[0] != 0 || done.IDs[1] != 0 || done.Told != 0 {
		t.Errorf("the poll has written %+v", done)
	}
	b.sound()
}

func TestAReplayActsAgainOnTheSameWebhook(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	b.take(&bridge.Take{Webhook: webhook("d1")})
	stored := must[bridge.Inbound](t)(b.Inbound(t.Context(), 1))
	stored.State = bridge.InboundReceived
	replay := &bridge.Take{Webhook: &stored, Intents: []bridge.Intent{{Job: b.job.Number, Kind: bridge.IntentPoll}}}
	if b.take(replay) || stored.ID != 1 {
		t.Fatalf("replayed as %+v", stored)
	}
	if !b.take(&bridge.Take{Webhook: &stored}) {
		t.Error("a replay acts while the one before is under way")
	}
	if err := b.EndIntents(t.Context(), []int64{replay.Intents[0].ID}, bridge.InboundApplied, ""); err != nil {
		t.Fatal(err)
	}
	if got := must[bridge.Inbound](t)(b.Inbound(t.Context(), 1)); got.State != bridge.InboundApplied {
		t.Errorf("the webhook is %s", got.State)
	}
	_, _, err := b.TakeInbound(t.Context(), &bridge.Take{Webhook: &bridge.Inbound{ID: 9, State: bridge.InboundReceived}})
	if !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("replayed what is not there: %v", err)
	}
}

func TestWebhooksAreFoundAndFollowed(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	for i := range 5 {
		w := webhook(fmt.Sprint("d", i))
		w.At = noon.Add(time.Duration(i) * time.Minute)
		if i%2 == 1 {
			w.Receiver, w.State, w.Reason = "customers", bridge.InboundFailed, "no key"
		}
		b.take(&bridge.Take{Webhook: w})
	}
	for name, tc := range map[string]struct {
		query bridge.InboundQuery
		want  []int64
	}{
		"all":       {bridge.InboundQuery{}, []int64{1, 2, 3, 4, 5}},
		"newest":    {bridge.InboundQuery{Limit: 2}, []int64{4, 5}},
		"following": {bridge.InboundQuery{After: 2, Limit: 2}, []int64{3, 4}},
		"receiver":  {bridge.InboundQuery{Receiver: "customers"}, []int64{2, 4}},
		"state":     {bridge.InboundQuery{State: bridge.InboundIgnored}, []int64{1, 3, 5}},
		"delivery":  {bridge.InboundQuery{DeliveryID: "d3"}, []int64{4}},
		"times":     {bridge.InboundQuery{Since: noon.Add(time.Minute), Until: noon.Add(3 * time.Minute)}, []int64{2, 3}},
	} {
		var got []int64
		for _, w := range must[[]bridge.Inbound](t)(b.Inbounds(t.Context(), tc.query)) {
			got = append(got, w.ID)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := b.Inbounds(t.Context(), bridge.InboundQuery{State: "lost"}); err == nil {
		t.Error("there is no state lost")
	}
	if _, err := b.Inbound(t.Context(), 6); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("webhook 6: %v", err)
	}
	whole := must[[]bridge.Inbound](t)(b.Inbounds(t.Context(), bridge.InboundQuery{Limit: 1, Bodies: true}))
	if string(whole[0].Body) != `{"id":"1"}` {
		t.Errorf("body %q", whole[0].Body)
	}
}

func TestRetentionTakesWhatIsOverAndMayActAgain(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	underWay := webhook("under way")
	b.take(&bridge.Take{Webhook: underWay, Intents: []bridge.Intent{{Job: b.job.Number, Kind: bridge.IntentPoll}}})
	remembered := webhook("remembered")
	remembered.Until = noon.Add(100 * time.Hour)
	b.take(&bridge.Take{Webhook: remembered})
	b.take(&bridge.Take{Webhook: webhook("over")})
	b.take(&bridge.Take{Webhook: webhook("")})
	young := webhook("young")
	young.At = noon.Add(9 * time.Hour)
	b.take(&bridge.Take{Webhook: young})
	gone := must[bridge.Pruned](t)(b.Prune(t.Context(), bridge.Retention{Events: 2 * time.Hour}, noon.Add(10*time.Hour)))
	if gone.Inbounds != 2 {
		t.Errorf("pruned %+v, want 2 webhooks", gone)
	}
	var left []string
	for _, w := range must[[]bridge.Inbound](t)(b.Inbounds(t.Context(), bridge.InboundQuery{})) {
		left = append(left, w.DeliveryID)
	}
	if diff := cmp.Diff([]string{"under way", "remembered", "young"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	last := webhook("next")
	b.take(&bridge.Take{Webhook: last})
	if last.ID != 6 {
		t.Errorf("webhook %d after 5", last.ID)
	}
	b.sound()
}

// As TestAPowerCutAtAnyStatementLeavesWholeChunks, for a webhook: there with its effects, or not at all.
func TestAPowerCutLeavesNoHalfWebhook(t *testing.T) {
	dir := t.TempDir()
	live := filepath.Join(dir, "live", "bridge.db")
	armed, taken := false, 0
	db, err := sqlite.Open(t.Context(), live, sqlite.Options{Fault: func(string) error {
		if armed {
			taken++
			copyStore(t, live, filepath.Join(dir, fmt.Sprint(taken), "bridge.db"))
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b := setUp(t, db)
	take := b.apply("d1", "1")
	take.Intents = []bridge.Intent{{Job: b.job.Number, Kind: bridge.IntentPoll}}
	armed = true
	b.take(take)
	armed = false
	if taken < 8 {
		t.Fatalf("only %d points in a commit", taken)
	}
	copyStore(t, live, filepath.Join(dir, "0", "bridge.db"))
	for n := range taken + 1 {
		cut := open(t, filepath.Join(dir, fmt.Sprint(n), "bridge.db"))
		(&bench{DB: cut, t: t}).sound()
		want := 0
		if n == 0 { // taken after the commit
			want = 1
		}
		kept := must[[]bridge.Inbound](t)(cut.Inbounds(t.Context(), bridge.InboundQuery{}))
		intents := must[[]bridge.Intent](t)(cut.Intents(t.Context()))
		events := must[[]bridge.EventRow](t)(cut.Events(t.Context(), bridge.EventQuery{}))
		if len(kept) != want || len(intents) != want || len(events) != want {
			t.Errorf("cut %d: %d webhooks, %d intents, %d events", n, len(kept), len(intents), len(events))
		}
	}
	_ = os.RemoveAll(filepath.Join(dir, "live"))
}
