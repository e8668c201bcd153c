package outbound

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
)

func TestJudge(t *testing.T) {
	cases := []struct {
		status int
		word   string
		want   bridge.Verdict
		reason string
	}{
		{200, "", bridge.Delivered, ""},
		{201, "", bridge.Delivered, ""},
		{204, "", bridge.Delivered, ""},
		{299, "", bridge.Delivered, ""},
		{301, "", bridge.Retry, "redirects are not followed"},
		{304, "", bridge.Retry, "redirects are not followed"},
		{308, "", bridge.Retry, "redirects are not followed"},
		{400, "", bridge.Retry, "answered 400 Bad Request"},
		{401, "", bridge.Retry, "answered 401"},
		{404, "", bridge.Retry, "answered 404"},
		{410, "", bridge.Disable, "answered 410 Gone"},
		{429, "", bridge.Retry, "answered 429"},
		{500, "", bridge.Retry, "answered 500"},
		{503, "", bridge.Retry, "answered 503"},
		{599, "", bridge.Retry, "answered 599"},
		{400, "disable", bridge.Disable, "webhook-delivery: disable"},
		{500, " Disable ", bridge.Disable, "webhook-delivery: disable"},
		{200, "disable", bridge.Disable, "webhook-delivery: disable"},
		{400, "abort-message", bridge.Dead, "webhook-delivery: abort-message"},
		{503, "abort-message", bridge.Dead, "webhook-delivery: abort-message"},
		{410, "abort-message", bridge.Dead, "webhook-delivery: abort-message"},
		{500, "something else", bridge.Retry, "answered 500"},
		{200, "something else", bridge.Delivered, ""},
	}
	for _, c := range cases {
		got, reason := judge(c.status, http.Header{"Webhook-Delivery": {c.word}})
		if got != c.want || !strings.Contains(reason, c.reason) || (reason == "") != (got == bridge.Delivered) {
			t.Errorf("%d %q: got %v %q, want %v %q", c.status, c.word, got, reason, c.want, c.reason)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration, layout string) string { return now.Add(d).Format(layout) }
	const day = 24 * time.Hour
	cases := []struct {
		status int
		text   string
		want   time.Duration
	}{
		{429, "120", 2 * time.Minute}, {502, "1", time.Second}, {503, " 5 ", 5 * time.Second}, {504, "0", 0},
		{429, "", 0}, {500, "120", 0}, {404, "120", 0}, {301, "120", 0},
		{429, "-1", 0}, {429, "1.5", 0}, {429, "+5", 0}, {429, "soon", 0},
		{429, "86401", day}, {429, "9223372036854775807", day}, {429, "9223372037", day}, {429, "99999999999999999999999", day},
		{503, in(time.Hour, http.TimeFormat), time.Hour},
		{503, in(time.Hour, "Monday, 02-Jan-06 15:04:05 GMT"), time.Hour}, // RFC 850
		{503, in(time.Hour, time.ANSIC), time.Hour},
		{503, in(-time.Hour, http.TimeFormat), 0},
		{503, in(9000*time.Hour, http.TimeFormat), day},
	}
	for _, c := range cases {
		if got := retryAfter(c.status, http.Header{"Retry-After": {c.text}}, now); got != c.want {
			t.Errorf("%d %q: got %s, want %s", c.status, c.text, got, c.want)
		}
	}
}

func TestAgain(t *testing.T) {
	now := time.Now()
	p := &plan{Destination: Destination{Retry: []time.Duration{0, 10 * time.Second, time.Hour}}}
	cases := []struct {
		attempts  int
		asked     time.Duration
		low, high time.Duration
		more      bool
	}{
		{1, 0, 8 * time.Second, 12 * time.Second, true},
		{2, 0, 48 * time.Minute, 72 * time.Minute, true},
		{1, time.Minute, time.Minute, time.Minute, true},
		{2, time.Second, 48 * time.Minute, 72 * time.Minute, true}, // not sooner than scheduled
		{3, time.Second, 0, 0, false},
		{4, 0, 0, 0, false},
	}
	for _, c := range cases {
		seen := map[time.Duration]bool{}
		for range 200 {
			at, more := p.again(c.attempts, c.asked, now)
			if more != c.more {
				t.Fatalf("after %d: more is %v", c.attempts, more)
			}
			if wait := at.Sub(now); more && (wait < c.low || wait > c.high) {
				t.Errorf("after %d, asked %s: got %s, want %s to %s", c.attempts, c.asked, wait, c.low, c.high)
			} else {
				seen[wait] = true
			}
		}
		if c.low != c.high && len(seen) < 100 {
			t.Errorf("after %d: %d different waits of 200; there is no jitter", c.attempts, len(seen))
		}
	}
}

func TestThrottle(t *testing.T) {
	var limit throttle
	start := time.Now()
	limit.resize(16)
	limit.lost(start, start.Add(time.Second))
	if limit.now != 8 {
		t.Errorf("after one overload: got %v, want 8", limit.now)
	}
	for range 15 { // they flew together with the first
		limit.lost(start, start.Add(2*time.Second))
	}
	if limit.now != 8 {
		t.Errorf("one overload told by 16 attempts: got %v, want 8", limit.now)
	}
	for i := range 10 {
		at := start.Add(time.Duration(10+i) * time.Second)
		limit.lost(at, at)
	}
	if limit.now != 1 || !limit.room(0) || limit.room(1) {
		t.Errorf("floor: got %v, want 1", limit.now)
	}
	rounds := 0
	for ; limit.now < 16 && rounds < 100; rounds++ {
		for range int(limit.now) {
			limit.won()
		}
	}
	if rounds < 12 || rounds > 30 || limit.now > 16 {
		t.Errorf("recovered to %v in %d rounds, want 16 in about 15 to 20", limit.now, rounds)
	}
	limit.resize(32)
	if limit.now != 32 {
		t.Errorf("a destination that was not held back got %v of 32", limit.now)
	}
	limit.lost(start.Add(time.Hour), start.Add(time.Hour))
	limit.resize(64)
	if limit.now != 16 {
		t.Errorf("a destination that is held back got %v, want 16 still", limit.now)
	}
	limit.resize(4)
	if limit.now != 4 {
		t.Errorf("got %v, want 4", limit.now)
	}
}
