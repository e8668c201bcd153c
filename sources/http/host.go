package http

import (
	"context"
	"fmt"
	nethttp "net/http"
	"net/url"
	"runtime"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/address"
	"golang.org/x/time/rate"
)

// host is what is known of one origin: when it wants to be asked again, and how fast. It is shared by all sources.
type host struct {
	mu      sync.Mutex
	until   time.Time // busy until then
	rates   map[float64]int
	limiter *rate.Limiter // nil: no rate
	budget  budget        // what it said last of its limits
	next    time.Time     // turn of the next request, where they have to last
	flying  int64         // requests that were let go and are not answered
	most    int64         // requests that were ever left
}

func (s *Shared) host(u *url.URL) *host {
	key := address.Origin(u)
	if h, ok := s.hosts.Load(key); ok {
		return h.(*host)
	}
	h, _ := s.hosts.LoadOrStore(key, &host{})
	return h.(*host)
}

// Busy reports whether the host asked not to be disturbed, and until when.
func (h *host) Busy(now time.Time) (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until, now.Before(h.until)
}

// Heed notes how an answer wants the host to be treated. It reports whether the answer says when to come back, by
// Retry-After or as a limit that is used up; then the whole host rests until then.
func (h *host) Heed(resp *nethttp.Response) (time.Time, bool) {
	if resp.StatusCode < 400 {
		return time.Time{}, false
	}
	at, ok := retryAfter(resp.Header, time.Now())
	if used, limited := usedUp(resp, time.Now()); limited && !ok {
		at, ok = used, true
	}
	if ok {
		h.rest(at)
	}
	return at, ok
}

// usedUp reports whether a refusal is for a limit that is used up, and until when. GitHub says so with 403.
func usedUp(resp *nethttp.Response, now time.Time) (time.Time, bool) {
	if resp.StatusCode != nethttp.StatusTooManyRequests && resp.StatusCode != nethttp.StatusForbidden {
		return time.Time{}, false
	}
	b, ok := readBudget(resp.Header, now)
	return b.reset.Add(margin), ok && b.remaining == 0
}

func (h *host) rest(until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until.After(h.until) {
		h.until = until
	}
}

// limit holds the host to a rate for as long as the source that asks for it lives; the smallest of all wins. After a
// reload the sources of the old configuration are collected as garbage, and their rates with them.
func (h *host) limit(perSecond float64, source *Source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rates == nil {
		h.rates = map[float64]int{}
	}
	h.rates[perSecond]++
	h.settle()
	runtime.AddCleanup(source, h.release, perSecond)
}

func (h *host) release(perSecond float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rates[perSecond]--; h.rates[perSecond] <= 0 {
		delete(h.rates, perSecond)
	}
	h.settle()
}

func (h *host) settle() {
	if len(h.rates) == 0 {
		h.limiter = nil
		return
	}
	smallest := rate.Inf
	for r := range h.rates {
		smallest = min(smallest, rate.Limit(r))
	}
	if h.limiter == nil {
		h.limiter = rate.NewLimiter(smallest, 1)
		return
	}
	h.limiter.SetLimit(smallest)
}

// wait holds a request back until it is its turn: by the rate of the host, and by what the host says of its limits. What
// would take longer than there is time is a *bridge.BusyError at once.
func (h *host) wait(ctx context.Context, say func(string)) error {
	h.mu.Lock()
	limiter := h.limiter
	h.mu.Unlock()
	if limiter != nil {
		if err := limiter.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return &refusedError{"the rate of the host does not allow another request before the job's timeout; raise timeout or rate"}
		}
	}
	for {
		deadline, _ := ctx.Deadline()
		now := time.Now()
		at, left, again := h.turn(now, deadline)
		if !at.After(now) {
			return nil
		}
		if !deadline.IsZero() && at.After(deadline) {
			return &bridge.BusyError{RetryAt: at, Err: fmt.Errorf("%s, and the next one that is due comes after the job's timeout, at %s; poll less often or raise timeout", left, at.UTC().Format(time.RFC3339))}
		}
		say(fmt.Sprintf("waits %s: %s", at.Sub(now).Round(time.Millisecond), left))
		timer := time.NewTimer(at.Sub(now))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if !again {
				h.landed() // it never went
			}
			return context.Cause(ctx)
		}
		if !again {
			return nil
		}
	}
}

// margin is how much later than a host says we believe its new window to begin: it speaks in whole seconds.
const margin = time.Second

// turn is when the next request may be made. It takes that turn, unless it comes after the deadline or again is true:
// then nothing is known of the time beyond it, and it is to be asked again.
func (h *host) turn(now, deadline time.Time) (at time.Time, left budget, again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	left = h.budget
	if left.reset.IsZero() || !now.Before(left.reset.Add(margin)) {
		h.budget = budget{}
		h.flying++
		return now, left, false
	}
	if left.spent() {
		return left.reset.Add(margin), left, true
	}
	at = now
	if !left.ample() {
		if at = h.next; at.Before(now) {
			at = now
		}
		if !deadline.IsZero() && at.After(deadline) {
			return at, left, false
		}
		h.next = at.Add(left.pace(now))
	}
	h.budget.remaining--
	h.flying++
	return at, left, false
}

// landed notes that a request was answered, or failed.
func (h *host) landed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flying--
}

// spend notes what an answer said of the host's limits. A limit that is not said is at least what was ever left. What is
// under way to the host is counted as if it did not know of it yet.
func (h *host) spend(b budget) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.most = max(h.most, b.remaining); b.limit == 0 {
		b.limit = h.most
	}
	b.limit = max(b.limit, b.remaining)
	b.remaining = max(b.remaining-h.flying, 0)
	h.budget = b
}
