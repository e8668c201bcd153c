// Package attr reads one HCL block, attribute by attribute, into Go values. A Reader collects what is wrong instead of
// stopping at it, and knows every name that was asked for, so that whatever is left over can be reported with the
// choices there were. It is a leaf: configs reads the language with it, and every source kind its own block.
package attr

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Reader reads the attributes and nested blocks of one block. Its methods return the default, or a zero value, where
// something is wrong, and note a diagnostic; Done returns them all. A Reader is not safe for concurrent use.
type Reader struct {
	body     *hclsyntax.Body
	ctx      *hcl.EvalContext
	what     string
	names    []string // attributes asked for, in order
	blocks   []string // block types asked for, in order
	later    map[string]bool
	children []*Reader
	shared   *shared
}

// shared is what a Reader has in common with its children.
type shared struct {
	diags hcl.Diagnostics
	known []string
}

// NewReader reads body; what names the block in messages, such as `job "orders"`. A body that is not written in HCL's
// native syntax is a diagnostic, and reads as if it were empty.
func NewReader(body hcl.Body, ctx *hcl.EvalContext, what string) *Reader {
	r := &Reader{ctx: ctx, what: what, shared: &shared{}}
	native, ok := body.(*hclsyntax.Body)
	if !ok || native == nil {
		native = &hclsyntax.Body{}
		if body != nil {
			native.SrcRange = body.MissingItemRange()
		}
		r.Errorf(native.SrcRange, "Unsupported syntax", "%s must be written in HCL's native syntax.", capital(what))
	}
	r.body = native
	return r
}

// Child reads a nested block. Its diagnostics and secrets flow into r's. A nil block reads as an empty one, so that
// defaults come from one place.
func (r *Reader) Child(block *hclsyntax.Block, what string) *Reader {
	c := &Reader{ctx: r.ctx, what: what, shared: r.shared}
	if block == nil || block.Body == nil {
		c.body = &hclsyntax.Body{SrcRange: r.body.SrcRange, EndRange: r.body.EndRange}
	} else {
		c.body = block.Body
	}
	r.children = append(r.children, c)
	return c
}

// What is the name of the block, as given to NewReader or Child.
func (r *Reader) What() string { return r.what }

// Context is what the block's expressions are evaluated in.
func (r *Reader) Context() *hcl.EvalContext { return r.ctx }

func (r *Reader) attr(name string) *hclsyntax.Attribute {
	if !slices.Contains(r.names, name) {
		r.names = append(r.names, name)
	}
	return r.body.Attributes[name]
}

// Has reports whether the attribute is written, be it as null.
func (r *Reader) Has(name string) bool { return r.attr(name) != nil }

// Expr returns the attribute's expression without evaluating it; nil where there is none.
func (r *Reader) Expr(name string) hcl.Expression {
	if a := r.attr(name); a != nil {
		return a.Expr
	}
	return nil
}

// Range is where the attribute's value stands, or the block where it is not written.
func (r *Reader) Range(name string) hcl.Range {
	if a := r.body.Attributes[name]; a != nil {
		return a.Expr.Range()
	}
	return r.body.MissingItemRange()
}

// Block returns the one nested block of a type, or nil. A second one, or another number of labels, is a diagnostic.
func (r *Reader) Block(typ string, labels int) *hclsyntax.Block {
	var first *hclsyntax.Block
	for _, b := range r.Blocks(typ) {
		if first != nil {
			r.Errorf(b.DefRange(), fmt.Sprintf("Duplicate %s block", typ), "%s has one %s block, and it stands at %s.",
				capital(r.what), typ, place(first.DefRange()))
			continue
		}
		first = b
	}
	if first == nil || !r.Labels(first, labels) {
		return nil
	}
	return first
}

// Blocks returns the nested blocks of a type, in the order they are written.
func (r *Reader) Blocks(typ string) []*hclsyntax.Block {
	if !slices.Contains(r.blocks, typ) {
		r.blocks = append(r.blocks, typ)
	}
	var found []*hclsyntax.Block
	for _, b := range r.body.Blocks {
		if b.Type == typ {
			found = append(found, b)
		}
	}
	return found
}

// Labels reports whether a block has so many labels, and notes a diagnostic where it has not.
func (r *Reader) Labels(b *hclsyntax.Block, labels int) bool {
	if len(b.Labels) == labels {
		return true
	}
	example := b.Type
	for range labels {
		example += ` "…"`
	}
	rng := b.TypeRange
	if len(b.Labels) > labels {
		rng = b.LabelRanges[labels]
	}
	r.Errorf(rng, "Wrong number of labels", "A %s block is written %s { … }, with %s in quotes after its type.", b.Type, example,
		map[int]string{0: "no label", 1: "one label"}[labels])
	return false
}

