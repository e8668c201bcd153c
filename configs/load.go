package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/hookbridge/bridge/configs/attr"
)

// maxConfig is the largest file that is taken for a configuration.
const maxConfig = 16 << 20

// Load reads a configuration. An error is always an *Error.
func Load(path string, o Options) (*Config, error) {
	src, err := read(path)
	if err != nil {
		return nil, &Error{Diagnostics: hcl.Diagnostics{problem(hcl.DiagError, nil, "Cannot read the configuration", "%s", err)}}
	}
	return parse(path, src, o)
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s. To start one, run: hookbridge init", path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, bare(err))
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder. Name the file in it: --config %s", path, filepath.Join(path, "bridge.hcl"))
	case info.Size() > maxConfig:
		return nil, fmt.Errorf("%s is larger than 16 MiB", path)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, bare(err))
	}
	return src, nil
}

// loading is a configuration on its way from text to Config.
type loading struct {
	options Options
	config  *Config
	src     []byte
	diags   hcl.Diagnostics
	scope   *hcl.EvalContext // functions, var, local, destination, receiver
	names   *names           // of what is declared
	used    map[string]bool  // destinations something is delivered to
	heard   map[string]bool  // receivers a job listens to
	public  bool             // public_url is written
}

func parse(path string, src []byte, o Options) (*Config, error) {
	if o.Environ == nil {
		o.Environ = os.LookupEnv
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, &Error{Diagnostics: hcl.Diagnostics{problem(hcl.DiagError, nil, "Cannot read the configuration", "%s: %s.", path, err)}}
	}
	l := &loading{options: o, src: src, config: &Config{Path: path, Dir: dir}, used: map[string]bool{}, heard: map[string]bool{}}
	file, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	l.add(explainSyntax(diags))
	if file != nil {
		if body, ok := file.Body.(*hclsyntax.Body); ok && !diags.HasErrors() {
			l.file(body)
		}
	}
	found := tidy(explained(l.diags))
	files := map[string]*hcl.File{path: blot(file, src)}
	if found.HasErrors() {
		return nil, &Error{Diagnostics: found, Files: files, Store: l.config.Bridge.Store}
	}
	if len(found) > 0 {
		l.config.Warnings = Warnings{Diagnostics: found, Files: files}
	}
	return l.config, nil
}

func (l *loading) add(diags hcl.Diagnostics) { l.diags = append(l.diags, diags...) }

// file reads the blocks in the order in which they depend on each other, which need not be the order of the file.
func (l *loading) file(body *hclsyntax.Body) {
	root := attr.NewReader(body, nil, "the configuration")
	bridges := root.Blocks("bridge")
	variables, locals := root.Blocks("variable"), root.Blocks("locals")
	destinations, receivers := root.Blocks("destination"), root.Blocks("receiver")
	jobs, moved := root.Blocks("job"), root.Blocks("moved")
	l.add(root.Done())

	l.names = l.declare(destinations, receivers, jobs, variables)
	l.evaluate(variables, locals)
	l.destinations(destinations)
	l.bridge(bridges)
	l.receivers(receivers)
	l.jobs(jobs)
	l.moved(moved)
	l.unused()
}

// explainSyntax adds to what HCL says of the syntax what people run into most.
func explainSyntax(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		switch {
		case strings.Contains(d.Summary, "template control") || strings.Contains(d.Detail, "template control"):
			d.Detail += ` To write "%{" itself, double the percent sign: "%%{".`
		case strings.Contains(d.Summary, "template interpolation") || strings.Contains(d.Detail, "template interpolation"):
			d.Detail += ` To write "${" itself, double the dollar sign: "$${".`
		}
	}
	return diags
}
