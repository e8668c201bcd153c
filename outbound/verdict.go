package outbound

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
)

// maxRetryAfter is the longest a receiver can put an event off.
const maxRetryAfter = 24 * time.Hour

// headerAnswer is how a receiver speaks to the sender.
const headerAnswer = "Webhook-Delivery"

// judge says what becomes of a delivery, and why it did not count as delivered. A receiver that says disable or
// abort-message in so many words is obeyed whatever its status.
func judge(status int, header http.Header) (bridge.Verdict, string) {
	word := strings.ToLower(strings.TrimSpace(header.Get(headerAnswer)))
	answered := "answered " + strconv.Itoa(status)
	if text := http.StatusText(status); text != "" {
		answered += " " + text
	}
	switch {
	case word == "disable":
		return bridge.Disable, answered + " with webhook-delivery: disable"
	case word == "abort-message":
		return bridge.Dead, answered + " with webhook-delivery: abort-message"
	case status >= 200 && status < 300:
		return bridge.Delivered, ""
	case status == http.StatusGone:
		return bridge.Disable, answered
	case status >= 300 && status < 400:
		return bridge.Retry, answered + "; redirects are not followed, set the destination's url to where it points"
	}
	return bridge.Retry, answered
}

// busy reports whether a status means that there was too much at once.
func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3; seconds or any of the three date forms) of a busy answer: never
// negative, at most a day, zero where there is none.
func retryAfter(status int, header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" || !busy(status) {
		return 0
	}
	if strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter // more digits than a number has is just very long
		}
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// again says when the attempt after the given number of attempts is due, or that there is none. It comes neither before
// the schedule nor before what the receiver asked for: to come back sooner than scheduled would use the attempts up
// within minutes, and the event would die of a receiver that was merely busy.
func (p *plan) again(attempts int, asked time.Duration, now time.Time) (time.Time, bool) {
	if attempts >= len(p.Retry) {
		return time.Time{}, false
	}
	return now.Add(max(jitter(p.Retry[attempts]), asked)), true
}

// jitter spreads a wait by ±20 %, so that what failed together does not come back together.
func jitter(wait time.Duration) time.Duration { return spread(wait, rand.Float64()) }

func spread(wait time.Duration, where float64) time.Duration {
	return time.Duration(float64(wait) * (0.8 + 0.4*where))
}

// early says how long a delivery that was never tried has to wait still: the first wait of the schedule counts from the
// event, which makes it survive a restart and costs a replay nothing. Its spread is drawn from the delivery's number, so that
// asking twice gives the same answer.
func (p *plan) early(delivery *bridge.Delivery, now time.Time) time.Duration {
	if delivery.Attempts > 0 || p.Retry[0] == 0 {
		return 0
	}
	where := float64(uint64(delivery.ID)*0x9e3779b97f4a7c15>>40) / (1 << 24)
	return delivery.Event.Time.Add(spread(p.Retry[0], where)).Sub(now)
}

// settle turns the end of an attempt into what is recorded.
func (p *plan) settle(l *landing, now time.Time) bridge.Settlement {
	s := bridge.Settlement{
		Delivery:    l.delivery.ID,
		Destination: p.Number,
		Verdict:     l.verdict,
		Attempt:     l.attempt,
	}
	s.Attempt.Number = l.delivery.Attempts + 1
	if s.Verdict != bridge.Retry {
		return s
	}
	at, more := p.again(s.Attempt.Number, l.asked, now)
	if !more {
		s.Verdict = bridge.Dead
		s.Attempt.Error += fmt.Sprintf("; attempt %d was the last", s.Attempt.Number)
		return s
	}
	s.RetryAt = at
	return s
}
