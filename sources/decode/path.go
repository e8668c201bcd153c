package decode

import (
	"errors"
	"fmt"
	"strings"
)

// Path is a list of member names leading from the top of a JSON document to one value. The empty path is the document
// itself.
type Path []string

// ParsePath reads dotted names: "data.orders". A backslash makes the next character literal, and "@this" or nothing is
// the whole document. Wildcards, indexes and modifiers are refused: what is asked for must be one place.
func ParsePath(text string) (Path, error) {
	if text == "" || text == "@this" {
		return nil, nil
	}
	var path Path
	var name strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			i++
			if i == len(text) {
				return nil, fmt.Errorf("path %q ends with a lone backslash", text)
			}
			name.WriteByte(text[i])
		case '.':
			if name.Len() == 0 {
				return nil, fmt.Errorf("path %q has an empty name", text)
			}
			path = append(path, name.String())
			name.Reset()
		case '*', '#', '?', '|', '@', '[', ']', '{', '}', '!':
			return nil, fmt.Errorf(`path %q may only hold dotted names; write \%c for a name that has %c in it`, text, c, c)
		default:
			name.WriteByte(c)
		}
	}
	if name.Len() == 0 {
		return nil, fmt.Errorf("path %q has an empty name", text)
	}
	path = append(path, name.String())
	if len(path) > maxPath {
		return nil, errors.New("path has too many names")
	}
	return path, nil
}

const maxPath = 32

// String writes the path as ParsePath reads it.
func (p Path) String() string {
	if len(p) == 0 {
		return "@this"
	}
	var b strings.Builder
	for i, name := range p {
		if i > 0 {
			b.WriteByte('.')
		}
		for _, c := range []byte(name) {
			if strings.IndexByte(`\.*#?|@[]{}!`, c) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

// GJSON writes the path for gjson, which then takes every name literally.
func (p Path) GJSON() string {
	var b strings.Builder
	for i, name := range p {
		if i > 0 {
			b.WriteByte('.')
		}
		for _, c := range []byte(name) {
			if strings.IndexByte(`\.*?#|@!{}[]()=<>%"'~:`, c) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}
