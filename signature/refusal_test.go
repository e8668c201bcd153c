package signature

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// refusal is one way of being wrong. An empty Cause: the dialect does not have what would have to be wrong.
type refusal struct {
	name   string
	change func(sample, *Request) Cause
}

// edit is a refusal of a value of a header.
func edit(name string, cause Cause, header func(sample) string, change func(sample, string) string) refusal {
	return refusal{name, func(s sample, r *Request) Cause {
		h := header(s)
		if h == "" {
			return ""
		}
		before := r.Header.Get(h)
		after := change(s, before)
		if after == before {
			return ""
		}
		r.Header.Set(h, after)
		return cause
	}}
}

func refusals(t testing.TB) []refusal {
	signed := func(place string) func(sample) bool {
		return func(s sample) bool { return s.dialect.row.text.uses(place) }
	}
	token := func(s sample) bool { return s.dialect.row.Algorithm == Token }
	timeHeader := func(s sample) string { return s.dialect.row.Time.Header }
	idHeader := func(s sample) string {
		if !signed(placeID)(s) {
			return ""
		}
		return s.dialect.row.ID.Header
	}
	bodied := func(name string, change func(string) string) refusal {
		return refusal{name, func(s sample, r *Request) Cause {
			if token(s) {
				return ""
			}
			r.Body = []byte(change(string(r.Body)))
			return Mismatch
		}}
	}
	addressed := func(name, url string) refusal {
		return refusal{name, func(s sample, r *Request) Cause {
			if !s.dialect.NeedsURL() {
				return ""
			}
			if r.URL = url; url == "" {
				return Misconfigured
			}
			return Mismatch
		}}
	}
	all := []refusal{
		bodied("a bit flipped in the body", func(b string) string { return strings.Replace(b, "1", "0", 1) }),
		bodied("the last byte of the body flipped", func(b string) string { return b[:len(b)-1] + "|" }),
		bodied("no body", func(string) string { return "" }),
		bodied("a line break after the body", func(b string) string { return b + "\n" }),
		bodied("the body truncated", func(b string) string { return b[:len(b)-1] }),
		addressed("another host", "https://evil.example.com/in/orders?tenant=7"),
		addressed("another path", "https://bridge.example.com/in/order?tenant=7"),
		addressed("another query", "https://bridge.example.com/in/orders?tenant=8"),
		addressed("the query left out", "https://bridge.example.com/in/orders"),
		addressed("no address", ""),
		{"another method", func(s sample, r *Request) Cause {
			if !signed(placeMethod)(s) {
				return ""
			}
			r.Method = "PUT"
			return Mismatch
		}},
	}
	for what, header := range map[string]func(sample) string{"signature": sample.header, "time": timeHeader, "id": idHeader} {
		all = append(all,
			edit("empty "+what, Missing, header, func(sample, string) string { return "" }),
			refusal{"no " + what, func(s sample, r *Request) Cause {
				if header(s) == "" {
					return ""
				}
				r.Header.Del(header(s))
				return Missing
			}},
			edit("oversized "+what, Oversized, header, func(s sample, v string) string {
				return strings.Repeat(v+s.dialect.row.Separator, 1+maxSignatures/len(v))
			}),
		)
	}
	all = append(all,
		edit("a bit flipped in the id", Mismatch, idHeader, func(_ sample, v string) string { return flip(v, len(v)-1) }),
		edit("the id of another", Mismatch, idHeader, func(_ sample, v string) string { return v + "0" }),
	)
	return append(append(all, signatureRefusals(t)...), timeRefusals()...)
}

// signatureRefusals are what may be wrong with the signature's own header.
func signatureRefusals(t testing.TB) []refusal {
	of := func(name string, change func(sample, string) string) refusal {
		return edit(name, Mismatch, sample.header, change)
	}
	prefix := func(s sample) string {
		if p := s.dialect.row.Prefix; p != "v1," || s.public == "" {
			return p
		}
		return "v1a,"
	}
	start := func(s sample, v string) int { return strings.Index(v, prefix(s)) + len(prefix(s)) }
	decoy := func(version string) func(sample, string) string {
		return func(s sample, v string) string {
			if prefix(s) == "" {
				return v
			}
			return strings.Replace(v, prefix(s), version+prefix(s)[len(prefix(s))-1:], 1)
		}
	}
	return []refusal{
		of("a character less", func(_ sample, v string) string { return v[:len(v)-1] }),
		of("four characters less", func(_ sample, v string) string { return v[:len(v)-4] }),
		of("half of the signature", func(s sample, v string) string { return v[:start(s, v)+(len(v)-start(s, v))/2] }),
		of("one character of the signature", func(s sample, v string) string { return v[:start(s, v)+1] }),
		of("none of the signature", func(s sample, v string) string {
			if prefix(s) == "" {
				return v // it is the header that is empty then
			}
			return v[:start(s, v)]
		}),
		of("a character more", func(_ sample, v string) string { return v + "0" }),
		of("the signature twice in one", func(s sample, v string) string { return v + v[start(s, v):] }),
		of("a bit flipped at its start", func(s sample, v string) string { return flip(v, start(s, v)) }),
		of("a bit flipped in its middle", func(s sample, v string) string { return flip(v, (start(s, v)+len(v))/2) }),
		of("a bit flipped near its end", func(_ sample, v string) string { return flip(v, len(v)-5) }),
		of("only zeros", func(s sample, v string) string {
			return string(s.dialect.row.Encoding.append([]byte(v[:start(s, v)]), make([]byte, 32)))
		}),
		of("not encoded", func(s sample, v string) string { return v[:start(s, v)] + "(" + v[start(s, v)+1:] }),
		of("a decoy version only", decoy("v9")),
		of("an older version only", decoy("v")),
		of("no version", func(s sample, v string) string { return strings.Replace(v, prefix(s), "", 1) }),
		{"another's signatures only", func(s sample, r *Request) Cause {
			if s.dialect.row.Separator == "" || s.public != "" {
				return ""
			}
			*r = s.good(t, s.wrong, s.wrong, s.second)
			return Mismatch
		}},
	}
}

