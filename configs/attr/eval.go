package attr

import (
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Eval evaluates an expression. What HCL says of a name that is not there is replaced by words that name the nearest
// one that is. The value is cty.NilVal where it fails.
func Eval(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := expr.Value(ctx)
	if !diags.HasErrors() {
		return v, diags
	}
	if better := append(unknownNames(expr, ctx), unknownFunctions(expr, ctx)...); len(better) > 0 {
		diags = better
	}
	return cty.NilVal, diags
}

func unknownNames(expr hcl.Expression, ctx *hcl.EvalContext) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, t := range expr.Variables() {
		if d := unknownName(t, ctx); d != nil {
			diags = append(diags, d)
		}
	}
	return diags
}

func unknownName(t hcl.Traversal, ctx *hcl.EvalContext) *hcl.Diagnostic {
	root, roots, found := cty.NilVal, []string(nil), false
	for c := ctx; c != nil && !found; c = c.Parent() {
		root, found = c.Variables[t.RootName()]
		for name := range c.Variables {
			roots = append(roots, name)
		}
	}
	sort.Strings(roots)
	rng := t.SourceRange()
	if !found {
		detail := ""
		switch near := Suggest(t.RootName(), roots); {
		case near != "":
			detail = fmt.Sprintf("There is no %q here. Did you mean %q?", t.RootName(), near)
		case t.RootName() == "each":
			detail = "each.key and each.value are there only in a job with for_each."
		case t.RootName() == "change" || t.RootName() == "event" || t.RootName() == "body" || t.RootName() == "response" || t.RootName() == "page":
			detail = fmt.Sprintf(`%q is not known when the configuration is loaded. To write "${" itself, double the dollar sign: "$${".`, t.RootName())
		case len(roots) == 0:
			detail = fmt.Sprintf("There is no %q here: nothing can be referred to.", t.RootName())
		default:
			detail = fmt.Sprintf(`There is no %q here: an expression can use %s. Text is written in quotes.`, t.RootName(), list(roots))
		}
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown name", Detail: detail, Subject: &rng}
	}
	if len(t) < 2 {
		return nil
	}
	name, ok := member(t[1])
	if plain, _ := root.Unmark(); !ok || !plain.IsKnown() || plain.IsNull() || !plain.Type().IsObjectType() || plain.Type().HasAttribute(name) {
		return nil
	}
	var names []string
	plain, _ := root.Unmark()
	for n := range plain.Type().AttributeTypes() {
		names = append(names, n)
	}
	sort.Strings(names)
	noun := map[string]string{"var": "variable", "local": "local value"}[t.RootName()]
	if noun == "" {
		noun = t.RootName()
	}
	detail := fmt.Sprintf("There is no %s %q.", noun, name)
	switch near := Suggest(name, names); {
	case near != "":
		detail += fmt.Sprintf(" Did you mean %q?", near)
	case len(names) == 0:
		detail += " None is declared."
	case len(names) <= 12:
		detail += fmt.Sprintf(" There is %s.", list(names))
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown " + noun, Detail: detail, Subject: &rng}
}

func member(step hcl.Traverser) (string, bool) {
	switch s := step.(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() && !s.Key.IsMarked() {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

func unknownFunctions(expr hcl.Expression, ctx *hcl.EvalContext) hcl.Diagnostics {
	native, ok := expr.(hclsyntax.Node)
	if !ok {
		return nil
	}
	var names []string
	for c := ctx; c != nil; c = c.Parent() {
		for name := range c.Functions {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var diags hcl.Diagnostics
	_ = hclsyntax.VisitAll(native, func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		if !ok {
			return nil
		}
		if i := sort.SearchStrings(names, call.Name); i < len(names) && names[i] == call.Name {
			return nil
		}
		detail := fmt.Sprintf("There is no function named %q.", call.Name)
		if near := Suggest(call.Name, names); near != "" {
			detail += fmt.Sprintf(" Did you mean %q?", near)
		}
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown function", Detail: detail, Subject: call.NameRange.Ptr()})
		return nil
	})
	return diags
}
