package attr

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// NotKnown is the summary of a diagnostic on a value that rests on one that could not be read. It only follows from
// another mistake, which has its own diagnostic.
const NotKnown = "Value not known"

// Value evaluates the attribute and keeps its marks. It is cty.NilVal where the attribute is missing, null or wrong.
func (r *Reader) Value(name string) cty.Value {
	a := r.attr(name)
	if a == nil {
		return cty.NilVal
	}
	v, diags := Eval(a.Expr, r.ctx)
	r.Add(diags)
	if diags.HasErrors() || v == cty.NilVal || v.IsNull() {
		return cty.NilVal
	}
	if !v.IsWhollyKnown() {
		r.Errorf(a.Expr.Range(), NotKnown, "The value of %q cannot be known when the configuration is loaded.", name)
		return cty.NilVal
	}
	return v
}

// wrong notes that a value is not what it should be, and shows the values the expression was made of, but secrets.
func (r *Reader) wrong(name string, rng hcl.Range, format string, args ...any) {
	d := &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  fmt.Sprintf("Invalid value for %q", name),
		Detail:   fmt.Sprintf(format, args...),
		Subject:  &rng,
	}
	if a := r.body.Attributes[name]; a != nil {
		d.Expression, d.EvalContext = a.Expr, r.ctx
	}
	r.shared.diags = append(r.shared.diags, d)
}

// text converts v to a plain string; ok is false, and noted, where it cannot be one.
func (r *Reader) text(name string, rng hcl.Range, v cty.Value) (s string, ok bool) {
	plain := r.reveal(v)
	if plain.IsNull() {
		r.wrong(name, rng, "A string is required, not null.")
		return "", false
	}
	if !plain.Type().IsPrimitiveType() {
		r.wrong(name, rng, "A string is required, not %s.", kind(plain))
		return "", false
	}
	c, err := convert.Convert(plain, cty.String)
	if err != nil || !c.IsKnown() || c.IsNull() {
		r.wrong(name, rng, "A string is required, not %s.", kind(plain))
		return "", false
	}
	if IsSecret(v) {
		r.remember(c.AsString())
	}
	return c.AsString(), true
}

// String reads a string, stripping its marks; def where it is missing.
func (r *Reader) String(name, def string) string {
	v := r.Value(name)
	if v == cty.NilVal {
		return def
	}
	s, ok := r.text(name, r.Range(name), v)
	if !ok {
		return def
	}
	return s
}

// Required reads a string that must be there and not be empty.
func (r *Reader) Required(name string) string {
	if !r.required(name) {
		return ""
	}
	before := len(r.shared.diags)
	s := r.String(name, "")
	if s == "" && len(r.shared.diags) == before {
		r.empty(name)
	}
	return s
}

func (r *Reader) required(name string) bool {
	if r.attr(name) != nil {
		return true
	}
	if r.Missing(name) {
		r.Errorf(r.body.MissingItemRange(), "Missing required argument", "The argument %q is required in %s, but it is not there.", name, r.what)
	}
	return false
}

// Missing reports whether there is neither an attribute nor a block of this name, nor one that looks like it misspelt:
// that one is reported by Done where it stands, with the name it was meant for.
func (r *Reader) Missing(name string) bool {
	if r.body.Attributes[name] != nil {
		return false
	}
	for written := range r.body.Attributes {
		if !slices.Contains(r.names, written) && Suggest(written, []string{name}) == name {
			return false
		}
	}
	return !slices.ContainsFunc(r.body.Blocks, func(b *hclsyntax.Block) bool {
		return b.Type == name || !slices.Contains(r.blocks, b.Type) && Suggest(b.Type, []string{name}) == name
	})
}

func (r *Reader) empty(name string) {
	r.wrong(name, r.Range(name), "%q must not be empty.", name)
}

// Duration reads a Go duration such as "1m30s" that is no less than min.
func (r *Reader) Duration(name string, def, min time.Duration) time.Duration {
	v := r.Value(name)
	if v == cty.NilVal {
		return def
	}
	d, ok := r.duration(name, r.Range(name), v, min)
	if !ok {
		return def
	}
	return d
}

// Durations reads a list of durations, each no less than min.
func (r *Reader) Durations(name string, def []time.Duration, min time.Duration) []time.Duration {
	v := r.Value(name)
	if v == cty.NilVal {
		return def
	}
	var all []time.Duration
	r.each(name, v, false, func(rng hcl.Range, e cty.Value) {
		if d, ok := r.duration(name, rng, e, min); ok {
			all = append(all, d)
		}
	})
	return all
}

func (r *Reader) duration(name string, rng hcl.Range, v cty.Value, min time.Duration) (time.Duration, bool) {
	const form = `a duration in quotes, such as "30s", "5m" or "1h30m"`
	if r.reveal(v).Type() != cty.String {
		r.wrong(name, rng, "%q is %s, not %s.", name, form, kind(v))
		return 0, false
	}
	s, ok := r.text(name, rng, v)
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		r.wrong(name, rng, "%s is not %s.", show(v, s), form)
		return 0, false
	case d < min && min <= 0:
		r.wrong(name, rng, "%q must not be negative.", name)
		return 0, false
	case d < min:
		r.wrong(name, rng, "%q must be at least %s.", name, Brief(min))
		return 0, false
	}
	return d, true
}

