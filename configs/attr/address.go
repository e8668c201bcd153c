package attr

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Address is an expression for the address of one thing. What its template takes from Root is escaped, so that an id can
// never lead to another place than the template says.
type Address struct {
	Expr hcl.Expression
	Root string // such as event
	Of   string // what that is, for messages: a webhook
}

// Text evaluates the address, part by part, with evaluate. Errors name the line of the expression, and never hold what
// was put in.
func (a Address) Text(evaluate func(hcl.Expression) (cty.Value, error)) (string, error) {
	t, ok := a.Expr.(*hclsyntax.TemplateExpr)
	if !ok {
		return a.part(a.Expr, evaluate)
	}
	var b strings.Builder
	for _, p := range t.Parts {
		s, err := a.part(p, evaluate)
		if err != nil {
			return "", err
		}
		if !a.takes(p) {
			b.WriteString(s)
			continue
		}
		if s == "" || s == "." || s == ".." {
			return "", a.failure(p, "this "+a.Of+" has nothing there that could stand in a url")
		}
		if strings.Contains(b.String(), "?") {
			b.WriteString(url.QueryEscape(s))
		} else {
			b.WriteString(url.PathEscape(s))
		}
	}
	return b.String(), nil
}

// takes reports whether a part of a template puts in something of the root as it is.
func (a Address) takes(p hclsyntax.Expression) bool {
	if call, ok := p.(*hclsyntax.FunctionCallExpr); ok && call.Name == "urlencode" {
		return false
	}
	return slices.ContainsFunc(p.Variables(), func(t hcl.Traversal) bool { return t.RootName() == a.Root })
}

func (a Address) part(expr hcl.Expression, evaluate func(hcl.Expression) (cty.Value, error)) (string, error) {
	v, err := evaluate(expr)
	if err != nil {
		return "", err
	}
	text, ok := plainText(v)
	if !ok {
		return "", a.failure(expr, "url is not a string")
	}
	return text, nil
}

func (a Address) failure(expr hcl.Expression, text string) error {
	rng := expr.Range()
	return fmt.Errorf("%s:%d: %s", rng.Filename, rng.Start.Line, text)
}

// plainText is the text of a string or of a number, in the bytes it came in.
func plainText(v cty.Value) (text string, ok bool) {
	plain, _ := v.UnmarkDeep()
	if plain.IsNull() || !plain.IsKnown() || plain.Type() != cty.String && plain.Type() != cty.Number {
		return "", false
	}
	if plain.Type() == cty.String && IsSecret(v) {
		return plain.AsString(), true
	}
	raw, err := MarshalJSON(v)
	if err == nil && plain.Type() == cty.String {
		err = json.Unmarshal(raw, &text)
		return text, err == nil
	}
	return string(raw), err == nil
}
