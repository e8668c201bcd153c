package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// RecordError is a valid document that does not hold a record where it was said to be.
type RecordError struct {
	Path  Path
	Found string // "missing", "null", "an array" ...
}

func (e *RecordError) Error() string {
	if len(e.Path) == 0 {
		return fmt.Sprintf("the body is %s, not an object; record names the path to the object", e.Found)
	}
	if e.Found == missing {
		return fmt.Sprintf("record path %q is missing", e.Path)
	}
	return fmt.Sprintf("record path %q is %s, not an object", e.Path, e.Found)
}

// One cuts the one record at path out of a JSON document, as it was sent. The whole document is validated and errors are
// those of JSON, with *RecordError where there is no object at path. The document is held: it may be as large as a
// record.
func One(r io.Reader, path Path, o Options) ([]byte, error) {
	o = o.withDefaults()
	var buffer bytes.Buffer
	if _, err := buffer.ReadFrom(io.LimitReader(r, o.Record+1)); err != nil {
		return nil, err
	}
	if int64(buffer.Len()) > o.Record {
		return nil, &LimitError{Limit: "is larger than " + size(o.Record)}
	}
	dropMark(&buffer)
	raw := bytes.Trim(buffer.Bytes(), " \t\r\n")
	if len(raw) == 0 {
		return nil, ErrEmpty
	}
	if err := valid(raw); err != nil {
		return nil, err
	}
	if deeper(raw, o.Depth) {
		return nil, &LimitError{Limit: fmt.Sprintf("is nested deeper than %d levels", o.Depth)}
	}
	for _, name := range path {
		inner, ok := member(raw, name)
		if !ok {
			return nil, &RecordError{Path: path, Found: missing}
		}
		raw = inner
	}
	if kind := jsontext.Value(raw).Kind(); kind != '{' {
		return nil, &RecordError{Path: path, Found: describe(kind)}
	}
	return bytes.Clone(raw), nil // without the document around it
}

// valid reports what is wrong with a document, with offsets from where its content begins.
func valid(raw []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(raw))
	_, err := decoder.ReadValue()
	if err == nil {
		if end := decoder.InputOffset(); end < int64(len(raw)) {
			return &SyntaxError{Offset: end, Err: errors.New("something follows after the end of the document")}
		}
		return nil
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &SyntaxError{Offset: syntax.ByteOffset, Pointer: string(syntax.JSONPointer), Err: syntax.Err}
	}
	return &SyntaxError{Err: err}
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
