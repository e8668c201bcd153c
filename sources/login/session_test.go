package login_test

import (
	"compress/gzip"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
)

// portal is an application with a login form and data behind it.
type portal struct {
	csrf  bool
	ended func(w nethttp.ResponseWriter, r *nethttp.Request) // how it answers whoever is not logged in
	deaf  bool                                               // takes logins and knows nobody afterwards

	mu       sync.Mutex
	sessions int
	valid    string
	seen     []string
}

const loginForm = `<html><form method=post><input type=hidden name=authenticity_token value="t&amp;%d"><input name=user><input type=password name=password></form></html>`

func (p *portal) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, r.Method+" "+r.URL.Path)
	form := func() {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, loginForm, p.sessions)
	}
	switch {
	case r.URL.Path == "/login" && r.Method == "GET":
		nethttp.SetCookie(w, &nethttp.Cookie{Name: "pre", Value: "before", Path: "/"})
		form()
	case r.URL.Path == "/login":
		_ = r.ParseForm()
		token := ""
		if p.csrf {
			token = fmt.Sprintf("t&%d", p.sessions)
		}
		if pre, err := r.Cookie("pre"); p.csrf && (err != nil || pre.Value != "before") {
			w.WriteHeader(nethttp.StatusForbidden)
			return
		}
		if r.PostForm.Get("user") != "me" || r.PostForm.Get("password") != "S3CRET-TOKEN" || r.PostForm.Get("authenticity_token") != token {
			form()
			return
		}
		p.sessions++
		if p.valid = fmt.Sprintf("S3CRET-SESSION-%d", p.sessions); p.deaf {
			p.valid = "nobody"
		}
		nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: fmt.Sprintf("S3CRET-SESSION-%d", p.sessions), Path: "/", HttpOnly: true})
		nethttp.Redirect(w, r, "/welcome", nethttp.StatusFound)
	case r.URL.Path == "/welcome":
		fmt.Fprint(w, "<html>hello</html>")
	default:
		if sid, err := r.Cookie("sid"); err != nil || sid.Value != p.valid {
			p.ended(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html") // as old servers call everything
		fmt.Fprintf(w, "[%q]", r.Method+" "+r.URL.Path)
	}
}

func (p *portal) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.valid, p.seen = "ended", nil
}

func (p *portal) want(t *testing.T, requests ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if got, want := strings.Join(p.seen, ", "), strings.Join(requests, ", "); got != want {
		t.Errorf("the server saw %s\nwant %s", got, want)
	}
}

const sessionBlock = `url = "%[1]s/data"
headers = { Cookie = "theme=dark" }
auth "session" {
  url  = "%[1]s/login"
  form = { user = "me", password = secret.token }
  %[2]s
}
`

func status(code int) func(nethttp.ResponseWriter, *nethttp.Request) {
	return func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(code) }
}

func TestSession(t *testing.T) {
	elsewhere := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		t.Errorf("a request went to another origin: %s, cookies %v", r.URL, r.Cookies())
	})
	for name, ended := range map[string]func(nethttp.ResponseWriter, *nethttp.Request){
		"401": status(401), "403": status(403), "419": status(419), "440": status(440),
		"redirect to the login": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			nethttp.Redirect(w, r, "/login?next=/data", nethttp.StatusFound)
		},
		"redirect elsewhere": func(w nethttp.ResponseWriter, r *nethttp.Request) {
			nethttp.Redirect(w, r, elsewhere+"/sso", nethttp.StatusFound)
		},
		"login page called JSON": func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, "\ufeff <!-- hello -->"+loginForm, 0)
		},
		"compressed login page": func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(w)
			fmt.Fprintf(packed, loginForm, 0)
			_ = packed.Close()
		},
		"login page in place": func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, loginForm, 0)
		},
	} {
		for _, csrf := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, csrf %t", name, csrf), func(t *testing.T) {
				p := &portal{ended: ended, csrf: csrf}
				address, h := serve(t, p.ServeHTTP), newHouse(t)
				extra, steps := "", []string{"POST /login", "GET /welcome", "GET /data"}
				if csrf {
					extra, steps = `csrf = "authenticity_token"`, append([]string{"GET /login"}, steps...)
				}
				s := h.source(t, sessionBlock, address, extra)
				h.want(t, s, `"GET /data"`)
				p.want(t, steps...)
				h.want(t, s, `"GET /data"`)
				p.want(t, append(steps, "GET /data")...)

				p.end()
				h.want(t, s, `"GET /data"`)
				again := []string{"GET /data"}
				if name == "redirect to the login" {
					again = append(again, "GET /login")
				}
				p.want(t, append(again, steps...)...)
				h.silent(t)
			})
		}
	}
}

