package xml

import (
	"bytes"
	"encoding/xml"

	"github.com/go-json-experiment/json/jsontext"
)

// record is one that is being read. Its values are written where they will stand; what is only known at the end of an
// element, its names and its arrays, is put around them then. All slices are stacks, on which the innermost element is
// the last, and are used again for the next record.
type record struct {
	open   []frame
	fields []field
	json   []byte // the values of the fields
	text   []byte // of the open elements
	whole  []byte // an element, put together
	held   int    // what the fields take beside their values
	index  map[key]int
}

// frame is an open element.
type frame struct {
	name   xml.Name // Space is the prefix
	fields int      // where its own begin
	json   int      // where its values begin
	text   int      // where its text begins
	arrays uint64   // which of Format.Arrays can lead through it
	array  bool     // it is one, even alone
	joins  bool     // its value goes to the last field of its parent
	null   bool     // it says that it is nil
}

// field is a run of values that stand under one name.
type field struct {
	name       xml.Name
	begin, end int // its values in json, with commas between them
	next, last int // of its group: further runs under the same name; 0: none
	attribute  bool
	array      bool
	grouped    bool // belongs to a run before
	prefixed   bool // another prefix has the same name
}

const fieldCost = 64

func (r *record) depth() int { return len(r.open) }

// begin starts the record.
func (r *record) begin(s *splitter, t xml.StartElement) error {
	r.drop()
	r.push(frame{name: t.Name, arrays: 1<<len(s.format.Arrays) - 1}, t.Attr)
	return s.fits()
}

// drop forgets what was read of a record.
func (r *record) drop() {
	r.open, r.fields, r.json, r.text, r.held = r.open[:0], r.fields[:0], r.json[:0], r.text[:0], 0
}

// push opens an element. Its attributes are its first fields.
func (r *record) push(f frame, attributes []xml.Attr) {
	if n := r.depth(); n > 0 && len(r.fields) > r.open[n-1].fields {
		if before := r.fields[len(r.fields)-1]; !before.attribute && before.name == f.name {
			f.joins = true
			r.json = append(r.json, ',')
		}
	}
	f.fields, f.json, f.text = len(r.fields), len(r.json), len(r.text)
	f.null = null(attributes)
	for _, a := range attributes {
		if declaresSpace(a.Name) {
			continue
		}
		begin := len(r.json)
		r.json = quote(r.json, []byte(a.Value))
		r.add(field{name: a.Name, attribute: true, begin: begin, end: len(r.json)})
	}
	r.open = append(r.open, f)
}

func (r *record) add(f field) {
	r.held += fieldCost + len(f.name.Space) + len(f.name.Local)
	r.fields = append(r.fields, f)
}

// within opens an element of a record.
func (s *splitter) within(t xml.StartElement) error {
	r := &s.record
	if r.depth() == s.options.Depth {
		return s.options.TooDeep(s.item())
	}
	parent := &r.open[r.depth()-1]
	f := frame{name: t.Name}
	for i, path := range s.format.Arrays {
		if bit := uint64(1) << i; parent.arrays&bit != 0 && len(path) >= r.depth() && path[r.depth()-1] == t.Name.Local {
			f.arrays |= bit
			f.array = f.array || len(path) == r.depth()
		}
	}
	r.push(f, t.Attr)
	return s.fits()
}

// close ends an element of a record, or the record.
func (s *splitter) close(name xml.Name) error {
	r := &s.record
	if r.open[r.depth()-1].name != name {
		return s.unmatched(name)
	}
	r.pop()
	if r.depth() > 0 {
		return s.fits()
	}
	s.envelope.Items++
	if err := s.options.Check(r.json, s.envelope.Items); err != nil {
		return err
	}
	if err := s.emit(r.json, s.envelope.Items); err != nil {
		return err
	}
	if cap(r.json) > 1<<20 { // rather than to keep buffers of that size
		s.record = record{}
	}
	return nil
}

// pop ends the innermost element, which becomes a value of its parent.
func (r *record) pop() {
	top := r.open[r.depth()-1]
	r.open = r.open[:r.depth()-1]
	r.finish(top)
	switch n := len(r.fields); {
	case r.depth() == 0:
	case top.joins:
		r.fields[n-1].end, r.fields[n-1].array = len(r.json), true
	default:
		r.add(field{name: top.name, begin: top.json, end: len(r.json), array: top.array})
	}
}

// fits holds a record to the caps while it is being read.
func (s *splitter) fits() error {
	r := &s.record
	if int64(len(r.json)+len(r.text)) > s.options.Record+slack || int64(r.held) > s.options.Record+1<<20 {
		return s.options.TooLarge(s.item())
	}
	return nil
}

