package http

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Page is where in a source an answer is asked for. The expression of a Payload sees it as page.number, page.offset,
// page.cursor and page.size, and the time as since.value.
type Page struct {
	Number   int64  // of the answer, from 1 or the start of pagination "page"
	Offset   int64  // records before it, from 0 or the start of pagination "offset"
	Cursor   string // empty for the first answer, of which expressions see null
	Size     int    // records asked for; 0: not written
	Variable string // where pagination "relay" wants the cursor; empty: another pagination
	Since    string // time from which on is asked; empty where everything is, of which expressions see null
}

// Payload is what the requests of a source carry: the value of an expression, made into bytes. One that refers to page or
// since is evaluated anew for each answer.
type Payload struct {
	name  string
	expr  hcl.Expression // nil: not written
	ctx   *hcl.EvalContext
	write func(v cty.Value, at Page) ([]byte, error)
	quote func(text string) (string, error)
	pages []hcl.Traversal // what it refers to of page
	since []hcl.Traversal // what it refers to of since
	relay string          // variable that takes the cursor without being referred to; empty: none
}

// ReadPayload reads the attribute name. write makes bytes of the value of its expression, cty.NilVal where there is none,
// without a mark of secrecy; its errors say what is wrong with the value, without showing it. quote, which may be nil,
// makes a text of page safe for where the expression puts it.
func ReadPayload(r *attr.Reader, name string, write func(v cty.Value, at Page) ([]byte, error), quote func(string) (string, error)) *Payload {
	p := &Payload{name: name, expr: r.Expr(name), ctx: r.Context(), write: write, quote: quote}
	if p.expr == nil {
		return p
	}
	r.Conceal(p.expr)
	for _, t := range p.expr.Variables() {
		switch t.RootName() {
		case "page":
			p.pages = append(p.pages, t)
		case "since":
			p.since = append(p.since, t)
		}
	}
	return p
}

// moves reports whether requests differ by what they carry.
func (p *Payload) moves() bool {
	return p != nil && (len(p.pages) > 0 || len(p.since) > 0 || p.relay != "")
}

// dates reports whether the expression refers to the time that is asked from.
func (p *Payload) dates() bool { return p != nil && len(p.since) > 0 }

// uses reports whether the expression refers to one of these parts of page.
func (p *Payload) uses(parts ...string) bool {
	return p != nil && slices.ContainsFunc(p.pages, func(t hcl.Traversal) bool { return slices.Contains(parts, partOf(t)) })
}

// partOf is the name behind page or since; empty where it is none.
func partOf(t hcl.Traversal) string {
	if len(t) > 1 {
		if step, ok := t[1].(hcl.TraverseAttr); ok {
			return step.Name
		}
	}
	return ""
}

// check holds what the expression refers to of page to the pagination there is, and tries it: first is what is carried
// for the first page, asks the value it is made of for a page that is the same whatever the pagination.
func (p *Payload) check(r *attr.Reader, paging *paging) (first []byte, asks cty.Value) {
	if !p.refers(r, paging) {
		return nil, cty.NilVal
	}
	start := paging.first(&url.URL{}).Page
	first, ok := p.try(r, start)
	if ok && paging.kind == byCursor && p.moves() {
		start.Number, start.Offset, start.Cursor = 2, 1, `next<&"'>`
		if _, diags := p.value(start); diags.HasErrors() {
			start.Cursor = "1" // some cursors are reckoned with
		}
		_, ok = p.try(r, start)
	}
	if ok && p.dates() {
		start.Since = "2026-01-31T12:00:00Z"
		_, ok = p.try(r, start)
	}
	if ok && p.expr != nil {
		var diags hcl.Diagnostics
		asks, diags = p.value(Page{Number: 1, Size: 1})
		r.Add(diags)
	}
	return first, asks
}

// refers notes what the expression refers to of page that is not there.
func (p *Payload) refers(r *attr.Reader, paging *paging) bool {
	parts := []string{"number", "offset"}
	if paging.size > 0 {
		parts = append(parts, "size")
	}
	if paging.kind == byCursor {
		parts = append(parts, "cursor")
	}
	before := r.Errors()
	for _, t := range p.since {
		if len(r.Blocks("since")) == 0 {
			r.Errorf(t.SourceRange(), "Nothing to ask from", "since.value is the time that a since block finds in the records; add one.")
		} else if partOf(t) != "value" {
			r.Errorf(t.SourceRange(), "Unknown name", "Of since there is since.value.")
		}
	}
	for _, t := range p.pages {
		part := partOf(t)
		switch {
		case paging.kind == single && before > 0:
			return false // the mistake may be in the pagination
		case paging.kind == single:
			r.Errorf(t.SourceRange(), "No pages", "page is what changes from one answer to the next, and without a pagination block there is only one.")
			return false
		case part == "size" && paging.size == 0:
			r.Errorf(t.SourceRange(), "No page size", "page.size is the size that the pagination block sets: write size there.")
		case part == "cursor" && paging.kind != byCursor:
			r.Errorf(t.SourceRange(), "No cursor", "There is no cursor in pagination %q: it has page.%s.", paging.kind, strings.Join(parts, ", page."))
		case part == "":
			r.Errorf(t.SourceRange(), "Unknown name", "Of a page there is page.%s.", strings.Join(parts, ", page."))
		case !slices.Contains(parts, part):
			hint := "There is page." + strings.Join(parts, ", page.") + "."
			if near := attr.Suggest(part, parts); near != "" {
				hint = fmt.Sprintf("Did you mean page.%s?", near)
			}
			r.Errorf(t.SourceRange(), "Unknown name", "There is no page.%s. %s", part, hint)
		}
	}
	return r.Errors() == before
}

