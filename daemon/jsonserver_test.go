package daemon_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge/daemon"
)

// jsonServerConfig polls json-server in the two ways it can be polled: with Link pagination, and as one body with an
// ETag. The receiver refuses some requests, so the retries are quick.
const jsonServerConfig = `
destination "receiver" {
  url     = %q
  secrets = [env("HOOKBRIDGE_E2E_SECRET")]
  allow   = ["127.0.0.0/8"]
  retry {
    schedule = ["0s", "100ms", "200ms", "400ms", "800ms", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]
  }
}

job "orders" {
  schedule = "@every 1s"
  deliver  = [destination.receiver]
  key      = "id"
  source "http" {
    url   = "%[2]s/orders"
    query = { _page = 1, _limit = 10 }
    pagination "link" {}
  }
}

job "customers" {
  schedule = "@every 1s"
  deliver  = [destination.receiver]
  key      = "id"
  source "http" {
    url = "%[2]s/customers"
  }
}
`

// TestJSONServer polls a real json-server and delivers to a Node.js receiver that verifies with the official
// standardwebhooks library. Records are added, changed and removed through json-server's own REST API. Every change
// must arrive once, verified, with what it was and what it became, in order per record.
func TestJSONServer(t *testing.T) {
	needNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	secret := "whsec_" + base64.StdEncoding.EncodeToString(randomBytes(t, 32))
	t.Setenv("HOOKBRIDGE_E2E_SECRET", secret)

	truth := newTruth()
	dir := t.TempDir()
	data := filepath.Join(dir, "db.json")
	if err := os.WriteFile(data, truth.json(t), 0o600); err != nil {
		t.Fatal(err)
	}
	legacy := startNode(t, nil, "legacy.js", data)
	receiver := startNode(t, []string{"HOOKBRIDGE_SECRET=" + secret, "FLAKY=7"}, "receiver.js")

	path := filepath.Join(dir, "bridge.hcl")
	config := fmt.Sprintf(jsonServerConfig, receiver.url+"/hooks", legacy.url)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	bridged := runDaemon(ctx, t, path)
	bridged.waitBaseline(ctx, "orders", "customers")

	history := newHistory(t, receiver.lines)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	const rounds = 6
	for range rounds {
		for _, request := range truth.step() {
			request.send(ctx, t, client, legacy.url)
		}
		history.collect(ctx, truth.told)
	}
	// Nothing more may come: one more run of each job, with everything settled.
	for _, job := range []string{"orders", "customers"} {
		report, err := bridged.Poll(ctx, job)
		if err != nil {
			t.Fatalf("poll %s: %v", job, err)
		}
		if n := report.Created + report.Updated + report.Deleted; n != 0 {
			t.Errorf("poll %s after the last round found %d changes, want none", job, n)
		}
	}
	bridged.waitDelivered(ctx)
	bridged.stop()

	if diff := cmp.Diff(truth.history, history.changes(receiver.stop())); diff != "" {
		t.Errorf("history by record (-what was done +what arrived):\n%s", diff)
	}
	if history.refused == 0 {
		t.Error("the receiver refused no request, so no retry was seen")
	}
	asked := requestsSeen(t, legacy.stop())
	if asked["GET /customers 304"] == 0 {
		t.Errorf("no poll of an unchanged list was answered 304; asked: %v", asked)
	}
	if asked["GET /orders?_page=3&_limit=10 200"]+asked["GET /orders?_limit=10&_page=3 200"] == 0 {
		t.Errorf("the third page was never read; asked: %v", asked)
	}
}

// requestsSeen counts what legacy.js was asked, by "METHOD url status".
func requestsSeen(t *testing.T, lines []string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for _, line := range lines {
		var r struct {
			Method, URL string
			Status      int
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("legacy said %q: %v", line, err)
		}
		seen[fmt.Sprintf("%s %s %d", r.Method, r.URL, r.Status)]++
	}
	return seen
}

// runningDaemon is a daemon in this process, as the run command has it.
type runningDaemon struct {
	*daemon.Daemon
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error
}

func runDaemon(ctx context.Context, t *testing.T, path string) *runningDaemon {
	t.Helper()
	d, err := daemon.Open(ctx, daemon.Options{Path: path, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	run, cancel := context.WithCancel(ctx)
	r := &runningDaemon{Daemon: d, t: t, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- d.Run(run, ctx) }()
	t.Cleanup(r.stop)
	return r
}

func (r *runningDaemon) stop() {
	if r.ended == nil {
		return
	}
	r.cancel()
	if err := <-r.ended; err != nil {
		r.t.Errorf("run: %v", err)
	}
	if err := r.Close(); err != nil {
		r.t.Errorf("close: %v", err)
	}
	r.ended = nil
}

// wait asks for the status until it is as it should be.
func (r *runningDaemon) wait(ctx context.Context, what string, done func(daemon.Status) bool) {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := r.Status(ctx, daemon.StatusRequest{})
		if err != nil {
			r.t.Fatalf("status, waiting for %s: %v", what, err)
		}
		if done(status) {
			return
		}
		select {
		case <-ctx.Done():
			r.t.Fatalf("%s did not come; status: %+v", what, status)
		case err := <-r.ended:
			r.ended = nil
			r.t.Fatalf("the daemon ended, waiting for %s: %v", what, err)
		case <-tick.C:
		}
	}
}

func (r *runningDaemon) waitBaseline(ctx context.Context, jobs ...string) {
	r.t.Helper()
	r.wait(ctx, "the baseline", func(s daemon.Status) bool {
		ready := 0
		for _, job := range s.Jobs {
			if job.Baselined {
				ready++
			}
		}
		return ready == len(jobs)
	})
}

func (r *runningDaemon) waitDelivered(ctx context.Context) {
	r.t.Helper()
	r.wait(ctx, "an empty backlog", func(s daemon.Status) bool { return s.Backlog == 0 })
}
