package http

import (
	nethttp "net/http"
	"strconv"
	"strings"
	"time"
)

// longestWait is as long as a server may send us away.
const longestWait = 24 * time.Hour

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): seconds or an HTTP date in any of its three forms.
// The result lies between now and longestWait from now; ok is false where there is no such header or it says nothing.
func retryAfter(header nethttp.Header, now time.Time) (at time.Time, ok bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return time.Time{}, false
	}
	wait := longestWait
	if digits(text) {
		// More digits than fit are more than a day.
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n < int64(longestWait/time.Second) {
			wait = time.Duration(n) * time.Second
		}
	} else {
		date, err := nethttp.ParseTime(text)
		if err != nil {
			return time.Time{}, false
		}
		wait = min(max(date.Sub(now), 0), longestWait)
	}
	return now.Add(wait), true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
