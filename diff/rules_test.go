package diff

import (
	"errors"
	"strings"
	"testing"
)

func mustRules(t testing.TB, spec Spec) *Rules {
	t.Helper()
	rules, err := NewRules(spec)
	if err != nil {
		t.Fatalf("NewRules(%+v): %v", spec, err)
	}
	return rules
}

func TestRulesHaveOneText(t *testing.T) {
	for name, tc := range map[string]struct {
		spec Spec
		want string
	}{
		"nothing":              {Spec{}, `{"form":1}`},
		"sorted, once":         {Spec{Ignore: []string{"b", "a", "b"}}, `{"form":1,"ignore":["a","b"]}`},
		"one wildcard":         {Spec{Unordered: []string{"lines.#.tags", "lines.*.tags"}}, `{"form":1,"unordered":["lines.*.tags"]}`},
		"escapes that matter":  {Spec{Select: []string{`a\.b`, `\*`, `\#`, `c\\d`}}, `{"form":1,"select":["\\#","\\*","a\\.b","c\\\\d"]}`},
		"escapes that do not":  {Spec{Ignore: []string{`\@id`, `\#text`, `#text`}}, `{"form":1,"ignore":["#text","@id"]}`},
		"characters of markup": {Spec{Ignore: []string{"<&>"}}, `{"form":1,"ignore":["<&>"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			rules := mustRules(t, tc.spec)
			if got := rules.String(); got != tc.want {
				t.Fatalf("String() = %s, want %s", got, tc.want)
			}
			again, err := ParseRules(rules.String())
			if err != nil {
				t.Fatalf("ParseRules: %v", err)
			}
			if got := again.String(); got != tc.want {
				t.Errorf("after ParseRules: %s, want %s", got, tc.want)
			}
		})
	}
	if got, want := new(Rules).String(), mustRules(t, Spec{}).String(); got != want {
		t.Errorf("zero Rules: %s, want %s", got, want)
	}
}

func TestBadRulesNameThePath(t *testing.T) {
	for name, tc := range map[string]struct {
		spec Spec
		want string
	}{
		"both":           {Spec{Ignore: []string{"a"}, Select: []string{"b"}}, "select and ignore exclude each other"},
		"empty":          {Spec{Ignore: []string{""}}, `ignore: path "": empty`},
		"empty name":     {Spec{Select: []string{"a..b"}}, `select: path "a..b": a name is empty`},
		"ends in a dot":  {Spec{Unordered: []string{"a."}}, `unordered: path "a.": a name is empty`},
		"ends in escape": {Spec{Ignore: []string{`a\`}}, `ignore: path "a\\": nothing follows`},
		"half a star":    {Spec{Ignore: []string{"pri*"}}, `ignore: path "pri*": * stands for a whole name`},
		"not UTF-8":      {Spec{Ignore: []string{"a\xff"}}, `ignore: path "a\xff": not valid UTF-8`},
		"too deep":       {Spec{Ignore: []string{strings.Repeat("a.", maxDepth) + "a"}}, "names deep"},
		"too entangled":  {Spec{Ignore: entangled(16)}, "use fewer wildcards"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewRules(tc.spec)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// entangled makes n paths of n names of which each matches in another place, so that any subset of them may match.
func entangled(n int) []string {
	paths := make([]string, n)
	for i := range paths {
		names := strings.Split(strings.Repeat("*", n+1), "")
		names[i], names[n] = "a", string(rune('a'+i))
		paths[i] = strings.Join(names, ".")
	}
	return paths
}

func TestParseRulesRefusesAnotherForm(t *testing.T) {
	for _, text := range []string{`{"form":2,"ignore":["a"]}`, `{"form":0}`, `{}`} {
		if _, err := ParseRules(text); !errors.Is(err, ErrForm) {
			t.Errorf("ParseRules(%s): %v, want ErrForm", text, err)
		}
	}
	for _, text := range []string{``, `{`, `{"form":1,"ignore":["a..b"]}`} {
		if _, err := ParseRules(text); err == nil || errors.Is(err, ErrForm) {
			t.Errorf("ParseRules(%q): %v, want an error that is not ErrForm", text, err)
		}
	}
}
