package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

func destination(t *testing.T, c Control, name string) DestinationStatus {
	t.Helper()
	for _, d := range statusOf(t, c).Destinations {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("status does not know destination %s", name)
	return DestinationStatus{}
}

func TestDeadLetterIsToldOnceAndReplayed(t *testing.T) {
	source, sink, ops := newLegacy(t, `{"id":1}`), newReceiver(t), newReceiver(t)
	text := config(source.URL, sink.URL, "") + `
bridge {
  alerts = [destination.ops]
}

destination "ops" {
  url     = "` + ops.URL + `"
  secrets = ["` + testSecret + `"]
  allow   = ["127.0.0.0/8"]
}
`
	b := newBench(t, text)
	d := b.open()
	stop, log := serve(t, d), b.record()
	poll(t, d, "orders")
	sink.answer(500, "webhook-delivery", "abort-message")
	source.set(`{"id":1}`, `{"id":2}`, `{"id":3}`)
	poll(t, d, "orders")
	alert := ops.wait(1)[0]
	if alert.Type != "bridge.delivery.dead" || !strings.Contains(string(alert.Data), `"destination":"receiver"`) {
		t.Errorf("alert: %+v", alert)
	}
	for destination(t, d, "receiver").Dead < 2 { // until both are settled
	}
	sink.answer(0)
	n, err := d.Replay(t.Context(), bridge.ReplayQuery{Destination: "receiver", Dead: true})
	if err != nil || n.Count != 2 {
		t.Fatalf("replay: %+v, %v; want 2", n, err)
	}
	events, err := d.Events(t.Context(), bridge.EventQuery{Job: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	want, have := map[string]bool{}, map[string]bool{}
	for _, e := range events {
		want[e.ID] = true
	}
	for _, e := range sink.wait(2) {
		have[e.ID] = e.Replay
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("ids replayed (-want +got):\n%s", diff)
	}
	if got := len(ops.lines()); got != 1 {
		t.Errorf("%d alerts, want one for two dead letters", got)
	}
	stop()
	said := 0
	for entry := range strings.Lines(log.String()) {
		if strings.Contains(entry, "dead letter") && !strings.Contains(entry, "level=DEBUG") {
			said++
		}
	}
	if said != 2 {
		t.Errorf("two dead letters are logged %d times:\n%s", said, log.String())
	}
}

func TestGoneReceiverIsDisabledAndItsEventsAreHeld(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	b := newBench(t, config(source.URL, sink.URL, ""))
	disabled := b.hear("the receiver has disabled the destination")
	d := b.open()
	stop := serve(t, d)
	poll(t, d, "orders")
	sink.answer(410)
	source.set(`{"id":1}`, `{"id":2}`)
	poll(t, d, "orders")
	<-disabled
	s := statusOf(t, d)
	if got := s.Destinations[0]; got.State != bridge.Disabled || got.Backlog != 1 || got.Dead != 0 {
		t.Errorf("destination: %+v, want it disabled with one event held", got)
	}
	stop()
	sink.answer(0)
	d = b.open() // over a restart too
	serve(t, d)
	if got := statusOf(t, d).Destinations[0]; got.State != bridge.Disabled {
		t.Errorf("after a restart: %+v, want it still disabled", got)
	}
	if err := d.Resume(t.Context(), Target{Destination: "receiver"}); err != nil {
		t.Fatal(err)
	}
	if e := sink.wait(1)[0]; e.Key != "2" || e.Replay {
		t.Errorf("arrived: %+v, want key 2, not as a replay", e)
	}
}

func TestBacklogAtItsCapPausesTheJobAndSaysSo(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	b := newBench(t, config(source.URL, sink.URL, "")+"bridge {\n retain {\n backlog = 2\n }\n}\n")
	d := b.open()
	defer d.Close()
	poll(t, d, "orders")
	source.set(`{"id":1}`, `{"id":2}`, `{"id":3}`)
	poll(t, d, "orders")
	j, err := d.job("orders")
	if err != nil {
		t.Fatal(err)
	}
	d.onTick(&j.schedule, d.since, d.since)
	if s := statusOf(t, d); s.Jobs[0].State != "backlog" || s.Backlog != 2 || s.BacklogCap != 2 {
		t.Errorf("status: state %s, backlog %d of %d", s.Jobs[0].State, s.Backlog, s.BacklogCap)
	}
	i, err := Inspect(t.Context(), Options{Path: b.path})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if s := statusOf(t, i); s.Backlog != 2 {
		t.Errorf("read from beside, the backlog is %d, want 2", s.Backlog)
	}
}

func TestCommandsReachTheDaemonThroughItsSocket(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	b := newBench(t, config(source.URL, sink.URL, ""))
	options := Options{Path: b.path}
	if _, err := Dial(t.Context(), options); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("without a daemon: %v, want ErrNoDaemon", err)
	}
	d := b.open()
	stop := serve(t, d)
	c, err := Dial(t.Context(), options)
	for errors.Is(err, ErrNoDaemon) { // until it listens
		c, err = Dial(t.Context(), options)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if info, err := os.Stat(socketPath(d.storePath)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v; want mode 0600", info.Mode(), err)
	}
	if _, err := c.Poll(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Poll(t.Context(), "order"); !errors.Is(err, bridge.ErrNotFound) || !strings.Contains(err.Error(), "orders") {
		t.Errorf("an unknown job: %v, want ErrNotFound and the jobs there are", err)
	}
	source.set(`{"id":1}`, `{"id":2}`)
	if report, err := c.Poll(t.Context(), "orders"); err != nil || report.Created != 1 || report.Origin != bridge.Manual {
		t.Errorf("poll: %+v, %v", report, err)
	}
	sink.wait(1)
	events, err := c.Events(t.Context(), bridge.EventQuery{Bodies: true})
	if err != nil || len(events) != 1 || string(events[0].After) != `{"id":2}` {
		t.Errorf("events: %+v, %v", events, err)
	}
	deliveries, err := c.Deliveries(t.Context(), bridge.DeliveryQuery{})
	if err != nil || len(deliveries) != 1 {
		t.Fatalf("deliveries: %+v, %v", deliveries, err)
	}
	detail, err := c.Delivery(t.Context(), deliveries[0].ID)
	if err != nil || detail.Request == nil || !strings.Contains(detail.Request.Body, `"orders.created"`) {
		t.Errorf("delivery: %+v, %v", detail, err)
	}
	if _, err := c.Delivery(t.Context(), 999); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("an unknown delivery: %v, want ErrNotFound", err)
	}
	if err := c.Pause(t.Context(), Target{Job: "orders"}); err != nil {
		t.Error(err)
	}
	if s := statusOf(t, c); !s.Running || s.PID != os.Getpid() || s.Jobs[0].State != "paused" {
		t.Errorf("status: %+v", s)
	}
	if err := c.Resume(t.Context(), Target{Job: "orders"}); err != nil {
		t.Error(err)
	}
	if err := c.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	b.write(strings.Replace(config(source.URL, sink.URL, ""), "schedule", "scedule", 1)) // broken under the daemon
	if err := c.Reload(t.Context()); err == nil {
		t.Error("a broken file was taken")
	}
	if again, err := Dial(t.Context(), options); err != nil {
		t.Errorf("the daemon cannot be reached once its file is broken: %v", err)
	} else if s := statusOf(t, again); !strings.Contains(s.ConfigError, "scedule") {
		t.Errorf("status does not say what is wrong: %q", s.ConfigError)
	} else {
		_ = again.Close()
	}
	stop()
	if _, err := Dial(t.Context(), options); err == nil || errors.Is(err, ErrNoDaemon) {
		t.Errorf("without a daemon, a broken file: %v, want what is wrong with it", err)
	}
}

// P11: what the configuration holds as secret stands in no log, no status, no event and no file of the store.
func TestNoSecretLeaves(t *testing.T) {
	t.Setenv("LEGACY_TOKEN", "s3cr3t-t0ken-of-the-legacy-system")
	t.Setenv("SINK_SECRET", testSecret)
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	text := strings.NewReplacer(`"`+testSecret+`"`, `env("SINK_SECRET")`, `/records"`, `/records?key=${env("LEGACY_TOKEN")}"
    auth "bearer" {
      token = env("LEGACY_TOKEN")
    }`).Replace(config(source.URL, sink.URL, ""))
	b := newBench(t, text)
	log := b.record()
	d := b.open()
	stop := serve(t, d)
	poll(t, d, "orders")
	source.set(`{"id":1}`, `{"id":2}`)
	poll(t, d, "orders")
	sink.wait(1)
	source.fail(401)
	poll(t, d, "orders")
	sink.answer(500)
	source.fail(0)
	source.set(`{"id":3}`)
	poll(t, d, "orders")
	views, err := d.Deliveries(t.Context(), bridge.DeliveryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	seen := log
	for _, v := range views {
		detail, err := d.Delivery(t.Context(), v.ID)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(detail)
		seen.Write(text)
	}
	text2, _ := json.Marshal(statusOf(t, d))
	seen.Write(text2)
	stop()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(d.storePath), "*.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if content, err := os.ReadFile(name); err == nil {
			seen.Write(content)
		}
		if info, err := os.Stat(name); err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(name), info.Mode())
		}
	}
	for _, secret := range []string{"s3cr3t-t0ken", strings.TrimPrefix(testSecret, "whsec_")} {
		if at := bytes.Index(seen.Bytes(), []byte(secret)); at >= 0 {
			t.Errorf("a secret leaves: …%q…", seen.Bytes()[max(at-80, 0):at])
		}
	}
}
