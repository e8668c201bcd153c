package diff

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

// Few names and few scalars, so that what is drawn twice is often the same, and paths often hit.
var (
	someNames   = []string{"a", "b", "c", "a.b", "*", "#", "é", "~/", "", "0", `"\`, "longer than eight bytes"}
	someScalars = []any{nil, true, false, "", "a", "b", "1", "é\n😀", strings.Repeat("long ", 60),
		power{1, 0}, power{-1, 0}, power{0, 0}, power{105, -1}, power{9007199254740993, 0}, power{9007199254740992, 0},
		power{1, 400}, power{1, -400}, power{123456789, 20}}
)

// power is the number digits * 10^of.
type power struct {
	digits int64
	of     int
}

func drawTree(t *rapid.T, levels int) any {
	shape := rapid.IntRange(0, 5).Draw(t, "shape")
	switch {
	case levels > 0 && shape == 0:
		elements := make([]any, rapid.IntRange(0, 4).Draw(t, "elements"))
		for i := range elements {
			elements[i] = drawTree(t, levels-1)
		}
		return elements
	case levels > 0 && shape <= 3:
		members := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			members[rapid.SampledFrom(someNames).Draw(t, "name")] = drawTree(t, levels-1)
		}
		return members
	}
	return rapid.SampledFrom(someScalars).Draw(t, "scalar")
}

// drawMutation is v with perhaps something else in one place of it.
func drawMutation(t *rapid.T, v any, levels int) any {
	if levels == 0 || rapid.IntRange(0, 5).Draw(t, "here") == 0 {
		return drawTree(t, levels)
	}
	switch v := v.(type) {
	case map[string]any:
		names := sortedNames(v)
		changed := map[string]any{}
		for _, name := range names {
			changed[name] = v[name]
		}
		if len(names) == 0 || rapid.IntRange(0, 5).Draw(t, "add") == 0 {
			changed[rapid.SampledFrom(someNames).Draw(t, "name")] = drawTree(t, levels-1)
			return changed
		}
		name := rapid.SampledFrom(names).Draw(t, "name")
		if rapid.IntRange(0, 5).Draw(t, "remove") == 0 {
			delete(changed, name)
		} else {
			changed[name] = drawMutation(t, v[name], levels-1)
		}
		return changed
	case []any:
		if len(v) == 0 {
			return []any{drawTree(t, levels-1)}
		}
		i := rapid.IntRange(0, len(v)-1).Draw(t, "place")
		changed := slices.Clone(v)
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0:
			return slices.Delete(changed, i, i+1)
		case 1:
			return slices.Insert(changed, i, drawTree(t, levels-1))
		case 2:
			j := rapid.IntRange(0, len(v)-1).Draw(t, "other")
			changed[i], changed[j] = changed[j], changed[i]
		case 3:
			changed[i] = drawMutation(t, v[i], levels-1)
		case 4:
			changed[i] = v[rapid.IntRange(0, len(v)-1).Draw(t, "copied")]
		}
		return changed
	}
	return rapid.SampledFrom(someScalars).Draw(t, "scalar")
}

func sortedNames(members map[string]any) []string {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// drawText writes a tree in one of the many ways there are.
func drawText(t *rapid.T, v any) []byte { return appendValue(t, nil, v) }

func appendValue(t *rapid.T, dst []byte, v any) []byte {
	gap := func() {
		dst = append(dst, rapid.SampledFrom([]string{"", "", "", "", " ", "\n\t", "\r\n  "}).Draw(t, "gap")...)
	}
	gap()
	defer func() { gap() }()
	switch v := v.(type) {
	case map[string]any:
		dst = append(dst, '{')
		for i, name := range rapid.Permutation(sortedNames(v)).Draw(t, "order") {
			if i > 0 {
				dst = append(dst, ',')
			}
			gap()
			dst = appendString(t, dst, name)
			gap()
			dst = appendValue(t, append(dst, ':'), v[name])
		}
		gap()
		dst = append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, element := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(t, dst, element)
		}
		gap()
		dst = append(dst, ']')
	case string:
		dst = appendString(t, dst, v)
	case power:
		dst = append(dst, drawNumber(t, v)...)
	case nil, bool:
		dst = fmt.Append(dst, strings.ReplaceAll(fmt.Sprint(v), "<nil>", "null"))
	default:
		t.Fatalf("a tree has no %T", v)
	}
	return dst
}

func appendString(t *rapid.T, dst []byte, s string) []byte {
	escape := rapid.IntRange(0, 3).Draw(t, "escape") == 0
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case escape && c > 0xffff:
			high, low := utf16.EncodeRune(c)
			dst = fmt.Appendf(dst, `\u%04x\u%04X`, high, low)
		case escape:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		default:
			dst = append(dst, string(c)...)
		}
	}
	return append(dst, '"')
}

func drawNumber(t *rapid.T, p power) string {
	sign, digits := "", strconv.FormatInt(p.digits, 10)
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	more := rapid.IntRange(0, 25).Draw(t, "zeros")
	digits += strings.Repeat("0", more)
	of := p.of - more
	if point := rapid.IntRange(0, 25).Draw(t, "point"); point > 0 {
		if missing := point + 1 - len(digits); missing > 0 {
			digits = strings.Repeat("0", missing) + digits
		}
		digits = digits[:len(digits)-point] + "." + digits[len(digits)-point:]
		of += point
	}
	for len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		digits = digits[1:]
	}
	if p.digits == 0 {
		sign = rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign of zero")
		of = rapid.IntRange(-50, 50).Draw(t, "power of zero")
	}
	if of == 0 && rapid.Bool().Draw(t, "plain") {
		return sign + digits
	}
	e := rapid.SampledFrom([]string{"e", "E"}).Draw(t, "e")
	if of >= 0 && rapid.Bool().Draw(t, "plus") {
		e += "+"
	}
	if of < 0 {
		e, of = e+"-", -of
	}
	return sign + digits + e + strings.Repeat("0", rapid.IntRange(0, 20).Draw(t, "padding")) + strconv.Itoa(of)
}

func drawPatterns(t *rapid.T, what string) []pattern {
	patterns := make([]pattern, rapid.IntRange(0, 3).Draw(t, what))
	for i := range patterns {
		patterns[i] = make(pattern, rapid.IntRange(1, 3).Draw(t, "length"))
		for j := range patterns[i] {
			if rapid.IntRange(0, 2).Draw(t, "wildcard") > 0 {
				// The first names are those most trees have.
				patterns[i][j] = new(rapid.SampledFrom(someNames[:6]).Draw(t, "step"))
			}
		}
	}
	return patterns
}

func drawOracle(t *rapid.T) oracle {
	o := oracle{unordered: drawPatterns(t, "unordered")}
	if rapid.Bool().Draw(t, "select") {
		o.selected = drawPatterns(t, "selected")
	} else {
		o.ignored = drawPatterns(t, "ignored")
	}
	return o
}

func drawPair(t *rapid.T) (before, after any) {
	before = drawTree(t, 4)
	after = before
	for range rapid.IntRange(0, 2).Draw(t, "mutations") {
		after = drawMutation(t, after, 4)
	}
	return before, after
}

// What the rules say is what the oracle says, whichever way it is asked.
func TestRulesAgreeWithTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawOracle(t)
		rules, err := NewRules(o.spec())
		if err != nil {
			t.Fatalf("NewRules(%+v): %v", o.spec(), err)
		}
		beforeTree, afterTree := drawPair(t)
		before, after := drawText(t, beforeTree), drawText(t, afterTree)
		want := o.equal(decode(t, before), decode(t, after))
		if got := rules.Fingerprint(before, "k") == rules.Fingerprint(after, "k"); got != want {
			t.Errorf("%s\nbefore %s\nafter  %s\nsame fingerprint = %v, want %v", rules, before, after, got, want)
		}
		if got := rules.Equal(before, after); got != want {
			t.Errorf("%s\nbefore %s\nafter  %s\nEqual = %v, want %v", rules, before, after, got, want)
		}
		if got := rules.Changed(before, after); (len(got) == 0) != want {
			t.Errorf("%s\nbefore %s\nafter  %s\nChanged = %q, want none = %v", rules, before, after, got, want)
		}
		again, err := ParseRules(rules.String())
		if err != nil {
			t.Fatalf("ParseRules(%s): %v", rules, err)
		}
		if again.Fingerprint(after, "k") != rules.Fingerprint(after, "k") {
			t.Errorf("%s: other fingerprint after ParseRules", rules)
		}
	})
}

// The same tree written in two ways is the same record, under any rules.
func TestSpellingIsNoChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawOracle(t)
		rules, err := NewRules(o.spec())
		if err != nil {
			t.Fatalf("NewRules(%+v): %v", o.spec(), err)
		}
		tree := drawTree(t, 4)
		before, after := drawText(t, tree), drawText(t, tree)
		if changed := rules.Changed(before, after); len(changed) > 0 {
			t.Errorf("%s\nbefore %s\nafter  %s\nchanged %q", rules, before, after, changed)
		}
		if rules.Fingerprint(before, "k") != rules.Fingerprint(after, "k") {
			t.Errorf("%s\nbefore %s\nafter  %s\nfingerprints differ", rules, before, after)
		}
	})
}

// Who has the record before, and puts the values after where the pointers say, has the record after.
func TestChangedIsAllThatChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := oracle{ignored: drawPatterns(t, "ignored"), unordered: drawPatterns(t, "unordered")}
		rules, err := NewRules(o.spec())
		if err != nil {
			t.Fatalf("NewRules(%+v): %v", o.spec(), err)
		}
		beforeTree, afterTree := drawPair(t)
		before, after := drawText(t, beforeTree), drawText(t, afterTree)
		fields := rules.Fields(before, after)
		var pointers []string
		result := decode(t, before)
		for _, f := range fields {
			pointers = append(pointers, f.Pointer)
			checkSide(t, before, f.Pointer, f.Before)
			checkSide(t, after, f.Pointer, f.After)
			if f.After != nil {
				result = patch(t, result, pointerNames(f.Pointer), decode(t, f.After))
			}
		}
		// From the end, so that elements do not move before their turn.
		for _, f := range slices.Backward(fields) {
			if f.After == nil {
				result = patch(t, result, pointerNames(f.Pointer), absent{})
			}
		}
		if !o.equal(result, decode(t, after)) {
			t.Errorf("%s\nbefore %s\nafter  %s\nfields %v\ngive %v", rules, before, after, fields, result)
		}
		if changed := rules.Changed(before, after); !slices.Equal(changed, pointers) {
			t.Errorf("Changed = %q, Fields have %q", changed, pointers)
		}
	})
}

// checkSide checks that a field shows what its pointer points at.
func checkSide(t *rapid.T, body []byte, pointer string, shown json.RawMessage) {
	there, ok := resolve(decode(t, body), pointer)
	switch {
	case ok != (shown != nil):
		t.Errorf("%s at %q: shown %q, there %v", body, pointer, shown, there)
	case ok && !same(there, decode(t, shown)):
		t.Errorf("%s at %q: shown %s, there %v", body, pointer, shown, there)
	}
}

// Under select, each pointer leads into what is selected.
func TestSelectTellsOnlyTheSelected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := oracle{selected: append(drawPatterns(t, "selected"), pattern{new("a")})}
		rules, err := NewRules(o.spec())
		if err != nil {
			t.Fatalf("NewRules(%+v): %v", o.spec(), err)
		}
		beforeTree, afterTree := drawPair(t)
		before, after := drawText(t, beforeTree), drawText(t, afterTree)
		selects := func(body []byte, pointer string) bool {
			there, ok := resolve(o.project(decode(t, body), nil, false), pointer)
			return ok && there != any(absent{})
		}
		for _, f := range rules.Fields(before, after) {
			if !selects(before, f.Pointer) && !selects(after, f.Pointer) {
				t.Errorf("%s\nbefore %s\nafter  %s\ntells %q, where nothing is selected", rules, before, after, f.Pointer)
			}
		}
	})
}
