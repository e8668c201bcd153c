package http

import (
	"bytes"
	"fmt"
	nethttp "net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/tidwall/gjson"
)

// The ways an answer leads to the next one.
const (
	single     = ""
	byPage     = "page"
	byOffset   = "offset"
	byCursor   = "cursor"
	byLink     = "link"
	byNext     = "next"
	byRelay    = "relay" // a cursor with words of its own
	defaultHas = "has_more"
)

// paging is how a source is read in several answers. The zero value reads one.
type paging struct {
	kind        string
	param       string
	start       int
	sizeParam   string
	size        int
	total       decode.Path // declared number of records
	pages       decode.Path // declared number of pages
	next        decode.Path // cursor or address of the next answer
	last        string      // gjson path of the cursor in the last record
	more        decode.Path
	moreWritten bool
	headers     *declared     // where numbers are declared, too; nil: nowhere
	fields      []decode.Path // all of the above that stand in the envelope
}

// declared are headers that declare how much there is. Empty ones do not.
type declared struct{ total, pages string }

// answer is one page, as far as paging is concerned.
type answer struct {
	known
	address *url.URL // that answered in the end
	number  int      // from 1
	sum     int64    // records so far, this answer's included
	saysAll bool     // "more" is false
	cursor  string   // of the next answer; empty: none
	link    string   // target of the Link header with relation next
	linked  bool
	open    bool  // lines, of which only the end of the connection says that there are no more
	skipped bool  // unchanged; its body was not read to the end
	details int64 // bytes read of its records' details
}

// bodyless says whether what follows an answer that is not the last can be told without its body.
func (p *paging) bodyless() bool { return p.kind != byCursor && p.kind != byNext }

// validates says whether a 304 for an answer would also prove what follows it. A Link header is no part of what a
// validator stands for: one may be new although the last page is not. A cursor in the body is, but only where it is
// none can we go on without it. Nor is a number in a header, and how the last answer declares it decides whether it is
// still the last.
func (p *paging) validates(last bool) bool {
	switch p.kind {
	case byLink:
		return !last
	case byCursor, byNext:
		return last
	}
	return !last || p.headers == nil
}

// first is where the first answer is asked for.
func (p *paging) first(base *url.URL) place {
	at := place{Page: Page{Number: 1, Size: p.size}, address: base}
	switch p.kind {
	case byPage:
		at.Number = int64(p.start)
		at.address = p.at(base, at.Number)
	case byOffset:
		at.Offset = int64(p.start)
		at.address = p.at(base, at.Offset)
	case byCursor:
		at.address = p.sized(base)
	}
	return at
}

func (p *paging) at(base *url.URL, n int64) *url.URL {
	if p.param != "" {
		base = address.With(base, p.param, strconv.FormatInt(n, 10))
	}
	return p.sized(base)
}

func (p *paging) sized(base *url.URL) *url.URL {
	if p.sizeParam == "" {
		return base
	}
	return address.With(base, p.sizeParam, strconv.Itoa(p.size))
}

// declares is the place of the declared number of records, for people.
func (p *paging) declares() string {
	if p.headers != nil && p.headers.total != "" {
		return p.headers.total
	}
	return p.total.String()
}

// readHeader takes the numbers that are declared in headers.
func (p *paging) readHeader(a *answer, header nethttp.Header) (err error) {
	if p.headers == nil {
		return nil
	}
	if name := p.headers.total; name != "" {
		a.Total, err = declaredIn(header, "total_header", name)
	}
	if name := p.headers.pages; name != "" && err == nil {
		a.Pages, err = declaredIn(header, "pages_header", name)
	}
	return err
}

func declaredIn(header nethttp.Header, what, name string) (int64, error) {
	text := strings.TrimSpace(header.Get(name))
	if text == "" {
		return 0, fmt.Errorf("%s %q is missing in the answer", what, name)
	}
	return count(text, what, name)
}

