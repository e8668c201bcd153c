package diff

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth is how many levels of a body are compared member by member; below it a value is compared token by token.
// No path may reach deeper.
const maxDepth = 512

// step is one name of a path. The zero step stands for every element of an array and every member of an object.
type step struct {
	name  string
	named bool
}

// splitPath cuts a dotted path into its names. A backslash makes the next character literal; a name that is only `*` or
// `#` is a wildcard.
func splitPath(path string) ([]step, error) {
	if !utf8.ValidString(path) {
		return nil, fmt.Errorf("path %q: not valid UTF-8", path)
	}
	var steps []step
	var name []byte
	var escaped, star bool // within the current name
	add := func() error {
		switch {
		case len(name) == 0:
			return fmt.Errorf("path %q: a name is empty; names are joined by single dots", path)
		case !escaped && (string(name) == "*" || string(name) == "#"):
			steps = append(steps, step{})
		case star:
			return fmt.Errorf("path %q: * stands for a whole name; write \\* for the character", path)
		default:
			steps = append(steps, step{name: string(name), named: true})
		}
		name, escaped, star = name[:0], false, false
		return nil
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; c {
		case '\\':
			i++
			if i == len(path) {
				return nil, fmt.Errorf("path %q: nothing follows the last backslash; write \\\\ for the character", path)
			}
			name, escaped = append(name, path[i]), true
		case '.':
			if err := add(); err != nil {
				return nil, err
			}
		case '*':
			name, star = append(name, c), true
		default:
			name = append(name, c)
		}
	}
	if path == "" {
		return nil, errors.New("path \"\": empty; write the dotted name of a field")
	}
	if err := add(); err != nil {
		return nil, err
	}
	if len(steps) > maxDepth {
		return nil, fmt.Errorf("path %.40q…: %d names deep; at most %d are compared", path, len(steps), maxDepth)
	}
	return steps, nil
}

var pathEscapes = strings.NewReplacer(`\`, `\\`, `.`, `\.`, `*`, `\*`)

// joinPath writes steps in the one spelling that splitPath reads back.
func joinPath(steps []step) string {
	names := make([]string, len(steps))
	for i, s := range steps {
		switch {
		case !s.named:
			names[i] = "*"
		case s.name == "#":
			names[i] = `\#`
		default:
			names[i] = pathEscapes.Replace(s.name)
		}
	}
	return strings.Join(names, ".")
}
