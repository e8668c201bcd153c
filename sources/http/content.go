package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/archive"
	"github.com/hookbridge/bridge/sources/decode"
)

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
