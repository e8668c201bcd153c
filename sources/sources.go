// Package sources is the table of source kinds. A new kind is one folder and one line here.
package sources

import (
	"context"
	"log/slog"
	nethttp "net/http"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/exec"
	"github.com/hookbridge/bridge/sources/file"
	"github.com/hookbridge/bridge/sources/graphql"
	"github.com/hookbridge/bridge/sources/http"
	"github.com/hookbridge/bridge/sources/sftp"
	"github.com/hookbridge/bridge/sources/soap"
	"github.com/hookbridge/bridge/sources/sql"
)

// Runtime is what sources need from the process they run in. The zero value works.
type Runtime struct {
	Logger    *slog.Logger
	UserAgent string
	Transport nethttp.RoundTripper // nil: one of our own
}

// Table decodes the source blocks of a configuration. All sources it decoded share connections, tokens, rates and what
// their hosts asked for, so one table should outlive reloads. It is safe for concurrent use.
type Table struct{ kinds []kind }

type kind struct {
	name   string
	decode func(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics)
}

// New makes the table of all kinds there are.
func New(rt Runtime) *Table {
	shared := http.NewShared(rt.Logger, rt.UserAgent, rt.Transport)
	return &Table{kinds: []kind{
		{"exec", exec.Decode},
		{"file", file.Decode},
		{"graphql", graphql.Kind{Shared: shared}.Decode},
		{"http", shared.Decode},
		{"sftp", sftp.Decode},
		{"soap", soap.Kind{Shared: shared}.Decode},
		{"sql", sql.Decoder(rt.Logger)},
	}}
}

// Kinds lists the kinds there are.
func (t *Table) Kinds() []string {
	names := make([]string, len(t.kinds))
	for i, k := range t.kinds {
		names[i] = k.name
	}
	return names
}

// Decode reads the block of a source. Every mistake in it is a diagnostic; the source is nil if one is an error. File
// names in the block are relative to dir.
func (t *Table) Decode(name string, body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	for _, k := range t.kinds {
		if k.name == name {
			return k.decode(body, ctx, dir)
		}
	}
	r := body.MissingItemRange()
	detail := `There is no source "` + name + `".`
	if near := attr.Suggest(name, t.Kinds()); near != "" {
		detail += ` Did you mean "` + near + `"?`
	}
	return nil, hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "Unknown source", Subject: &r,
		Detail: detail + " There is: " + strings.Join(t.Kinds(), ", ") + ".",
	}}
}

// WithTrace makes every fetch under the context report each request and its answer, in one line without secrets. A fetch
// calls trace as it calls emit: on the goroutine that called it, one call at a time.
func WithTrace(ctx context.Context, trace func(line string)) context.Context {
	return decode.WithTrace(ctx, trace)
}