// try makes the bytes for a page and notes why it cannot.
func (p *Payload) try(r *attr.Reader, at Page) ([]byte, bool) {
	v, diags := p.value(at)
	if diags.HasErrors() {
		r.Add(p.nullable(diags, at))
		return nil, false
	}
	if v != cty.NilVal && !v.IsWhollyKnown() {
		r.Errorf(p.expr.Range(), attr.NotKnown, "The value of %q cannot be known when the configuration is loaded.", p.name)
		return nil, false
	}
	at.Variable = p.relay
	body, err := p.write(attr.Reveal(v), at)
	if err != nil {
		r.Errorf(r.Range(p.name), fmt.Sprintf("Invalid value for %q", p.name), "%s: %v.", p.name, err)
	}
	return body, err == nil
}

// nullable explains what HCL says of a null in a text.
func (p *Payload) nullable(diags hcl.Diagnostics, at Page) hcl.Diagnostics {
	if at.Since == "" && p.dates() {
		for _, d := range diags {
			d.Detail += ` since.value is null where everything is asked for: write since.value == null ? … : … around it.`
		}
	}
	if at.Cursor == "" && p.uses("cursor") {
		for _, d := range diags {
			d.Detail += ` page.cursor is null for the first page: write ${coalesce(page.cursor, "")}, or leave out what is around it with %{ if page.cursor != null }…%{ endif }.`
		}
	}
	return diags
}

// value evaluates the expression for a page, marks included.
func (p *Payload) value(at Page) (cty.Value, hcl.Diagnostics) {
	if p.expr == nil {
		return cty.NilVal, nil
	}
	if len(p.pages) == 0 && len(p.since) == 0 {
		return attr.Eval(p.expr, p.ctx)
	}
	cursor := cty.NullVal(cty.String)
	if at.Cursor != "" {
		text := at.Cursor
		if p.quote != nil {
			var err error
			if text, err = p.quote(text); err != nil {
				rng := p.expr.Range()
				return cty.NilVal, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unusable cursor", Detail: err.Error(), Subject: &rng}}
			}
		}
		cursor = attr.Text(text)
	}
	from := cty.NullVal(cty.String)
	if at.Since != "" {
		from = cty.StringVal(at.Since)
	}
	ctx := p.ctx.NewChild()
	ctx.Variables = map[string]cty.Value{"since": cty.ObjectVal(map[string]cty.Value{"value": from}), "page": cty.ObjectVal(map[string]cty.Value{
		"number": cty.NumberIntVal(at.Number), "offset": cty.NumberIntVal(at.Offset),
		"cursor": cursor, "size": cty.NumberIntVal(int64(at.Size)),
	})}
	return attr.Eval(p.expr, ctx)
}

// bytes is what the request for a page carries. Errors name the line of the expression.
func (p *Payload) bytes(at Page) ([]byte, error) {
	v, diags := p.value(at)
	if diags.HasErrors() {
		return nil, where(p.expr, p.name+": "+strings.Join(strings.Fields(diags[0].Detail), " "))
	}
	at.Variable = p.relay
	body, err := p.write(attr.Reveal(v), at)
	if err != nil {
		return nil, where(p.expr, p.name+": "+err.Error())
	}
	return body, nil
}

// where puts the line of an expression before what is wrong with it.
func where(expr hcl.Expression, text string) error {
	if expr == nil {
		return errors.New(text)
	}
	rng := expr.Range()
	return fmt.Errorf("%s:%d: %s", rng.Filename, rng.Start.Line, strings.TrimSuffix(text, "."))
}

// parameters writes a map as the query of an address, nulls left out.
func parameters(v cty.Value, at Page) ([]byte, error) {
	plain, _ := v.Unmark()
	if t := plain.Type(); plain.IsNull() || !t.IsObjectType() && !t.IsMapType() {
		return nil, errors.New("a map is required: { NAME = … }")
	}
	pairs := url.Values{}
	for name, value := range plain.AsValueMap() {
		if value.IsNull() {
			continue
		}
		text, err := PlainText(value, at)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		pairs.Set(name, text)
	}
	return []byte(pairs.Encode()), nil
}

// PlainText is the text of a string, number or boolean, for the write function of a Payload.
func PlainText(v cty.Value, at Page) (string, error) {
	plain, _ := v.Unmark()
	if plain.IsNull() || !plain.Type().IsPrimitiveType() {
		return "", errors.New("a string is required")
	}
	if cty.NormalizeString(at.Cursor) != at.Cursor {
		return "", errors.New("the cursor is not in Unicode's composed form (NFC), which a text made by an expression always is")
	}
	text, err := convert.Convert(plain, cty.String)
	if err != nil {
		return "", errors.New("a string is required")
	}
	return text.AsString(), nil
}
