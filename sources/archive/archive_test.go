package archive_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge/sources/archive"
)

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// zipped packs names and texts in turn.
func zipped(t testing.TB, pairs ...string) string {
	t.Helper()
	return packed(t, func(w *zip.Writer) error {
		for i := 0; i < len(pairs); i += 2 {
			member, err := w.Create(pairs[i])
			if err != nil {
				return err
			}
			if _, err := io.WriteString(member, pairs[i+1]); err != nil {
				return err
			}
		}
		return nil
	})
}

func packed(t testing.TB, write func(*zip.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if err := write(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// show reads all members, in lines of name and content, with what went wrong at the end.
func show(members []archive.Member, err error) string {
	var b strings.Builder
	for _, m := range members {
		fmt.Fprintf(&b, "%s", m)
		if m.Zipped {
			b.WriteString(" (zip)")
		}
		in, err := m.Open()
		if err != nil {
			fmt.Fprintf(&b, " cannot be opened: %v\n", err)
			continue
		}
		text, err := io.ReadAll(in)
		switch { // how far it came before an error is a matter of buffers
		case err != nil && len(text) > 60:
			text = fmt.Appendf(nil, "%.20s…", text)
		case len(text) > 60:
			text = fmt.Appendf(nil, "%.20s… %d bytes", text, len(text))
		}
		fmt.Fprintf(&b, ": %s", text)
		if err != nil {
			fmt.Fprintf(&b, " error: %v", err)
		}
		if err := in.Close(); err != nil {
			fmt.Fprintf(&b, " close: %v", err)
		}
		b.WriteByte('\n')
	}
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	return b.String()
}

// bothWays reads a file and the same as a stream: the result must be the same.
func bothWays(t *testing.T, content, name string, o archive.Options, want string) {
	t.Helper()
	members, err := archive.Open(strings.NewReader(content), int64(len(content)), name, o)
	if diff := cmp.Diff(want, show(members, err)); diff != "" {
		t.Errorf("as a file (-want +got):\n%s", diff)
	}
	for how, r := range map[string]io.Reader{
		"stream": strings.NewReader(content), "byte by byte": iotest.OneByteReader(strings.NewReader(content)), "data and EOF": iotest.DataErrReader(strings.NewReader(content)),
	} {
		s, err := archive.Stream(r, name, o)
		if s == nil {
			s = &archive.Streamed{}
		}
		if diff := cmp.Diff(want, show(s.Members, err)); diff != "" {
			t.Errorf("as a %s (-want +got):\n%s", how, diff)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: close: %v", how, err)
		}
	}
}

func TestWhatAFileHolds(t *testing.T) {
	text := "id;name\n1;Müller\n"
	long := strings.Repeat("0123456789", 1000)
	for _, test := range []struct {
		name, file, content string
		o                   archive.Options
		want                string
	}{
		{"a document", "a.csv", text, archive.Options{}, "a.csv: " + text + "\n"},
		{"nothing", "a.csv", "", archive.Options{}, "a.csv: \n"},
		{"three bytes", "a.csv", "\x1f\x8b\n", archive.Options{}, "a.csv: \x1f\x8b\n\n"},
		{"gzip", "a.csv.gz", gzipped(text), archive.Options{}, "a.csv.gz: " + text + "\n"},
		{"gzip under another name", "a.csv", gzipped(text), archive.Options{}, "a.csv: " + text + "\n"},
		{"another thing under the name of gzip", "a.csv.gz", text, archive.Options{}, "a.csv.gz: " + text + "\n"},
		{"gzip in two members", "a.gz", gzipped("one,") + gzipped("two"), archive.Options{}, "a.gz: one,two\n"},
		{"gzip of nothing", "a.gz", gzipped(""), archive.Options{}, "a.gz: \n"},
		{"gzip of exactly the cap", "a.gz", gzipped("12345"), archive.Options{Max: 5}, "a.gz: 12345\n"},
		{"gzip beyond the cap", "a.gz", gzipped("123456"), archive.Options{Max: 5}, "a.gz:  error: holds more than max_body (5 bytes) when it is unpacked; raise it if that is right\n"},
		{"gzip followed by something", "a.gz", gzipped("1") + "rubbish that is no gzip", archive.Options{}, "a.gz: 1 error: the gzip data is damaged, or followed by something else: gzip: invalid header\n"},

		{"zip, in the order of names", "x.bin", zipped(t, "b.csv", "2", "a/z.csv", "1", "c.csv", ""), archive.Options{}, "a/z.csv (zip): 1\nb.csv (zip): 2\nc.csv (zip): \n"},
		{"folders and notes of macOS", "x.zip", zipped(t, "d/", "", "d/a.csv", "1", "__MACOSX/d/._a.csv", "x", ".DS_Store", "x", "d/.DS_Store", "x"), archive.Options{}, "d/a.csv (zip): 1\n"},
		{"gzip within a zip", "x.zip", zipped(t, "a.csv.gz", gzipped("1"), "b.csv.gz", gzipped("2")+gzipped("3")), archive.Options{}, "a.csv.gz (zip): 1\nb.csv.gz (zip): 23\n"},
		{"names that climb out", "x.zip", zipped(t, "../../etc/passwd", "1", "/abs", "2", `c:\x`, "3"), archive.Options{}, "../../etc/passwd (zip): 1\n/abs (zip): 2\nc:\\x (zip): 3\n"},
		{"names that cannot be printed", "x.zip", zipped(t, "a\x1b[31m\n", "1"), archive.Options{}, `"a\x1b[31m\n" (zip): 1` + "\n"},
		{"picked by the last part", "x.zip", zipped(t, "a.csv", "1", "d/b.csv", "2", "readme.txt", "3"), archive.Options{Members: "*.csv"}, "a.csv (zip): 1\nd/b.csv (zip): 2\n"},
		{"picked by path", "x.zip", zipped(t, "a.csv", "1", "d/b.csv", "2", "e/f/c.csv", "3"), archive.Options{Members: "{d,e}/**/*.csv"}, "d/b.csv (zip): 2\ne/f/c.csv (zip): 3\n"},
		{"none picked", "x.zip", zipped(t, "a.txt", "1"), archive.Options{Members: "*.csv"}, "error: no member of the zip matches members = \"*.csv\"\n"},
		{"an empty zip", "x.zip", zipped(t), archive.Options{}, "error: the zip is empty\n"},
		{"a zip of folders", "x.zip", zipped(t, "a/", ""), archive.Options{}, "error: the zip is empty\n"},
		{"a name twice", "x.zip", zipped(t, "a.csv", "1", "b.csv", "2", "a.csv", "3"), archive.Options{}, "error: a.csv is in the zip twice: it cannot be told which one counts\n"},
		{"a name twice, but not picked", "x.zip", zipped(t, "a.csv", "1", "b.csv", "2", "a.csv", "3"), archive.Options{Members: "b*"}, "b.csv (zip): 2\n"},
		{"members of the cap together", "x.zip", zipped(t, "a", long, "b", long), archive.Options{Max: 20_000}, fmt.Sprintf("a (zip): %.20s… 10000 bytes\nb (zip): %.20s… 10000 bytes\n", long, long)},
		{"members beyond the cap together", "x.zip", zipped(t, "a", long, "b", long), archive.Options{Max: 19_999}, "error: holds more than max_body (19.53 KiB) when it is unpacked; raise it if that is right\n"},
		{"gzip within a zip beyond the cap together", "x.zip", zipped(t, "a.gz", gzipped(long), "b.gz", gzipped(long)), archive.Options{Max: 19_999},
			fmt.Sprintf("a.gz (zip): %.20s… 10000 bytes\nb.gz (zip): %.20s… error: holds more than max_body (19.53 KiB) when it is unpacked; raise it if that is right\n", long, long)},
		{"the cap is of what is picked", "x.zip", zipped(t, "a", long, "b", "2"), archive.Options{Members: "b", Max: 5000}, "b (zip): 2\n"},
	} {
		t.Run(test.name, func(t *testing.T) { bothWays(t, test.content, test.file, test.o, test.want) })
	}
}

func TestAPlainDocumentBeyondTheCap(t *testing.T) {
	o := archive.Options{Max: 3}
	if _, err := archive.Open(strings.NewReader("1234"), 4, "a", o); !errors.Is(err, archive.ErrTooLarge) {
		t.Errorf("as a file: %v", err)
	}
	s, err := archive.Stream(strings.NewReader("1234"), "a", o)
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.Members[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(in); !errors.Is(err, archive.ErrTooLarge) {
		t.Errorf("as a stream: %q, %v", text, err)
	}
	if _, err := s.Members[0].Open(); err == nil {
		t.Error("a stream can be read twice")
	}
}

// No file that is cut short anywhere, and none with one bit turned, gives other content without an error.
func TestDamageIsNoticed(t *testing.T) {
	text := "id,name\n" + strings.Repeat("1,one\n2,two\n", 50)
	stored := packed(t, func(w *zip.Writer) error {
		member, err := w.CreateHeader(&zip.FileHeader{Name: "a.csv", Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(member, text)
		}
		return err
	})
	for name, content := range map[string]string{"gzip": gzipped(text), "zip": zipped(t, "a.csv", text), "stored zip": stored} {
		t.Run(name, func(t *testing.T) {
			check := func(damage string, content string) {
				members, err := archive.Open(strings.NewReader(content), int64(len(content)), "a.csv", archive.Options{})
				if err != nil || archive.Sniff([]byte(content)) == archive.Plain {
					return
				}
				for _, m := range members {
					in, err := m.Open()
					if err != nil {
						continue
					}
					got, err := io.ReadAll(in)
					if err == nil && string(got) != text {
						t.Errorf("%s: read %d bytes, but %d were packed, without an error", damage, len(got), len(text))
					}
				}
			}
			for n := 4; n < len(content); n++ {
				check(fmt.Sprintf("cut after %d bytes", n), content[:n])
			}
			for i := range content {
				for bit := range 8 {
					turned := []byte(content)
					turned[i] ^= 1 << bit
					check(fmt.Sprintf("bit %d of byte %d turned", bit, i), string(turned))
				}
			}
		})
	}
	for name, test := range map[string]struct{ content, want string }{
		"gzip cut in its header": {gzipped(text)[:8], "the gzip data ends too early"},
		"gzip cut in its data":   {gzipped(text)[:40], "the gzip data ends too early"},
		"gzip without its end":   {strings.TrimSuffix(gzipped(text), gzipped(text)[len(gzipped(text))-1:]), "the gzip data ends too early"},
		"zip cut short":          {zipped(t, "a.csv", text)[:80], "the zip is damaged or cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			members, err := archive.Open(strings.NewReader(test.content), int64(len(test.content)), "a", archive.Options{})
			if got := show(members, err); !strings.Contains(got, test.want) {
				t.Errorf("%s, want %q", got, test.want)
			}
		})
	}
}

func TestTheCopyOfAZipLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	left := func() int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	s, err := archive.Stream(strings.NewReader(zipped(t, "a", "1")), "x.zip", archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && left() != 0 { // it must not outlive a crash either
		t.Error("the copy has a name while it is read")
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil || left() != 0 {
		t.Errorf("%d files after Close, %v", left(), err)
	}
	mine := errors.New("mine")
	if _, err := archive.Stream(io.MultiReader(strings.NewReader("PK\x03\x04..."), iotest.ErrReader(mine)), "x.zip", archive.Options{}); !errors.Is(err, mine) || left() != 0 {
		t.Errorf("%d files after an error, %v", left(), err)
	}
	if _, err := archive.Stream(strings.NewReader(zipped(t, "a", "1")), "x.zip", archive.Options{Max: 50}); !errors.Is(err, archive.ErrTooLarge) || left() != 0 {
		t.Errorf("%d files after too many bytes, %v", left(), err)
	}
	t.Setenv("TMPDIR", dir+"/absent")
	if _, err := archive.Stream(strings.NewReader(zipped(t, "a", "1")), "x.zip", archive.Options{}); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("without a folder: %v", err)
	}
}

func TestErrorsOfTheFileComeThrough(t *testing.T) {
	mine := errors.New("mine")
	for name, content := range map[string]string{"plain": "id\n1\n", "gzip": gzipped(strings.Repeat("0123456789", 100)), "zip": zipped(t, "a", strings.Repeat("0123456789", 100))} {
		for n := range len(content) {
			members, err := archive.Open(failing{strings.NewReader(content), int64(n), mine}, int64(len(content)), "a", archive.Options{})
			for _, m := range members {
				var in io.ReadCloser
				if in, err = m.Open(); err == nil {
					_, err = io.Copy(io.Discard, in)
					in.Close()
				}
			}
			if !errors.Is(err, mine) {
				t.Errorf("%s that cannot be read beyond byte %d: %v", name, n, err)
			}
		}
	}
}

// failing cannot be read beyond a place.
type failing struct {
	io.ReaderAt
	end int64
	err error
}

func (f failing) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.end {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, at)
}
