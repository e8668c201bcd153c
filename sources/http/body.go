package http

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"sync"
)

// smallBody is the size up to which a body is held and compared before it is parsed.
const smallBody = 512 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var inflaters sync.Pool // of *gzip.Reader

var errTooLarge = errors.New("the answer is larger than allowed")

// body is an answer's content, decompressed, counted and capped. err is what reading ended with, but for io.EOF.
type body struct {
	r        io.Reader
	inflater *gzip.Reader
	read     int64
	max      int64
	err      error
	open     bool    // nothing says where it ends but the end of the connection, which may as well be a failure
	last     [2]byte // read, for as much as there was
}

func openBody(resp *nethttp.Response, most int64) (*body, error) {
	b := &body{r: resp.Body, max: most, open: resp.ProtoMajor == 1 && resp.ContentLength < 0 && len(resp.TransferEncoding) == 0}
	switch encoding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		var err error
		if pooled, ok := inflaters.Get().(*gzip.Reader); ok {
			b.inflater = pooled
			err = pooled.Reset(resp.Body)
		} else {
			b.inflater, err = gzip.NewReader(resp.Body)
		}
		if err != nil {
			return nil, fmt.Errorf("the answer says it is gzip but is not: %w", err)
		}
		b.r, b.open = b.inflater, false // gzip has an end of its own
	default:
		return nil, fmt.Errorf("the answer is encoded as %q, which was not asked for", clip(encoding))
	}
	return b, nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	switch {
	case n >= 2:
		b.last = [2]byte(p[n-2 : n])
	case n == 1:
		b.last = [2]byte{b.last[1], p[0]}
	}
	if b.read > b.max {
		b.err = errTooLarge
		return 0, errTooLarge
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// whole fails for a document of lines that may have been cut short: nothing says where it ends, and its last line has not
// ended. (In UTF-16 a line break is two bytes.)
func (b *body) whole() error {
	if b.open && b.read > 0 && b.last[0] != '\n' && b.last[1] != '\n' {
		return errors.New("the answer does not end with a line break, and its server does not say where it ends (no Content-Length): it may have been cut short; have the server send one of the two")
	}
	return nil
}

func (b *body) close() {
	if b.inflater != nil {
		inflaters.Put(b.inflater)
		b.inflater = nil
	}
}

// beginning keeps what a reader gives first, to be shown in an error.
type beginning struct {
	r    io.Reader
	text []byte
}

func (b *beginning) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if room := 8<<10 - len(b.text); room > 0 {
		b.text = append(b.text, p[:min(n, room)]...)
	}
	return n, err
}
