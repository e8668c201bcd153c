package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Bounds of a connection.
const (
	dialTimeout    = 10 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 64 << 10
	quickRetries   = 2
	quickWait      = 50 * time.Millisecond
)

// client makes attempts. Every destination has its own, because connections are pooled by host name: a connection that
// one destination was allowed to open must not carry another's requests past the address check.
type client struct {
	*retryablehttp.Client
	own         *http.Transport // nil when the transport is the test's
	allow       []netip.Prefix
	concurrency int
}

// newClient returns a client for a plan. Proxies of the environment are not used: the proxy would resolve the name, and
// the address check would see nothing but the proxy.
func newClient(p *plan, transport http.RoundTripper) *client {
	c := &client{allow: p.Allow, concurrency: p.Concurrency}
	if transport == nil {
		dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: control(p.Allow)}
		c.own = &http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    dialTimeout,
			MaxIdleConnsPerHost:    p.Concurrency,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
			DisableCompression:     true, // an excerpt is all we read; nothing of it is worth inflating
		}
		transport = c.own
	}
	c.Client = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     sealed{transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     quickRetries,
		CheckRetry:   quick,
		Backoff:      quickBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return c
}

// fits reports whether the client still does for a plan.
func (c *client) fits(p *plan) bool {
	return c.concurrency >= p.Concurrency && slices.Equal(c.allow, p.Allow)
}

// close lets go of idle connections; those in use go when their attempts end.
func (c *client) close() {
	if c != nil && c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// sealed is a transport without CloseIdleConnections: retryablehttp calls it at every final failure, which would take
// the connections of all attempts that go well.
type sealed struct{ http.RoundTripper }

// trial is the context of one attempt and watches it.
type trial struct {
	context.Context
	answered  atomic.Bool // a byte of an answer came
	handshake atomic.Bool // TLS failed
}

type trialKey struct{}

// Value finds the trial itself among the values of its context.
func (t *trial) Value(key any) any {
	if key == (trialKey{}) {
		return t
	}
	return t.Context.Value(key)
}

// watch makes a context whose requests report to it.
func watch(ctx context.Context) context.Context {
	t := &trial{}
	t.Context = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { t.answered.Store(true) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err != nil {
				t.handshake.Store(true)
			}
		},
	})
	return t
}

// quick allows another try within the same attempt only where the receiver cannot have answered: the connection was
// refused, reset or closed before a byte came. What took its time, what was refused by us, names that do not resolve
// and certificates that do not convince are not better a moment later.
func quick(ctx context.Context, response *http.Response, err error) (bool, error) {
	if err == nil || response != nil || ctx.Err() != nil {
		return false, nil
	}
	if t, ok := ctx.Value(trialKey{}).(*trial); ok && (t.answered.Load() || t.handshake.Load()) {
		return false, nil
	}
	if slow(err) {
		return false, nil
	}
	var refused *RefusedError
	var name *net.DNSError
	return !errors.As(err, &refused) && !errors.As(err, &name), nil
}

// slow reports whether err is a time-out.
func slow(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// quickBackoff ignores the library's own: it believes any Retry-After.
func quickBackoff(_, _ time.Duration, try int, _ *http.Response) time.Duration {
	return time.Duration(float64(quickWait<<try) * (0.5 + rand.Float64()))
}
