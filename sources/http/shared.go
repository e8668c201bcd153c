// Package http reads records from HTTP APIs: one answer or many, conditional where that proves something, polite to the
// host and strict about what counts as a complete fetch.
package http

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/login"
)

// Shared is what all HTTP sources of a bridge have in common: connections, tokens, and what is known of each host.
type Shared struct {
	logger    *slog.Logger
	userAgent string
	transport nethttp.RoundTripper

	mu      sync.Mutex
	clients map[clientKey]*retryablehttp.Client
	gates   map[[32]byte]*gate // by certificates
	logins  login.Shared
	hosts   sync.Map    // origin -> *host
	limited atomic.Bool // some host has, or had, a rate or a limit
}

// NewShared prepares for sources. A nil transport is one of our own, with room for many idle connections.
func NewShared(logger *slog.Logger, userAgent string, transport nethttp.RoundTripper) *Shared {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if userAgent == "" {
		userAgent = "hookbridge"
	}
	if transport == nil {
		transport = newTransport(nil)
	}
	return &Shared{
		logger: logger, userAgent: userAgent, transport: transport,
		clients: map[clientKey]*retryablehttp.Client{}, gates: map[[32]byte]*gate{},
	}
}

// newTransport has no time-out of its own beyond connecting: how long an answer may take is the job's affair.
func newTransport(config *tls.Config) *nethttp.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &nethttp.Transport{
		Proxy:                  nethttp.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    128,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		DisableCompression:     true, // asked for and undone by us, so that sizes can be capped
	}
}

// clientKey tells clients apart. One client serves all sources that agree on these.
type clientKey struct {
	retries   int
	redirects bool
	faults    bool     // status 500 is an answer like others
	tls       [32]byte // see certificates
}

func (s *Shared) client(key clientKey, certs certificates) *retryablehttp.Client {
	g := s.gate(certs)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[key]; c != nil {
		return c
	}
	c := &retryablehttp.Client{
		HTTPClient:   &nethttp.Client{Transport: g, CheckRedirect: redirectPolicy(key.redirects)},
		RetryMax:     key.retries,
		RetryWaitMin: 100 * time.Millisecond,
		RetryWaitMax: 2 * time.Second,
		CheckRetry:   worthRetrying,
		Backoff:      backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	if key.faults {
		c.CheckRetry = exceptFaults
	}
	s.clients[key] = c
	return c
}

// gate is the way out for all requests that show the same certificates.
func (s *Shared) gate(certs certificates) *gate {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.gates[certs.sum]; g != nil {
		return g
	}
	g := &gate{next: s.transport, shared: s, certs: certs}
	if config := certs.config(); config != nil {
		g.next = newTransport(config)
	}
	s.gates[certs.sum] = g
	return g
}

// door is how the login of a source sends requests of its own: with the same certificates, and held to the same rates.
func (s *Shared) door(source *url.URL, certs certificates, dir string) login.Door {
	return login.Door{
		Source: source, Transport: told{s.gate(certs)}, Via: hex.EncodeToString(certs.sum[:]),
		Host:      func(u *url.URL) login.Host { return s.host(u) },
		UserAgent: s.userAgent, Dir: dir, Logger: s.logger,
	}
}

// gate holds every request, retries and redirects included, to the rate and the limits of its host. It deliberately has no
// CloseIdleConnections: the retrying client would call it after each failure and close the connections of all sources.
type gate struct {
	next   nethttp.RoundTripper
	shared *Shared
	certs  certificates
}

func (g *gate) RoundTrip(req *nethttp.Request) (*nethttp.Response, error) {
	signed, h, err := g.admit(req)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	resp, err := g.next.RoundTrip(signed)
	if h != nil {
		h.landed()
	}
	if err != nil {
		return nil, g.certs.advise(err)
	}
	if b, ok := readBudget(resp.Header, time.Now()); ok {
		g.shared.host(req.URL).spend(b)
		g.shared.limited.Store(true)
	}
	return resp, nil
}

// told reports each request of a login and its answer, without what they carry.
type told struct{ *gate }

func (t told) RoundTrip(req *nethttp.Request) (*nethttp.Response, error) {
	started := time.Now()
	resp, err := t.gate.RoundTrip(req)
	what := ""
	if err != nil {
		what = fmt.Sprintf("failed: %v", err)
	} else {
		what = fmt.Sprintf("answered %d", resp.StatusCode)
	}
	t.line(req, fmt.Sprintf("%s %s %s in %s, to log in", req.Method, bridge.Redact(req.URL.String()), what, time.Since(started).Round(time.Millisecond)))
	return resp, err
}

// say reports why a request waits.
func (g *gate) say(req *nethttp.Request) func(string) {
	return func(why string) { g.line(req, fmt.Sprintf("%s %s %s", req.Method, address.Origin(req.URL), why)) }
}

func (g *gate) line(req *nethttp.Request, line string) {
	if trace := decode.Trace(req.Context()); trace != nil {
		trace(line)
	}
	g.shared.logger.DebugContext(req.Context(), line)
}

// admit waits until the request may go. The host, where it limits anything, is to be told when the answer came.
func (g *gate) admit(req *nethttp.Request) (signed *nethttp.Request, h *host, err error) {
	if g.shared.limited.Load() {
		h = g.shared.host(req.URL)
		if err := h.wait(req.Context(), g.say(req)); err != nil {
			return nil, nil, err
		}
	}
	if signed, err = login.Sign(req); err != nil {
		if h != nil {
			h.landed()
		}
		return nil, nil, &refusedError{err.Error()}
	}
	return signed, h, nil
}

// worthRetrying: only what a moment may cure. A server that says when to come back is not asked earlier.
func worthRetrying(ctx context.Context, resp *nethttp.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err != nil {
		var refused *refusedError
		var busy *bridge.BusyError
		var unknown *tls.CertificateVerificationError
		return !errors.As(err, &refused) && !errors.As(err, &busy) && !errors.As(err, &unknown) && !errors.Is(err, context.Canceled), nil
	}
	switch resp.StatusCode {
	case 500, 502, 503, 504:
		return resp.Header.Get("Retry-After") == "", nil
	}
	return false, nil
}

// exceptFaults is worthRetrying where status 500 only says that the answer is a no.
func exceptFaults(ctx context.Context, resp *nethttp.Response, err error) (bool, error) {
	if err == nil && ctx.Err() == nil && resp.StatusCode == nethttp.StatusInternalServerError {
		return false, nil
	}
	return worthRetrying(ctx, resp, err)
}

// backoff doubles from shortest and draws between half of that and all of it.
func backoff(shortest, longest time.Duration, attempt int, _ *nethttp.Response) time.Duration {
	wait := min(shortest<<min(attempt, 10), longest)
	return wait/2 + rand.N(wait/2+1)
}

// refusedError is a request that was not made, for a reason of our own.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

func redirectPolicy(follow bool) func(*nethttp.Request, []*nethttp.Request) error {
	return func(req *nethttp.Request, via []*nethttp.Request) error {
		from := via[0]
		address.Sendable(req.URL)
		switch {
		case !follow:
			return &refusedError{`answered with a redirect, and redirects = "none"`}
		case address.Origin(req.URL) != address.Origin(from.URL):
			return &refusedError{fmt.Sprintf("redirected to another origin, %s; only %s is followed. If that is right, write the new address as url", address.Origin(req.URL), address.Origin(from.URL))}
		case req.Method != from.Method:
			return &refusedError{fmt.Sprintf("redirected in a way that turns %s into %s", from.Method, req.Method)}
		case len(via) >= 10:
			return &refusedError{"redirected more than ten times"}
		}
		return nil
	}
}
