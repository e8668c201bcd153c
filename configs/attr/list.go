package attr

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge"
)

// Strings reads a list of strings.
func (r *Reader) Strings(name string) []string { return r.texts(name, false) }

// OneOrMany reads a list of strings, or a single one.
func (r *Reader) OneOrMany(name string) []string { return r.texts(name, true) }

func (r *Reader) texts(name string, one bool) []string {
	v := r.Value(name)
	if v == cty.NilVal {
		return nil
	}
	var all []string
	r.each(name, v, one, func(rng hcl.Range, e cty.Value) {
		if s, ok := r.text(name, rng, e); ok {
			all = append(all, s)
		}
	})
	return all
}

// Each calls use for every element of a list, with the place it is written at. A mark on the whole list is on every
// element. One that is no list is a diagnostic.
func (r *Reader) Each(name string, use func(hcl.Range, cty.Value)) {
	if v := r.Value(name); v != cty.NilVal {
		r.each(name, v, false, use)
	}
}

func (r *Reader) each(name string, v cty.Value, one bool, use func(hcl.Range, cty.Value)) {
	plain, marks := v.Unmark()
	t := plain.Type()
	if !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		if one {
			use(r.Range(name), v)
			return
		}
		r.wrong(name, r.Range(name), "%q is a list, written [ … ], not %s.", name, kind(plain))
		return
	}
	i := 0
	for it := plain.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		use(r.ElementRange(name, i), e.WithMarks(marks))
	}
}

// ElementRange is where an element of a list is written; where it is not written by itself, the whole attribute.
func (r *Reader) ElementRange(name string, i int) hcl.Range {
	if a := r.body.Attributes[name]; a != nil {
		if tuple, ok := a.Expr.(*hclsyntax.TupleConsExpr); ok && i >= 0 && i < len(tuple.Exprs) {
			return tuple.Exprs[i].Range()
		}
	}
	return r.Range(name)
}

// StringMap reads a map of strings, such as headers; numbers and true or false convert, nulls are left out.
func (r *Reader) StringMap(name string) map[string]string {
	pairs := map[string]string{}
	r.pairs(name, func(key, value string, _ bool) { pairs[key] = value })
	if len(pairs) == 0 {
		return nil
	}
	return pairs
}

// SecretMap reads a map of strings that are not to be printed.
func (r *Reader) SecretMap(name string) map[string]bridge.Secret {
	pairs := map[string]bridge.Secret{}
	r.pairs(name, func(key, value string, secret bool) {
		if secret {
			value = trimBreak(value)
		}
		pairs[key] = bridge.NewSecret(value)
	})
	if len(pairs) == 0 {
		return nil
	}
	return pairs
}

func (r *Reader) pairs(name string, use func(key, value string, secret bool)) {
	v := r.Value(name)
	if v == cty.NilVal {
		return
	}
	plain, marks := v.Unmark()
	if t := plain.Type(); !t.IsObjectType() && !t.IsMapType() {
		r.wrong(name, r.Range(name), "%q is a map, written { NAME = … }, not %s.", name, kind(plain))
		return
	}
	for it := plain.ElementIterator(); it.Next(); {
		k, e := it.Element()
		k, _ = k.Unmark()
		e = e.WithMarks(marks)
		if e.IsNull() {
			continue
		}
		rng := r.MemberRange(name, k.AsString())
		if !r.reveal(e).Type().IsPrimitiveType() {
			r.wrong(name, rng, "The value of %q is a string, not %s.", k.AsString(), kind(e))
			continue
		}
		if s, ok := r.text(name, rng, e); ok {
			use(k.AsString(), s, IsSecret(e))
		}
	}
}

// MemberRange is where the value of a key in a map is written; where it is not written there, the whole attribute.
func (r *Reader) MemberRange(name, key string) hcl.Range {
	if a := r.body.Attributes[name]; a != nil {
		if object, ok := a.Expr.(*hclsyntax.ObjectConsExpr); ok {
			for _, item := range object.Items {
				if hcl.ExprAsKeyword(item.KeyExpr) == key || fmt.Sprint(literal(item.KeyExpr)) == key {
					return item.ValueExpr.Range()
				}
			}
		}
	}
	return r.Range(name)
}

func literal(e hclsyntax.Expression) string {
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsMarked() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}
