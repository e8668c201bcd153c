package http

import (
	"context"
	stdjson "encoding/json"
	"fmt"
	"maps"
	nethttp "net/http"
	"net/url"
	"strings"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
)

var _ bridge.Looker = (*Source)(nil)

// Lookup fetches one record by GET, whatever the method of the source, with its login, headers, caps and rate; see
// bridge.Looker. Only an address of the source's own origin is asked, because its credentials go along. 404 and 410 say
// that there is no such record. An error may be a *bridge.BusyError.
func (s *Source) Lookup(ctx context.Context, url, record string) (stdjson.RawMessage, bool, error) {
	path, err := decode.ParsePath(record)
	if err != nil {
		return nil, false, s.lost(fmt.Errorf("record: %w", err))
	}
	target, err := s.target("lookup", url)
	if err != nil {
		return nil, false, s.lost(err)
	}
	body, _, err := s.single().lookup(ctx, target, path)
	switch {
	case err == nil:
		return body, true, nil
	case gone(err):
		return nil, false, nil
	}
	return nil, false, s.lost(err)
}

// Asks holds an address to the source's own origin; see bridge.Looker.
func (s *Source) Asks(url string) error {
	if _, err := s.target("lookup", url); err != nil {
		return fmt.Errorf("is not of the source's own origin, %s; no other gets its login", address.Origin(s.url))
	}
	return nil
}

// single is the source as it asks for one record: by GET, whatever its method.
func (s *Source) single() *Source {
	one := *s
	one.method, one.body, one.paging = nethttp.MethodGet, nil, paging{}
	if s.body != nil {
		one.header = maps.Clone(s.header)
		one.header.Del("Content-Type") // of the body that is not sent
	}
	return &one
}

// lookup returns one record, and how many bytes were read for it.
func (s *Source) lookup(ctx context.Context, target *url.URL, path decode.Path) (stdjson.RawMessage, int64, error) {
	resp, err := s.ask(ctx, place{address: target}, nil, true)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != nethttp.StatusOK {
		return nil, 0, fmt.Errorf("answered %d %s where a record was expected", resp.StatusCode, nethttp.StatusText(resp.StatusCode))
	}
	content, err := openBody(resp, s.maxBody)
	if err != nil {
		return nil, 0, err
	}
	defer content.close()
	start := &beginning{r: content}
	record, err := json.One(start, path, decode.Options{})
	switch {
	case content.err != nil:
		return nil, content.read, s.cutShort(ctx, content, content.err)
	case err != nil:
		return nil, content.read, s.unreadable(resp, content.read, start.text, err)
	}
	return record, content.read, nil
}

// target is the address to ask. What an event put into it must not lead elsewhere.
func (s *Source) target(what, text string) (*url.URL, error) {
	target, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the address of the %s is not a URL", what)
	}
	if target.Opaque != "" || target.Host == "" || address.Origin(target) != address.Origin(s.url) {
		return nil, fmt.Errorf("the address of the %s, %s, is not of the source's own origin, %s; no other gets its login", what, bridge.Redact(text), address.Origin(s.url))
	}
	for step := range strings.FieldsFuncSeq(target.Path, func(r rune) bool { return r == '/' || r == '\\' }) { // decoded, so that %2e counts; some servers take \ for /
		if step == "." || step == ".." {
			return nil, fmt.Errorf("the address of the %s, %s, has %q in its path; such an id is not looked up", what, bridge.Redact(text), step)
		}
	}
	target.User, target.Fragment, target.RawFragment = nil, "", ""
	address.Sendable(target)
	return target, nil
}

// lost wraps the error of a lookup, as fail does that of a page.
func (s *Source) lost(err error) error {
	return &fetchError{text: s.scrub("source.http: lookup: " + err.Error()), cause: err}
}
