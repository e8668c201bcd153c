package http

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// success is an expression that judges each answer by what stands beside its records (body) and by its status and headers
// (response). Only what it refers to is read. A nil success judges nothing.
type success struct {
	expr   hcl.Expression
	ctx    *hcl.EvalContext
	body   *attr.Need    // nil: nothing
	header *attr.Need    // nil: nothing
	paths  []decode.Path // of what it needs of the body
	fields []decode.Path // the same behind those that paging needs
	sees   []hcl.Traversal
}

// maxBeside is how large an object or an array beside the records may be that success looks at.
const maxBeside = 1 << 20

// overlapping is a format that knows where its records are.
type overlapping interface {
	// Overlaps reports whether the value at a path is among the records, or holds them.
	Overlaps(path decode.Path) bool
}

func readSuccess(r *attr.Reader, format decode.Format) *success {
	s := &success{expr: r.Expr("success"), ctx: r.Context()}
	if s.expr == nil {
		return nil
	}
	r.Conceal(s.expr)
	before := r.Errors()
	var response *attr.Need
	for _, t := range s.expr.Variables() {
		switch t.RootName() {
		case "body":
			s.see(&s.body, t)
		case "response":
			s.see(&response, t)
		default: // beside an answer nothing is known of, HCL does not mind a name that nothing has
			_, diags := attr.Eval(&hclsyntax.ScopeTraversalExpr{Traversal: t[:1], SrcRange: t.SourceRange()}, s.with(cty.DynamicVal, cty.DynamicVal))
			r.Add(diags)
		}
	}
	if r.Errors() > before {
		return s
	}
	if len(s.sees) == 0 {
		r.Errorf(s.expr.Range(), "The same for every answer", "success judges an answer: refer to body, which is what stands beside the records, or to response.status and response.headers.")
		return s
	}
	s.header = response.Of("headers")
	for _, name := range response.Names() {
		if name != "status" && name != "headers" {
			r.Errorf(s.expr.Range(), "Unknown name", "There is no response.%s. It has response.status and response.headers.", name)
		}
	}
	if s.body != nil {
		s.checkBody(r, format)
	}
	if r.Errors() > before {
		return s
	}
	v, diags := attr.Eval(s.expr, s.with(cty.DynamicVal, cty.ObjectVal(map[string]cty.Value{
		"status": cty.UnknownVal(cty.Number).RefineNotNull(), "headers": cty.DynamicVal,
	})))
	if diags.HasErrors() {
		r.Add(diags)
		return s
	}
	v, _ = v.UnmarkDeep()
	if b, err := convert.Convert(v, cty.Bool); err != nil || b.IsNull() {
		r.Errorf(s.expr.Range(), `Invalid value for "success"`, "success is true or false.")
	}
	return s
}

func (s *success) see(need **attr.Need, t hcl.Traversal) {
	if *need == nil {
		*need = &attr.Need{}
	}
	(*need).Reach(t)
	if text := written(t); !slices.ContainsFunc(s.sees, func(seen hcl.Traversal) bool { return written(seen) == text }) {
		s.sees = append(s.sees, t)
	}
}

// checkBody finds the paths of what is referred to of the body, none of which may have to do with the records.
func (s *success) checkBody(r *attr.Reader, format decode.Format) {
	rng := s.expr.Range()
	switch {
	case !format.Enveloped():
		r.Errorf(rng, "No envelope", "A document of this format has nothing beside its records, so success can only look at response.status and response.headers.")
		return
	case s.body.Whole():
		r.Errorf(rng, "Too much asked for", "success sees what it names beside the records: write body.NAME.")
		return
	}
	var walk func(n *attr.Need, at decode.Path)
	walk = func(n *attr.Need, at decode.Path) {
		if n.Whole() {
			s.paths = append(s.paths, slices.Clone(at))
		}
		for _, name := range n.Names() {
			walk(n.Of(name), append(at, name))
		}
	}
	walk(s.body, nil)
	for _, path := range s.paths {
		if f, ok := format.(knowing); ok {
			if wrong := f.Misses(path); wrong != "" {
				r.Errorf(rng, "Not asked for", "%s", wrong)
			}
		}
		if f, ok := format.(overlapping); ok && f.Overlaps(path) {
			r.Errorf(rng, "Records judge nothing", "body.%s is, or holds, the records, and success sees only what stands beside them.", path)
		}
	}
	if len(s.paths) > decode.MaxFields/2 {
		r.Errorf(rng, "Too much asked for", "success refers to %d values of the body; at most %d are possible.", len(s.paths), decode.MaxFields/2)
	}
}

func (s *success) containers() int {
	if s == nil {
		return 0
	}
	return maxBeside
}

