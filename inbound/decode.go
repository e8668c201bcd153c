package inbound

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookbridge/bridge"
)

// Decoding is how the bodies of a receiver are written.
type Decoding string

// The decodings. A form becomes an object of strings, and of arrays where a name comes more than once. XML becomes an
// object named like its root: attributes are @name, text beside them is #text, repeated elements are arrays,
// one that says xsi:nil is null.
const (
	JSON Decoding = "json"
	Form Decoding = "form"
	XML  Decoding = "xml"
)

var decoders = map[Decoding]func(body []byte, charset string) (json.RawMessage, error){
	JSON: decodeJSON, Form: decodeForm, XML: decodeXML,
}

// formed is which decoding the content types are of that say so.
var formed = map[string]Decoding{
	"application/json": JSON, "application/x-www-form-urlencoded": Form, "application/xml": XML, "text/xml": XML,
}

// maxDepth of a decoded body.
const maxDepth = 128

var errEncoding = errors.New("the body is in another form")

// Body turns the body of a webhook into JSON, for expressions. JSON stays as it was sent, byte for byte, without white
// space around it; an empty body is null. What the sender says about the form only counts where the body is not in the
// receiver's.
func Body(w *bridge.Inbound, decoding Decoding) (json.RawMessage, error) {
	if coding := w.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, fmt.Errorf("%w: it is compressed (content-encoding); have the sender send it plain", errEncoding)
	}
	decode := decoders[decoding]
	if decode == nil {
		return nil, fmt.Errorf("decode %q is not known; use json, form or xml", decoding)
	}
	media, params, _ := mime.ParseMediaType(w.Header.Get("Content-Type"))
	if len(bytes.TrimSpace(bytes.TrimPrefix(w.Body, []byte("\ufeff")))) == 0 {
		return json.RawMessage("null"), nil
	}
	// Every text is some form, so here the sender's word is all there is.
	other, known := formed[media]
	if decoding == Form && known && other != Form {
		return nil, mismatch(media, other)
	}
	body, err := decode(w.Body, params["charset"])
	if err != nil && known && other != decoding {
		return nil, mismatch(media, other)
	}
	return body, err
}

func mismatch(media string, other Decoding) error {
	return fmt.Errorf("%w: it is %s; set decode = %q, or the content type at the sender", errEncoding, media, other)
}

func decodeJSON(body []byte, _ string) (json.RawMessage, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	decoder := jsontext.NewDecoder(bytes.NewBuffer(body))
	for {
		_, err := decoder.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return bytes.Clone(body), nil
		case err != nil:
			return nil, syntax("JSON", decoder.InputOffset(), err)
		case decoder.StackDepth() > maxDepth:
			return nil, fmt.Errorf("the body is nested more than %d deep", maxDepth)
		}
		if decoder.StackDepth() == 0 && len(bytes.TrimSpace(decoder.UnreadBuffer())) > 0 {
			return nil, fmt.Errorf("the body goes on after its JSON value (at byte %d)", decoder.InputOffset())
		}
	}
}

// syntax leaves out what the parsers quote from the body: reasons are kept, listed and logged.
func syntax(form string, offset int64, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the body ends in the middle of its %s", form)
	}
	return fmt.Errorf("the body is not valid %s (at byte %d)", form, offset)
}

func decodeForm(body []byte, _ string) (json.RawMessage, error) {
	values := make(map[string][]string)
	var names []string
	for rest := strings.TrimSpace(string(body)); rest != ""; {
		var field string
		field, rest, _ = strings.Cut(rest, "&")
		if field == "" {
			continue
		}
		name, value, _ := strings.Cut(field, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, errors.New("the body is not a valid form: a % is not followed by two hex digits")
		}
		if values[name] == nil {
			names = append(names, name)
		}
		values[name] = append(values[name], value)
	}
	object := newObject()
	for _, name := range names {
		for _, value := range values[name] {
			object.add(name, quote(value))
		}
	}
	return object.bytes(), nil
}

// object is a JSON object being written. Names that come more than once have arrays.
type object struct {
	names  []string
	values map[string][]json.RawMessage
}

func newObject() *object { return &object{values: make(map[string][]json.RawMessage)} }

func (o *object) add(name string, value json.RawMessage) {
	if o.values[name] == nil {
		o.names = append(o.names, name)
	}
	o.values[name] = append(o.values[name], value)
}

func (o *object) bytes() json.RawMessage {
	out := []byte{'{'}
	for i, name := range o.names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, quote(name)...), ':')
		if values := o.values[name]; len(values) == 1 {
			out = append(out, values[0]...)
		} else {
			out = append(append(append(out, '['), bytes.Join(raw(values), []byte{','})...), ']')
		}
	}
	return append(out, '}')
}

func raw(values []json.RawMessage) [][]byte {
	all := make([][]byte, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}

// quote writes a JSON string; what is not UTF-8 becomes U+FFFD.
func quote(text string) json.RawMessage {
	out, _ := jsontext.AppendQuote(nil, strings.ToValidUTF8(text, "\ufffd"))
	return out
}

// kept is what is stored of a request's headers: all but what authenticates its sender.
func kept(header http.Header, carries func(string) bool) http.Header {
	keep := make(http.Header, len(header))
	for name, values := range header {
		switch name {
		case "Authorization", "Proxy-Authorization", "Cookie":
			continue
		}
		if !carries(name) {
			keep[name] = values
		}
	}
	return keep
}
