package attr

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/zclconf/go-cty/cty"
)

// maxDepth bounds how deep a value may nest before it is refused.
const maxDepth = 512

// verbatim marks a string with the text it had before cty brought it into Unicode's composed form (NFC).
type verbatim struct{ text string }

// Text returns a text as a value that MarshalJSON writes as it is here, and not in the form cty gives it.
func Text(text string) cty.Value {
	v := cty.StringVal(text)
	if v.AsString() == text {
		return v
	}
	return v.Mark(verbatim{text})
}

// original is the text a string was made of. What was built from several texts is none of them.
func original(s string, marks cty.ValueMarks) string {
	found := ""
	for m := range marks {
		if was, ok := m.(verbatim); ok && cty.NormalizeString(was.text) == s && (found == "" || was.text < found) {
			found = was.text
		}
	}
	if found == "" {
		return s
	}
	return found
}

// MarshalJSON writes a value as JSON. Numbers are exact: every digit they carry is written, and no more. A value that
// is secret, or not known, is an error.
func MarshalJSON(v cty.Value) (json.RawMessage, error) {
	return appendJSON(nil, v, 0)
}

func appendJSON(b []byte, v cty.Value, depth int) ([]byte, error) {
	var marks cty.ValueMarks
	if v.IsMarked() {
		v, marks = v.Unmark()
		for m := range marks {
			if _, harmless := m.(verbatim); !harmless {
				return nil, errors.New("it holds a secret")
			}
		}
	}
	switch {
	case v == cty.NilVal:
		return append(b, "null"...), nil
	case v.IsNull():
		return append(b, "null"...), nil
	case !v.IsKnown():
		return nil, errors.New("it is not known")
	case depth > maxDepth:
		return nil, fmt.Errorf("it nests deeper than %d levels", maxDepth)
	}
	t := v.Type()
	switch {
	case t == cty.String:
		return appendString(b, original(v.AsString(), marks))
	case t == cty.Bool:
		return strconv.AppendBool(b, v.True()), nil
	case t == cty.Number:
		return appendNumber(b, v.AsBigFloat())
	case t.IsListType(), t.IsSetType(), t.IsTupleType():
		b = append(b, '[')
		first := true
		for it := v.ElementIterator(); it.Next(); first = false {
			if !first {
				b = append(b, ',')
			}
			_, e := it.Element()
			var err error
			if b, err = appendJSON(b, e, depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case t.IsMapType(), t.IsObjectType():
		b = append(b, '{')
		first := true
		for it := v.ElementIterator(); it.Next(); first = false { // sorted by name
			if !first {
				b = append(b, ',')
			}
			k, e := it.Element()
			var err error
			if b, err = appendString(b, k.AsString()); err != nil {
				return nil, err
			}
			b = append(b, ':')
			if b, err = appendJSON(b, e, depth+1); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	return nil, errors.New("its type has no form in JSON")
}

func appendString(b []byte, s string) ([]byte, error) {
	b, err := jsontext.AppendQuote(b, s)
	if err != nil {
		return nil, errors.New("a string is not valid UTF-8")
	}
	return b, nil
}

func appendNumber(b []byte, f *big.Float) ([]byte, error) {
	if f.IsInf() {
		return nil, errors.New("a number is infinite")
	}
	// 1e999999 would become a million digits in the plain form.
	if exp := f.MantExp(nil); exp > 4096 || exp < -4096 {
		return f.Append(b, 'e', -1), nil
	}
	return f.Append(b, 'f', -1), nil
}
