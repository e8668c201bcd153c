package configs

import (
	"fmt"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

var (
	labelForm    = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
)

// names are the labels of a configuration and where each was first written.
type names struct {
	destinations, receivers, jobs, variables map[string]hcl.Range
}

// declare collects the labels, so that blocks can refer to each other whatever their order, and refuses what cannot be
// one or stands there twice.
func (l *loading) declare(destinations, receivers, jobs, variables []*hclsyntax.Block) *names {
	return &names{
		destinations: l.labels("destination", destinations, labelForm),
		receivers:    l.labels("receiver", receivers, labelForm),
		jobs:         l.labels("job", jobs, labelForm),
		variables:    l.labels("variable", variables, variableForm),
	}
}

func (l *loading) labels(typ string, blocks []*hclsyntax.Block, form *regexp.Regexp) map[string]hcl.Range {
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		if len(b.Labels) != 1 {
			l.add(hcl.Diagnostics{problem(hcl.DiagError, b.DefRange().Ptr(), "Wrong number of labels",
				`A %s block has one name: %s "NAME" { … }.`, typ, typ)})
			continue
		}
		name, rng := b.Labels[0], b.LabelRanges[0]
		switch previous, twice := first[name]; {
		case twice:
			l.add(hcl.Diagnostics{problem(hcl.DiagError, &rng, "Duplicate "+typ,
				"There is a %s %q already, at %s:%d. Give this one another name.", typ, name, previous.Filename, previous.Start.Line)})
			continue
		case !form.MatchString(name):
			l.add(hcl.Diagnostics{problem(hcl.DiagError, &rng, fmt.Sprintf("Invalid name of a %s", typ),
				`A name is made of letters, digits, "_" and "-".`)})
			continue
		case typ == "job" && name == "bridge":
			l.add(hcl.Diagnostics{problem(hcl.DiagError, &rng, "Invalid name of a job",
				`The name "bridge" is taken: the bridge's own events go by it.`)})
			continue
		case len(name) > maxName:
			l.add(hcl.Diagnostics{problem(hcl.DiagError, &rng, fmt.Sprintf("Invalid name of a %s", typ), "A name has at most %d characters.", maxName)})
			continue
		}
		first[name] = rng
	}
	return first
}

const maxName = 128

// declared reports whether a block is the first of a valid name: the others have their diagnostic already.
func declared(first map[string]hcl.Range, b *hclsyntax.Block) bool {
	if len(b.Labels) != 1 {
		return false
	}
	rng, ok := first[b.Labels[0]]
	return ok && rng == b.LabelRanges[0]
}