// Size reads a number of bytes: a plain number, or a string with B, KiB, MiB, GiB or TiB.
func (r *Reader) Size(name string, def int64) int64 {
	v := r.Value(name)
	if v == cty.NilVal {
		return def
	}
	s, ok := r.text(name, r.Range(name), v)
	if !ok {
		return def
	}
	n, ok := parseSize(s)
	if !ok {
		r.wrong(name, r.Range(name), `%s is not a size: write a number of bytes, or "512KiB", "2MiB" or "2GiB".`, show(v, s))
		return def
	}
	return n
}

func parseSize(s string) (int64, bool) {
	digits := strings.TrimRight(s, "BKMGTi ")
	factor, ok := map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}[strings.TrimSpace(s[len(digits):])]
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n <= 0 || n > math.MaxInt64/factor {
		return 0, false
	}
	return n * factor, true
}

// Int reads a whole number between min and max.
func (r *Reader) Int(name string, def, min, max int) int {
	v := r.Value(name)
	if v == cty.NilVal {
		return def
	}
	n, err := convert.Convert(r.reveal(v), cty.Number)
	if err != nil || n.IsNull() || !n.IsKnown() {
		r.wrong(name, r.Range(name), "%q is a whole number, not %s.", name, kind(v))
		return def
	}
	i, accuracy := n.AsBigFloat().Int64()
	if accuracy != 0 {
		r.wrong(name, r.Range(name), "%q is a whole number between %d and %d.", name, min, max)
		return def
	}
	if i < int64(min) || i > int64(max) {
		r.wrong(name, r.Range(name), "%q must be between %d and %d.", name, min, max)
		return def
	}
	return int(i)
}

// Bool reads true or false.
func (r *Reader) Bool(name string, def bool) bool {
	v := r.Value(name)
	if v == cty.NilVal {
		return def
	}
	b, err := convert.Convert(r.reveal(v), cty.Bool)
	if err != nil || b.IsNull() || !b.IsKnown() {
		r.wrong(name, r.Range(name), "%q is true or false, not %s.", name, kind(v))
		return def
	}
	return b.True()
}

// Word reads one of a few words.
func (r *Reader) Word(name, def string, choices ...string) string {
	v := r.Value(name)
	if v == cty.NilVal {
		return def
	}
	s, ok := r.text(name, r.Range(name), v)
	if !ok || slices.Contains(choices, s) {
		if !ok {
			return def
		}
		return s
	}
	quoted := make([]string, len(choices))
	for i, c := range choices {
		quoted[i] = strconv.Quote(c)
	}
	hint := ""
	if near := Suggest(s, choices); near != "" && !IsSecret(v) {
		hint = fmt.Sprintf(" Did you mean %q?", near)
	}
	r.wrong(name, r.Range(name), "%s is not a choice for %q: there is %s.%s", show(v, s), name, list(quoted), hint)
	return def
}

// Rate reads a rate such as "50/s", "300/m" or "1000/h", per second; 0 where it is missing.
func (r *Reader) Rate(name string) float64 {
	v := r.Value(name)
	if v == cty.NilVal {
		return 0
	}
	s, ok := r.text(name, r.Range(name), v)
	if !ok {
		return 0
	}
	count, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(count, 64)
	per := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || per == 0 || !(n > 0) || math.IsInf(n, 0) || n > 1e9 {
		r.wrong(name, r.Range(name), `%s is not a rate: write "50/s", "300/m" or "1000/h".`, show(v, s))
		return 0
	}
	return n / per
}

// JSON reads any value as JSON, its numbers exact; nil where it is missing.
func (r *Reader) JSON(name string) json.RawMessage {
	v := r.Value(name)
	if v == cty.NilVal {
		return nil
	}
	raw, err := MarshalJSON(r.reveal(v))
	if err != nil {
		r.wrong(name, r.Range(name), "The value cannot be written as JSON: %s.", err)
		return nil
	}
	return raw
}

// show quotes a value for a message, unless it is secret.
func show(v cty.Value, s string) string {
	if IsSecret(v) {
		return "(secret)"
	}
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return strconv.Quote(s)
}

// kind names the type of v for a message: a string, a list.
func kind(v cty.Value) string {
	if v == cty.NilVal {
		return "nothing"
	}
	t := v.Type()
	switch {
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsTupleType() || t.IsListType():
		return "a list"
	case t.IsSetType():
		return "a set"
	case t.IsObjectType():
		return "an object"
	case t.IsMapType():
		return "a map"
	case t.IsCapsuleType():
		return "a " + t.FriendlyName()
	}
	return "a value of another type"
}

// Brief writes a duration without the zeros that Go puts behind it.
func Brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
