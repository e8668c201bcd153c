package http_test

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
	"github.com/hookbridge/bridge/sources/http"
)

// strict is a host that allows so many requests in a window of an hour, and says so.
type strict struct {
	mu      sync.Mutex
	limit   int
	used    int
	window  time.Time // began
	times   []time.Duration
	started time.Time
	refused int
}

func (s *strict) RoundTrip(req *nethttp.Request) (*nethttp.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.window.IsZero() || time.Since(s.window) >= time.Hour {
		s.window, s.used = time.Now(), 0
	}
	if s.started.IsZero() {
		s.started = time.Now()
	}
	s.times = append(s.times, time.Since(s.started))
	status, body := 200, "[1]"
	if s.used++; s.used > s.limit {
		s.refused++
		status, body = 403, "{}"
	}
	return reply(req, status, body,
		"X-RateLimit-Limit", strconv.Itoa(s.limit), "X-RateLimit-Remaining", strconv.Itoa(max(s.limit-s.used, 0)),
		"X-RateLimit-Reset", strconv.FormatInt(s.window.Add(time.Hour).Unix(), 10), "Date", time.Now().UTC().Format(nethttp.TimeFormat)), nil
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Two jobs with more work than the host allows use half of the window as they please, spread the rest over it, and go on
// with the next one; the host never has to refuse.
func TestRequestsLastUntilTheReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &strict{limit: 100}
		shared := http.NewShared(nil, "", host)
		var wg sync.WaitGroup
		for i := range 2 {
			s := source(t, shared, fmt.Sprintf(`url = "https://api.example.com/%d"`, i))
			wg.Go(func() {
				for range 100 {
					fetchWith(t.Context(), s, bridge.FetchOptions{}).want(t, "1.1 1")
				}
			})
		}
		wg.Wait()
		if host.refused > 0 || len(host.times) != 200 {
			t.Errorf("%d of %d requests were refused", host.refused, len(host.times))
		}
		if at := host.times[49]; at != 0 {
			t.Errorf("the 50th request waited until %v although half of the window was left", at)
		}
		for i := 60; i < 90; i++ {
			if gap := host.times[i] - host.times[i-1]; gap < 30*time.Second || gap > 2*time.Minute {
				t.Errorf("request %d came %v after the one before", i, gap)
			}
		}
		if in := slicesWithin(host.times, time.Hour); in < 90 || in > 97 {
			t.Errorf("%d requests in the first hour, want nearly all but the reserve of 5", in)
		}
	})
}

func slicesWithin(times []time.Duration, d time.Duration) (n int) {
	for _, at := range times {
		if at < d {
			n++
		}
	}
	return n
}

// What would take longer than the job has ends at once, with the time to come back; a trace says why a request waits.
func TestRequestsThatAreUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &strict{limit: 10, used: 9, window: time.Now()} // by somebody who uses the same token
		shared := http.NewShared(nil, "", host)
		one, two := source(t, shared, `url = "https://api.example.com/a"`), source(t, shared, `url = "https://api.example.com/b"`)
		fetch(t, one, nil).want(t, "1.1 1")
		asked := len(host.times)
		got := fetchWith(within(t, 2*time.Minute), two, bridge.FetchOptions{})
		got.wantError(t, "0 of 10 requests are left until 2000-01-01T01:00:00Z", "poll less often or raise timeout")
		busy, ok := errors.AsType[*bridge.BusyError](got.Err)
		if !ok || time.Until(busy.RetryAt) != time.Hour+time.Second {
			t.Errorf("got %v, want a *BusyError until the reset", got.Err)
		}
		if len(host.times) != asked {
			t.Error("the host was asked although nothing is left")
		}

		var trace []string
		ctx := sources.WithTrace(within(t, 2*time.Hour), func(line string) { trace = append(trace, line) })
		fetchWith(ctx, two, bridge.FetchOptions{}).want(t, "1.1 1")
		if time.Since(host.started) != time.Hour+time.Second {
			t.Errorf("asked again after %v", time.Since(host.started))
		}
		if len(trace) != 2 || trace[0] != "GET https://api.example.com:443 waits 1h0m1s: 0 of 10 requests are left until 2000-01-01T01:00:00Z" {
			t.Errorf("trace: %q", trace)
		}
		if host.refused > 0 {
			t.Errorf("%d requests were refused", host.refused)
		}
	})
}

