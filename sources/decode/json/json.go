// Package json decodes JSON and line-delimited JSON, streaming, validating and in bounded memory.
package json

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
)

// envelopeNames is how many bytes of member names the objects around the records may have altogether: they are held to
// find duplicates, so they must not grow with the body.
const envelopeNames = 4 << 20

// envelopeField is how long a scalar asked for by path may be.
const envelopeField = 64 << 10

// Format is JSON whose records are the elements of one array. The zero value takes the whole document as the array.
type Format struct{ Items decode.Path }

// Read reads the block decode "json".
func Read(r *attr.Reader) decode.Format {
	items, err := decode.ParsePath(r.String("items", "@this"))
	if err != nil {
		r.Errorf(r.Range("items"), "Invalid path", `%v. Records are found by dotted names, such as "data.orders", or "@this" for the whole body.`, err)
	}
	return Format{Items: items}
}

// Identity is the path of the records.
func (f Format) Identity() string { return f.Items.String() }

// Accept asks for JSON.
func (Format) Accept() string { return "application/json" }

// Enveloped is true: an object around the records may say more.
func (Format) Enveloped() bool { return true }

// Window is false: a document holds everything.
func (Format) Window() bool { return false }

// Overlaps reports whether the value at path is among the records, or holds them.
func (f Format) Overlaps(path decode.Path) bool {
	n := min(len(path), len(f.Items))
	return slices.Equal(path[:n], f.Items[:n])
}

// Split cuts the array at Items into records without building trees, each as it was sent; see decode.Format. Duplicate
// names, invalid UTF-8 and anything after the document are errors of syntax, too.
func (f Format) Split(r io.Reader, o decode.Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return decode.Envelope{}, err
	}
	s := splitters.Get().(*splitter)
	defer s.release()
	s.open(r)
	s.items, s.options, s.emit = f.Items, o, emit
	if len(o.Fields) > 0 {
		s.envelope.Fields = make([]decode.Field, len(o.Fields))
	}
	err = s.document()
	return s.envelope, err
}

var splitters = sync.Pool{New: func() any { return &splitter{decoder: new(jsontext.Decoder)} }}

type splitter struct {
	decoder  *jsontext.Decoder
	in       meter
	options  decode.Options
	items    decode.Path
	emit     func([]byte, int) error
	envelope decode.Envelope
	names    int
	elsewise error // what is in the place of the records
	large    bool  // the decoder's buffer has grown beyond reason
}

func (s *splitter) open(r io.Reader) {
	// A buffer is parsed in place; everything else passes the meter, so that no value can fill memory.
	if b, ok := r.(*bytes.Buffer); ok {
		dropMark(b)
		s.decoder.Reset(b)
		return
	}
	s.in.reset(r)
	s.decoder.Reset(&s.in)
}

func (s *splitter) release() {
	if s.large {
		return // rather than to keep a buffer of that size
	}
	s.decoder.Reset(none) // let go of the reader, keep the buffer
	keep := s.in.buffer
	d := s.decoder
	*s = splitter{decoder: d}
	s.in.buffer = keep
	splitters.Put(s)
}

func (s *splitter) document() error {
	all := uint64(1)<<len(s.options.Fields) - 1
	if len(s.options.Fields) == 64 {
		all = ^uint64(0)
	}
	s.allow()
	kind := s.decoder.PeekKind()
	if kind == jsontext.KindInvalid {
		_, err := s.decoder.ReadToken()
		if errors.Is(err, io.EOF) {
			return decode.ErrEmpty
		}
		return s.fault(err, 0)
	}
	found := false
	var err error
	switch {
	case len(s.items) == 0:
		if kind != '[' {
			// Read on: a body that is no JSON at all deserves that error instead of one about its first byte.
			if err := s.skip(0); err != nil {
				return err
			}
			return &decode.ItemsError{Found: decode.Describe(kind)}
		}
		found, err = true, s.array()
	case kind == '{':
		found, err = s.object(0, true, all)
	default:
		err = s.skip(0)
	}
	if err != nil {
		return err
	}
	s.allow()
	switch _, err := s.decoder.ReadToken(); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return s.fault(err, 0)
	default:
		return &decode.SyntaxError{Offset: s.decoder.InputOffset(), Err: errors.New("something follows after the end of the document")}
	}
	if s.elsewise != nil {
		return s.elsewise
	}
	if !found {
		if kind != '{' {
			return &decode.ItemsError{Path: s.items, Found: decode.Missing, Body: decode.Describe(kind)}
		}
		return &decode.ItemsError{Path: s.items, Found: decode.Missing}
	}
	return nil
}

// object walks an object that lies on the way to the records or to a field. onWay says that the first depth names of
// items led here, fields has a bit for each field of which the same is true.
func (s *splitter) object(depth int, onWay bool, fields uint64) (found bool, err error) {
	if _, err := s.decoder.ReadToken(); err != nil {
		return false, s.fault(err, 0)
	}
	for {
		s.allow()
		token, err := s.decoder.ReadToken()
		if err != nil {
			return false, s.fault(err, 0)
		}
		if token.Kind() == '}' {
			return found, nil
		}
		name := token.String()
		if s.names += len(name) + 8; s.names > envelopeNames {
			return false, &decode.LimitError{Limit: "has too many names around its records"}
		}
		hit, err := s.member(name, depth, onWay, fields)
		if err != nil {
			return false, err
		}
		found = found || hit
	}
}