func TestSessionBeginsAgainOnlyOnce(t *testing.T) {
	p := &portal{ended: status(401), deaf: true}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	h.wantError(t, h.source(t, sessionBlock, address, ""), `answered 401 Unauthorized: the login was refused; check auth "session"`)
	p.want(t, "POST /login", "GET /welcome", "GET /data", "POST /login", "GET /welcome", "GET /data")

	p.ended = func(w nethttp.ResponseWriter, r *nethttp.Request) {
		nethttp.Redirect(w, r, "/login", nethttp.StatusFound)
	}
	h.wantError(t, h.source(t, sessionBlock, address, ""), `answered 200 OK with a login page: the login was refused; check auth "session"`)
	h.wantError(t, h.source(t, sessionBlock+`redirects = "none"`, address, ""), `answered with a redirect, and redirects = "none"`)
}

func TestSessionIsSharedAndBegunOnce(t *testing.T) {
	p := &portal{ended: status(401)}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	one, two := h.source(t, sessionBlock, address, ""), h.source(t, sessionBlock+"retries = 0", address, "")
	for round := range 3 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { h.want(t, one, `"GET /data"`) })
			wg.Go(func() { h.want(t, two, `"GET /data"`) })
		}
		wg.Wait()
		if p.sessions != round+1 {
			t.Errorf("%d logins after %d sessions ended, want one each", p.sessions, round)
		}
		p.end()
	}
}

func TestSessionThatDoesNotBegin(t *testing.T) {
	for name, test := range map[string]struct {
		answer nethttp.HandlerFunc
		extra  string
		want   string
	}{
		"refused":   {status(401), "", "/login was refused (status 401, Unauthorized); check what auth \"session\" sends"},
		"no cookie": {status(200), "", "(status 200, no cookie came)"},
		"back again": {func(w nethttp.ResponseWriter, r *nethttp.Request) {
			nethttp.Redirect(w, r, "/login?error=1", nethttp.StatusSeeOther)
		}, "", "it led back to the login page"},
		"no such field": {status(200), `csrf = "token"`, `(status 200) has no field "token"; check page and csrf`},
		"no page":       {status(404), `csrf = "token"`, "the login page at "},
		"a busy server": {func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(429)
		}, "", "(status 429, Too Many Requests)"},
		"a page of a busy server": {func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(503)
		}, `csrf = "token"`, "/login answered 503 Service Unavailable; check page"},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				if requests++; r.Method == "GET" && name == "back again" {
					return
				}
				test.answer(w, r)
			})
			h := newHouse(t)
			s := h.source(t, sessionBlock, address, test.extra)
			h.wantError(t, s, test.want)
			if strings.HasSuffix(name, "a busy server") {
				before := requests
				h.wantError(t, s, "asked to be left alone until")
				if requests != before {
					t.Error("a server that asked to be left alone was asked")
				}
			}
		})
	}
}

