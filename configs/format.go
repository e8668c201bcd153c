package configs

import (
	_ "embed"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Starter is a commented configuration to start from.
//
//go:embed starter.hcl
var Starter string

// Format lays a configuration out in the one canonical way. What does not parse is an *Error and stays as it is.
func Format(path string, src []byte) ([]byte, error) {
	file, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, &Error{Diagnostics: explainSyntax(diags), Files: map[string]*hcl.File{path: blot(file, src)}}
	}
	return hclwrite.Format(src), nil
}
