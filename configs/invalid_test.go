package configs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
)

// expectation begins a comment in a file: the severity of a diagnostic that points at its line. Words of it follow.
var expectation = regexp.MustCompile(`# (ERROR|WARNING): `)

// TestInvalidFilesGetTheirDiagnostics holds every file to the diagnostics its comments announce, and to no others.
func TestInvalidFilesGetTheirDiagnostics(t *testing.T) {
	t.Chdir("../testdata/config/invalid")
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			want := expected(t, file)
			if len(want) == 0 {
				t.Fatal("the file expects nothing")
			}
			for _, d := range diagnostics(t, file) {
				severity := map[hcl.DiagnosticSeverity]string{hcl.DiagError: "ERROR", hcl.DiagWarning: "WARNING"}[d.Severity]
				text := strings.Join(strings.Fields(d.Summary+": "+d.Detail), " ")
				place := ""
				if d.Subject != nil {
					place = fmt.Sprintf("%s:%d", d.Subject.Filename, d.Subject.Start.Line)
				}
				i := slices.IndexFunc(want, func(w announced) bool {
					return w.place == place && w.severity == severity && strings.Contains(text, w.words)
				})
				if i < 0 {
					t.Errorf("not expected: %s %s: %s", place, severity, text)
					continue
				}
				want = slices.Delete(want, i, i+1)
			}
			for _, w := range want {
				t.Errorf("missing: %s %s: %s", w.place, w.severity, w.words)
			}
		})
	}
}

// announced is one comment.
type announced struct{ place, severity, words string }

func expected(t *testing.T, file string) []announced {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []announced
	for i, line := range strings.Split(string(src), "\n") {
		starts := expectation.FindAllStringSubmatchIndex(line, -1)
		for n, m := range starts {
			end := len(line)
			if n+1 < len(starts) {
				end = starts[n+1][0]
			}
			all = append(all, announced{fmt.Sprintf("%s:%d", file, i+1), line[m[2]:m[3]], strings.TrimSpace(line[m[1]:end])})
		}
	}
	return all
}

func diagnostics(t *testing.T, file string) hcl.Diagnostics {
	t.Helper()
	c, err := configs.Load(file, configs.Options{Environ: environ("SECRET="+secret, "EMPTY=", "NOT_BASE64=whsec_?"), Sources: sources.New(sources.Runtime{}), Rules: rules})
	var e *configs.Error
	switch {
	case err == nil:
		return c.Warnings.Diagnostics
	case errors.As(err, &e):
		return e.Diagnostics
	}
	t.Fatalf("%s: not an *Error: %v", file, err)
	return nil
}
