package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/http"
)

// inProcess answers requests without a network, for tests that own the clock.
type inProcess func(*nethttp.Request) (*nethttp.Response, error)

func (f inProcess) RoundTrip(req *nethttp.Request) (*nethttp.Response, error) {
	if req.Context().Err() != nil {
		return nil, req.Context().Err()
	}
	return f(req)
}

func reply(req *nethttp.Request, status int, body string, header ...string) *nethttp.Response {
	h := nethttp.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &nethttp.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: req, ContentLength: int64(len(body))}
}

func TestRetryAfterIsHonouredByAllJobsOfTheHost(t *testing.T) {
	for _, test := range []struct {
		header string
		status int
		wait   time.Duration
	}{
		{"120", 429, 2 * time.Minute},
		{"120", 503, 2 * time.Minute},
		{"0", 503, 0},
		{"30", 502, 30 * time.Second},
		{"99999999999999999999", 429, 24 * time.Hour},
		{"9223372036854775807", 429, 24 * time.Hour},
		{"Sat, 01 Jan 2000 00:10:00 GMT", 429, 10 * time.Minute},    // RFC 1123
		{"Saturday, 01-Jan-00 00:10:00 GMT", 503, 10 * time.Minute}, // RFC 850
		{"Sat Jan  1 00:10:00 2000", 503, 10 * time.Minute},         // asctime
		{"Fri, 31 Dec 1999 00:00:00 GMT", 429, 0},
		{"Fri, 31 Dec 2099 00:00:00 GMT", 429, 24 * time.Hour},
	} {
		t.Run(fmt.Sprintf("%d %s", test.status, test.header), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where it is midnight of 2000-01-01 UTC
				requests, busy := 0, true
				shared := http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
					if requests++; busy {
						return reply(req, test.status, "", "Retry-After", test.header), nil
					}
					return reply(req, 200, "[1]"), nil
				}))
				one := source(t, shared, `url = "https://api.example.com/orders"`)
				two := source(t, shared, `url = "https://API.example.com:443/customers"`)
				other := source(t, shared, `url = "https://other.example.com/"`)
				started := time.Now()
				err := fetch(t, one, nil).Err
				answer, ok := errors.AsType[*bridge.BusyError](err)
				if !ok {
					t.Fatalf("got %v, want a *BusyError", err)
				}
				if wait := answer.RetryAt.Sub(started); wait != test.wait {
					t.Errorf("to come back in %v, want %v", wait, test.wait)
				}
				if requests != 1 {
					t.Errorf("%d requests, want 1: the server said when to come back", requests)
				}
				busy = false
				fetch(t, other, nil).want(t, "1.1 1")
				if test.wait > 0 {
					got := fetch(t, two, nil)
					got.wantError(t, "asked to be left alone until")
					if again, ok := errors.AsType[*bridge.BusyError](got.Err); !ok || !again.RetryAt.Equal(answer.RetryAt) {
						t.Errorf("the other job of the host got %v", got.Err)
					}
					if requests != 2 {
						t.Errorf("the other job of the host asked all the same")
					}
					<-time.After(test.wait)
				}
				fetch(t, two, nil).want(t, "1.1 1")
				fetch(t, one, nil).want(t, "1.1 1")
			})
		})
	}
}

func TestRetryAfterThatSaysNothing(t *testing.T) {
	for _, header := range []string{"", "soon", "-5", "1.5"} {
		s := source(t, http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
			return reply(req, 429, "", "Retry-After", header), nil
		})), `url = "https://api.example.com/"`)
		got := fetch(t, s, nil)
		got.wantError(t, "answered 429 Too Many Requests: too many requests; poll less often or set rate")
		if _, ok := errors.AsType[*bridge.BusyError](got.Err); ok {
			t.Errorf("Retry-After: %q made the host busy", header)
		}
	}
}

