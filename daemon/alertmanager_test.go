package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

// alertmanagerBridge follows Alertmanager's alerts: webhooks say when to look, the watchdog when to look without them.
const alertmanagerBridge = `
bridge {
  inbound = %[1]q
  alerts  = [destination.receiver]
}

destination "receiver" {
  url     = "%[2]s"
  secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
  allow   = ["127.0.0.0/8"]
}

receiver "alerts" {
  verify "bearer" {
    secrets = [%[3]q]
  }
}

job "alerts" {
  schedule = "@every 1s"
  deliver  = [destination.receiver]
  key      = "fingerprint"
  select   = ["labels", "annotations"]
  source "http" {
    url = "%[4]s/api/v2/alerts"
  }
  deletes {
    max_rows = 1000
  }
  watchdog {
    receiver      = receiver.alerts
    on_event      = "poll"
    silence       = "2s"
    min           = "1s"
    max           = "3s"
    grace         = "1s"
    recover_after = 1
  }
}
`

// TestAlertmanager has a real Alertmanager send its webhooks to a bridge, with the token they both know. They are
// switched off in the middle: the watchdog finds that by a probe, polls instead, and goes back when they return. Every
// alert is told once, whichever way it was found.
func TestAlertmanager(t *testing.T) {
	binary := needAlertmanager(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const token = "a-token-of-thirty-two-characters"
	inboundAt := freeAddress(t)
	a := &alertmanager{t: t, dir: t.TempDir(), url: "http://" + freeAddress(t), hook: "http://" + inboundAt + "/in/alerts", token: token}
	a.write(true)
	a.start(ctx, binary)
	a.alert(ctx, "before", true) // a list that is not empty is a baseline at once

	told := newTold(t)
	path := filepath.Join(t.TempDir(), "bridge.hcl")
	if err := os.WriteFile(path, fmt.Appendf(nil, alertmanagerBridge, inboundAt, told.URL, token, a.url), 0o600); err != nil {
		t.Fatal(err)
	}
	bridged := runDaemon(ctx, t, path)
	bridged.waitBaseline(ctx, "alerts")

	want := map[string]int{}
	round := 0
	fire := func(name string) {
		a.alert(ctx, name, true)
		want["alerts.created "+name] = 1
	}
	until := func(state string) {
		t.Helper()
		bridged.wait(ctx, "the watchdog's "+state, func(s daemon.Status) bool { return string(s.Jobs[0].Watchdog.State) == state })
	}
	// traffic is one alert after the other, each once the one before was told, until the watchdog listens.
	traffic := func() {
		t.Helper()
		for {
			round++
			name := fmt.Sprint("alert", round)
			fire(name)
			told.wait(ctx, "alerts.created "+name)
			status, err := bridged.Status(ctx, daemon.StatusRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if string(status.Jobs[0].Watchdog.State) == "listening" {
				return
			}
		}
	}
	traffic()

	off := time.Now()
	a.write(false)
	a.reload(ctx)
	fire("untold")
	told.wait(ctx, "alerts.created untold") // the probe's own find
	until("fallback")
	t.Logf("found %s after the webhooks were switched off", time.Since(off).Round(10*time.Millisecond))
	silent := []string{"untold"}
	// A webhook that comes within six times the grace is taken for those that were missed: only late. Until then alerts
	// go on, and are polled.
	for over := time.Now().Add(7 * time.Second); time.Now().Before(over); {
		name := fmt.Sprint("polled", len(silent))
		fire(name)
		told.wait(ctx, "alerts.created "+name)
		silent = append(silent, name)
	}
	for _, name := range silent { // so that no webhook comes for them after all
		a.alert(ctx, name, false)
		want["alerts.deleted "+name] = 1
	}
	for _, name := range silent {
		told.wait(ctx, "alerts.deleted "+name)
	}

	on := time.Now()
	a.write(true)
	a.reload(ctx)
	traffic()
	t.Logf("back %s after the webhooks were switched on", time.Since(on).Round(10*time.Millisecond))
	report, err := bridged.Poll(ctx, "alerts")
	if err != nil || report.Error != "" || report.Created+report.Updated+report.Deleted != 0 {
		t.Errorf("a last poll found %+v, %v; want nothing new", report, err)
	}
	bridged.waitDelivered(ctx)
	if diff := cmp.Diff(want, told.all("alerts.")); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	status, err := bridged.Status(ctx, daemon.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, move := range status.Jobs[0].History {
		states = append(states, move.To)
		t.Logf("%s > %s: %s", move.From, move.To, move.Why)
	}
	if got := strings.Join(states, " "); !strings.HasPrefix(got, "recovering listening ") || !strings.HasSuffix(got, " fallback recovering listening") {
		t.Errorf("the watchdog's states were %s", got)
	}
	if diff := cmp.Diff(map[string]int{"bridge.watchdog.fallback": 1, "bridge.watchdog.recovered": 2}, told.all("bridge.")); diff != "" {
		t.Errorf("told of the watchdog (-want +got):\n%s", diff)
	}
	kept, err := bridged.Inbounds(ctx, bridge.InboundQuery{Limit: 1 << 20})
	if err != nil || len(kept) < 3 {
		t.Fatalf("%d webhooks are kept, %v", len(kept), err)
	}
	for _, w := range kept {
		if w.State != bridge.InboundApplied {
			t.Errorf("webhook %d is %s: %s", w.ID, w.State, w.Reason)
		}
	}
	a.refusesStrangers(ctx)
}

// needAlertmanager finds the binary, or skips where it was never installed, but not in CI, where make test installs it.
func needAlertmanager(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"prometheus-alertmanager", "alertmanager"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("prometheus-alertmanager is not installed; type: make test")
	}
	t.Skip("prometheus-alertmanager is not installed; make test installs what this test needs")
	return ""
}

// freeAddress is a loopback address that nobody listened at a moment ago. Its port is none of those that connections are given
// by themselves, which somebody else's may be at any moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(20_000))); err == nil {
			defer listener.Close()
			return listener.Addr().String()
		}
	}
	t.Fatal("no address is free")
	return ""
}

