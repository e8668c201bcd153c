// Package block reads what the blocks of all source kinds have in common.
package block

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/csv"
	"github.com/hookbridge/bridge/sources/decode/feed"
	"github.com/hookbridge/bridge/sources/decode/json"
	"github.com/hookbridge/bridge/sources/decode/xml"
)

// decoders are the formats there are. endings are those of file names that say that a file is in the format.
var decoders = []struct {
	name    string
	read    func(*attr.Reader) decode.Format
	endings []string
	byName  decode.Format // what a file with such an ending is read as, without a decode block; nil: it needs one
}{
	{"csv", csv.Read, []string{".csv"}, csv.Format{}},
	{"feed", feed.Read, nil, nil},
	{"json", json.Read, []string{".json"}, json.Format{}},
	{"ndjson", json.ReadLines, []string{".ndjson", ".jsonl"}, json.Lines{}},
	{"xml", xml.Read, nil, nil},
}

// later are decoders that belong to the language but are not here yet.
var later = []string{"xlsx"}

// Format reads the decode block of a source; nil without one.
func Format(r *attr.Reader) decode.Format {
	kinds := make([]string, len(decoders))
	for i, d := range decoders {
		kinds[i] = d.name
	}
	block := r.Block("decode", 1)
	if block == nil || !Choice(r, block, "decoder", kinds, later...) {
		return nil
	}
	d := decoders[slices.Index(kinds, block.Labels[0])]
	return d.read(r.Child(block, `decode "`+d.name+`"`))
}

// ByName is the format that the ending of a file's name tells, .gz left aside, in whatever case; nil where it tells none.
func ByName(name string) decode.Format {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	for _, d := range decoders {
		for _, ending := range d.endings {
			if strings.HasSuffix(name, ending) {
				return d.byName
			}
		}
	}
	return nil
}

// Endings lists the endings of file names that tell a format.
func Endings() []string {
	var all []string
	for _, d := range decoders {
		all = append(all, d.endings...)
	}
	return all
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
