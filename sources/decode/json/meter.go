package json

import (
	"bytes"
	"errors"
	"io"
)

var errOverBudget = errors.New("value exceeds its budget")

// mark is the byte order mark that some exporters put before UTF-8.
var mark = []byte("\xef\xbb\xbf")

// none is an empty input.
var none = bytes.NewReader(nil)

func dropMark(b *bytes.Buffer) {
	if bytes.HasPrefix(b.Bytes(), mark) {
		b.Next(len(mark))
	}
}

// meter reads ahead in large steps, drops a byte order mark, and hands on no more than its budget, which whoever parses
// sets anew before every value: so no single value can make the parser's buffer grow without end.
type meter struct {
	r          io.Reader
	buffer     []byte // of ahead; kept when the meter is used again
	begin, end int
	started    bool
	budget     int64
	err        error // what r said last
}

const ahead = 64 << 10

func (m *meter) reset(r io.Reader) {
	if m.buffer == nil {
		m.buffer = make([]byte, ahead)
	}
	*m = meter{r: r, buffer: m.buffer}
}

func (m *meter) Read(p []byte) (int, error) {
	if m.budget <= 0 {
		return 0, errOverBudget
	}
	if m.begin == m.end {
		if m.err != nil {
			return 0, m.err
		}
		if err := m.fill(); err != nil {
			return 0, err
		}
	}
	p = p[:min(int64(len(p)), m.budget)]
	n := copy(p, m.buffer[m.begin:m.end])
	m.begin += n
	m.budget -= int64(n)
	return n, nil
}

func (m *meter) fill() error {
	m.begin, m.end = 0, 0
	want := 1
	if !m.started {
		want = len(mark)
	}
	for empty := 0; m.end < want && m.err == nil; {
		var n int
		n, m.err = m.r.Read(m.buffer[m.end:])
		m.end += n
		if empty++; n > 0 {
			empty = 0
		} else if empty > 100 && m.err == nil {
			m.err = io.ErrNoProgress
		}
	}
	if !m.started {
		m.started = true
		if bytes.HasPrefix(m.buffer[:m.end], mark) {
			m.begin = len(mark)
		}
	}
	if m.begin == m.end {
		if m.err == nil {
			return m.fill()
		}
		return m.err
	}
	return nil
}
