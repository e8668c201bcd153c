package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// legacy is a system that cannot call anyone: a list of records at /records.
type legacy struct {
	*httptest.Server
	mu      sync.Mutex
	records []string // bodies, in order
	status  int      // other than 0: every answer is this
	header  http.Header
	etag    bool
	single  map[string]string // bodies of other paths
	lies    bool              // the ETag does not change with the records
	hits    int
	block   chan struct{} // not nil: answers wait for it
}

func newLegacy(t *testing.T, records ...string) *legacy {
	l := &legacy{records: records, header: http.Header{}}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

func (l *legacy) set(records ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = records
}

func (l *legacy) fail(status int, header ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status, l.header = status, http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		l.header.Set(header[i], header[i+1])
	}
}

func (l *legacy) polls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hits
}

func (l *legacy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.hits++
	body := "[" + strings.Join(l.records, ",\n") + "]"
	status, header, etag, lies, block := l.status, l.header.Clone(), l.etag, l.lies, l.block
	one, ok := l.single[r.URL.Path]
	l.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-r.Context().Done():
			return
		}
	}
	for name := range header {
		w.Header().Set(name, header.Get(name))
	}
	if r.URL.Path != "/records" {
		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case one == "":
			w.WriteHeader(http.StatusInternalServerError)
		}
		w.Header().Set("content-type", "application/json")
		_, _ = io.WriteString(w, one)
		return
	}
	if status != 0 {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "no")
		return
	}
	if etag {
		tag := fmt.Sprintf(`"%x"`, len(body)*31+int(crc(body)))
		if lies {
			tag = `"always"`
		}
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("content-type", "application/json")
	_, _ = io.WriteString(w, body)
}

func listenLoopback() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

func crc(s string) (sum uint32) {
	for _, b := range []byte(s) {
		sum = sum*16777619 ^ uint32(b)
	}
	return sum
}

// got is one event as a receiver took it.
type got struct {
	ID, Type, Job, Key, Origin string
	Sequence                   int64
	Changed                    []string
	Before, After              json.RawMessage
	Data                       json.RawMessage
	Replay                     bool
}

// receiver verifies what arrives with the official library.
type receiver struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	events []got
	status int
	header http.Header
	wake   chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, wake: make(chan struct{}, 1), header: http.Header{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	hook, err := standardwebhooks.NewWebhook(testSecret)
	if err == nil {
		err = hook.Verify(body, request.Header)
	}
	if err != nil {
		r.t.Errorf("a delivery does not verify: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.header {
		w.Header().Set(name, r.header.Get(name))
	}
	if r.status != 0 {
		w.WriteHeader(r.status)
		return
	}
	var envelope struct {
		Type string
		Data json.RawMessage
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		r.t.Errorf("a delivery is not JSON: %v", err)
	}
	e := got{}
	_ = json.Unmarshal(envelope.Data, &e)
	e.ID, e.Type, e.Data = request.Header.Get("webhook-id"), envelope.Type, envelope.Data
	e.Replay = request.Header.Get("hookbridge-replay") == "1"
	r.events = append(r.events, e)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *receiver) answer(status int, header ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.header = status, http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		r.header.Set(header[i], header[i+1])
	}
}

// lines are the events in a form that is easy to compare.
func (r *receiver) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, e := range r.events {
		out = append(out, line(e))
	}
	return out
}

func line(e got) string {
	return fmt.Sprintf("%s %s %s>%s %s", e.Type, e.Key, e.Before, e.After, strings.Join(e.Changed, ","))
}

// wait returns the first n events once they are there.
func (r *receiver) wait(n int) []got {
	r.t.Helper()
	for {
		r.mu.Lock()
		events := slices.Clone(r.events)
		r.mu.Unlock()
		if len(events) >= n {
			return events
		}
		select {
		case <-r.wake:
		case <-r.t.Context().Done():
			r.t.Fatalf("%d events arrived, want %d", len(events), n)
		}
	}
}

// bench is a bridge.hcl in a folder of its own.
type bench struct {
	t     *testing.T
	path  string
	log   *slog.Logger
	lines *testLog
}

func newBench(t *testing.T, config string) *bench {
	b := &bench{t: t, path: filepath.Join(t.TempDir(), "bridge.hcl"), lines: &testLog{t: t, heard: map[string]chan struct{}{}}}
	b.log = slog.New(slog.NewTextHandler(b.lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.write(config)
	return b
}

// testLog sends log lines to the test's own log, and lets tests wait for one.
type testLog struct {
	t *testing.T

	mu    sync.Mutex
	heard map[string]chan struct{}
	all   *transcript
}

func (l *testLog) Write(p []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Log(strings.TrimSpace(string(p)))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for text, heard := range l.heard {
		if strings.Contains(string(p), text) {
			close(heard)
			delete(l.heard, text)
		}
	}
	if l.all != nil {
		_, _ = l.all.Write(p)
	}
	return len(p), nil
}

// hear returns a channel that is closed when a log line with this text has been written.
func (b *bench) hear(text string) <-chan struct{} {
	b.lines.mu.Lock()
	defer b.lines.mu.Unlock()
	heard := make(chan struct{})
	b.lines.heard[text] = heard
	return heard
}

// transcript is everything that was written to it.
type transcript struct {
	mu sync.Mutex
	bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Buffer.Write(p)
}

// record keeps every log line from now on.
func (b *bench) record() *transcript {
	b.lines.mu.Lock()
	defer b.lines.mu.Unlock()
	b.lines.all = &transcript{}
	return b.lines.all
}

func (b *bench) write(config string) {
	b.t.Helper()
	if strings.Contains(config, "receiver \"") && !strings.Contains(config, "inbound = ") && !strings.Contains(config, "bridge {") {
		config += "\nbridge {\n  listen = \"127.0.0.1:0\"\n}\n" // the usual port may be somebody else's
	}
	if err := os.WriteFile(b.path, []byte(config), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) open() *Daemon {
	b.t.Helper()
	d, err := Open(b.t.Context(), Options{Path: b.path, Logger: b.log, Version: "test"})
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// config is a bridge of one job and one destination; extra goes into the job.
func config(source, destination, extra string) string {
	return fmt.Sprintf(`
destination "receiver" {
  url     = %q
  secrets = [%q]
  allow   = ["127.0.0.0/8"]
  retry {
    schedule = ["0s", "1s", "1s"]
  }
}

job "orders" {
  schedule = "@every 1h"
  deliver  = [destination.receiver]
  source "http" {
    url     = "%s/records"
    retries = 0
  }
  key = "id"
  %s
}
`, destination, testSecret, source, extra)
}

// poll runs the job once and fails the test if the run failed.
func poll(t *testing.T, d *Daemon, job string) (r reportOf) {
	t.Helper()
	report, err := d.Poll(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	r = reportOf{string(report.Outcome), report.Created, report.Updated, report.Deleted, report.Silent, report.Pending, report.Held}
	if report.Error != "" {
		t.Logf("run failed: %s", report.Error)
	}
	return r
}

// reportOf is what tests compare of a run.
type reportOf struct {
	Outcome                                          string
	Created, Updated, Deleted, Silent, Pending, Held int64
}
