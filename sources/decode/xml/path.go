package xml

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"github.com/hookbridge/bridge/sources/decode"
)

// maxPath is how many names a path may have.
const maxPath = 32

// Path names elements by their local names, whatever their prefixes: from the root on, or wherever they are below each
// other like this.
type Path struct {
	Anywhere bool
	Names    []string
}

// ParsePath reads "//order", "//orders/order" or "/list/orders/order". The rest of XPath is refused: what is asked for
// must be plain to see.
func ParsePath(text string) (Path, error) {
	rest, rooted := strings.CutPrefix(text, "/")
	if !rooted {
		if names := strings.Split(text, "."); valid(names) {
			return Path{}, fmt.Errorf(`path %q begins with no slash; "/%s" goes from the root on, "//%s" takes every such element`, text, strings.Join(names, "/"), names[len(names)-1])
		}
		return Path{}, fmt.Errorf("path %q begins with no slash", text)
	}
	rest, anywhere := strings.CutPrefix(rest, "/")
	path := Path{Anywhere: anywhere, Names: strings.Split(rest, "/")}
	if len(path.Names) > maxPath {
		return Path{}, errors.New("path has too many names")
	}
	for _, name := range path.Names {
		if _, local, prefixed := strings.Cut(name, ":"); prefixed && valid([]string{local}) {
			return Path{}, fmt.Errorf("path %q has a prefix; names are local, so write %q", text, local)
		}
		switch {
		case name == "":
			return Path{}, fmt.Errorf("path %q has an empty name", text)
		case strings.HasPrefix(name, "@"):
			return Path{}, fmt.Errorf("path %q names an attribute; records are elements", text)
		case !valid([]string{name}):
			return Path{}, fmt.Errorf("path %q is more than names: %q is none", text, name)
		}
	}
	return path, nil
}

// valid reports whether all of names could be local names of elements.
func valid(names []string) bool {
	for _, name := range names {
		if strings.ContainsAny(name, ":<>/=\"'& \t\r\n?!") || name == "" {
			return false
		}
		token, err := xml.NewDecoder(strings.NewReader("<" + name + "/>")).RawToken()
		if start, ok := token.(xml.StartElement); err != nil || !ok || start.Name.Local != name {
			return false
		}
	}
	return true
}

// String writes the path as ParsePath reads it.
func (p Path) String() string {
	if p.Anywhere {
		return "//" + strings.Join(p.Names, "/")
	}
	return "/" + strings.Join(p.Names, "/")
}

// wanted turns a path of decode into one of elements.
func wanted(path decode.Path) Path {
	if len(path) == 0 {
		return Path{}
	}
	first, anywhere := strings.CutPrefix(path[0], "//")
	return Path{Anywhere: anywhere, Names: append([]string{first}, path[1:]...)}
}

// leads reports whether the first n names of the path lead to the innermost of open.
func (p Path) leads(open []element, n int) bool {
	if n == 0 || len(open) < n || !p.Anywhere && len(open) > n {
		return false
	}
	for i := n - 1; i >= 0; i-- {
		if open[len(open)-n+i].name.Local != p.Names[i] {
			return false
		}
	}
	return true
}
