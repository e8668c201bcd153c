package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/url"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/archive"
	"github.com/hookbridge/bridge/sources/decode"
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

// noBody stands in a checkpoint for the hash of an answer without a body.
const noBody = "204"

// noContent: some sources answer so beyond their last page, or where nothing changed since the watermark. At the start of
// everything it says nothing.
func (f *fetch) noContent(a *answer, before *known) error {
	if f.incremental && a.number == 1 {
		a.Hash = noBody
		return nil
	}
	if a.number == 1 || f.paging.kind != byPage && f.paging.kind != byOffset {
		return errors.New("answered 204 No Content where records were expected")
	}
	a.Hash = noBody
	if before != nil && before.Hash == a.Hash {
		a.skipped = true
		return nil
	}
	return f.differs()
}

// differs ends the verification.
func (f *fetch) differs() error {
	if f.verifying && len(f.pages) > 0 {
		return errAgain
	}
	f.verifying = false
	return nil
}

// content reads a body. One that fits a small buffer is hashed first, and not parsed if it is that of the last fetch.
func (f *fetch) content(ctx context.Context, resp *nethttp.Response, body *body, a *answer, before *known) error {
	buffer := buffers.Get().(*bytes.Buffer)
	defer func() { buffer.Reset(); buffers.Put(buffer) }()
	_, err := buffer.ReadFrom(io.LimitReader(body, smallBody+1))
	if err != nil {
		return f.cutShort(ctx, body, err)
	}
	start := buffer.Bytes()
	var input io.Reader = buffer
	emit := f.record(a.number)
	if len(start) > smallBody {
		if err := f.differs(); err != nil {
			return err
		}
		input = io.MultiReader(buffer, body)
	} else {
		a.Hash = hashBody(start)
		switch {
		case before == nil || before.Hash != a.Hash || f.paging.headers != nil && (before.Total != a.Total || before.Pages != a.Pages):
			if err := f.differs(); err != nil {
				return err
			}
		case f.paging.bodyless() && !f.success.readsHeaders():
			numbers := *before
			numbers.ETag, numbers.Modified = a.ETag, a.Modified
			a.known, a.skipped = numbers, true
			return nil
		default:
			a.skipped = true
			emit = func([]byte, int) error { return nil } // only what leads to the next answer is wanted
		}
	}
	var w *window
	if f.each != nil && !a.skipped {
		w = f.window(ctx, a.number)
		defer w.end()
		emit = w.add
	}
	var lastRecord []byte
	if f.paging.last != "" {
		inner := emit
		emit = func(raw []byte, item int) error {
			lastRecord = append(lastRecord[:0], raw...)
			return inner(raw, item)
		}
	}
	envelope, err := archive.Split(ctx, f.format, input, decode.Options{
		ContentType: resp.Header.Get("Content-Type"), Fields: f.fields(), Containers: f.success.containers(), Fits: f.options.Fits,
	}, archive.Options{Members: f.members, Max: f.maxBody}, emit)
	body.read = max(body.read, envelope.Unpacked)
	a.Items = envelope.Items
	if f.broken != nil {
		return f.broken
	}
	if w != nil {
		if err == nil {
			err = w.drain()
		}
		a.details += w.read
		if w.err != nil {
			return w.err
		}
	}
	if f.success != nil && body.err == nil {
		if verdict := f.judge(resp, envelope, err); verdict != nil {
			return verdict
		}
	}
	if body.open = body.open && envelope.Unpacked == 0 && !f.format.Enveloped() && !f.format.Window(); body.open && err == nil {
		a.open, err = true, body.whole()
	}
	if err == nil {
		err = f.paging.read(a, envelope, lastRecord)
	}
	if err != nil {
		if body.err != nil {
			return f.cutShort(ctx, body, body.err)
		}
		return f.unreadable(resp, body.read, start, err)
	}
	return nil
}

func (f *fetch) record(page int) func([]byte, int) error {
	return func(raw []byte, item int) error {
		if f.since != nil {
			f.tide.observe(raw, f.since.path)
		}
		f.broken = f.emit(bridge.Record{Body: raw, Page: page, Item: item})
		return f.broken
	}
}

func (s *Source) cutShort(ctx context.Context, body *body, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errTooLarge) && s.maxBody == maxDetail:
		return fmt.Errorf("the answer is larger than a single record may be (%s)", bytesText(maxDetail))
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("the answer is larger than max_body (%s); raise it if that is right", bytesText(s.maxBody))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the answer was cut short after %s: %w", bytesText(body.read), err)
	}
	return fmt.Errorf("read the answer after %s: %w", bytesText(body.read), plain(err))
}

// validatorsOf takes the validators off an answer. A Last-Modified younger than a second before the answer may stand
// for two states (RFC 9110, section 8.8.2.2) and is left out.
func validatorsOf(header nethttp.Header) (etag, modified string) {
	if etag = header.Get("ETag"); len(etag) > maxValidator || !printable(etag) {
		etag = ""
	}
	text := header.Get("Last-Modified")
	at, err := nethttp.ParseTime(text)
	date, err2 := nethttp.ParseTime(header.Get("Date"))
	if err == nil && err2 == nil && date.Sub(at) >= 2*time.Second && len(text) <= maxValidator && printable(text) {
		modified = text
	}
	return etag, modified
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
