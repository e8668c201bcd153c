package recipes_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

const destinationSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// world brings a recipe's addresses to the servers of its test: the destination's, and any other to the API's. Requests
// keep the name they were meant for, so that the API can link to itself.
type world struct{ site, destination *url.URL }

const destinationHost = "warehouse.example.com"

func (w world) RoundTrip(r *http.Request) (*http.Response, error) {
	to := w.site
	if r.URL.Host == destinationHost {
		to = w.destination
	}
	meant := *r
	meant.Host = r.URL.Host
	address := *r.URL
	address.Scheme, address.Host = to.Scheme, to.Host
	meant.URL = &address
	answer, err := http.DefaultTransport.RoundTrip(&meant)
	if answer != nil {
		answer.Request = r
	}
	return answer, err
}

// runningBridge is a daemon with a recipe for its configuration.
type runningBridge struct {
	*daemon.Daemon
	t        *testing.T
	path     string
	job      string
	receives bool   // it has receivers
	inbound  string // where webhooks come in, once it runs
	world    world
}

// newBridge writes the configuration. All that is changed of it is the address webhooks come in at.
func newBridge(t *testing.T, config, job string, s *site, told *destination) *runningBridge {
	t.Helper()
	t.Setenv("WAREHOUSE_SECRET", destinationSecret)
	b := &runningBridge{t: t, job: job, path: filepath.Join(t.TempDir(), "bridge.hcl"), world: world{s.address(t), told.address(t)}}
	if strings.Contains(config, "\nreceiver ") {
		const public = `inbound    = ":8485"`
		if strings.Count(config, public) != 1 {
			t.Fatalf("a configuration with a receiver has no %q", public)
		}
		b.receives = true
		config = strings.Replace(config, public, `inbound = "127.0.0.1:0"`, 1)
	}
	if err := os.WriteFile(b.path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *runningBridge) open(ctx context.Context) *daemon.Daemon {
	b.t.Helper()
	d, err := daemon.Open(ctx, daemon.Options{Path: b.path, Version: "test", Transport: b.world})
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// refused runs the job with credentials that are wrong and returns why it failed.
func (b *runningBridge) refused(ctx context.Context) string {
	b.t.Helper()
	d := b.open(ctx)
	defer d.Close()
	report, err := d.Poll(ctx, b.job)
	if err != nil {
		b.t.Fatal(err)
	}
	return report.Error
}

// run starts the daemon, as the command does.
func (b *runningBridge) run(ctx context.Context) {
	b.t.Helper()
	b.Daemon = b.open(ctx)
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.Run(running, ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("run: %v", err)
		}
		if err := b.Close(); err != nil {
			b.t.Errorf("close: %v", err)
		}
	})
	if b.receives {
		b.wait(ctx, "the listener", func(s daemon.Status) bool { b.inbound = s.Listening; return b.inbound != "" })
	}
}

func (b *runningBridge) poll(ctx context.Context) bridge.RunReport {
	b.t.Helper()
	return b.ran(b.Poll(ctx, b.job))
}

func (b *runningBridge) reconcile(ctx context.Context) bridge.RunReport {
	b.t.Helper()
	return b.ran(b.Reconcile(ctx, b.job))
}

func (b *runningBridge) ran(report bridge.RunReport, err error) bridge.RunReport {
	b.t.Helper()
	if err != nil || report.Error != "" {
		b.t.Fatalf("run: %v %s", err, report.Error)
	}
	return report
}

func (b *runningBridge) taken(ctx context.Context) int64 {
	b.t.Helper()
	status, err := b.Status(ctx, daemon.StatusRequest{})
	if err != nil || len(status.Jobs) != 1 {
		b.t.Fatalf("status: %+v, %v", status, err)
	}
	return status.Jobs[0].Records
}

// wait asks for the status until it is as it should be.
func (b *runningBridge) wait(ctx context.Context, what string, done func(daemon.Status) bool) {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := b.Status(ctx, daemon.StatusRequest{})
		if err != nil {
			b.t.Fatalf("status, waiting for %s: %v", what, err)
		}
		if done(status) {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("%s did not come; status: %+v", what, status)
		case <-tick.C:
		}
	}
}

// delivered waits until all that was told has arrived.
func (b *runningBridge) delivered(ctx context.Context) {
	b.t.Helper()
	b.wait(ctx, "an empty backlog", func(s daemon.Status) bool { return s.Backlog == 0 })
}

// receive sends the bridge a webhook of the API, over the network, and waits until what follows from it is done.
func (b *runningBridge) receive(ctx context.Context, r *http.Request) {
	b.t.Helper()
	r = r.WithContext(ctx)
	r.URL.Host = b.inbound
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	if said, _ := io.ReadAll(answer.Body); answer.StatusCode/100 != 2 {
		b.t.Fatalf("a webhook was answered %d %s", answer.StatusCode, said)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		kept, err := b.Inbounds(ctx, bridge.InboundQuery{Limit: 1000})
		if err != nil {
			b.t.Fatal(err)
		}
		waiting := false
		for _, w := range kept {
			waiting = waiting || w.State == bridge.InboundReceived
			if w.State == bridge.InboundFailed {
				b.t.Fatalf("webhook %d failed: %s", w.ID, w.Reason)
			}
		}
		if !waiting {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("a webhook is still waiting: %+v", kept)
		case <-tick.C:
		}
	}
}

// destination is the service that is told. It verifies with the official library.
type destination struct {
	*httptest.Server
	t    *testing.T
	mu   sync.Mutex
	told []string
}

func newDestination(t *testing.T) *destination {
	d := &destination{t: t}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *destination) address(t *testing.T) *url.URL {
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (d *destination) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	hook, err := standardwebhooks.NewWebhook(destinationSecret)
	if err == nil {
		err = hook.Verify(body, r.Header)
	}
	if err != nil || r.URL.Path != "/hooks" {
		d.t.Errorf("a delivery to %s does not verify: %v", r.URL.Path, err)
	}
	var event struct {
		Type string
		Data struct {
			Key, Origin, ID string
			Changed         []string
		}
	}
	if err := json.Unmarshal(body, &event); err != nil {
		d.t.Errorf("a delivery is not what was expected: %v", err)
	}
	key := event.Data.Key
	if key == "" {
		key = event.Data.ID
	}
	words := []string{event.Type, key}
	if event.Data.Origin == string(bridge.Webhook) {
		words = append(words, "webhook")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, strings.Join(append(words, event.Data.Changed...), " "))
}

// all are the events that arrived: type, key, whether a webhook told, what changed.
func (d *destination) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.told...)
}
