package http_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hookbridge/bridge"
	"golang.org/x/tools/txtar"
)

// canned answers each request, over raw TCP, with exactly the bytes a fixture has for it, and closes the connection.
type canned struct {
	mu       sync.Mutex
	answers  map[string][][]byte
	surprise []string
}

func (c *canned) serve(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				c.answer(conn)
			})
		}
	})
	t.Cleanup(func() { listener.Close(); wg.Wait() })
	return "http://" + listener.Addr().String()
}

func (c *canned) answer(conn net.Conn) {
	req, err := nethttp.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, req.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	line := req.Method + " " + req.URL.RequestURI()
	for _, name := range []string{line + " X-Key=" + req.Header.Get("X-Key"), line} {
		if left := c.answers[name]; len(left) > 0 {
			c.answers[name] = left[1:]
			_, _ = conn.Write(left[0])
			return
		}
	}
	c.surprise = append(c.surprise, line)
	fmt.Fprint(conn, "HTTP/1.1 418 Nobody expected that\r\nContent-Length: 0\r\n\r\n")
}

// TestPollingFailures plays every fixture in testdata/http: how legacy systems answer when things go wrong. Each is a
// source block, the bytes of the answers, and what must come of them. With several wants, each is one fetch after the other.
func TestPollingFailures(t *testing.T) {
	names, err := filepath.Glob("../../testdata/http/*.txtar")
	if err != nil || len(names) < 30 {
		t.Fatalf("found %d fixtures (%v)", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			play(t, txtar.Parse(data))
		})
	}
}

func play(t *testing.T, fixture *txtar.Archive) {
	server := &canned{answers: map[string][][]byte{}}
	var block string
	var wants []string
	for _, file := range fixture.Files {
		switch file.Name {
		case "source.hcl":
			block = string(file.Data)
		case "want":
			wants = append(wants, string(file.Data))
		default:
			head, body, _ := bytes.Cut(file.Data, []byte("\n\n"))
			head = append(bytes.ReplaceAll(head, []byte("\n"), []byte("\r\n")), "\r\nConnection: close\r\n\r\n"...)
			if bytes.Contains(head, []byte("chunked")) {
				body = bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))
			}
			server.answers[file.Name] = append(server.answers[file.Name], append(head, body...))
		}
	}
	s := source(t, newShared(), fmt.Sprintf("url = %q\n%s", server.serve(t)+"/", block))
	var from bridge.Checkpoint
	for _, want := range wants {
		from = judge(t, fetch(t, s, from), want)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	for name, left := range server.answers {
		if len(left) > 0 {
			t.Errorf("%s was not asked for", name)
		}
	}
	if len(server.surprise) > 0 {
		t.Errorf("nobody expected %q", server.surprise)
	}
}

// judge compares a fetch with the lines of a want.
func judge(t *testing.T, got fetched, want string) bridge.Checkpoint {
	t.Helper()
	var records, errors []string
	complete, incremental, unstable := false, false, false
	for line := range strings.Lines(want) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "record "):
			records = append(records, strings.TrimPrefix(line, "record "))
		case strings.HasPrefix(line, "error: "):
			errors = append(errors, strings.TrimPrefix(line, "error: "))
		case line == "complete":
			complete = true
		case line == "incremental":
			incremental = true
		case line == "unstable":
			unstable = true
		default:
			t.Fatalf("want has a line that means nothing: %q", line)
		}
	}
	if a, b := strings.Join(records, "\n"), strings.Join(got.Records, "\n"); a != b {
		t.Errorf("records:\n got %s\nwant %s", b, a)
	}
	if len(errors) > 0 {
		got.wantError(t, errors...)
		return nil
	}
	if got.Err != nil {
		t.Fatalf("fetch: %v", got.Err)
	}
	o := got.Outcome
	if o.Complete != complete || o.Incremental != incremental || complete == incremental || o.Stable == unstable {
		t.Errorf("not what was wanted (complete %t, incremental %t, unstable %t): %+v", complete, incremental, unstable, o)
	}
	if unstable && complete && o.Next != nil {
		t.Errorf("an unstable scan leaves a checkpoint: %s", o.Next)
	}
	return o.Next
}
