package decode

import (
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
)

// Block reads the decode block of a source. Without one the format is what fallback says; an empty fallback makes the
// block required.
func Block(r *attr.Reader, fallback Kind) Format {
	block := r.Block("decode", 1)
	if block == nil {
		if fallback == "" {
			r.Errorf(r.Range("decode"), "Missing decode block", `%s needs a decode block, such as decode "json" { items = "data" }. There is: %s.`,
				r.What(), strings.Join(Kinds(), ", "))
		}
		return Format{Kind: fallback}
	}
	kind := block.Labels[0]
	child := r.Child(block, `decode "`+kind+`"`)
	switch Kind(kind) {
	case KindJSON:
		path, err := ParsePath(child.String("items", "@this"))
		if err != nil {
			child.Errorf(child.Range("items"), "Invalid path", `%v. Items are found by dotted names, such as "data.orders", or "@this" for the whole body.`, err)
		}
		return Format{Kind: KindJSON, Items: path}
	case KindNDJSON:
		return Format{Kind: KindNDJSON}
	}
	switch kind {
	case "xml", "csv", "feed", "xlsx":
		r.Errorf(block.LabelRanges[0], "Not supported by this version yet", "The decoder %q belongs to the language, but this version of hookbridge does not have it yet. There is: %s.",
			kind, strings.Join(Kinds(), ", "))
	default:
		hint := ""
		if near := attr.Suggest(kind, Kinds()); near != "" {
			hint = ` Did you mean "` + near + `"?`
		}
		r.Errorf(block.LabelRanges[0], "Unknown decoder", "There is no decoder %q.%s There is: %s.", kind, hint, strings.Join(Kinds(), ", "))
	}
	// What is inside belongs to a decoder nobody knows: take it as it is, one mistake is enough.
	for name := range block.Body.Attributes {
		child.Expr(name)
	}
	return Format{Kind: fallback}
}
