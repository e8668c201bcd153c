package xml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hookbridge/bridge/sources/decode"
)

const (
	longestTag   = 4 << 20  // bytes of a tag with its attributes, which the tokenizer turns into much more
	longestName  = 4 << 10  // bytes of a name
	longestField = 64 << 10 // bytes of a value outside of records that is asked for
	slack        = 4 << 10
)

// splitter walks one document. Outside of records it knows no more than which elements are open.
type splitter struct {
	format   Format
	options  decode.Options
	emit     func([]byte, int) error
	envelope decode.Envelope
	wanted   []Path // as Options.Fields
	found    uint64 // which of them
	in       input
	decoder  *xml.Decoder
	open     []element // from the root to the innermost; with a record, only up to its parent
	record   record
	beside   record // elements outside of records that are wanted as a whole
	text     []byte // of the open elements whose text is wanted, outside of records
	rooted   bool   // the root is there
	parent   bool   // so is an element that records can stand in
	failure  *decode.ItemsError
	line     int // of the token
	column   int
}

// element is one that is open, outside of records.
type element struct {
	name   xml.Name // Space is the prefix
	fields uint64   // which fields its text is for
	whole  uint64   // which fields it is for as a whole, since there is more in it than text
	begin  int      // of its text
	null   bool
	kept   bool // it is in splitter.beside
}

func (s *splitter) document() error {
	s.decoder = xml.NewDecoder(&s.in)
	s.decoder.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 already
	for {
		token, err := s.next()
		if err != nil {
			return err
		}
		if token == nil {
			return s.end()
		}
		if err := s.take(token); err != nil {
			return err
		}
	}
}

// next reads a token, which is good until the next one is read; nil at the end of the document.
func (s *splitter) next() (xml.Token, error) {
	s.in.allow(s.budget())
	s.line, s.column = s.decoder.InputPos()
	token, err := s.decoder.RawToken() // keeps prefixes, and leaves it to us whether tags match
	if err != nil {
		return nil, s.fault(err)
	}
	return token, nil
}

// budget is how long the next token may be. That it is a tag can be seen by its first two bytes, of which the tokenizer
// may have read one already.
func (s *splitter) budget() int64 {
	begun := s.in.offset() > s.decoder.InputOffset()
	start := s.in.peek(2)
	if !begun && len(start) > 0 && start[0] == '<' {
		begun, start = true, start[1:]
	}
	if begun && len(start) > 0 && start[0] != '!' && start[0] != '?' {
		return longestTag
	}
	return s.options.Record + slack
}

func (s *splitter) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		if len(t.Name.Local)+len(t.Name.Space) > longestName {
			return &decode.LimitError{Item: s.item(), Limit: fmt.Sprintf("has a name of more than %d KiB", longestName>>10)}
		}
		if twice := repeated(t.Attr); twice != "" {
			return s.syntax("the attribute %q stands twice in one tag", twice)
		}
		if s.record.depth() > 0 {
			return s.within(t)
		}
		return s.start(t)
	case xml.EndElement:
		if s.record.depth() > 0 {
			return s.close(t.Name)
		}
		return s.leave(t.Name)
	case xml.CharData:
		return s.chars(t)
	case xml.Directive:
		if s.rooted || !bytes.HasPrefix(t, []byte("DOCTYPE")) {
			return s.syntax("a declaration stands where none may be")
		}
		if bytes.IndexByte(t, '[') >= 0 {
			return s.syntax("the document declares entities or types of its own, which are not read")
		}
	case xml.ProcInst:
		if s.rooted && t.Target == "xml" {
			return s.syntax("another document begins within the document")
		}
	}
	return nil
}

