package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"
	"sync"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/decode"
)

// window is the listed records of a page whose details are on their way. They are handed on in the order of the list,
// and only so many are held.
type window struct {
	*fetch
	page   int
	ctx    context.Context
	cancel context.CancelCauseFunc
	todo   chan *child // what is to be fetched, in the order of the list; never full
	wg     sync.WaitGroup
	busy   int // workers
	notes  *notes

	queue []*child
	held  int   // bytes of listings
	read  int64 // bytes of answers
	err   error // what ended it
}

// child is a listed record and its detail.
type child struct {
	bridge.Record
	target *url.URL
	done   chan struct{} // closed when the rest is there; nil: nothing is fetched
	size   int64
}

// maxDetail bounds the detail of one record: up to four times as many are held as are asked for at a time.
const maxDetail = 8 << 20

// maxHeld is how many bytes of listings a window holds.
const maxHeld = 8 << 20

func (f *fetch) window(ctx context.Context, page int) *window {
	w := &window{fetch: f, page: page, todo: make(chan *child, 4*f.each.concurrency)}
	if trace := decode.Trace(ctx); trace != nil {
		w.notes = &notes{trace: trace, more: make(chan struct{}, 1)}
		ctx = decode.WithTrace(ctx, w.notes.add)
	}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// add takes the next record of the list.
func (w *window) add(listing []byte, item int) error {
	if w.since != nil {
		w.tide.observe(listing, w.since.path)
	}
	known := w.options.Known != nil && w.options.Known(listing)
	if known && len(w.queue) == 0 {
		w.err = w.emitListed(bridge.Record{Listing: listing, Page: w.page, Item: item})
		return w.err
	}
	c := &child{Record: bridge.Record{Listing: bytes.Clone(listing), Page: w.page, Item: item}}
	if !known {
		address, err := w.each.of(listing)
		if err != nil {
			return w.fail(c, err)
		}
		if c.target, err = w.target("detail", address); err != nil {
			return w.fail(c, err)
		}
		c.done = make(chan struct{})
		w.todo <- c
		if w.busy < w.each.concurrency {
			w.busy++
			w.wg.Go(w.work)
		}
	}
	w.queue = append(w.queue, c)
	w.held += len(c.Listing)
	for len(w.queue) >= 4*w.each.concurrency || w.held > maxHeld {
		if err := w.next(); err != nil {
			return err
		}
	}
	return nil
}

// work fetches details, one after the other, until the page has ended or one cannot be had.
func (w *window) work() {
	for c := range w.todo {
		if w.ctx.Err() == nil {
			w.pull(c)
		}
		close(c.done)
	}
}

func (w *window) pull(c *child) {
	body, size, err := w.detail.lookup(w.ctx, c.target, w.each.record)
	c.size = size
	switch {
	case err == nil:
		c.Body = body
	case gone(err):
		c.Bad = errors.New(w.scrub("listed, but not there: GET " + bridge.Redact(c.target.String()) + " answered " + status(err)))
	default:
		w.cancel(w.wrong(c, err)) // the first failure is the one that is told
	}
}

// next hands on the record whose turn it is.
func (w *window) next() error {
	c := w.queue[0]
	w.queue = w.queue[1:]
	w.held -= len(c.Listing)
	if c.done != nil {
		w.notes.until(c.done)
	}
	w.read += c.size
	if cause := context.Cause(w.ctx); cause != nil {
		w.err = cause
		return w.err
	}
	w.err = w.emitListed(c.Record)
	return w.err
}

// drain hands on all that are left.
func (w *window) drain() error {
	for len(w.queue) > 0 {
		if err := w.next(); err != nil {
			return err
		}
	}
	return nil
}

// end waits until nothing of the window is under way.
func (w *window) end() {
	w.cancel(errors.New("the page has ended"))
	close(w.todo)
	w.wg.Wait()
	w.notes.tell()
}

func (w *window) fail(c *child, err error) error {
	w.err = w.wrong(c, err)
	return w.err
}

// wrong names the record whose detail cannot be had.
func (w *window) wrong(c *child, err error) error {
	return fmt.Errorf("detail of record %d: %w", c.Item, err)
}

func status(err error) string {
	refused, _ := errors.AsType[*statusError](err)
	return fmt.Sprintf("%d %s", refused.status, nethttp.StatusText(refused.status))
}

// gone reports whether the source says that there is no such record.
func gone(err error) bool {
	busy, refused := (*bridge.BusyError)(nil), (*statusError)(nil)
	return !errors.As(err, &busy) && errors.As(err, &refused) && (refused.status == nethttp.StatusNotFound || refused.status == nethttp.StatusGone)
}
