package http

import (
	"fmt"
	nethttp "net/http"
	"strconv"
	"strings"
	"time"
)

// budget is how many requests a host still takes from us, and until when, as it says with its answers. The zero value
// knows of no limit.
type budget struct {
	limit     int64 // of the whole window; 0: not said
	remaining int64
	reset     time.Time // when a new window begins; zero: nothing is known
}

// reserve is what is left to others who share the limit, such as the people whose token this is: a twentieth.
func (b budget) reserve() int64 { return b.limit / 20 }

// spent reports whether nothing is left but the reserve.
func (b budget) spent() bool { return b.remaining <= b.reserve() }

// ample reports whether there is no reason to wait yet: more than half of the window's requests are left.
func (b budget) ample() bool { return b.remaining > b.limit/2 }

// pace is the time between requests that makes what is left last until the reset.
func (b budget) pace(now time.Time) time.Duration {
	return b.reset.Sub(now) / time.Duration(max(b.remaining-b.reserve(), 1))
}

// tighter reports whether b leaves us less than other does.
func (b budget) tighter(other budget, now time.Time) bool {
	switch {
	case other.reset.IsZero():
		return true
	case b.spent() != other.spent():
		return b.spent()
	case b.spent():
		return b.reset.After(other.reset)
	}
	return b.pace(now) > other.pace(now)
}

func (b budget) String() string {
	of := ""
	if b.limit > 0 {
		of = fmt.Sprintf(" of %d", b.limit)
	}
	return fmt.Sprintf("%d%s requests are left until %s", b.remaining, of, b.reset.UTC().Format(time.RFC3339))
}

// readBudget reads what an answer says of limits: X-RateLimit-Limit, -Remaining and -Reset as GitHub and many others
// write them, RateLimit-… of the drafts up to 06 of draft-ietf-httpapi-ratelimit-headers, RateLimit as in draft 07, and
// RateLimit with RateLimit-Policy as in later ones. Of several limits the tightest counts. ok is false where there is
// none that makes sense; the reset lies between now and longestWait from now.
func readBudget(header nethttp.Header, now time.Time) (tightest budget, ok bool) {
	take := func(b budget, wait time.Duration) {
		if wait <= 0 {
			return
		}
		b.reset = now.Add(min(wait, longestWait))
		if b.tighter(tightest, now) {
			tightest, ok = b, true
		}
	}
	for _, names := range budgetHeaders {
		remaining, said := number(first(header, names.remaining))
		if !said {
			continue
		}
		limit, _ := number(first(header, names.limit))
		wait := until(first(header, names.resetAfter), header, now)
		if wait <= 0 {
			wait = until(first(header, names.reset), header, now)
		}
		take(budget{limit: limit, remaining: remaining}, wait)
	}
	if header["Ratelimit"] != nil {
		structured(header, take)
	}
	return tightest, ok
}

// budgetHeaders are the names in use, as net/http spells them.
var budgetHeaders = []struct{ limit, remaining, reset, resetAfter string }{
	{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "X-Ratelimit-Reset-After"},
	{"X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset", ""},
	{"Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset", ""},
}

func first(header nethttp.Header, name string) string {
	if values := header[name]; len(values) > 0 {
		return strings.TrimSpace(values[0])
	}
	return ""
}

// number reads a number that is not negative; what follows it, such as a fraction or a policy, is left out.
func number(text string) (int64, bool) {
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	if end == 0 || end > 15 || end < len(text) && !strings.ContainsRune(".,; ", rune(text[end])) {
		return 0, false
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	return n, err == nil
}

// until is how long it takes to a reset: so many seconds, or a time, which is written as seconds or milliseconds since
// 1970, as an HTTP date or by RFC 3339. A time is held against the clock of the one who wrote it.
func until(text string, header nethttp.Header, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	theirs := now
	if date, err := nethttp.ParseTime(header.Get("Date")); err == nil {
		theirs = date
	}
	n, ok := number(text)
	switch {
	case ok && n >= 1e11:
		return time.UnixMilli(n).Sub(theirs)
	case ok && n >= 1e8:
		return time.Unix(n, 0).Sub(theirs)
	case ok:
		return time.Duration(min(n, int64(longestWait/time.Second))) * time.Second
	}
	if at, err := nethttp.ParseTime(text); err == nil {
		return at.Sub(theirs)
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.Sub(theirs)
	}
	return 0
}

// structured reads RateLimit: "name";r=50;t=30 with RateLimit-Policy: "name";q=100;w=60, and limit=100, remaining=50,
// reset=30 of draft 07.
func structured(header nethttp.Header, take func(budget, time.Duration)) {
	policies := map[string]map[string]int64{}
	for name, values := range members(header["Ratelimit-Policy"]) {
		policies[name] = values
	}
	old := map[string]int64{}
	for name, values := range members(header["Ratelimit"]) {
		if remaining, ok := values["r"]; ok {
			policy := policies[name]
			wait, ok := values["t"]
			if !ok {
				wait = policy["w"]
			}
			take(budget{limit: policy["q"], remaining: remaining}, time.Duration(min(wait, int64(longestWait/time.Second)))*time.Second)
		} else if value, ok := values[""]; ok {
			old[name] = value
		}
	}
	if remaining, ok := old["remaining"]; ok {
		take(budget{limit: old["limit"], remaining: remaining}, time.Duration(min(old["reset"], int64(longestWait/time.Second)))*time.Second)
	}
}

// maxMembers is more limits than anybody has.
const maxMembers = 16

// members reads a list of named things with parameters (RFC 9651), as far as their values are numbers. The value that a
// name itself has, as in a dictionary, stands under the empty parameter.
func members(headers []string) map[string]map[string]int64 {
	all := map[string]map[string]int64{}
	for _, rest := range headers {
		for rest != "" && len(all) < maxMembers {
			rest = strings.TrimLeft(rest, " \t,")
			values := map[string]int64{}
			var name, value string
			if quoted, after, ok := quotedName(rest); ok {
				name, rest = quoted, after
			} else {
				name, value, rest = parameter(rest)
				if n, ok := number(value); ok {
					values[""] = n
				}
			}
			for {
				rest = strings.TrimLeft(rest, " \t")
				if !strings.HasPrefix(rest, ";") {
					break
				}
				var key string
				key, value, rest = parameter(rest[1:])
				if n, ok := number(value); ok {
					values[key] = n
				}
			}
			if name == "" && len(values) == 0 {
				break // nothing that can be read follows
			}
			all[name] = values
			_, rest, _ = strings.Cut(rest, ",")
		}
	}
	return all
}

func quotedName(s string) (name, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	name, rest, ok = strings.Cut(s[1:], `"`)
	return name, rest, ok
}