// read takes what paging needs out of an envelope.
func (p *paging) read(a *answer, envelope decode.Envelope, lastRecord []byte) error {
	a.Items = envelope.Items
	at := 0
	field := func(path decode.Path) (decode.Field, bool) {
		if path == nil {
			return decode.Field{}, false
		}
		f := envelope.Fields[at]
		at++
		return f, true
	}
	var err error
	if f, ok := field(p.total); ok {
		if a.Total, err = declaredBy(f, "total", p.total); err != nil {
			return err
		}
	}
	if f, ok := field(p.pages); ok {
		if a.Pages, err = declaredBy(f, "pages", p.pages); err != nil {
			return err
		}
	}
	if f, ok := field(p.more); ok {
		switch text, _ := scalar(f.Kind, f.Raw); {
		case f.Kind == 't', f.Kind == '"' && (text == "true" || text == "1"): // a text is all that XML has
			a.More = true
		case f.Kind == 'f', f.Kind == '"' && (text == "false" || text == "0"):
			a.saysAll = true
		case f.Kind == 0 && !p.moreWritten:
		case f.Kind == 0:
			return fmt.Errorf("more path %q is missing", p.more)
		case f.Kind == 'n' && !p.moreWritten:
		default:
			return fmt.Errorf("more path %q is neither true nor false", p.more)
		}
	}
	if f, ok := field(p.next); ok {
		if a.cursor, err = scalar(f.Kind, f.Raw); err != nil {
			return fmt.Errorf("next path %q %w", p.next, err)
		}
		if f.Kind == '0' && a.cursor == "0" { // how some say that there is none
			a.cursor = ""
		}
	}
	if p.last != "" && a.Items > 0 {
		result := gjson.GetBytes(lastRecord, p.last)
		raw := jsontext.Value(result.Raw)
		if a.cursor, err = scalar(raw.Kind(), raw); err != nil || a.cursor == "" {
			return fmt.Errorf("the last record has no usable value at %q, which is the cursor", p.last)
		}
	}
	return nil
}

// declaredBy reads a number of records or pages, plus one. Legacy systems write numbers as strings.
func declaredBy(f decode.Field, what string, path decode.Path) (int64, error) {
	text, err := scalar(f.Kind, f.Raw)
	if err != nil || text == "" {
		return 0, fmt.Errorf("%s path %q is missing or not a number", what, path)
	}
	return count(text, what+" path", path.String())
}

// count reads a whole number and adds one.
func count(text, what, name string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 63)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s %q is %q, not a whole number", what, name, clip(text))
	}
	return n + 1, nil
}

// scalar is the text of a string or number; missing, null, false and "" are no cursor.
func scalar(kind jsontext.Kind, raw jsontext.Value) (string, error) {
	switch kind {
	case 0, 'n', 'f':
		return "", nil
	case '0':
		return string(bytes.TrimSpace(raw)), nil
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		return string(text), err
	}
	return "", fmt.Errorf("is neither a string nor a number")
}

// follow says where the next answer is; more is false when a was the last.
func (p *paging) follow(base *url.URL, a *answer) (next place, more bool, err error) {
	if a.saysAll || p.kind == single {
		return place{}, false, nil
	}
	next = place{Page: Page{Number: int64(a.number) + 1, Offset: a.sum, Size: p.size}, address: base}
	switch p.kind {
	case byPage, byOffset:
		if a.Items == 0 {
			if a.Pages-1 > int64(a.number) {
				return place{}, false, fmt.Errorf("is empty, although %d pages are declared", a.Pages-1)
			}
			return place{}, false, nil
		}
		if a.Total > 0 && a.sum >= a.Total-1 || a.Pages > 0 && int64(a.number) >= a.Pages-1 {
			return place{}, false, nil
		}
		if p.kind == byPage {
			next.Number = int64(p.start + a.number)
			next.address = p.at(base, next.Number)
		} else {
			next.Offset += int64(p.start)
			next.address = p.at(base, next.Offset)
		}
	case byCursor:
		// An empty answer ends the scan, unless it says itself that more follows.
		if a.Items == 0 && !a.More {
			return place{}, false, nil
		}
		if a.cursor == "" {
			if a.More || p.last != "" {
				return place{}, false, fmt.Errorf("says that more follows (%q is true) but has no cursor", p.more)
			}
			return place{}, false, nil
		}
		next.Cursor, next.address = a.cursor, p.sized(base)
		if p.param != "" {
			next.address = address.With(next.address, p.param, a.cursor)
		}
	case byLink:
		if !a.linked || a.Items == 0 {
			return place{}, false, nil
		}
		next.given = true
		next.address, err = resolve(a.address, a.link)
	default:
		if a.cursor == "" || a.Items == 0 {
			return place{}, false, nil
		}
		next.given = true
		next.address, err = resolve(a.address, a.cursor)
	}
	return next, err == nil, err
}

// resolve finds the address a link leads to, which must be of the same origin.
func resolve(from *url.URL, link string) (*url.URL, error) {
	target, err := from.Parse(strings.TrimSpace(link))
	if err != nil {
		return nil, fmt.Errorf("has a next link that is not a URL")
	}
	if address.Origin(target) != address.Origin(from) {
		return nil, fmt.Errorf("has a next link to another origin, %s; only %s is followed", address.Origin(target), address.Origin(from))
	}
	target.Fragment, target.RawFragment = "", ""
	target.User = from.User
	address.Sendable(target)
	return target, nil
}
