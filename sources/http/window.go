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
	slots  chan struct{} // held by each request
	wg     sync.WaitGroup

	queue []*child
	held  int   // bytes of listings
	read  int64 // bytes of answers
	err   error // what ended it
}

// child is a listed record and its detail.
type child struct {
	bridge.Record
	done chan struct{} // closed when the rest is there; nil: nothing is fetched
	size int64
}

// maxDetail bounds the detail of one record: up to four times as many are held as are asked for at a time.
const maxDetail = 8 << 20

// maxHeld is how many bytes of listings a window holds.
const maxHeld = 8 << 20

func (f *fetch) window(ctx context.Context, page int) *window {
	w := &window{fetch: f, page: page, slots: make(chan struct{}, f.each.concurrency)}
	if trace := decode.Trace(ctx); trace != nil {
		var mu sync.Mutex
		ctx = decode.WithTrace(ctx, func(line string) {
			mu.Lock()
			defer mu.Unlock()
			trace(line)
		})
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
		target, err := w.target("detail", address)
		if err != nil {
			return w.fail(c, err)
		}
		select { // here, so that details are asked for in the order of the list
		case w.slots <- struct{}{}:
		case <-w.ctx.Done():
			w.err = context.Cause(w.ctx)
			return w.err
		}
		c.done = make(chan struct{})
		w.wg.Go(func() { w.pull(c, target) })
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

// pull fetches one detail.
func (w *window) pull(c *child, target *url.URL) {
	defer func() { close(c.done); <-w.slots }()
	body, size, err := w.detail.lookup(w.ctx, target, w.each.record)
	c.size = size
	switch {
	case err == nil:
		c.Body = body
	case gone(err):
		c.Bad = errors.New(w.scrub("listed, but not there: GET " + bridge.Redact(target.String()) + " answered " + status(err)))
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
		<-c.done
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
	w.wg.Wait()
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