// start opens an element outside of records, which may be one.
func (s *splitter) start(t xml.StartElement) error {
	if len(s.open) == 0 && s.rooted {
		return s.syntax("a second root element begins")
	}
	if n := len(s.open); n > 0 && s.open[n-1].fields != 0 { // the element around it is more than text
		s.answer(s.open[n-1].fields, decode.Field{Kind: '{'})
		s.open[n-1].whole, s.open[n-1].fields = s.open[n-1].fields, 0
		s.text = s.text[:s.open[n-1].begin]
	}
	s.open = append(s.open, element{name: t.Name, begin: len(s.text)})
	items := s.format.Items
	if !s.rooted {
		s.rooted = true
		if strings.EqualFold(t.Name.Local, "html") && (items.Anywhere || items.Names[0] != t.Name.Local) {
			return s.refuse("a web page")
		}
	}
	if items.leads(s.open, len(items.Names)) {
		s.open = s.open[:len(s.open)-1]
		s.letGo() // of what the records are in
		return s.record.begin(s, t)
	}
	if len(s.open) > s.options.Depth {
		return s.options.TooDeep(0)
	}
	s.parent = s.parent || items.leads(s.open, len(items.Names)-1)
	if len(s.open) == 3 && t.Name.Local == "Fault" && s.open[1].name.Local == "Body" && s.open[0].name.Local == "Envelope" && s.failure == nil {
		s.failure = &decode.ItemsError{Path: decode.Path{items.String()}, Found: decode.Missing, Body: "a SOAP fault"}
	}
	if err := s.look(t); err != nil {
		return err
	}
	if top := &s.open[len(s.open)-1]; s.options.Containers > 0 && (top.fields != 0 || s.beside.depth() > 0) {
		s.beside.push(frame{name: t.Name}, t.Attr)
		top.kept = true
		s.hold()
	}
	return nil
}

// hold lets go of what is wanted as a whole and is larger than asked for.
func (s *splitter) hold() {
	b := &s.beside
	if len(b.json)+len(b.text)+b.held > s.options.Containers+longestField {
		s.letGo()
	}
}

func (s *splitter) letGo() {
	if s.beside.depth() == 0 {
		return
	}
	s.beside.drop()
	for i := range s.open {
		s.open[i].kept = false
	}
}

// refuse is the error of a document that is something else as a whole.
func (s *splitter) refuse(what string) error {
	return &decode.ItemsError{Path: decode.Path{s.format.Items.String()}, Found: decode.Missing, Body: what}
}

// look finds the fields that the innermost element and its attributes are.
func (s *splitter) look(t xml.StartElement) error {
	top := &s.open[len(s.open)-1]
	for i, path := range s.wanted {
		bit := uint64(1) << i
		n := len(path.Names)
		if s.found&bit != 0 || n == 0 {
			continue
		}
		if path.leads(s.open, n) {
			s.found |= bit
			top.fields |= bit
		}
		attribute, ok := strings.CutPrefix(path.Names[n-1], "@")
		if !ok || !path.leads(s.open, n-1) {
			continue
		}
		for _, a := range t.Attr {
			if a.Name.Local != attribute || declaresSpace(a.Name) {
				continue
			}
			s.found |= bit
			if err := s.scalar(bit, []byte(a.Value)); err != nil {
				return err
			}
			break
		}
	}
	top.null = top.fields != 0 && null(t.Attr)
	return nil
}

// scalar answers fields with a text.
func (s *splitter) scalar(fields uint64, value []byte) error {
	if len(value) > longestField {
		return &decode.LimitError{Limit: fmt.Sprintf("has a value of more than %d KiB at %q", longestField>>10, s.open[len(s.open)-1].name.Local)}
	}
	s.answer(fields, decode.Field{Kind: '"', Raw: quote(nil, value)})
	return nil
}

func (s *splitter) answer(fields uint64, value decode.Field) {
	for i := range s.envelope.Fields {
		if fields&(1<<i) != 0 {
			s.envelope.Fields[i] = value
		}
	}
}

