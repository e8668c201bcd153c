// Package feed decodes RSS 0.9x, 1.0 (RDF) and 2.0, Atom 0.3 and 1.0 and JSON Feed 1.0 and 1.1 with gofeed. A feed shows
// its newest entries only, so what is not in it says nothing.
package feed

import (
	"bufio"
	"errors"
	"io"

	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/charset"
	"github.com/hookbridge/bridge/sources/decode/json"
	"github.com/hookbridge/bridge/sources/decode/xml"
)

// largest is how many bytes an entry may have.
const largest = 8 << 20

// Format is a feed. Every entry is a record, a JSON object with these members in this order, each only if the entry has
// it: id (the guid or id, or else the link), title, link, links, published, published_text, updated, updated_text, summary,
// content, authors (name, email, uri), categories, enclosures (url, type, length), extensions (prefix, name, then name,
// value, attrs and children) and custom (elements of RSS that nobody knows). Times are RFC 3339 in UTC; the text beside is
// what the feed says, and alone where that is no time.
type Format struct{}

// Read reads the block decode "feed", which has nothing in it.
func Read(*attr.Reader) decode.Format { return Format{} }

// Identity is "feed".
func (Format) Identity() string { return "feed" }

// Accept asks for the types of feeds, and for XML and JSON, as which many servers declare them.
func (Format) Accept() string {
	return "application/rss+xml, application/atom+xml, application/feed+json, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, */*;q=0.1"
}

// Enveloped is false: what a feed says of itself is not read.
func (Format) Enveloped() bool { return false }

// Window is true: a feed shows its newest entries only.
func (Format) Window() bool { return true }

// Split hands every entry to emit; see decode.Format. gofeed parses entries one by one, each within the elements that stood
// around it, so that memory does not grow with the feed. An entry may have 8 MiB.
func (Format) Split(r io.Reader, o decode.Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return decode.Envelope{}, err
	}
	o.Fields, o.Record = nil, min(o.Record, largest)
	text, _, err := xml.UTF8(r, charset.Charset{}, o.ContentType)
	if err != nil {
		return decode.Envelope{}, err
	}
	in := bufio.NewReader(text)
	for {
		c, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return decode.Envelope{}, decode.ErrEmpty
		case err != nil:
			return decode.Envelope{}, err
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		}
		if err := in.UnreadByte(); err != nil {
			return decode.Envelope{}, err
		}
		switch c {
		case '<':
			return splitXML(in, o, emit)
		case '{':
			return splitJSON(in, o, emit)
		}
		return decode.Envelope{}, &decode.SyntaxError{Language: language, Line: 1, Err: errors.New("it begins with neither an element nor an object")}
	}
}

const language = "RSS, Atom or JSON Feed"

// splitJSON takes the items of a JSON Feed, which are cut out and validated like those of any JSON.
func splitJSON(r io.Reader, o decode.Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	return json.Format{Items: decode.Path{"items"}}.Split(r, o, func(raw []byte, item int) error {
		e, err := fromJSON(raw, item)
		if err != nil {
			return err
		}
		return tell(e, item, o, emit)
	})
}

// tell emits an entry.
func tell(e entry, item int, o decode.Options, emit func(raw []byte, item int) error) error {
	raw, err := e.json()
	if err != nil {
		return err
	}
	if err := o.Check(raw, item); err != nil {
		return err
	}
	return emit(raw, item)
}
