package archive_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge/sources/archive"
)

func TestZipsThatAreRefused(t *testing.T) {
	member := func(change func(*zip.FileHeader)) string {
		return packed(t, func(w *zip.Writer) error {
			h := &zip.FileHeader{Name: "a.csv", Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte("1")), CompressedSize64: 1, UncompressedSize64: 1}
			change(h)
			raw, err := w.CreateRaw(h)
			if err == nil {
				_, err = io.WriteString(raw, "1")
			}
			return err
		})
	}
	for name, test := range map[string]struct{ content, want string }{
		"encrypted":      {member(func(h *zip.FileHeader) { h.Flags |= 1 }), "a.csv in the zip is encrypted"},
		"another method": {member(func(h *zip.FileHeader) { h.Method = 93 }), "a.csv in the zip is packed by method 93; only deflate (8) and none (0) can be read"},
		"a link":         {member(func(h *zip.FileHeader) { h.SetMode(0o777 | 1<<27) }), "a.csv in the zip is a link or a device, not a file"},
		"a wrong sum":    {member(func(h *zip.FileHeader) { h.CRC32++ }), "the zip is damaged or cut short: zip: checksum error"},
		"a wrong length": {member(func(h *zip.FileHeader) { h.UncompressedSize64++ }), "the zip data ends too early"},
		"more than it says": {packed(t, func(w *zip.Writer) error {
			h := &zip.FileHeader{Name: "a.csv", Method: zip.Store, CompressedSize64: 3, UncompressedSize64: 2}
			raw, err := w.CreateRaw(h)
			if err == nil {
				_, err = io.WriteString(raw, "123")
			}
			return err
		}), "the zip is damaged or cut short"},
		"more packed bytes than the file has": {member(func(h *zip.FileHeader) { h.CompressedSize64 = 1 << 40 }), "its members overlap"},
		"a claim of sixty thousand members":   {strings.Replace(zipped(t, "a", "1"), "PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00", "PK\x05\x06\x00\x00\x00\x00\x60\xea\x60\xea", 1), "the zip has 60000 members, at most 10000 are read"},
		"one member less than it says":        {strings.Replace(zipped(t, "a", "1"), "PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00", "PK\x05\x06\x00\x00\x00\x00\x02\x00\x02\x00", 1), "the zip data ends too early"},
		"a member before the beginning":       {moved(zipped(t, "a", "1"), true), "cannot be opened: the zip is damaged or cut short: zip: not a valid zip file"},
		"a member after the end":              {moved(zipped(t, "a", "1"), false), "cannot be opened: the zip is damaged or cut short: zip: not a valid zip file"},
		"a directory too large": {packed(t, func(w *zip.Writer) error {
			for i := range 80 {
				if _, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i), Comment: strings.Repeat("x", 60_000)}); err != nil {
					return err
				}
			}
			return nil
		}), "the directory of the zip is larger than 4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			members, err := archive.Open(strings.NewReader(test.content), int64(len(test.content)), "x.zip", archive.Options{})
			if got := show(members, err); !strings.Contains(got, test.want) {
				t.Errorf("%s, want %q", got, test.want)
			}
		})
	}
}

// moved says of the only member that it begins before the file does, or after its end.
func moved(content string, before bool) string {
	b := []byte(content)
	if before { // a directory that is not where it is said to be moves all members by as much
		end := bytes.LastIndex(b, []byte("PK\x05\x06"))
		binary.LittleEndian.PutUint32(b[end+16:], binary.LittleEndian.Uint32(b[end+16:])+100)
	} else {
		binary.LittleEndian.PutUint32(b[bytes.Index(b, []byte("PK\x01\x02"))+42:], 1<<30)
	}
	return string(b)
}

// large rewrites the end of a zip as zip64 has it, with every field of the old end saturated.
func large(t *testing.T, content string, members uint64) string {
	t.Helper()
	at := strings.LastIndex(content, "PK\x05\x06")
	old := []byte(content[at:])
	size, offset := binary.LittleEndian.Uint32(old[12:]), binary.LittleEndian.Uint32(old[16:])
	end := append([]byte("PK\x06\x06"), make([]byte, 52)...)
	binary.LittleEndian.PutUint64(end[4:], 44)
	binary.LittleEndian.PutUint64(end[24:], members)
	binary.LittleEndian.PutUint64(end[32:], members)
	binary.LittleEndian.PutUint64(end[40:], uint64(size))
	binary.LittleEndian.PutUint64(end[48:], uint64(offset))
	locator := append([]byte("PK\x06\x07"), make([]byte, 16)...)
	binary.LittleEndian.PutUint64(locator[8:], uint64(at))
	binary.LittleEndian.PutUint32(locator[16:], 1)
	copy(old[8:], bytes.Repeat([]byte{0xff}, 12))
	return content[:at] + string(end) + string(locator) + string(old)
}

