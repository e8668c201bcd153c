package login_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// every is one block of each login; %[1]s is the origin of the source. Their endpoints are /login.
var every = map[string]string{
	"basic":     `auth "basic" { username = "me", password = secret.token }`,
	"bearer":    `auth "bearer" { token = secret.token }`,
	"header":    `auth "header" { name = "X-Key", value = "Key ${secret.other}" }`,
	"query":     `auth "query" { name = "key", value = secret.other }`,
	"digest":    `auth "digest" { username = "me", password = secret.token }`,
	"oauth2":    `auth "oauth2" { token_url = "%[1]s/login", client_id = "me", client_secret = secret.other }`,
	"refresh":   `auth "oauth2" { token_url = "%[1]s/login", client_id = "me", client_secret = secret.other, refresh_token = secret.token, params = { extra = secret.hex } }`,
	"session":   `auth "session" { url = "%[1]s/login", csrf = "csrf", form = { user = "me", password = "S3CRET-plain", key = secret.other }, headers = { X-Key = secret.token } }`,
	"json":      `auth "session" { url = "%[1]s/login", json = { user = { password = "S3CRET-plain" }, codes = [secret.other] } }`,
	"hmac":      `auth "hmac" { secret = secret.token, header = "X-Signature" }`,
	"sigv4":     `auth "sigv4" { access_key = "AKID", secret_key = secret.token, session_token = secret.other, region = "eu-west-1", service = "s3" }`,
	"userinfo":  ``,
	"parameter": ``,
}

// echo is all that was sent, as an answer.
func echo(r *nethttp.Request) string {
	body, _ := io.ReadAll(r.Body)
	user, password, _ := r.BasicAuth()
	form, _ := url.QueryUnescape(string(body))
	return fmt.Sprintf("%s %s %v %s %s %s %s", r.Method, r.RequestURI, r.Header, body, form, user, password)
}

// willing is a server that takes every login, tells in headers what it was sent and gave then, and does with the requests of the source what answer says.
func willing(answer func(w nethttp.ResponseWriter, r *nethttp.Request)) nethttp.HandlerFunc {
	var mu sync.Mutex
	heard, given := "", ""
	return func(w nethttp.ResponseWriter, r *nethttp.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.URL.Path == "/login":
			_ = r.ParseForm()
			for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
				heard += r.PostForm.Get(name) + " "
			}
			if r.Method == nethttp.MethodGet {
				given = "S3CRET-CSRF "
				fmt.Fprint(w, `<input name=csrf value="S3CRET-CSRF">`)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			switch r.PostForm.Get("grant_type") {
			case "client_credentials":
				given = "S3CRET-ACCESS"
				fmt.Fprint(w, `{"access_token":"S3CRET-ACCESS","token_type":"bearer"}`)
			case "refresh_token":
				given = "S3CRET-ACCESS S3CRET-REFRESH"
				fmt.Fprint(w, `{"access_token":"S3CRET-ACCESS","token_type":"bearer","refresh_token":"S3CRET-REFRESH"}`)
			default:
				given += "S3CRET-SESSION"
				nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: "S3CRET-SESSION", Path: "/"})
			}
		default:
			if r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", `Digest realm="r", nonce="n", qop="auth"`)
			}
			r.Header.Set("X-Heard", heard)
			r.Header.Set("X-Given", given)
			answer(w, r)
		}
	}
}

// block is the source of one login.
func block(kind, address, rest string) string {
	target := address + "/data"
	switch kind {
	case "userinfo":
		target = strings.Replace(target, "://", "://me:S3CRET-TOKEN@", 1)
	case "parameter":
		target += "?key=${secret.other}"
	}
	inside := strings.ReplaceAll(every[kind], "%[1]s", address)
	if before, after, ok := strings.Cut(inside, "{"); ok { // one argument to a line
		after = strings.NewReplacer(", headers", "\nheaders").Replace(strings.TrimSuffix(after, "}"))
		inside = before + "{\n" + lines(after) + "\n}"
	}
	return fmt.Sprintf("url = \"%s\"\n%s\n%s", target, inside, rest)
}

// lines puts each argument on a line of its own.
func lines(arguments string) string {
	depth, out := 0, strings.Builder{}
	for _, c := range arguments {
		switch c {
		case '{':
			depth++
		case '}':
			depth--
		case ',':
			if depth == 0 {
				c = '\n'
			}
		}
		out.WriteRune(c)
	}
	return out.String()
}

// wires are the secrets in all forms in which they are sent.
var wires = func() []string {
	var all []string
	for _, secret := range []string{"S3CRET-TOKEN", "0THER+/SECRET", "S3CRET-plain", "4a656665"} {
		all = append(all, secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("me:"+secret)), base64.StdEncoding.EncodeToString([]byte("me:"+url.QueryEscape(secret))))
	}
	return append(all, "S3CRET", "0THER")
}()

