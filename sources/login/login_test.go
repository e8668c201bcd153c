package login_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources"
	"github.com/hookbridge/bridge/sources/graphql"
	"github.com/hookbridge/bridge/sources/http"
	"github.com/hookbridge/bridge/sources/soap"
	"github.com/zclconf/go-cty/cty"
)

// house is a bridge as far as logins are concerned, with everything it says.
type house struct {
	shared *http.Shared
	dir    string

	mu    sync.Mutex
	said  strings.Builder // log and traces
	lines []string        // traces alone
}

func newHouse(t testing.TB) *house {
	h := &house{dir: t.TempDir()}
	h.restart()
	return h
}

// restart forgets everything but the files.
func (h *house) restart() {
	h.shared = http.NewShared(slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug})), "", nil)
}

func (h *house) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said.Write(p)
}

func (h *house) trace(line string) {
	fmt.Fprintln(h, line)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

func (h *house) everything() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said.String()
}

// decode reads the inside of a source "http"; secret.NAME is the text of that name in capitals.
func (h *house) decode(t testing.TB, block string) (bridge.Source, hcl.Diagnostics) {
	t.Helper()
	return h.read(t, h.shared.Decode, block)
}

func (h *house) read(t testing.TB, decode func(hcl.Body, *hcl.EvalContext, string) (bridge.Source, hcl.Diagnostics), block string) (bridge.Source, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return decode(file.Body, &hcl.EvalContext{Variables: map[string]cty.Value{"secret": cty.ObjectVal(map[string]cty.Value{
		"token": attr.Secret("S3CRET-TOKEN"), "other": attr.Secret("0THER+/SECRET"), "hex": attr.Secret("4a656665"),
	})}}, h.dir)
}

// source decodes a block that must be right.
func (h *house) source(t testing.TB, block string, args ...any) bridge.Source {
	t.Helper()
	s, diags := h.decode(t, fmt.Sprintf(block, args...))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// kind decodes the block of another kind that speaks HTTP.
func (h *house) kind(t testing.TB, kind, block string) bridge.Source {
	t.Helper()
	decode := map[string]func(hcl.Body, *hcl.EvalContext, string) (bridge.Source, hcl.Diagnostics){
		"http": h.shared.Decode, "graphql": graphql.Kind{Shared: h.shared}.Decode, "soap": soap.Kind{Shared: h.shared}.Decode,
	}
	s, diags := h.read(t, decode[kind], block)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// fetch reads a source and returns its records in one line, or the error.
func (h *house) fetch(t testing.TB, s bridge.Source) (string, error) {
	var records []string
	_, err := s.Fetch(sources.WithTrace(t.Context(), h.trace), bridge.FetchOptions{}, func(r bridge.Record) error {
		records = append(records, string(r.Body))
		return nil
	})
	return strings.Join(records, " "), err
}

// want fails unless the source has just this to say.
func (h *house) want(t testing.TB, s bridge.Source, records string) {
	t.Helper()
	if got, err := h.fetch(t, s); err != nil || got != records {
		t.Errorf("got %q and error %v, want %q", got, err, records)
	}
}

// wantError fails unless the fetch fails with all of these in its text.
func (h *house) wantError(t testing.TB, s bridge.Source, texts ...string) {
	t.Helper()
	got, err := h.fetch(t, s)
	if err == nil {
		t.Fatalf("got %q, want an error with %q", got, texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error lacks %q:\n%v", text, err)
		}
	}
}

// wantErrorWithin is wantError for a job with little time.
func (h *house) wantErrorWithin(t testing.TB, s bridge.Source, time time.Duration, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time, errors.New("the job's time is up"))
	defer cancel()
	if _, err := s.Fetch(ctx, bridge.FetchOptions{}, func(bridge.Record) error { return nil }); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %q", err, text)
	}
}

// silent fails where a secret was said.
func (h *house) silent(t testing.TB) {
	t.Helper()
	for line := range strings.Lines(h.everything()) {
		if strings.Contains(line, "S3CRET") || strings.Contains(line, "0THER") {
			t.Errorf("a secret was said: %s", line)
		}
	}
}

// serve answers with handler and returns the server's address.
func serve(t testing.TB, handler nethttp.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// program finds a program that serves as oracle. Where it is missing the test is skipped aloud; CI has it.
func program(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: .ci/doctor test installs it", name)
		}
		t.Skipf("%s is missing: .ci/doctor test installs it", name)
	}
	return path
}
