//go:build unix

package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/file"
)

func decodeBlock(t testing.TB, dir, block string) (bridge.Source, hcl.Diagnostics) {
	t.Helper()
	parsed, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return file.Decode(parsed.Body, nil, dir)
}

func source(t testing.TB, dir, block string) bridge.Source {
	t.Helper()
	s, diags := decodeBlock(t, dir, block)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// write puts a file there that was last written so long ago.
func write(t testing.TB, dir, name, content string, age time.Duration) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

type fetched struct {
	records []string
	outcome bridge.Outcome
	err     error
}

func fetch(t testing.TB, s bridge.Source, options bridge.FetchOptions) (f fetched) {
	f.outcome, f.err = s.Fetch(t.Context(), options, func(r bridge.Record) error {
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

func TestFetchReadsEveryFileInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a [strange] {dir}")
	write(t, dir, "drops/b.ndjson", "{\"id\":3}\n{\"id\":4}\n", time.Hour)
	write(t, dir, "drops/a.json", `[{"id":1},{"id":2}]`, time.Hour)
	write(t, dir, "drops/deep/c.jsonl", "5", time.Hour)
	write(t, dir, "drops/z.txt", "not ours", time.Hour)
	fetch(t, source(t, dir, `path = "drops/**/*.{json,ndjson,jsonl}"`), bridge.FetchOptions{}).
		want(t, `1.1 {"id":1}`, `1.2 {"id":2}`, `2.1 {"id":3}`, `2.2 {"id":4}`, `3.1 5`)
	write(t, dir, "export.dat", `{"data":{"orders":[7]}}`, 0)
	fetch(t, source(t, dir, "path = \"export.dat\"\ndecode \"json\" { items = \"data.orders\" }"), bridge.FetchOptions{}).want(t, "1.1 7")
	literal := strings.NewReplacer("[", `\[`, "]", `\]`, "{", `\{`, "}", `\}`).Replace(dir)
	fetch(t, source(t, "/", fmt.Sprintf("path = %q", literal+"/drops/a*.json")), bridge.FetchOptions{}).want(t, `1.1 {"id":1}`, `1.2 {"id":2}`)
}

func TestChangesAreOfContent(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.json", "[1]", time.Hour)
	write(t, dir, "b.json", "[2]", time.Hour)
	s := source(t, dir, `path = "*.json"`)
	first := fetch(t, s, bridge.FetchOptions{})
	first.want(t, "1.1 1", "2.1 2")
	from := func(f fetched) bridge.FetchOptions { return bridge.FetchOptions{From: f.outcome.Next} }
	fetch(t, s, from(first)).want(t)

	write(t, dir, "b.json", "[2]", time.Minute) // touched
	touched := fetch(t, s, from(first))
	touched.want(t)
	write(t, dir, "b.json", "[3]", 0)
	changed := fetch(t, s, from(touched))
	changed.want(t, "1.1 1", "2.1 3")

	// Written twice within the time its clock can tell: only the content shows it.
	info, err := os.Stat(filepath.Join(dir, "b.json"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "b.json", "[4]", time.Since(info.ModTime()))
	if err := os.Chtimes(filepath.Join(dir, "b.json"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	same := fetch(t, s, from(changed))
	same.want(t, "1.1 1", "2.1 4")

	write(t, dir, "c.json", "[]", time.Hour)
	more := fetch(t, s, from(same))
	more.want(t, "1.1 1", "2.1 4")
	if err := os.Rename(filepath.Join(dir, "b.json"), filepath.Join(dir, "d.json")); err != nil {
		t.Fatal(err)
	}
	fetch(t, s, from(more)).want(t, "1.1 1", "3.1 4")
}

func TestUnconditionalDoesNotTrustTheClock(t *testing.T) {
	dir := t.TempDir()
	at := time.Now().Add(-time.Hour)
	path := filepath.Join(dir, "a.json")
	put := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	put("[1]")
	s := source(t, dir, `path = "a.json"`)
	first := fetch(t, s, bridge.FetchOptions{})
	first.want(t, "1.1 1")
	put("[2]") // by a program that sets the time back
	fetch(t, s, bridge.FetchOptions{From: first.outcome.Next, Unconditional: true}).want(t, "1.1 2")
	put("[1]")
	fetch(t, s, bridge.FetchOptions{From: first.outcome.Next, Unconditional: true}).want(t)
}

func TestFailures(t *testing.T) {
	for _, test := range []struct {
		name, block string
		prepare     func(t *testing.T, dir string)
		want        string
	}{
		{"no file matches", `path = "*.json"`, nil, `source.file: *.json matches no file; check path, which is relative to the folder of the configuration`},
		{"no such file", `path = "a.json"`, nil, `source.file: a.json matches no file`},
		{"a folder", "path = \"drops\"\ndecode \"json\" {}", func(t *testing.T, dir string) { write(t, dir, "drops/a.json", `[1]`, 0) }, `source.file: drops matches no file, but the folder drops; the files in it are matched by drops/*`},
		{"cut short", `path = "a.json"`, func(t *testing.T, dir string) { write(t, dir, "a.json", `[{"id":1}`, 0) }, `source.file: a.json: the body ends in the middle of a value (at byte 9`},
		{"the second is bad", `path = "*.json"`, func(t *testing.T, dir string) {
			write(t, dir, "a.json", `[1]`, 0)
			write(t, dir, "b.json", `{"error":1}`, 0)
		}, `source.file: b.json: the body is an object, not an array`},
		{"empty", `path = "a.json"`, func(t *testing.T, dir string) { write(t, dir, "a.json", ``, 0) }, `source.file: a.json: the body is empty`},
		{"too large", "path = \"a.json\"\nmax_body = 2", func(t *testing.T, dir string) { write(t, dir, "a.json", `[1]`, 0) }, `source.file: a.json: 3 bytes are more than max_body (2)`},
		{"a pipe", `path = "a.json"`, func(t *testing.T, dir string) {
			if err := syscall.Mkfifo(filepath.Join(dir, "a.json"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, `source.file: a.json: not a regular file`},
		{"a dangling link", `path = "*.json"`, func(t *testing.T, dir string) {
			if err := os.Symlink("nowhere", filepath.Join(dir, "a.json")); err != nil {
				t.Fatal(err)
			}
		}, `source.file: `},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if test.prepare != nil {
				test.prepare(t, dir)
			}
			got := fetch(t, source(t, dir, test.block), bridge.FetchOptions{})
			if got.err == nil || !strings.HasPrefix(got.err.Error(), test.want) || got.outcome.Complete {
				t.Errorf("got %v %+v, want %s", got.err, got.outcome, test.want)
			}
		})
	}
}

func TestAFileThatIsReplacedWhileItIsReadFails(t *testing.T) {
	for name, meddle := range map[string]func(path string) error{
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".new", []byte("[1,2]"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"appended to": func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString(" ")
			return err
		},
		"replaced by one of the same size and time": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path+".new", []byte("[1,3]"), 0o600); err != nil {
				return err
			}
			if err := os.Chtimes(path+".new", info.ModTime(), info.ModTime()); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"removed": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "a.json", "[1,2]", time.Hour)
			s := source(t, dir, `path = "a.json"`)
			outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(r bridge.Record) error {
				if r.Item == 1 {
					return meddle(filepath.Join(dir, "a.json"))
				}
				return nil
			})
			if err == nil || outcome.Complete {
				t.Errorf("the fetch went well: %+v", outcome)
			}
		})
	}
}

func TestAFileThatAppearsMeanwhileMakesTheScanUnstable(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.json", "[1]", time.Hour)
	s := source(t, dir, `path = "*.json"`)
	outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error {
		write(t, dir, "b.json", "[2]", time.Hour)
		return nil
	})
	if err != nil || !outcome.Complete || outcome.Stable || outcome.Next != nil {
		t.Errorf("%+v, %v", outcome, err)
	}
}

// Record 3 was there all the time, but not where we were reading.
func TestARecordThatMovesBetweenFilesMakesTheScanUnstable(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.json", "[1]", time.Hour)
	write(t, dir, "b.json", "[2]", time.Hour)
	write(t, dir, "c.json", "[3,4]", time.Hour)
	var records []string
	outcome, err := source(t, dir, `path = "*.json"`).Fetch(t.Context(), bridge.FetchOptions{}, func(r bridge.Record) error {
		if records = append(records, string(r.Body)); string(r.Body) == "2" {
			write(t, dir, "a.json", "[1,3]", time.Minute)
			write(t, dir, "c.json", "[4]", time.Minute)
		}
		return nil
	})
	if err != nil || fmt.Sprint(records) != "[1 2 4]" || outcome.Stable || outcome.Next != nil {
		t.Errorf("%v %+v, %v", records, outcome, err)
	}
}

func TestTheFetchEndsWithItsContextAndWithEmit(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.json", "[1,2]", time.Hour)
	s := source(t, dir, `path = "a.json"`)
	mine := errors.New("mine")
	if _, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("emit's error came back as %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(mine)
	if _, err := s.Fetch(ctx, bridge.FetchOptions{}, func(bridge.Record) error { return nil }); !errors.Is(err, mine) {
		t.Errorf("the context's cause came back as %v", err)
	}
}

func TestDecodeNotesMistakes(t *testing.T) {
	for block, want := range map[string]string{
		``:                                      `"path"`,
		`path = "a.dat"`:                        `The name does not say what is in the file, as .csv, .json, `,
		`path = "[a.json"`:                      `this one is malformed`,
		"path = \"a\"\ndecode \"xlsx\" {}":      `belongs to the language`,
		"path = \"a.json\"\npatj = 1":           `Did you mean "path"?`,
		"path = \"a.json\"\nurl = \"http://x\"": `An argument named "url" is not expected here.`,
	} {
		s, diags := decodeBlock(t, t.TempDir(), block)
		var b strings.Builder
		for _, d := range diags {
			b.WriteString(d.Detail)
		}
		if s != nil || !diags.HasErrors() || !strings.Contains(b.String(), want) {
			t.Errorf("%s: got %v %q, want %s", block, s, b.String(), want)
		}
	}
}

func TestIdentity(t *testing.T) {
	seen := map[string]string{}
	for _, block := range []string{
		`path = "a.json"`, `path = "*.json"`, "path = \"a.json\"\ndecode \"json\" {}", "path = \"a.json\"\ndecode \"json\" { items = \"data\" }", "path = \"a.json\"\ndecode \"ndjson\" {}",
	} {
		identity := source(t, t.TempDir(), block).Identity()
		if other, ok := seen[identity]; ok {
			t.Errorf("%s and %s have the same identity: %s", block, other, identity)
		}
		seen[identity] = block
	}
}
