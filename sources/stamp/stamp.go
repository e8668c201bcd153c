// Package stamp reads points in time as systems write them, and writes others alike.
package stamp

import (
	"strconv"
	"strings"
	"time"
)

// Stamp is a point in time together with the way it was written, so that another one can be written alike.
type Stamp struct {
	Text   string
	At     time.Time
	Layout string // as of time.Format; empty: a number counted from 1970
	digits int    // of a number's fraction
	unit   int64  // nanoseconds that a number counts in
}

// longest is the longest text read as a time.
const longest = 40

// Read reads a date, a date and time in any of the spellings of ISO 8601 that APIs use, with RFC 3339 as the strictest,
// and seconds, milli-, micro- or nanoseconds since 1970, told apart by their size. A time without a zone is taken as UTC.
func Read(text string) (Stamp, bool) {
	if text == "" || len(text) > longest {
		return Stamp{}, false
	}
	if s, ok := readNumber(text); ok {
		return s, true
	}
	layout, ok := layoutOf(text)
	if !ok {
		return Stamp{}, false
	}
	at, err := time.ParseInLocation(layout, text, time.UTC)
	return Stamp{Text: text, At: at, Layout: layout}, err == nil
}

func readNumber(text string) (Stamp, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || whole[0] == '+' || len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "" || strings.HasSuffix(text, ".") {
		return Stamp{}, false
	}
	s := Stamp{Text: text, digits: len(fraction)}
	switch {
	case n < 1e11: // the year 5138 in seconds, March 1973 in milliseconds
		s.unit = 1e9
	case n < 1e14:
		s.unit = 1e6
	case n < 1e17:
		s.unit = 1e3
	default:
		s.unit = 1
	}
	perSecond := int64(1e9) / s.unit
	rest, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	s.At = time.Unix(n/perSecond, n%perSecond*s.unit+rest*s.unit/1e9).UTC()
	return s, true
}

// layoutOf finds how a date, or a date and time, is written.
func layoutOf(text string) (string, bool) {
	if len(text) < len(time.DateOnly) {
		return "", false
	}
	layout, rest := time.DateOnly, text[len(time.DateOnly):]
	if rest == "" {
		return layout, true
	}
	if strings.IndexByte("Tt ", rest[0]) < 0 || len(rest) < len(" 15:04") {
		return "", false
	}
	layout, rest = layout+rest[:1]+"15:04", rest[len(" 15:04"):]
	if strings.HasPrefix(rest, ":") && len(rest) >= len(":05") {
		layout, rest = layout+":05", rest[len(":05"):]
		if rest != "" && (rest[0] == '.' || rest[0] == ',') {
			digits := len(rest) - 1 - len(strings.TrimLeft(rest[1:], "0123456789"))
			if digits == 0 || digits > 9 {
				return "", false
			}
			layout, rest = layout+rest[:1]+strings.Repeat("0", digits), rest[1+digits:]
		}
	}
	zone := strings.TrimPrefix(rest, " ")
	layout += rest[:len(rest)-len(zone)]
	switch {
	case zone == "" && rest != "":
		return "", false
	case zone == "" || zone == "Z" || zone == "z" || zone == "UTC" || zone == "GMT":
		return layout + zone, true
	case zone[0] != '+' && zone[0] != '-':
		return "", false
	}
	switch len(zone) {
	case len("-07"):
		return layout + "-07", true
	case len("-0700"):
		return layout + "-0700", true
	case len("-07:00"):
		return layout + "-07:00", true
	}
	return "", false
}

// Spell writes a time as s is written, never later than it is.
func (s Stamp) Spell(at time.Time) string {
	if s.Layout != "" {
		return at.In(s.At.Location()).Format(s.Layout)
	}
	seconds, nanos := min(at.Unix(), 9e9), int64(at.Nanosecond())
	if seconds < 0 {
		seconds, nanos = 0, 0
	}
	text := strconv.FormatInt(seconds*(1e9/s.unit)+nanos/s.unit, 10)
	if s.digits == 0 {
		return text
	}
	rest := strconv.FormatInt(1e9+nanos%s.unit*(1e9/s.unit), 10)[1:] // nine digits of what is less than a unit
	return text + "." + rest[:s.digits]
}

// Zoned reports whether the time was written with its zone.
func (s Stamp) Zoned() bool {
	if len(s.Layout) <= len(time.DateOnly) {
		return false
	}
	rest := s.Layout[len(time.DateOnly):]
	return strings.ContainsAny(rest, "Zz-+") || strings.HasSuffix(rest, "UTC") || strings.HasSuffix(rest, "GMT")
}
