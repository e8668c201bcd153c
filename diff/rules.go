package diff

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Form is the version of the canonical form: what counts as equal and how it is hashed. It stands in every written rule
// set, and a rise of it makes stored fingerprints worthless.
const Form = 1

// ErrForm says that rules were written under another version of the canonical form.
var ErrForm = errors.New("another version of the canonical form")

// Spec is the comparison a job asks for, as dotted paths. `*` or `#` in the place of a name stands for every element of
// an array and every member of an object; a backslash makes the next character literal (`a\.b`, `\*`). A plain name
// never reaches into an array: the price of each line is `lines.*.price`.
type Spec struct {
	Ignore    []string `json:"ignore,omitempty"`    // treated as if it were not there
	Select    []string `json:"select,omitempty"`    // only this counts; excludes Ignore
	Unordered []string `json:"unordered,omitempty"` // arrays compared as multisets
}

// Rules decide whether two bodies say the same. They are immutable and safe for concurrent use. The zero Rules compare
// everything.
type Rules struct {
	root *node
	text string
}

// written is the stable text of rules.
type written struct {
	Form int `json:"form"`
	Spec
}

// NewRules compiles a spec. An error names the path that is wrong.
func NewRules(spec Spec) (*Rules, error) {
	if len(spec.Ignore) > 0 && len(spec.Select) > 0 {
		return nil, errors.New("select and ignore exclude each other: keep one of them")
	}
	var paths []rule
	var clean Spec
	for _, list := range []struct {
		what      string
		effect    effect
		from      []string
		canonical *[]string
	}{
		{"ignore", ignores, spec.Ignore, &clean.Ignore},
		{"select", selects, spec.Select, &clean.Select},
		{"unordered", unorders, spec.Unordered, &clean.Unordered},
	} {
		for _, path := range list.from {
			steps, err := splitPath(path)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list.what, err)
			}
			paths = append(paths, rule{steps, list.effect})
			*list.canonical = append(*list.canonical, joinPath(steps))
		}
		slices.Sort(*list.canonical)
		*list.canonical = slices.Compact(*list.canonical)
	}
	root, err := compile(paths, len(spec.Select) == 0)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(written{Form, clean}); err != nil {
		return nil, fmt.Errorf("write comparison rules: %w", err)
	}
	return &Rules{root: root, text: strings.TrimSuffix(text.String(), "\n")}, nil
}

// ParseRules reads what String wrote. Rules of another version of the canonical form are ErrForm.
func ParseRules(text string) (*Rules, error) {
	var w written
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return nil, fmt.Errorf("read comparison rules: %w", err)
	}
	if w.Form != Form {
		return nil, fmt.Errorf("read comparison rules: form %d, this version has %d: %w", w.Form, Form, ErrForm)
	}
	rules, err := NewRules(w.Spec)
	if err != nil {
		return nil, fmt.Errorf("read comparison rules: %w", err)
	}
	return rules, nil
}

// String is the stable text of the rules: two sets of rules with the same paths have the same text, in whatever order
// and spelling the paths were given.
func (r *Rules) String() string {
	if r.text == "" {
		return fmt.Sprintf(`{"form":%d}`, Form)
	}
	return r.text
}

func (r *Rules) start() *node {
	if r.root == nil {
		return plain
	}
	return r.root
}
