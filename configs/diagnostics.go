package configs

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/hookbridge/bridge/configs/attr"
)

// Error is everything that is wrong with a configuration. Its files have the secrets written in them blotted out.
type Error struct {
	Diagnostics hcl.Diagnostics
	Files       map[string]*hcl.File
	// Store is bridge.store where that much could be read: a daemon may still run on it, with an older configuration.
	Store string
}

// Error is one line: the first mistake, and how many more there are.
func (e *Error) Error() string {
	var errs hcl.Diagnostics
	for _, d := range e.Diagnostics {
		if d.Severity == hcl.DiagError {
			errs = append(errs, d)
		}
	}
	if len(errs) == 0 {
		return "the configuration is broken"
	}
	text := line(errs[0])
	switch n := len(errs) - 1; n {
	case 0:
		return text
	case 1:
		return text + " (and one more mistake)"
	default:
		return fmt.Sprintf("%s (and %d more mistakes)", text, n)
	}
}

// Render prints every diagnostic with the lines it points at. width wraps the prose; 0 leaves it as it is.
func (e *Error) Render(w io.Writer, width int, color bool) {
	render(w, e.Diagnostics, e.Files, width, color)
}

// Warnings is what a person should know about a configuration that works.
type Warnings struct {
	Diagnostics hcl.Diagnostics
	Files       map[string]*hcl.File
}

// Render prints every warning with the lines it points at, as Error.Render does.
func (e Warnings) Render(w io.Writer, width int, color bool) {
	render(w, e.Diagnostics, e.Files, width, color)
}

// Lines are the warnings, each on one line.
func (e Warnings) Lines() []string {
	var lines []string
	for _, d := range e.Diagnostics {
		lines = append(lines, line(d))
	}
	return lines
}

func render(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, width int, color bool) {
	// Where writing fails there is nobody left to tell.
	_ = hcl.NewDiagnosticTextWriter(w, files, uint(max(width, 0)), color).WriteDiagnostics(diags)
}

func line(d *hcl.Diagnostic) string {
	text := strings.ToLower(d.Summary[:1]) + d.Summary[1:]
	if d.Detail != "" {
		text += ": " + strings.Join(strings.Fields(d.Detail), " ")
	}
	if d.Subject != nil {
		text = fmt.Sprintf("%s:%d: %s", d.Subject.Filename, d.Subject.Start.Line, text)
	}
	return strings.TrimSuffix(text, ".")
}

// explained gives what env and file refuse their own words, and takes out what nobody should read: a secret that HCL
// quotes, and the innards of a function that went wrong.
func explained(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if d.Summary == "Duplicate object key" && d.Expression != nil {
			if key, _ := d.Expression.Value(d.EvalContext); attr.IsSecret(key) {
				d.Detail = "Two items produced the same key, which is secret and not shown."
			}
		}
		call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		if !ok {
			continue
		}
		var own *refusal
		var crash function.PanicError
		switch err := call.FunctionCallError(); {
		case errors.As(err, &own):
			d.Summary, d.Detail = own.summary, own.detail
		case errors.As(err, &crash):
			d.Detail = fmt.Sprintf("The function %s cannot use what it was given.", call.CalledFunctionName())
		}
	}
	return diags
}

// tidy drops what says the same twice, as the instances of one job do, and what only follows from another mistake, and
// sorts the rest by place.
func tidy(diags hcl.Diagnostics) hcl.Diagnostics {
	type id struct {
		summary, detail string
		place           hcl.Range
	}
	seen := map[id]bool{}
	var kept hcl.Diagnostics
	others := slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool {
		return d.Severity == hcl.DiagError && d.Summary != attr.NotKnown
	})
	for _, d := range diags {
		this := id{summary: d.Summary, detail: d.Detail}
		if d.Subject != nil {
			this.place = *d.Subject
		}
		if seen[this] || others && d.Summary == attr.NotKnown {
			continue
		}
		seen[this] = true
		kept = append(kept, d)
	}
	slices.SortStableFunc(kept, func(a, b *hcl.Diagnostic) int {
		switch {
		case a.Subject == nil && b.Subject == nil:
			return 0
		case a.Subject == nil:
			return -1
		case b.Subject == nil:
			return 1
		}
		return a.Subject.Start.Byte - b.Subject.Start.Byte
	})
	return kept
}

func problem(severity hcl.DiagnosticSeverity, rng *hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: rng}
}
