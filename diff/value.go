package diff

import (
	"bytes"
	"slices"
	"strconv"
)

// value is a part of a body of which only what counts under the rules is left.
type value struct {
	kind    kind
	raw     []byte // as it stands in the body
	members []member
}

// member is a member of an object or an element of an array.
type member struct {
	name  []byte // what it says, without escapes
	place int    // in the body, from 0, counting those that are left out
	value value
}

type kind byte

const (
	isWord kind = iota // true, false, null
	isNumber
	isText
	isArray
	isObject
	isOpaque // an object or array deeper than maxDepth
)

// parse reads a body, and whether it is JSON. Nil: nothing in it counts.
func (r *Rules) parse(body []byte) (*value, bool) {
	p := parser{body: body, open: make([]member, 0, 32)}
	v, end, counts := p.value(space(body, 0), r.start(), 0)
	switch {
	case end < 0 || space(body, end) != len(body):
		return nil, false
	case !counts:
		return nil, true
	}
	return &v, true
}

type parser struct {
	body []byte
	open []member // of the containers that are being read, innermost last
}

// value reads the value at i, the position behind it, and whether anything in it counts. It agrees with hasher.value on
// all three.
func (p *parser) value(i int, n *node, depth int) (v value, end int, counts bool) {
	b := p.body
	if i >= len(b) {
		return value{}, -1, false
	}
	counts = n.keep
	switch c := b[i]; {
	case (c == '{' || c == '[') && depth == maxDepth:
		v.kind = isOpaque
		h := hasher{body: b}
		_, end, counts = h.opaque(i)
	case c == '{':
		v.kind = isObject
		v.members, end = p.members(i, n, depth)
		counts = counts || len(v.members) > 0
	case c == '[':
		v.kind = isArray
		v.members, end = p.members(i, n, depth)
		counts = counts || len(v.members) > 0
	case c == '"':
		v.kind = isText
		_, end = p.text(i)
	case c == 't' || c == 'f' || c == 'n':
		v.kind = isWord
		end = word(b, i)
	default:
		v.kind = isNumber
		_, end = parseDecimal(b, i)
	}
	if end < 0 {
		return value{}, -1, false
	}
	v.raw = b[i:end]
	return v, end, counts
}

func (p *parser) text(i int) ([]byte, int) {
	h := hasher{body: p.body}
	return h.text(i)
}

// members reads the object or array at i.
func (p *parser) members(i int, n *node, depth int) ([]member, int) {
	b := p.body
	object, last := b[i] == '{', byte(']')
	if object {
		last = '}'
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == last {
		return nil, i + 1
	}
	outer := len(p.open)
	for place := 0; i < len(b); place++ {
		m := member{place: place}
		child := n.rest
		if object {
			if b[i] != '"' {
				return nil, -1
			}
			m.name, i = p.text(i)
			if i < 0 {
				return nil, -1
			}
			child = n.child(m.name)
			if i = space(b, i); i >= len(b) || b[i] != ':' {
				return nil, -1
			}
			i = space(b, i+1)
		}
		if child.drop {
			i = skip(b, i)
		} else {
			var counts bool
			if m.value, i, counts = p.value(i, child, depth+1); counts {
				p.open = append(p.open, m)
			}
		}
		if i < 0 {
			return nil, -1
		}
		if i = space(b, i); i >= len(b) {
			return nil, -1
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case last:
			members := slices.Clone(p.open[outer:])
			p.open = p.open[:outer]
			return members, i + 1
		default:
			return nil, -1
		}
	}
	return nil, -1
}

// sameScalar compares two values of the same kind that have no members.
func sameScalar(a, b *value) bool {
	return bytes.Equal(a.raw, b.raw) || a.kind != isWord && bytes.Equal(a.canonical(nil, plain), b.canonical(nil, plain))
}

// sameSet compares the elements of two arrays without regard to their order.
func sameSet(a, b *value, n *node) bool {
	return len(a.members) == len(b.members) && bytes.Equal(a.canonical(nil, n), b.canonical(nil, n))
}

// canonical appends the one spelling of all values that are equal to v. It is made to be compared, not to be read.
func (v *value) canonical(dst []byte, n *node) []byte {
	switch v.kind {
	case isWord:
		return append(dst, v.raw...)
	case isNumber:
		d, _ := parseDecimal(v.raw, 0)
		return d.append(dst)
	case isText:
		h := hasher{body: v.raw}
		text, _ := h.text(0)
		return appendText(dst, text)
	case isOpaque:
		return appendTokens(dst, v.raw)
	case isObject:
		sorted := slices.Clone(v.members)
		slices.SortFunc(sorted, func(a, b member) int { return bytes.Compare(a.name, b.name) })
		dst = append(dst, '{')
		for i := range sorted {
			dst = appendText(dst, sorted[i].name)
			dst = sorted[i].value.canonical(dst, n.child(sorted[i].name))
		}
		return append(dst, '}')
	}
	dst = append(dst, '[')
	if n.unordered {
		elements := make([][]byte, len(v.members))
		for i := range v.members {
			elements[i] = v.members[i].value.canonical(nil, n.rest)
		}
		slices.SortFunc(elements, bytes.Compare)
		for _, e := range elements {
			dst = appendText(dst, e)
		}
		return append(dst, ']')
	}
	for i := range v.members {
		dst = strconv.AppendInt(dst, int64(v.members[i].place), 10)
		dst = append(dst, '=')
		dst = v.members[i].value.canonical(dst, n.rest)
		dst = append(dst, ',')
	}
	return append(dst, ']')
}

// appendText writes a text so that no other text, followed by anything, begins with the same bytes.
func appendText(dst, text []byte) []byte {
	dst = strconv.AppendInt(append(dst, '"'), int64(len(text)), 10)
	return append(append(dst, ':'), text...)
}

// appendTokens writes a value of any depth without white space and with its scalars in their one spelling.
func appendTokens(dst, raw []byte) []byte {
	p := parser{body: raw}
	for i := space(raw, 0); i < len(raw); i = space(raw, i) {
		if bytes.IndexByte([]byte("{}[],:"), raw[i]) >= 0 {
			dst = append(dst, raw[i])
			i++
			continue
		}
		scalar, end, _ := p.value(i, plain, 0)
		if end < 0 {
			return append(dst, raw[i:]...)
		}
		dst = scalar.canonical(dst, plain)
		i = end
	}
	return dst
}

// lookup finds members of an object by name.
type lookup struct {
	members []member
	index   map[string]int // where there are many
}

func newLookup(members []member) lookup {
	l := lookup{members: members}
	if len(members) > 2*fewNames {
		l.index = make(map[string]int, len(members))
		for i := range members {
			l.index[string(members[i].name)] = i
		}
	}
	return l
}

// find looks for a name, first at the place where it is likely to stand.
func (l *lookup) find(name []byte, likely int) *value {
	if likely < len(l.members) && bytes.Equal(l.members[likely].name, name) {
		return &l.members[likely].value
	}
	if l.index != nil {
		if i, ok := l.index[string(name)]; ok {
			return &l.members[i].value
		}
		return nil
	}
	for i := range l.members {
		if bytes.Equal(l.members[i].name, name) {
			return &l.members[i].value
		}
	}
	return nil
}
