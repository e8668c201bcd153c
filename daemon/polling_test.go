package daemon

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/hookbridge/bridge"
)

// TestPollingStories plays every fixture in testdata/polling through a daemon with a store: a job, the bytes its source
// answers with, what each run comes to and what it tells. A job in the middle of a story is an edit and a reload.
func TestPollingStories(t *testing.T) {
	names, err := filepath.Glob("../testdata/polling/*.txtar")
	if err != nil || len(names) < 10 {
		t.Fatalf("found %d stories (%v)", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			playStory(t, txtar.Parse(data))
		})
	}
}

func playStory(t *testing.T, story *txtar.Archive) {
	source := &teller{answers: map[string][][]byte{}}
	server := httptest.NewServer(source)
	t.Cleanup(server.Close)
	var b *bench
	var d *Daemon
	known := 0
	for at, file := range story.Files {
		switch text := string(file.Data); file.Name {
		case "job.hcl":
			text = storyConfig(server.URL, text)
			if b == nil {
				b = newBench(t, text)
				d = b.open()
				t.Cleanup(func() { _ = d.Close() })
			} else {
				reload(t, b, d, text)
			}
		case "poll", "reconcile":
			got := []string{tell(t, d, file.Name)}
			events, err := d.Events(t.Context(), bridge.EventQuery{Bodies: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events[known:] {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s>%s %s", e.Type, e.Key, e.Before, e.After, strings.Join(e.Changed, ","))))
			}
			known = len(events)
			want := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			for i, line := range want { // one that ends with … says how it begins
				if start, open := strings.CutSuffix(line, "…"); open && i < len(got) && strings.HasPrefix(got[i], start) {
					got[i] = line
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("run %d of the story (-want +got):\n%s", at, diff)
			}
			source.empty(t)
		default:
			source.add(file.Name, file.Data)
		}
	}
}

// storyConfig is a bridge of one job; its source finds the server as local.legacy.
func storyConfig(address, job string) string {
	return fmt.Sprintf(`
locals {
  legacy = %q
}

destination "receiver" {
  url     = "http://127.0.0.1:1"
  secrets = [%q]
  allow   = ["127.0.0.0/8"]
}

job "orders" {
  schedule = "@every 1h"
  deliver  = [destination.receiver]
%s
}
`, address, testSecret, job)
}

// tell runs the job once and says what came of it.
func tell(t *testing.T, d *Daemon, how string) string {
	t.Helper()
	var report bridge.RunReport
	var err error
	if how == "reconcile" {
		report, err = d.Reconcile(t.Context(), "orders")
	} else {
		report, err = d.Poll(t.Context(), "orders")
	}
	if err != nil {
		t.Fatal(err)
	}
	words := []string{string(report.Outcome)}
	for _, n := range []struct {
		count int64
		word  string
	}{{report.Created, "created"}, {report.Updated, "updated"}, {report.Deleted, "deleted"}, {report.Silent, "silent"},
		{report.Pending, "pending"}, {report.Held, "held"}, {report.Bad, "bad"}} {
		if n.count > 0 {
			words = append(words, fmt.Sprint(n.count), n.word)
		}
	}
	if report.Error != "" {
		words = append(words, report.Error)
	}
	return strings.Join(words, " ")
}

// teller answers with exactly the bytes a story has for a request, one answer after the other, and hangs up.
type teller struct {
	mu       sync.Mutex
	answers  map[string][][]byte
	surprise []string
}

// add takes an answer as a story writes it. Its body ends with the connection, or where Content-Length says.
func (s *teller) add(request string, data []byte) {
	head, body, _ := bytes.Cut(data, []byte("\n\n"))
	if !bytes.Contains(head, []byte("\nContent-Type:")) {
		head = append(bytes.Clone(head), "\nContent-Type: application/json"...)
	}
	answer := append(bytes.ReplaceAll(head, []byte("\n"), []byte("\r\n")), "\r\nConnection: close\r\n\r\n"...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[request] = append(s.answers[request], append(answer, body...))
}

// empty reports answers that nobody asked for, and requests that nobody expected.
func (s *teller) empty(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, left := range s.answers {
		if len(left) > 0 {
			t.Errorf("%s was not asked for", name)
		}
	}
	if len(s.surprise) > 0 {
		t.Errorf("nobody expected %q", s.surprise)
	}
	s.answers, s.surprise = map[string][][]byte{}, nil
}

func (s *teller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	line := r.Method + " " + r.URL.RequestURI()
	if tag := r.Header.Get("If-None-Match"); tag != "" {
		line += " If-None-Match=" + tag
	}
	s.mu.Lock()
	left := s.answers[line]
	answer := []byte("HTTP/1.1 418 Nobody expected that\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	if len(left) == 0 {
		s.surprise = append(s.surprise, line)
	} else {
		answer, s.answers[line] = left[0], left[1:]
	}
	s.mu.Unlock()
	conn, out, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = out.Write(answer)
	_ = out.Flush()
}

// byPath answers each path as it says, and notes when it was asked for.
type byPath map[string]*inProcess

func (p byPath) RoundTrip(r *http.Request) (*http.Response, error) { return p[r.URL.Path].RoundTrip(r) }

// A source that hangs holds up its own job and no other, and is told of when it has cost three intervals.
func TestAHangingSourceHoldsUpItsOwnJobOnlyAndIsTold(t *testing.T) {
	hangs := jobEvery("@every 10s", `timeout = "10m"`)
	_, job, _ := strings.Cut(hangs, "\njob ")
	works := strings.NewReplacer(`"orders"`, `"invoices"`, "/records", "/invoices").Replace("\njob " + job)
	b := newBench(t, hangs+works)
	synctest.Test(t, func(t *testing.T) {
		p := byPath{
			"/records":  {answer: func(int) (int, http.Header, string, time.Duration) { return 200, nil, `[{"id":1}]`, 95 * time.Second }},
			"/invoices": {answer: fine},
		}
		t0 := time.Now()
		simulate(t, b, p, 99*time.Second, func(d *Daemon) {
			var told []string
			events, err := d.Events(t.Context(), bridge.EventQuery{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				told = append(told, e.Type+" "+e.Key+" "+e.Time.Sub(t0.UTC()).Round(time.Second).String())
			}
			want := []string{"bridge.job.failing job/orders 40s", "bridge.job.recovered job/orders 1m35s"}
			if d := cmp.Diff(want, told); d != "" {
				t.Errorf("told (-want +got):\n%s", d)
			}
		})
		if d := cmp.Diff([]string{"0s", "10s", "20s", "30s", "40s", "50s", "1m0s", "1m10s", "1m20s", "1m30s"}, p["/invoices"].since(t0)); d != "" {
			t.Errorf("polls of the job whose source works (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"0s"}, p["/records"].since(t0)); d != "" {
			t.Errorf("polls of the job whose source hangs (-want +got):\n%s", d)
		}
	})
}