func (s *splitter) member(name string, depth int, onWay bool, fields uint64) (found bool, err error) {
	onWay = onWay && depth < len(s.items) && s.items[depth] == name
	var ends, passes uint64
	for i, path := range s.options.Fields {
		if fields&(1<<i) == 0 || depth >= len(path) || path[depth] != name {
			continue
		}
		if len(path) == depth+1 {
			ends |= 1 << i
		} else {
			passes |= 1 << i
		}
	}
	kind := s.decoder.PeekKind()
	if onWay && len(s.items) == depth+1 {
		if kind == '[' {
			return true, s.array()
		}
		// Read on: what stands beside it may say why.
		onWay = false
		if kind != jsontext.KindInvalid {
			s.elsewise = &decode.ItemsError{Path: s.items, Found: decode.Describe(kind)}
		}
	}
	if ends != 0 {
		kept, err := s.field(name, depth, onWay, ends, passes)
		if kept || err != nil {
			return false, err
		}
	}
	if kind == '{' && (onWay || passes != 0) {
		return s.object(depth+1, onWay, passes)
	}
	return false, s.skip(0)
}

// field notes the value that the fields in ends lead to; those in passes lead further. kept is false where the value is
// still to be read.
func (s *splitter) field(name string, depth int, onWay bool, ends, passes uint64) (kept bool, err error) {
	kind := s.decoder.PeekKind()
	field, limit := decode.Field{Kind: kind}, envelopeField
	if kind == '{' || kind == '[' {
		limit = s.options.Containers
		if onWay {
			limit = 0
		}
	}
	if kept = limit > 0; kept {
		s.allow()
		raw, err := s.decoder.ReadValue()
		if err != nil {
			return true, s.fault(err, 0)
		}
		if s.large = s.large || len(raw) > 1<<20; len(raw) > limit {
			return true, &decode.LimitError{Limit: fmt.Sprintf("has a value of more than %s at %q", decode.Size(int64(limit)), name)}
		}
		field.Raw = raw.Clone()
	}
	for i, path := range s.options.Fields {
		switch {
		case ends&(1<<i) != 0:
			s.envelope.Fields[i] = field
		case kept && passes&(1<<i) != 0:
			if raw, ok := within(field.Raw, path[depth+1:]); ok {
				s.envelope.Fields[i] = decode.Field{Kind: jsontext.Value(raw).Kind(), Raw: raw}
			}
		}
	}
	return kept, nil
}

// array emits every element of the array the decoder stands before.
func (s *splitter) array() error {
	if _, err := s.decoder.ReadToken(); err != nil {
		return s.fault(err, 0)
	}
	for {
		item := s.envelope.Items + 1
		s.allow()
		if s.decoder.PeekKind() == ']' {
			_, err := s.decoder.ReadToken()
			return s.fault(err, 0)
		}
		raw, err := s.decoder.ReadValue()
		if err != nil {
			return s.fault(err, item)
		}
		if err := s.options.Check(raw, item); err != nil {
			return err
		}
		s.envelope.Items, s.large = item, s.large || len(raw) > 1<<20
		if err := s.emit(raw, item); err != nil {
			return err
		}
	}
}

// skip validates and drops the next value. An object is held to its duplicates' check by the decoder, so it must fit
// the cap of a record; an array may be of any length.
func (s *splitter) skip(depth int) error {
	s.allow()
	if s.decoder.PeekKind() != '[' {
		return s.fault(s.decoder.SkipValue(), 0)
	}
	if depth > s.options.Depth {
		return s.options.TooDeep(0)
	}
	if _, err := s.decoder.ReadToken(); err != nil {
		return s.fault(err, 0)
	}
	for {
		s.allow()
		if s.decoder.PeekKind() == ']' {
			_, err := s.decoder.ReadToken()
			return s.fault(err, 0)
		}
		if err := s.skip(depth + 1); err != nil {
			return err
		}
	}
}

// allow lets the next value be as long as a record may be.
func (s *splitter) allow() {
	s.in.budget = s.options.Record + slack - int64(len(s.decoder.UnreadBuffer()))
}

const slack = 4 << 10

// fault turns what the decoder reports into an error of ours.
func (s *splitter) fault(err error, item int) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errOverBudget) {
		s.large = true
		return s.options.TooLarge(item)
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		fault := &decode.SyntaxError{Offset: syntax.ByteOffset, Pointer: string(syntax.JSONPointer), Err: syntax.Err}
		if fault.Truncated() {
			fault.Pointer = "" // by then names may have been overwritten in the decoder's buffer
		}
		return fault
	}
	if s.in.err != nil {
		return s.in.err
	}
	return err
}
