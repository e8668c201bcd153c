package configs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/hookbridge/bridge/configs/attr"
)

// InboundEvent is a webhook as expressions see it, under the name of event.
type InboundEvent struct {
	Receiver string
	ID       string          // the sender's; empty where it has none
	Header   http.Header     // in canonical form
	Body     json.RawMessage // decoded to JSON, and valid
}

// question is an expression that is asked at run time, with what it needs of the one thing it is about.
type question struct {
	name string // of the attribute
	root string // event or change
	expr hcl.Expression
	need *attr.Need
}

// ask prepares the expression of an attribute; nil where it is not written. What it asks of its subject that no such
// thing has is noted.
func ask(r *attr.Reader, name, root string, parts []string) *question {
	expr := r.Expr(name)
	if expr == nil {
		return nil
	}
	q := &question{name: name, root: root, expr: expr, need: &attr.Need{}}
	for _, v := range expr.Variables() {
		part, ok := second(v)
		switch {
		case v.RootName() != root:
			if v.RootName() == "event" || v.RootName() == "change" {
				r.Errorf(v.SourceRange(), "Unknown name", "There is no %q in %s, which is about %s: it has %s.", v.RootName(), name, root, list(parts))
			}
			continue
		case ok && !slices.Contains(parts, part):
			hint := fmt.Sprintf("It has %s.", list(parts))
			if near := attr.Suggest(part, parts); near != "" {
				hint = fmt.Sprintf("Did you mean %s.%s?", root, near)
			}
			r.Errorf(v.SourceRange(), "Unknown name", "There is no %s.%s. %s", root, part, hint)
		}
		q.need.Reach(v)
	}
	return q
}

// uses reports whether the expression names anything of root.
func (q *question) uses(root string) bool {
	return q != nil && slices.ContainsFunc(q.expr.Variables(), func(t hcl.Traversal) bool { return t.RootName() == root })
}

// list joins words as a person would.
func list(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// with is a scope in which the subject of the question is known.
func (q *question) with(ctx *hcl.EvalContext, subject cty.Value) *hcl.EvalContext {
	child := ctx.NewChild()
	child.Variables = map[string]cty.Value{q.root: subject}
	return child
}

// truth answers with true or false.
func (q *question) truth(ctx *hcl.EvalContext, subject cty.Value) (bool, error) {
	v, err := evaluate(q.expr, q.with(ctx, subject))
	if err != nil {
		return false, err
	}
	v, _ = v.UnmarkDeep()
	b, err := convert.Convert(v, cty.Bool)
	if err != nil || b.IsNull() || !b.IsKnown() {
		return false, failure(q.expr, q.name+" is neither true nor false")
	}
	return b.True(), nil
}

// tryTruth finds what is never true or false, as far as that can be told of a subject of which little is known.
func (q *question) tryTruth(r *attr.Reader, ctx *hcl.EvalContext, subject cty.Value) {
	if q == nil || r.Failed() {
		return
	}
	v, diags := attr.Eval(q.expr, q.with(ctx, subject))
	if diags.HasErrors() {
		r.Add(diags)
		return
	}
	v, _ = v.UnmarkDeep()
	if b, err := convert.Convert(v, cty.Bool); err != nil || b.IsNull() {
		r.Errorf(q.expr.Range(), fmt.Sprintf("Invalid value for %q", q.name), "%s is true or false.", q.name)
	}
}

// inboundParts are what can be asked of a webhook.
var inboundParts = []string{"receiver", "id", "headers", "body"}

// inboundValue converts what is needed of a webhook. A header that is asked for by its name is found whatever its letters,
// and null where the webhook has none: senders leave out what does not apply.
func inboundValue(n *attr.Need, e InboundEvent) (cty.Value, error) {
	v := make(map[string]cty.Value, len(inboundParts))
	if n.Of("receiver") != nil {
		v["receiver"] = cty.StringVal(e.Receiver)
	}
	if n.Of("id") != nil {
		v["id"] = attr.Text(e.ID)
	}
	if m := n.Of("headers"); m != nil {
		v["headers"] = m.Header(e.Header)
	}
	if m := n.Of("body"); m != nil {
		var err error
		if v["body"], err = m.JSON(e.Body); err != nil {
			return cty.NilVal, fmt.Errorf("event.body: %w", err)
		}
	}
	return cty.ObjectVal(v), nil
}

// unknownInbound is a webhook nothing is known of but where it came in.
func unknownInbound(receiver string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"receiver": cty.StringVal(receiver), "id": cty.UnknownVal(cty.String).RefineNotNull(),
		"headers": cty.UnknownVal(cty.Map(cty.String)).RefineNotNull(), "body": cty.DynamicVal,
	})
}

// step is one member, or element of an array, on the way to a value in a body.
type step struct {
	name  string
	array bool
	index int
}

// stepsOf are the steps behind event.body of an expression that is nothing but such a way; ok is false for any other.
func stepsOf(expr hcl.Expression) (steps []step, ok bool) {
	for {
		inner, parens := expr.(*hclsyntax.ParenthesesExpr)
		if !parens {
			break
		}
		expr = inner.Expression
	}
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() || len(t) < 2 || t.RootName() != "event" {
		return nil, false
	}
	if part, named := second(t); !named || part != "body" {
		return nil, false
	}
	for i := 2; i < len(t); i++ {
		if name, named := second(t[i-1:]); named {
			steps = append(steps, step{name: name})
			continue
		}
		at, indexed := t[i].(hcl.TraverseIndex)
		if !indexed || at.Key.Type() != cty.Number {
			return nil, false
		}
		index, accuracy := at.Key.AsBigFloat().Int64()
		if accuracy != 0 || index < 0 || index > 1<<31-1 {
			return nil, false
		}
		steps = append(steps, step{index: int(index), array: true})
	}
	return steps, true
}

// reading holds a decoder with what it reads from, to be used again.
type reading struct {
	source  bytes.Reader
	decoder *jsontext.Decoder
}

// reads takes a record with a name in it twice, of which the last counts: what a source is allowed an event must bear.
var reads = jsontext.AllowDuplicateNames(true)

var readings = sync.Pool{New: func() any {
	r := &reading{}
	r.decoder = jsontext.NewDecoder(&r.source, reads)
	return r
}}

// cut returns the bytes of a value within a body, as they were sent; found is false where there is none. Of a name that
// comes twice the last counts, as everywhere.
func cut(body json.RawMessage, steps []step) (value json.RawMessage, found bool, err error) {
	r := readings.Get().(*reading)
	defer readings.Put(r)
	r.source.Reset(body)
	r.decoder.Reset(&r.source, reads)
	if value, found, err = follow(r.decoder, steps); err != nil {
		return nil, false, errors.New("event.body: it is not valid JSON")
	}
	return value, found, nil
}

func follow(d *jsontext.Decoder, steps []step) (value json.RawMessage, found bool, err error) {
	if len(steps) == 0 {
		raw, err := d.ReadValue()
		return bytes.Clone(raw), true, err
	}
	s := steps[0]
	if kind := d.PeekKind(); s.array && kind != '[' || !s.array && kind != '{' {
		return nil, false, d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, false, err
	}
	for n := 0; d.PeekKind() != '}' && d.PeekKind() != ']'; n++ {
		there := n == s.index
		if !s.array {
			name, err := d.ReadToken()
			if err != nil {
				return nil, false, err
			}
			there = name.String() == s.name
		}
		if there {
			value, found, err = follow(d, steps[1:])
		} else {
			err = d.SkipValue()
		}
		if err != nil {
			return nil, false, err
		}
	}
	_, err = d.ReadToken()
	return value, found, err
}
