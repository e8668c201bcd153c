package login_test

import (
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/http"
)

// inProcess answers requests without a network, for tests that own the clock.
type inProcess func(*nethttp.Request) *nethttp.Response

func (f inProcess) RoundTrip(req *nethttp.Request) (*nethttp.Response, error) {
	return f(req), req.Context().Err()
}

func reply(req *nethttp.Request, status int, body string, header ...string) *nethttp.Response {
	h := nethttp.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &nethttp.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: req, ContentLength: int64(len(body))}
}

// What the login endpoint refuses is told to all jobs that waited for it, and not tried once for each of them: accounts
// are locked for less.
func TestARefusedLoginIsTriedOnceForAllWhoWait(t *testing.T) {
	for kind, block := range map[string]string{
		"session": "url = \"https://x.example.com/login\"\nform = { password = secret.token }",
		"oauth2":  "token_url = \"https://x.example.com/login\"\nclient_id = \"me\"\nclient_secret = secret.token",
	} {
		t.Run(kind, func(t *testing.T) {
			h := newHouse(t)
			synctest.Test(t, func(t *testing.T) {
				tries, release := 0, make(chan struct{})
				h.shared = http.NewShared(nil, "", inProcess(func(req *nethttp.Request) *nethttp.Response {
					tries++
					<-release
					return reply(req, 400, "{}")
				}))
				errs := make(chan error, 8)
				for i := range 8 {
					s := h.source(t, "url = \"https://x.example.com/%d\"\nauth %q {\n%s\n}", i, kind, block)
					go func() { _, err := h.fetch(t, s); errs <- err }()
				}
				synctest.Wait() // one asks, seven wait
				close(release)
				for range 8 {
					if err := <-errs; err == nil || !strings.Contains(err.Error(), "refused (status 400") {
						t.Errorf("got %v", err)
					}
				}
				if want := map[string]int{"session": 1, "oauth2": 2}[kind]; tries != want { // oauth2 by header and by parameters
					t.Errorf("%d tries, want %d", tries, want)
				}
			})
		})
	}
}

// Jobs that come one after the other, as their schedules have it, are told the same for a while; a server that is only out of
// order is asked again at once.
func TestARefusedLoginIsNotTriedAgainAtOnce(t *testing.T) {
	for kind, block := range map[string]string{
		"session": "url = \"https://x.example.com/login\"\nform = { password = secret.token }",
		"oauth2":  "token_url = \"https://x.example.com/login\"\nclient_id = \"me\"\nclient_secret = secret.token",
	} {
		t.Run(kind, func(t *testing.T) {
			h := newHouse(t)
			synctest.Test(t, func(t *testing.T) {
				tries, status := 0, 401
				h.shared = http.NewShared(nil, "", inProcess(func(req *nethttp.Request) *nethttp.Response {
					tries++
					return reply(req, status, map[int]string{401: `{"error":"invalid_client"}`, 503: `{}`}[status], "Content-Type", "application/json")
				}))
				source := func(i int) bridge.Source {
					return h.source(t, "url = \"https://x.example.com/%d\"\nauth %q {\n%s\n}", i, kind, block)
				}
				each := map[string]int{"session": 1, "oauth2": 2}[kind] // oauth2 by header and by parameters
				for i := range 5 {
					h.wantError(t, source(i), "refused (status 401")
					<-time.After(5 * time.Second)
				}
				if tries != each {
					t.Errorf("%d tries in 25 seconds", tries)
				}
				<-time.After(5 * time.Second)
				h.wantError(t, source(0), "refused (status 401")
				if tries != 2*each {
					t.Errorf("%d tries after 30 seconds", tries)
				}
				<-time.After(30 * time.Second)
				status, tries = 503, 0
				h.wantError(t, source(0), "503")
				h.wantError(t, source(1), "503")
				if tries != 2 {
					t.Errorf("%d tries of a server that is out of order", tries)
				}
			})
		})
	}
}

// Requests of a login are held to the rate of their host, as all others.
func TestLoginsKeepToTheRate(t *testing.T) {
	for kind, block := range map[string]string{
		"session": "url = \"https://x.example.com/login\"\nform = { password = secret.token }",
		"oauth2":  "token_url = \"https://x.example.com/login\"\nclient_id = \"me\"\nclient_secret = secret.token",
	} {
		t.Run(kind, func(t *testing.T) {
			h := newHouse(t)
			synctest.Test(t, func(t *testing.T) {
				var times []time.Duration
				started := time.Now()
				h.shared = http.NewShared(nil, "", inProcess(func(req *nethttp.Request) *nethttp.Response {
					times = append(times, time.Since(started))
					if req.URL.Path == "/login" {
						return reply(req, 200, `{"access_token":"t","token_type":"bearer"}`, "Set-Cookie", "sid=1; Path=/", "Content-Type", "application/json")
					}
					return reply(req, 200, "[1]")
				}))
				s := h.source(t, "url = \"https://x.example.com/\"\nrate = \"1/s\"\nauth %q {\n%s\n}", kind, block)
				h.want(t, s, "1")
				h.want(t, s, "1")
				if got := fmt.Sprint(times); got != "[0s 1s 2s]" {
					t.Errorf("requests at %s", got)
				}
			})
		})
	}
}

// A login endpoint that says when to come back is left alone until then, by all jobs.
func TestLoginsHeedRetryAfter(t *testing.T) {
	for kind, block := range map[string]string{
		"session": "url = \"https://x.example.com/login\"\nform = { password = secret.token }",
		"oauth2":  "token_url = \"https://x.example.com/login\"\nclient_id = \"me\"\nclient_secret = secret.token",
	} {
		t.Run(kind, func(t *testing.T) {
			h := newHouse(t)
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				h.shared = http.NewShared(nil, "", inProcess(func(req *nethttp.Request) *nethttp.Response {
					tries++
					return reply(req, 503, "", "Retry-After", "60")
				}))
				s := h.source(t, "url = \"https://x.example.com/\"\nauth %q {\n%s\n}", kind, block)
				_, err := h.fetch(t, s)
				busy, ok := errors.AsType[*bridge.BusyError](err)
				if !ok || time.Until(busy.RetryAt) != time.Minute {
					t.Fatalf("got %v", err)
				}
				before := tries
				<-time.After(59 * time.Second)
				h.wantError(t, s, "asked to be left alone until")
				if tries != before {
					t.Errorf("%d more requests", tries-before)
				}
				<-time.After(time.Second)
				if _, _ = h.fetch(t, s); tries == before {
					t.Error("the host is left alone for ever")
				}
			})
		})
	}
}
