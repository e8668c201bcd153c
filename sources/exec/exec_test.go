//go:build unix

package exec_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/exec"
	"github.com/zclconf/go-cty/cty"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "correct horse battery"

func decodeBlock(t testing.TB, dir, block string) (bridge.Source, hcl.Diagnostics) {
	t.Helper()
	parsed, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return exec.Decode(parsed.Body, &hcl.EvalContext{Variables: map[string]cty.Value{"secret": attr.Secret(secret)}}, dir)
}

func source(t testing.TB, dir, block string) bridge.Source {
	t.Helper()
	s, diags := decodeBlock(t, dir, block)
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, block)
	}
	return s
}

// shell is the block of a source that runs a script and prints a record per line.
func shell(script string, more ...string) string {
	return fmt.Sprintf("command = [\"/bin/sh\", \"-c\", %q]\n%s\ndecode \"ndjson\" {}\n", script, strings.Join(more, "\n"))
}

type fetched struct {
	records []string
	outcome bridge.Outcome
	err     error
}

func fetch(ctx context.Context, s bridge.Source, options bridge.FetchOptions) (f fetched) {
	f.outcome, f.err = s.Fetch(ctx, options, func(r bridge.Record) error {
		f.records = append(f.records, fmt.Sprintf("%d.%d %s", r.Page, r.Item, r.Body))
		return nil
	})
	return f
}

