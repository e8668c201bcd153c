package configs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/hookbridge/bridge/configs/attr"
)

// reference is what destination.NAME evaluates to: nothing that could be mistaken for text.
type reference struct{ name string }

var referenceType = cty.Capsule("destination", reflect.TypeFor[reference]())

// evaluate fills the scope that all other blocks are read in.
func (l *loading) evaluate(variables, locals []*hclsyntax.Block) {
	outside := outside{dir: l.config.Dir, environ: l.options.Environ}
	destinations := map[string]cty.Value{}
	for name := range l.names.destinations {
		destinations[name] = cty.CapsuleVal(referenceType, &reference{name})
	}
	l.scope = &hcl.EvalContext{Functions: outside.functions(), Variables: map[string]cty.Value{}}
	l.scope.Variables["var"] = l.variables(variables)
	l.scope.Variables["destination"] = cty.ObjectVal(destinations)
	l.scope.Variables["receiver"] = receiverValues(l.names.receivers)
	l.scope.Variables["local"] = cty.ObjectVal(l.locals(locals))
}

func (l *loading) variables(blocks []*hclsyntax.Block) cty.Value {
	values := map[string]cty.Value{}
	for _, b := range blocks {
		if declared(l.names.variables, b) {
			values[b.Labels[0]] = l.variable(b)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.options.Vars)) {
		if _, ok := l.names.variables[name]; !ok {
			hint := "Declare it: variable " + fmt.Sprintf("%q {}.", name)
			if near := attr.Suggest(name, slices.Sorted(maps.Keys(l.names.variables))); near != "" {
				hint = fmt.Sprintf("Did you mean --var %s=…?", near)
			}
			l.add(hcl.Diagnostics{problem(hcl.DiagError, nil, "Unknown variable", "--var %s=… sets a variable that the configuration does not have. %s", name, hint)})
		}
	}
	return cty.ObjectVal(values)
}

// variable is the value of one variable: of --var, of the environment, or its default. It is unknown after a mistake.
func (l *loading) variable(b *hclsyntax.Block) cty.Value {
	name := b.Labels[0]
	r := attr.NewReader(b.Body, l.scope, fmt.Sprintf("variable %q", name))
	defer func() { l.add(r.Done()) }()
	fallback := r.Value("default")
	secret := r.Bool("sensitive", false)
	r.String("description", "")
	if r.Failed() {
		return cty.DynamicVal
	}
	value := fallback
	text, given := l.options.Vars[name]
	from := "--var " + name
	if !given {
		from = "HOOKBRIDGE_VAR_" + name
		text, given = l.options.Environ(from)
	}
	if given {
		var err error
		if value, err = typed(text, fallback); err != nil {
			r.Errorf(b.LabelRanges[0], "Invalid value for a variable", "%s: %s.", from, err)
			return cty.DynamicVal
		}
	}
	switch {
	case value == cty.NilVal && r.Has("default"):
		return cty.NullVal(cty.DynamicPseudoType)
	case value == cty.NilVal:
		r.Errorf(b.DefRange(), "No value for a variable", "The variable %q has no default, so it must be given: --var %s=…, or HOOKBRIDGE_VAR_%s in the environment.", name, name, name)
		return cty.DynamicVal
	}
	if secret && !attr.IsSecret(value) {
		return conceal(value)
	}
	return value
}

