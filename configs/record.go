package configs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// need is what expressions name of a change: a tree of names, where a leaf is taken whole. Converting no more than that
// is what makes an event cheap.
type need struct {
	whole   bool
	members map[string]*need
}

// add notes a reference such as change.after.status.
func (n *need) add(t hcl.Traversal) {
	if t.RootName() == "change" {
		n.reach(t)
	}
}

// reach notes a reference whatever its root.
func (n *need) reach(t hcl.Traversal) {
	for i := 1; i < len(t) && !n.whole; i++ {
		name, ok := second(t[i-1:])
		if !ok {
			break // a number, such as lines[0]: the whole list
		}
		if n.members == nil {
			n.members = map[string]*need{}
		}
		if n.members[name] == nil {
			n.members[name] = &need{}
		}
		n = n.members[name]
	}
	n.whole, n.members = true, nil
}

func (n *need) of(name string) *need {
	if n.whole {
		return n
	}
	return n.members[name]
}

// value converts what is needed of a change.
func (n *need) value(c bridge.Change, origin bridge.Origin) (cty.Value, error) {
	v := make(map[string]cty.Value, len(parts))
	if n.of("op") != nil {
		v["op"] = cty.StringVal(string(c.Op))
	}
	if n.of("key") != nil {
		v["key"] = attr.Text(c.Key)
	}
	if n.of("origin") != nil {
		v["origin"] = cty.StringVal(string(origin))
	}
	if n.of("changed") != nil {
		v["changed"] = stringList(c.Changed)
	}
	var err error
	if m := n.of("before"); m != nil {
		if v["before"], err = m.record(c.Before); err != nil {
			return cty.NilVal, fmt.Errorf("change.before: %w", err)
		}
	}
	if m := n.of("after"); m != nil {
		if v["after"], err = m.record(c.After); err != nil {
			return cty.NilVal, fmt.Errorf("change.after: %w", err)
		}
	}
	return cty.ObjectVal(v), nil
}

func stringList(all []string) cty.Value {
	if len(all) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	values := make([]cty.Value, len(all))
	for i, s := range all {
		values[i] = attr.Text(s)
	}
	return cty.ListVal(values)
}

// reading holds a decoder with what it reads from, to be used again.
type reading struct {
	source  bytes.Reader
	decoder *jsontext.Decoder
}

// reads takes a record with a name in it twice, of which the last counts: what a source is allowed an event must bear.
var reads = jsontext.AllowDuplicateNames(true)

var readings = sync.Pool{New: func() any {
	r := &reading{}
	r.decoder = jsontext.NewDecoder(&r.source, reads)
	return r
}}

// record converts what is needed of a record. Null and missing records are null.
func (n *need) record(body json.RawMessage) (cty.Value, error) {
	if len(body) == 0 {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	r := readings.Get().(*reading)
	defer readings.Put(r)
	r.source.Reset(body)
	r.decoder.Reset(&r.source, reads)
	return n.read(r.decoder, 0)
}

var errNotJSON = errors.New("it is not valid JSON")

// maxDepth bounds how deep a record may nest where an expression takes it whole.
const maxDepth = 512

func (n *need) read(d *jsontext.Decoder, depth int) (cty.Value, error) {
	if depth > maxDepth {
		return cty.NilVal, fmt.Errorf("the record nests deeper than %d levels", maxDepth)
	}
	token, err := d.ReadToken()
	if err != nil {
		return cty.NilVal, errors.New("the record is not valid JSON")
	}
	switch token.Kind() {
	case 'n':
		return cty.NullVal(cty.DynamicPseudoType), nil
	case 't':
		return cty.True, nil
	case 'f':
		return cty.False, nil
	case '"':
		return attr.Text(token.String()), nil
	case '0':
		return number(token.String())
	case '{':
		return n.object(d, depth)
	case '[':
		return n.list(d, depth)
	}
	return cty.NilVal, errors.New("the record is not valid JSON")
}

func (n *need) object(d *jsontext.Decoder, depth int) (cty.Value, error) {
	members := map[string]cty.Value{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return cty.NilVal, errors.New("the record is not valid JSON")
		}
		key := name.String()
		m := n.of(key)
		if m == nil {
			if err := d.SkipValue(); err != nil {
				return cty.NilVal, errors.New("the record is not valid JSON")
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
		return cty.NilVal, errors.New("the record is not valid JSON")
	}
	return cty.ObjectVal(members), nil
}

// list converts every element whole: which of them an expression looks at is not known.
func (n *need) list(d *jsontext.Decoder, depth int) (cty.Value, error) {
	whole := &need{whole: true}
	var elements []cty.Value
	for d.PeekKind() != ']' {
		v, err := whole.read(d, depth+1)
		if err != nil {
			return cty.NilVal, err
		}
		elements = append(elements, v)
	}
	if _, err := d.ReadToken(); err != nil {
		return cty.NilVal, errors.New("the record is not valid JSON")
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
