package attr

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge"
)

// Sensitive marks a value that must not print. HCL carries it through expressions: what is built from a secret is one.
const Sensitive = mark("secret")

type mark string

// origin marks a value with a secret it was built from, so that the secret itself is known for scrubbing, not only the
// "Bearer …" around it.
type origin struct{ value string }

// Secret returns the text as a marked value.
func Secret(text string) cty.Value {
	return cty.StringVal(text).WithMarks(cty.NewValueMarks(Sensitive, origin{text}))
}

// IsSecret reports whether any part of v is secret.
func IsSecret(v cty.Value) bool { return v != cty.NilVal && v.HasMarkDeep(Sensitive) }

// reveal strips the marks of v and remembers the secrets it was made of.
func (r *Reader) reveal(v cty.Value) cty.Value {
	if !v.ContainsMarked() {
		return v
	}
	plain, marks := v.UnmarkDeep()
	for m := range marks {
		if o, ok := m.(origin); ok {
			r.remember(o.value)
		}
	}
	return plain
}

// Reveal strips from v what marks it as secret, for the one place that needs it.
func Reveal(v cty.Value) cty.Value {
	if !v.ContainsMarked() {
		return v
	}
	plain, marks := v.UnmarkDeepWithPaths()
	kept := marks[:0]
	for _, m := range marks {
		harmless := cty.ValueMarks{}
		for one := range m.Marks {
			if _, ok := one.(verbatim); ok {
				harmless[one] = struct{}{}
			}
		}
		if len(harmless) > 0 {
			kept = append(kept, cty.PathValueMarks{Path: m.Path, Marks: harmless})
		}
	}
	return plain.MarkWithPaths(kept)
}

// Conceal remembers every secret that an expression is made of, and what its parts make of one, whether or not
// evaluating the whole would come to it. It is for expressions that are evaluated when it is too late to remember.
func (r *Reader) Conceal(expr hcl.Expression) {
	native, ok := expr.(hclsyntax.Node)
	if whole, diags := expr.Value(r.ctx); !ok || !diags.HasErrors() && whole.IsWhollyKnown() && !IsSecret(whole) {
		return // it will never be anything else
	}
	_ = hclsyntax.VisitAll(native, func(n hclsyntax.Node) hcl.Diagnostics {
		part, ok := n.(hclsyntax.Expression)
		if !ok {
			return nil
		}
		v, diags := part.Value(r.ctx)
		if diags.HasErrors() || !IsSecret(v) {
			return nil
		}
		if plain := r.reveal(v); plain.Type() == cty.String && plain.IsKnown() && !plain.IsNull() {
			r.remember(plain.AsString())
		}
		return nil
	})
}

func (r *Reader) remember(secret string) {
	if len(secret) >= 4 && !slices.Contains(r.shared.known, secret) {
		r.shared.known = append(r.shared.known, secret)
	}
}

// Secret reads a string that is not to be printed, wherever it comes from. A line break at its end, as files have
// one, is dropped.
func (r *Reader) Secret(name string) bridge.Secret {
	v := r.Value(name)
	if v == cty.NilVal {
		return bridge.Secret{}
	}
	s, ok := r.text(name, r.Range(name), v)
	if !ok {
		return bridge.Secret{}
	}
	return r.secret(s)
}

func (r *Reader) secret(s string) bridge.Secret {
	r.remember(s)
	s = trimBreak(s)
	r.remember(s)
	return bridge.NewSecret(s)
}

// RequiredSecret is Secret for an attribute that must be there and not be empty.
func (r *Reader) RequiredSecret(name string) bridge.Secret {
	if !r.required(name) {
		return bridge.Secret{}
	}
	before := len(r.shared.diags)
	s := r.Secret(name)
	if s.Empty() && len(r.shared.diags) == before {
		r.empty(name)
	}
	return s
}

// Secrets reads a list of secrets. Empty ones are kept: only the caller knows what they mean.
func (r *Reader) Secrets(name string) []bridge.Secret {
	var secrets []bridge.Secret
	for _, s := range r.texts(name, false) {
		secrets = append(secrets, r.secret(s))
	}
	return secrets
}

func trimBreak(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}
