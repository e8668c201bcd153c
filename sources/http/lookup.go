package http

import (
	"context"
	stdjson "encoding/json"
	"errors"
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
	target, err := s.target(url)
	if err != nil {
		return nil, false, s.lost(err)
	}
	one := *s
	one.method, one.body, one.paging = nethttp.MethodGet, nil, paging{}
	if s.body != nil {
		one.header = maps.Clone(s.header)
		one.header.Del("Content-Type") // of the body that is not sent
	}
	body, err := one.lookup(ctx, target, path)
	if err != nil {
		busy, refused := (*bridge.BusyError)(nil), (*statusError)(nil)
		if !errors.As(err, &busy) && errors.As(err, &refused) && (refused.status == nethttp.StatusNotFound || refused.status == nethttp.StatusGone) {
			return nil, false, nil
		}
		return nil, false, s.lost(err)
	}
	return body, true, nil
}

func (s *Source) lookup(ctx context.Context, target *url.URL, path decode.Path) ([]byte, error) {
	resp, err := s.ask(ctx, place{address: target}, nil, true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != nethttp.StatusOK {
		return nil, fmt.Errorf("answered %d %s where a record was expected", resp.StatusCode, nethttp.StatusText(resp.StatusCode))
	}
	content, err := openBody(resp, s.maxBody)
	if err != nil {
		return nil, err
	}
	defer content.close()
	start := &beginning{r: content}
	record, err := json.One(start, path, decode.Options{})
	switch {
	case content.err != nil:
		return nil, s.cutShort(ctx, content, content.err)
	case err != nil:
		return nil, s.unreadable(resp, content.read, start.text, err)
	}
	return record, nil
}

// target is the address to ask. What an event put into it must not lead elsewhere.
func (s *Source) target(text string) (*url.URL, error) {
	target, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("the address of the lookup is not a URL")
	}
	if target.Opaque != "" || target.Host == "" || address.Origin(target) != address.Origin(s.url) {
		return nil, fmt.Errorf("the address of the lookup, %s, is not of the source's own origin, %s; no other gets its login", bridge.Redact(text), address.Origin(s.url))
	}
	for step := range strings.SplitSeq(target.Path, "/") { // decoded, so that %2e counts
		if step == "." || step == ".." {
			return nil, fmt.Errorf("the address of the lookup, %s, has %q in its path; such an id is not looked up", bridge.Redact(text), step)
		}
	}
	target.User, target.Fragment, target.RawFragment = nil, "", ""
	return target, nil
}

// lost wraps the error of a lookup, as fail does that of a page.
func (s *Source) lost(err error) error {
	return &fetchError{text: s.scrub("source.http: lookup: " + err.Error()), cause: err}
}
