package feed

import (
	"bytes"
	"errors"
	"io"
)

var errOver = errors.New("more than a record may have")

// window keeps what the decoder was given of the token or the entry it is in, without the control characters that some
// writers of feeds let through and XML does not have.
type window struct {
	r     io.Reader
	text  bytes.Buffer
	begin int64 // offset of text
	most  int64 // bytes it may have
	over  bool
	ended bool
	err   error // what r failed with
}

// Read hands on what r gives.
func (w *window) Read(p []byte) (int, error) {
	for empty := 0; empty < 100; empty++ {
		if int64(w.text.Len()) > w.most {
			w.over = true
			return 0, errOver
		}
		n, err := w.r.Read(p)
		kept := 0
		for _, c := range p[:n] {
			if c >= ' ' || c == '\t' || c == '\n' || c == '\r' {
				p[kept] = c
				kept++
			}
		}
		w.text.Write(p[:kept])
		if w.ended = err == io.EOF; !w.ended {
			w.err = err
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
	w.err = io.ErrNoProgress
	return 0, w.err
}

// drop forgets what is before an offset.
func (w *window) drop(to int64) {
	w.text.Next(int(to - w.begin))
	w.begin = to
}

// slice is what is between two offsets; good until the next drop.
func (w *window) slice(from, to int64) []byte {
	return w.text.Bytes()[from-w.begin : to-w.begin]
}

// end is the offset after everything that was read.
func (w *window) end() int64 { return w.begin + int64(w.text.Len()) }
