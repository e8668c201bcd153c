package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hookbridge/bridge/signature"
)

// site is a folder with a configuration, a legacy API and a receiver.
type site struct {
	config   string
	orders   atomic.Pointer[string]
	arrivals chan arrival
	template string
}

func newSite(t *testing.T) *site {
	t.Helper()
	folder, err := os.MkdirTemp("", "hb") //nolint:usetesting // a socket's path has room for 107 bytes; the test's own folder is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	s := &site{config: filepath.Join(folder, "bridge.hcl"), arrivals: make(chan arrival, 1000)}
	s.answer(`[{"id":1,"status":"open"}]`)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(*s.orders.Load())) }))
	t.Cleanup(api.Close)
	hooks := httptest.NewServer(&receiver{keys: []signature.Key{testKey(t)}, arrived: func(a arrival) { s.arrivals <- a }})
	t.Cleanup(hooks.Close)
	s.template = strings.NewReplacer("API", api.URL, "RECEIVER", hooks.URL, "SECRET", scriptSecret).Replace(`
destination "warehouse" {
  url     = "RECEIVER/hooks"
  allow   = ["127.0.0.0/8"]
  secrets = ["SECRET"]
}

job "JOB" {
  schedule = "@every 1h"
  deliver  = [destination.warehouse]
  key      = "id"

  source "http" {
    url = "API/orders"
    decode "json" {}
  }
}
`)
	s.save(t, strings.ReplaceAll(s.template, "JOB", "orders"))
	return s
}

func (s *site) answer(body string) { s.orders.Store(&body) }

// save replaces the configuration the way editors do.
func (s *site) save(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(s.config+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.config+".new", s.config); err != nil {
		t.Fatal(err)
	}
}

// order calls a command that must end well and returns what it printed.
func (s *site) order(t *testing.T, args ...string) string {
	t.Helper()
	p := call(t, nil, append([]string{"--config", s.config}, args...)...)
	code := p.wait(t)
	var out []string
	for line := range p.stdout {
		out = append(out, line)
	}
	if code != exitDone {
		for line := range p.stderr {
			t.Log(line)
		}
		t.Fatalf("hookbridge %s: exit code %d; printed %q", strings.Join(args, " "), code, out)
	}
	return strings.Join(out, "\n")
}

func (s *site) start(t *testing.T) *process {
	t.Helper()
	p := call(t, nil, "--config", s.config, "run", "--json")
	p.until(t, p.stderr, holding(`"msg":"polled"`, `"outcome":"baseline"`))
	return p
}

