package diff

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// No bytes make a comparison panic or run on, and what is JSON equals itself in any layout.
func FuzzFingerprint(f *testing.F) {
	for _, c := range comparisons {
		if len(c.before) < 2000 {
			f.Add([]byte(c.before), []byte(c.after))
		}
	}
	for _, broken := range []string{``, ` `, `{`, `[`, `"`, `"\`, `-`, `1e`, `1.2.3`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `[1,`, `[,]`, `{,}`,
		`]`, `}`, `:`, `,`, `tru`, `truex`, `{"a":1}}`, `[1]2`, `{"a" 1}`, `{1:2}`, `"\ud800"`, `"\u12`, `[[]`, `{"a":]}`, "\"\xff\""} {
		f.Add([]byte(broken), []byte(order))
	}
	specs := []*Rules{
		mustRules(f, Spec{}),
		mustRules(f, Spec{Ignore: []string{"a", "*.b", "lines.*.at"}, Unordered: []string{"tags", "*", "l.*"}}),
		mustRules(f, Spec{Select: []string{"a.*", "b", "*.c"}, Unordered: []string{"a", "*.c"}}),
	}
	f.Fuzz(func(t *testing.T, before, after []byte) {
		for _, rules := range specs {
			one, other := rules.Fingerprint(before, "k"), rules.Fingerprint(after, "k")
			if one == 0 || other == 0 {
				t.Errorf("%s: fingerprint 0 of %q or %q", rules, before, after)
			}
			changed := rules.Changed(before, after)
			if equal := rules.Equal(before, after); equal != (len(changed) == 0) {
				t.Errorf("%s: %q and %q: equal %v, changed %q", rules, before, after, equal, changed)
			}
			rules.Fields(before, after)
			if !jsontext.Value(before).IsValid() {
				continue
			}
			if jsontext.Value(after).IsValid() && (one == other) != (len(changed) == 0) {
				t.Errorf("%s: %q and %q: same fingerprint %v, changed %q", rules, before, after, one == other, changed)
			}
			compact := jsontext.Value(bytes.Clone(before))
			if err := compact.Compact(); err != nil {
				t.Fatalf("compact %q: %v", before, err)
			}
			if got := rules.Fingerprint(compact, "k"); got != one {
				t.Errorf("%s: %q compacted has fingerprint %x, want %x", rules, before, got, one)
			}
		}
	})
}
