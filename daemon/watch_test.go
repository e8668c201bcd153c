package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hookbridge/bridge"
)

// watched is a bridge of one job whose system also sends webhooks.
func watched(source, destination, watchdog, extra string) string {
	return config(source, destination, extra+`
  watchdog {
    receiver = receiver.orders
    `+watchdog+`
  }`) + fmt.Sprintf(`
receiver "orders" {
  verify "standard" {
    secrets = [%q]
  }
}
`, testSecret)
}

// hook sends a webhook to the daemon, signed by the official library, and returns the answer's status.
func hook(t *testing.T, d *Daemon, id, body string) int {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sign, err := signer.Sign(id, now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/in/orders", bytes.NewBufferString(body))
	r.Header.Set("content-type", "application/json")
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", fmt.Sprint(now.Unix()))
	r.Header.Set("webhook-signature", sign)
	w := httptest.NewRecorder()
	d.inbound.ServeHTTP(w, r)
	return w.Code
}

func kinds(t *testing.T, d *Daemon) []string {
	t.Helper()
	events, err := d.Events(context.Background(), bridge.EventQuery{Bodies: true})
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range events {
		out = append(out, fmt.Sprintf("%s %s %s %s>%s", e.Type, e.Key, e.Origin, e.Before, e.After))
	}
	return out
}

func TestWebhooksAreAppliedLikeOnePolledRecord(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`, `{"id":2,"v":1}`), newReceiver(t)
	d := newBench(t, watched(source.URL, sink.URL, `
    on_event = "apply"
    record   = event.body.order
    deleted  = event.body.type == "deleted"
    when     = event.body.type != "ping"`, `version = "v"`)).open()
	defer d.Close()
	poll(t, d, "orders")
	for _, w := range []struct {
		id, body string
		status   int
	}{
		{"m1", `{"type":"updated","order":{"id":1,"v":2,"big":9007199254740993}}`, 200},
		{"m1", `{"type":"updated","order":{"id":1,"v":2,"big":9007199254740993}}`, 200}, // the same delivery again
		{"m2", `{"type":"created","order":{"id":3,"v":1}}`, 200},
		{"m3", `{"type":"updated","order":{"id":1,"v":1}}`, 200}, // late
		{"m4", `{"type":"deleted","order":{"id":2,"v":2}}`, 200},
		{"m5", `{"type":"ping"}`, 200},
		{"m6", `{"type":"updated"}`, 200}, // cannot be applied: kept with its reason
	} {
		if got := hook(t, d, w.id, w.body); got/100 != w.status/100 {
			t.Errorf("webhook %s was answered %d", w.id, got)
		}
	}
	want := []string{
		`orders.updated 1 webhook {"id":1,"v":1}>{"id":1,"v":2,"big":9007199254740993}`,
		`orders.created 3 webhook >{"id":3,"v":1}`,
		`orders.deleted 2 webhook {"id":2,"v":1}>`,
	}
	if diff := cmp.Diff(want, kinds(t, d)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	views, err := d.Inbounds(t.Context(), bridge.InboundQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, v := range views {
		kept = append(kept, v.DeliveryID+" "+string(v.State))
	}
	if diff := cmp.Diff([]string{"m1 applied", "m2 applied", "m3 applied", "m4 applied", "m5 ignored", "m6 failed"}, kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	source.set(`{"id":3,"v":1}`, `{"id":1,"v":2,"big":9007199254740993}`)
	if diff := cmp.Diff(reportOf{Outcome: "unchanged"}, poll(t, d, "orders")); diff != "" {
		t.Errorf("a poll after the webhooks (-want +got):\n%s", diff)
	}
	source.set(`{"id":3,"v":1}`, `{"id":1,"v":1}`) // a stale replica
	if diff := cmp.Diff(reportOf{Outcome: "unchanged"}, poll(t, d, "orders")); diff != "" {
		t.Errorf("a poll of a stale replica (-want +got):\n%s", diff)
	}
	if status, err := d.Status(t.Context(), StatusRequest{Deep: true}); err != nil || !status.Deep.OK {
		t.Errorf("the store: %+v, %v", status.Deep, err)
	}
}

// P8: what a webhook wrote while a run was reading is newer than what the run read.
func TestTheNewerWinsOverARunInProgress(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`, `{"id":2,"v":1}`, `{"id":3,"v":1}`), newReceiver(t)
	source.etag = true
	d := newBench(t, watched(source.URL, sink.URL, "on_event = \"apply\"\nrecord = event.body\ndeleted = can(event.body.gone)", "deletes {\n confirm = 1\n}\n")).open()
	defer d.Close()
	poll(t, d, "orders")
	source.set(`{"id":1,"v":2}`, `{"id":2,"v":1}`, `{"id":3,"v":1}`, `{"id":4,"v":1}`)
	release := make(chan struct{})
	source.mu.Lock()
	source.block = release
	source.mu.Unlock()
	j, err := d.job("orders")
	if err != nil {
		t.Fatal(err)
	}
	running := d.request(j, bridge.Manual)
	for source.polls() < 2 { // it has asked, and will be told what was true then
	}
	for i, body := range []string{`{"id":1,"v":3}`, `{"id":2,"v":2}`, `{"id":3,"v":1,"gone":true}`, `{"id":4,"v":2}`} {
		if got := hook(t, d, fmt.Sprint("m", i), body); got/100 != 2 {
			t.Fatalf("webhook %d was answered %d", i, got)
		}
	}
	source.set(`{"id":1,"v":3}`, `{"id":2,"v":2}`, `{"id":4,"v":2}`) // which the run that follows is shown
	source.mu.Lock()
	source.block = nil
	source.mu.Unlock()
	close(release)
	<-running.done
	for range 3 {
		poll(t, d, "orders")
	}
	want := []string{
		`orders.updated 1 webhook {"id":1,"v":1}>{"id":1,"v":3}`,
		`orders.updated 2 webhook {"id":2,"v":1}>{"id":2,"v":2}`,
		`orders.deleted 3 webhook {"id":3,"v":1}>`,
		`orders.created 4 webhook >{"id":4,"v":2}`,
	}
	if diff := cmp.Diff(want, kinds(t, d)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if running.report.Left == 0 {
		t.Errorf("the run left no row alone: %+v", running.report)
	}
}

func TestWebhooksBeforeTheBaselineActAfterIt(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	d := newBench(t, watched(source.URL, sink.URL, "on_event = \"apply\"\nrecord = event.body", `version = "v"`)).open()
	defer d.Close()
	hook(t, d, "m1", `{"id":1,"v":2}`)
	if got := kinds(t, d); len(got) > 0 {
		t.Errorf("told before the baseline: %v", got)
	}
	poll(t, d, "orders")
	if diff := cmp.Diff([]string{`orders.updated 1 webhook {"id":1,"v":1}>{"id":1,"v":2}`}, kinds(t, d)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if views, err := d.Inbounds(t.Context(), bridge.InboundQuery{}); err != nil || views[0].State != bridge.InboundApplied {
		t.Errorf("the webhook: %+v, %v", views, err)
	}
}

func TestSignalsPollAndAcknowledgedOnesOutliveARestart(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	b := newBench(t, watched(source.URL, sink.URL, `on_event = "poll"`, ""))
	d := b.open()
	poll(t, d, "orders")
	source.set(`{"id":1}`, `{"id":2}`)
	for i := range 5 {
		hook(t, d, fmt.Sprint("m", i), `{}`)
	}
	if err := d.Close(); err != nil { // acknowledged, and nothing done yet
		t.Fatal(err)
	}
	d = b.open()
	serve(t, d)
	if e := sink.wait(1)[0]; e.Key != "2" {
		t.Errorf("arrived: %+v", e)
	}
	for inboundStates(t, d)["received"] > 0 { // until the run is over
	}
	if source.polls() > 4 {
		t.Errorf("%d polls for one burst", source.polls())
	}
}

func inboundStates(t *testing.T, d *Daemon) map[bridge.InboundState]int {
	t.Helper()
	views, err := d.Inbounds(t.Context(), bridge.InboundQuery{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[bridge.InboundState]int{}
	for _, v := range views {
		out[v.State]++
	}
	return out
}

func TestLookUpsFetchTheRecordThatIsNamed(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	source.single = map[string]string{"/records/1": `{"data":{"id":1,"v":5}}`, "/records/9": ""} // 9 cannot be shown
	d := newBench(t, watched(source.URL, sink.URL, `on_event = "lookup"`, `
  lookup {
    url    = "`+source.URL+`/records/${event.body.id}"
    record = "data"
  }`)).open()
	serve(t, d)
	poll(t, d, "orders")
	hook(t, d, "m0", `{"id":9}`)
	hook(t, d, "m1", `{"id":1}`)
	if got := line(sink.wait(1)[0]); got != `orders.updated 1 {"id":1,"v":1}>{"id":1,"v":5} /v` {
		t.Errorf("arrived: %s", got)
	}
	hook(t, d, "m2", `{"id":"../records"}`) // not a way out
	for inboundStates(t, d)["received"] > 1 {
	}
	if diff := cmp.Diff(map[bridge.InboundState]int{"received": 1, "applied": 1, "failed": 1}, inboundStates(t, d)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// Look-ups that wait for a source that is down are tried again and again, and that is said once.
func TestLookUpsThatFailAlikeAreLoggedOnce(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`, `{"id":2,"v":1}`), newReceiver(t)
	source.single = map[string]string{"/records/1": "", "/records/2": ""}
	b := newBench(t, watched(source.URL, sink.URL, `on_event = "lookup"`, `
  lookup {
    url = "`+source.URL+`/records/${event.body.id}"
  }`))
	d := b.open()
	serve(t, d)
	poll(t, d, "orders")
	log, over := b.record(), b.hear("no look-up waits any more")
	hook(t, d, "m1", `{"id":1}`)
	hook(t, d, "m2", `{"id":2}`)
	for before := source.polls(); source.polls() < before+4; {
	}
	source.mu.Lock()
	source.single["/records/1"], source.single["/records/2"] = `{"id":1,"v":2}`, `{"id":2,"v":2}`
	source.mu.Unlock()
	sink.wait(2)
	<-over
	log.mu.Lock()
	defer log.mu.Unlock()
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, log.String())
	}
}

// An address that the source never asks will not be asked later either: the webhook fails, and waits for nobody.
func TestALookUpElsewhereFails(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	d := newBench(t, watched(source.URL, sink.URL, `on_event = "lookup"`, `
  lookup {
    url = event.body.self
  }`)).open()
	serve(t, d)
	poll(t, d, "orders")
	hook(t, d, "m1", `{"self":"http://elsewhere.invalid/records/1"}`)
	hook(t, d, "m2", `{"self":"`+source.URL+`/records/%2e%2e/admin"}`)
	for inboundStates(t, d)["received"] > 0 {
	}
	views, err := d.Inbounds(t.Context(), bridge.InboundQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"not of the source's own origin", "url leads upwards"} {
		if v := views[i]; v.State != bridge.InboundFailed || !strings.Contains(v.Reason, want) {
			t.Errorf("%s is %s: %q; want it failed: %q", v.DeliveryID, v.State, v.Reason, want)
		}
	}
}

// A webhook source falls silent without a cause, then really breaks, then comes back: the story the watchdog is for.
func TestTheWatchdogFindsABrokenWebhookAndGoesBack(t *testing.T) {
	b := newBench(t, strings.Replace(watched("http://legacy.test", "http://127.0.0.1:1", `
    on_event = "apply"
    record   = event.body
    silence  = "30m"
    grace    = "5m"`, `version = "v"`), "@every 1h", "@every 10m", 1))
	synctest.Test(t, func(t *testing.T) {
		var version atomic.Int64
		version.Store(1)
		p := &inProcess{}
		p.answer = func(int) (int, http.Header, string, time.Duration) {
			return 200, nil, fmt.Sprintf(`[{"id":1,"v":%d}]`, version.Load()), 0
		}
		d, err := Open(context.Background(), Options{Path: b.path, Transport: p})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		at := "here"
		d.listening.Store(&at)
		d.serving.Store(true)
		for _, j := range d.allJobs() {
			j.splay = 0
			d.start(j, time.Now())
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); d.schedule(ctx) }()
		j, _ := d.job("orders")
		change := func(told bool) {
			v := version.Add(1)
			if told {
				hook(t, d, fmt.Sprint("m", v), fmt.Sprintf(`{"id":1,"v":%d}`, v))
			}
		}
		state := func() string { return string(j.watch.status().State) }
		expect := func(what, want string) {
			t.Helper()
			synctest.Wait()
			if got := state(); got != want {
				t.Fatalf("%s: %s, want %s (%s)", what, got, want, j.watch.status().Words)
			}
		}
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }

		pass(time.Minute)
		expect("after the baseline", "unproven")
		for range 6 { // traffic, and polls that agree with it
			change(true)
			pass(10 * time.Minute)
		}
		expect("after an hour of traffic", "listening")
		before := len(p.since(time.Now()))
		for range 6 {
			change(true)
			pass(10 * time.Minute)
		}
		if n := len(p.since(time.Now())) - before; n > 1 {
			t.Errorf("%d polls in an hour of healthy webhooks, want at most an audit", n)
		}
		pass(3 * time.Hour) // nothing happens at all: silence proves nothing
		expect("after quiet hours", "listening")
		change(false) // lost
		pass(3 * time.Hour)
		expect("after a lost webhook", "fallback")
		before = len(p.since(time.Now()))
		pass(time.Hour)
		if n := len(p.since(time.Now())) - before; n < 5 {
			t.Errorf("%d polls in an hour of fallback, want one every ten minutes", n)
		}
		for range 8 {
			change(true)
			pass(10 * time.Minute)
		}
		expect("after webhooks are back", "listening")
		var told []string
		for _, k := range kinds(t, d) {
			if strings.HasPrefix(k, "bridge.") {
				told = append(told, strings.Fields(k)[0])
			}
		}
		if diff := cmp.Diff([]string{"bridge.watchdog.recovered", "bridge.watchdog.fallback", "bridge.watchdog.recovered"}, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if got, want := len(kinds(t, d))-len(told), int(version.Load())-1; got != want {
			t.Errorf("%d changes told, want each of the %d once", got, want)
		}
		history, err := d.store.Transitions(context.Background(), j.number, 0)
		if err != nil || len(history) < 6 {
			t.Errorf("history: %+v, %v", history, err)
		}
		cancel()
		<-ended
	})
}

func TestAReplayedWebhookActsAgain(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	b := newBench(t, watched(source.URL, sink.URL, "on_event = \"apply\"\nrecord = event.body.order", ""))
	d := b.open()
	defer d.Close()
	poll(t, d, "orders")
	hook(t, d, "m1", `{"data":{"id":1,"v":2}}`)
	views, err := d.Inbounds(t.Context(), bridge.InboundQuery{State: bridge.InboundFailed})
	if err != nil || len(views) != 1 || views[0].Reason == "" {
		t.Fatalf("inbound: %+v, %v; want one that failed, with its reason", views, err)
	}
	b.write(watched(source.URL, sink.URL, "on_event = \"apply\"\nrecord = event.body.data", ""))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	view, err := d.ReplayInbound(t.Context(), views[0].ID)
	if err != nil || view.State != bridge.InboundApplied {
		t.Errorf("replayed: %+v, %v", view, err)
	}
	if diff := cmp.Diff([]string{`orders.updated 1 webhook {"id":1,"v":1}>{"id":1,"v":2}`}, kinds(t, d)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := d.ReplayInbound(t.Context(), 999); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("replaying what is not there: %v", err)
	}
}

func TestReceiversRelayWhatTheyVerified(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	text := strings.Replace(watched(source.URL, sink.URL, `on_event = "poll"`, ""), `receiver "orders" {`, `receiver "orders" {
  deliver = [destination.receiver]`, 1)
	d := newBench(t, text).open()
	serve(t, d)
	poll(t, d, "orders")
	hook(t, d, "m1", `{"any":"thing"}`)
	if e := sink.wait(1)[0]; e.Type != "orders.received" || string(e.Data) != `{"any":"thing"}` {
		t.Errorf("relayed: %+v", e)
	}
}
