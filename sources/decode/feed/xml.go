package feed

import (
	"bytes"
	stdxml "encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/mmcdole/gofeed"
	"github.com/mmcdole/gofeed/atom"
	"github.com/mmcdole/gofeed/rss"
)

const (
	mostParts  = 20_000   // tags, texts, comments and attributes of an entry, which gofeed turns into much more and joins one by one
	longestTag = 64 << 10 // bytes of the tags around the entries, which are read again with every entry
	slack      = 64 << 10
)

// splitter walks a feed in XML as tolerantly as gofeed does, which it gives one entry at a time.
type splitter struct {
	options  decode.Options
	emit     func([]byte, int) error
	envelope decode.Envelope
	in       window
	decoder  *stdxml.Decoder
	depth    int
	root     string // name of the root element, in lower case
	around   []tag  // the root, and the channel
	begin    int64  // where the entry begins
	inside   int    // its depth; 0: outside of entries
	parts    int    // of it
	ended    bool   // the root is at its end
	line     int    // of the token, or of the entry
	column   int
}

// tag is one that stands around entries, as it was written.
type tag struct{ text, name string }

func splitXML(r io.Reader, o decode.Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	s := splitter{options: o, emit: emit, in: window{r: r, most: o.Record + slack}}
	s.decoder = stdxml.NewDecoder(&s.in)
	s.decoder.Strict = false
	s.decoder.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 already
	for {
		begin := s.decoder.InputOffset()
		if s.inside == 0 {
			s.in.drop(begin)
			s.line, s.column = s.decoder.InputPos()
		}
		token, err := s.decoder.Token()
		switch {
		case err == nil:
			err = s.take(token, begin)
		case errors.Is(err, io.EOF) && s.in.err == nil:
			if s.ended {
				return s.envelope, nil
			}
			err = s.fault(io.ErrUnexpectedEOF)
		default:
			err = s.broken(err)
		}
		if err != nil {
			return s.envelope, err
		}
	}
}

func (s *splitter) take(token stdxml.Token, begin int64) error {
	if s.inside > 0 {
		if s.parts++; s.parts > mostParts {
			return &decode.LimitError{Item: s.envelope.Items + 1, Limit: fmt.Sprintf("has more than %d tags, texts and attributes", mostParts)}
		}
	}
	switch t := token.(type) {
	case stdxml.StartElement:
		s.depth++
		return s.start(t, begin)
	case stdxml.EndElement:
		s.depth--
		s.ended = s.depth == 0
		if s.inside > s.depth {
			s.inside = 0
			return s.entry(s.in.slice(s.begin, s.decoder.InputOffset()))
		}
		if len(s.around) > s.depth {
			s.around = s.around[:s.depth]
		}
	case stdxml.CharData:
		if s.depth == 0 && len(bytes.TrimSpace(t)) > 0 {
			return s.fault(errors.New("text stands outside of the root element"))
		}
	}
	return nil
}

func (s *splitter) start(t stdxml.StartElement, begin int64) error {
	name := strings.ToLower(t.Name.Local)
	if s.inside > 0 {
		s.parts += len(t.Attr)
		if s.depth-s.inside >= s.options.Depth {
			return s.options.TooDeep(s.envelope.Items + 1)
		}
		return nil
	}
	switch {
	case s.ended:
		return s.fault(errors.New("something follows after the end of the feed"))
	case s.depth == 1 && name != "rss" && name != "rdf" && name != "feed":
		return s.fault(fmt.Errorf("its root element is %q, not rss, RDF or feed", t.Name.Local))
	case s.depth == 1:
		s.root = name
		return s.surround(begin)
	case s.depth == 2 && name == "channel" && s.root != "feed":
		return s.surround(begin)
	case s.root == "feed" && s.depth == 2 && name == "entry", s.root != "feed" && s.depth == len(s.around)+1 && name == "item":
		s.inside, s.begin, s.parts = s.depth, begin, len(t.Attr)
	case s.depth > s.options.Depth:
		return s.options.TooDeep(0)
	}
	return nil
}

// surround remembers the tag that was just read as one that stands around entries.
func (s *splitter) surround(begin int64) error {
	text := string(s.in.slice(begin, s.decoder.InputOffset()))
	if len(text) > longestTag {
		return &decode.LimitError{Limit: "has a tag of more than " + decode.Size(longestTag) + " around its entries"}
	}
	name := strings.TrimPrefix(text, "<")
	if end := strings.IndexAny(name, " \t\r\n/>"); end >= 0 {
		name = name[:end]
	}
	s.around = append(s.around, tag{text, name})
	return nil
}

// entry has gofeed read one entry.
func (s *splitter) entry(text []byte) error {
	if int64(len(text)) > s.options.Record {
		return s.options.TooLarge(s.envelope.Items + 1)
	}
	var document bytes.Buffer
	for _, t := range s.around {
		document.WriteString(t.text)
	}
	document.Write(text)
	for i := len(s.around) - 1; i >= 0; i-- {
		document.WriteString("</" + s.around[i].name + ">")
	}
	entries, err := read(s.root, &document)
	if err != nil {
		return s.fault(err)
	}
	for _, e := range entries {
		s.envelope.Items++
		if err := tell(e, s.envelope.Items, s.options, s.emit); err != nil {
			return err
		}
	}
	return nil
}

// read has gofeed read a feed. It has one entry, or none where its element was of a name space that is not of feeds.
func read(root string, document io.Reader) ([]entry, error) {
	var entries []entry
	if root == "feed" {
		original, err := (&atom.Parser{}).Parse(document)
		if err != nil {
			return nil, err
		}
		feed, err := (&gofeed.DefaultAtomTranslator{}).Translate(original)
		if err != nil {
			return nil, err
		}
		for i, item := range feed.Items {
			entries = append(entries, fromAtom(item, original.Entries[i]))
		}
		return entries, nil
	}
	original, err := (&rss.Parser{}).Parse(document)
	if err != nil {
		return nil, err
	}
	feed, err := (&gofeed.DefaultRSSTranslator{DisableContentImageScan: true}).Translate(original)
	if err != nil {
		return nil, err
	}
	for _, item := range feed.Items {
		entries = append(entries, universal(item))
	}
	return entries, nil
}

// broken turns what the decoder reports into an error of ours.
func (s *splitter) broken(err error) error {
	item := 0
	if s.inside > 0 {
		item = s.envelope.Items + 1
	}
	switch {
	case s.in.over:
		return s.options.TooLarge(item)
	case s.in.err != nil:
		return s.in.err
	}
	s.line, s.column = s.decoder.InputPos()
	syntax, ok := errors.AsType[*stdxml.SyntaxError](err)
	switch {
	case ok && s.in.ended && s.decoder.InputOffset() == s.in.end() && !s.ended:
		err = io.ErrUnexpectedEOF
	case ok:
		err = errors.New(syntax.Msg)
	}
	return s.fault(err)
}

func (s *splitter) fault(err error) error {
	return &decode.SyntaxError{Language: language, Line: s.line, Offset: int64(s.column - 1), Err: err}
}
