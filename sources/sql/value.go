package sql

import (
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// kind is what a column holds, as far as since needs to know.
type kind byte

// The kinds of columns, as watermarks name them.
const (
	other  kind = 's' // text, and everything else
	number kind = 'n'
	moment kind = 't' // a date, or a date and time, of a type that is made for it
	mixed  kind = 'm' // each row decides: SQLite
)

// column is one column of a result.
type column struct {
	name string
	kind kind
}

// write appends a value as JSON.
type write func(dst []byte, v driver.Value) ([]byte, error)

var errNotText = errors.New("is not valid UTF-8; convert it in the query, or correct it in the database")

// appendText writes a string. Text that is not UTF-8 is an error.
func appendText[T string | []byte](dst []byte, text T) ([]byte, error) {
	dst, err := jsontext.AppendQuote(dst, text)
	if err != nil {
		return dst, errNotText
	}
	return dst, nil
}

// appendNumber writes a number with the digits a database wrote. What JSON has no number for, such as NaN, is a string.
func appendNumber[T string | []byte](dst []byte, text T) ([]byte, error) {
	negative := len(text) > 0 && text[0] == '-'
	digits := text
	if negative {
		digits = digits[1:]
	}
	for len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		digits = digits[1:]
	}
	if !numeric(digits) {
		return appendText(dst, text)
	}
	if negative {
		dst = append(dst, '-')
	}
	if digits[0] == '.' {
		dst = append(dst, '0')
	}
	return append(dst, digits...), nil
}

// numeric reports whether text is a JSON number without a sign; the zero before a point may be missing.
func numeric[T string | []byte](text T) bool {
	i := 0
	run := func() bool {
		start := i
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i > start
	}
	whole := run()
	if i < len(text) && text[i] == '.' {
		if i++; !run() {
			return false
		}
	} else if !whole {
		return false
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !run() {
			return false
		}
	}
	return i == len(text)
}

// appendFloat writes the shortest number that is read as the same float of so many bits.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// appendBytes writes bytes in base64 (RFC 4648, section 4), padded.
func appendBytes(dst, raw []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '"')
}

var errNotJSON = errors.New("is not valid JSON, or has a name twice; correct it, or cast it to text")

// appendJSON embeds a JSON value as it is.
func appendJSON(dst, raw []byte) ([]byte, error) {
	if !jsontext.Value(raw).IsValid() {
		return dst, errNotJSON
	}
	return append(dst, raw...), nil
}

// embed turns the string at the end of dst, from start on, into the JSON it holds.
func embed(dst []byte, start int) ([]byte, error) {
	switch dst[start] {
	case 'n':
		return dst, nil
	case '"':
	default:
		return dst, errors.New("is not text, so it holds no JSON; take it off the list json")
	}
	text, err := jsontext.AppendUnquote(nil, dst[start:])
	if err != nil {
		return dst, err
	}
	return appendJSON(dst[:start], text)
}

// Writers of what database/sql drivers hand out. nil is null, and never gets here.

func writeText(dst []byte, v driver.Value) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return appendText(dst, v)
	case []byte:
		return appendText(dst, v)
	}
	return writeAny(dst, v)
}

func writeNumber(dst []byte, v driver.Value) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return appendNumber(dst, v)
	case []byte:
		return appendNumber(dst, v)
	}
	return writeAny(dst, v)
}

func writeReal(dst []byte, v driver.Value) ([]byte, error) {
	if v, ok := v.(float64); ok {
		return appendFloat(dst, v, 32), nil
	}
	return writeAny(dst, v)
}

func writeJSON(dst []byte, v driver.Value) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return appendJSON(dst, []byte(v))
	case []byte:
		return appendJSON(dst, v)
	}
	return writeAny(dst, v)
}

// writeAny writes a value by its type in Go; bytes are bytes.
func writeAny(dst []byte, v driver.Value) ([]byte, error) {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v, 64), nil
	case float32:
		return appendFloat(dst, float64(v), 32), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendText(dst, v)
	case []byte:
		return appendBytes(dst, v), nil
	}
	return dst, fmt.Errorf("holds a value that has no form in JSON (%T); cast it to text", v)
}

// writeMoment writes a time with a layout.
func writeMoment(layout string) write {
	return func(dst []byte, v driver.Value) ([]byte, error) {
		at, ok := v.(time.Time)
		if !ok {
			return writeAny(dst, v)
		}
		dst = append(dst, '"')
		dst = at.AppendFormat(dst, layout)
		return append(dst, '"'), nil
	}
}