func TestZip64(t *testing.T) {
	bothWays(t, large(t, zipped(t, "b", "2", "a", "1"), 2), "x.zip", archive.Options{}, "a (zip): 1\nb (zip): 2\n")
	bothWays(t, large(t, zipped(t, "b", "2", "a", "1"), 1<<16+2), "x.zip", archive.Options{}, "error: the zip has 65538 members, at most 10000 are read\n")
	many := packed(t, func(w *zip.Writer) error {
		for i := range 70_000 {
			if _, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	if got := show(archive.Open(strings.NewReader(many), int64(len(many)), "x.zip", archive.Options{})); got != "error: the zip has 70000 members, at most 10000 are read\n" {
		t.Error(got)
	}
}

// A zip whose directory names the same packed bytes again and again unpacks to much more than its size allows.
func TestMembersThatOverlapAreRefused(t *testing.T) {
	noise := make([]byte, 4000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	content := zipped(t, "a", string(noise))
	at, end := strings.Index(content, "PK\x01\x02"), strings.Index(content, "PK\x05\x06")
	entry := content[at:end]
	name := strings.LastIndex(entry, "a")
	var directory strings.Builder
	for i := range 5 {
		directory.WriteString(entry[:name] + string(rune('a'+i)) + entry[name+1:])
	}
	last := []byte(content[end:])
	binary.LittleEndian.PutUint16(last[8:], 5)
	binary.LittleEndian.PutUint16(last[10:], 5)
	binary.LittleEndian.PutUint32(last[12:], uint32(directory.Len()))
	bothWays(t, content[:at]+directory.String()+string(last), "x.zip", archive.Options{},
		"error: the zip claims to hold more than fits into it: its members overlap, or it is damaged\n")
}

// A member may not unpack to more than the directory says, which is what was held against the cap.
func TestAMemberThatLiesAboutItsSize(t *testing.T) {
	content := []byte(zipped(t, "a", strings.Repeat("0", 10<<20)))
	at := bytes.Index(content, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(content[at+24:], 100)
	members, err := archive.Open(bytes.NewReader(content), int64(len(content)), "x.zip", archive.Options{Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	in, err := members[0].Open()
	if err == nil {
		defer in.Close()
		var n int64
		if n, err = io.Copy(io.Discard, in); n > 64<<10 {
			t.Errorf("unpacked %d bytes of a member that says it has 100", n)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "the zip is damaged") {
		t.Errorf("%v", err)
	}
}

func TestMembersAreReadTogetherAndAgain(t *testing.T) {
	content := zipped(t, "a", strings.Repeat("a", 100_000), "b", strings.Repeat("b", 100_000))
	members, err := archive.Open(strings.NewReader(content), int64(len(content)), "x.zip", archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a, errA := members[0].Open()
		b, errB := members[1].Open()
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		var texts [2]strings.Builder
		for range 10 {
			_, errA = io.CopyN(&texts[0], a, 10_000)
			_, errB = io.CopyN(&texts[1], b, 10_000)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
		}
		if diff := cmp.Diff([]string{strings.Repeat("a", 100_000), strings.Repeat("b", 100_000)}, []string{texts[0].String(), texts[1].String()}); diff != "" {
			t.Error(diff)
		}
		a.Close()
		a.Close() // twice: what is read by others must not be disturbed
		b.Close()
		if _, err := a.Read(make([]byte, 1)); err == nil {
			t.Error("a closed member can be read")
		}
	}
}

// FuzzOpen: what is listed and read is what archive/zip finds in memory under the same name, complete; a stream gives the
// same as a file.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{"", "PK\x05\x06", "id\n1\n", gzipped("id\n1\n"), gzipped("1") + gzipped("2"), zipped(f), moved(zipped(f, "a", "1"), true), zipped(f, "a.csv", "id\n1\n", "b/c.csv.gz", gzipped("1"), "d/", "")} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		o := archive.Options{Max: 1 << 20}
		members, err := archive.Open(bytes.NewReader(content), int64(len(content)), "a.csv", o)
		asFile := show(members, err)
		s, err := archive.Stream(bytes.NewReader(content), "a.csv", o)
		if s == nil {
			s = &archive.Streamed{}
		}
		defer s.Close()
		if diff := cmp.Diff(asFile, show(s.Members, err)); diff != "" && len(content) < 1<<20 {
			t.Errorf("as a file and as a stream:\n%s", diff)
		}
		if archive.Sniff(content) != archive.Zip {
			return
		}
		want := map[string][]byte{}
		if r, err := zip.NewReader(bytes.NewReader(content), int64(len(content))); err == nil {
			for _, f := range r.File {
				if in, err := f.Open(); err == nil {
					want[f.Name], _ = io.ReadAll(io.LimitReader(in, 1<<20))
				}
			}
		}
		for _, m := range members {
			in, err := m.Open()
			if err != nil {
				continue
			}
			got, err := io.ReadAll(in)
			in.Close()
			direct, ok := want[m.Name]
			if err == nil && archive.Sniff(direct) != archive.Gzip && !(ok && bytes.Equal(direct, got)) {
				t.Errorf("%s holds %q, archive/zip finds %q", m, got, direct)
			}
		}
	})
}
