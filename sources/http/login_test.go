package http_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	nethttp "net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
	"github.com/hookbridge/bridge/sources/http"
)

func TestLogins(t *testing.T) {
	for _, test := range []struct{ name, block, header, value, query string }{
		{"none", "", "Authorization", "", ""},
		{"basic", "auth \"basic\" {\n username = \"me\"\n password = secret.token\n}", "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("me:S3CRET-TOKEN")), ""},
		{"bearer", `auth "bearer" { token = secret.token }`, "Authorization", "Bearer S3CRET-TOKEN", ""},
		{"header", "auth \"header\" {\n name = \"x-api-key\"\n value = secret.token\n}", "X-Api-Key", "S3CRET-TOKEN", ""},
		{"query", "auth \"query\" {\n name = \"key\"\n value = secret.other\n}", "Authorization", "", "key=0THER%2B%2FSECRET"},
		{"userinfo", "", "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("you:hidden")), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got *nethttp.Request
			address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				got = r
				fmt.Fprint(w, "[1]")
			})
			if test.name == "userinfo" {
				address = strings.Replace(address, "http://", "http://you:hidden@", 1)
			}
			s := source(t, newShared(), fmt.Sprintf("url = \"%s/\"\n%s", address, test.block))
			var trace []string
			ctx := sources.WithTrace(t.Context(), func(line string) { trace = append(trace, line) })
			fetchWith(ctx, s, bridge.FetchOptions{}).want(t, "1.1 1")
			if value := got.Header.Get(test.header); value != test.value {
				t.Errorf("%s: %q, want %q", test.header, value, test.value)
			}
			if got.URL.RawQuery != test.query {
				t.Errorf("query %q, want %q", got.URL.RawQuery, test.query)
			}
			if len(trace) != 1 || !strings.HasPrefix(trace[0], "GET http://127.0.0.1:") || !strings.Contains(trace[0], " answered 200 ") {
				t.Errorf("trace: %q", trace)
			}
			for _, text := range append(trace, s.Identity(), fmt.Sprintf("%v %+v %#v", s, s, s)) {
				if strings.Contains(text, "S3CRET") || strings.Contains(text, "0THER") || strings.Contains(text, "hidden") {
					t.Errorf("a secret stands in %s", text)
				}
			}
		})
	}
}

// tokens is an OAuth2 server and an API that takes its tokens.
type tokens struct {
	issued  atomic.Int32
	valid   atomic.Int32 // the token the API takes
	refuse  atomic.Bool
	expires string
}

func (o *tokens) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	if r.URL.Path == "/token" {
		_ = r.ParseForm()
		user, password, _ := r.BasicAuth()
		if o.refuse.Load() || user != "bridge" || password != "S3CRET-TOKEN" || r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("scope") != "a b" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(401)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"S3CRET-TOKEN is wrong"}`)
			return
		}
		n := o.issued.Add(1)
		o.valid.Store(n)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer"%s}`, n, o.expires)
		return
	}
	if r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", o.valid.Load()) {
		w.WriteHeader(401)
		return
	}
	fmt.Fprint(w, "[1]")
}

const oauthBlock = `url = "%[1]s/orders/%[2]d"
auth "oauth2" {
  token_url     = "%[1]s/token"
  client_id     = "bridge"
  client_secret = secret.token
  scopes        = ["a", "b"]
}`

func TestOAuth2(t *testing.T) {
	api := &tokens{}
	address, shared := serve(t, api.ServeHTTP), newShared()
	one, two := source(t, shared, fmt.Sprintf(oauthBlock, address, 1)), source(t, shared, fmt.Sprintf(oauthBlock, address, 2))

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { fetch(t, one, nil).want(t, "1.1 1") })
		wg.Go(func() { fetch(t, two, nil).want(t, "1.1 1") })
	}
	wg.Wait()
	if n := api.issued.Load(); n != 1 {
		t.Errorf("%d tokens for one login, want 1", n)
	}

	api.valid.Store(0) // revoked
	fetch(t, one, nil).want(t, "1.1 1")
	fetch(t, two, nil).want(t, "1.1 1")
	if n := api.issued.Load(); n != 2 {
		t.Errorf("%d tokens after one was revoked, want 2", n)
	}

	api.valid.Store(0)
	api.refuse.Store(true)
	got := fetch(t, one, nil)
	got.wantError(t, "source.http: the token endpoint refused (status 401, invalid_client); check client_id, client_secret and scopes")
}

func TestATokenEndpointThatIsNone(t *testing.T) {
	address := serve(t, nethttp.NotFound)
	got := fetch(t, source(t, newShared(), fmt.Sprintf(oauthBlock, address, 1)), nil)
	got.wantError(t, "source.http: the token endpoint refused (status 404); check token_url, client_id, client_secret and scopes")
}

func TestOAuth2RenewsOnce(t *testing.T) {
	var issued, asked atomic.Int32
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer"}`, issued.Add(1))
			return
		}
		asked.Add(1)
		w.WriteHeader(401)
	})
	s := source(t, newShared(), fmt.Sprintf(oauthBlock, address, 1))
	fetch(t, s, nil).wantError(t, `answered 401 Unauthorized: the login was refused; check auth "oauth2"`)
	if issued.Load() != 2 || asked.Load() != 2 {
		t.Errorf("%d tokens and %d requests, want 2 and 2: refreshed once, then stopped", issued.Load(), asked.Load())
	}
}