// readsHeaders says that the same body may be judged otherwise another time.
func (s *success) readsHeaders() bool { return s != nil && s.header != nil }

func (s *success) with(body, response cty.Value) *hcl.EvalContext {
	ctx := s.ctx.NewChild()
	ctx.Variables = map[string]cty.Value{"body": body, "response": response}
	return ctx
}

// judge says why an answer does not count. Where it could not be read as records, for the reason given, a judgement has
// the better reason if it is clear.
func (f *fetch) judge(resp *nethttp.Response, envelope decode.Envelope, unread error) error {
	s := f.success
	if unread != nil {
		if _, ok := errors.AsType[*decode.ItemsError](unread); !ok {
			return nil
		}
	}
	body, err := s.value(envelope.Fields[len(f.paging.fields):])
	if err != nil {
		return where(s.expr, "success: "+err.Error())
	}
	ctx := s.with(body, cty.ObjectVal(map[string]cty.Value{
		"status": cty.NumberIntVal(int64(resp.StatusCode)), "headers": s.header.Header(resp.Header),
	}))
	v, diags := s.expr.Value(ctx)
	if diags.HasErrors() {
		if unread != nil {
			return nil
		}
		return where(s.expr, "success cannot be told: "+strings.TrimSuffix(strings.Join(strings.Fields(diags[0].Detail), " "), ".")+f.saw(ctx))
	}
	v, _ = v.UnmarkDeep()
	switch b, err := convert.Convert(v, cty.Bool); {
	case err != nil || b.IsNull() || !b.IsKnown():
		return where(s.expr, "success is neither true nor false"+f.saw(ctx))
	case b.False():
		// Many that log in by cookies answer 200 to everybody, and say in the document alone that the session has ended.
		// That is a guess, which costs a login whenever success is false; tokens are not spent on it.
		session := f.login != nil && f.login.Kind() == "session"
		return &decode.RefusedError{What: where(s.expr, "success is false"+f.saw(ctx)).Error(), Login: session}
	}
	return nil
}

// value builds what is needed of the body from the fields found at s.paths. What is missing there is missing in it.
func (s *success) value(fields []decode.Field) (cty.Value, error) {
	at := 0
	var build func(n *attr.Need) (cty.Value, error)
	build = func(n *attr.Need) (cty.Value, error) {
		if n.Whole() {
			field, path := fields[at], s.paths[at]
			at++
			switch {
			case field.Kind == 0:
				return cty.NilVal, nil
			case field.Raw == nil:
				return cty.NilVal, fmt.Errorf("body.%s is %s, and cannot be looked at", path, decode.Describe(field.Kind))
			}
			v, err := n.JSON(stdjson.RawMessage(field.Raw))
			if err != nil {
				return cty.NilVal, fmt.Errorf("body.%s: %w", path, err)
			}
			return v, nil
		}
		members := map[string]cty.Value{}
		for _, name := range n.Names() {
			v, err := build(n.Of(name))
			if err != nil {
				return cty.NilVal, err
			}
			if v != cty.NilVal {
				members[name] = v
			}
		}
		if len(members) == 0 && n != s.body {
			return cty.NilVal, nil
		}
		return cty.ObjectVal(members), nil
	}
	if s.body == nil {
		return cty.EmptyObjectVal, nil
	}
	return build(s.body)
}

// saw shows the values that were judged.
func (f *fetch) saw(ctx *hcl.EvalContext) string {
	var b strings.Builder
	for i, t := range f.success.sees[:min(len(f.success.sees), 5)] {
		b.WriteString([]string{": ", ", "}[min(i, 1)] + written(t))
		v, diags := t.TraverseAbs(ctx)
		raw, err := attr.MarshalJSON(attr.Reveal(v))
		switch {
		case diags.HasErrors():
			b.WriteString(" is missing")
		case err != nil || carriesCookies(t):
			b.WriteString(" is not shown")
		default:
			b.WriteString(" is " + clipTo(f.scrub(string(raw)), 200))
		}
	}
	return b.String()
}

// carriesCookies reports whether a reference shows what the server has set as a session of ours.
func carriesCookies(t hcl.Traversal) bool {
	return t.RootName() == "response" && (len(t) < 3 && partOf(t) != "status" || strings.Contains(strings.ToLower(written(t)), "cookie"))
}

// written is a reference as it stands in the configuration.
func written(t hcl.Traversal) string {
	var b strings.Builder
	b.WriteString(t.RootName())
	for _, step := range t[1:] {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			b.WriteString("." + step.Name)
		case hcl.TraverseIndex:
			key, err := attr.MarshalJSON(step.Key)
			if err != nil {
				key = []byte("…")
			}
			fmt.Fprintf(&b, "[%s]", key)
		}
	}
	return b.String()
}
