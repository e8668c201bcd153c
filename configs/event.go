package configs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// Event decides of a change whether it is told, under which type and with what data. It is safe for concurrent use.
type Event struct {
	template *eventTemplate
	ctx      *hcl.EvalContext // functions, var, local and each
}

// Told is what becomes of a change.
type Told struct {
	Tell bool
	Type string          // such as orders.created
	Data json.RawMessage // nil: the default object of the format
}

// eventTemplate is what the events of all instances of a job have in common.
type eventTemplate struct {
	label           string // with the characters an event type can have
	typ, when, data hcl.Expression
	need            *attr.Need // of the change, by type and data
	whenNeed        *attr.Need // by when alone, which is asked first
	fixed           string     // type, where it is the same for every change
	usesEach        bool
}

// Eval judges a change. Only what the expressions name of it is converted. Errors name the line of the expression, and
// never hold the record. A nil Event tells everything; its type is left to the caller.
func (e *Event) Eval(c bridge.Change, origin bridge.Origin) (Told, error) {
	if e == nil || e.template == nil {
		return Told{Tell: true}, nil
	}
	t := e.template
	told := Told{Tell: true, Type: t.fixed}
	if t.when != nil {
		change, err := changeValue(t.whenNeed, c, origin)
		if err != nil {
			return Told{}, err
		}
		if told.Tell, err = t.wanted(e.with(change)); err != nil || !told.Tell {
			return Told{}, err
		}
	}
	if t.typ == nil && told.Type == "" {
		told.Type = t.label + "." + string(c.Op)
	}
	if t.data == nil && told.Type != "" {
		return told, nil
	}
	change, err := changeValue(t.need, c, origin)
	if err != nil {
		return Told{}, err
	}
	ctx := e.with(change)
	if told.Type == "" {
		if told.Type, err = t.named(ctx); err != nil {
			return Told{}, err
		}
	}
	if t.data != nil {
		if told.Data, err = t.written(ctx); err != nil {
			return Told{}, err
		}
	}
	return told, nil
}

func (e *Event) with(change cty.Value) *hcl.EvalContext {
	ctx := e.ctx.NewChild()
	ctx.Variables = map[string]cty.Value{"change": change}
	return ctx
}

func (t *eventTemplate) wanted(ctx *hcl.EvalContext) (bool, error) {
	v, err := result(t.when, ctx)
	if err != nil {
		return false, err
	}
	v, _ = v.UnmarkDeep()
	b, err := convert.Convert(v, cty.Bool)
	if err != nil || b.IsNull() || !b.IsKnown() {
		return false, failure(t.when, "when is neither true nor false")
	}
	return b.True(), nil
}

func (t *eventTemplate) named(ctx *hcl.EvalContext) (string, error) {
	v, err := result(t.typ, ctx)
	if err != nil {
		return "", err
	}
	v, _ = v.UnmarkDeep()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return "", failure(t.typ, "type is not a string")
	}
	if err := checkType(v.AsString()); err != nil {
		return "", failure(t.typ, err.Error())
	}
	return v.AsString(), nil
}

func (t *eventTemplate) written(ctx *hcl.EvalContext) (json.RawMessage, error) {
	v, err := result(t.data, ctx)
	if err != nil {
		return nil, err
	}
	raw, err := attr.MarshalJSON(v)
	if err != nil {
		return nil, failure(t.data, "data cannot be written as JSON: "+err.Error())
	}
	return raw, nil
}

// result evaluates an expression at run time. Whatever is secret in it ends there: an event has none.
func result(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, error) {
	v, err := evaluate(expr, ctx)
	if err != nil {
		return cty.NilVal, err
	}
	if attr.IsSecret(v) {
		return cty.NilVal, failure(expr, "an event cannot hold a secret")
	}
	return v, nil
}

func evaluate(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, error) {
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		d := explained(diags)[0]
		return cty.NilVal, failure(expr, strings.ToLower(d.Summary[:1])+d.Summary[1:]+": "+strings.Join(strings.Fields(d.Detail), " "))
	}
	return v, nil
}

func failure(expr hcl.Expression, text string) error {
	rng := expr.Range()
	return fmt.Errorf("%s:%d: %s", rng.Filename, rng.Start.Line, strings.TrimSuffix(text, "."))
}

var typeForm = regexp.MustCompile(`^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$`)

func checkType(s string) error {
	switch {
	case !typeForm.MatchString(s):
		return errors.New(`an event type is made of letters, digits and "_", in parts joined by dots, such as order.created`)
	case len(s) > maxName:
		return fmt.Errorf("an event type has at most %d characters", maxName)
	case strings.HasPrefix(s, "bridge.") || s == "bridge":
		return errors.New(`event types that begin with "bridge." are the bridge's own`)
	}
	return nil
}

// event compiles the event block; without one every change is told as it is.
func (t *template) event(r *attr.Reader, i instance) *Event {
	c := r.Child(r.Block("event", 0), "event")
	typ, when, data := c.Expr("type"), c.Expr("when"), c.Expr("data")
	if t.events == nil {
		t.events = newEventTemplate(t.block.Labels[0], typ, when, data)
		c.Add(t.events.checkNames())
	}
	e := &Event{template: t.events, ctx: t.scope}
	if t.events.usesEach {
		e.ctx = i.ctx
	} else if t.first != nil {
		return t.first.Event
	}
	if !c.Failed() {
		c.Add(e.try())
	}
	return e
}

