//go:build unix

package file_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge"
)

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// zipped packs names and texts in turn.
func zipped(t testing.TB, pairs ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		member, err := w.Create(pairs[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := member.Write([]byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryMemberIsOneAnswer(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "drops/a.json.gz", gzipped(t, `[1,2]`), time.Hour)
	write(t, dir, "drops/b.zip", zipped(t, "y.ndjson", "5\n6\n", "x.json", "[3,4]", "d/z.json.gz", gzipped(t, "[7]"), "readme.txt", "x"), time.Hour)
	write(t, dir, "drops/c.json", `[8]`, time.Hour)
	s := source(t, dir, "path = \"drops/*.{json,gz,zip}\"\nmembers = \"*.{json,ndjson,gz}\"")
	first := fetch(t, s, bridge.FetchOptions{})
	first.want(t, "1.1 1", "1.2 2", "2.1 7", "3.1 3", "3.2 4", "4.1 5", "4.2 6", "5.1 8")
	if first.outcome.Pages != 5 || first.outcome.Bytes != 5+3+5+4+3 {
		t.Errorf("%d pages, %d bytes", first.outcome.Pages, first.outcome.Bytes)
	}
	for _, unconditional := range []bool{false, true} {
		fetch(t, s, bridge.FetchOptions{From: first.outcome.Next, Unconditional: unconditional}).want(t)
	}
	write(t, dir, "drops/b.zip", zipped(t, "x.json", "[9]"), time.Hour)
	fetch(t, s, bridge.FetchOptions{From: first.outcome.Next}).want(t, "1.1 1", "1.2 2", "2.1 9", "3.1 8")
}

func TestRecordsSayWhichFileTheyAreIn(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "drops/a.json", "[1]", time.Hour)
	write(t, dir, "drops/b.zip", zipped(t, "x/1.json", "[2]", "x/2.json", "[3]"), time.Hour)
	var got []string
	_, err := source(t, dir, `path = "drops/*"`+"\n"+`decode "ndjson" {}`).Fetch(t.Context(), bridge.FetchOptions{}, func(r bridge.Record) error {
		if r.Item == 1 {
			got = append(got, r.File)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"drops/a.json", "drops/b.zip: x/1.json", "drops/b.zip: x/2.json"}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFailuresInArchivesNameTheMember(t *testing.T) {
	cut := gzipped(t, `[1,2,3]`)
	for _, test := range []struct{ name, block, file, content, want string }{
		{"a bad member", `path = "a.zip"`, "a.zip", zipped(t, "x.json", "[1]", "y.json", `[{"id":1}`), `source.file: a.zip: y.json: the body ends in the middle of a value (at byte 9`},
		{"an unknown kind", `path = "a.zip"`, "a.zip", zipped(t, "x.dat", "[1]"), `source.file: a.zip: x.dat: the name does not say what is in the member; add a decode block, or name those that are wanted: members = …`},
		{"a zip cut short", `path = "a.zip"`, "a.zip", zipped(t, "x.json", "[1]")[:40], `source.file: a.zip: `},
		{"a gzip cut short", `path = "a.json.gz"`, "a.json.gz", cut[:len(cut)-4], `source.file: a.json.gz: `},
		{"a gzip larger than allowed", "path = \"a.json.gz\"\nmax_body = 50", "a.json.gz", gzipped(t, "["+strings.Repeat(" ", 100)+"1]"), `source.file: a.json.gz: holds more than max_body (50 bytes) when it is unpacked`},
		{"a member larger than allowed", "path = \"a.zip\"\nmax_body = 500", "a.zip", zipped(t, "x.json", "["+strings.Repeat(" ", 1000)+"1]"), `source.file: a.zip: `},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, test.file, test.content, time.Hour)
			got := fetch(t, source(t, dir, test.block), bridge.FetchOptions{})
			if got.err == nil || !strings.HasPrefix(got.err.Error(), test.want) || got.outcome.Complete {
				t.Errorf("got %v %+v, want %s", got.err, got.outcome, test.want)
			}
		})
	}
}
