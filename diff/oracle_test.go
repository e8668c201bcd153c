package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// The oracle decides the same questions as Rules in the slowest and plainest way: decoded trees, rationals, and every
// path tried at every place. It shares no code with what it judges.

// absent marks what the rules leave out.
type absent struct{}

// pattern is a path as a list of names; nil stands for a wildcard.
type pattern []*string

func (p pattern) String() string {
	var names []string
	for _, name := range p {
		if name == nil {
			names = append(names, "*")
			continue
		}
		var b strings.Builder
		for _, c := range *name {
			b.WriteByte('\\')
			b.WriteRune(c)
		}
		names = append(names, b.String())
	}
	return strings.Join(names, ".")
}

// place is where a value stands: names of members, nil for elements.
type place []*string

func (p place) in(patterns []pattern) bool {
	return slices.ContainsFunc(patterns, func(q pattern) bool {
		return slices.EqualFunc(q, p, func(want, name *string) bool {
			return want == nil || name != nil && *name == *want
		})
	})
}

func (p place) and(name *string) place { return append(slices.Clip(p), name) }

type oracle struct{ ignored, selected, unordered []pattern }

func (o oracle) spec() Spec {
	text := func(patterns []pattern) (paths []string) {
		for _, p := range patterns {
			paths = append(paths, p.String())
		}
		return paths
	}
	return Spec{Ignore: text(o.ignored), Select: text(o.selected), Unordered: text(o.unordered)}
}

func (o oracle) equal(before, after any) bool {
	return same(o.project(before, nil, len(o.selected) == 0), o.project(after, nil, len(o.selected) == 0))
}

// set is an array whose order does not count.
type set []any

// project replaces what does not count by absent, and arrays whose order does not count by sets.
func (o oracle) project(v any, at place, kept bool) any {
	kept = kept || at.in(o.selected)
	if at.in(o.ignored) {
		return absent{}
	}
	switch v := v.(type) {
	case map[string]any:
		left := map[string]any{}
		for name, member := range v {
			if m := o.project(member, at.and(&name), kept); m != any(absent{}) {
				left[name] = m
			}
		}
		if len(left) == 0 && !kept {
			return absent{}
		}
		return left
	case []any:
		var left []any
		for _, element := range v {
			left = append(left, o.project(element, at.and(nil), kept))
		}
		if at.in(o.unordered) {
			left = slices.DeleteFunc(left, func(e any) bool { return e == any(absent{}) })
		}
		for len(left) > 0 && left[len(left)-1] == any(absent{}) {
			left = left[:len(left)-1]
		}
		switch {
		case len(left) == 0 && !kept:
			return absent{}
		case at.in(o.unordered):
			return set(left)
		}
		return left
	}
	if !kept {
		return absent{}
	}
	return v
}

// same compares projected values.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if other, ok := b[name]; !ok || !same(a[name], other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case set:
		b, ok := b.(set)
		if !ok || len(a) != len(b) {
			return false
		}
		rest := slices.Clone(b)
		for _, e := range a {
			i := slices.IndexFunc(rest, func(other any) bool { return same(e, other) })
			if i < 0 {
				return false
			}
			rest = slices.Delete(rest, i, i+1)
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && rational(a).Cmp(rational(b)) == 0
	}
	switch b.(type) {
	case map[string]any, []any, set:
		return false
	}
	return a == b
}

func rational(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		panic(fmt.Sprintf("not a number: %s", n))
	}
	return r
}

func decode(t rapid.TB, body []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	return v
}

// resolve finds what a JSON Pointer points at.
func resolve(v any, pointer string) (any, bool) {
	for _, name := range pointerNames(pointer) {
		switch container := v.(type) {
		case map[string]any:
			member, ok := container[name]
			if !ok {
				return nil, false
			}
			v = member
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(container) {
				return nil, false
			}
			v = container[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func pointerNames(pointer string) []string {
	if pointer == "" {
		return nil
	}
	names := strings.Split(pointer, "/")[1:]
	for i, name := range names {
		names[i] = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
	}
	return names
}

// patch puts a value where names lead to; absent removes what is there. It returns the changed v.
func patch(t rapid.TB, v any, names []string, to any) any {
	t.Helper()
	if len(names) == 0 {
		return to
	}
	switch container := v.(type) {
	case map[string]any:
		if m := patch(t, container[names[0]], names[1:], to); m == any(absent{}) {
			delete(container, names[0])
		} else {
			container[names[0]] = m
		}
		return container
	case []any:
		i, err := strconv.Atoi(names[0])
		if err != nil || i > len(container) {
			t.Fatalf("no place %q in an array of %d", names[0], len(container))
		}
		if i == len(container) {
			container = append(container, nil)
		}
		e := patch(t, container[i], names[1:], to)
		if e == any(absent{}) {
			return slices.Delete(container, i, i+1)
		}
		container[i] = e
		return container
	}
	t.Fatalf("no place %q in a scalar", names[0])
	return nil
}