func (h *house) withoutSecrets(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range append(texts, h.everything()) {
		for _, wire := range wires {
			if strings.Contains(text, wire) {
				t.Errorf("%q stands in %s", wire, text)
				break
			}
		}
	}
}

// A source that goes wrong in any way, and repeats all it was sent, gets no secret into an error, a trace or the log.
func TestNoFailureShowsASecret(t *testing.T) {
	failures := map[string]func(w nethttp.ResponseWriter, r *nethttp.Request){
		"heard": func(w nethttp.ResponseWriter, r *nethttp.Request) { fmt.Fprint(w, "- ", r.Header.Get("X-Heard")) },
		"given": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			fmt.Fprint(w, "- ", r.Header.Get("X-Given"))
		},
		"junk": func(w nethttp.ResponseWriter, r *nethttp.Request) { fmt.Fprint(w, echo(r)) },
		"web page": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>", echo(r))
		},
		"headers": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			for _, name := range []string{"ETag", "Content-Type", "Retry-After", "Last-Modified", "Content-Encoding"} {
				w.Header().Set(name, strings.ReplaceAll(echo(r), "\n", " "))
			}
		},
		"redirect": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			nethttp.Redirect(w, r, "http://127.0.0.1:1/?"+r.URL.RawQuery+"&"+url.QueryEscape(echo(r)), nethttp.StatusFound)
		},
		"cut short": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Content-Length", "100000")
			fmt.Fprint(w, echo(r))
		},
		"closed": func(nethttp.ResponseWriter, *nethttp.Request) { panic(nethttp.ErrAbortHandler) },
		"link": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Link", "<http://127.0.0.1:1/?"+url.QueryEscape(echo(r))+`>; rel="next"`)
			fmt.Fprint(w, "[1]")
		},
	}
	for _, code := range []int{204, 206, 304, 400, 401, 403, 404, 419, 429, 500, 503} {
		failures[fmt.Sprint(code)] = func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.WriteHeader(code)
			if code != 204 && code != 304 {
				fmt.Fprint(w, echo(r))
			}
		}
	}
	for kind := range every {
		for name, failure := range failures {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				s := h.source(t, "%s", block(kind, serve(t, willing(failure)), "retries = 0\npagination \"link\" {}"))
				_, err := h.fetch(t, s)
				if err == nil {
					t.Fatal("the fetch went well")
				}
				h.withoutSecrets(t, err.Error(), s.Identity(), fmt.Sprintf("%v %+v %#v", s, s, s))
			})
		}
	}
}

// The same where what a source says of its refusal is shown, in its own words.
func TestNoReasonShowsASecret(t *testing.T) {
	for _, kind := range []string{"graphql", "soap"} {
		for auth := range every {
			for _, code := range []int{200, 400, 401, 403, 500} {
				t.Run(fmt.Sprint(kind, " ", auth, " ", code), func(t *testing.T) {
					t.Parallel()
					h := newHouse(t)
					address := serve(t, willing(func(w nethttp.ResponseWriter, r *nethttp.Request) {
						said, _ := json.Marshal(r.Header.Get("X-Heard") + r.Header.Get("X-Given") + echo(r))
						w.Header().Set("Content-Type", "text/xml")
						w.WriteHeader(code)
						if kind == "graphql" {
							fmt.Fprintf(w, `{"errors":[{"message":%s,"extensions":{"code":"UNAUTHENTICATED"}}]}`, said)
							return
						}
						fmt.Fprint(w, `<Envelope><Body><Fault><faultcode>Client.Authentication</faultcode><faultstring>`)
						_ = xml.EscapeText(w, said)
						fmt.Fprint(w, `</faultstring></Fault></Body></Envelope>`)
					}))
					s := h.kind(t, kind, block(auth, address, "retries = 0\n"+posts[kind].block))
					_, err := h.fetch(t, s)
					if err == nil {
						t.Fatal("the fetch went well")
					}
					h.withoutSecrets(t, err.Error(), s.Identity())
				})
			}
		}
	}
}

