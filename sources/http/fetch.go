package http

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"

	"github.com/hookbridge/bridge"
	"github.com/zeebo/xxh3"
)

// Fetch reads the source once, answer by answer; see bridge.Source. While every answer is the one of the last fetch,
// nothing is emitted. As soon as one is not, all records are needed: if answers were passed over by then, the scan
// begins again and reads everything. A source with a since block is read from its watermark on where there is one.
func (s *Source) Fetch(ctx context.Context, options bridge.FetchOptions, emit func(bridge.Record) error) (bridge.Outcome, error) {
	f := fetch{Source: s, options: options, emit: emit, from: s.since.start(), last: recall(options.From)}
	f.verifying = len(f.last) > 0
	if s.since != nil && !options.Unconditional {
		if f.tide.mark, f.incremental = s.since.recall(options.From); f.incremental {
			f.from = s.since.from(f.tide.mark)
			s.say(ctx, func() string {
				return fmt.Sprintf("asks for what changed since the watermark %s, less %s", f.tide.mark.Text, s.since.overlap)
			})
		}
	}
	outcome, err := f.run(ctx)
	if errors.Is(err, errAgain) {
		again := fetch{Source: s, options: options, emit: emit, from: s.since.start()}
		pages, size := outcome.Pages, outcome.Bytes
		outcome, err = again.run(ctx)
		outcome.Pages += pages
		outcome.Bytes += size
	}
	return outcome, err
}

// errAgain says that everything is needed: an answer differs from last time after earlier ones were passed over as
// unchanged, or the watermark is one that cannot be.
var errAgain = errors.New("the scan has to begin again")

// fetch is one scan of a source.
type fetch struct {
	*Source
	options   bridge.FetchOptions
	emit      func(bridge.Record) error
	from      string   // time that is asked from; empty: none
	base      *url.URL // that the paging starts from
	last      []known  // the answers of the last complete fetch
	verifying bool     // every answer so far was that of the last fetch; none was emitted
	pages     []known
	changed   bool  // pages are not those of the last fetch
	start     place // the first answer
	seen      map[xxh3.Uint128]struct{}
	broken    error // what emit returned

	incremental bool // only what changed since the watermark is asked for
	tide        tide
}

func (f *fetch) run(ctx context.Context) (bridge.Outcome, error) {
	outcome := bridge.Outcome{Stable: true, Incremental: f.incremental}
	var sum, total, declared int64
	f.base = f.since.ask(f.url, f.from)
	at, err := f.compose(f.paging.first(f.base))
	if err != nil {
		return outcome, f.fail(1, err)
	}
	f.start = at
	number := 1
	for ; ; number++ {
		if f.verifying && number > len(f.last) {
			return outcome, errAgain
		}
		a := answer{number: number}
		err := f.page(ctx, at, &a, &outcome)
		if f.broken != nil {
			return outcome, f.broken
		}
		if errors.Is(err, errAgain) {
			return outcome, err
		}
		if err != nil {
			return outcome, f.fail(number, err)
		}
		sum += int64(a.Items)
		a.sum = sum
		if a.Hash == noBody {
			a.Total, a.Pages = total, declared // it declares nothing
		}
		if a.open { // lines may be missing at its end
			outcome.Stable = false
		}
		if number > 1 && (a.Total != total || a.Pages != declared) {
			outcome.Stable = false
		}
		total, declared = a.Total, a.Pages
		next, more, err := f.follow(&a)
		if err != nil {
			return outcome, f.fail(number, err)
		}
		f.keep(&a, at.address, !more)
		if !more {
			if f.paging.next != nil && a.cursor == "" && !f.verifying {
				f.say(ctx, func() string {
					return fmt.Sprintf("page %d is the last one: nothing at next path %q", number, f.paging.next)
				})
			}
			break
		}
		if at, err = f.advance(number, next); err != nil {
			return outcome, f.fail(number, err)
		}
	}
	if total > 0 && outcome.Stable && sum != total-1 {
		return outcome, f.fail(number, fmt.Errorf("%d records came, but %q declares %d; the source limits its pages or leaves records out", sum, f.paging.declares(), total-1))
	}
	if f.verifying && number < len(f.last) {
		return outcome, errAgain
	}
	if err := f.settle(sum); err != nil {
		return outcome, f.fail(number, err)
	}
	outcome.Window = f.format.Window()
	outcome.Incremental = f.incremental || outcome.Window
	outcome.Complete = !outcome.Incremental
	outcome.NotModified = f.verifying
	switch {
	case f.incremental && !outcome.Stable:
		outcome.Next = f.options.From // what moved may have escaped us
	case !outcome.Stable:
	case f.verifying && !f.changed:
		outcome.Next = f.options.From
	case f.tide.mark.Text != "":
		outcome.Next = f.since.remember(f.tide.mark)
	default:
		outcome.Next = remember(f.pages)
	}
	return outcome, nil
}

