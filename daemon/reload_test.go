package daemon

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

func statusOf(t *testing.T, c Control) Status {
	t.Helper()
	s, err := c.Status(t.Context(), StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func states(s Status) map[string]string {
	out := map[string]string{}
	for _, j := range s.Jobs {
		out["job "+j.Name] = j.State
	}
	for _, d := range s.Destinations {
		out["destination "+d.Name] = string(d.State)
	}
	return out
}

func reload(t *testing.T, b *bench, d *Daemon, config string) {
	t.Helper()
	b.write(config)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBrokenFileKeepsTheOldConfiguration(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	b := newBench(t, config(source.URL, sink.URL, ""))
	d := b.open()
	defer d.Close()
	poll(t, d, "orders")
	b.write(strings.Replace(config(source.URL, sink.URL, ""), "schedule", "scedule", 1))
	if err := d.Reload(t.Context()); err == nil {
		t.Error("a broken file was taken")
	}
	if s := statusOf(t, d); !strings.Contains(s.ConfigError, "scedule") {
		t.Errorf("status does not say what is wrong with the file: %q", s.ConfigError)
	}
	if diff := cmp.Diff(reportOf{Outcome: "unchanged"}, poll(t, d, "orders")); diff != "" {
		t.Errorf("the old job (-want +got):\n%s", diff)
	}
	reload(t, b, d, config(source.URL, sink.URL, ""))
	if s := statusOf(t, d); s.ConfigError != "" {
		t.Errorf("status still complains after a good reload: %q", s.ConfigError)
	}
}

func TestStateBelongsToNames(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	both := config(source.URL, sink.URL, "")
	other := strings.ReplaceAll(both, `"orders"`, `"invoices"`)
	b := newBench(t, both)
	d := b.open()
	defer d.Close()
	poll(t, d, "orders")

	reload(t, b, d, other)
	want := map[string]string{"job invoices": "idle", "job orders": "orphaned", "destination receiver": "active"}
	if diff := cmp.Diff(want, states(statusOf(t, d))); diff != "" {
		t.Errorf("after removing a job (-want +got):\n%s", diff)
	}
	if _, err := d.Poll(t.Context(), "orders"); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("polling a removed job: %v, want ErrNotFound", err)
	}

	source.set(`{"id":1}`, `{"id":2}`)
	reload(t, b, d, both)
	if diff := cmp.Diff(reportOf{Outcome: "changed", Created: 1}, poll(t, d, "orders")); diff != "" {
		t.Errorf("a job that came back (-want +got):\n%s", diff)
	}

	reload(t, b, d, strings.ReplaceAll(both, `"orders"`, `"sales"`)+"moved {\n from = \"job.orders\"\n to = \"job.sales\"\n}\n")
	source.set(`{"id":1}`, `{"id":2}`, `{"id":3}`)
	if diff := cmp.Diff(reportOf{Outcome: "changed", Created: 1}, poll(t, d, "sales")); diff != "" {
		t.Errorf("a renamed job (-want +got):\n%s", diff)
	}
	if _, err := d.Forget(t.Context(), Target{Job: "sales"}); err == nil {
		t.Error("a configured job was forgotten")
	}
	if _, err := d.Forget(t.Context(), Target{Job: "invoices"}); err != nil {
		t.Error(err)
	}
	want = map[string]string{"job sales": "idle", "destination receiver": "active"}
	if diff := cmp.Diff(want, states(statusOf(t, d))); diff != "" {
		t.Errorf("in the end (-want +got):\n%s", diff)
	}
}

func TestDeliveriesOfARemovedDestinationAreHeldAndFollowItsName(t *testing.T) {
	source, down, sink := newLegacy(t, `{"id":1}`), newReceiver(t), newReceiver(t)
	b := newBench(t, config(source.URL, down.URL, ""))
	d := b.open()
	stop := serve(t, d)
	poll(t, d, "orders")
	if err := d.Pause(t.Context(), Target{Destination: "receiver"}); err != nil {
		t.Fatal(err)
	}
	source.set(`{"id":1}`, `{"id":2}`)
	poll(t, d, "orders")
	without := strings.NewReplacer(`destination "receiver"`, `destination "other"`, "destination.receiver", "destination.other").
		Replace(config(source.URL, down.URL, ""))
	reload(t, b, d, without)
	s := statusOf(t, d)
	if diff := cmp.Diff(map[string]string{"job orders": "idle", "destination receiver": "orphaned", "destination other": "active"}, states(s)); diff != "" {
		t.Errorf("after removing a destination (-want +got):\n%s", diff)
	}
	if s.Backlog != 1 {
		t.Errorf("backlog %d, want the one that is held", s.Backlog)
	}
	views, err := d.Deliveries(t.Context(), bridge.DeliveryQuery{})
	if err != nil || len(views) != 1 || views[0].Held != "orphaned" {
		t.Errorf("deliveries: %+v, %v; want one that is orphaned", views, err)
	}
	if err := d.Resume(t.Context(), Target{Destination: "receiver"}); !errors.Is(err, bridge.ErrNotFound) || !strings.Contains(err.Error(), "bridge.hcl; there are: other") {
		t.Errorf("resuming a removed destination: %v, want ErrNotFound and what there is", err)
	}
	reload(t, b, d, config(source.URL, sink.URL, "")) // back, elsewhere
	if err := d.Resume(t.Context(), Target{Destination: "receiver"}); err != nil {
		t.Fatal(err)
	}
	if e := sink.wait(1)[0]; e.Key != "2" {
		t.Errorf("key %s arrived, want 2", e.Key)
	}
	if len(down.lines()) > 0 {
		t.Errorf("the old URL was still called: %v", down.lines())
	}
	stop()
}

func TestEditDuringARunDropsItAndRunsAgain(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	b := newBench(t, config(source.URL, sink.URL, ""))
	d := b.open()
	defer d.Close()
	poll(t, d, "orders")
	source.set(`{"id":1}`, `{"id":2}`)
	arrived := make(chan struct{})
	source.mu.Lock()
	source.block = arrived
	source.mu.Unlock()
	j, err := d.job("orders")
	if err != nil {
		t.Fatal(err)
	}
	dropped := d.request(j, bridge.Manual)
	for source.polls() < 2 { // its request is there
	}
	reload(t, b, d, config(source.URL, sink.URL, `ignore = ["v"]`))
	<-dropped.done
	if dropped.report.Outcome != bridge.RunDropped {
		t.Errorf("the run under the old configuration: %+v, want dropped", dropped.report)
	}
	after, err := d.job("orders")
	if err != nil || after == j {
		t.Fatal("the job was not replaced", err)
	}
	after.mu.Lock()
	follow := after.current // whatever is asked for now joins or follows it
	after.mu.Unlock()
	close(arrived)
	<-follow.done
	if follow.report.Created != 1 {
		t.Errorf("the run that follows: %+v, want one created", follow.report)
	}
}

func TestSavingTheFileReloadsIt(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	b := newBench(t, config(source.URL, sink.URL, ""))
	reloaded := b.hear("configuration reloaded")
	d := b.open()
	watching := b.hear("watching the configuration")
	stop := serve(t, d)
	<-watching
	if err := os.WriteFile(b.path+".new", []byte(config(source.URL, sink.URL, "")+"\nlocals {\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(b.path+".new", b.path); err != nil { // as editors do
		t.Fatal(err)
	}
	<-reloaded
	stop()
}

func TestSecondDaemonIsRefusedAndToldOfTheFirst(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	b := newBench(t, config(source.URL, sink.URL, ""))
	d := b.open()
	defer d.Close()
	_, err := Open(t.Context(), Options{Path: b.path})
	var locked *sqlite.LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("got %v, want a LockedError that names process %d", err, os.Getpid())
	}
	i, err := Inspect(t.Context(), Options{Path: b.path})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if s := statusOf(t, i); s.Running || len(s.Jobs) != 1 {
		t.Errorf("inspection: %+v", s)
	}
	if _, err := i.Poll(t.Context(), "orders"); err == nil {
		t.Error("an inspection polled")
	}
}
