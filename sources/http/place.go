package http

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/hookbridge/bridge/sources/address"
	"github.com/zeebo/xxh3"
)

// place is where an answer is asked for: an address and, where the request carries something, that.
type place struct {
	Page
	address *url.URL
	given   bool // the address came with an answer, all of it
	body    []byte
}

func (f *fetch) follow(a *answer) (place, bool, error) {
	if a.skipped && a.Last && f.paging.kind != byLink {
		return place{}, false, nil
	}
	return f.paging.follow(f.base, a)
}

// compose adds what the request for a page carries, and the parameters that are its own.
func (f *fetch) compose(at place) (place, error) {
	at.body = f.body
	at.Since = f.from
	if f.query != nil && !at.given {
		parameters, err := f.query.bytes(at.Page)
		if err != nil {
			return at, err
		}
		pairs, err := url.ParseQuery(string(parameters))
		if err != nil {
			return at, err
		}
		for _, name := range slices.Sorted(maps.Keys(pairs)) {
			at.address = address.With(at.address, name, pairs.Get(name))
		}
	}
	if f.payload == nil {
		return at, nil
	}
	var err error
	at.body, err = f.payload.bytes(at.Page)
	return at, err
}

// key tells requests apart.
func (p place) key() xxh3.Uint128 {
	if p.body == nil {
		return xxh3.HashString128(p.address.String())
	}
	return xxh3.HashString128(p.address.String() + "\x00" + string(p.body))
}

// advance guards against paging without end.
func (f *fetch) advance(number int, next place) (place, error) {
	if number >= f.maxPages {
		return next, fmt.Errorf("another page follows, but max_pages is %d; raise it if the source really has so many", f.maxPages)
	}
	next, err := f.compose(next)
	if err != nil {
		return next, err
	}
	if f.seen == nil {
		f.seen = map[xxh3.Uint128]struct{}{f.start.key(): {}}
	}
	key := next.key()
	if _, ok := f.seen[key]; ok {
		return next, errors.New("leads back to a page that was already read: the paging goes in circles")
	}
	f.seen[key] = struct{}{}
	return next, nil
}
