package daemon

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

// The first receiver that a reload brings is reached without a restart, and where its address is taken the bridge goes on.
func TestAReloadOpensTheFirstReceiver(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	listens := "bridge {\n inbound = \"" + address + "\"\n}\n"
	b := newBench(t, config(source.URL, sink.URL, "")+listens)
	d := b.open()
	serve(t, d)
	poll(t, d, "orders")
	with := watched(source.URL, sink.URL, applied, "") + listens
	reload(t, b, d, with)
	poll(t, d, "orders") // it runs on
	if d.listening.Load() != nil {
		t.Error("it listens at an address that is taken")
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	for d.listening.Load() == nil { // until it is tried again
		reload(t, b, d, with)
	}
	r, err := signedHook("m1", `{"id":1,"v":2}`)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/in/orders", r.Body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = r.Header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		t.Errorf("the webhook was answered %d", response.StatusCode)
	}
	if e := sink.wait(1)[0]; e.Key != "1" {
		t.Errorf("arrived: %+v", e)
	}
	for { // its watchdog hears, too
		if s := d.jobs["orders"].watch.status(); !strings.Contains(s.Words, "no webhook can reach us") {
			break
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// The run of a job that is renamed meanwhile is made again under the new name, at once.
func TestARenameMakesTheRunInProgressAgain(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	text := config(source.URL, sink.URL, "")
	b := newBench(t, text)
	d := b.open()
	defer d.Close()
	poll(t, d, "orders")
	source.set(`{"id":1}`, `{"id":2}`)
	release := make(chan struct{})
	source.mu.Lock()
	source.block = release
	source.mu.Unlock()
	running := d.request(d.jobs["orders"], bridge.Manual)
	for source.polls() < 2 {
	}
	reload(t, b, d, strings.ReplaceAll(text, `job "orders"`, `job "sales"`)+"moved {\n from = \"job.orders\"\n to = \"job.sales\"\n}\n")
	<-running.done
	if running.report.Outcome != bridge.RunDropped {
		t.Errorf("the run under the old name: %+v", running.report)
	}
	close(release)
	for len(kinds(t, d)) == 0 { // nobody asks for it
	}
	if diff := cmp.Diff([]string{`sales.created 2 schedule >{"id":2}`}, kinds(t, d)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// What a retired job's watchdog wants is no longer planned, however late it comes.
func TestARetiredJobPlansNothing(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	text := watched(source.URL, sink.URL, applied, "")
	b := newBench(t, text)
	d := b.open()
	defer d.Close()
	old := d.jobs["orders"]
	reload(t, b, d, strings.Replace(text, applied, applied+"\n audit = \"5h\"", 1))
	for _, tick := range old.ticks() {
		d.plan(tick, d.since)
		if due := d.dueAt(tick); !due.IsZero() {
			t.Errorf("a tick of a retired job is planned for %s", due)
		}
	}
}
