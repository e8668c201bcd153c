package login_test

import (
	"fmt"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"
)

// api is a server that says in its answers, whatever their status, that it does not know who asks.
type api struct {
	kind   string
	status int  // of a refusal
	half   bool // a refusal comes with records
	deaf   bool // knows nobody

	mu     sync.Mutex
	issued int
	good   string
	seen   []string
}

func (a *api) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, r.URL.Path)
	if r.URL.Path == "/login" {
		a.issued++
		a.good = fmt.Sprint("S3CRET-", a.issued)
		nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: a.good, Path: "/"})
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer"}`, a.good)
		return
	}
	sid, err := r.Cookie("sid")
	if !a.deaf && (r.Header.Get("Authorization") == "Bearer "+a.good || err == nil && sid.Value == a.good) {
		w.Header().Set("Content-Type", map[string]string{"soap": "text/xml"}[a.kind])
		answer := posts[a.kind].answer
		if a.kind == "http" {
			answer = `{"ok":true,"data":` + answer + `}`
		}
		fmt.Fprint(w, answer)
		return
	}
	w.Header().Set("Content-Type", map[string]string{"soap": "text/xml", "graphql": "application/json"}[a.kind])
	w.WriteHeader(a.status)
	data := "null"
	if a.half {
		data = `{"orders":{"edges":[{"node":{"id":"1"}}]}}`
	}
	switch a.kind {
	case "http":
		fmt.Fprint(w, `{"ok":false,"data":[]}`)
	case "graphql":
		fmt.Fprintf(w, `{"data":%s,"errors":[{"message":"who?","extensions":{"code":"UNAUTHENTICATED"}}]}`, data)
	case "soap":
		fmt.Fprint(w, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>wsse:FailedAuthentication</faultcode><faultstring>who?</faultstring></s:Fault></s:Body></s:Envelope>`)
	}
}

// end makes everything it gave useless, and returns the paths that were asked until then.
func (a *api) end() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.good = "none"
	seen := strings.Join(a.seen, " ")
	a.seen = nil
	return seen
}

// A login that has run out is renewed once also where only the document says so, with status 200 or as an error.
func TestALoginThatRanOutWithinAnAnswer(t *testing.T) {
	for _, kind := range []string{"graphql", "soap"} {
		for _, auth := range []string{"oauth2", "json"} {
			for _, status := range []int{200, 400, 500} {
				t.Run(fmt.Sprint(kind, " ", auth, " ", status), func(t *testing.T) {
					a := &api{kind: kind, status: status}
					h := newHouse(t)
					s := h.kind(t, kind, block(auth, serve(t, a.ServeHTTP), "retries = 0\n"+posts[kind].block))
					h.want(t, s, `{"id":"1"}`)
					if got := a.end(); got != "/login /data" {
						t.Errorf("asked %s", got)
					}
					h.want(t, s, `{"id":"1"}`)
					if got := a.end(); got != "/data /login /data" {
						t.Errorf("asked %s", got)
					}
					a.deaf = true
					h.wantError(t, s, "who?")
					if got := a.end(); got != "/data /login /data" {
						t.Errorf("asked %s", got)
					}
					h.silent(t)
				})
			}
		}
	}
}

// Where records came with it the fetch has failed, for they cannot come twice; but the next one logs in again.
func TestALoginThatRanOutBehindRecords(t *testing.T) {
	a := &api{kind: "graphql", status: 200, half: true}
	h := newHouse(t)
	s := h.kind(t, "graphql", block("oauth2", serve(t, a.ServeHTTP), posts["graphql"].block))
	h.want(t, s, `{"id":"1"}`)
	a.end()
	if records, err := h.fetch(t, s); err == nil || !strings.Contains(err.Error(), "UNAUTHENTICATED") || records != `{"id":"1"}` {
		t.Errorf("got %s, %v", records, err)
	}
	h.want(t, s, `{"id":"1"}`)
	if got := a.end(); got != "/data /login /data" {
		t.Errorf("asked %s", got)
	}
}

// A session of which only the configuration can tell that it has ended is begun again; a token is left alone.
func TestASessionThatSuccessSaysHasEnded(t *testing.T) {
	for auth, renewed := range map[string]bool{"json": true, "oauth2": false} {
		t.Run(auth, func(t *testing.T) {
			a := &api{kind: "http", status: 200}
			h := newHouse(t)
			s := h.kind(t, "http", block(auth, serve(t, a.ServeHTTP), "success = body.ok\ndecode \"json\" { items = \"data\" }\n"))
			h.want(t, s, `{"id":"1"}`)
			a.end()
			if renewed {
				h.want(t, s, `{"id":"1"}`)
				if got := a.end(); got != "/data /login /data" {
					t.Errorf("asked %s", got)
				}
			}
			a.deaf = true
			h.wantError(t, s, `success is false: body.ok is false`)
			want := "/data"
			if renewed {
				want = "/data /login /data"
			}
			if got := a.end(); got != want {
				t.Errorf("asked %s, want %s", got, want)
			}
			h.silent(t)
		})
	}
}
