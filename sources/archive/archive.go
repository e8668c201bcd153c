// Package archive looks inside files: a gzip stream holds one document, a zip holds members, anything else is a document
// itself. Which of them a file is, its first bytes say, not its name. Nothing is ever written where a member's name points.
package archive

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
)

// Kind is how a file is packed.
type Kind int

const (
	Plain Kind = iota // not at all
	Gzip              // RFC 1952
	Zip               // PKWARE APPNOTE, zip64 included
)

// Magic is how many bytes of its start tell the kind of a file.
const Magic = 4

// Sniff tells the kind of a file by its first Magic bytes. A file that has fewer is Plain.
func Sniff(start []byte) Kind {
	switch text := string(start[:min(len(start), Magic)]); {
	case strings.HasPrefix(text, "\x1f\x8b\x08"):
		return Gzip
	case text == "PK\x03\x04", text == "PK\x05\x06": // with members, and without
		return Zip
	}
	return Plain
}

// DefaultMax is Options.Max where it is not set.
const DefaultMax = 2 << 30

// Options say what is wanted of a file. The zero value has the defaults.
type Options struct {
	Members string // a pattern as Pattern takes it: only these members of a zip. Empty: all
	Max     int64  // cap on the decompressed bytes of the whole file, all wanted members together
}

// Pattern reads the attribute members: which members of a zip are wanted. It is a pattern as in a path, with *, ?, [a-z],
// {a,b} and **; one without a slash is held against the last part of a member's name. It belongs into the identity of a
// source, because it says what is read.
func Pattern(r *attr.Reader) string {
	pattern := r.String("members", "")
	if !doublestar.ValidatePattern(pattern) {
		r.Errorf(r.Range("members"), "Invalid pattern", "members is a name or a pattern with *, ?, [a-z], {a,b} and **; this one is malformed.")
	}
	return pattern
}

// Member is one document of a file.
type Member struct {
	Name   string // of the file, or the path in the zip
	Zipped bool   // one of a zip
	open   func() (io.ReadCloser, error)
}

// String is the name, fit for an error or a log.
func (m Member) String() string {
	for _, c := range m.Name {
		if !strconv.IsPrint(c) {
			return strconv.Quote(m.Name)
		}
	}
	return m.Name
}

// Open reads the member, unpacked. What is damaged, cut short or larger than allowed fails while it is read; errors of
// the file itself come back as they are. The caller closes it.
func (m Member) Open() (io.ReadCloser, error) { return m.open() }

// Open looks into a file of size bytes and lists the documents in it: itself, what its gzip stream holds, or the members
// of a zip in the order of their names, without folders and what macOS adds. It reads no more than the beginning of the
// file and the directory of a zip. A zip must have a wanted member, no name twice, none encrypted, and hold no more than
// is allowed. r must stay open while members are read.
func Open(r io.ReaderAt, size int64, name string, o Options) ([]Member, error) {
	if o.Max <= 0 {
		o.Max = DefaultMax
	}
	start := make([]byte, min(size, Magic))
	if n, err := r.ReadAt(start, 0); n < len(start) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	whole := func() io.Reader { return io.NewSectionReader(r, 0, size) }
	switch Sniff(start) {
	case Zip:
		return members(r, size, o)
	case Gzip:
		return []Member{{Name: name, open: func() (io.ReadCloser, error) { return newGunzip(whole(), newBudget(o.Max)) }}}, nil
	}
	if size > o.Max {
		return nil, &tooLargeError{o.Max}
	}
	return []Member{{Name: name, open: func() (io.ReadCloser, error) { return io.NopCloser(whole()), nil }}}, nil
}

// ErrTooLarge is a file that holds more than Options.Max when it is unpacked.
var ErrTooLarge = errors.New("too large when it is unpacked")

type tooLargeError struct{ max int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("holds more than max_body (%s) when it is unpacked; raise it if that is right", decode.Size(e.max))
}

func (e *tooLargeError) Unwrap() error { return ErrTooLarge }

// budget is how many bytes may come out of one file.
type budget struct {
	max  int64
	left atomic.Int64
}

func newBudget(max int64) *budget {
	b := &budget{max: max}
	b.left.Store(max)
	return b
}

// capped fails as soon as more is read than the budget has left, which it may share with others.
type capped struct {
	io.ReadCloser
	budget *budget
}

func (c *capped) Read(p []byte) (int, error) {
	left := c.budget.left.Load()
	if left < 0 {
		return 0, &tooLargeError{c.budget.max}
	}
	if left < math.MaxInt64 {
		p = p[:min(int64(len(p)), left+1)]
	}
	n, err := c.ReadCloser.Read(p)
	if c.budget.left.Add(-int64(n)) < 0 {
		return 0, &tooLargeError{c.budget.max}
	}
	return n, err
}
