package drop_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/drop"
)

// shelf is a Place in memory, on which something can happen between any two steps of a fetch. Its folders are listed in the
// reverse order of their names.
type shelf struct {
	things map[string]*thing // by whole name
	before func(step, name string)
	steps  []string
}

// thing is a file, a folder or a link. Folders that only lead to others need none.
type thing struct {
	mode    fs.FileMode
	data    string
	size    int64 // that is told, if it is not that of data
	written time.Time
	target  string // of a link
	failure error
}

// long is a time before every test.
var long = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

// files makes a shelf of names and contents, that were written long ago.
func files(namesAndContents ...string) *shelf {
	s := &shelf{things: map[string]*thing{}}
	for i := 0; i < len(namesAndContents); i += 2 {
		s.put(namesAndContents[i], namesAndContents[i+1], long)
	}
	return s
}

func (s *shelf) put(name, data string, written time.Time) {
	s.things[name] = &thing{data: data, written: written}
}

func (s *shelf) link(name, target string) {
	s.things[name] = &thing{mode: fs.ModeSymlink, target: target, written: long}
}

func (s *shelf) step(step, name string) {
	s.steps = append(s.steps, step+" "+name)
	if s.before != nil {
		s.before(step, name)
	}
}

// follow finds what a name leads to.
func (s *shelf) follow(name string) (*thing, error) {
	for range 8 {
		t := s.things[name]
		if name == "." {
			t = &thing{mode: fs.ModeDir}
		}
		if t == nil && slices.ContainsFunc(slices.Collect(maps.Keys(s.things)), func(other string) bool { return strings.HasPrefix(other, name+"/") }) {
			t = &thing{mode: fs.ModeDir}
		}
		switch {
		case t == nil:
			return nil, &fs.PathError{Op: "look at", Path: name, Err: fs.ErrNotExist}
		case t.failure != nil:
			return nil, &fs.PathError{Op: "look at", Path: name, Err: t.failure}
		case t.mode&fs.ModeSymlink == 0:
			return t, nil
		}
		name = path.Join(path.Dir(name), t.target)
	}
	return nil, &fs.PathError{Op: "look at", Path: name, Err: fmt.Errorf("too many links")}
}

func (s *shelf) ReadDir(name string) ([]fs.DirEntry, error) {
	s.step("list", name)
	if t := s.things[name]; t != nil && t.failure != nil {
		return nil, &fs.PathError{Op: "list", Path: name, Err: t.failure}
	}
	within := map[string]*thing{}
	for whole, t := range s.things {
		rest, ok := strings.CutPrefix(whole, name+"/")
		if name == "." {
			rest, ok = whole, true
		}
		if first, _, deeper := strings.Cut(rest, "/"); ok && deeper {
			if within[first] == nil {
				within[first] = &thing{mode: fs.ModeDir}
			}
		} else if ok {
			within[first] = t
		}
	}
	if len(within) == 0 {
		return nil, &fs.PathError{Op: "list", Path: name, Err: fs.ErrNotExist}
	}
	names := slices.Sorted(maps.Keys(within))
	slices.Reverse(names)
	var entries []fs.DirEntry
	for _, base := range names {
		entries = append(entries, fs.FileInfoToDirEntry(describe(base, within[base])))
	}
	return entries, nil
}

func (s *shelf) Stat(name string) (fs.FileInfo, error) {
	s.step("look at", name)
	t, err := s.follow(name)
	if err != nil {
		return nil, err
	}
	return describe(path.Base(name), t), nil
}

func (s *shelf) Open(name string, _ int64) (io.ReadCloser, error) {
	s.step("open", name)
	t, err := s.follow(name)
	if err != nil {
		return nil, err
	}
	return &book{shelf: s, name: name, rest: t.data}, nil
}

// book is an open file. What is done to its name does not touch it.
type book struct {
	*shelf
	name, rest string
}

func (b *book) Read(p []byte) (int, error) {
	b.step("read", b.name)
	if b.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *book) Close() error { return nil }

type info struct {
	name string
	thing
}

func describe(name string, t *thing) info { return info{name, *t} }

func (i info) Name() string       { return i.name }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) ModTime() time.Time { return i.written }
func (i info) Sys() any           { return nil }
func (i info) Size() int64 {
	if i.size != 0 {
		return i.size
	}
	return int64(len(i.data))
}

// read makes a Set of a block. Its Manners are those of a place with a clock of its own.
func read(t testing.TB, block string) *drop.Set {
	t.Helper()
	parsed, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r := attr.NewReader(parsed.Body, nil, `source "test"`)
	s := drop.Read(r, drop.Manners{Kind: "test", Ignore: []string{"*.tmp", ".*"}, Hint: "check path"})
	if diags := r.Done(); diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

type fetched struct {
	records []string
	outcome bridge.Outcome
	err     error
}

func fetch(ctx context.Context, s *drop.Set, place drop.Place, from bridge.Checkpoint) (f fetched) {
	f.outcome, f.err = s.Fetch(ctx, place, bridge.FetchOptions{From: from}, func(r bridge.Record) error {
		f.records = append(f.records, fmt.Sprintf("%d.%d %s", r.Page, r.Item, r.Body))
		return nil
	})
	return f
}

// want expects these records and a complete fetch; without any, one that found nothing new.
func (f fetched) want(t testing.TB, records ...string) {
	t.Helper()
	if f.err != nil {
		t.Fatal(f.err)
	}
	if diff := cmp.Diff(records, f.records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if !f.outcome.Complete || !f.outcome.Stable || f.outcome.Next == nil || f.outcome.NotModified != (records == nil) {
		t.Errorf("outcome %+v", f.outcome)
	}
}

// fails expects an error, word for word, and nothing proven.
func (f fetched) fails(t testing.TB, want string) {
	t.Helper()
	if f.err == nil || f.outcome.Complete || f.outcome.NotModified || f.outcome.Next != nil {
		t.Fatalf("got %v, %+v, want an error", f.err, f.outcome)
	}
	if diff := cmp.Diff(want, f.err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// traced calls do with each line of the trace.
func traced(ctx context.Context, do func(line string)) context.Context {
	return decode.WithTrace(ctx, do)
}