// leave ends an element outside of records.
func (s *splitter) leave(name xml.Name) error {
	n := len(s.open) - 1
	if n < 0 || s.open[n].name != name {
		return s.unmatched(name)
	}
	top := s.open[n]
	if top.fields != 0 {
		value := trim(s.text[top.begin:])
		if len(value) == 0 && top.null {
			s.answer(top.fields, decode.Field{Kind: 'n', Raw: []byte("null")})
		} else if err := s.scalar(top.fields, value); err != nil {
			return err
		}
		s.text = s.text[:top.begin]
	}
	s.open = s.open[:n]
	if top.kept {
		begin := s.beside.open[s.beside.depth()-1].json
		s.beside.pop()
		if raw := s.beside.json[begin:]; top.whole != 0 && len(raw) <= s.options.Containers && !decode.Deeper(raw, s.options.Depth) {
			s.answer(top.whole, decode.Field{Kind: '{', Raw: bytes.Clone(raw)})
		}
		s.hold()
	}
	return nil
}

func (s *splitter) unmatched(name xml.Name) error {
	open := s.open
	switch {
	case s.record.depth() > 0:
		return s.syntax("</%s> ends what <%s> began", full(name), full(s.record.open[s.record.depth()-1].name))
	case len(open) > 0:
		return s.syntax("</%s> ends what <%s> began", full(name), full(open[len(open)-1].name))
	}
	return s.syntax("</%s> ends what did not begin", full(name))
}

func full(name xml.Name) string {
	if name.Space == "" {
		return name.Local
	}
	return name.Space + ":" + name.Local
}

func (s *splitter) chars(text []byte) error {
	switch {
	case s.record.depth() > 0:
		s.record.text = append(s.record.text, text...)
		return s.fits()
	case len(s.open) == 0:
		if len(trim(text)) > 0 {
			return s.syntax("text stands outside of the root element")
		}
		return nil
	}
	if s.beside.depth() > 0 {
		s.beside.text = append(s.beside.text, text...)
		s.hold()
	}
	if s.open[len(s.open)-1].fields != 0 {
		if s.text = append(s.text, text...); len(s.text) > 2*longestField { // white space around it is not counted in the end
			return s.scalar(0, s.text)
		}
	}
	return nil
}

// end judges a document that was read to its end.
func (s *splitter) end() error {
	items := s.format.Items
	switch {
	case !s.in.any:
		return decode.ErrEmpty
	case !s.rooted || len(s.open) > 0 || s.record.depth() > 0:
		return &decode.SyntaxError{Language: "XML", Line: s.line, Offset: int64(s.column - 1), Err: io.ErrUnexpectedEOF}
	case s.failure != nil:
		return s.failure
	case s.envelope.Items == 0 && !s.parent && (len(items.Names) > 1 || !items.Anywhere):
		return &decode.ItemsError{Path: decode.Path{items.String()}, Found: decode.Missing}
	}
	return nil
}

// item is the number of the record being read, 0 outside of records.
func (s *splitter) item() int {
	if s.record.depth() == 0 {
		return 0
	}
	return s.envelope.Items + 1
}

// fault turns what the tokenizer reports into an error of ours; nil where the document ends between two tokens.
func (s *splitter) fault(err error) error {
	line, column := s.decoder.InputPos()
	found := err
	syntax, malformed := errors.AsType[*xml.SyntaxError](err)
	if malformed {
		found = errors.New(syntax.Msg)
	}
	switch s.in.halt {
	case overBudget:
		return s.options.TooLarge(s.item())
	case failed:
		return s.in.err
	case garbled:
		found = fmt.Errorf("the bytes are not text in %s; if that is not its charset, write charset = …", s.in.used.Name())
	case ended:
		if !malformed {
			return nil
		}
		if !s.rooted || len(s.open) > 0 || s.record.depth() > 0 {
			found = io.ErrUnexpectedEOF
		}
	}
	return &decode.SyntaxError{Language: "XML", Line: line, Offset: int64(column - 1), Err: found}
}

// syntax is an error at the token that was read last.
func (s *splitter) syntax(format string, args ...any) error {
	return &decode.SyntaxError{Language: "XML", Line: s.line, Offset: int64(s.column - 1), Err: fmt.Errorf(format, args...)}
}
