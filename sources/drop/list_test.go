package drop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge/sources/drop"
)

// TestFilesComeInTheOrderOfTheirWholeNames, byte by byte, in whatever order they are listed. The same name in another folder
// is another file.
func TestFilesComeInTheOrderOfTheirWholeNames(t *testing.T) {
	s := files("b/x.json", "[5]", "a/x.json", "[2]", "a-b/x.json", "[1]", "a/Z.json", "[0]", "a/é.json", "[4]", "a/x.json.d/x.json", "[3]", "x.json", "[6]")
	fetch(t.Context(), read(t, `path = "**/*.json"`), s, nil).
		want(t, "1.1 1", "2.1 0", "3.1 2", "4.1 3", "5.1 4", "6.1 5", "7.1 6")
}

// TestAFolderIsListedOnceALook, also where a pattern has ** or alternatives, and a name that is listed twice is one file.
func TestAFolderIsListedOnceALook(t *testing.T) {
	s := files("in/a.json", "[1]", "in/b.ndjson", "2", "in/c.xml", "<a/>")
	fetch(t.Context(), read(t, `path = "{in/**,in}/*.{json,ndjson}"`), twice{s}, nil).want(t, "1.1 1", "2.1 2")
	want := []string{"list in", "look at in/a.json", "open in/a.json", "look at in/a.json", "look at in/b.ndjson", "open in/b.ndjson", "look at in/b.ndjson", "list in"}
	var got []string
	for _, step := range s.steps {
		if !strings.HasPrefix(step, "read ") && step != "look at in" {
			got = append(got, step)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// twice lists every name twice, and what no name should be.
type twice struct{ *shelf }

func (p twice) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := p.shelf.ReadDir(name)
	for _, odd := range []string{"", ".", "..", "/", "../in/c.json", "deep/er.json"} {
		entries = append(entries, fs.FileInfoToDirEntry(describe(odd, &thing{mode: fs.ModeDir})))
	}
	return append(entries, entries...), err
}

func TestAlternatives(t *testing.T) {
	s := files("a.json", "[1]", "b.ndjson", "2", "c.csv", "[", "in/a.json", "[3]", "in/b.json", "[4]", "out/a.json", "[5]", "out/deep/a.ndjson", "6", "{x}.json", "[7]")
	for path, want := range map[string]string{
		"*.{json,ndjson}":              "1.1 1,2.1 2,3.1 7",
		"{in,out}/*.{json,ndjson}":     "1.1 3,2.1 4,3.1 5",
		"**/{a,x}*.{json,ndjson}":      "1.1 1,2.1 3,3.1 5,4.1 6",
		"{in/{a,b},out/**/[a-z]}.json": "1.1 3,2.1 4,3.1 5",
		"{a,{in,out}/a}.json":          "1.1 1,2.1 3,3.1 5",
		"[{]*.json":                    "1.1 7",
		"\\\\{*.json":                  "1.1 7",
		"{*.json,b.*}":                 "1.1 1,2.1 2,3.1 7",
	} {
		got := fetch(t.Context(), read(t, "path = \""+path+"\""), s, nil)
		if text := strings.Join(got.records, ","); got.err != nil || text != want {
			t.Errorf("%s: %v, got %s, want %s", path, got.err, text, want)
		}
	}
}

func TestLinks(t *testing.T) {
	s := files("in/a.json", "[1]", "elsewhere/b.json", "[2]")
	s.link("in/b.json", "../elsewhere/b.json")
	s.link("in/folder.json", "../elsewhere")
	set := read(t, `path = "in/*.json"`)
	first := fetch(t.Context(), set, s, nil)
	first.want(t, "1.1 1", "2.1 2")
	s.put("elsewhere/b.json", "[2,3]", long) // what it leads to counts
	fetch(t.Context(), set, s, first.outcome.Next).want(t, "1.1 1", "2.1 2", "2.2 3")

	s.link("in/nowhere.json", "nothing.json")
	fetch(t.Context(), set, s, nil).fails(t, "source.test: list in/*.json: look at in/nothing.json: file does not exist")
	s.link("in/nowhere.json", "nowhere.json")
	fetch(t.Context(), set, s, nil).fails(t, "source.test: list in/*.json: look at in/nowhere.json: too many links")
}

// TestNamesThatAreNoText reach errors and traces quoted, and are told apart, also by what is remembered of them.
func TestNamesThatAreNoText(t *testing.T) {
	s := files("in/a\nb.json", "[1]", "in/\xff.json", "[2]", "in/\xfe.json", "[3]", "in/\u202e.json", "[4]", "in/�.json", "[5]")
	set := read(t, `path = "in/*.json"`)
	var lines []string
	first := fetch(traced(t.Context(), func(line string) { lines = append(lines, line) }), set, s, nil)
	first.want(t, "1.1 1", "2.1 4", "3.1 5", "4.1 3", "5.1 2")
	want := []string{`read "in/a\nb.json", 3 bytes`, `read "in/\u202e.json", 3 bytes`, `read in/�.json, 3 bytes`, `read "in/\xfe.json", 3 bytes`, `read "in/\xff.json", 3 bytes`}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
	fetch(t.Context(), set, s, first.outcome.Next).want(t)
	s.put("in/\xff.json", "[6]", long)
	fetch(t.Context(), set, s, first.outcome.Next).want(t, "1.1 1", "2.1 4", "3.1 5", "4.1 3", "5.1 6")

	s.put("in/\xff.json", "[", long)
	fetch(t.Context(), read(t, `path = "in/�.json"`), s, nil).want(t, "1.1 5")
	failed := fetch(t.Context(), set, s, nil)
	if failed.err == nil || !strings.HasPrefix(failed.err.Error(), `source.test: "in/\xff.json": `) {
		t.Errorf("%v", failed.err)
	}
	s.put("in/d\x1b[31m/x", "", long)
	s.things["in/d\x1b[31m"] = &thing{mode: fs.ModeDir, failure: fs.ErrPermission}
	fetch(t.Context(), read(t, `path = "in/**/*.json"`), s, nil).
		fails(t, `source.test: list in/**/*.json: list "in/d\x1b[31m": permission denied`)
}

func TestALongNameIsShownInPart(t *testing.T) {
	s := files(strings.Repeat("é", 100_000)+".json", "[")
	fetch(t.Context(), read(t, `path = "*.json"`), s, nil).
		fails(t, "source.test: "+strings.Repeat("é", 250)+"…: the body ends in the middle of a value (at byte 1)")
}

func TestFilesThatAreGoneOrIgnored(t *testing.T) {
	s := files("in/a.json", "[1]", "in/b.json.tmp", "[", "in/.c.json", "[", "in/d", "[2]", "in/.hidden/e.json", "[3]")
	fetch(t.Context(), read(t, "path = \"in/**\"\ndecode \"json\" {}"), s, nil).want(t, "1.1 3", "2.1 1", "3.1 2")
	fetch(t.Context(), read(t, "path = \"in/*\"\nignore = [\"?.json\"]\ndecode \"json\" {}"), files("in/a.json", "[", "in/.b.json", "[1]"), nil).want(t, "1.1 1")
	fetch(t.Context(), read(t, `path = "in/*.csv"`), s, nil).fails(t, "source.test: in/*.csv matches no file; check path")
	fetch(t.Context(), read(t, `path = "out/*.json"`), s, nil).fails(t, "source.test: out/*.json matches no file; check path")
	fetch(t.Context(), read(t, `path = "in/x.json"`), s, nil).fails(t, "source.test: in/x.json matches no file; check path")
	fetch(t.Context(), read(t, "path = \"in\"\ndecode \"json\" {}"), s, nil).fails(t, "source.test: in matches no file, but the folder in; the files in it are matched by in/*")
	s.things["in"] = &thing{mode: fs.ModeDir, failure: errors.New("the disk is on fire")}
	fetch(t.Context(), read(t, `path = "in/*.json"`), s, nil).fails(t, "source.test: list in/*.json: list in: the disk is on fire")
}

// crowd is a Place whose folders have so many files each, and one more folder.
type crowd struct {
	*shelf
	files   int
	name    string
	lists   int
	entries []fs.DirEntry
}

func (p *crowd) ReadDir(string) ([]fs.DirEntry, error) {
	if p.lists++; p.entries == nil {
		p.entries = []fs.DirEntry{fs.FileInfoToDirEntry(describe("more", &thing{mode: fs.ModeDir}))}
		for i := range p.files {
			p.entries = append(p.entries, fs.FileInfoToDirEntry(describe(fmt.Sprintf(p.name, i), &thing{written: long, data: "[]"})))
		}
	}
	return slices.Clone(p.entries), nil
}

func (p *crowd) Stat(name string) (fs.FileInfo, error) {
	return describe(name, &thing{mode: fs.ModeDir}), nil
}

func TestALookIsBounded(t *testing.T) {
	for _, test := range []struct {
		place *crowd
		path  string
		want  string
		lists int
	}{
		{&crowd{files: 100_001, name: "%06d.json"}, "*.json", "more than 100000 files match", 1},
		{&crowd{files: 60_000, name: "%06d.json"}, "{.,more}/*.json", "more than 100000 files match", 2},
		{&crowd{files: 1, name: "%06d.json"}, "**/*.json", "folders lie more than 64 deep within each other; write a path that is not for all of them", 65},
		{&crowd{files: 500_000, name: "%06d.xml"}, "**/*.json", "the folders have more than 1000000 names, or more than 64 MiB of them; write a path that is not for all of them", 2},
		{&crowd{files: 2000, name: strings.Repeat("x", 20<<10) + "%d.xml"}, "**/*.json", "the folders have more than 1000000 names, or more than 64 MiB of them; write a path that is not for all of them", 2},
	} {
		test.place.shelf = files()
		got := fetch(t.Context(), read(t, "path = \""+test.path+"\"\nmax_body = \"1KiB\""), test.place, nil)
		got.fails(t, "source.test: list "+test.path+": "+test.want)
		if got.records != nil || test.place.lists != test.lists {
			t.Errorf("%s: %d folders were listed, want %d", test.want, test.place.lists, test.lists)
		}
	}
}

func TestALookEndsWithItsContext(t *testing.T) {
	mine := errors.New("mine")
	for _, at := range []string{"list in", "list in/deep", "look at in/link.json"} {
		s := files("in/a.json", "[1]", "in/deep/b.json", "[2]")
		s.link("in/link.json", "a.json")
		ctx, cancel := context.WithCancelCause(t.Context())
		s.before = func(step, name string) {
			if step+" "+name == at {
				cancel(mine)
			}
		}
		got := fetch(ctx, read(t, `path = "in/**/*.json"`), s, nil)
		if !errors.Is(got.err, mine) || got.outcome.Complete || got.outcome.Next != nil || got.records != nil {
			t.Errorf("%s: %+v", at, got)
		}
	}
}

var _ drop.Place = (*crowd)(nil)

// TestClocksThatJump: a time that lies in the future, of a file or of an earlier fetch, makes no file unreadable or
// forgotten; it is only read again.
func TestClocksThatJump(t *testing.T) {
	s, set := files("a.json", "[1]"), read(t, `path = "a.json"`)
	s.things["a.json"].written = time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)
	first := fetch(t.Context(), set, s, nil)
	first.want(t, "1.1 1")
	ahead := regexp.MustCompile(`"t":\d+`).ReplaceAll(first.outcome.Next, []byte(`"t":7000000000000000000`)) // seen in the year 2191
	if bytes.Equal(ahead, first.outcome.Next) {
		t.Fatalf("no time in %s", ahead)
	}
	second := fetch(t.Context(), set, s, ahead)
	second.want(t)
	s.things["a.json"].data = "[2]"
	fetch(t.Context(), set, s, second.outcome.Next).want(t, "1.1 2")
}
