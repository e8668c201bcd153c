package bridge_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// players are the tests that play every file in a folder of fixtures.
var players = map[string]struct{ file, test string }{
	"testdata/http":    {"sources/http/failures_test.go", "TestPollingFailures"},
	"testdata/polling": {"daemon/polling_test.go", "TestPollingStories"},
	"testdata/script":  {"cmd/hookbridge/script_test.go", "TestScripts"},
}

// TestEveryPollingFailureIsHeldByATest holds docs/polling.md to what there is: each row of its table names fixtures that
// exist and are played, or tests that are declared where the link leads.
func TestEveryPollingFailureIsHeldByATest(t *testing.T) {
	page, err := os.ReadFile("docs/polling.md")
	if err != nil {
		t.Fatal(err)
	}
	for folder, player := range players {
		if !declared(t, player.file)[player.test] {
			t.Errorf("%s is played by %s, which %s does not declare", folder, player.test, player.file)
		}
	}
	named := regexp.MustCompile("\\[`?([^`\\]]+)`?\\]\\(\\.\\./([^)]+)\\)")
	rows, cited := 0, map[string]bool{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what happens") {
			continue
		}
		rows++
		what := strings.TrimSpace(cells[0])
		if len(cells) != 4 {
			t.Errorf("%q has %d cells, want 4", what, len(cells))
			continue
		}
		links := named.FindAllStringSubmatch(cells[3], -1)
		if len(links) == 0 {
			t.Errorf("%q names no test", what)
		}
		for _, link := range links {
			name, target := link[1], link[2]
			cited[target] = true
			switch {
			case strings.HasSuffix(target, "_test.go"):
				if !declared(t, target)[name] {
					t.Errorf("%q: %s declares no %s", what, target, name)
				}
			case path.Base(target) != name+path.Ext(target):
				t.Errorf("%q: %s leads to %s", what, name, target)
			case players[path.Dir(target)].test == "":
				t.Errorf("%q: nobody plays %s", what, target)
			default:
				if info, err := os.Stat(target); err != nil || info.Size() == 0 {
					t.Errorf("%q: fixture %s: %v", what, target, err)
				}
			}
		}
	}
	if rows < 38 {
		t.Errorf("found %d rows, want all 38", rows)
	}
	stories, err := filepath.Glob("testdata/polling/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, story := range stories {
		if !cited[filepath.ToSlash(story)] {
			t.Errorf("%s shows a failure that docs/polling.md does not tell of", story)
		}
	}
}

// declared lists the tests and fuzz targets that a Go file declares.
func declared(t *testing.T, name string) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return nil
	}
	found := map[string]bool{}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Body != nil && len(f.Body.List) > 0 &&
			(strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
			found[f.Name.Name] = true
		}
	}
	return found
}
