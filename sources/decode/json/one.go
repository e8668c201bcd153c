package json

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge/sources/decode"
)

// One cuts the one record at path out of a JSON document, as it was sent. The whole document is validated and errors are
// those of JSON, with *decode.RecordError where there is no object at path. The document is held: it may be as large as a
// record.
func One(r io.Reader, path decode.Path, o decode.Options) ([]byte, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	var buffer bytes.Buffer
	if _, err := buffer.ReadFrom(io.LimitReader(r, o.Record+1)); err != nil {
		return nil, err
	}
	if int64(buffer.Len()) > o.Record {
		return nil, o.TooLarge(0)
	}
	dropMark(&buffer)
	raw := bytes.Trim(buffer.Bytes(), " \t\r\n")
	if len(raw) == 0 {
		return nil, decode.ErrEmpty
	}
	if err := valid(raw); err != nil {
		return nil, err
	}
	if decode.Deeper(raw, o.Depth) {
		return nil, o.TooDeep(0)
	}
	raw, ok := within(raw, path)
	if !ok {
		return nil, &decode.RecordError{Path: path, Found: decode.Missing}
	}
	if kind := jsontext.Value(raw).Kind(); kind != '{' {
		return nil, &decode.RecordError{Path: path, Found: decode.Describe(kind)}
	}
	return bytes.Clone(raw), nil // without the document around it
}

// valid reports what is wrong with a document, with offsets from where its content begins.
func valid(raw []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(raw))
	_, err := decoder.ReadValue()
	if err == nil {
		if end := decoder.InputOffset(); end < int64(len(raw)) {
			return &decode.SyntaxError{Offset: end, Err: errors.New("something follows after the end of the document")}
		}
		return nil
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &decode.SyntaxError{Offset: syntax.ByteOffset, Pointer: string(syntax.JSONPointer), Err: syntax.Err}
	}
	return &decode.SyntaxError{Err: err}
}

// within finds the value that a path leads to in the valid JSON value raw.
func within(raw []byte, path decode.Path) ([]byte, bool) {
	for _, name := range path {
		inner, ok := member(raw, name)
		if !ok {
			return nil, false
		}
		raw = inner
	}
	return raw, true
}

// member finds one member of the valid JSON value raw.
func member(raw []byte, name string) ([]byte, bool) {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if token, err := decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return nil, false
	}
	for {
		token, err := decoder.ReadToken()
		if err != nil || token.Kind() == '}' {
			return nil, false
		}
		if token.String() != name {
			if decoder.SkipValue() != nil {
				return nil, false
			}
			continue
		}
		value, err := decoder.ReadValue()
		return value, err == nil
	}
}
