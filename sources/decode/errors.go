package decode

import (
	"cmp"
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
	case e.Found == Missing && e.Body != "":
		text := fmt.Sprintf("items path %q is missing: the body is %s", e.Path, e.Body)
		if e.Body == "an array" {
			text += `, which items = "@this" takes`
		}
		return text
	case e.Found == Missing:
		return fmt.Sprintf("items path %q is missing", e.Path)
	default:
		return fmt.Sprintf("items path %q is %s, not an array", e.Path, e.Found)
	}
}

// RecordError is a valid document that does not hold a record where it was said to be.
type RecordError struct {
	Path  Path
	Found string // "missing", "null", "an array" ...
}

func (e *RecordError) Error() string {
	if len(e.Path) == 0 {
		return fmt.Sprintf("the body is %s, not an object; record names the path to the object", e.Found)
	}
	if e.Found == Missing {
		return fmt.Sprintf("record path %q is missing", e.Path)
	}
	return fmt.Sprintf("record path %q is %s, not an object", e.Path, e.Found)
}

// RefusedError is a document that says itself that it does not hold the records, or not all of them. What it says comes
// from outside: whoever prints it scrubs it of secrets before it is cut to a length.
type RefusedError struct {
	What  string // "the answer has errors", "the answer is a fault"
	Said  string // in its own words, of any length
	Next  string // what to do about it, where that can be told
	Login bool   // it does not know who asks, as HTTP says with status 401
}

// Error is What, then no more than the beginning of what was said.
func (e *RefusedError) Error() string {
	text := e.What
	if e.Said != "" {
		text += ": " + clip(e.Said, 500)
	}
	if e.Next != "" {
		text += "; " + e.Next
	}
	return text
}

// SyntaxError is a document that is not what it should be: malformed, cut short, with a member name twice or with bytes
// that are no text. Where Line is 0, Offset counts bytes from the start of the document.
type SyntaxError struct {
	Language string // "JSON" where it is empty
	Offset   int64
	Line     int    // from 1; with it, Offset counts bytes from the start of the line
	Column   int    // field of the line, from 1, in formats that have such; 0: none
	Pointer  string // JSON Pointer (RFC 6901) of the value it happened in, as far as the parser still knows the names
	Err      error
}

func (e *SyntaxError) Error() string {
	what := "is not valid " + cmp.Or(e.Language, "JSON")
	if e.Truncated() {
		what = "ends in the middle of a value"
	}
	where := fmt.Sprintf("at byte %d", e.Offset)
	switch {
	case e.Line > 0 && e.Column > 0:
		where = fmt.Sprintf("at line %d, column %d", e.Line, e.Column)
	case e.Line > 0:
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

// Missing is what an ItemsError or RecordError found where there is nothing.
const Missing = "missing"

// Describe names the sort of a JSON value, as errors put it.
func Describe(kind jsontext.Kind) string {
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

// Size writes a number of bytes for people.
func Size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.4g MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.4g KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