// timeRefusals are what may be wrong with the time of signing.
func timeRefusals() []refusal {
	// stamped replaces the time wherever it stands.
	stamped := func(name string, cause Cause, change func(s sample, v string) string) refusal {
		return refusal{name, func(s sample, r *Request) Cause {
			axis := s.dialect.row.Time
			switch {
			case axis.Header != "":
				v := change(s, r.Header.Get(axis.Header))
				r.Header.Set(axis.Header, v)
			case axis.Part != "":
				h := r.Header.Get(s.header())
				rest := strings.TrimPrefix(h, axis.Part)
				v, rest, _ := strings.Cut(rest, s.dialect.row.Separator)
				r.Header.Set(s.header(), axis.Part+change(s, v)+s.dialect.row.Separator+rest)
			default:
				return ""
			}
			return cause
		}}
	}
	const text = "2021-02-25T15:02:10Z"
	return []refusal{
		stamped("a bit flipped in the time", Mismatch, func(s sample, v string) string {
			if s.dialect.row.Time.Format == RFC3339 {
				return "2021-02-25T15:02:11Z"
			}
			return v[:len(v)-1] + string(v[len(v)-1]^1)
		}),
		stamped("a time in words", Malformed, func(sample, string) string { return "yesterday" }),
		stamped("a time with a sign", Malformed, func(_ sample, v string) string { return "+" + v }),
		stamped("a time before 1970", Malformed, func(sample, string) string { return "-9223372036854775808" }),
		stamped("a time with a fraction", Malformed, func(s sample, v string) string { return strings.TrimSuffix(v, "Z") + ".0" }),
		stamped("a time in hex", Malformed, func(sample, string) string { return "0x60381fb2" }),
		stamped("a time beyond all clocks", Malformed, func(sample, string) string { return "99999999999999999999" }),
		stamped("a time in another form", Malformed, func(s sample, v string) string {
			if s.dialect.row.Time.Format == RFC3339 {
				return "1614265330"
			}
			return text
		}),
		stamped("body moved into the time", Malformed, func(_ sample, v string) string { return v + "{" }),
		{"two times", func(s sample, r *Request) Cause {
			if s.dialect.row.Time.Part == "" {
				return ""
			}
			r.Header.Set(s.header(), r.Header.Get(s.header())+s.dialect.row.Separator+s.dialect.row.Time.Part+"1614265330")
			return Malformed
		}},
		{"no time among the parts", func(s sample, r *Request) Cause {
			if s.dialect.row.Time.Part == "" {
				return ""
			}
			r.Header.Set(s.header(), strings.Replace(r.Header.Get(s.header()), s.dialect.row.Time.Part, "x", 1))
			return Missing
		}},
	}
}

// flip changes one bit of a letter or digit, so that it stays one.
func flip(v string, at int) string {
	const digits = "0123456789abcdefABCDEFGHIJKLMNOPQRSTUVWXYZghijklmnopqrstuvwxyz"
	for ; !strings.ContainsRune(digits, rune(v[at])); at-- {
	}
	next := "1"
	if v[at] == '1' {
		next = "0"
	}
	return v[:at] + next + v[at+1:]
}