func TestRunReloadsASavedFileAndKeepsTheOldOneWhereItIsBroken(t *testing.T) {
	s := newSite(t)
	p := s.start(t)
	s.save(t, strings.ReplaceAll(s.template, "schedule", "scedule"))
	p.until(t, p.stderr, holding("the configuration was not taken", `Did you mean \"schedule\"`))
	s.save(t, strings.ReplaceAll(s.template, "JOB", "orders")+strings.ReplaceAll(s.template[strings.Index(s.template, "job "):], "JOB", "returns"))
	p.until(t, p.stderr, holding("configuration reloaded", `"jobs":2`))
	p.until(t, p.stderr, holding(`"msg":"polled"`, `"job":"returns"`, `"outcome":"baseline"`))
	if code := p.stop(t); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

func TestRunReloadsOnHangup(t *testing.T) {
	s := newSite(t)
	p := s.start(t) // a job has been polled, so the signals are watched
	s.order(t, "status")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.until(t, p.stderr, holding("configuration reloaded"))
	if code := p.stop(t); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

func TestFollowersPrintWhatHappens(t *testing.T) {
	s := newSite(t)
	daemon := s.start(t)
	events := call(t, nil, "--config", s.config, "events", "-f", "--json", "--bodies")
	deliveries := call(t, nil, "--config", s.config, "deliveries", "-f", "--json")
	people := call(t, nil, "--config", s.config, "events", "-f")

	s.answer(`[{"id":1,"status":"paid"},{"id":2,"status":"open"}]`)
	if got := s.order(t, "poll", "orders"); !strings.HasPrefix(got, "orders: 1 created, 1 updated, 0 deleted of 2 records in ") {
		t.Errorf("poll printed %q", got)
	}
	events.until(t, events.stdout, holding(`"type":"orders.updated"`, `"changed":["/status"]`, `"after":{"id":1,"status":"paid"}`))
	events.until(t, events.stdout, holding(`"type":"orders.created"`, `"sequence":2`))
	people.until(t, people.stdout, holding("orders#1  orders.updated  1  /status  evt_"))
	told := map[string]bool{}
	onceEach := func(texts ...string) func(string) bool {
		return func(line string) bool {
			if told[line] {
				t.Errorf("told again: %s", line)
			}
			told[line] = true
			return holding(texts...)(line)
		}
	}
	for range 2 {
		deliveries.until(t, deliveries.stdout, onceEach(`"state":"delivered"`, `"status":200`))
	}
	s.answer(`[{"id":1,"status":"shipped"},{"id":2,"status":"open"}]`)
	s.order(t, "poll", "orders")
	deliveries.until(t, deliveries.stdout, onceEach(`"state":"delivered"`, `"sequence":3`))
	for _, follower := range []*process{events, deliveries, people} {
		if code := follower.stop(t); code != exitDone {
			t.Errorf("exit code %d: to be interrupted is a follower's good end", code)
		}
	}
	if code := daemon.stop(t); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

func TestFollowersOutliveTheDaemon(t *testing.T) {
	s := newSite(t)
	first := s.start(t)
	events := call(t, nil, "--config", s.config, "events", "-f", "--json")
	s.answer(`[{"id":2}]`)
	s.order(t, "poll", "orders")
	events.until(t, events.stdout, holding(`"key":"2"`))
	if code := first.stop(t); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	s.answer(`[{"id":2},{"id":3}]`)
	s.order(t, "poll", "orders") // on the store itself
	if line := events.read(t, events.stdout); !strings.Contains(line, `"key":"1"`) && !strings.Contains(line, `"key":"3"`) {
		t.Errorf("printed %s", line)
	}
	second := call(t, nil, "--config", s.config, "run", "--json")
	second.until(t, second.stderr, holding(`"msg":"running"`))
	events.stop(t)
	second.stop(t)
}

// Whoever waits for a run when the daemon is stopped hears that, and not of a context.
func TestAPollThatAStopCutsShortSaysSo(t *testing.T) {
	s := newSite(t)
	polls, reached := atomic.Int64{}, make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if polls.Add(1) > 1 {
			close(reached)
			<-r.Context().Done()
			return
		}
		_, _ = w.Write([]byte(`[{"id":1}]`))
	}))
	t.Cleanup(hangs.Close)
	text := strings.ReplaceAll(s.template, "JOB", "orders")
	s.save(t, text[:strings.Index(text, "url = ")]+`url = "`+hangs.URL+"\"\n"+text[strings.Index(text, "    decode"):])
	daemon := s.start(t)
	poll := call(t, nil, "--config", s.config, "poll", "orders")
	<-reached
	if code := daemon.stop(t); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	poll.until(t, poll.stderr, holding("the daemon is stopping"))
	if code := poll.wait(t); code != exitFailed {
		t.Errorf("exit code %d of the poll", code)
	}
}

func TestSignalsStopThenCut(t *testing.T) {
	ctx, draining, release := stopping(t.Context(), time.Hour, slog.New(slog.DiscardHandler))
	defer release()
	kill := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	kill()
	<-ctx.Done()
	if draining.Err() != nil {
		t.Fatal("the first signal cut the drain")
	}
	kill()
	<-draining.Done()
	if got := context.Cause(draining).Error(); got != "a second signal" {
		t.Errorf("the drain was cut by %q", got)
	}
}

func TestTheDrainHasADeadline(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	ctx, draining, release := stopping(parent, time.Millisecond, slog.New(slog.DiscardHandler))
	defer release()
	cancel()
	<-ctx.Done()
	<-draining.Done()
	if got := context.Cause(draining).Error(); got != "the drain deadline has passed" {
		t.Errorf("the drain was cut by %q", got)
	}
}

func TestRunSaysThatItsAddressForWebhooksIsTaken(t *testing.T) {
	s := newSite(t)
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	s.save(t, strings.ReplaceAll(s.template, "JOB", "orders")+`
bridge {
  listen = "`+strings.TrimPrefix(other.URL, "http://")+`"
}
receiver "orders" {
  deliver = [destination.warehouse]
  verify "standard" {
    secrets = ["`+scriptSecret+`"]
  }
}
`)
	p := call(t, nil, "run", "--config", s.config)
	p.until(t, p.stderr, holding("hookbridge: error: ", "address already in use"))
	p.until(t, p.stderr, holding("hookbridge: hint: ", "ss -ltnp", "bridge { listen ="))
	if code := p.wait(t); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}
