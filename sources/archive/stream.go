package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Streamed is what a stream holds.
type Streamed struct {
	Members []Member
	spool   *os.File
}

// Stream lists the documents of what r gives, as Open does. A zip has its directory at its end, so it is first copied to a
// temporary file without a name, of at most Options.Max bytes; any other document is read from r itself, and once.
func Stream(r io.Reader, name string, o Options) (*Streamed, error) {
	if o.Max <= 0 {
		o.Max = DefaultMax
	}
	start := make([]byte, Magic)
	n, err := io.ReadFull(r, start)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	r = io.MultiReader(bytes.NewReader(start[:n]), r)
	switch Sniff(start[:n]) {
	case Zip:
		return spool(r, name, o)
	case Gzip:
		return once(name, func() (io.ReadCloser, error) { return newGunzip(r, newBudget(o.Max)) }), nil
	}
	return once(name, func() (io.ReadCloser, error) {
		return &capped{ReadCloser: io.NopCloser(r), budget: newBudget(o.Max)}, nil
	}), nil
}

// Close ends the temporary file, if there is one.
func (s *Streamed) Close() error {
	if s.spool == nil {
		return nil
	}
	err := s.spool.Close()
	if removed := os.Remove(s.spool.Name()); removed != nil && !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	s.spool = nil
	return err
}

func once(name string, open func() (io.ReadCloser, error)) *Streamed {
	read := false
	return &Streamed{Members: []Member{{Name: name, open: func() (io.ReadCloser, error) {
		if read {
			return nil, errors.New("a stream can be read once")
		}
		read = true
		return open()
	}}}}
}

func spool(r io.Reader, name string, o Options) (*Streamed, error) {
	f, err := os.CreateTemp("", ".hookbridge-zip-*")
	if err != nil {
		return nil, fmt.Errorf("keep the zip while it is read: %w; TMPDIR names the folder", err)
	}
	_ = os.Remove(f.Name()) // where an open file cannot be removed, Close does it
	s := &Streamed{spool: f}
	size, err := io.Copy(struct{ io.Writer }{f}, &capped{ReadCloser: io.NopCloser(r), budget: newBudget(o.Max)})
	if err == nil {
		s.Members, err = Open(f, size, name, o)
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}
