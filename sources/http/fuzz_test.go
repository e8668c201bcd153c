package http

import (
	"bytes"
	"encoding/json"
	stdxml "encoding/xml"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/tidwall/gjson"
)

func TestNextLink(t *testing.T) {
	for _, test := range []struct {
		headers []string
		want    string // empty: none
	}{
		{[]string{`<https://x/?p=2>; rel="next"`}, "https://x/?p=2"},
		{[]string{`<a>; rel=prev, <b>; rel=next`}, "b"},
		{[]string{`<a>; rel="first"`, `<b>;rel=next`}, "b"},
		{[]string{`<a,b;c>; rel="prev"; title="x, <y>; rel=next", <z>; title="q\"r"; REL="last NEXT"`}, "z"},
		{[]string{`<a>; rel="next"; rel="prev"`}, "a"},
		{[]string{`<a>; rel="prev"; rel="next"`}, ""},
		{[]string{`<a>; rel="next"; anchor="/other"`}, ""},
		{[]string{`<a>; rel="nextpage"`}, ""},
		{[]string{`<a> ; rel = next ; title*=UTF-8''x`}, "a"},
		{[]string{`, ,<a>; rel=next`}, "a"},
		{[]string{`<a; rel=next`}, ""},
		{[]string{`a; rel=next`}, ""},
		{[]string{``, `;`, `<a>`, `<a>;`, `<a>; rel`, `<a>; rel=`}, ""},
		{[]string{`<a>; rel="next`}, ""},
	} {
		if got, ok := nextLink(test.headers); got != test.want || ok != (test.want != "") {
			t.Errorf("nextLink(%q) = %q, %t; want %q", test.headers, got, ok, test.want)
		}
	}
}

// FuzzLink: whatever a server sends, a link that is found stands in the header between angle brackets, and resolving it
// never leaves the origin.
func FuzzLink(f *testing.F) {
	for _, seed := range []string{`<https://x/?p=2>; rel="next"`, `<a>; rel=prev, <b>; rel=next`, `<//evil/>; rel=next`, `<a>; title="\"`, `<a>;;;rel=next`, `<\\evil>; rel=next`} {
		f.Add(seed)
	}
	base := &url.URL{Scheme: "https", Host: "api.example.com", Path: "/orders"}
	f.Fuzz(func(t *testing.T, header string) {
		link, ok := nextLink([]string{header})
		if !ok {
			return
		}
		if !strings.Contains(header, "<") || !strings.Contains(header, link) {
			t.Errorf("%q was found in %q", link, header)
		}
		if target, err := resolve(base, link); err == nil && (target.Scheme != "https" || address.Origin(target) != address.Origin(base)) {
			t.Errorf("%q leads to %s", link, target)
		}
	})
}

// FuzzRetryAfter: the answer always lies between now and a day from now.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "99999999999999999999", "Sat, 01 Jan 2000 00:10:00 GMT", "Saturday, 01-Jan-00 00:10:00 GMT", "Sat Jan  1 00:10:00 2000", "١٢"} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		at, ok := retryAfter(nethttp.Header{"Retry-After": {value}}, now)
		if ok && (at.Before(now) || at.After(now.Add(24*time.Hour))) || !ok && !at.IsZero() {
			t.Errorf("Retry-After: %q is %v, %t", value, at, ok)
		}
	})
}

// FuzzCursorPath: whatever a field is called, its path finds it and nothing else.
func FuzzCursorPath(f *testing.F) {
	for _, seed := range []string{"id", "a.b", "@this", "#", "*", "!x", "{a", "[0", "a|b", `a\b`, "a:b", `"q"`, "~true", "0", "ü", "..", "%", "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || !utf8.ValidString(name) {
			t.Skip()
		}
		record, err := json.Marshal(map[string]any{"outer": map[string]any{name: "found", name + "x": "wrong", "x" + name: "wrong"}, name: map[string]int{"x": 1}})
		if err != nil {
			t.Skip()
		}
		path := decode.Path{"outer", name}.GJSON()
		if got := gjson.GetBytes(record, path); got.Str != "found" {
			t.Errorf("%q finds %q in %s", path, got.Raw, record)
		}
	})
}

// FuzzCheckpoint: what can be recalled is remembered as it was, and a fetch from any bytes whatever does not panic.
func FuzzCheckpoint(f *testing.F) {
	f.Add([]byte("http 1\n"))
	f.Add([]byte(remember([]known{{Address: "a", ETag: `W/"x y"`, Modified: "m", Hash: "h", Items: 3, Total: 4, Pages: 5, More: true}, {Hash: "i", Last: true}})))
	f.Fuzz(func(t *testing.T, from []byte) {
		pages := recall(from)
		if len(pages) == 0 {
			return
		}
		if again := recall(remember(pages)); !slices.Equal(pages, again) {
			t.Errorf("%+v became %+v", pages, again)
		}
	})
}

func TestACheckpointIsRecalledAsItWas(t *testing.T) {
	want := []known{
		{Address: "a", ETag: `W/"x y"`, Modified: "Sat, 21 Nov 2026 10:00:00 GMT", Hash: "h", Items: 3, Total: 4, Pages: 5, More: true},
		{Hash: "i", Last: true},
		{},
	}
	if got := recall(remember(want)); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// FuzzScrub: however a source repeats a secret, it is not shown.
func FuzzScrub(f *testing.F) {
	for _, seed := range []string{"S3CRET-TOKEN", `a<b>&"'/c`, "päss wörd\n", "1234", "%2F+ +", `\u003c`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		if len(secret) < 4 || !utf8.ValidString(secret) {
			t.Skip()
		}
		var plain, xml bytes.Buffer
		encoder := json.NewEncoder(&plain)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(secret)
		careful, _ := json.Marshal(secret)
		_ = stdxml.EscapeText(&xml, []byte(secret))
		inside := func(quoted string) string { return quoted[1 : len(quoted)-1] }
		for _, form := range []string{secret, inside(strings.TrimSuffix(plain.String(), "\n")), inside(string(careful)), url.QueryEscape(secret), url.PathEscape(secret), xml.String()} {
			if text := hide("«"+form+"»", secret); strings.Contains(text, "«"+form+"»") || strings.Contains(text, secret) && !strings.Contains("«(secret)»", secret) {
				t.Errorf("%q, written as %q, shows as %q", secret, form, text)
			}
		}
	})
}
