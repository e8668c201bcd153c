package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

var (
	// A call in a document: at the beginning of a line of code, or between backticks.
	documented = regexp.MustCompile("(?m)(?:^ *(?:\\$ |ExecStart(?:Pre)?=)?|`)(?:[./a-z]*/)?hookbridge ([a-z][^`\n]*)")
	// A call in a text that the program itself prints.
	printed   = regexp.MustCompile("hookbridge ([a-z]+(?: [^\"`\n;,)]*)?)")
	remark    = regexp.MustCompile(`\s+#.*$|\s{3,}.*$|["'|&;].*$`)
	sentences = regexp.MustCompile(`^(polls|is|asks|turns|into|of|that|has|as|keeps)\b`)
)

// parse checks a call the way running it would, short of running it.
func parse(t *testing.T, text string, arguments bool) (err error, known bool) {
	t.Helper()
	root := rootCommand(&app{})
	cmd, rest, err := root.Find(strings.Fields(text))
	if err != nil || cmd == root {
		return err, false
	}
	flags := cmd.Flags()
	flags.AddFlagSet(cmd.InheritedFlags())
	if err := flags.Parse(rest); err != nil {
		return err, true
	}
	if arguments && len(flags.Args()) > 0 { // a command is often only mentioned
		return cmd.ValidateArgs(flags.Args()), true
	}
	return nil, true
}

// TestDocumentedCallsAreRight holds the documents to the command line as it is.
func TestDocumentedCallsAreRight(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	deeper, err2 := filepath.Glob("../../docs/*/*.md")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	files = append(files, deeper...)
	seen := 0
	for _, name := range append(files, "../../README.md", "../../CONTRIBUTING.md") {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range documented.FindAllStringSubmatch(string(content), -1) {
			text := strings.TrimSpace(remark.ReplaceAllString(match[1], ""))
			if sentences.MatchString(text) {
				continue
			}
			seen++
			if err, known := parse(t, text, true); err != nil {
				t.Errorf("%s: hookbridge %s: %v", filepath.Base(name), text, err)
			} else if !known {
				t.Errorf("%s: hookbridge %s: there is no such command", filepath.Base(name), text)
			}
		}
	}
	if seen < 20 {
		t.Errorf("found %d calls in the documents, which cannot be all", seen)
	}
}

// TestPrintedCallsAreRight holds hints and errors of every room to the flags that exist.
func TestPrintedCallsAreRight(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range printed.FindAllStringSubmatch(string(content), -1) {
			text := match[1]
			if strings.HasSuffix(text, " ") {
				text += "NAME" // put together from pieces
			}
			err, known := parse(t, text, false)
			if known {
				seen++
			}
			if known && err != nil {
				t.Errorf("%s: hookbridge %s: %v", path, text, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Errorf("found %d calls in what the program prints, which cannot be all", seen)
	}
}

// TestEveryCommandExplainsItself: a short line, what --json prints, and arguments that are checked.
func TestEveryCommandExplainsItself(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no explanation", c.CommandPath())
		}
		if c.RunE != nil && !c.HasSubCommands() && c.Name() != "help" && c.Name() != "completion" && !strings.Contains(c.Long, "--json") {
			t.Errorf("%s does not say what --json prints", c.CommandPath())
		}
		if c.Args == nil && c.Name() != "help" {
			t.Errorf("%s does not check its arguments", c.CommandPath())
		}
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(rootCommand(&app{}))
}

// TestHelpNamesWhatJSONPrints holds the field names in the help texts to the types that are printed.
func TestHelpNamesWhatJSONPrints(t *testing.T) {
	root := rootCommand(&app{})
	for command, printed := range map[string]any{
		"validate":        validation{},
		"poll":            bridge.RunReport{},
		"approve":         daemon.ApproveReport{},
		"status":          daemon.Status{},
		"events":          daemon.EventView{},
		"deliveries":      daemon.DeliveryView{},
		"deliveries show": daemon.DeliveryDetail{},
		"replay":          daemon.Count{},
		"forget":          daemon.Count{},
		"listen":          arrival{},
		"version":         versionReport{},
	} {
		c, _, err := root.Find(strings.Fields(command))
		if err != nil {
			t.Fatal(err)
		}
		_, shape, _ := strings.Cut(c.Long, "--json:")
		if open := strings.IndexByte(shape, '{'); open >= 0 {
			shape = shape[open : strings.LastIndexByte(shape, '}')+1]
		}
		named := map[string]bool{}
		for _, name := range regexp.MustCompile(`[a-z_]+`).FindAllString(shape, -1) {
			named[name] = true
		}
		top, all := map[string]bool{}, map[string]bool{}
		tags(reflect.TypeOf(printed), top, all)
		if command == "deliveries show" { // it names only what it has beyond deliveries
			top = map[string]bool{"tries": true, "request": true}
			named["tries"] = strings.Contains(c.Long, "tries[]")
			delete(named, "and")
		}
		for name := range top {
			if !named[name] {
				t.Errorf("%s prints %q, and its help does not say so", command, name)
			}
		}
		for name := range named {
			if !all[name] {
				t.Errorf("the help of %s names %q, which is never printed", command, name)
			}
		}
	}
}

// tags collects the names of JSON fields: those of a type itself, and those of everything below it.
func tags(typ reflect.Type, top, all map[string]bool) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
		return
	}
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Anonymous {
			tags(field.Type, top, all)
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		top[name], all[name] = true, true
		tags(field.Type, map[string]bool{}, all)
	}
}
