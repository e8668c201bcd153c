package drop_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/drop"
)

// TestFilesThatMove: whatever happens to a file between the look and the last byte, what is told is one file as it was at
// one time, or the fetch fails, or it proves nothing.
func TestFilesThatMove(t *testing.T) {
	const moved = ": was written to or replaced while it was read; it is read again at the next poll"
	gone := func(op, name string) string { return "source.test: " + name + ": " + op + ": file does not exist" }
	for name, test := range map[string]struct {
		when string // the step before which it happens, the first time
		do   func(s *shelf)
		want string // an error, or records and whether they are all there is
	}{
		"deleted before it is looked at":  {"look at b.json", func(s *shelf) { delete(s.things, "b.json") }, gone("look at", "b.json")},
		"deleted before it is opened":     {"open b.json", func(s *shelf) { delete(s.things, "b.json") }, gone("look at", "b.json")},
		"deleted while it is read":        {"read b.json", func(s *shelf) { delete(s.things, "b.json") }, gone("look at", "b.json")},
		"deleted when it was read":        {"look at c.json", func(s *shelf) { delete(s.things, "b.json") }, "1 2 3, unstable"},
		"replaced before it is looked at": {"look at b.json", func(s *shelf) { s.put("b.json", "[4,5]", long.Add(time.Hour)) }, "1 4 5 3, unstable"},
		"replaced before it is opened":    {"open b.json", func(s *shelf) { s.put("b.json", "[4]", long.Add(time.Hour)) }, "source.test: b.json" + moved},
		"appended to before it is opened": {"open b.json", func(s *shelf) { s.put("b.json", "[2]\n", long) }, "source.test: b.json" + moved},
		"shortened before it is opened":   {"open b.json", func(s *shelf) { s.put("b.json", "[2", long) }, "source.test: b.json" + moved},
		"touched while it is read":        {"read b.json", func(s *shelf) { s.things["b.json"].written = long.Add(1) }, "source.test: b.json" + moved},
		"replaced when it was read":       {"look at c.json", func(s *shelf) { s.put("b.json", "[4]", long.Add(time.Hour)) }, "1 2 3, unstable"},
		"renamed while it is read":        {"read b.json", func(s *shelf) { s.things["d.json"] = s.things["b.json"]; delete(s.things, "b.json") }, gone("look at", "b.json")},
		"renamed to what was read":        {"read b.json", func(s *shelf) { s.things["a.json"] = s.things["b.json"]; delete(s.things, "b.json") }, gone("look at", "b.json")},
		"renamed from what was read":      {"open c.json", func(s *shelf) { s.things["c.json"] = s.things["a.json"]; delete(s.things, "a.json") }, "1 2 1, unstable"},
		"exchanged": {"open b.json", func(s *shelf) {
			s.things["b.json"], s.things["c.json"] = s.things["c.json"], s.things["b.json"]
			s.things["b.json"].written = long.Add(1)
		}, "source.test: b.json" + moved},
		"made a folder":                {"look at b.json", func(s *shelf) { s.things["b.json"] = &thing{mode: fs.ModeDir} }, "source.test: b.json: not a regular file"},
		"made a pipe":                  {"look at b.json", func(s *shelf) { s.things["b.json"] = &thing{mode: fs.ModeNamedPipe} }, "source.test: b.json: not a regular file"},
		"made a link to another":       {"open b.json", func(s *shelf) { s.put("x", "[9]", long.Add(1)); s.link("b.json", "x") }, "source.test: b.json" + moved},
		"a new one appears":            {"read b.json", func(s *shelf) { s.put("bb.json", "[4]", long) }, "1 2 3, unstable"},
		"one that is ignored appears":  {"read b.json", func(s *shelf) { s.put("b.json.tmp", "[4]", long) }, "1 2 3, complete"},
		"it cannot be looked at again": {"read b.json", func(s *shelf) { s.things["b.json"].failure = fs.ErrPermission }, "source.test: b.json: look at: permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			s := files("a.json", "[1]", "b.json", "[2]", "c.json", "[3]")
			done := false
			s.before = func(step, name string) {
				if step+" "+name == test.when && !done {
					done = true
					test.do(s)
				}
			}
			var told []string
			outcome, err := read(t, `path = "*.json"`).Fetch(t.Context(), s, bridge.FetchOptions{}, func(r bridge.Record) error {
				told = append(told, string(r.Body))
				return nil
			})
			got := strings.Join(told, " ") + ", unstable"
			switch {
			case err != nil:
				got = err.Error()
			case outcome.Stable:
				got = strings.Join(told, " ") + ", complete"
			}
			if !done || got != test.want || outcome.NotModified || (outcome.Next != nil) != strings.HasSuffix(got, ", complete") {
				t.Errorf("got %s\nwant %s\n%+v", got, test.want, outcome)
			}
		})
	}
}