// typed reads the text of a variable as a value of the type its default has.
func typed(text string, like cty.Value) (cty.Value, error) {
	if like == cty.NilVal || like.IsNull() {
		return cty.StringVal(text), nil
	}
	plain, _ := like.UnmarkDeep()
	t := plain.Type()
	if t == cty.String {
		return cty.StringVal(text), nil
	}
	if t.IsPrimitiveType() {
		v, err := convert.Convert(cty.StringVal(text), t)
		if err != nil {
			what := "a number"
			if t == cty.Bool {
				what = "true or false"
			}
			return cty.NilVal, fmt.Errorf("%s is required, like the default", what)
		}
		return v, nil
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf(`the default is %s, so the value is written like one, such as ["a", "b"]`, t.FriendlyName())
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() || v.Type().IsPrimitiveType() || !v.IsWhollyKnown() || v.IsNull() {
		return cty.NilVal, fmt.Errorf(`the default is %s, so the value is written like one, such as ["a", "b"]`, t.FriendlyName())
	}
	return v, nil
}

// conceal marks every string in v as secret, and v itself.
func conceal(v cty.Value) cty.Value {
	marked, err := cty.Transform(v, func(_ cty.Path, e cty.Value) (cty.Value, error) {
		if e.Type() == cty.String && e.IsKnown() && !e.IsNull() && !e.IsMarked() {
			return attr.Secret(e.AsString()), nil
		}
		return e, nil
	})
	if err != nil {
		return v.Mark(attr.Sensitive)
	}
	return marked.Mark(attr.Sensitive)
}

// locals evaluates local values in the order in which they need each other.
func (l *loading) locals(blocks []*hclsyntax.Block) map[string]cty.Value {
	w := &walk{loading: l, attrs: map[string]*hclsyntax.Attribute{}, state: map[string]int{}, values: map[string]cty.Value{}}
	for _, b := range blocks {
		if len(b.Labels) > 0 {
			l.add(hcl.Diagnostics{problem(hcl.DiagError, b.LabelRanges[0].Ptr(), "Wrong number of labels", "A locals block has no name: locals { … }.")})
		}
		for _, inner := range b.Body.Blocks {
			l.add(hcl.Diagnostics{problem(hcl.DiagError, inner.TypeRange.Ptr(), "Unsupported block",
				"A locals block holds values only: write %s = { … } with an equals sign.", inner.Type)})
		}
		for _, a := range inOrder(b.Body.Attributes) {
			if first, twice := w.attrs[a.Name]; twice {
				l.add(hcl.Diagnostics{problem(hcl.DiagError, a.NameRange.Ptr(), "Duplicate local value",
					"There is a local value %q already, at %s:%d.", a.Name, first.NameRange.Filename, first.NameRange.Start.Line)})
				continue
			}
			w.attrs[a.Name] = a
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.attrs)) {
		w.visit(name)
	}
	return w.values
}

// walk is a depth-first walk over local values.
type walk struct {
	*loading
	attrs  map[string]*hclsyntax.Attribute
	state  map[string]int // 0: not seen, 1: on the path, 2: done
	path   []string
	values map[string]cty.Value
}

func (w *walk) visit(name string) {
	a := w.attrs[name]
	if a == nil || w.state[name] == 2 {
		return // a name that is not there is reported where it is used
	}
	if w.state[name] == 1 {
		circle := append(slices.Clone(w.path[slices.Index(w.path, name):]), name)
		w.add(hcl.Diagnostics{problem(hcl.DiagError, a.NameRange.Ptr(), "Local values in a circle",
			"Each of these needs the next: %s.", strings.Join(circle, " -> "))})
		w.values[name] = cty.DynamicVal
		return
	}
	w.state[name] = 1
	w.path = append(w.path, name)
	for _, t := range a.Expr.Variables() {
		if t.RootName() != "local" {
			continue
		}
		if need, ok := second(t); ok {
			w.visit(need)
		} else {
			w.add(hcl.Diagnostics{problem(hcl.DiagError, t.SourceRange().Ptr(), "Invalid reference", "Name one local value: local.NAME.")})
		}
	}
	w.path = w.path[:len(w.path)-1]
	if w.state[name] = 2; w.values[name] != cty.NilVal {
		return // found to be in a circle
	}
	w.scope.Variables["local"] = cty.ObjectVal(w.all())
	v, diags := attr.Eval(a.Expr, w.scope)
	w.add(diags)
	if diags.HasErrors() || v == cty.NilVal {
		v = cty.DynamicVal
	}
	w.values[name] = v
}

// all are the local values with those that are not evaluated yet, so that a message can name every choice.
func (w *walk) all() map[string]cty.Value {
	all := make(map[string]cty.Value, len(w.attrs))
	for name := range w.attrs {
		if all[name] = w.values[name]; all[name] == cty.NilVal {
			all[name] = cty.DynamicVal
		}
	}
	return all
}

// second is the name behind the root of a reference: x in local.x and local["x"].
func second(t hcl.Traversal) (string, bool) {
	if len(t) < 2 {
		return "", false
	}
	switch s := t[1].(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

func inOrder(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	return slices.SortedFunc(maps.Values(attrs), func(a, b *hclsyntax.Attribute) int {
		return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte
	})
}