// alertmanager is a process of the real thing.
type alertmanager struct {
	t                     *testing.T
	dir, url, hook, token string
}

// write writes its configuration, with webhooks or without.
func (a *alertmanager) write(webhooks bool) {
	a.t.Helper()
	config := "route:\n  receiver: bridge\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 24h\nreceivers:\n- name: bridge\n"
	if webhooks {
		config += fmt.Sprintf("  webhook_configs:\n  - url: %s\n    http_config:\n      authorization:\n        type: Bearer\n        credentials: %s\n", a.hook, a.token)
	}
	if err := os.WriteFile(filepath.Join(a.dir, "alertmanager.yml"), []byte(config), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *alertmanager) start(ctx context.Context, binary string) {
	a.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	command := exec.CommandContext(ctx, binary, "--config.file="+filepath.Join(a.dir, "alertmanager.yml"), "--storage.path="+a.dir,
		"--web.listen-address="+strings.TrimPrefix(a.url, "http://"), "--cluster.listen-address=", "--log.level=warn")
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		a.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = command.Wait() }() // killed: that is how it ends
	a.t.Cleanup(func() {
		cancel()
		<-ended
		if a.t.Failed() {
			a.t.Logf("alertmanager said:\n%s", &said)
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, _ := a.ask(ctx, http.MethodGet, a.url+"/-/ready", ""); status == http.StatusOK {
			return
		}
		select {
		case <-ended:
			a.t.Fatal("alertmanager has ended")
		case <-ctx.Done():
			a.t.Fatal("alertmanager is not ready")
		case <-tick.C:
		}
	}
}

func (a *alertmanager) ask(ctx context.Context, method, url, body string) (status int, answer string) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

func (a *alertmanager) reload(ctx context.Context) {
	a.t.Helper()
	if status, answer := a.ask(ctx, http.MethodPost, a.url+"/-/reload", ""); status != http.StatusOK {
		a.t.Fatalf("reload alertmanager: %d %s", status, answer)
	}
}

// alert fires an alert, or resolves it.
func (a *alertmanager) alert(ctx context.Context, name string, fires bool) {
	a.t.Helper()
	end := time.Now().Add(time.Hour)
	if !fires {
		end = time.Now()
	}
	body, err := json.Marshal([]map[string]any{{"labels": map[string]string{"alertname": name, "job": "shop"}, "endsAt": end}})
	if err != nil {
		a.t.Fatal(err)
	}
	if status, answer := a.ask(ctx, http.MethodPost, a.url+"/api/v2/alerts", string(body)); status != http.StatusOK {
		a.t.Fatalf("alert %s: %d %s", name, status, answer)
	}
}

// refusesStrangers sends what Alertmanager would, without the token.
func (a *alertmanager) refusesStrangers(ctx context.Context) {
	a.t.Helper()
	if status, _ := a.ask(ctx, http.MethodPost, a.hook, `{"status":"firing"}`); status != http.StatusUnauthorized {
		a.t.Errorf("a webhook without the token was answered %d, want 401", status)
	}
}

// toldEvents is a destination that remembers what it was told.
type toldEvents struct {
	*httptest.Server
	t     *testing.T
	mu    sync.Mutex
	times map[string]int // by "type alertname"
	more  chan struct{}  // closed at the next
}

func newTold(t *testing.T) *toldEvents {
	e := &toldEvents{t: t, times: map[string]int{}, more: make(chan struct{})}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *toldEvents) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	type record struct{ Labels struct{ Alertname string } }
	var event struct {
		Type string
		Data struct{ Before, After *record }
	}
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		e.t.Errorf("a delivery is not JSON: %v", err)
	}
	name := event.Type
	if of := event.Data.After; of != nil {
		name += " " + of.Labels.Alertname
	} else if of := event.Data.Before; of != nil {
		name += " " + of.Labels.Alertname
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.times[name]++
	close(e.more)
	e.more = make(chan struct{})
}

// wait waits until an event has come.
func (e *toldEvents) wait(ctx context.Context, name string) {
	e.t.Helper()
	for {
		e.mu.Lock()
		times, more := e.times[name], e.more
		e.mu.Unlock()
		if times > 0 {
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
			e.t.Fatalf("%q was not told; told: %v", name, e.all(""))
		}
	}
}

// all are the events whose type begins so, and how often each came.
func (e *toldEvents) all(prefix string) map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]int{}
	for name, times := range e.times {
		if strings.HasPrefix(name, prefix) {
			out[name] = times
		}
	}
	return out
}