func TestOAuth2EndpointThatIsBusy(t *testing.T) {
	address := serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(429)
	})
	got := fetch(t, source(t, newShared(), fmt.Sprintf(oauthBlock, address, 1)), nil)
	if _, ok := errors.AsType[*bridge.BusyError](got.Err); !ok {
		t.Errorf("got %v, want a *BusyError", got.Err)
	}
}

func TestRotatedKeyIsNotAnotherSource(t *testing.T) {
	shared := newShared()
	identity := func(block string) string { return source(t, shared, block).Identity() }
	same := identity(`url = "https://api.example.com/orders?key=${secret.token}&status=open"`)
	for name, block := range map[string]string{
		"another path":   `url = "https://api.example.com/order?key=${secret.token}&status=open"`,
		"another query":  `url = "https://api.example.com/orders?key=${secret.token}&status=closed"`,
		"another host":   `url = "https://api2.example.com/orders?key=${secret.token}&status=open"`,
		"query argument": "url = \"https://api.example.com/orders?key=${secret.token}&status=open\"\nquery = { page = 7 }",
		"other items":    "url = \"https://api.example.com/orders?key=${secret.token}&status=open\"\ndecode \"json\" { items = \"data\" }",
		"lines":          "url = \"https://api.example.com/orders?key=${secret.token}&status=open\"\ndecode \"ndjson\" {}",
		"a POST":         "url = \"https://api.example.com/orders?key=${secret.token}&status=open\"\nmethod = \"POST\"",
	} {
		if other := identity(block); other == same {
			t.Errorf("%s has the same identity: %s", name, other)
		}
	}
	rotated := identity(`url = "https://api.example.com/orders?key=${secret.other}&status=open"`)
	if rotated != same {
		t.Errorf("a rotated key makes another identity:\n%s\n%s", same, rotated)
	}
	if relogged := identity("url = \"https://api.example.com/orders?key=${secret.token}&status=open\"\nauth \"bearer\" { token = secret.other }\nrate = \"5/s\""); relogged != same {
		t.Errorf("a login makes another identity:\n%s\n%s", same, relogged)
	}
	if !strings.HasPrefix(same, "http GET https://api.example.com/orders @this ") || strings.Contains(same, "open") {
		t.Errorf("identity is %s", same)
	}
}

func TestErrorsOfEmitComeThrough(t *testing.T) {
	mine := errors.New("no space")
	s := source(t, newShared(), fmt.Sprintf("url = %q", serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) { fmt.Fprint(w, "[1,2]") })))
	count := 0
	outcome, err := s.Fetch(context.WithoutCancel(t.Context()), bridge.FetchOptions{}, func(bridge.Record) error { count++; return mine })
	if !errors.Is(err, mine) || outcome.Complete || count != 1 {
		t.Errorf("%v %+v after %d records", err, outcome, count)
	}
}

// A source that repeats what we sent in its answer does not get it into our errors, traces or logs.
func TestEchoedCredentialsAreHidden(t *testing.T) {
	odd := "odd\"S3CRET\\ü"
	for name, block := range map[string]string{
		"basic":  "auth \"basic\" {\n username = \"me\"\n password = secret.token\n}",
		"bearer": `auth "bearer" { token = "S3CRET-literal" }`,
		"header": fmt.Sprintf("auth \"header\" {\n name = \"Authorization\"\n value = %q\n}", odd),
		"oauth2": "auth \"oauth2\" {\n token_url = \"%[1]s/token\"\n client_id = \"x\"\n client_secret = \"y\"\n}",
	} {
		t.Run(name, func(t *testing.T) {
			sent := ""
			address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				if r.URL.Path == "/token" {
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprint(w, `{"access_token":"S3CRET-ACCESS","token_type":"bearer"}`)
					return
				}
				_, sent, _ = strings.Cut(r.Header.Get("Authorization"), " ")
				if name == "header" {
					sent = r.Header.Get("Authorization")
				}
				w.Header().Set("ETag", sent)
				fmt.Fprintf(w, "%s you sent %s", strings.Repeat(".", 40), sent)
			})
			var log strings.Builder
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			s := source(t, http.NewShared(logger, "", nil), fmt.Sprintf("url = \"%s/\"\n%s", address, strings.ReplaceAll(block, "%[1]s", address)))
			got := fetch(t, s, nil)
			got.wantError(t, "you sent (secret)")
			quoted := strconv.QuoteToASCII(sent)
			for _, text := range []string{got.Err.Error(), log.String()} {
				if sent == "" || strings.Contains(text, sent) || strings.Contains(text, quoted[1:len(quoted)-1]) {
					t.Errorf("%q stands in %s", sent, text)
				}
			}
			if !strings.Contains(log.String(), "answered 200") {
				t.Errorf("the log does not show the request: %s", log.String())
			}
		})
	}
}
