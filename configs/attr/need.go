package attr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Need is what expressions name of a value that is known only when they are evaluated: a tree of names, where a leaf is
// taken whole. Converting no more than that is what makes an expression on a large document cheap. The zero value needs
// nothing; a nil Need is a name that nobody asked for.
type Need struct {
	whole   bool
	members map[string]*Need
}

// Reach notes a reference such as change.after.status, whatever its root.
func (n *Need) Reach(t hcl.Traversal) {
	for i := 1; i < len(t) && !n.whole; i++ {
		name, ok := member(t[i])
		if !ok {
			break // a number, such as lines[0]: the whole list
		}
		if n.members == nil {
			n.members = map[string]*Need{}
		}
		if n.members[name] == nil {
			n.members[name] = &Need{}
		}
		n = n.members[name]
	}
	n.whole, n.members = true, nil
}

// Of is what is needed of a member; nil: nothing.
func (n *Need) Of(name string) *Need {
	if n == nil || n.whole {
		return n
	}
	return n.members[name]
}

// Whole reports whether everything there is is needed.
func (n *Need) Whole() bool { return n != nil && n.whole }

// Names are the members that are needed, sorted; none where the whole is.
func (n *Need) Names() []string {
	if n == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(n.members))
}

// Header converts what is needed of a header. A name that is asked for is found whatever its letters, and null where
// the header has no such line: senders leave out what does not apply.
func (n *Need) Header(header http.Header) cty.Value {
	v := map[string]cty.Value{}
	if n.Whole() {
		for name, values := range header {
			v[name] = headerText(values)
		}
	}
	for _, name := range n.Names() {
		if values := header.Values(name); len(values) > 0 {
			v[name] = headerText(values)
		} else {
			v[name] = cty.NullVal(cty.String)
		}
	}
	return cty.ObjectVal(v)
}

// headerText joins lines as RFC 9110 does, section 5.3.
func headerText(values []string) cty.Value {
	return Text(strings.ToValidUTF8(strings.Join(values, ", "), "\ufffd"))
}

// reading holds a decoder with what it reads from, to be used again.
type reading struct {
	source  bytes.Reader
	decoder *jsontext.Decoder
}

// reads takes a record with a name in it twice, of which the last counts: what a source is allowed an event must bear.
var reads = jsontext.AllowDuplicateNames(true)

var errNotJSON = errors.New("it is not valid JSON")

var readings = sync.Pool{New: func() any {
	r := &reading{}
	r.decoder = jsontext.NewDecoder(&r.source, reads)
	return r
}}

// JSON converts what is needed of a JSON document, with every digit of its numbers. An empty document is null. Of a name
// that comes twice the last counts.
func (n *Need) JSON(body json.RawMessage) (cty.Value, error) {
	if len(body) == 0 {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	r := readings.Get().(*reading)
	defer readings.Put(r)
	r.source.Reset(body)
	r.decoder.Reset(&r.source, reads)
	return n.read(r.decoder, 0)
}

func (n *Need) read(d *jsontext.Decoder, depth int) (cty.Value, error) {
	if depth > maxDepth {
		return cty.NilVal, fmt.Errorf("it nests deeper than %d levels", maxDepth)
	}
	token, err := d.ReadToken()
	if err != nil {
		return cty.NilVal, errNotJSON
	}
	switch token.Kind() {
	case 'n':
		return cty.NullVal(cty.DynamicPseudoType), nil
	case 't':
		return cty.True, nil
	case 'f':
		return cty.False, nil
	case '"':
		return Text(token.String()), nil
	case '0':
		return number(token.String())
	case '{':
		return n.object(d, depth)
	case '[':
		return n.list(d, depth)
	}
	return cty.NilVal, errNotJSON
}

func (n *Need) object(d *jsontext.Decoder, depth int) (cty.Value, error) {
	members := map[string]cty.Value{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return cty.NilVal, errNotJSON
		}
		key := name.String()
		m := n.Of(key)
		if m == nil {
			if err := d.SkipValue(); err != nil {
				return cty.NilVal, errNotJSON
			}
			continue
		}
		v, err := m.read(d, depth+1)
		if err != nil {
			return cty.NilVal, err
		}
		members[key] = v
	}
	if _, err := d.ReadToken(); err != nil {
		return cty.NilVal, errNotJSON
	}
	return cty.ObjectVal(members), nil
}

// list converts every element whole: which of them an expression looks at is not known.
func (n *Need) list(d *jsontext.Decoder, depth int) (cty.Value, error) {
	whole := &Need{whole: true}
	var elements []cty.Value
	for d.PeekKind() != ']' {
		v, err := whole.read(d, depth+1)
		if err != nil {
			return cty.NilVal, err
		}
		elements = append(elements, v)
	}
	if _, err := d.ReadToken(); err != nil {
		return cty.NilVal, errNotJSON
	}
	return cty.TupleVal(elements), nil
}

// number keeps every digit: a number gets as many bits as its text can need, and no less than HCL gives its own.
func number(text string) (cty.Value, error) {
	if len(text) < 18 {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return cty.NumberIntVal(i), nil
		}
	}
	if len(text) > 4096 {
		return cty.NilVal, fmt.Errorf("a number of %d characters is too long to reckon with", len(text))
	}
	precision := uint(max(512, 4*len(text)))
	f, _, err := big.ParseFloat(text, 10, precision, big.ToNearestEven)
	if err != nil || f.IsInf() {
		return cty.NilVal, errors.New("a number is too large to reckon with")
	}
	return cty.NumberVal(f), nil
}
