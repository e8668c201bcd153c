package json

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
)

// Lines is line-delimited JSON (NDJSON, JSON Lines): every line is one record, blank lines are skipped. There is no
// envelope, and a document without lines is a document without records.
type Lines struct{}

// ReadLines reads the block decode "ndjson", which has nothing in it.
func ReadLines(*attr.Reader) decode.Format { return Lines{} }

// Identity is "lines".
func (Lines) Identity() string { return "lines" }

// Accept asks for the types in use for it, and for JSON, as which many servers declare it.
func (Lines) Accept() string {
	return "application/x-ndjson, application/jsonl, application/json;q=0.9"
}

// Enveloped is false: there are only records.
func (Lines) Enveloped() bool { return false }

// Window is false: a document holds everything.
func (Lines) Window() bool { return false }

// Split hands every line to emit, as it was sent; see decode.Format. A *decode.SyntaxError has the line it happened in.
func (Lines) Split(r io.Reader, o decode.Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	var envelope decode.Envelope
	o, err := o.WithDefaults()
	if err != nil {
		return envelope, err
	}
	l := lines.Get().(*line)
	defer l.release()
	l.in.reset(r)
	for number := 1; ; number++ {
		raw, err := l.next(o.Record)
		if err != nil && !errors.Is(err, io.EOF) {
			if errors.Is(err, errOverBudget) {
				err = o.TooLarge(envelope.Items + 1)
			}
			return envelope, err
		}
		if raw = bytes.Trim(raw, " \t\r\n"); len(raw) > 0 {
			item := envelope.Items + 1
			if !jsontext.Value(raw).IsValid() {
				return envelope, l.fault(raw, number)
			}
			if err := o.Check(raw, item); err != nil {
				return envelope, err
			}
			envelope.Items = item
			if err := emit(raw, item); err != nil {
				return envelope, err
			}
		}
		if err != nil {
			return envelope, nil
		}
	}
}

var lines = sync.Pool{New: func() any { return new(line) }}

type line struct {
	in   meter
	long []byte // a line that did not lie in the buffer as a whole
}

func (l *line) release() {
	l.in.r, l.in.err = nil, nil
	if cap(l.long) > 1<<20 {
		l.long = nil
	}
	lines.Put(l)
}

// next returns the next line, with io.EOF if it is the last.
func (l *line) next(limit int64) ([]byte, error) {
	l.long = l.long[:0]
	for {
		if l.in.begin == l.in.end {
			if l.in.err != nil {
				return l.long, l.in.err
			}
			if err := l.in.fill(); err != nil {
				return l.long, err
			}
		}
		rest := l.in.buffer[l.in.begin:l.in.end]
		cut := bytes.IndexByte(rest, '\n')
		if cut >= 0 {
			l.in.begin += cut + 1
			rest = rest[:cut]
			if len(l.long) == 0 {
				return rest, nil
			}
			l.long = append(l.long, rest...)
			return l.long, nil
		}
		if int64(len(l.long)+len(rest)) > limit+slack {
			return nil, errOverBudget
		}
		l.long = append(l.long, rest...)
		l.in.begin = l.in.end
	}
}

// fault finds out what is wrong with a line that is not valid.
func (l *line) fault(raw []byte, number int) error {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(raw))
	err := decoder.SkipValue()
	if err == nil {
		return &decode.SyntaxError{Offset: decoder.InputOffset(), Line: number, Err: errors.New("something follows after the value of the line")}
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &decode.SyntaxError{Offset: syntax.ByteOffset, Line: number, Pointer: string(syntax.JSONPointer), Err: syntax.Err}
	}
	return &decode.SyntaxError{Line: number, Err: err}
}
