package inbound

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// element is an element of XML that is not at its end yet.
type element struct {
	name   xml.Name // Space is the prefix
	fields []field
	text   strings.Builder
	null   bool // xsi:nil, under whatever prefix
}

type field struct {
	prefix, local string
	attribute     bool
	value         json.RawMessage
}

// decodeXML reads a document into an object with one member, the root element. Names lose their prefixes, unless two in
// the same element would then be one.
func decodeXML(body []byte, charset string) (json.RawMessage, error) {
	in, err := inUTF8(body, charset)
	if err != nil {
		return nil, err
	}
	decoder := xml.NewDecoder(in)
	decoder.CharsetReader = declared(charset, body)
	var open []*element
	var root *object
	for {
		token, err := decoder.RawToken() // which keeps prefixes, and leaves it to us whether ends match
		if errors.Is(err, io.EOF) {
			break
		}
		if unknown := new(charsetError); errors.As(err, &unknown) {
			return nil, unknown
		}
		if err != nil {
			return nil, syntax("XML", decoder.InputOffset(), err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) == maxDepth {
				return nil, fmt.Errorf("the body is nested more than %d deep", maxDepth)
			}
			if len(open) == 0 && root != nil {
				return nil, fmt.Errorf("the body has a second root element (at byte %d)", decoder.InputOffset())
			}
			e, twice := begin(t)
			if twice {
				return nil, syntax("XML", decoder.InputOffset(), errors.New("an attribute stands twice in one tag"))
			}
			open = append(open, e)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1].name != t.Name {
				return nil, syntax("XML", decoder.InputOffset(), errors.New("an element ends that did not begin"))
			}
			ended := open[len(open)-1]
			open = open[:len(open)-1]
			value := ended.value()
			if len(open) == 0 {
				root = newObject()
				root.add(ended.name.Local, value)
			} else {
				parent := open[len(open)-1]
				parent.fields = append(parent.fields, field{ended.name.Space, ended.name.Local, false, value})
			}
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text.Write(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, fmt.Errorf("the body has text outside its root element (at byte %d)", decoder.InputOffset())
			}
		}
	}
	if len(open) > 0 || root == nil {
		return nil, syntax("XML", decoder.InputOffset(), io.ErrUnexpectedEOF)
	}
	return root.bytes(), nil
}

func begin(t xml.StartElement) (e *element, twice bool) {
	e = &element{name: t.Name}
	seen := make(map[xml.Name]bool, len(t.Attr))
	for _, a := range t.Attr {
		twice = twice || seen[a.Name]
		seen[a.Name] = true
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		e.null = e.null || a.Name.Local == "nil" && a.Name.Space != "" && (a.Value == "true" || a.Value == "1")
		e.fields = append(e.fields, field{a.Name.Space, a.Name.Local, true, quote(a.Value)})
	}
	return e, twice
}

// value is a string where there is nothing but text, otherwise an object; null where the element says that it is nil and
// nothing else. sources/decode/xml writes the same, so that what is polled and what comes here can be compared.
func (e *element) value() json.RawMessage {
	text := strings.Trim(e.text.String(), " \t\r\n") // white space as XML knows it
	switch {
	case len(e.fields) == 0:
		return quote(text)
	case e.null && len(e.fields) == 1 && text == "":
		return json.RawMessage("null")
	}
	prefixes := make(map[string]string, len(e.fields)) // of each name; with two, "clash" is not a prefix
	for _, f := range e.fields {
		if before, found := prefixes[f.mark()+f.local]; found && before != f.prefix {
			prefixes[f.mark()+f.local] = " "
		} else {
			prefixes[f.mark()+f.local] = f.prefix
		}
	}
	out := newObject()
	for _, f := range e.fields {
		name := f.local
		if prefixes[f.mark()+f.local] == " " && f.prefix != "" {
			name = f.prefix + ":" + f.local
		}
		out.add(f.mark()+name, f.value)
	}
	if text != "" {
		out.add("#text", quote(text))
	}
	return out.bytes()
}

func (f field) mark() string {
	if f.attribute {
		return "@"
	}
	return ""
}

// charsetError is a character set nobody here knows.
type charsetError struct{ name string }

func (e *charsetError) Error() string {
	return fmt.Sprintf("the body is in the character set %.40q, which is not known", e.name)
}

// inUTF8 reads a body in the character set of its byte order mark, or of its content type, or as it is.
func inUTF8(body []byte, charset string) (io.Reader, error) {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return bytes.NewReader(body[3:]), nil
	case bytes.HasPrefix(body, []byte("\xfe\xff")), bytes.HasPrefix(body, []byte("\xff\xfe")):
		return transform.NewReader(bytes.NewReader(body), unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder()), nil
	case charset != "":
		return from(charset, bytes.NewReader(body))
	}
	return bytes.NewReader(body), nil
}

// declared reads what a document declares about itself, unless something that comes first has said it.
func declared(charset string, body []byte) func(string, io.Reader) (io.Reader, error) {
	marked := len(body) > 1 && (body[0] == 0xef || body[0] >= 0xfe)
	return func(name string, in io.Reader) (io.Reader, error) {
		if charset != "" || marked {
			return in, nil
		}
		return from(name, in)
	}
}

// from reads a charset by its IANA name, as sources do, or by one of the labels that browsers know.
func from(charset string, in io.Reader) (io.Reader, error) {
	encoding, err := ianaindex.IANA.Encoding(charset)
	if err != nil || encoding == nil {
		if encoding, err = htmlindex.Get(charset); err != nil {
			return nil, &charsetError{charset}
		}
	}
	return transform.NewReader(in, encoding.NewDecoder()), nil
}
