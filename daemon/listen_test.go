package daemon

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
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
	if got, err := knock(t, address, "m1", strings.NewReader(`{"id":1,"v":2}`)); err != nil || got/100 != 2 {
		t.Errorf("the webhook was answered %d, %v", got, err)
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

// knock sends a webhook to an address, by a connection of its own, and returns the status of the answer.
func knock(t *testing.T, address, id string, body io.Reader) (int, error) {
	t.Helper()
	r, err := signedHook(id, `{"id":1,"v":2}`)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/in/orders", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header, request.Close = r.Header, true
	request.Header.Set("Expect", "100-continue") // the body is read once the receiver reads it
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// Receivers are found where the configuration says, and no longer where it said; what was begun there is finished.
func TestReceiversMoveWithTheirAddress(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	var listeners []net.Listener
	for range 3 {
		listener, err := listenLoopback()
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, listener)
	}
	first, second, taken := listeners[0].Addr().String(), listeners[1].Addr().String(), listeners[2]
	defer taken.Close()
	for _, listener := range listeners[:2] {
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	with := watched(source.URL, sink.URL, applied, "")
	at := func(address string) string { return "bridge {\n inbound = \"" + address + "\"\n}\n" }
	b := newBench(t, with+at(first))
	d := b.open()
	serve(t, d)
	is := func(address string) {
		t.Helper()
		for {
			now := d.listening.Load()
			if now == nil && address == "" || now != nil && *now == address {
				return
			}
		}
	}
	open := func(address, id string) {
		t.Helper()
		if got, err := knock(t, address, id, strings.NewReader(`{"id":1,"v":2}`)); err != nil || got/100 != 2 {
			t.Errorf("at %s a webhook is answered %d, %v", address, got, err)
		}
	}
	closed := func(address string) {
		t.Helper()
		if got, err := knock(t, address, "m0", strings.NewReader("{}")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("at %s a webhook is answered %d, %v", address, got, err)
		}
	}
	is(first)
	open(first, "m1")
	body, rest := io.Pipe()
	answered := make(chan error, 1)
	go func() {
		got, err := knock(t, first, "m2", body)
		if err == nil && got/100 != 2 {
			err = fmt.Errorf("answered %d", got)
		}
		answered <- err
	}()
	if _, err := io.WriteString(rest, `{"id":1,`); err != nil {
		t.Fatal(err)
	}

	reload(t, b, d, with+at(second))
	is(second)
	open(second, "m3")
	closed(first)
	if _, err := io.WriteString(rest, `"v":2}`); err != nil {
		t.Error(err)
	}
	_ = rest.Close()
	if err := <-answered; err != nil {
		t.Errorf("a webhook that was on its way while the receivers moved: %v", err)
	}

	stays := b.hear("webhooks cannot be received where the configuration says")
	reload(t, b, d, with+at(taken.Addr().String()))
	<-stays
	open(second, "m4")
	reload(t, b, d, config(source.URL, sink.URL, "")) // without a receiver
	is("")
	closed(second)
	reload(t, b, d, with+at(second))
	is(second)
	open(second, "m5")
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
