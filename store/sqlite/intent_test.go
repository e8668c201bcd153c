package sqlite_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

func TestAWebhookIsOverWithItsLastIntent(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	other := must[bridge.JobState](t)(b.OpenJob(t.Context(), "customers", "", ""))
	for n, tc := range []struct {
		ends   []bridge.InboundState
		state  bridge.InboundState
		reason string
	}{
		{[]bridge.InboundState{bridge.InboundApplied, bridge.InboundApplied}, bridge.InboundApplied, ""},
		{[]bridge.InboundState{bridge.InboundIgnored, bridge.InboundIgnored}, bridge.InboundIgnored, "ignored 0"},
		{[]bridge.InboundState{bridge.InboundIgnored, bridge.InboundApplied}, bridge.InboundApplied, ""},
		{[]bridge.InboundState{bridge.InboundFailed, bridge.InboundApplied}, bridge.InboundFailed, "failed 0"},
		{[]bridge.InboundState{bridge.InboundApplied, bridge.InboundFailed}, bridge.InboundFailed, "failed 1"},
	} {
		take := &bridge.Take{Webhook: webhook(fmt.Sprint("d", n)), Intents: []bridge.Intent{
			{Job: b.job.Number, Kind: bridge.IntentPoll}, {Job: other.Number, Kind: bridge.IntentLookup},
		}}
		b.take(take)
		open := must[[]bridge.Intent](t)(b.Intents(t.Context()))
		if diff := cmp.Diff(take.Intents, open); diff != "" {
			t.Fatalf("open intents (-want +got):\n%s", diff)
		}
		for i, end := range tc.ends {
			if got := must[bridge.Inbound](t)(b.Inbound(t.Context(), take.Webhook.ID)); got.State != bridge.InboundReceived {
				t.Errorf("%v: %q before intent %d is over", tc.ends, got.State, i)
			}
			if !b.take(&bridge.Take{Webhook: webhook(take.Webhook.DeliveryID)}) {
				t.Error("a redelivery acts while the first is under way")
			}
			reason := ""
			if end != bridge.InboundApplied {
				reason = fmt.Sprint(end, " ", i)
			}
			for range 2 { // what is over already is passed over
				if err := b.EndIntents(t.Context(), []int64{open[i].ID}, end, reason); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := must[bridge.Inbound](t)(b.Inbound(t.Context(), take.Webhook.ID))
		if got.State != tc.state || got.Reason != tc.reason {
			t.Errorf("%v: %s because %q, want %s because %q", tc.ends, got.State, got.Reason, tc.state, tc.reason)
		}
	}
	if err := b.EndIntents(t.Context(), nil, bridge.InboundReceived, ""); err == nil {
		t.Error("an intent has ended received")
	}
	b.sound()
}

// A commit that does what a webhook waited for ends the intent, and only where it wrote the row.
func TestAnIntentEndsInTheCommitOfItsEffect(t *testing.T) {
	for _, overtaken := range []bool{false, true} {
		b := setUp(t, open(t, path(t)))
		ids := b.create(true, "1")
		take := &bridge.Take{Webhook: webhook("d1"), Intents: []bridge.Intent{{Job: b.job.Number, Kind: bridge.IntentApply}}}
		b.take(take)
		began := b.begin()
		if overtaken {
			b.take(b.apply("d2", "1"))
		}
		chunk := b.chunk(began)
		put := created("1", `{"by":"d1"}`)
		put.Entry.ID, put.Event.Op, put.Event.Origin = ids[0], bridge.Updated, bridge.Webhook
		chunk.Puts, chunk.Intent = []bridge.Put{put}, take.Intents[0].ID
		b.commit(chunk)
		b.EndRun(b.job.Number, began)
		open, want := 0, bridge.InboundApplied
		if overtaken {
			open, want = 1, bridge.InboundReceived
		}
		if left := must[[]bridge.Intent](t)(b.Intents(t.Context())); len(left) != open {
			t.Errorf("overtaken %v: intents %+v, want %d", overtaken, left, open)
		}
		if got := must[bridge.Inbound](t)(b.Inbound(t.Context(), take.Webhook.ID)); got.State != want {
			t.Errorf("overtaken %v: the webhook is %s, want %s", overtaken, got.State, want)
		}
		b.sound()
	}
}

func TestIntentsOutliveTheProcessAndEndWithTheirJob(t *testing.T) {
	file := path(t)
	db, err := sqlite.Open(t.Context(), file, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := setUp(t, db)
	take := &bridge.Take{Webhook: webhook("d1"), Intents: []bridge.Intent{{Job: b.job.Number, Kind: bridge.IntentApply}}}
	b.take(take)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b = &bench{DB: open(t, file), t: t}
	if diff := cmp.Diff(take.Intents, must[[]bridge.Intent](t)(b.Intents(t.Context()))); diff != "" {
		t.Fatalf("open intents (-want +got):\n%s", diff)
	}
	must[int64](t)(b.ForgetJob(t.Context(), "orders"))
	if open := must[[]bridge.Intent](t)(b.Intents(t.Context())); len(open) != 0 {
		t.Errorf("intents of a job that was forgotten: %+v", open)
	}
	if got := must[bridge.Inbound](t)(b.Inbound(t.Context(), 1)); got.State != bridge.InboundIgnored || got.Reason != "its job was forgotten" {
		t.Errorf("the webhook is %s because %q", got.State, got.Reason)
	}
	_, _, err = b.TakeInbound(t.Context(), &bridge.Take{Webhook: webhook("d2"), Intents: take.Intents})
	if !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("a webhook for a job that is gone: %v", err)
	}
	b.sound()
}