func TestSessionByJSON(t *testing.T) {
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/api/session" {
			body, _ := io.ReadAll(r.Body)
			if string(body) != `{"user":{"name":"me","password":"S3CRET-TOKEN"}}` || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Requested-With") != "hookbridge" {
				t.Errorf("got %s %v", body, r.Header)
			}
			nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: "one"}) // good for /api alone
			return
		}
		if sid, err := r.Cookie("sid"); err != nil || sid.Value == "" {
			w.WriteHeader(401)
			return
		}
		if theme, err := r.Cookie("theme"); err != nil || theme.Value != "dark" {
			t.Errorf("cookies %v", r.Cookies())
		}
		nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: "rolling", Path: "/api"})
		sid, _ := r.Cookie("sid")
		fmt.Fprintf(w, "[%q]", sid.Value)
	})
	h := newHouse(t)
	s := h.source(t, `url = "%[1]s/api/data"
headers = { Cookie = "theme=dark" }
auth "session" {
  url     = "%[1]s/api/session"
  json    = { user = { name = "me", password = secret.token } }
  headers = { X-Requested-With = "hookbridge" }
}`, address)
	h.want(t, s, `"one"`)
	h.want(t, s, `"rolling"`)
}

// Whoever waits for another's login waits no longer than its own time.
func TestSessionWaitsNoLongerThanTheJob(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	p := &portal{ended: status(401)}
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Method == "POST" {
			close(arrived)
			<-release
		}
		p.ServeHTTP(w, r)
	})
	h := newHouse(t)
	s := h.source(t, sessionBlock, address, "")
	done := make(chan struct{})
	go func() { defer close(done); h.want(t, s, `"GET /data"`) }()
	<-arrived
	h.wantErrorWithin(t, s, 20*time.Millisecond, "the job's time is up")
	close(release)
	<-done
}

// A refusal for a limit that is used up is no reason to log in again.
func TestSessionOutlastsALimit(t *testing.T) {
	p := &portal{ended: status(401)}
	limited := false
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if limited {
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", "30")
			w.WriteHeader(nethttp.StatusForbidden)
			return
		}
		p.ServeHTTP(w, r)
	})
	h := newHouse(t)
	s := h.source(t, sessionBlock, address, "")
	h.want(t, s, `"GET /data"`)
	limited = true
	h.wantError(t, s, "answered 403 Forbidden: the requests that the source allows are used up")
	p.want(t, "POST /login", "GET /welcome", "GET /data")
}

// A server cannot fill our memory with cookies, and those it gave first stay.
func TestSessionHoldsNoMoreCookiesThanABrowser(t *testing.T) {
	given, held := 0, 0
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/login" {
			nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: "one", Path: "/"})
		} else if sid, err := r.Cookie("sid"); err != nil || sid.Value == "" {
			t.Errorf("cookies: %v", r.Cookies())
		}
		held = len(r.Cookies())
		for range 50 {
			given++
			nethttp.SetCookie(w, &nethttp.Cookie{Name: fmt.Sprint("c", given), Value: "v", Path: "/"})
		}
		nethttp.SetCookie(w, &nethttp.Cookie{Name: "long", Value: strings.Repeat("v", 5000), Path: "/"})
		nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: fmt.Sprint("after-", given), Path: "/"}) // known: taken also when full
		fmt.Fprintf(w, "[%q]", r.Header.Get("Cookie")[:min(8, len(r.Header.Get("Cookie")))])
	})
	s := newHouse(t).source(t, sessionBlock, address, "")
	for range 6 {
		if _, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if held != 1+180 { // with that of the block
		t.Errorf("%d cookies are held", held)
	}
}

// Whether a login is one does not depend on which of the sources that share it was there first.
func TestSessionForAnotherPath(t *testing.T) {
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		sid, err := r.Cookie("sid")
		switch {
		case r.URL.Path == "/login":
			nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: "one", Path: "/api"})
		case err != nil || sid.Value != "one":
			w.WriteHeader(401)
		default:
			fmt.Fprint(w, "[1]")
		}
	})
	h := newHouse(t)
	first := h.source(t, sessionBlock, address, "")
	h.want(t, h.source(t, strings.Replace(sessionBlock, "%[1]s/data", "%[1]s/api/data", 1), address, ""), "1")
	h.wantError(t, first, "answered 401 Unauthorized: the login was refused")
}