// OtherVersion names attributes and blocks that belong to the language but not to this version of the bridge: writing
// one is an error that says so.
func (r *Reader) OtherVersion(names ...string) {
	if r.later == nil {
		r.later = map[string]bool{}
	}
	for _, n := range names {
		r.later[n] = true
	}
}

// Errorf notes an error at rng.
func (r *Reader) Errorf(rng hcl.Range, summary, format string, args ...any) {
	r.note(hcl.DiagError, rng, summary, fmt.Sprintf(format, args...))
}

// Warnf notes a warning at rng.
func (r *Reader) Warnf(rng hcl.Range, summary, format string, args ...any) {
	r.note(hcl.DiagWarning, rng, summary, fmt.Sprintf(format, args...))
}

func (r *Reader) note(severity hcl.DiagnosticSeverity, rng hcl.Range, summary, detail string) {
	r.shared.diags = append(r.shared.diags, &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Subject: &rng})
}

// Add notes diagnostics made elsewhere.
func (r *Reader) Add(diags hcl.Diagnostics) { r.shared.diags = append(r.shared.diags, diags...) }

// Failed reports whether r, its parent or any other reader of the family has noted an error so far.
func (r *Reader) Failed() bool { return r.shared.diags.HasErrors() }

// Errors is how many errors r and its family have noted so far.
func (r *Reader) Errors() int { return len(r.shared.diags.Errs()) }

// Known returns the secrets that were unwrapped so far, for scrubbing the texts of errors. Those of less than four
// bytes are left out: they would scrub half of any text and protect nothing.
func (r *Reader) Known() []string { return slices.Clone(r.shared.known) }

// Done reports what was never asked for, in r and its children, and returns every diagnostic in the order of the file.
// Call it once, on the outermost reader.
func (r *Reader) Done() hcl.Diagnostics {
	r.leftovers()
	diags := r.shared.diags
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return 0
		}
		return a.Subject.Start.Byte - b.Subject.Start.Byte
	})
	return diags
}

func (r *Reader) leftovers() {
	written := make([]string, 0, len(r.body.Attributes))
	for name := range r.body.Attributes {
		written = append(written, name)
	}
	sort.Strings(written)
	for _, name := range written {
		if slices.Contains(r.names, name) {
			continue
		}
		rng := r.body.Attributes[name].NameRange
		switch {
		case r.later[name]:
			r.notYet(rng, name)
		case slices.Contains(r.blocks, name):
			r.Errorf(rng, "Unsupported argument", "%q is a block here: write %s { … } without the equals sign.", name, name)
		default:
			r.Errorf(rng, "Unsupported argument", "An argument named %q is not expected here. %s", name, r.choices(name, r.names, r.blocks))
		}
	}
	reported := map[string]bool{}
	for _, b := range r.body.Blocks {
		if slices.Contains(r.blocks, b.Type) || reported[b.Type] {
			continue
		}
		reported[b.Type] = true
		switch {
		case r.later[b.Type]:
			r.notYet(b.TypeRange, b.Type)
		case slices.Contains(r.names, b.Type):
			r.Errorf(b.TypeRange, "Unsupported block", "%q is an argument here: write %s = … with an equals sign.", b.Type, b.Type)
		default:
			r.Errorf(b.TypeRange, "Unsupported block", "A block of type %q is not expected here. %s", b.Type, r.choices(b.Type, r.blocks, r.names))
		}
	}
	for _, c := range r.children {
		c.leftovers()
	}
}

func (r *Reader) notYet(rng hcl.Range, name string) {
	r.Errorf(rng, "Not supported by this version yet", "%q belongs to the language, but this version of hookbridge does not do it yet. Remove it.", name)
}

// choices says what the name may have been meant for: the nearest of its own kind, then of the other, then all.
func (r *Reader) choices(name string, own, other []string) string {
	if s := Suggest(name, own); s != "" {
		return fmt.Sprintf("Did you mean %q?", s)
	}
	if s := Suggest(name, other); s != "" {
		return fmt.Sprintf("Did you mean %q?", s)
	}
	all := slices.Concat(r.names, r.blocks)
	if len(all) == 0 {
		return capital(r.what) + " takes none."
	}
	sort.Strings(all)
	return fmt.Sprintf("%s takes %s.", capital(r.what), list(all))
}

func place(rng hcl.Range) string { return fmt.Sprintf("%s:%d", rng.Filename, rng.Start.Line) }

func capital(s string) string {
	if s == "" {
		return "This block"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// list joins words as a person would: a, b and c.
func list(words []string) string {
	switch len(words) {
	case 0:
		return "none"
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
