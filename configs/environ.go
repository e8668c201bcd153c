package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/hookbridge/bridge/configs/attr"
)

// maxFile is how much file() reads. Secrets and request bodies are small; a device or a log is a mistake.
const maxFile = 1 << 20

// outside is what a configuration may look at besides itself. What comes from there is secret.
type outside struct {
	dir     string
	environ func(string) (string, bool)
}

func (o outside) functions() map[string]function.Function {
	all := maps.Clone(pure)
	all["env"] = quiet(o.env())
	all["file"] = quiet(o.file())
	return all
}

// env(name[, default]) is the value of an environment variable.
func (o outside) env() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if len(args) > 2 {
				return cty.NilVal, errors.New("env takes a name and, at most, a default")
			}
			value, ok := o.environ(name)
			if !ok {
				if len(args) == 2 {
					if args[1].IsNull() {
						return cty.NullVal(cty.String), nil
					}
					return attr.Secret(args[1].AsString()), nil
				}
				return cty.NilVal, function.NewArgErrorf(0, "the environment variable %s is not set; set it, or give a default: env(%q, \"…\")", name, name)
			}
			if !utf8.ValidString(value) {
				return cty.NilVal, function.NewArgErrorf(0, "the environment variable %s is not valid UTF-8", name)
			}
			return attr.Secret(value), nil
		},
	})
}

// file(path) is the content of a file in the folder of the configuration or in $CREDENTIALS_DIRECTORY. A relative path
// is looked for in both, in this order. Symbolic links are followed as long as they stay inside.
func (o outside) file() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			content, err := o.read(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return attr.Secret(content), nil
		},
	})
}

func (o outside) read(path string) (string, error) {
	roots := []string{o.dir}
	if credentials, ok := o.environ("CREDENTIALS_DIRECTORY"); ok && filepath.IsAbs(credentials) {
		roots = append(roots, credentials)
	}
	for _, root := range roots {
		inside := path
		if filepath.IsAbs(path) {
			var err error
			if inside, err = filepath.Rel(root, path); err != nil {
				continue
			}
		}
		if !filepath.IsLocal(inside) {
			continue
		}
		content, err := readIn(root, inside)
		if errors.Is(err, fs.ErrNotExist) && root != roots[len(roots)-1] {
			continue
		}
		return content, err
	}
	return "", fmt.Errorf("%q lies outside of the configuration's folder and of $CREDENTIALS_DIRECTORY", path)
}

func readIn(dir, path string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("open the folder of %q: %w", path, bare(err))
	}
	defer root.Close()
	// Looked at before it is opened: opening a pipe would wait for its writer.
	info, err := root.Stat(path)
	if err != nil {
		return "", unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%q is not a regular file", path)
	}
	f, err := root.Open(path)
	if err != nil {
		return "", unreadable(path, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", unreadable(path, err)
	case len(content) > maxFile:
		return "", fmt.Errorf("%q is larger than 1 MiB", path)
	case !utf8.Valid(content):
		return "", fmt.Errorf("%q is not text in UTF-8", path)
	}
	return string(content), nil
}

func unreadable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %q: %w", path, bare(err))
	case strings.Contains(err.Error(), "escapes"):
		return fmt.Errorf("%q leads outside of the folder it lies in", path)
	}
	return fmt.Errorf("read %q: %w", path, bare(err))
}

// bare is the cause of a path error: the path is named already, as it was written.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
