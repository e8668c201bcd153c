package configs

import "testing"

// What is taken here must be taken where paths are compiled: a path refused there would fail a reload half-way.
func TestStarStandsForAWholeName(t *testing.T) {
	for path, ok := range map[string]bool{
		"a.*.b": true, `a\*b`: true, `\*`: true, `a\\.b`: true,
		"a*b": false, "*b": false, "a.b*": false, `a\\*`: false, "**": false,
	} {
		if err := checkPath(path, false); (err == nil) != ok {
			t.Errorf("path %q: %v, want it taken: %v", path, err, ok)
		}
	}
}