// TestSizesThatAreNotTrue: a file is as long as its size said, and has a size.
func TestSizesThatAreNotTrue(t *testing.T) {
	for _, test := range []struct {
		size int64
		want string
	}{
		{2, "source.test: a.json: the body ends in the middle of a value (at byte 2)"},
		{4, "source.test: a.json: unexpected EOF"},
		{1 << 62, "source.test: a.json: 4611686018427387904 bytes are more than max_body (1024); raise it if that is right"},
		{-1, "source.test: a.json: is said to have -1 bytes"},
		{-1 << 63, "source.test: a.json: is said to have -9223372036854775808 bytes"},
	} {
		s := files("a.json", "[1]")
		s.things["a.json"].size = test.size
		got := fetch(t.Context(), read(t, "path = \"a.json\"\nmax_body = \"1KiB\""), s, nil)
		if got.err == nil || !strings.HasPrefix(got.err.Error(), test.want) || got.outcome.Next != nil {
			t.Errorf("%d: got %v, want %s", test.size, got.err, test.want)
		}
	}
	s := files("a.json", "")
	s.before = func(step, _ string) {
		if step == "open" {
			s.things["a.json"] = &thing{data: "[1]", written: long} // a size that is only told when it is too late
		}
	}
	fetch(t.Context(), read(t, `path = "a.json"`), s, nil).
		fails(t, "source.test: a.json: is said to be empty and is not: its size is not told, so nothing shows whether it is whole")
}

func TestAFileLargerThanMaxBodyIsNotRead(t *testing.T) {
	s := files("a.json", "[1]", "b.json", "["+strings.Repeat(" ", 1022)+"]", "c.json", "["+strings.Repeat(" ", 1023)+"]")
	set := read(t, "path = \"*.json\"\nmax_body = \"1KiB\"")
	fetch(t.Context(), set, s, nil).fails(t, "source.test: c.json: 1025 bytes are more than max_body (1024); raise it if that is right")
	for _, step := range s.steps {
		if step == "read c.json" {
			t.Error("it was read all the same")
		}
	}
	delete(s.things, "c.json")
	fetch(t.Context(), set, s, nil).want(t, "1.1 1")
}

// TestWhatEmitSaysEndsTheFetch with its own error, and nothing more is opened.
func TestWhatEmitSaysEndsTheFetch(t *testing.T) {
	s, mine := files("a.json", "[1,2]", "b.json", "[3]"), errors.New("mine")
	outcome, err := read(t, `path = "*.json"`).Fetch(t.Context(), s, bridge.FetchOptions{}, func(r bridge.Record) error {
		if r.Item == 2 {
			return mine
		}
		return nil
	})
	if err != mine || outcome.Complete || outcome.Next != nil || s.steps[len(s.steps)-1] == "open b.json" {
		t.Errorf("%v, %+v, %q", err, outcome, s.steps)
	}
}

// head is a Place that reads files before they are opened.
type head struct {
	*shelf
	expected []drop.Expected
}

func (h *head) Expect(files []drop.Expected) { h.expected = files }

func (h *head) Open(name string, size int64) (io.ReadCloser, error) {
	in, err := h.shelf.Open(name, size)
	if err != nil {
		return nil, err
	}
	after, err := h.shelf.Stat(name)
	return early{in, after}, err
}

type early struct {
	io.ReadCloser
	after fs.FileInfo
}

func (e early) After() (fs.FileInfo, error) { return e.after, nil }

// TestFilesThatAreReadAhead are judged by what they were when they were read, and the list by what it is at the end.
func TestFilesThatAreReadAhead(t *testing.T) {
	place := &head{shelf: files("b.json", "[2]", "a.json", "[1]")}
	fetch(t.Context(), read(t, `path = "*.json"`), place, nil).want(t, "1.1 1", "2.1 2")
	if got := fmt.Sprint(place.expected); got != "[{a.json 3} {b.json 3}]" {
		t.Errorf("expects %s", got)
	}
	place.before = func(step, name string) {
		if step == "read" && name == "a.json" {
			place.put("a.json", "[3]", long.Add(time.Hour))
		}
	}
	if got := fetch(t.Context(), read(t, `path = "*.json"`), place, nil); got.err != nil || got.outcome.Stable || len(got.records) != 2 {
		t.Errorf("%+v", got)
	}
}
