package diff

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Version finds out which of two bodies of a record is the later one. It is immutable and safe for concurrent use.
type Version struct{ key keyPath }

// NewVersion prepares the dotted path of a field that only ever grows: a number, a time, or text that sorts.
func NewVersion(path string) (*Version, error) {
	k, err := NewKey([]string{path})
	if err != nil {
		return nil, fmt.Errorf("version: %w", err)
	}
	return &Version{k.paths[0]}, nil
}

// Newer reports whether a is certainly later than b. Where either has no version, or the two cannot be compared, it is
// not.
func (v *Version) Newer(a, b []byte) bool {
	x, err := v.key.in(a)
	if err != nil {
		return false
	}
	y, err := v.key.in(b)
	if err != nil || x.Type != y.Type {
		return false
	}
	if x.Type == gjson.Number {
		return newerNumber(x.Raw, y.Raw)
	}
	if s, t, ok := times(x.Str, y.Str); ok {
		return s.After(t)
	}
	return strings.Compare(x.Str, y.Str) > 0
}

// Same reports whether both bodies certainly carry the same version.
func (v *Version) Same(a, b []byte) bool {
	x, err := v.key.in(a)
	if err != nil {
		return false
	}
	y, err := v.key.in(b)
	if err != nil || x.Type != y.Type {
		return false
	}
	if s, t, ok := times(x.Str, y.Str); ok {
		return s.Equal(t)
	}
	return x.Raw == y.Raw
}

// newerNumber compares exactly, but gives up on numbers nobody counts versions in.
func newerNumber(a, b string) bool {
	const most = 64
	if len(a) > most || len(b) > most || strings.ContainsAny(a+b, "eE") {
		return false
	}
	x, ok := new(big.Rat).SetString(a)
	if !ok {
		return false
	}
	y, ok := new(big.Rat).SetString(b)
	return ok && x.Cmp(y) > 0
}

// times reads both texts as times, whose spelling does not sort across zones and fractions.
func times(a, b string) (s, t time.Time, ok bool) {
	s, ok = readTime(a)
	if !ok {
		return s, t, false
	}
	t, ok = readTime(b)
	return s, t, ok
}

// readTime reads RFC 3339, and the same with a zone that has no colon, as Java writes it.
func readTime(text string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		at, err = time.Parse("2006-01-02T15:04:05.999999999Z0700", text)
	}
	return at, err == nil
}