// A refusal for a limit is not taken for a refused login, and all jobs of the host wait for the reset.
func TestARefusalForALimitIsABusyHost(t *testing.T) {
	for _, status := range []int{403, 429} {
		synctest.Test(t, func(t *testing.T) {
			requests := 0
			shared := http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
				requests++
				return reply(req, status, "", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "60"), nil
			}))
			s := source(t, shared, "url = \"https://api.example.com/\"\nauth \"bearer\" { token = secret.token }")
			got := fetch(t, s, nil)
			got.wantError(t, fmt.Sprintf("answered %d", status), "the requests that the source allows are used up")
			if busy, ok := errors.AsType[*bridge.BusyError](got.Err); !ok || time.Until(busy.RetryAt) != 61*time.Second {
				t.Errorf("got %v", got.Err)
			}
			fetch(t, s, nil).wantError(t, "asked to be left alone until")
			if requests != 1 {
				t.Errorf("%d requests, want 1", requests)
			}
		})
	}
}

func TestAWaitForTheResetEndsWithTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(t, http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
			return reply(req, 200, "[1]", "RateLimit", `"x";r=0;t=3600`), nil
		})), `url = "https://api.example.com/"`)
		fetch(t, s, nil).want(t, "1.1 1")
		stopped := errors.New("the bridge is stopping")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(stopped) })
		got := fetchWith(ctx, s, bridge.FetchOptions{})
		if !errors.Is(got.Err, stopped) {
			t.Errorf("got %v, want %v", got.Err, stopped)
		}
	})
}

// A window that ended is forgotten, and what an unlimited host says costs nothing.
func TestRequestsThatAreNotScarce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers, n := []string{`"x";r=1;t=10`, `"x";r=99999;t=10`, `"x";r=60000;t=10`}, 0
		s := source(t, http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
			n++
			return reply(req, 200, "[1]", "RateLimit", answers[min(n, len(answers))-1]), nil
		})), `url = "https://api.example.com/"`)
		started := time.Now()
		fetch(t, s, nil).want(t, "1.1 1")
		fetch(t, s, nil).want(t, "1.1 1") // the last of its window
		<-time.After(20 * time.Second)
		for range 100 {
			fetch(t, s, nil).want(t, "1.1 1")
		}
		if took := time.Since(started); took != 20*time.Second {
			t.Errorf("took %v, want the 20 s between the windows", took)
		}
	})
}

func TestRatesAndLimitsGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &strict{limit: 1000}
		s := source(t, http.NewShared(nil, "", host), "url = \"https://api.example.com/\"\nrate = \"1/s\"")
		for range 5 {
			fetch(t, s, nil).want(t, "1.1 1")
		}
		if got := strings.TrimSpace(fmt.Sprint(host.times)); got != "[0s 1s 2s 3s 4s]" {
			t.Errorf("requests at %s", got)
		}
		_ = s.Identity() // its rate holds as long as it lives
	})
}

// Many jobs at once do not all take what is left for their own.
func TestRequestsUnderWayAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		used, refused := 0, 0
		var mu sync.Mutex
		shared := http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
			<-time.After(100 * time.Millisecond) // on the way
			mu.Lock()
			used++
			left := max(40-used, 0)
			if used > 40 {
				refused++
			}
			mu.Unlock()
			<-time.After(100 * time.Millisecond) // and back
			return reply(req, 200, "[1]", "RateLimit", fmt.Sprintf(`"x";r=%d;t=60`, left), "RateLimit-Policy", `"x";q=40;w=60`), nil
		}))
		var wg sync.WaitGroup
		for i := range 200 {
			s := source(t, shared, fmt.Sprintf(`url = "https://api.example.com/%d"`, i))
			if i == 0 {
				fetch(t, s, nil).want(t, "1.1 1")
			}
			wg.Go(func() { fetchWith(within(t, 30*time.Second), s, bridge.FetchOptions{}) })
		}
		wg.Wait()
		if refused > 0 || used < 25 {
			t.Errorf("%d of 40 requests were made, %d too many", used, refused)
		}
	})
}
