// Package xml decodes XML 1.0 as a stream: the elements that a path names become records, one at a time.
//
// It reads with encoding/xml, token by token, and holds the document to what that package leaves to its callers: tags that
// match, one root, no attribute twice, no entities of the document's own. Nothing outside the document is ever fetched.
package xml

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/charset"
)

// maxArrays is how many elements can be named as arrays.
const maxArrays = 64

// Format is XML whose records are the elements at Items. A record is a JSON object: attributes are @name, elements have
// their local name, elements that come more than once in their parent are an array where the first of them stood, and
// text beside attributes or elements is #text, last. An element with nothing but text is a string, without the white
// space around it; an empty one is "", and one that says xsi:nil="true" and nothing else is null. Two names of one
// element that only differ by their prefix keep it.
type Format struct {
	Items   Path
	Arrays  []decode.Path   // elements that are arrays even where there is only one, by local names from the record on
	Charset charset.Charset // wins over what the document says
}

// Read reads the block decode "xml".
func Read(r *attr.Reader) decode.Format {
	var f Format
	if items := r.Required("items"); items != "" {
		var err error
		if f.Items, err = ParsePath(items); err != nil {
			r.Errorf(r.Range("items"), "Invalid path", `%v. Records are found by local names: "//order" at any depth, "//orders/order" below that parent, "/list/orders/order" from the root on.`, err)
		}
	}
	for i, text := range r.Strings("arrays") {
		path, err := decode.ParsePath(text)
		switch {
		case err != nil:
			r.Errorf(r.ElementRange("arrays", i), "Invalid path", `%v. Arrays are named by dotted local names from the record on, such as "lines.line".`, err)
		case len(path) == 0 || strings.Contains(text, "/"):
			r.Errorf(r.ElementRange("arrays", i), "Invalid path", `%q names no element. Arrays are named by dotted local names from the record on, such as "lines.line".`, text)
		case i == maxArrays:
			r.Errorf(r.ElementRange("arrays", i), "Too many arrays", "At most %d elements can be named.", maxArrays)
		}
		f.Arrays = append(f.Arrays, path)
	}
	f.Charset = charset.Read(r)
	return f
}

// Identity is the path of the records, and what is always an array in them.
func (f Format) Identity() string {
	identity := "xml " + f.Items.String()
	for _, path := range f.Arrays {
		identity += " [" + path.String() + "]"
	}
	return identity
}

// Accept asks for XML; some servers know their own type of it only.
func (Format) Accept() string { return "application/xml, text/xml;q=0.9, */*;q=0.1" }

// Enveloped is true: the elements around the records may say more.
func (Format) Enveloped() bool { return true }

// Window is false: a document holds everything.
func (Format) Window() bool { return false }

// Overlaps reports whether the element at path, which is one of Options.Fields, is a record or within one, or, as far as
// Items says where they stand, holds them.
func (f Format) Overlaps(path decode.Path) bool {
	at, items := wanted(path), f.Items.Names
	if !at.Anywhere && !f.Items.Anywhere {
		n := min(len(at.Names), len(items))
		return slices.Equal(at.Names[:n], items[:n])
	}
	for i := 0; i+len(items) <= len(at.Names); i++ {
		if slices.Equal(at.Names[i:i+len(items)], items) {
			return true
		}
	}
	return false
}

// Split cuts the elements at Items out of the document; see decode.Format. A record within a record is part of it. That
// there is no record is only believed where the parent that Items names is there, or a document that has none to name
// is no web page; a SOAP fault is never a document without records. Each of these is a *decode.ItemsError. Positions
// are of the document as UTF-8.
//
// Options.Fields are dotted local names from the root on, the root included, or begin with // and match at any depth:
// "//nextToken", "Envelope.Body.more", "orders.@total". They are looked for outside of records, the first counts, and
// what they find is a JSON string, "" where it is empty, null where it is nil; an element with elements in it is an object,
// like a record.
func (f Format) Split(r io.Reader, o decode.Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return decode.Envelope{}, err
	}
	if len(f.Items.Names) == 0 {
		return decode.Envelope{}, errors.New("decode: the path of the records is not set")
	}
	s := splitter{format: f, options: o, emit: emit}
	if len(o.Fields) > 0 {
		s.envelope.Fields = make([]decode.Field, len(o.Fields))
		for _, field := range o.Fields {
			s.wanted = append(s.wanted, wanted(field))
		}
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	s.in.buffer = *buffer
	if s.in.r, s.in.used, err = UTF8(r, f.Charset, o.ContentType); err != nil {
		return s.envelope, err
	}
	err = s.document()
	return s.envelope, err
}
