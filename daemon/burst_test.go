package daemon

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

// P12: webhooks that come while the source is down leave one thing to do, and each of them is remembered (P7).
func TestABurstLeavesOnePollToDo(t *testing.T) {
	most := 100_000
	if testing.Short() {
		most = 5_000
	}
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	b := newBench(t, watched(source.URL, sink.URL, `on_event = "poll"`, ""))
	d := b.open()
	poll(t, d, "orders")
	source.fail(503, "Retry-After", "1")
	take := func(n int) (duplicate bool) {
		at := time.Now()
		w := &bridge.Inbound{Receiver: "orders", DeliveryID: fmt.Sprint("m", n), At: at, Until: at.Add(time.Hour), Method: "POST", Path: "/in/orders",
			State: bridge.InboundReceived}
		duplicate, err := d.Accept(t.Context(), w, []byte(`{}`))
		if err != nil {
			t.Error(err)
		}
		return duplicate
	}
	var next atomic.Int64
	var senders sync.WaitGroup
	for range 64 {
		senders.Go(func() {
			for n := next.Add(1); n <= int64(most); n = next.Add(1) {
				take(int(n))
				if n%(int64(most)/4) == 0 {
					poll(t, d, "orders")
				}
			}
		})
	}
	senders.Wait()
	poll(t, d, "orders")
	open := func() int {
		t.Helper()
		open, err := d.store.Intents(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j := d.jobs["orders"]
		j.mu.Lock()
		defer j.mu.Unlock()
		if len(open) != j.intents.open() {
			t.Errorf("%d intents in the store, %d in memory", len(open), j.intents.open())
		}
		return len(open)
	}
	if n := open(); n != 1 {
		t.Errorf("%d intents after %d webhooks, want 1", n, most)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = b.open()
	defer func() { _ = d.Close() }()
	if n := open(); n != 1 {
		t.Errorf("%d intents after a restart, want 1", n)
	}
	source.fail(0)
	source.set(`{"id":1}`, `{"id":2}`)
	if diff := cmp.Diff(reportOf{Outcome: "changed", Created: 1}, poll(t, d, "orders")); diff != "" {
		t.Errorf("the poll (-want +got):\n%s", diff)
	}
	for inboundStates(t, d)["received"] > 0 { // its end is noted after the run's
	}
	if n := open(); n != 0 {
		t.Errorf("%d intents after the poll", n)
	}
	views, err := d.Inbounds(t.Context(), bridge.InboundQuery{Limit: most + 1})
	if err != nil || len(views) != most {
		t.Errorf("%d webhooks are kept, %v; want %d", len(views), err, most)
	}
	joined := 0
	for _, v := range views {
		if strings.HasPrefix(v.Reason, "one poll does for this webhook") {
			joined++
		}
	}
	if joined < most/2 {
		t.Errorf("%d of %d webhooks have joined others", joined, most)
	}
	for _, n := range []int{1, most / 2, most} {
		if !take(n) {
			t.Errorf("webhook %d is not remembered", n)
		}
	}
}

// What a webhook says that arrives while a poll is reading is not left to that poll.
func TestAWebhookDuringAPollAsksForAnother(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	d := newBench(t, watched(source.URL, sink.URL, `on_event = "poll"`, "")).open()
	defer d.Close()
	poll(t, d, "orders")
	hook(t, d, "m1", `{}`)
	release := make(chan struct{})
	source.mu.Lock()
	source.block = release
	source.mu.Unlock()
	j := d.jobs["orders"]
	running := d.request(j, bridge.Manual)
	for source.polls() < 2 {
	}
	for n := range 5 {
		hook(t, d, fmt.Sprint("during", n), `{}`)
	}
	close(release)
	<-running.done
	if diff := cmp.Diff(map[bridge.InboundState]int{"applied": 5, "received": 1}, inboundStates(t, d)); diff != "" {
		t.Errorf("after the poll (-want +got):\n%s", diff)
	}
	poll(t, d, "orders")
	for inboundStates(t, d)["received"] > 0 {
	}
}

// While a source is down, webhooks do not make the job ask more often than its waits allow, and nobody has to call again
// once it is back.
func TestWebhooksDoNotHurryASourceThatIsDown(t *testing.T) {
	b := newBench(t, watched("http://legacy.test", "http://127.0.0.1:1", `on_event = "poll"`, ""))
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		p := &inProcess{answer: func(int) (int, http.Header, string, time.Duration) {
			if down.Load() {
				return 404, nil, "", 0
			}
			return 200, nil, `[{"id":1}]`, 0
		}}
		simulate(t, b, p, time.Minute, func(d *Daemon) {
			down.Store(true)
			before := len(p.since(time.Now()))
			for n := range 600 {
				hook(t, d, fmt.Sprint("m", n), `{}`)
				time.Sleep(time.Second)
			}
			if n := len(p.since(time.Now())) - before; n < 5 || n > 12 {
				t.Errorf("%d polls of a source that is down, in ten minutes of a webhook a second", n)
			}
			down.Store(false)
			time.Sleep(maxBackoff + time.Second)
			synctest.Wait()
			if n := inboundStates(t, d)["received"]; n > 0 {
				t.Errorf("%d webhooks wait five minutes after the source is back", n)
			}
		})
	})
}

// A webhook that comes after the baseline does not overtake one that still waits for it.
func TestWebhooksAreAppliedInTheOrderTheyCameIn(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	d := newBench(t, watched(source.URL, sink.URL, applied, "")).open()
	defer d.Close()
	j := d.jobs["orders"]
	for n := range 3 {
		hook(t, d, fmt.Sprint("early", n), fmt.Sprintf(`{"id":1,"v":%d}`, n+2))
	}
	j.mu.Lock()
	j.applies = true // the baseline is taken, and nobody has acted on them yet
	j.mu.Unlock()
	poll(t, d, "orders")
	hook(t, d, "after", `{"id":1,"v":5}`)
	if told := kinds(t, d); len(told) > 0 {
		t.Errorf("it overtook the older ones: %v", told)
	}
	j.mu.Lock()
	j.applies = false
	j.mu.Unlock()
	d.applyWaiting(j)
	hook(t, d, "last", `{"id":1,"v":6}`)
	want := []string{}
	for v := range 5 {
		want = append(want, fmt.Sprintf(`orders.updated 1 webhook {"id":1,"v":%d}>{"id":1,"v":%d}`, v+1, v+2))
	}
	if diff := cmp.Diff(want, kinds(t, d)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A process that ends between the baseline and what waited for it is followed by one that acts at its start.
func TestWhatWaitedForTheBaselineIsDoneAtTheNextStart(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	b := newBench(t, watched(source.URL, sink.URL, applied, ""))
	d := b.open()
	hook(t, d, "m1", `{"id":1,"v":2}`)
	j := d.jobs["orders"]
	j.mu.Lock()
	j.applies = true // killed before it comes to that
	j.mu.Unlock()
	poll(t, d, "orders")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = b.open()
	polls := source.polls()
	source.fail(503)
	serve(t, d)
	if got := line(sink.wait(1)[0]); got != `orders.updated 1 {"id":1,"v":1}>{"id":1,"v":2} /v` {
		t.Errorf("arrived: %s", got)
	}
	if n := source.polls() - polls; n > 1 { // that of the start
		t.Errorf("%d polls", n)
	}
}