// TestRefusals is every dialect with every way of being wrong. The first subtest shows that the request was good before.
func TestRefusals(t *testing.T) {
	rows := 0
	for _, s := range samples(t) {
		keys := s.keys(t)
		check := func(name string, r Request, keys []Key, now time.Time, want Cause) {
			rows++
			t.Run(s.name+"/"+name, func(t *testing.T) {
				_, err := s.dialect.Verify(keys, r, now)
				if cause(err) != want {
					t.Fatalf("got %v, want a refusal: %s", err, want)
				}
				for _, secret := range []string{s.secret, s.wrong, s.second} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("the refusal tells the secret: %v", err)
					}
				}
				if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 300 {
					t.Errorf("not fit for a log: %q", err)
				}
			})
		}
		if _, err := s.dialect.Verify(keys, s.good(t), sampleTime); err != nil {
			t.Fatalf("%s: a good request is refused: %v", s.name, err)
		}
		for _, wrong := range refusals(t) {
			r := s.good(t)
			if want := wrong.change(s, &r); want != "" {
				check(wrong.name, r, keys, sampleTime, want)
			}
		}
		check("another's secret", s.good(t), keysOf(t, s.dialect, s.wrong), sampleTime, Mismatch)
		check("no keys", s.good(t), nil, sampleTime, Mismatch)
		check("the zero key", s.good(t), []Key{{}}, sampleTime, Mismatch)
		if bare(s) != "" && s.public == "" { // a good signature, and nothing else of the message
			check("nothing but a signature", Request{Header: http.Header{s.header(): s.good(t).Header[s.header()]}}, keys, sampleTime.Add(-time.Hour), bare(s))
		}
		if tolerance := s.dialect.row.Time.Tolerance; tolerance > 0 {
			check("stale by a second", s.good(t), keys, sampleTime.Add(tolerance+time.Second), Stale)
			check("stale by a year", s.good(t), keys, sampleTime.AddDate(1, 0, 0), Stale)
			if !s.dialect.row.late {
				check("early by a second", s.good(t), keys, sampleTime.Add(-tolerance-time.Second), Early)
			}
		}
	}
	t.Logf("%d rows", rows)
	if rows < 300 {
		t.Errorf("%d rows, want 300 at least", rows)
	}
}

// bare is why a signature alone is refused: whatever is looked for first.
func bare(s sample) Cause {
	switch r := s.dialect.row; {
	case r.text.uses(placeURL):
		return Misconfigured
	case r.Time.Header != "" || r.text.uses(placeID):
		return Missing
	case r.Time.Part != "":
		return Early
	case r.Algorithm == Token:
		return "" // the secret is all there is
	}
	return Mismatch
}

// TestEdges: what is just right is accepted.
func TestEdges(t *testing.T) {
	for _, s := range samples(t) {
		keys := s.keys(t)
		check := func(name string, r Request, keys []Key, now time.Time) {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				if _, err := s.dialect.Verify(keys, r, now); err != nil {
					t.Error(err)
				}
			})
		}
		if tolerance := s.dialect.row.Time.Tolerance; tolerance > 0 {
			check("as old as allowed", s.good(t), keys, sampleTime.Add(tolerance))
			check("as new as allowed", s.good(t), keys, sampleTime.Add(-tolerance))
		} else {
			check("a year old", s.good(t), keys, sampleTime.AddDate(1, 0, 0))
		}
		check("the last of our secrets", s.good(t), append(keysOf(t, s.dialect, s.wrong, s.wrong), keys...), sampleTime)
		check("the last of several headers", lastHeader(s, s.good(t)), keys, sampleTime)
		if s.dialect.row.several() {
			check("the last of their signatures", s.good(t, s.second, s.second, s.secret), keys, sampleTime)
		}
		if s.dialect.row.Separator != "" {
			r := s.good(t)
			h := s.header()
			if s.dialect.row.Time.Part != "" {
				first, rest, _ := strings.Cut(r.Header.Get(h), s.dialect.row.Separator)
				r.Header.Set(h, fmt.Sprintf("%[2]s%[1]s%[1]s v9=,%[1]sv0=00%[1]s %[3]s", s.dialect.row.Separator, first, rest))
			} else {
				r.Header.Set(h, "v9,xx"+s.dialect.row.Separator+"v1"+s.dialect.row.Separator+r.Header.Get(h))
			}
			check("after what nobody speaks", r, keys, sampleTime)
		}
	}
}

// lastHeader puts a line that is no signature before the good one.
func lastHeader(s sample, r Request) Request {
	if s.dialect.row.Time.Part != "" {
		return r
	}
	r.Header[s.header()] = slices.Concat([]string{"nonsense"}, r.Header[s.header()])
	return r
}

// BenchmarkRefusals: what the dearest refusals cost, a header as long as is read and as many public keys as are tried.
func BenchmarkRefusals(b *testing.B) {
	for _, s := range samples(b) {
		if s.dialect.row.Separator == "" {
			continue
		}
		b.Run(s.name, func(b *testing.B) {
			keys := s.keys(b)
			r := s.good(b)
			r.Body = make([]byte, 1<<20)
			good := r.Header.Get(s.header())
			if s.dialect.row.Time.Part == "" {
				r.Header.Set(s.header(), strings.Repeat(good+s.dialect.row.Separator, maxSignatures/(len(good)+1)))
			}
			b.SetBytes(1 << 20)
			for b.Loop() {
				if _, err := s.dialect.Verify(keys, r, sampleTime); cause(err) != Mismatch {
					b.Fatal(err)
				}
			}
		})
	}
}
