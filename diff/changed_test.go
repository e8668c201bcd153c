package diff

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFieldsShowBothSides(t *testing.T) {
	rules := mustRules(t, Spec{Ignore: []string{"at"}, Unordered: []string{"tags"}})
	for name, tc := range map[string]struct {
		before, after string
		want          []Field
	}{
		"updated": {
			`{"id":1,"price":10.50,"tags":["a"],"old":{"x":1},"at":1}`,
			`{"id":1,"price": 10.51 ,"tags":["a", "b"],"new":null,"at":2}`,
			[]Field{
				{"/price", []byte(`10.50`), []byte(`10.51`)},
				{"/tags", []byte(`["a"]`), []byte(`["a", "b"]`)},
				{"/new", nil, []byte(`null`)},
				{"/old", []byte(`{"x":1}`), nil},
			},
		},
		"created": {``, `{"id":1,"at":1,"a":{}}`, []Field{{"/id", nil, []byte(`1`)}, {"/a", nil, []byte(`{}`)}}},
		"deleted": {`{"id":1,"at":1}`, ``, []Field{{"/id", []byte(`1`), nil}}},
		"scalar":  {`1`, `"1"`, []Field{{"", []byte(`1`), []byte(`"1"`)}}},
		"broken":  {`{"id":1}`, `{"id":`, []Field{{"", []byte(`{"id":1}`), []byte(`{"id":`)}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rules.Fields([]byte(tc.before), []byte(tc.after))); diff != "" {
				t.Errorf("Fields (-want +got):\n%s", diff)
			}
		})
	}
}

// numbered is an array, or with names an object, of n numbers from start on.
func numbered(n, start int, names bool) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprint(start + i)
		if names {
			parts[i] = fmt.Sprintf(`"f%d":%s`, i, parts[i])
		}
	}
	if names {
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func TestTooManyChangesAreOne(t *testing.T) {
	rules := new(Rules)
	long := strings.Repeat("n", maxPointerBytes)
	for name, tc := range map[string]struct {
		before, after string
		want          []string
	}{
		"elements":        {`{"a":` + numbered(1001, 0, false) + `,"b":1}`, `{"a":` + numbered(1001, 1, false) + `,"b":2}`, []string{"/a", "/b"}},
		"members":         {`{"a":` + numbered(1001, 0, true) + `,"b":1}`, `{"a":` + numbered(1001, 1, true) + `,"b":2}`, []string{"/a", "/b"}},
		"members gone":    {`{"a":` + numbered(1001, 0, true) + `,"b":1}`, `{"a":{}}`, []string{"/a", "/b"}},
		"the whole body":  {numbered(1001, 0, true), numbered(1001, 1, true), []string{""}},
		"in two halves":   {`[` + numbered(600, 0, false) + `,` + numbered(600, 0, false) + `]`, `[` + numbered(600, 1, false) + `,` + numbered(600, 1, false) + `]`, []string{""}},
		"below long name": {`{"a":{"` + long + `":{"b":[1]}},"c":1}`, `{"a":{"` + long + `":{"b":[2]}},"c":2}`, []string{"/a", "/c"}},
		"after a full one": {`{"a":` + numbered(1001, 0, false) + `,"b":` + numbered(3, 0, false) + `}`,
			`{"a":` + numbered(1001, 1, false) + `,"b":` + numbered(3, 1, false) + `}`, []string{"/a", "/b/0", "/b/1", "/b/2"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, rules.Changed([]byte(tc.before), []byte(tc.after))); diff != "" {
				t.Errorf("Changed (-want +got):\n%s", diff)
			}
		})
	}
	just := rules.Changed([]byte(numbered(1000, 0, false)), []byte(numbered(1000, 1, false)))
	if len(just) != 1000 || just[0] != "/0" || just[999] != "/999" {
		t.Errorf("a thousand changes: %d told", len(just))
	}
}

func TestBrokenBodiesAreEqualByTheirBytes(t *testing.T) {
	rules := mustRules(t, Spec{Ignore: []string{"at"}})
	bodies := []string{``, `{`, `{"at":1`, `{"at":2`, `{"a":1}}`, `{"a":1`, `{"a"}`, `tru`, `"\u12"`, `-`, `1e`, `[1 2]`, `{"a":1}`}
	for _, before := range bodies {
		for _, after := range bodies {
			var want []string
			if before != after {
				want = []string{""}
			}
			if got := rules.Changed([]byte(before), []byte(after)); !slices.Equal(got, want) {
				t.Errorf("%q and %q: changed %q, want %q", before, after, got, want)
			}
			if got := rules.Fingerprint([]byte(before), "k") == rules.Fingerprint([]byte(after), "k"); got != (before == after) {
				t.Errorf("%q and %q: same fingerprint %v", before, after, got)
			}
		}
	}
}