// settle judges the values the records had.
func (f *fetch) settle(records int64) error {
	switch {
	case f.since == nil || f.incremental || f.verifying || records == 0:
	case f.tide.read == 0:
		return f.since.unreadable(records, f.scrub(f.tide.strange))
	case f.tide.ahead == f.tide.read:
		f.since.ahead.Do(func() {
			f.shared.logger.Warn("every value that since looks at is later than the source's own clock; all records are fetched each time",
				"host", f.url.Host, "value", f.since.value.String(), "clock", f.tide.limit.Add(-f.since.overlap).UTC())
		})
	}
	return nil
}

// keep notes the answer for the next fetch.
func (f *fetch) keep(a *answer, address *url.URL, last bool) {
	if a.number > maxKnown || f.incremental {
		f.pages = nil
		return
	}
	k := a.known
	k.Last = last
	if !f.paging.validates(last) || f.method != nethttp.MethodGet {
		k.ETag, k.Modified = "", ""
	}
	k.Address = ""
	if k.conditional() {
		k.Address = f.addressed(address)
	}
	f.changed = f.changed || !f.verifying || k != f.last[a.number-1]
	if f.pages == nil {
		f.pages = f.last[:0] // of which this fetch is past what it overwrites
	}
	f.pages = append(f.pages, k)
}

// page reads one answer, and once more where it says that the login has run out and none of its records is out yet.
func (f *fetch) page(ctx context.Context, at place, a *answer, outcome *bridge.Outcome) error {
	ended, err := f.read(ctx, at, a, outcome)
	if ended && a.Items == 0 {
		*a = answer{number: a.number}
		_, err = f.read(ctx, at, a, outcome)
	}
	return err
}

// read is page for one request. The answer is skipped where it proves to be the one of the last fetch; ended says that it
// was given to nobody who is logged in, and that the login was renewed.
func (f *fetch) read(ctx context.Context, at place, a *answer, outcome *bridge.Outcome) (ended bool, err error) {
	var before, validators *known
	if f.verifying {
		before = &f.last[a.number-1]
		if before.conditional() && !f.options.Unconditional && f.method == nethttp.MethodGet && before.Address == f.addressed(at.address) {
			validators = before
		}
	}
	resp, err := f.ask(ctx, at, validators, f.options.Unconditional)
	if err != nil {
		return false, err
	}
	if resp.StatusCode == nethttp.StatusNotModified {
		a.link, a.linked = f.linkOf(resp)
		if f.paging.kind != byLink || a.linked {
			outcome.Pages++
			f.note(resp, outcome)
			_ = resp.Body.Close()
			a.address, a.known, a.skipped = resp.Request.URL, *before, true
			return false, nil
		}
		// A 304 need not repeat its Link header: without it only the whole answer says what comes next.
		_ = resp.Body.Close()
		if resp, err = f.ask(ctx, at, nil, f.options.Unconditional); err != nil {
			return false, err
		}
	}
	defer func() { _ = resp.Body.Close() }()
	outcome.Pages++
	f.note(resp, outcome)
	if f.since != nil && a.number == 1 {
		if f.tide.limit = f.since.limit(resp); f.incremental && f.tide.mark.At.After(f.tide.limit.Add(absurd)) {
			return false, errAgain
		}
	}
	a.address = resp.Request.URL
	a.link, a.linked = f.linkOf(resp)
	a.ETag, a.Modified = validatorsOf(resp.Header)
	if resp.StatusCode == nethttp.StatusNoContent {
		return false, f.noContent(a, before)
	}
	if err := f.paging.readHeader(a, resp.Header); err != nil {
		return false, err
	}
	body, err := openBody(resp, f.maxBody)
	if err != nil {
		return false, err
	}
	defer body.close()
	err = f.content(ctx, resp, body, a, before)
	outcome.Bytes += body.read + a.details
	return f.loggedOut(resp, err), err
}

func (f *fetch) linkOf(resp *nethttp.Response) (string, bool) {
	if f.paging.kind != byLink {
		return "", false
	}
	return nextLink(resp.Header.Values("Link"))
}

func (f *fetch) note(resp *nethttp.Response, outcome *bridge.Outcome) {
	if outcome.Pages == 1 {
		if date, err := nethttp.ParseTime(resp.Header.Get("Date")); err == nil {
			outcome.Date = date
		}
	}
}