func newEventTemplate(label string, typ, when, data hcl.Expression) *eventTemplate {
	t := &eventTemplate{label: strings.ReplaceAll(label, "-", "_"), need: &attr.Need{}, whenNeed: &attr.Need{}}
	for _, e := range []struct {
		from  hcl.Expression
		to    *hcl.Expression
		needs []*attr.Need
	}{{typ, &t.typ, []*attr.Need{t.need}}, {when, &t.when, []*attr.Need{t.whenNeed}}, {data, &t.data, []*attr.Need{t.need}}} {
		if e.from == nil {
			continue
		}
		*e.to = e.from
		for _, v := range e.from.Variables() {
			t.usesEach = t.usesEach || v.RootName() == "each"
			for _, n := range e.needs {
				if v.RootName() == "change" {
					n.Reach(v)
				}
			}
		}
	}
	return t
}

// parts are what can be asked of a change.
var parts = []string{"op", "key", "before", "after", "changed", "origin"}

// checkNames finds what an expression asks of a change that no change has.
func (t *eventTemplate) checkNames() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, expr := range []hcl.Expression{t.typ, t.when, t.data} {
		if expr == nil {
			continue
		}
		for _, v := range expr.Variables() {
			name, ok := second(v)
			if v.RootName() != "change" || !ok {
				continue
			}
			known := false
			for _, p := range parts {
				known = known || p == name
			}
			if known {
				continue
			}
			hint := "It has op, key, before, after, changed and origin."
			if near := attr.Suggest(name, parts); near != "" {
				hint = fmt.Sprintf("Did you mean change.%s?", near)
			}
			diags = append(diags, problem(hcl.DiagError, v.SourceRange().Ptr(), "Unknown name", "A change has no %q. %s", name, hint))
		}
	}
	return diags
}

// try evaluates the expressions as they would be for a creation, an update and a deletion of a record that nothing is
// known of: what fails then fails always.
func (e *Event) try() hcl.Diagnostics {
	t := e.template
	var diags hcl.Diagnostics
	note := func(expr hcl.Expression, op bridge.Op, summary, text string) {
		diags = append(diags, problem(hcl.DiagError, expr.Range().Ptr(), summary, "%s (with change.op = %q)", strings.TrimSuffix(text, "."), op))
	}
	for _, op := range []bridge.Op{bridge.Created, bridge.Updated, bridge.Deleted} {
		ctx := e.with(unknownChange(op))
		if t.when != nil {
			v, more := attr.Eval(t.when, ctx)
			if more.HasErrors() {
				return more
			}
			v, _ = v.UnmarkDeep()
			b, err := convert.Convert(v, cty.Bool)
			if err != nil || b.IsNull() {
				note(t.when, op, `Invalid value for "when"`, "when is true or false")
				return diags
			}
			if b.IsKnown() && b.False() {
				continue
			}
		}
		if t.typ != nil {
			v, more := attr.Eval(t.typ, ctx)
			switch {
			case more.HasErrors():
				return more
			case attr.IsSecret(v):
				note(t.typ, op, `Invalid value for "type"`, "An event cannot hold a secret")
			case v.IsNull() || v.Type() != cty.String && v.Type() != cty.DynamicPseudoType:
				note(t.typ, op, `Invalid value for "type"`, "An event type is a string")
			case v.IsKnown():
				if err := checkType(v.AsString()); err != nil {
					text := err.Error()
					note(t.typ, op, `Invalid value for "type"`, fmt.Sprintf("%q does not do: %s", v.AsString(), text))
				}
			}
		}
		if t.data != nil {
			v, more := attr.Eval(t.data, ctx)
			switch {
			case more.HasErrors():
				return more
			case attr.IsSecret(v):
				note(t.data, op, `Invalid value for "data"`, "An event cannot hold a secret")
			}
		}
		if len(diags) > 0 {
			return diags
		}
	}
	if t.typ != nil && len(t.typ.Variables()) == 0 {
		if v, more := t.typ.Value(e.ctx); !more.HasErrors() {
			t.fixed = v.AsString()
		}
	}
	return diags
}

func unknownChange(op bridge.Op) cty.Value {
	before, after := cty.DynamicVal, cty.DynamicVal
	changed := cty.ListValEmpty(cty.String)
	switch op {
	case bridge.Created:
		before = cty.NullVal(cty.DynamicPseudoType)
	case bridge.Updated:
		changed = cty.UnknownVal(cty.List(cty.String)).RefineNotNull()
	case bridge.Deleted:
		after = cty.NullVal(cty.DynamicPseudoType)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"op": cty.StringVal(string(op)), "key": cty.UnknownVal(cty.String).RefineNotNull(), "before": before, "after": after,
		"changed": changed, "origin": cty.UnknownVal(cty.String).RefineNotNull(),
	})
}