func TestQuickRetries(t *testing.T) {
	for _, test := range []struct {
		name, block string
		answers     []any // status, or error
		requests    int
		want        string // error; empty: [1]
	}{
		{"a moment's trouble", "", []any{500, io.ErrUnexpectedEOF, 200}, 3, ""},
		{"more than a moment", "", []any{502, 503, 504, 200}, 3, "source.http: answered 504 Gateway Timeout"},
		{"no connection", "", []any{errors.New("refused"), errors.New("refused"), errors.New("refused"), 200}, 3, "source.http: GET https://api.example.com/?key=xxxxx: refused"},
		{"none wanted", "retries = 0", []any{500, 200}, 1, "answered 500 Internal Server Error"},
		{"not the server's fault", "", []any{400, 200}, 1, "answered 400 Bad Request"},
		{"not implemented", "", []any{501, 200}, 1, "answered 501 Not Implemented"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				s := source(t, http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
					answer := test.answers[requests]
					requests++
					if err, ok := answer.(error); ok {
						return nil, err
					}
					return reply(req, answer.(int), "[1]"), nil
				})), `url = "https://api.example.com/?key=${secret.token}"`+"\n"+test.block)
				started := time.Now()
				got := fetch(t, s, nil)
				if test.want == "" {
					got.want(t, "1.1 1")
				} else {
					got.wantError(t, test.want)
				}
				if requests != test.requests {
					t.Errorf("%d requests, want %d", requests, test.requests)
				}
				if took := time.Since(started); took > 5*time.Second {
					t.Errorf("quick retries took %v", took)
				}
			})
		})
	}
}

func TestSmallestRateOfAHostWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var times []time.Duration
		started := time.Now()
		shared := http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
			if req.URL.Host == "api.example.com" {
				mu.Lock()
				times = append(times, time.Since(started))
				mu.Unlock()
			}
			return reply(req, 200, "[1]"), nil
		}))
		sources := []bridge.Source{
			source(t, shared, "url = \"https://api.example.com/a\"\nrate = \"100/s\""),
			source(t, shared, "url = \"https://api.example.com/b\"\nrate = \"2/s\""),
			source(t, shared, `url = "https://api.example.com/c"`),
		}
		var wg sync.WaitGroup
		for range 5 {
			for _, s := range sources {
				wg.Go(func() { fetch(t, s, nil).want(t, "1.1 1") })
			}
		}
		wg.Wait()
		if took := time.Since(started); len(times) != 15 || took != 7*time.Second {
			t.Errorf("15 requests at 2/s took %v", took)
		}
		free := time.Now()
		other := source(t, shared, `url = "https://other.example.com/"`)
		fetch(t, other, nil).want(t, "1.1 1")
		if took := time.Since(free); took != 0 {
			t.Errorf("another host waited %v", took)
		}

		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("the job's time is up"))
		defer cancel()
		got := fetchWith(ctx, sources[0], bridge.FetchOptions{})
		got.wantError(t, "the rate of the host does not allow another request before the job's timeout")
		for _, s := range sources { // their rates hold as long as they live
			_ = s.Identity()
		}
	})
}

func TestTheJobsTimeEndsAFetch(t *testing.T) {
	up := errors.New("the job's time is up (2m0s)")
	for name, handler := range map[string]nethttp.HandlerFunc{
		"before the answer": func(_ nethttp.ResponseWriter, r *nethttp.Request) { <-r.Context().Done() },
		"within the answer": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			fmt.Fprint(w, `[{"id":1},`)
			w.(nethttp.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			arrived := make(chan struct{}, 1)
			s := source(t, newShared(), fmt.Sprintf("url = %q", serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				arrived <- struct{}{}
				handler(w, r)
			})))
			go func() { <-arrived; cancel(up) }()
			got := fetchWith(ctx, s, bridge.FetchOptions{})
			got.wantError(t, "source.http: ", "the job's time is up (2m0s)")
			if !errors.Is(got.Err, up) {
				t.Errorf("%v does not unwrap to its cause", got.Err)
			}
		})
	}
}

func TestRedirectsWithoutEnd(t *testing.T) {
	requests := 0
	s := source(t, newShared(), fmt.Sprintf("url = \"%s/\"", serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		requests++
		nethttp.Redirect(w, r, fmt.Sprintf("/%d", requests), nethttp.StatusFound)
	})))
	fetch(t, s, nil).wantError(t, "source.http: redirected more than ten times")
	if requests != 10 {
		t.Errorf("%d requests, want 10", requests)
	}
}
