//go:build unix

package sftp_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/sftp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func decodeBlock(t testing.TB, block string) (bridge.Source, hcl.Diagnostics) {
	t.Helper()
	parsed, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return sftp.Decode(parsed.Body, nil, t.TempDir())
}

func source(t testing.TB, block string) bridge.Source {
	t.Helper()
	s, diags := decodeBlock(t, block)
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, block)
	}
	return s
}

func put(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, path, content string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
}

type fetched struct {
	records []string
	outcome bridge.Outcome
	err     error
}

func fetch(ctx context.Context, s bridge.Source, from bridge.Checkpoint) (f fetched) {
	f.outcome, f.err = s.Fetch(ctx, bridge.FetchOptions{From: from}, func(r bridge.Record) error {
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
	if !f.outcome.Complete || !f.outcome.Stable || f.outcome.NotModified != (records == nil) {
		t.Errorf("outcome %+v", f.outcome)
	}
}

// fails expects an error that has all of these in it, and nothing proven.
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
}

// onTrace calls do with each line of the trace.
func onTrace(ctx context.Context, do func(line string)) context.Context {
	return decode.WithTrace(ctx, do)
}

func TestFetchReadsEveryFileOfAServer(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/out/b.ndjson", "{\"id\":3}\n{\"id\":4}\n")
	put(t, dir+"/out/a.json", `[{"id":1},{"id":2}]`)
	put(t, dir+"/out/deep/er/c.json", `[9007199254740993]`)
	put(t, dir+"/out/notes.txt", "not ours")
	put(t, dir+"/out/x.json.part", "[")
	put(t, dir+"/out/.y.json", "[")
	if err := os.Symlink(dir+"/out/a.json", dir+"/out/link.json"); err != nil {
		t.Fatal(err)
	}
	s := source(t, d.block(t, dir+"/out/**/*.{json,ndjson}"))
	first := fetch(t.Context(), s, nil)
	first.want(t, `1.1 {"id":1}`, `1.2 {"id":2}`, `2.1 {"id":3}`, `2.2 {"id":4}`, `3.1 9007199254740993`, `4.1 {"id":1}`, `4.2 {"id":2}`)
	again := fetch(t.Context(), s, first.outcome.Next)
	again.want(t)
	put(t, dir+"/out/a.json", `[{"id":1},{"id":5}]`)
	changed := fetch(t.Context(), s, again.outcome.Next)
	if changed.err != nil || len(changed.records) != 7 || changed.outcome.NotModified {
		t.Errorf("after a change: %+v", changed)
	}
	if _, err := s.Fetch(t.Context(), bridge.FetchOptions{From: changed.outcome.Next, Unconditional: true}, func(r bridge.Record) error {
		t.Errorf("emitted %s", r.Body)
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestWhatHasSettledIsNotReadAgain(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	s := source(t, d.block(t, dir+"/*.json", "settle", "2100ms"))
	first := fetch(t.Context(), s, nil)
	first.want(t, "1.1 1")
	// The same size and, as SFTP tells them, the same time: only who reads it would see the difference.
	info, err := os.Stat(dir + "/a.json")
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/a.json", `[2]`)
	if err := os.Chtimes(dir+"/a.json", info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	fetch(t.Context(), s, first.outcome.Next).want(t)
	all, err := s.Fetch(t.Context(), bridge.FetchOptions{From: first.outcome.Next, Unconditional: true}, func(r bridge.Record) error {
		if string(r.Body) != "2" {
			t.Errorf("emitted %s", r.Body)
		}
		return nil
	})
	if err != nil || all.NotModified {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestAFileBeingWrittenIsWaitedFor(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/done.ndjson", "0\n")
	add(t, dir+"/a.ndjson", "1\n{")
	s := source(t, d.block(t, dir+"/*.ndjson", "settle", "50ms"))
	looks := 0
	got := fetch(onTrace(t.Context(), func(line string) {
		if strings.HasPrefix(line, "look again") {
			if looks++; looks <= 3 {
				add(t, dir+"/a.ndjson", fmt.Sprintf("\"id\":%d}\n%s", looks, strings.Repeat("{", 1-looks/3)))
			}
		}
	}), s, nil)
	got.want(t, "1.1 1", `1.2 {"id":1}`, `1.3 {"id":2}`, `1.4 {"id":3}`, "2.1 0")
	if looks != 4 {
		t.Errorf("%d looks", looks)
	}
}

func TestAFileThatIsAlwaysBeingWrittenFailsTheFetch(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/done.ndjson", "0\n")
	add(t, dir+"/a.ndjson", "1\n")
	s := source(t, d.block(t, dir+"/*.ndjson", "settle", "50ms"))
	late := errors.New("the job's time is up")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	looks := 0
	got := fetch(onTrace(ctx, func(line string) {
		if strings.HasPrefix(line, "look again") {
			add(t, dir+"/a.ndjson", "1\n")
			if looks++; looks == 5 {
				cancel(late)
			}
		}
	}), s, nil)
	got.fails(t, "source.sftp: "+dir+"/a.ndjson: is still being written", "stayed as it is for 50ms", "the job's time is up")
	if !errors.Is(got.err, late) || got.records != nil {
		t.Errorf("%v, %d records", got.err, len(got.records))
	}
}

func TestAFileIsReadOnceItIsRenamedIntoPlace(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/a.ndjson", "1\n")
	put(t, dir+"/b.ndjson.tmp", "2\n{")
	s := source(t, d.block(t, dir+"/*.ndjson*")+"decode \"ndjson\" {}\n")
	first := fetch(t.Context(), s, nil)
	first.want(t, "1.1 1")
	add(t, dir+"/b.ndjson.tmp", "}\n")
	if err := os.Rename(dir+"/b.ndjson.tmp", dir+"/b.ndjson"); err != nil {
		t.Fatal(err)
	}
	fetch(t.Context(), s, first.outcome.Next).want(t, "1.1 1", "2.1 2", "2.2 {}")
}

func TestAFileThatMovesWhileItIsReadFailsTheFetch(t *testing.T) {
	for name, meddle := range map[string]func(path string) error{
		"removed":     os.Remove,
		"appended to": func(path string) error { return appendTo(path) },
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".tmp", []byte("[1,2,3]"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".tmp", path)
		},
		"touched": func(path string) error {
			at := time.Now().Add(time.Hour)
			return os.Chtimes(path, at, at)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, dir := sshd(t), t.TempDir()
			put(t, dir+"/a.json", "[1,2"+strings.Repeat(" ", 100_000)+"]") // a small one is read before its records are told
			outcome, err := source(t, d.block(t, dir+"/a.json")).Fetch(t.Context(), bridge.FetchOptions{}, func(r bridge.Record) error {
				if r.Item == 1 {
					return meddle(dir + "/a.json")
				}
				return nil
			})
			fetched{outcome: outcome, err: err}.fails(t, "source.sftp: "+dir+"/a.json: ")
		})
	}
}

func appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(" ")
	return err
}

func TestFailuresNameTheFile(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/bad.json", `[{"id":1}`)
	put(t, dir+"/empty.json", ``)
	put(t, dir+"/large.json", `[1,2,3]`)
	for _, test := range []struct{ path, more, want string }{
		{dir + "/bad.json", "", "source.sftp: " + dir + "/bad.json: the body ends in the middle of a value (at byte 9"},
		{dir + "/empty.json", "", "source.sftp: " + dir + "/empty.json: the body is empty"},
		{dir + "/large.json", "max_body = 2", "source.sftp: " + dir + "/large.json: 7 bytes are more than max_body (2)"},
		{dir + "/nothing*.json", "", "source.sftp: " + dir + "/nothing*.json matches no file; check path and ignore"},
		{dir + "/nowhere/*.json", "", "source.sftp: " + dir + "/nowhere/*.json matches no file"},
	} {
		fetch(t.Context(), source(t, d.block(t, test.path)+test.more), nil).fails(t, test.want)
	}
}

func TestPermissionDenied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	for refused, want := range map[string]string{"open": "source.sftp: " + dir + "/a.json: open: permission denied", "opendir": "source.sftp: list " + dir + "/*.json: list " + dir + ": permission denied"} {
		d := sshd(t, "Subsystem sftp internal-sftp -P "+refused)
		got := fetch(t.Context(), source(t, d.block(t, dir+"/*.json")), nil)
		got.fails(t, want)
		if !errors.Is(got.err, os.ErrPermission) {
			t.Errorf("%v", got.err)
		}
	}
}
