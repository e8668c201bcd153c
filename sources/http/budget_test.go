package http

import (
	nethttp "net/http"
	"testing"
	"time"
)

func header(pairs ...string) nethttp.Header {
	h := nethttp.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestReadBudget(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 500, time.UTC)
	const date = "Sat, 21 Nov 2026 11:58:00 GMT" // a clock that is two minutes slow
	for name, test := range map[string]struct {
		header           nethttp.Header
		limit, remaining int64
		wait             time.Duration // 0: nothing is said
	}{
		"nothing":                    {header("Retry-After", "3"), 0, 0, 0},
		"GitHub":                     {header("X-RateLimit-Limit", "5000", "X-RateLimit-Remaining", "4999", "X-RateLimit-Reset", "1795266000", "X-RateLimit-Used", "1", "Date", "Sat, 21 Nov 2026 12:00:00 GMT"), 5000, 4999, time.Hour},
		"by its own clock":           {header("X-RateLimit-Limit", "60", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1795262340", "Date", date), 60, 0, time.Minute},
		"seconds to go":              {header("X-RateLimit-Limit", "100", "X-RateLimit-Remaining", "7", "X-RateLimit-Reset", "30"), 100, 7, 30 * time.Second},
		"milliseconds since 1970":    {header("X-RateLimit-Remaining", "7", "X-RateLimit-Reset", "1795262460000", "Date", "Sat, 21 Nov 2026 12:00:00 GMT"), 0, 7, time.Minute},
		"a date":                     {header("X-RateLimit-Remaining", "7", "X-RateLimit-Reset", "Sat, 21 Nov 2026 11:59:00 GMT", "Date", date), 0, 7, time.Minute},
		"a time of RFC 3339":         {header("X-RateLimit-Remaining", "7", "X-RateLimit-Reset", "2026-11-21T12:59:00+01:00", "Date", date), 0, 7, time.Minute},
		"fractions":                  {header("X-Ratelimit-Used", "5", "X-Ratelimit-Remaining", "595.0", "X-Ratelimit-Reset", "340"), 0, 595, 340 * time.Second},
		"Discord":                    {header("X-RateLimit-Limit", "5", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1", "X-RateLimit-Reset-After", "64.57"), 5, 0, 64 * time.Second},
		"Twitter":                    {header("x-rate-limit-limit", "15", "x-rate-limit-remaining", "14", "x-rate-limit-reset", "1795263000", "Date", "Sat, 21 Nov 2026 12:00:00 GMT"), 15, 14, 10 * time.Minute},
		"draft 03":                   {header("RateLimit-Limit", "100, 100;w=60", "RateLimit-Remaining", "50", "RateLimit-Reset", "50"), 100, 50, 50 * time.Second},
		"draft 07":                   {header("RateLimit", "limit=100, remaining=50, reset=5", "RateLimit-Policy", "100;w=10"), 100, 50, 5 * time.Second},
		"draft 08":                   {header("RateLimit", `"default";r=50;t=30`, "RateLimit-Policy", `"default";q=100;w=60`), 100, 50, 30 * time.Second},
		"draft 08 without a time":    {header("RateLimit", `"default";r=50`, "RateLimit-Policy", `"default";q=100;w=60`), 100, 50, time.Minute},
		"draft 08 with several":      {header("RateLimit", `"day";r=9000;t=36000, "minute";r=50;t=30;pk=:AAA=:`, "RateLimit-Policy", `"day";q=10000;w=86400,"minute";q=100;w=60`), 10000, 9000, 10 * time.Hour},
		"draft 08 in two headers":    {header("RateLimit", `"a, b";r=5;t=50`, "RateLimit", `c;r=1;t=90`), 0, 1, 90 * time.Second},
		"the tightest of all":        {header("RateLimit", `"a";r=5;t=50`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "7"), 0, 0, 7 * time.Second},
		"the later of two used up":   {header("RateLimit", `"a";r=0;t=50, "b";r=0;t=90`), 0, 0, 90 * time.Second},
		"less than nothing":          {header("X-RateLimit-Remaining", "-1", "X-RateLimit-Reset", "30"), 0, 0, 0},
		"no number":                  {header("X-RateLimit-Remaining", "many", "X-RateLimit-Reset", "30"), 0, 0, 0},
		"half a number":              {header("X-RateLimit-Remaining", "5x", "X-RateLimit-Reset", "30"), 0, 0, 0},
		"digits without end":         {header("X-RateLimit-Remaining", "99999999999999999999", "X-RateLimit-Reset", "30"), 0, 0, 0},
		"no reset":                   {header("X-RateLimit-Remaining", "5"), 0, 0, 0},
		"a reset that has been":      {header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1795261600", "Date", date), 0, 0, 0},
		"a reset at once":            {header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "0"), 0, 0, 0},
		"a reset in a hundred years": {header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "4951000000"), 0, 0, 24 * time.Hour},
		"a reset beyond all time":    {header("RateLimit", `"x";r=0;t=999999999999999`), 0, 0, 24 * time.Hour},
		"a reset of words":           {header("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "soon"), 0, 0, 0},
		"nonsense":                   {header("RateLimit", `;;;"`, "RateLimit-Policy", `"`), 0, 0, 0},
	} {
		b, ok := readBudget(test.header, now)
		wait := time.Duration(0)
		if ok {
			wait = b.reset.Sub(now)
		}
		if ok != (test.wait > 0) || b.limit != test.limit || b.remaining != test.remaining || wait != test.wait {
			t.Errorf("%s: %d of %d for %v, %t; want %d of %d for %v", name, b.remaining, b.limit, wait, ok, test.remaining, test.limit, test.wait)
		}
	}
}

// FuzzBudget: whatever a host says, it keeps us waiting for no longer than a day, and not for what has been.
func FuzzBudget(f *testing.F) {
	for _, seed := range [][3]string{
		{"5000", "4999", "1795266000"}, {"", "0", "99999999999999"}, {`"default";r=50;t=30`, `"default";q=100;w=60`, ""}, {"limit=1, remaining=2, reset=3", "", ""},
		{`";;,=`, `"a;"`, "-1"}, {"Sat, 21 Nov 2026 12:00:00 GMT", "1.", "2026-11-21T12:00:00Z"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, one, two, three string) {
		for _, h := range []nethttp.Header{
			header("RateLimit", one, "RateLimit-Policy", two, "RateLimit", three),
			header("X-RateLimit-Limit", one, "X-RateLimit-Remaining", two, "X-RateLimit-Reset", three, "Date", one),
			header("X-Rate-Limit-Remaining", one, "X-Rate-Limit-Reset", two, "RateLimit-Remaining", two, "RateLimit-Reset", three),
		} {
			b, ok := readBudget(h, now)
			if !ok {
				if b != (budget{}) {
					t.Fatalf("%v: %+v although nothing is said", h, b)
				}
				continue
			}
			if b.remaining < 0 || b.limit < 0 || !b.reset.After(now) || b.reset.After(now.Add(24*time.Hour)) {
				t.Fatalf("%v: %+v", h, b)
			}
			one := &host{}
			one.spend(b)
			for range 3 {
				if at, _, _ := one.turn(now, time.Time{}); at.Before(now) || at.After(now.Add(3*(24*time.Hour+margin))) {
					t.Fatalf("%v: the next request is at %v", h, at)
				}
			}
		}
	})
}
