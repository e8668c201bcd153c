package diff

import (
	"encoding/binary"
	"math/bits"

	"github.com/go-json-experiment/json/jsontext"
)

// The functions below read bodies that were validated when they were split, and so check no more than they need to end
// and to stay within bounds on any bytes. A negative position says that the bytes are not JSON.

// space is the position of the first byte from i on that is not white space.
func space(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

const (
	everyByte   = 0x0101010101010101
	everyHigh   = 0x8080808080808080
	quotes      = '"' * everyByte
	backslashes = '\\' * everyByte
)

// closing finds the quote that ends the string whose first quote is at i, and whether anything in it is escaped.
func closing(b []byte, i int) (end int, escaped bool) {
	for i++; ; {
		// Eight bytes at a time: the lowest bit set marks the first quote or backslash.
		for i+8 <= len(b) {
			word := binary.LittleEndian.Uint64(b[i:])
			q, s := word^quotes, word^backslashes
			found := ((q-everyByte)&^q | (s-everyByte)&^s) & everyHigh
			if found != 0 {
				i += bits.TrailingZeros64(found) / 8
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' {
			i++
		}
		switch {
		case i >= len(b):
			return -1, false
		case b[i] == '"':
			return i, escaped
		}
		escaped = true
		i += 2
	}
}

// unquote appends what a string with escapes says, and whether it is a valid one.
func unquote(dst, quoted []byte) ([]byte, bool) {
	dst, err := jsontext.AppendUnquote(dst, quoted)
	return dst, err == nil
}

// word is the position behind the literal true, false or null at i.
func word(b []byte, i int) int {
	for _, literal := range [...]string{"true", "false", "null"} {
		if len(b)-i >= len(literal) && string(b[i:i+len(literal)]) == literal {
			return i + len(literal)
		}
	}
	return -1
}

// skip is the position behind the value at i, of whatever depth.
func skip(b []byte, i int) int {
	for level := 0; ; {
		i = space(b, i)
		if i >= len(b) {
			return -1
		}
		switch c := b[i]; c {
		case '"':
			end, _ := closing(b, i)
			if end < 0 {
				return -1
			}
			i = end + 1
		case '{', '[':
			level++
			i++
		case '}', ']':
			level--
			i++
		case ',', ':':
			if level == 0 {
				return -1
			}
			i++
		case 't', 'f', 'n':
			i = word(b, i)
		default:
			i = skipNumber(b, i)
		}
		switch {
		case i < 0 || level < 0:
			return -1
		case level == 0:
			return i
		}
	}
}

// skipNumber is the position behind the number at i.
func skipNumber(b []byte, i int) int {
	start := i
	for i < len(b) && ('0' <= b[i] && b[i] <= '9' || b[i] == '.' || b[i] == '-' || b[i] == '+' || b[i]|0x20 == 'e') {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
