package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
	"github.com/hookbridge/bridge/sources/http"
)

func lookup(t testing.TB, s bridge.Source, url, record string) (string, bool, error) {
	t.Helper()
	body, found, err := s.(bridge.Looker).Lookup(t.Context(), url, record)
	if err == nil && found == (body == nil) {
		t.Errorf("found is %t, the record %s", found, body)
	}
	return string(body), found, err
}

func TestLookup(t *testing.T) {
	status, answer := 200, ""
	address := serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	})
	s := source(t, newShared(), fmt.Sprintf("url = %q\nretries = 0\nauth \"bearer\" { token = secret.token }\nmax_body = \"1KiB\"", address))
	for _, test := range []struct {
		name   string
		status int
		body   string
		record string
		want   string // the record, or what the error says
		failed bool
		absent bool
	}{
		{name: "the whole body", body: ` {"id": 1.50, "b":"\u00e4"}` + "\n", want: `{"id": 1.50, "b":"\u00e4"}`},
		{name: "@this", body: `{"id":1}`, record: "@this", want: `{"id":1}`},
		{name: "a path", body: `{"a":{"data":1},"data":{"order":{"id":12345678901234567890.10}},"order":2}`, record: "data.order", want: `{"id":12345678901234567890.10}`},
		{name: "a name with a dot", body: `{"a.b":{"id":1}}`, record: `a\.b`, want: `{"id":1}`},
		{name: "a name written in escapes", body: `{"d\u0061ta":{"id":1}}`, record: "data", want: `{"id":1}`},
		{name: "a byte order mark", body: "\ufeff{}", want: `{}`},
		{name: "not found", status: 404, body: `{"id":1}`, absent: true},
		{name: "gone", status: 410, absent: true},
		{name: "a missing path", body: `{"data":{}}`, record: "data.order", failed: true, want: `record path "data.order" is missing (status 200, application/json, 11 bytes)`},
		{name: "a path through an array", body: `{"data":[{"0":{}}]}`, record: "data.0", failed: true, want: `record path "data.0" is missing`},
		{name: "null at the path", body: `{"data":null}`, record: "data", failed: true, want: `record path "data" is null, not an object`},
		{name: "a list", body: `[{"id":1}]`, failed: true, want: `the body is an array, not an object; record names the path to the object`},
		{name: "an impossible path", body: `{}`, record: "data.*", failed: true, want: `record: path "data.*" may only hold dotted names`},
		{name: "nothing", failed: true, want: `the body is empty`},
		{name: "no content", status: 204, failed: true, want: `answered 204 No Content where a record was expected`},
		{name: "cut short", body: `{"data":{"id":1}`, record: "data", failed: true, want: `the body ends in the middle of a value`},
		{name: "something behind it", body: `{"data":{"id":1}} {}`, record: "data", failed: true, want: `something follows after the end of the document`},
		{name: "a name twice", body: `{"data":{"id":1},"data":{"id":2}}`, record: "data", failed: true, want: `not valid JSON`},
		{name: "a name twice elsewhere", body: `{"data":{"id":1},"x":{"y":1,"y":2}}`, record: "data", failed: true, want: `not valid JSON`},
		{name: "not UTF-8", body: "{\"id\":\"\xff\"}", failed: true, want: `not valid JSON`},
		{name: "too deep", body: strings.Repeat(`{"a":`, 129) + "1" + strings.Repeat("}", 129), failed: true, want: "nested deeper than 128 levels"},
		{name: "too large", body: `{"a":"` + strings.Repeat("x", 2000) + `"}`, failed: true, want: "larger than max_body (1.0 KiB)"},
		{name: "a login page", body: "<!DOCTYPE html><title>Log in</title>", failed: true, want: "the answer is a web page, perhaps a login"},
		{name: "no longer logged in", status: 401, failed: true, want: `answered 401 Unauthorized: the login was refused; check auth "bearer"`},
		{name: "a mistake of theirs", status: 500, failed: true, want: "answered 500 Internal Server Error"},
		{name: "a secret in the answer", body: `S3CRET-TOKEN {`, failed: true, want: `begins with "(secret) {"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, answer = max(test.status, 200), test.body
			got, found, err := lookup(t, s, address+"/orders/1", test.record)
			switch {
			case test.failed:
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "source.http: lookup: ") {
					t.Errorf("got %q, %v; want an error with %q", got, err, test.want)
				}
				if err != nil && strings.Contains(err.Error(), "S3CRET") {
					t.Errorf("the error holds a secret: %v", err)
				}
			case err != nil || found == test.absent || got != test.want:
				t.Errorf("got %q, %t, %v; want %q", got, found, err, test.want)
			}
		})
	}
}

// The record is asked for as the source is, but always by GET and never without its newest state.
func TestLookupRequest(t *testing.T) {
	var seen string
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = fmt.Sprintf("%s %s %q %s|%s|%s|%s|%s", r.Method, r.RequestURI, body, r.Header.Get("X-Team"), r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("Cache-Control"), r.Header.Get("If-None-Match"))
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(gzipped(`{"id":1}`))
	})
	s := source(t, newShared(), fmt.Sprintf(`
url     = "%s/search?status=open"
method  = "POST"
json    = { q = 1 }
headers = { X-Team = "erp" }
auth "bearer" { token = secret.token }
pagination "page" {}
`, address))
	for range 2 {
		if got, _, err := lookup(t, s, address+"/orders/a%2Fb?full=1#top", ""); err != nil || got != `{"id":1}` {
			t.Errorf("%q, %v", got, err)
		}
		if want := `GET /orders/a%2Fb?full=1 "" erp||Bearer S3CRET-TOKEN|no-cache|`; seen != want {
			t.Errorf("asked %s\nwant  %s", seen, want)
		}
	}
	byQuery := source(t, newShared(), fmt.Sprintf("url = %q\nauth \"query\" {\n name = \"key\"\n value = secret.token\n}", address))
	if _, _, err := lookup(t, byQuery, address+"/orders/1?full=1", ""); err != nil || !strings.HasPrefix(seen, "GET /orders/1?full=1&key=S3CRET-TOKEN ") {
		t.Errorf("asked %s (%v)", seen, err)
	}
}

// An id that came in a webhook must not choose where the credentials go.
func TestLookupStaysWithTheSource(t *testing.T) {
	asked := false
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		asked = true
		if r.URL.Path == "/moved" {
			nethttp.Redirect(w, r, "http://elsewhere.invalid/", nethttp.StatusFound)
			return
		}
		fmt.Fprint(w, `{}`)
	})
	s := source(t, newShared(), fmt.Sprintf("url = \"%s/orders\"\nauth \"bearer\" { token = secret.token }", address))
	host := strings.TrimPrefix(address, "http://")
	for _, url := range []string{
		"https://elsewhere.invalid/orders/1?key=S3CRET", "https://" + host + "/orders/1", "http://127.0.0.1:1/orders/1", "//elsewhere.invalid/1", "/orders/1", "orders/1", "",
		"http://" + host + "@elsewhere.invalid/1", "http://elsewhere.invalid\\@" + host + "/1", "ftp://" + host + "/1", "http:" + host + "/1", "mailto:x@y", "http://[::1", "http://a b/", address + "/\x7f",
		address + "/orders/../admin", address + "/orders/%2e%2E/admin", address + "/orders/.", address + "/orders/%2e%2e%2fadmin", address + `/orders/..%5cadmin`, address + `/orders\..\admin`, address + "/..",
	} {
		if got, found, err := lookup(t, s, url, ""); err == nil || found || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%q: %q, %v", url, got, err)
		}
		if err := s.(bridge.Looker).Asks(url); err == nil || !strings.Contains(err.Error(), address) {
			t.Errorf("asks %q: %v", url, err)
		}
	}
	if asked {
		t.Error("the source was asked")
	}
	if _, _, err := lookup(t, s, address+"/moved", ""); err == nil || !strings.Contains(err.Error(), "redirected to another origin") {
		t.Errorf("a redirect elsewhere: %v", err)
	}
	for _, url := range []string{address, address + "/", address + "/orders/...", strings.Replace(address, "http://", "HTTP://user:other@", 1) + "/orders/a..b"} {
		if err := s.(bridge.Looker).Asks(url); err != nil {
			t.Errorf("asks %q: %v", url, err)
		}
		if _, found, err := lookup(t, s, url, ""); err != nil || !found {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestLookupIsPolite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, busy := []time.Duration(nil), false
		start := time.Now()
		shared := http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
			asked = append(asked, time.Since(start))
			if busy {
				return reply(req, 404, "", "Retry-After", "60"), nil
			}
			return reply(req, 200, "{}"), nil
		}))
		s := source(t, shared, "url = \"https://api.example.com/\"\nrate = \"1/s\"")
		for range 3 {
			if _, _, err := lookup(t, s, "https://api.example.com/1", ""); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(asked); got != "[0s 1s 2s]" {
			t.Errorf("asked at %s", got)
		}
		busy = true
		for range 2 { // the second does not ask
			_, found, err := lookup(t, s, "https://api.example.com/1", "")
			later, ok := errors.AsType[*bridge.BusyError](err)
			if !ok || found || later.RetryAt.Sub(start) != 63*time.Second {
				t.Errorf("%v", err)
			}
		}
		if len(asked) != 4 {
			t.Errorf("asked at %v", asked)
		}
		fetch(t, s, nil).wantError(t, "asked to be left alone")
	})
}

func TestLookupRenewsItsTokenOnce(t *testing.T) {
	tokens, refuse := 0, 0
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/token" {
			tokens++
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer"}`, tokens)
			return
		}
		if refuse > 0 {
			refuse--
			w.WriteHeader(401)
			return
		}
		fmt.Fprintf(w, `{"by":%q}`, r.Header.Get("Authorization"))
	}))
	defer server.Close()
	s := source(t, newShared(), fmt.Sprintf("url = %q\nauth \"oauth2\" {\n token_url = \"%s/token\"\n client_id = \"x\"\n client_secret = secret.token\n}", server.URL, server.URL))
	for _, want := range []string{`{"by":"Bearer t1"}`, `{"by":"Bearer t2"}`} {
		if got, _, err := lookup(t, s, server.URL+"/1", ""); err != nil || got != want {
			t.Errorf("got %q, %v; want %s", got, err, want)
		}
		refuse = 1
	}
	refuse = 2
	if _, _, err := lookup(t, s, server.URL+"/1", ""); err == nil || !strings.Contains(err.Error(), "the login was refused") {
		t.Errorf("refused twice: %v", err)
	}
}

func TestTheCallersTimeEndsALookup(t *testing.T) {
	hang := make(chan struct{})
	address := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { <-hang })
	defer close(hang)
	cause := errors.New("the time of the lookup is over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, cause)
	defer cancel()
	_, found, err := source(t, newShared(), fmt.Sprintf("url = %q", address)).(bridge.Looker).Lookup(ctx, address+"/1", "")
	if !errors.Is(err, cause) || found {
		t.Errorf("%t, %v", found, err)
	}
}

func TestLookupIsTraced(t *testing.T) {
	var lines []string
	ctx := sources.WithTrace(t.Context(), func(line string) { lines = append(lines, line) })
	address := serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(404) })
	if _, found, err := source(t, newShared(), fmt.Sprintf("url = %q", address)).(bridge.Looker).Lookup(ctx, address+"/1?key=S3CRET", ""); found || err != nil {
		t.Errorf("%t, %v", found, err)
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "answered 404") || strings.Contains(lines[0], "S3CRET") {
		t.Errorf("%q", lines)
	}
}
