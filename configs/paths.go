package configs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
)

// paths reads one or several paths: names joined by dots, where a backslash makes the next character a plain one. In a
// key, which leads to one value, no name stands for every element.
func paths(r *attr.Reader, name string, key bool) []string {
	before := r.Errors()
	if !open(r, name) {
		return nil
	}
	all := r.OneOrMany(name)
	if r.Errors() > before || !r.Has(name) {
		return all
	}
	if key && len(all) == 0 {
		r.Errorf(r.Range(name), "Missing key", `A record is told from another by its key: name one path, such as key = "id".`)
	}
	for i, p := range all {
		rng := r.ElementRange(name, i)
		if err := checkPath(p, key); err != nil {
			r.Errorf(rng, "Invalid path", "%q is not a path: %s.", p, err)
		} else if slices.Contains(all[:i], p) {
			r.Errorf(rng, "Duplicate path", "%q is in the list already.", p)
		}
	}
	return all
}

func checkPath(p string, key bool) error {
	segments, err := segments(p)
	if err != nil {
		return err
	}
	for _, s := range segments {
		if s != "*" && bareStar(s) {
			return errors.New(`* stands for a whole name; write \\* for the character`)
		}
		if key && (s == "*" || s == "#") {
			return fmt.Errorf(`a key leads to one value, so %q cannot stand for every element; write \\%s for the name itself`, s, s)
		}
	}
	return nil
}

// bareStar reports whether a name has a * without a backslash before it.
func bareStar(name string) bool {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++
		case '*':
			return true
		}
	}
	return false
}

// segments splits a path at its dots and leaves the backslashes in.
func segments(p string) ([]string, error) {
	var all []string
	var segment strings.Builder
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			if i++; i == len(p) {
				return nil, errors.New("it ends with a backslash, which has nothing to act on")
			}
			segment.WriteByte('\\')
			segment.WriteByte(p[i])
		case '.':
			all = append(all, segment.String())
			segment.Reset()
		default:
			segment.WriteByte(p[i])
		}
	}
	all = append(all, segment.String())
	if slices.Contains(all, "") {
		if p == "" {
			return nil, errors.New("it is empty")
		}
		return nil, errors.New(`it has an empty name; write \\. for a dot that belongs to a name`)
	}
	return all, nil
}

// open reports whether an attribute may be shown to everybody, and notes a diagnostic where it may not: paths and times
// stand in messages, in the store and on the dashboard.
func open(r *attr.Reader, name string) bool {
	if !attr.IsSecret(r.Value(name)) {
		return true
	}
	r.Errorf(r.Range(name), "Secret value", "%q cannot be secret, and what env and file give is. Use a variable, which HOOKBRIDGE_VAR_NAME in the environment sets.", name)
	return false
}