// The same for what gives tokens and sessions.
func TestNoRefusedLoginShowsASecret(t *testing.T) {
	failures := map[string]func(w nethttp.ResponseWriter, r *nethttp.Request){
		"junk": func(w nethttp.ResponseWriter, r *nethttp.Request) { fmt.Fprint(w, echo(r)) },
		"form": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
			fmt.Fprint(w, "access_token=S3CRET%zz&", echo(r))
		},
		"code": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, echo(r))
		},
		"echo code": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = r.ParseForm()
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"error":%q}`, r.Form.Get("client_secret")+r.Form.Get("refresh_token")+r.Form.Get("password"))
		},
		"redirect": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			nethttp.Redirect(w, r, "http://127.0.0.1:1/?"+url.QueryEscape(echo(r)), nethttp.StatusTemporaryRedirect)
		},
		"closed": func(nethttp.ResponseWriter, *nethttp.Request) { panic(nethttp.ErrAbortHandler) },
		"cut short": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Content-Length", "100000")
			fmt.Fprint(w, echo(r))
		},
		"500": func(w nethttp.ResponseWriter, r *nethttp.Request) { w.WriteHeader(500); fmt.Fprint(w, echo(r)) },
	}
	for _, kind := range []string{"oauth2", "refresh", "session", "json"} {
		for name, failure := range failures {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				s := h.source(t, "%s", block(kind, serve(t, failure), "retries = 0"))
				_, err := h.fetch(t, s)
				if err == nil {
					t.Fatal("the fetch went well")
				}
				h.withoutSecrets(t, err.Error())
			})
		}
	}
}

// Wherever a source leads, no other origin is asked anything, with credentials or without.
func TestCredentialsStayWithTheirOrigin(t *testing.T) {
	ways := map[string]struct {
		rest   string
		answer func(elsewhere string) nethttp.HandlerFunc
	}{
		"redirect": {"", func(elsewhere string) nethttp.HandlerFunc {
			return func(w nethttp.ResponseWriter, r *nethttp.Request) {
				nethttp.Redirect(w, r, elsewhere, nethttp.StatusFound)
			}
		}},
		"redirect that keeps the method": {"method = \"POST\"\nbody = \"x\"", func(elsewhere string) nethttp.HandlerFunc {
			return func(w nethttp.ResponseWriter, r *nethttp.Request) {
				nethttp.Redirect(w, r, elsewhere, nethttp.StatusTemporaryRedirect)
			}
		}},
		"redirect after a redirect": {"", func(elsewhere string) nethttp.HandlerFunc {
			return func(w nethttp.ResponseWriter, r *nethttp.Request) {
				to := elsewhere
				if r.URL.Path == "/data" {
					to = "/moved"
				}
				nethttp.Redirect(w, r, to, nethttp.StatusFound)
			}
		}},
		"link header": {`pagination "link" {}`, func(elsewhere string) nethttp.HandlerFunc {
			return func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				w.Header().Set("Link", "<"+elsewhere+`>; rel="next"`)
				fmt.Fprint(w, "[1]")
			}
		}},
		"next in the body": {"decode \"json\" { items = \"data\" }\npagination \"next\" { path = \"next\" }", func(elsewhere string) nethttp.HandlerFunc {
			return func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				fmt.Fprintf(w, `{"data":[1],"next":%q}`, elsewhere)
			}
		}},
	}
	for kind := range every {
		for name, way := range ways {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				elsewhere := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
					t.Errorf("another origin was asked: %s %s", r.Method, r.URL)
				})
				inner := way.answer(elsewhere)
				address := serve(t, willing(func(w nethttp.ResponseWriter, r *nethttp.Request) {
					if kind == "digest" && r.Header.Get("Authorization") == "" {
						w.WriteHeader(401)
						return
					}
					inner(w, r)
				}))
				h := newHouse(t)
				h.wantError(t, h.source(t, "%s", block(kind, address, way.rest)), "another origin")
				h.withoutSecrets(t)
			})
		}
	}
}

// A login that is refused again and again is renewed once in a fetch, and then the fetch ends.
func TestEveryLoginIsRenewedOnce(t *testing.T) {
	for kind, want := range map[string][]string{
		"basic": {"/data"}, "bearer": {"/data"}, "header": {"/data"}, "query": {"/data"}, "userinfo": {"/data"}, "hmac": {"/data"}, "sigv4": {"/data"},
		"digest":  {"/data", "/data"},
		"oauth2":  {"/login", "/data", "/login", "/data"},
		"refresh": {"/login", "/data", "/login", "/data"},
		"session": {"/login", "/login", "/data", "/login", "/login", "/data"},
		"json":    {"/login", "/data", "/login", "/data"},
	} {
		t.Run(kind, func(t *testing.T) {
			var mu sync.Mutex
			var asked []string
			inner := willing(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				w.Header().Set("WWW-Authenticate", `Digest realm="r", nonce="n", qop="auth"`)
				w.WriteHeader(401)
			})
			address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				mu.Lock()
				asked = append(asked, r.URL.Path)
				mu.Unlock()
				inner(w, r)
			})
			h := newHouse(t)
			h.wantError(t, h.source(t, "%s", block(kind, address, "")), "answered 401 Unauthorized: the login was refused; check auth")
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(asked, want) {
				t.Errorf("asked %q, want %q", asked, want)
			}
		})
	}
}
