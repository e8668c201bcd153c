package configs

import (
	"bytes"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// confidential are the names of attributes whose text is a secret, should somebody write it into the file itself.
var confidential = regexp.MustCompile(`(?i)(secret|token|password|passwd|dsn|api[_-]?key|private[_-]?key|authorization|cookie|credential)s?$`)

// notSecret are names that end like one and are not.
var notSecret = regexp.MustCompile(`(?i)^(token_url|credentials_directory)$`)

// whsec finds signing secrets wherever they stand.
var whsec = regexp.MustCompile(`whs(?:ec|k)_[A-Za-z0-9+/=_-]+`)

// blot returns a file in which the secrets that are written out are overwritten, byte for byte, so that the lines shown
// with a diagnostic show none and the places in it still hold.
func blot(file *hcl.File, src []byte) *hcl.File {
	shown := bytes.Clone(src)
	cover := func(start, end int) {
		for i := max(start, 0); i < end && i < len(shown); i++ {
			if shown[i] != '\n' && shown[i] != '\r' {
				shown[i] = '*'
			}
		}
	}
	for _, m := range whsec.FindAllIndex(src, -1) {
		cover(m[0]+len("whsec_"), m[1])
	}
	blotted := &hcl.File{Bytes: shown}
	if file == nil {
		return blotted
	}
	blotted.Body, blotted.Nav = file.Body, file.Nav
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return blotted
	}
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.Attribute:
			if confidential.MatchString(n.Name) && !notSecret.MatchString(n.Name) {
				coverText(n.Expr, cover)
			}
		case *hclsyntax.ObjectConsExpr:
			for _, item := range n.Items {
				if name := bytes.Trim(item.KeyExpr.Range().SliceBytes(src), `"`); confidential.Match(name) {
					coverText(item.ValueExpr, cover)
				}
			}
		case *hclsyntax.Block:
			if value := n.Body.Attributes["value"]; value != nil && n.Type == "auth" {
				coverText(value.Expr, cover)
			}
			if value := n.Body.Attributes["default"]; value != nil && n.Type == "variable" {
				if n.Body.Attributes["sensitive"] != nil || len(n.Labels) > 0 && confidential.MatchString(n.Labels[0]) {
					coverText(value.Expr, cover)
				}
			}
		}
		return nil
	})
	return blotted
}

// coverText covers the literal text in an expression, but for the names a function is given.
func coverText(expr hclsyntax.Expression, cover func(start, end int)) {
	var open [][2]int
	_ = hclsyntax.VisitAll(expr, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.FunctionCallExpr:
			if (n.Name == "env" || n.Name == "file") && len(n.Args) > 0 {
				rng := n.Args[0].Range()
				open = append(open, [2]int{rng.Start.Byte, rng.End.Byte})
			}
		case *hclsyntax.LiteralValueExpr:
			rng := n.Range()
			for _, o := range open {
				if rng.Start.Byte >= o[0] && rng.End.Byte <= o[1] {
					return nil
				}
			}
			cover(rng.Start.Byte, rng.End.Byte)
		}
		return nil
	})
}
