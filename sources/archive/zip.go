package archive

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hookbridge/bridge/sources/decode"
)

// Caps of a zip, whatever it holds: its directory is held in memory.
const (
	maxMembers   = 10_000
	maxDirectory = 4 << 20
)

// members lists what is wanted of a zip.
func members(r io.ReaderAt, size int64, o Options) ([]Member, error) {
	claimed, err := count(r, size)
	if err != nil {
		return nil, err
	}
	if claimed > maxMembers {
		return nil, fmt.Errorf("the zip has %d members, at most %d are read", claimed, maxMembers)
	}
	directory := &metered{r: r, left: maxDirectory}
	opened, err := zip.NewReader(directory, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // a name that is not followed does no harm
		return nil, malformed(err)
	}
	if uint64(len(opened.File)) != claimed {
		return nil, malformed(zip.ErrFormat)
	}
	directory.free = true
	opened.RegisterDecompressor(zip.Deflate, inflate)
	var found []Member
	var packed, unpacked uint64
	shared := newBudget(o.Max)
	for _, f := range opened.File {
		if f.Mode().IsDir() || !wanted(f.Name, o.Members) {
			continue
		}
		m := Member{Name: f.Name, Zipped: true, open: func() (io.ReadCloser, error) { return open(f, shared) }}
		if !f.Mode().IsRegular() {
			return nil, fmt.Errorf("%s in the zip is a link or a device, not a file", m)
		}
		if f.Flags&1 != 0 {
			return nil, fmt.Errorf("%s in the zip is encrypted, and there is no password to read it with", m)
		}
		if f.Method != zip.Store && f.Method != zip.Deflate {
			return nil, fmt.Errorf("%s in the zip is packed by method %d; only deflate (8) and none (0) can be read", m, f.Method)
		}
		if f.CompressedSize64 > uint64(size)-min(packed, uint64(size)) {
			return nil, errors.New("the zip claims to hold more than fits into it: its members overlap, or it is damaged")
		}
		packed += f.CompressedSize64
		if f.UncompressedSize64 > uint64(o.Max)-unpacked {
			return nil, &tooLargeError{o.Max}
		}
		unpacked += f.UncompressedSize64
		found = append(found, m)
	}
	if len(found) == 0 {
		if o.Members != "" {
			return nil, fmt.Errorf("no member of the zip matches members = %q", o.Members)
		}
		return nil, errors.New("the zip is empty")
	}
	slices.SortFunc(found, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	for i, m := range found[1:] {
		if m.Name == found[i].Name {
			return nil, fmt.Errorf("%s is in the zip twice: it cannot be told which one counts", m)
		}
	}
	return found, nil
}

// wanted: the files in which macOS keeps its own notes are no documents.
func wanted(name, pattern string) bool {
	if strings.HasPrefix(name, "__MACOSX/") || path.Base(name) == ".DS_Store" {
		return false
	}
	if pattern == "" {
		return true
	}
	if !strings.Contains(pattern, "/") {
		name = path.Base(name)
	}
	return doublestar.MatchUnvalidated(pattern, name)
}

// open reads one member, of which the library checks length and checksum. What is gzip inside is unpacked, too; how
// large that is no directory says, so all of those share a budget.
func open(f *zip.File, b *budget) (io.ReadCloser, error) {
	raw, err := f.Open()
	if errors.Is(err, io.EOF) { // it is said to begin after the end
		err = zip.ErrFormat
	}
	if err != nil {
		return nil, malformed(err)
	}
	in := &zipped{ReadCloser: raw}
	start := make([]byte, Magic)
	n, short := io.ReadFull(in, start)
	if short != nil && short != io.EOF && short != io.ErrUnexpectedEOF {
		_ = raw.Close()
		return nil, short
	}
	joined := io.MultiReader(bytes.NewReader(start[:n]), in)
	if Sniff(start[:n]) != Gzip {
		return &both{Reader: joined, inner: raw}, nil
	}
	unpacked, err := newGunzip(joined, b)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return &both{Reader: unpacked, inner: raw, outer: unpacked}, nil
}

// both closes what is read and what that is read from.
type both struct {
	io.Reader
	inner, outer io.Closer
}

func (b *both) Close() error {
	if b.outer != nil {
		_ = b.outer.Close()
	}
	return b.inner.Close()
}

// zipped says what is wrong with a member.
type zipped struct{ io.ReadCloser }

func (z *zipped) Read(p []byte) (int, error) {
	n, err := z.ReadCloser.Read(p)
	return n, malformed(err)
}

func malformed(err error) error {
	switch {
	case errors.Is(err, zip.ErrFormat), errors.Is(err, zip.ErrChecksum):
		return fmt.Errorf("the zip is damaged or cut short: %w", err)
	}
	return damaged("zip", err)
}

// inflate unpacks what deflate packed.
func inflate(r io.Reader) io.ReadCloser {
	u, ok := unpackers.Get().(*unpacker)
	if !ok {
		u = &unpacker{buffer: bufio.NewReaderSize(nil, ahead)}
		u.ReadCloser = flate.NewReader(u.buffer)
	}
	u.buffer.Reset(r)
	_ = u.ReadCloser.(flate.Resetter).Reset(u.buffer, nil) // never fails
	return &lent{ReadCloser: u, back: func() { u.buffer.Reset(nil); unpackers.Put(u) }}
}

var unpackers sync.Pool // of *unpacker

type unpacker struct {
	io.ReadCloser
	buffer *bufio.Reader
}

// metered gives out no more than it has left, until it is free: a directory is read into memory.
type metered struct {
	r    io.ReaderAt
	left int64
	free bool
}

func (m *metered) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 { // the library does not look, and a file need not
		return 0, zip.ErrFormat
	}
	if !m.free {
		if m.left -= int64(len(p)); m.left < 0 {
			return 0, fmt.Errorf("the directory of the zip is larger than %s", decode.Size(maxDirectory))
		}
	}
	return m.r.ReadAt(p, at)
}

