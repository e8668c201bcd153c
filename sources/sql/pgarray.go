package sql

import (
	"bytes"
	"errors"
)

// maxDimensions is how many dimensions an array of PostgreSQL can have.
const maxDimensions = 6

var errArray = errors.New("is an array in a form that is not known; cast it to text, or use to_jsonb")

// pgArray writes an array, of one dimension or several, as one of JSON (PostgreSQL, "Array Input and Output Syntax").
func pgArray(delimiter byte, element pgWrite) pgWrite {
	return func(dst, text []byte) ([]byte, error) {
		// [0:2]={…}: the first index is not 1.
		if len(text) > 0 && text[0] == '[' {
			at := bytes.IndexByte(text, '=')
			if at < 0 {
				return dst, errArray
			}
			text = text[at+1:]
		}
		a := arrayReader{text: text, delimiter: delimiter, element: element}
		dst, err := a.array(dst, 1)
		if err == nil && a.at != len(text) {
			err = errArray
		}
		return dst, err
	}
}

type arrayReader struct {
	text      []byte
	at        int
	delimiter byte
	element   pgWrite
	scratch   []byte
}

func (a *arrayReader) peek() byte {
	if a.at < len(a.text) {
		return a.text[a.at]
	}
	return 0
}

func (a *arrayReader) array(dst []byte, depth int) ([]byte, error) {
	if a.peek() != '{' || depth > maxDimensions {
		return dst, errArray
	}
	a.at++
	dst = append(dst, '[')
	if a.peek() == '}' {
		a.at++
		return append(dst, ']'), nil
	}
	for {
		var err error
		if a.peek() == '{' {
			dst, err = a.array(dst, depth+1)
		} else {
			dst, err = a.one(dst)
		}
		if err != nil {
			return dst, err
		}
		switch a.peek() {
		case a.delimiter:
			a.at++
			dst = append(dst, ',')
		case '}':
			a.at++
			return append(dst, ']'), nil
		default:
			return dst, errArray
		}
	}
}

// one writes an element that is no array itself.
func (a *arrayReader) one(dst []byte) ([]byte, error) {
	text := a.scratch[:0]
	quoted := a.peek() == '"'
	if quoted {
		a.at++
	}
	for ; ; a.at++ {
		c := a.peek()
		switch {
		case c == 0:
			return dst, errArray
		case quoted && c == '"':
			a.at++
			a.scratch = text
			return a.element(dst, text)
		case !quoted && (c == a.delimiter || c == '}'):
			a.scratch = text
			if bytes.EqualFold(text, []byte("null")) {
				return append(dst, "null"...), nil
			}
			if len(text) == 0 {
				return dst, errArray
			}
			return a.element(dst, text)
		case !quoted && (c == '{' || c == '"'):
			return dst, errArray
		case c == '\\':
			if a.at++; a.peek() == 0 {
				return dst, errArray
			}
			c = a.peek()
		}
		text = append(text, c)
	}
}
