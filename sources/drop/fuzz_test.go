package drop_test

import (
	"encoding/json"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hookbridge/bridge"
)

// FuzzFetch reads what a hostile place says it has: any names, kinds, sizes and times, and changes at any step. An error
// proves nothing and is fit for a line of text; what was read without one is recognized as it is.
func FuzzFetch(f *testing.F) {
	f.Add("a.json|b.json|deep/c.json|x.json.tmp", "[1,2]", int64(0), int64(7), uint32(0), uint8(200))
	f.Add("..|.|a/../b|/|\xff.json|a\nb.json", "[{\"id\":1}]", int64(-1), int64(-1), uint32(0), uint8(3))
	f.Add("a.json|a.json/b.json|c.zip", "PK\x03\x04", int64(1<<62), int64(1)<<62, uint32(fs.ModeSymlink), uint8(6))
	f.Add("a.json|l.json", "\x1f\x8b\x08\x00", int64(4), int64(0), uint32(fs.ModeNamedPipe), uint8(9))
	set := read(f, "path = \"{.,**}/*\"\nmax_body = \"64KiB\"\ndecode \"json\" {}")
	f.Fuzz(func(t *testing.T, names, data string, size, written int64, mode uint32, meddle uint8) {
		if len(names)+len(data) > 1<<10 {
			t.Skip("shows no more than a short one")
		}
		s := &shelf{things: map[string]*thing{}}
		for i, name := range strings.Split(names, "|") {
			s.things[name] = &thing{data: data, written: time.Unix(0, written)}
			if i == 0 {
				s.things[name].mode, s.things[name].size, s.things[name].target = fs.FileMode(mode), size, path.Base(names)
			}
		}
		s.before = func(_, name string) {
			if len(s.steps) == int(meddle) {
				s.put(name, data+" ", long)
			}
		}
		records := 0
		emit := func(r bridge.Record) error {
			if !json.Valid(r.Body) || !utf8.Valid(r.Body) || r.Page == 0 || r.Item == 0 {
				t.Fatalf("record %+v", r)
			}
			records++
			return nil
		}
		outcome, err := set.Fetch(t.Context(), s, bridge.FetchOptions{}, emit)
		if err != nil {
			if outcome.Complete || outcome.NotModified || outcome.Next != nil {
				t.Fatalf("%v, and %+v", err, outcome)
			}
			text := err.Error()
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return !strconv.IsPrint(c) }) {
				t.Fatalf("%q", text)
			}
			return
		}
		if outcome.NotModified || outcome.Stable != (outcome.Next != nil) {
			t.Fatalf("%+v", outcome)
		}
		s.before = nil
		if outcome.Stable {
			records = 0
			again, err := set.Fetch(t.Context(), s, bridge.FetchOptions{From: outcome.Next}, emit)
			if err == nil && (!again.NotModified || records > 0) && len(s.steps) < int(meddle) {
				t.Fatalf("%d records again, %+v after %+v", records, again, outcome)
			}
		}
	})
}