// finish replaces the values of an element by the element.
func (r *record) finish(e frame) {
	text := trim(r.text[e.text:])
	r.text = r.text[:e.text]
	fields := r.fields[e.fields:]
	switch {
	case len(fields) == 0:
		r.json = quote(r.json[:e.json], text)
		return
	case e.null && len(fields) == 1 && fields[0].attribute && len(text) == 0:
		r.json = append(r.json[:e.json], "null"...)
	default:
		r.group(fields)
		r.whole = append(r.whole[:0], '{')
		for i := range fields {
			if !fields[i].grouped {
				r.write(fields, i)
			}
		}
		if len(text) > 0 {
			r.whole = append(r.whole, `"#text":`...)
			r.whole = append(quote(r.whole, text), ',')
		}
		r.whole[len(r.whole)-1] = '}'
		r.json = append(r.json[:e.json], r.whole...)
	}
	for _, f := range fields {
		r.held -= fieldCost + len(f.name.Space) + len(f.name.Local)
	}
	r.fields = r.fields[:e.fields]
}

// write puts together a member: the runs under the name of field i.
func (r *record) write(fields []field, i int) {
	f := &fields[i]
	r.whole = append(r.whole, '"')
	if f.attribute {
		r.whole = append(r.whole, '@')
	}
	if f.prefixed && f.name.Space != "" {
		r.whole = append(append(r.whole, f.name.Space...), ':')
	}
	r.whole = append(append(r.whole, f.name.Local...), '"', ':') // names of XML have nothing in them to escape
	if !f.array {
		r.whole = append(append(r.whole, r.json[f.begin:f.end]...), ',')
		return
	}
	r.whole = append(r.whole, '[')
	for {
		r.whole = append(append(r.whole, r.json[f.begin:f.end]...), ',')
		if f.next == 0 {
			break
		}
		f = &fields[f.next]
	}
	r.whole[len(r.whole)-1] = ']'
	r.whole = append(r.whole, ',')
}

// key is a name within an element. Those without a prefix of their own stand for all prefixes.
type key struct {
	prefix, local  string
	attribute, any bool
}

// few is up to how many fields are compared one by one.
const few = 12

// group links the runs that stand under one name, and finds the names that need their prefixes.
func (r *record) group(fields []field) {
	if len(fields) <= few {
		for i := 1; i < len(fields); i++ {
			for j := range i {
				if fields[j].name.Local != fields[i].name.Local || fields[j].attribute != fields[i].attribute || fields[j].grouped {
					continue
				}
				if fields[j].name.Space == fields[i].name.Space {
					join(fields, j, i)
					break
				}
				fields[j].prefixed, fields[i].prefixed = true, true
			}
		}
		return
	}
	if r.index == nil {
		r.index = make(map[key]int)
	}
	clear(r.index)
	for i := range fields {
		f := &fields[i]
		exact := key{prefix: f.name.Space, local: f.name.Local, attribute: f.attribute}
		if j, found := r.index[exact]; found {
			join(fields, j, i)
			continue
		}
		r.index[exact] = i
		some := key{local: f.name.Local, attribute: f.attribute, any: true}
		if j, found := r.index[some]; found {
			fields[j].prefixed, f.prefixed = true, true
		} else {
			r.index[some] = i
		}
	}
}

// join makes the run i one of the group that begins with j.
func join(fields []field, j, i int) {
	last := j
	if fields[j].last != 0 {
		last = fields[j].last
	}
	fields[last].next, fields[j].last = i, i
	fields[j].array, fields[i].grouped = true, true
}

// repeated is the name of an attribute that stands twice.
func repeated(attributes []xml.Attr) string {
	if len(attributes) <= few {
		for i := 1; i < len(attributes); i++ {
			for j := range i {
				if attributes[i].Name == attributes[j].Name {
					return full(attributes[i].Name)
				}
			}
		}
		return ""
	}
	seen := make(map[xml.Name]struct{}, len(attributes))
	for _, a := range attributes {
		if _, found := seen[a.Name]; found {
			return full(a.Name)
		}
		seen[a.Name] = struct{}{}
	}
	return ""
}

// declaresSpace reports whether an attribute is a name space declaration, which says nothing of the record.
func declaresSpace(name xml.Name) bool {
	return name.Space == "xmlns" || name.Space == "" && name.Local == "xmlns"
}

// null reports whether an element says that it is nil (XML Schema 1.0 part 1, 2.6.2), under whatever prefix.
func null(attributes []xml.Attr) bool {
	for _, a := range attributes {
		if a.Name.Local == "nil" && a.Name.Space != "" && (a.Value == "true" || a.Value == "1") {
			return true
		}
	}
	return false
}

// trim takes away what XML calls white space.
func trim(text []byte) []byte { return bytes.Trim(text, " \t\r\n") }

// quote appends a JSON string. The tokenizer has seen to it that text is UTF-8.
func quote(b, text []byte) []byte {
	b, _ = jsontext.AppendQuote(b, text)
	return b
}