func (f fetched) want(t testing.TB, records ...string) {
	t.Helper()
	if f.err != nil {
		t.Fatal(f.err)
	}
	if diff := cmp.Diff(records, f.records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if !f.outcome.Complete || !f.outcome.Stable || f.outcome.Pages != 1 {
		t.Errorf("outcome %+v", f.outcome)
	}
}

func (f fetched) fails(t testing.TB, want ...string) {
	t.Helper()
	if f.err == nil || f.outcome.Complete || f.outcome.NotModified || f.outcome.Next != nil {
		t.Fatalf("got %v, %+v, want an error", f.err, f.outcome)
	}
	for _, part := range want {
		if !strings.Contains(f.err.Error(), part) {
			t.Errorf("got %v, want %q in it", f.err, part)
		}
	}
	if strings.Contains(f.err.Error(), secret) {
		t.Errorf("shows the secret: %v", f.err)
	}
}

func TestFetchReadsWhatAProgramPrints(t *testing.T) {
	dir := t.TempDir()
	fetch(t.Context(), source(t, dir, "command = [\"seq\", \"3\"]\ndecode \"ndjson\" {}"), bridge.FetchOptions{}).want(t, "1.1 1", "1.2 2", "1.3 3")
	fetch(t.Context(), source(t, dir, "command = [\"echo\", \"{\\\"data\\\":[\\\"$HOME *; ls\\\"]}\"]\ndecode \"json\" { items = \"data\" }"), bridge.FetchOptions{}).
		want(t, `1.1 "$HOME *; ls"`)
	fetch(t.Context(), source(t, dir, "command = [\"cat\"]\ndecode \"ndjson\" {}"), bridge.FetchOptions{}).want(t)
	fetch(t.Context(), source(t, dir, shell("seq 3 | gzip")), bridge.FetchOptions{}).want(t, "1.1 1", "1.2 2", "1.3 3")
	if err := os.WriteFile(filepath.Join(dir, "dump"), []byte("#!/bin/sh\npwd | sed 's/.*/\"&\"/'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	fetch(t.Context(), source(t, dir, "command = [\"./dump\"]\ndecode \"ndjson\" {}"), bridge.FetchOptions{}).want(t, `1.1 "`+dir+`"`)
	fetch(t.Context(), source(t, dir, "command = [\"./dump\"]\ndir = \"inside\"\ndecode \"ndjson\" {}"), bridge.FetchOptions{}).want(t, `1.1 "`+dir+`/inside"`)
}

func TestTheEnvironmentIsWhatIsNamed(t *testing.T) {
	t.Setenv("HOOKBRIDGE_TOKEN", "of the bridge")
	s := source(t, t.TempDir(), `
command = ["env"]
env = { B = 2, A = secret, EMPTY = "" }
decode "csv" {
  header = false
  names  = ["line"]
}`)
	fetch(t.Context(), s, bridge.FetchOptions{}).want(t, `1.1 {"line":"A=`+secret+`"}`, `1.2 {"line":"B=2"}`, `1.3 {"line":"EMPTY="}`)
}

func TestTheSameOutputIsUnchanged(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	put := func(text string) {
		if err := os.WriteFile(data, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("1\n2\n")
	s := source(t, dir, shell("cat data"))
	first := fetch(t.Context(), s, bridge.FetchOptions{})
	first.want(t, "1.1 1", "1.2 2")
	for _, unconditional := range []bool{false, true} {
		again := fetch(t.Context(), s, bridge.FetchOptions{From: first.outcome.Next, Unconditional: unconditional})
		again.want(t)
		if !again.outcome.NotModified || string(again.outcome.Next) != string(first.outcome.Next) {
			t.Errorf("%+v", again.outcome)
		}
	}
	put("1\n3\n")
	changed := fetch(t.Context(), s, bridge.FetchOptions{From: first.outcome.Next})
	changed.want(t, "1.1 1", "1.2 3")
	if changed.outcome.NotModified {
		t.Errorf("%+v", changed.outcome)
	}
}

func TestALargeOutputIsStreamed(t *testing.T) {
	s := source(t, t.TempDir(), "command = [\"seq\", \"300000\"]\ndecode \"ndjson\" {}")
	records := 0
	outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(r bridge.Record) error {
		if records++; string(r.Body) != strconv.Itoa(records) {
			t.Fatalf("record %d is %s", records, r.Body)
		}
		return nil
	})
	if err != nil || records != 300_000 || !outcome.Complete || !outcome.Stable || outcome.Bytes != 1_988_895 {
		t.Errorf("%d records, %+v, %v", records, outcome, err)
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("no program\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, block, want string }{
		{"a status", shell("echo 1; echo 'no connection' >&2; exit 3"), `source.exec: /bin/sh: exit status 3; stderr ends with "no connection"`},
		{"a status after a large output", shell("seq 300000; echo 'connection lost' >&2; exit 3"), `source.exec: /bin/sh: exit status 3; stderr ends with "connection lost"`},
		{"a status without a word", shell("exit 4"), `source.exec: /bin/sh: exit status 4, and nothing on stderr`},
		{"a status explains what is cut short", shell("seq 300000; printf '{\"id\":'; exit 3"), `source.exec: /bin/sh: exit status 3`},
		{"killed", shell("echo 1; kill -9 $$"), `source.exec: /bin/sh: signal: killed`},
		{"cut short", shell("printf '{\"id\":'"), `source.exec: /bin/sh: the body ends in the middle of a value`},
		{"no JSON", shell("echo 1; echo oops"), `invalid character 'o' at start of value, begins with "1\noops"`},
		{"a reason instead of an output", shell("echo \"no login for $TOKEN\"; echo 'giving up' >&2", "env = { TOKEN = secret }"), `begins with "no login for (secret)"; stderr ends with "giving up"`},
		{"an output that is empty", strings.Replace(shell("echo 'nothing found' >&2"), "ndjson", "json", 1), `source.exec: /bin/sh: the body is empty; stderr ends with "nothing found"`},
		{"no JSON in a large output", shell("seq 300000; echo oops; seq 1000000"), `source.exec: /bin/sh: the body is not valid JSON (at line 300001`},
		{"too large", "command = [\"yes\", \"1\"]\nmax_body = \"1MiB\"\ndecode \"ndjson\" {}", `source.exec: yes: holds more than max_body (1 MiB)`},
		{"no such program", "command = [\"./nothing\"]\ndecode \"json\" {}", `source.exec: ./nothing: fork/exec ` + dir + `/nothing: no such file or directory; check command and dir`},
		{"no program", "command = [\"./text\"]\ndecode \"json\" {}", `permission denied; check command and dir, and that the program may be run`},
		{"no such folder", "command = [\"seq\", \"3\"]\ndir = \"nowhere\"\ndecode \"json\" {}", `source.exec: seq: there is no folder ` + dir + `/nowhere to run it in; check dir`},
		{"a secret on stderr", shell("echo \"login $TOKEN failed\" >&2; exit 1", "env = { TOKEN = secret }"), `stderr ends with "login (secret) failed"`},
		{"much on stderr", shell("seq 100000 >&2; echo 'the reason' >&2; exit 1"), `99999\n100000\nthe reason"`},
		{"strange bytes on stderr", shell(`printf '\033[31m\377\000x' >&2; exit 1`), `stderr ends with "\x1b[31m\xff\x00x"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := fetch(t.Context(), source(t, dir, test.block), bridge.FetchOptions{})
			got.fails(t, test.want)
			if len(got.err.Error()) > 2000 {
				t.Errorf("the error is %d bytes long", len(got.err.Error()))
			}
		})
	}
}

// gone fails if a process is still there. A zombie that nobody has collected yet does not run any more.
func gone(t testing.TB, pid string) {
	t.Helper()
	number, err := strconv.Atoi(strings.TrimSpace(pid))
	if err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(10 * time.Second); ; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", number))
		_, state, _ := strings.Cut(string(stat), ") ")
		if err == nil && strings.HasPrefix(state, "Z") || syscall.Kill(number, 0) == syscall.ESRCH {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("process %d still runs", number)
		}
	}
}

func TestNothingOutlivesTheFetch(t *testing.T) {
	mine := errors.New("mine")
	for _, test := range []struct {
		name, script string
		cancel       bool          // when it has said who it is
		least        time.Duration // that it takes
		want         string
	}{
		{"it ends when it is asked to", "echo $$; exec sleep 1000", true, 0, "mine"},
		{"it ignores SIGTERM", "trap '' TERM; echo $$; while :; do sleep 1000; done", true, 5 * time.Second, "mine"},
		{"so does what it started", "(trap '' TERM; sh -c 'echo $$; exec sleep 1000') & wait", true, 0, "mine"},
		{"it has ended, and what it started holds its output", "sleep 1000 & echo $!", false, 5 * time.Second, "something it started holds its output open"},
		{"what it started holds only stderr", "sleep 1000 >/dev/null & echo $!", false, 0, ""},
		{"what it started holds nothing", "sleep 1000 >/dev/null 2>&1 & echo $!", false, 0, ""},
		{"it closed its output and goes on", "echo $$; exec >/dev/null; sleep 1000", true, 0, "mine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pids := filepath.Join(dir, "pids")
			if err := syscall.Mkfifo(pids, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			told := make(chan string, 1)
			go func() {
				text, _ := os.ReadFile(pids)
				told <- string(text)
				if test.cancel {
					cancel(mine)
				}
			}()
			// The first word goes to us at once, and is the output, too.
			script := strings.Replace(test.script, "echo $$", "echo $$ >pids; echo $$", 1)
			script = strings.Replace(script, "echo $!", "echo $! >pids; echo $!", 1)
			started := time.Now()
			got := fetch(ctx, source(t, dir, shell(script)), bridge.FetchOptions{})
			took := time.Since(started)
			if test.want == "" {
				if got.err != nil || len(got.records) != 1 {
					t.Errorf("%v, %v", got.records, got.err)
				}
			} else {
				got.fails(t, test.want)
				if test.cancel && !errors.Is(got.err, mine) {
					t.Errorf("got %v", got.err)
				}
			}
			if took < test.least {
				t.Errorf("took %s, want %s at least", took, test.least)
			}
			gone(t, <-told)
		})
	}
}

func TestTheFetchEndsWithItsContextAndWithEmit(t *testing.T) {
	mine := errors.New("mine")
	for name, block := range map[string]string{"short": shell("seq 10"), "endless": "command = [\"yes\", \"1\"]\ndecode \"ndjson\" {}"} {
		s := source(t, t.TempDir(), block)
		if _, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error { return mine }); !errors.Is(err, mine) {
			t.Errorf("%s: emit's error came back as %v", name, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		if outcome, err := s.Fetch(ctx, bridge.FetchOptions{}, func(bridge.Record) error { cancel(mine); return nil }); name == "endless" && !errors.Is(err, mine) || outcome.Complete && err != nil {
			t.Errorf("%s: the context's cause came back as %v", name, err)
		}
		if got := fetch(ctx, s, bridge.FetchOptions{}); !errors.Is(got.err, mine) {
			t.Errorf("%s: the context's cause came back as %v", name, got.err)
		}
	}
}

func TestTraceSaysWhatRan(t *testing.T) {
	var traced []string
	ctx := decode.WithTrace(t.Context(), func(line string) { traced = append(traced, line) })
	s := source(t, t.TempDir(), shell("echo 1; echo \"as $TOKEN\" >&2", "env = { TOKEN = secret }"))
	first := fetch(ctx, s, bridge.FetchOptions{})
	first.want(t, "1.1 1")
	fetch(ctx, s, bridge.FetchOptions{From: first.outcome.Next}).want(t)
	if len(traced) != 2 || !strings.HasPrefix(traced[0], "ran /bin/sh in ") || !strings.HasSuffix(traced[0], `, 2 bytes, stderr "as (secret)"`) ||
		!strings.HasSuffix(traced[1], `, 2 bytes, the same output as last time, stderr "as (secret)"`) {
		t.Errorf("%q", traced)
	}
}
