package decode

import (
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrEmpty is a document without a single byte of content.
var ErrEmpty = errors.New("the body is empty")

// ItemsError is a valid document that does not hold its records where they were said to be.
type ItemsError struct {
	Path  Path
	Found string // "missing", "null", "a string" ...
	Body  string // what the whole body is, where that is why the path is missing
}

func (e *ItemsError) Error() string {
	switch {
	case len(e.Path) == 0:
		return fmt.Sprintf("the body is %s, not an array; items names the path to the array", e.Found)
	case e.Found == missing && e.Body != "":
		return fmt.Sprintf("items path %q is missing: the body is %s", e.Path, e.Body)
	case e.Found == missing:
		return fmt.Sprintf("items path %q is missing", e.Path)
	default:
		return fmt.Sprintf("items path %q is %s, not an array", e.Path, e.Found)
	}
}

// SyntaxError is a document that is not valid JSON: malformed, cut short, with a member name twice or with text that is
// not UTF-8. Offset counts bytes from the start of the document; Line is set for line-delimited documents only.
type SyntaxError struct {
	Offset  int64
	Line    int
	Pointer string // JSON Pointer (RFC 6901) of the value it happened in
	Err     error
}

func (e *SyntaxError) Error() string {
	what := "is not valid JSON"
	if e.Truncated() {
		what = "ends in the middle of a value"
	}
	where := fmt.Sprintf("at byte %d", e.Offset)
	if e.Line > 0 {
		where = fmt.Sprintf("at line %d, byte %d of the line", e.Line, e.Offset)
	}
	if e.Pointer != "" {
		where += fmt.Sprintf(", in %q", clip(e.Pointer, 120))
	}
	if e.Truncated() {
		return fmt.Sprintf("the body %s (%s)", what, where)
	}
	return fmt.Sprintf("the body %s (%s): %s", what, where, clip(e.Err.Error(), 200))
}

// Truncated reports whether the document simply stops too early.
func (e *SyntaxError) Truncated() bool { return errors.Is(e.Err, io.ErrUnexpectedEOF) }

func (e *SyntaxError) Unwrap() error { return e.Err }

// LimitError is a document that is well formed as far as it was read but larger or deeper than allowed.
type LimitError struct {
	Item  int // record it happened in, from 1; 0 outside of any
	Limit string
}

func (e *LimitError) Error() string {
	if e.Item == 0 {
		return "the body " + e.Limit
	}
	return fmt.Sprintf("record %d %s", e.Item, e.Limit)
}

const missing = "missing"

func describe(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "not JSON"
}

func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n] + "…"
}
