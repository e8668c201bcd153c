package attr

import (
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the choice that given was most likely meant for, or "". Short names must be nearer than long ones:
// two letters off is a slip in "concurrency" and another word in "key".
func Suggest(given string, choices []string) string {
	best, distance := "", 3
	if len(given) < 5 {
		distance = 2
	}
	for _, c := range choices {
		if c == given {
			continue
		}
		if strings.EqualFold(c, given) || plain(c) == plain(given) || swapped(c, given) {
			return c
		}
		if d := levenshtein.Distance(given, c, nil); d < distance && d < len(c) {
			best, distance = c, d
		}
	}
	return best
}

// plain drops what people confuse: case, dashes, underscores and a plural.
func plain(s string) string {
	return strings.TrimSuffix(strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s)), "s")
}

// swapped reports whether two neighbouring letters changed places.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i+1 < len(a); i++ {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		}
	}
	return false
}
