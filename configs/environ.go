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
				return cty.NilVal, &refusal{"Too many arguments", `A name and, at most, a default: env("NAME", "…").`}
			}
			value, ok := o.environ(name)
			if !ok {
				if len(args) == 2 {
					if args[1].IsNull() {
						return cty.NullVal(cty.String), nil
					}
					return attr.Secret(args[1].AsString()), nil
				}
				return cty.NilVal, &refusal{"Environment variable not set", fmt.Sprintf(`There is no %s in the environment. Set it, or give a default: env(%q, "…").`, name, name)}
			}
			if !utf8.ValidString(value) {
				return cty.NilVal, &refusal{"Unusable environment variable", fmt.Sprintf("The value of %s is not text in UTF-8.", name)}
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
				text := err.Error()
				return cty.NilVal, &refusal{"Cannot read a file", strings.ToUpper(text[:1]) + text[1:] + "."}
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
	var seen []string
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
		if !errors.Is(err, fs.ErrNotExist) {
			return content, err
		}
		seen = append(seen, root)
	}
	if len(seen) > 0 {
		return "", fmt.Errorf("there is no file %q in %s", path, strings.Join(seen, ", nor in "))
	}
	return "", fmt.Errorf("the path %q leads out of the configuration's folder, and there is nothing to be read but what is in there or in $CREDENTIALS_DIRECTORY", path)
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
		return "", fmt.Errorf("there is %q, but it is not a regular file", path)
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
		return "", fmt.Errorf("the file %q is larger than 1 MiB", path)
	case !utf8.Valid(content):
		return "", fmt.Errorf("the file %q is not text in UTF-8", path)
	}
	return string(content), nil
}

func unreadable(path string, err error) error {
	if strings.Contains(err.Error(), "escapes") {
		return fmt.Errorf("the path %q follows a symbolic link out of its folder; a link is relative and stays inside", path)
	}
	return fmt.Errorf("the file %q cannot be read: %w", path, bare(err))
}

// bare is the cause of a path error: the path is named already, as it was written.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// refusal is why env or file gave no value, as a person is told it. HCL would put the name of a parameter in front.
type refusal struct{ summary, detail string }

func (r *refusal) Error() string { return r.detail }
