// Package decode is how bytes become records, whatever carried them. Each decoder is a folder below, and streams: it
// holds one record at a time, validates everything it passes over and caps size and depth.
package decode

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Format is one way to cut bytes into records, as a decode block describes it. It is safe for concurrent use.
type Format interface {
	// Identity says where in a document the records are, and is part of the identity of whatever source is read so.
	Identity() string
	// Accept is what to ask an HTTP server for: a value of the Accept header.
	Accept() string
	// Enveloped reports whether a document has anything beside its records that Options.Fields could find.
	Enveloped() bool
	// Window reports whether a document only ever shows the newest records, so that absence says nothing.
	Window() bool
	// Split hands every record of r to emit as one JSON value, with its number from 1. Memory is bounded by the largest
	// record. The document is validated to its end: what is malformed, cut short or not text is a *SyntaxError, records that
	// are not where they were said to be are an *ItemsError, something too large or too deep is a *LimitError, nothing at
	// all is ErrEmpty. What r or emit returns comes back as it is. A raw record is valid until emit returns.
	Split(r io.Reader, o Options, emit func(raw []byte, item int) error) (Envelope, error)
}

// Defaults of Options.
const (
	DefaultDepth  = 128
	DefaultRecord = 64 << 20
)

// MaxFields is how many values can be asked for beside the records.
const MaxFields = 64

// Options are the caps of one document, what is known of it and what is wanted of its envelope. The zero value has the
// defaults.
type Options struct {
	ContentType string // as the sender declared it; empty: unknown
	Fields      []Path // values wanted beside the records
	Containers  int    // bytes up to which an object or an array among Fields is kept; 0: only its kind is told
	Depth       int    // of one record
	Record      int64  // bytes of one record
	// Fits judges a table without rows; see bridge.FetchOptions. nil: every table fits.
	Fits func(row []byte) error
}

// WithDefaults fills in what is not set, and refuses what cannot be.
func (o Options) WithDefaults() (Options, error) {
	if len(o.Fields) > MaxFields {
		return o, fmt.Errorf("decode: %d envelope fields asked for, at most %d are possible", len(o.Fields), MaxFields)
	}
	if o.Depth <= 0 {
		o.Depth = DefaultDepth
	}
	if o.Record <= 0 {
		o.Record = DefaultRecord
	}
	return o, nil
}

// Check holds a record, which must be valid JSON, to the caps. Depth is counted only where there are enough brackets for
// it to matter.
func (o Options) Check(raw []byte, item int) error {
	if int64(len(raw)) > o.Record {
		return o.TooLarge(item)
	}
	if len(raw) > 2*o.Depth && bytes.Count(raw, openObject)+bytes.Count(raw, openArray) > o.Depth && Deeper(raw, o.Depth) {
		return o.TooDeep(item)
	}
	return nil
}

// TooLarge is the error of a record, or with item 0 of a document, that is larger than allowed.
func (o Options) TooLarge(item int) error {
	return &LimitError{Item: item, Limit: "is larger than " + Size(o.Record)}
}

// TooDeep is the error of a record, or with item 0 of a document, that is nested deeper than allowed.
func (o Options) TooDeep(item int) error {
	return &LimitError{Item: item, Limit: fmt.Sprintf("is nested deeper than %d levels", o.Depth)}
}

var openObject, openArray = []byte("{"), []byte("[")

// Deeper reports whether the valid JSON value raw has more than limit levels of nesting.
func Deeper(raw []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
		}
	}
	return false
}

// Field is one value of the envelope. Kind is that of jsontext, 0 where the field is missing. Raw is nil for an object or
// an array, unless Options.Containers asks for those and it is not one that the records are in.
type Field struct {
	Kind jsontext.Kind
	Raw  jsontext.Value
}

// Envelope is what a document said beside its records.
type Envelope struct {
	Items    int     // records emitted
	Fields   []Field // as asked for in Options.Fields
	Unpacked int64   // bytes of the document, where it was packed
}
