package http

import (
	"net/url"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/zclconf/go-cty/cty"
)

// each is how the detail of a listed record is fetched, for sources whose lists show only a part of it.
type each struct {
	address     attr.Address
	ctx         *hcl.EvalContext
	need        *attr.Need  // what the address takes from the listing
	record      decode.Path // of the detail in its answer; empty: the whole
	concurrency int         // requests at a time
	asks        string      // for the identity
}

// children reads the each block; nil without one.
func children(r *attr.Reader, list *url.URL) *each {
	b := r.Block("each", 0)
	if b == nil {
		return nil
	}
	c := r.Child(b, "each")
	e := &each{address: attr.Address{Expr: c.Expr("url"), Root: "record", Of: "record"}, ctx: c.Context(), need: &attr.Need{}, concurrency: c.Int("concurrency", 4, 1, 64)}
	if text := c.String("record", ""); text != "" {
		var err error
		if e.record, err = decode.ParsePath(text); err != nil {
			c.Errorf(c.Range("record"), "Invalid path", "%v.", err)
		}
	}
	if e.address.Expr == nil {
		c.Required("url")
		return nil
	}
	e.check(c, list)
	e.asks = "each " + e.record.String() + " " + e.shape(e.need, "record").AsString()
	return e
}

// check finds what is no address of the source's own whatever the record.
func (e *each) check(c *attr.Reader, list *url.URL) {
	const summary = `Invalid value for "url"`
	expr := e.address.Expr
	c.Conceal(expr)
	taken := false
	for _, t := range expr.Variables() {
		if t.RootName() == "record" {
			e.need.Reach(t)
			taken = true
		}
	}
	v, diags := attr.Eval(expr, e.with(cty.DynamicVal))
	v, _ = v.UnmarkDeep()
	switch {
	case diags.HasErrors():
		c.Add(diags)
	case !taken:
		c.Errorf(expr.Range(), "The same for every record", "Nothing of the record is in the url, so the same detail would be fetched each time. Put its id there: ${record.id}.")
	case v.IsNull() || v.Type() != cty.String && v.Type() != cty.DynamicPseudoType:
		c.Errorf(expr.Range(), summary, "A url is a string.")
	case list != nil && v.Type() == cty.String:
		prefix := v.Range().StringPrefix()
		scheme, rest, whole := strings.Cut(prefix, "://")
		u, err := url.Parse(prefix)
		switch {
		case whole && scheme != "http" && scheme != "https", !whole && !strings.HasPrefix("https://", prefix) && !strings.HasPrefix("http://", prefix):
			c.Errorf(expr.Range(), summary, "A url begins with http:// or https://, such as https://legacy.example.com/orders/${record.id}.")
		case err == nil && strings.Contains(rest, "/") && address.Origin(u) != address.Origin(list):
			c.Errorf(expr.Range(), "Another origin", "Details are fetched with the source's login, which %s alone is shown; the url leads to %s.", address.Origin(list), address.Origin(u))
		}
	}
}

func (e *each) with(record cty.Value) *hcl.EvalContext {
	ctx := e.ctx.NewChild()
	ctx.Variables = map[string]cty.Value{"record": record}
	return ctx
}

// shape is the address with the names in it of what it takes: what is asked, whatever the records.
func (e *each) shape(n *attr.Need, at string) cty.Value {
	var names func(n *attr.Need, at string) cty.Value
	names = func(n *attr.Need, at string) cty.Value {
		if n.Whole() {
			return cty.StringVal("{" + at + "}")
		}
		members := map[string]cty.Value{}
		for _, name := range n.Names() {
			members[name] = names(n.Of(name), at+"."+name)
		}
		return cty.ObjectVal(members)
	}
	v, diags := e.address.Expr.Value(e.with(names(n, at)))
	if v, _ = v.UnmarkDeep(); diags.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		var taken []string // what it is made of, where it wants more than names
		for _, t := range e.address.Expr.Variables() {
			taken = append(taken, written(t))
		}
		return cty.StringVal(strings.Join(taken, " "))
	}
	return v
}

// of is the address of the detail of a listed record.
func (e *each) of(listing []byte) (string, error) {
	record, err := e.need.JSON(listing)
	if err != nil {
		return "", err
	}
	ctx := e.with(record)
	return e.address.Text(func(expr hcl.Expression) (cty.Value, error) {
		v, diags := expr.Value(ctx)
		if diags.HasErrors() {
			return v, where(expr, "url: "+strings.Join(strings.Fields(diags[0].Detail), " "))
		}
		return v, nil
	})
}

// emitListed hands on what came of one listed record.
func (f *fetch) emitListed(r bridge.Record) error {
	f.broken = f.emit(r)
	return f.broken
}
