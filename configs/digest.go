package configs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge/configs/attr"
)

// digest is the part of a job's digest that its instances have in common.
type digest struct{ common []byte }

// digestOf is the digest of one instance: the text of its block, the values of what it names, and each. for_each itself
// is left out, as another instance changes nothing for those there are.
func (t *template) digestOf(i instance) string {
	if t.digest == nil {
		h := sha256.New()
		start, end := t.block.OpenBraceRange.Start.Byte, t.block.CloseBraceRange.End.Byte
		fmt.Fprintf(h, "job %q\n", t.block.Labels[0])
		if a := t.block.Body.Attributes["for_each"]; a != nil {
			h.Write(t.src[start:a.SrcRange.Start.Byte])
			start = a.SrcRange.End.Byte
		}
		fmt.Fprintf(h, "%s\n", t.src[start:end])
		t.digestNames(h)
		t.digest = &digest{common: h.Sum(nil)}
	}
	h := sha256.New()
	h.Write(t.digest.common)
	if i.key != "" {
		each := i.ctx.Variables["each"]
		fmt.Fprintf(h, "each %q %s\n", i.key, plainText(each.GetAttr("value")))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (t *template) digestNames(h hash.Hash) {
	var lines []string
	for _, v := range variables(t.block.Body) {
		root, ok := t.scope.Variables[v.RootName()]
		if !ok || v.RootName() == "destination" || v.RootName() == "receiver" {
			continue
		}
		value, name := root, v.RootName()
		if second, ok := second(v); ok && root.Type().IsObjectType() && root.Type().HasAttribute(second) {
			value, name = root.GetAttr(second), name+"."+second
		}
		lines = append(lines, fmt.Sprintf("%s = %s", name, plainText(value)))
	}
	slices.Sort(lines)
	fmt.Fprintln(h, strings.Join(slices.Compact(lines), "\n"))
}

// variables are the references in a job, those of its nested blocks included and those of for_each not.
func variables(body *hclsyntax.Body) []hcl.Traversal {
	var all []hcl.Traversal
	for name, a := range body.Attributes {
		if name != "for_each" {
			all = append(all, a.Expr.Variables()...)
		}
	}
	for _, b := range body.Blocks {
		all = append(all, variables(b.Body)...)
	}
	return all
}

// plainText writes a value for comparing it, with a word in the place of every secret.
func plainText(v cty.Value) string {
	if v == cty.NilVal {
		return "nothing"
	}
	if v.IsMarked() {
		return "(secret)"
	}
	shown, err := cty.Transform(v, func(_ cty.Path, e cty.Value) (cty.Value, error) {
		switch {
		case e.IsMarked():
			return cty.StringVal("(secret)"), nil
		case e.Type() == referenceType && e.IsKnown() && !e.IsNull():
			return cty.StringVal("destination." + e.EncapsulatedValue().(*reference).name), nil
		case e.Type() == receiverType && e.IsKnown() && !e.IsNull():
			return cty.StringVal("receiver." + e.EncapsulatedValue().(*receiverReference).name), nil
		}
		return e, nil
	})
	if err == nil {
		var raw []byte
		if raw, err = attr.MarshalJSON(shown); err == nil {
			return string(raw)
		}
	}
	return v.Type().FriendlyName()
}