// count reads from the end of a zip how many members it says it has. The library makes room for as many before it has
// seen one, and does not notice when a multiple of 65536 is missing.
func count(r io.ReaderAt, size int64) (uint64, error) {
	const (
		end, comment       = 22, 1<<16 - 1 // lengths of the last record and of the comment after it
		locator, largeEnd  = 20, 56        // of the records that zip64 puts before
		saturated16        = 1<<16 - 1
		saturated32        = 1<<32 - 1
		locatorMark, large = "PK\x06\x07", "PK\x06\x06"
	)
	tail := make([]byte, min(size, end+comment+locator))
	if err := readAt(r, tail, size-int64(len(tail))); err != nil {
		return 0, err
	}
	at := bytes.LastIndex(tail[:max(0, len(tail)-end+4)], []byte("PK\x05\x06"))
	if at < 0 {
		return 0, malformed(zip.ErrFormat)
	}
	record := tail[at:]
	members := uint64(binary.LittleEndian.Uint16(record[10:]))
	directorySize, offset := binary.LittleEndian.Uint32(record[12:]), binary.LittleEndian.Uint32(record[16:])
	if members < saturated16 && directorySize != saturated16 && offset < saturated32 || at < locator || string(tail[at-locator:at-locator+4]) != locatorMark {
		return members, nil
	}
	position := binary.LittleEndian.Uint64(tail[at-locator+8:])
	if position > uint64(size) || uint64(size)-position < largeEnd {
		return 0, malformed(zip.ErrFormat)
	}
	record = make([]byte, largeEnd)
	if err := readAt(r, record, int64(position)); err != nil {
		return 0, err
	}
	if string(record[:4]) != large {
		return 0, malformed(zip.ErrFormat)
	}
	return binary.LittleEndian.Uint64(record[32:]), nil
}

func readAt(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
