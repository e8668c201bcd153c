package archive

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sync"
)

// newGunzip unpacks a gzip stream within a budget: all its members, one after another, up to the end of r. A stream that
// is cut short, damaged or followed by something else is an error; its checksums are checked. Errors of r come back as
// they are. Closing it lets go of r and leaves it open.
func newGunzip(r io.Reader, b *budget) (io.ReadCloser, error) {
	g, ok := gunzips.Get().(*gunzip)
	if !ok {
		g = &gunzip{buffer: bufio.NewReaderSize(nil, ahead)}
	}
	g.buffer.Reset(r)
	if err := g.inflater.Reset(g.buffer); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, damaged("gzip", err)
	}
	return &capped{ReadCloser: &lent{ReadCloser: g, back: func() { g.buffer.Reset(nil); gunzips.Put(g) }}, budget: b}, nil
}

// ahead is how much is read at once: behind a reader may be another machine.
const ahead = 128 << 10

var gunzips sync.Pool // of *gunzip

type gunzip struct {
	inflater gzip.Reader
	buffer   *bufio.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	n, err := g.inflater.Read(p)
	return n, damaged("gzip", err)
}

func (g *gunzip) Close() error { return nil }

// lent gives what it reads from back when it is closed.
type lent struct {
	io.ReadCloser
	back func()
}

func (l *lent) Read(p []byte) (int, error) {
	if l.back == nil {
		return 0, io.ErrClosedPipe
	}
	return l.ReadCloser.Read(p)
}

func (l *lent) Close() error {
	if l.back != nil {
		l.back()
		l.back = nil
	}
	return nil
}

// damaged says what is wrong with packed data. An error that is none of ours comes back as it is.
func damaged(kind string, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the %s data ends too early: %w", kind, err)
	case errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("the %s data is damaged, or followed by something else: %w", kind, err)
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return fmt.Errorf("the %s data is damaged: %w", kind, err)
	}
	return err
}
