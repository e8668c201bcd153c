// Package block reads what the blocks of all source kinds have in common.
package block

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
)

// Format reads the decode block of a source; the zero Format without one.
func Format(r *attr.Reader) decode.Format {
	block := r.Block("decode", 1)
	if block == nil || !Choice(r, block, "decoder", decode.Kinds(), "xml", "csv", "feed", "xlsx") {
		return decode.Format{}
	}
	kind := decode.Kind(block.Labels[0])
	c := r.Child(block, `decode "`+string(kind)+`"`)
	if kind == decode.KindNDJSON {
		return decode.Format{Kind: kind}
	}
	items, err := decode.ParsePath(c.String("items", "@this"))
	if err != nil {
		c.Errorf(c.Range("items"), "Invalid path", `%v. Records are found by dotted names, such as "data.orders", or "@this" for the whole body.`, err)
	}
	return decode.Format{Kind: kind, Items: items}
}

// Choice reports whether the label of a block is one of kinds, and notes a diagnostic where it is not; later are those
// that other versions know. The inside of a block that nobody knows is passed over: one mistake is enough.
func Choice(r *attr.Reader, block *hclsyntax.Block, what string, kinds []string, later ...string) bool {
	kind := block.Labels[0]
	if slices.Contains(kinds, kind) {
		return true
	}
	there := "There is: " + strings.Join(kinds, ", ") + "."
	if slices.Contains(later, kind) {
		r.Errorf(block.LabelRanges[0], "Not supported by this version yet", "The %s %q belongs to the language, but this version of hookbridge does not have it yet. %s", what, kind, there)
	} else {
		if near := attr.Suggest(kind, kinds); near != "" {
			there = `Did you mean "` + near + `"? ` + there
		}
		r.Errorf(block.LabelRanges[0], "Unknown "+what, "There is no %s %q. %s", what, kind, there)
	}
	c := r.Child(block, what)
	for name := range block.Body.Attributes {
		c.Expr(name)
	}
	for _, nested := range block.Body.Blocks {
		c.Blocks(nested.Type)
	}
	return false
}
