package soap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const declaration = `<?xml version="1.0" encoding="utf-8"?>`

// envelope makes a whole message of the text of a body: one that is an envelope stays as it is, anything else is put into
// one. The cursor stands in it escaped.
func (v *version) envelope(text, cursor string) ([]byte, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	if rest := strings.TrimLeft(text, " \t\r\n"); strings.HasPrefix(rest, "<?xml ") || strings.HasPrefix(rest, "<?xml\t") {
		_, after, ok := strings.Cut(rest, "?>")
		if !ok {
			return nil, errors.New("the XML declaration does not end")
		}
		text = after // what it says of the charset is no longer so
	}
	if text = strings.Trim(text, " \t\r\n"); text == "" {
		return nil, errors.New("there is nothing in it")
	}
	if !enveloped(text) {
		text = `<soap:Envelope xmlns:soap="` + v.namespace + `"><soap:Body>` + text + `</soap:Body></soap:Envelope>`
	}
	o, err := v.outline([]byte(text), true)
	if err != nil {
		return nil, err
	}
	if escaped, _ := escape(cursor); escaped != cursor && strings.Contains(o.text, escaped) {
		return nil, errors.New("page.cursor is escaped already: it can stand in an element or an attribute as it is, but not in a CDATA section or within a function that escapes it again")
	}
	return append([]byte(declaration), text...), nil
}

// enveloped reports whether the root of a document is called Envelope.
func enveloped(text string) bool {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.RawToken()
		if err != nil {
			return false
		}
		if start, ok := token.(xml.StartElement); ok {
			return start.Name.Local == "Envelope"
		}
	}
}

// outline is what is known of an envelope: where its parts are.
type outline struct {
	root      string // tag of the root, prefix included
	head      int    // offset behind that tag
	header    string // tag of the header; empty: there is none
	headerEnd int    // offset behind that tag
	closed    bool   // the header is one tag that ends itself
	secured   bool   // it has a Security element
	text      string // all character data and values of attributes
}

// outline reads an envelope and holds it to what is sent: well formed, of this version, with a body, without a document
// type. One that was read before need not be read beyond the beginning of its body.
func (v *version) outline(document []byte, whole bool) (outline, error) {
	var o outline
	var text strings.Builder
	d := xml.NewDecoder(bytes.NewReader(document))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	bodied, declared := false, spaces{"": true, "xmlns": true, "http://www.w3.org/XML/1998/namespace": true}
	for depth := 0; ; {
		begin := d.InputOffset()
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return o, malformed(err)
		}
		end := d.InputOffset()
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			if prefix, ok := declared.undeclared(t); ok {
				return o, fmt.Errorf("the prefix %q is not declared: write xmlns:%s=\"…\" where it is used first, or around it", prefix, prefix)
			}
			switch {
			case depth == 1 && o.root != "":
				return o, errors.New("a second root element begins")
			case depth == 1:
				if err := v.matches(t.Name); err != nil {
					return o, err
				}
				o.root, o.head = tag(document[begin:end]), int(end)
			case depth == 2 && t.Name.Space == v.namespace && t.Name.Local == "Header":
				o.header, o.headerEnd, o.closed = tag(document[begin:end]), int(end), document[end-2] == '/'
			case depth == 2 && t.Name.Space == v.namespace && t.Name.Local == "Body":
				if bodied = true; !whole {
					return o, nil
				}
			case depth == 3 && o.header != "" && t.Name.Local == "Security" && t.Name.Space == secext:
				o.secured = true
			}
			for _, a := range t.Attr {
				text.WriteString(a.Value + "\n")
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			text.Write(t)
			switch blank := len(bytes.TrimSpace(t)) == 0; {
			case depth == 0 && !blank:
				return o, errors.New("text stands outside of the root element")
			case depth == 2 && bodied && !blank:
				return o, errors.New(`text stands in the Body outside of an element; what is in a file is written file("…")`)
			}
		case xml.Directive:
			return o, errors.New("SOAP messages have no document type")
		}
	}
	if !bodied {
		return o, errors.New("the envelope has no Body")
	}
	o.text = text.String()
	return o, nil
}

// spaces are the namespaces that were declared so far. A prefix that was not is left in the place of its namespace by the
// decoder.
type spaces map[string]bool

func (s spaces) undeclared(e xml.StartElement) (prefix string, found bool) {
	for _, a := range e.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			s[a.Value] = true
		}
	}
	for _, name := range append([]xml.Attr{{Name: e.Name}}, e.Attr...) {
		if !s[name.Name.Space] {
			return name.Name.Space, true
		}
	}
	return "", false
}

// matches holds the root to the version.
func (v *version) matches(name xml.Name) error {
	if name.Local != "Envelope" {
		return errors.New("the root element is no Envelope")
	}
	for _, other := range versions {
		switch {
		case name.Space != other.namespace:
		case other == v:
			return nil
		default:
			return fmt.Errorf("the envelope is one of SOAP %s; write version = %q", other.name, other.name)
		}
	}
	return fmt.Errorf("the Envelope is not of SOAP %s, whose namespace is %s", v.name, v.namespace)
}

func malformed(err error) error {
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
		return fmt.Errorf("it is not well-formed XML: line %d of it: %s", syntax.Line, syntax.Msg)
	}
	return errors.New("it is not well-formed XML")
}

// tag is the name in a tag as it is written.
func tag(raw []byte) string {
	name := strings.TrimPrefix(string(raw), "<")
	if i := strings.IndexAny(name, " \t\r\n/>"); i >= 0 {
		name = name[:i]
	}
	return name
}

// prefix is what stands before the local name, colon included.
func prefix(tag string) string { return tag[:strings.IndexByte(tag, ':')+1] }

// insert puts content first into the header of an envelope, which is made where there is none.
func (o outline) insert(document []byte, content string) []byte {
	at, before, after := o.headerEnd, "", ""
	switch {
	case o.header == "":
		name := prefix(o.root) + "Header"
		at, before, after = o.head, "<"+name+">", "</"+name+">"
	case o.closed:
		at, before, after = o.headerEnd-len("/>"), ">", "</"+o.header+">"
	}
	rest := document[at:]
	if o.closed {
		rest = rest[len("/>"):]
	}
	sealed := make([]byte, 0, len(document)+len(before)+len(content)+len(after))
	sealed = append(sealed, document[:at]...)
	sealed = append(sealed, before+content+after...)
	return append(sealed, rest...)
}

// escape makes a text safe for an element or an attribute.
func escape(text string) (string, error) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}) {
		return "", errors.New("the cursor holds a character that XML cannot carry")
	}
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		return "", err
	}
	return b.String(), nil
}
