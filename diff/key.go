package diff

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"
)

// Key finds the key of a record. It is immutable and safe for concurrent use.
type Key struct {
	paths []keyPath
}

type keyPath struct {
	written string
	path    string   // for gjson, with everything that means something to it escaped
	names   []string // of its steps, the same way
}

// NewKey prepares the dotted paths of a key. A backslash makes the next character literal, a number names an element of
// an array; there are no wildcards, because a key is one value.
func NewKey(paths []string) (*Key, error) {
	if len(paths) == 0 {
		return nil, errors.New("key: no path: name the field that identifies a record")
	}
	k := &Key{paths: make([]keyPath, len(paths))}
	for i, path := range paths {
		steps, err := splitPath(path)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		names := make([]string, len(steps))
		for j, s := range steps {
			if !s.named {
				return nil, fmt.Errorf("key: path %q: a key is one value, so no wildcards; write \\* or \\# for the character", path)
			}
			names[j] = gjson.Escape(s.name)
		}
		k.paths[i] = keyPath{written: path, path: strings.Join(names, "."), names: names}
	}
	return k, nil
}

// Of is the key of a record. With one path it is the scalar's text: what a string says, a number as it is written, true
// or false. With several it is a JSON array of the scalars, in which "1" and 1 stay different. A scalar that is null,
// missing or empty, or no scalar at all, is an error that names the path.
func (k *Key) Of(body []byte) (string, error) {
	if len(k.paths) == 1 {
		found, err := k.paths[0].in(body)
		if err != nil {
			return "", err
		}
		return strings.Clone(text(found)), nil
	}
	key, err := k.Append(nil, body)
	return string(key), err
}

// Append appends the key of a record to dst; on an error it appends nothing.
func (k *Key) Append(dst, body []byte) ([]byte, error) {
	if len(k.paths) == 1 {
		found, err := k.paths[0].in(body)
		if err != nil {
			return dst, err
		}
		return append(dst, text(found)...), nil
	}
	key := append(dst, '[')
	for i := range k.paths {
		found, err := k.paths[i].in(body)
		if err != nil {
			return dst, err
		}
		if i > 0 {
			key = append(key, ',')
		}
		if found.Type != gjson.String {
			key = append(key, found.Raw...)
		} else if key, err = jsontext.AppendQuote(key, found.Str); err != nil {
			return dst, fmt.Errorf("key %q: %w", k.paths[i].written, err)
		}
	}
	return append(key, ']'), nil
}

func text(r gjson.Result) string {
	if r.Type == gjson.String {
		return r.Str
	}
	return r.Raw
}

// in finds the scalar. What it returns shares the body's memory: gjson reads strings, and to copy each body into one
// would cost more than to find the key in it.
func (p *keyPath) in(body []byte) (gjson.Result, error) {
	found := gjson.Get(unsafe.String(unsafe.SliceData(body), len(body)), p.path)
	what := ""
	switch {
	case !found.Exists():
		what = "missing" + p.beside(body)
	case found.Type == gjson.Null:
		what = "null"
	case found.IsObject():
		what = "an object"
	case found.IsArray():
		what = "an array"
	case text(found) == "":
		what = "an empty string"
	default:
		return found, nil
	}
	return gjson.Result{}, fmt.Errorf("key %q is %s", p.written, what)
}

// shownNames is how many names of a record without a key are told.
const shownNames = 8

// beside tells what is there where a name of the path is not: mostly the right one.
func (p *keyPath) beside(body []byte) string {
	at := gjson.Parse(unsafe.String(unsafe.SliceData(body), len(body)))
	for _, name := range p.names {
		next := at.Get(name)
		if !next.Exists() {
			break
		}
		at = next
	}
	if !at.IsObject() {
		return ""
	}
	var names []string
	at.ForEach(func(name, _ gjson.Result) bool {
		if len(names) == shownNames {
			names = append(names, "…")
			return false
		}
		text := []rune(name.Str)
		if len(text) > 40 {
			text = append(text[:40:40], '…')
		}
		names = append(names, strconv.Quote(string(text)))
		return true
	})
	if len(names) == 0 {
		return ""
	}
	return "; there is " + strings.Join(names, ", ")
}
