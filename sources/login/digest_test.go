package login_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	nethttp "net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// digestServer lets in whoever knows the password, by RFC 7616 as a strict server reads it: a nonce is good for so many
// requests, and its count must rise by itself for each.
type digestServer struct {
	algorithm, qop string // qop empty: as in RFC 2069
	userhash       bool
	uses           int // of a nonce; 0: any number
	offer          func(challenge string) []string

	mu       sync.Mutex
	nonce    int
	counts   map[string]bool // nonce and count
	requests []string        // "401", "401 stale" or the nc
}

const digestRealm, digestUser, digestPassword = `the "old" realm`, "bridge", "S3CRET-TOKEN"

var digestParameter = regexp.MustCompile(`(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))`)

func (s *digestServer) hash(parts ...string) string {
	h := md5.New()
	if strings.HasPrefix(s.algorithm, "SHA-256") {
		h = sha256.New()
	}
	_, _ = io.WriteString(h, strings.Join(parts, ":"))
	return hex.EncodeToString(h.Sum(nil))
}

// admit reports whether the request is let in; if not it has been answered.
func (s *digestServer) admit(w nethttp.ResponseWriter, r *nethttp.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(stale bool) bool {
		s.nonce++
		s.counts = map[string]bool{}
		challenge := fmt.Sprintf(`Digest realm=%q, nonce="n%d", opaque="o, paque"`, digestRealm, s.nonce)
		if s.algorithm != "" {
			challenge += ", algorithm=" + s.algorithm
		}
		if s.qop != "" {
			challenge += fmt.Sprintf(", qop=%q", s.qop)
		}
		if s.userhash {
			challenge += ", userhash=true"
		}
		said := "401"
		if stale {
			challenge, said = challenge+", stale=true", "401 stale"
		}
		s.requests = append(s.requests, said)
		offered := []string{challenge}
		if s.offer != nil {
			offered = s.offer(challenge)
		}
		for _, o := range offered {
			w.Header().Add("WWW-Authenticate", o)
		}
		w.WriteHeader(nethttp.StatusUnauthorized)
		return false
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Digest ")
	if !ok {
		return refuse(false)
	}
	p := map[string]string{}
	for _, m := range digestParameter.FindAllStringSubmatch(given, -1) {
		p[m[1]] = strings.ReplaceAll(m[2], `\`, "") + m[3]
	}
	user := digestUser
	if s.userhash {
		user = s.hash(digestUser, digestRealm)
	}
	a1 := s.hash(digestUser, digestRealm, digestPassword)
	if strings.HasSuffix(s.algorithm, "-sess") {
		a1 = s.hash(a1, p["nonce"], p["cnonce"])
	}
	a2, qop := s.hash(r.Method, r.RequestURI), "auth"
	if s.qop == "auth-int" {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		a2, qop = s.hash(r.Method, r.RequestURI, s.hash(string(body))), s.qop
	}
	want := s.hash(a1, p["nonce"], a2)
	if s.qop != "" {
		want = s.hash(a1, p["nonce"], p["nc"], p["cnonce"], qop, a2)
	}
	if p["response"] != want || p["username"] != user || p["uri"] != r.RequestURI || p["realm"] != digestRealm || p["opaque"] != "o, paque" || p["algorithm"] != s.algorithm {
		return refuse(false)
	}
	if s.qop != "" {
		nc, err := strconv.ParseInt(p["nc"], 16, 64)
		if err != nil || len(p["nc"]) != 8 {
			return refuse(false)
		}
		if p["nonce"] != fmt.Sprintf("n%d", s.nonce) || s.counts[p["nc"]] || s.uses > 0 && int(nc) > s.uses {
			return refuse(true)
		}
		s.counts[p["nc"]] = true
	}
	s.requests = append(s.requests, p["nc"])
	return true
}

// Two realms of one origin have a challenge each, also for jobs that run at the same time.
func TestDigestOfTwoRealms(t *testing.T) {
	servers := map[string]*digestServer{"/one/": {algorithm: "MD5", qop: "auth"}, "/two/": {algorithm: "SHA-256", qop: "auth"}}
	address, h := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { servers[r.URL.Path].ServeHTTP(w, r) }), newHouse(t)
	var wg sync.WaitGroup
	for path := range servers {
		s := h.source(t, strings.Replace(digestBlock, "/a%%20b", path, 1), address)
		h.want(t, s, fmt.Sprintf("%q", "GET "+path+"?x=1 ")) // of whom only one nonce is good at a time
		for range 8 {
			wg.Go(func() {
				for range 20 {
					h.want(t, s, fmt.Sprintf("%q", "GET "+path+"?x=1 "))
				}
			})
		}
	}
	wg.Wait()
}

func (s *digestServer) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	if s.admit(w, r) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `[%q]`, r.Method+" "+r.RequestURI+" "+string(body))
	}
}

const digestBlock = `url = "%s/a%%20b?x=1"
auth "digest" {
  username = "bridge"
  password = secret.token
}
`

func (s *digestServer) want(t *testing.T, requests ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got, want := strings.Join(s.requests, ", "), strings.Join(requests, ", "); got != want {
		t.Errorf("the server saw %s, want %s", got, want)
	}
}

func TestDigest(t *testing.T) {
	curl := program(t, "curl")
	for _, test := range []struct{ algorithm, qop string }{
		{"", "auth"}, {"MD5", "auth"}, {"MD5-sess", "auth"}, {"SHA-256", "auth"}, {"SHA-256-sess", "auth"}, {"SHA-256", "auth-int, auth"}, {"", ""}, {"MD5", ""},
	} {
		t.Run(strings.TrimSpace(test.algorithm+" "+test.qop), func(t *testing.T) {
			server := &digestServer{algorithm: test.algorithm, qop: test.qop}
			address, h := serve(t, server.ServeHTTP), newHouse(t)
			get := h.source(t, digestBlock, address)
			post := h.source(t, digestBlock+"method = \"POST\"\nbody = \"the body\"", address)
			h.want(t, get, `"GET /a%20b?x=1 "`)
			h.want(t, post, `"POST /a%20b?x=1 the body"`)
			h.want(t, get, `"GET /a%20b?x=1 "`)
			if test.qop == "" {
				server.want(t, "401", "", "", "")
			} else {
				server.want(t, "401", "00000001", "00000002", "00000003")
			}

			// The server is as curl thinks a server is.
			out, err := exec.CommandContext(t.Context(), curl, "-sS", "--fail", "--digest", "-u", digestUser+":"+digestPassword, "-d", "the body", address+"/a%20b?x=1").CombinedOutput()
			if err != nil || string(out) != `["POST /a%20b?x=1 the body"]` {
				t.Errorf("curl: %v: %s", err, out)
			}
		})
	}
}

func TestDigestFirstPostBringsItsBodyAgain(t *testing.T) {
	server := &digestServer{algorithm: "SHA-256", qop: "auth"}
	h := newHouse(t)
	h.want(t, h.source(t, digestBlock+"method = \"POST\"\njson = { a = 1 }", serve(t, server.ServeHTTP)), `"POST /a%20b?x=1 {\"a\":1}"`)
	server.want(t, "401", "00000001")
}

// Where the digest covers the body, it is that of the body that is sent: SOAP's security makes another one each time.
func TestDigestOfTheBody(t *testing.T) {
	for kind, post := range posts {
		t.Run(kind, func(t *testing.T) {
			server := &digestServer{algorithm: "SHA-256", qop: "auth-int"}
			address, h := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				if server.admit(w, r) {
					w.Header().Set("Content-Type", map[string]string{"soap": "text/xml"}[kind])
					fmt.Fprint(w, post.answer)
				}
			}), newHouse(t)
			s := h.kind(t, kind, fmt.Sprintf(digestBlock, address)+post.block)
			for range 2 {
				h.want(t, s, `{"id":"1"}`)
			}
			server.want(t, "401", "00000001", "00000002")
		})
	}
}

func TestDigestNonceThatRanOut(t *testing.T) {
	server := &digestServer{algorithm: "SHA-256", qop: "auth", uses: 2}
	h := newHouse(t)
	s := h.source(t, digestBlock, serve(t, server.ServeHTTP))
	for range 4 {
		h.want(t, s, `"GET /a%20b?x=1 "`)
	}
	server.want(t, "401", "00000001", "00000002", "401 stale", "00000001", "00000002")
}

// Retries and redirects are requests of their own: a nonce's count is never used twice, and the address is the one asked.
func TestDigestSignsEverySending(t *testing.T) {
	server := &digestServer{algorithm: "SHA-256", qop: "auth"}
	troubles := 1
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if !server.admit(w, r) {
			return
		}
		switch {
		case r.URL.Path == "/moved":
			fmt.Fprint(w, "[1]")
		case troubles > 0:
			troubles--
			w.WriteHeader(nethttp.StatusServiceUnavailable)
		default:
			nethttp.Redirect(w, r, "/moved?y=2", nethttp.StatusFound)
		}
	})
	h := newHouse(t)
	h.want(t, h.source(t, digestBlock, address), "1")
	server.want(t, "401", "00000001", "00000002", "00000003")
}

func TestDigestWrongPasswordIsTriedOnce(t *testing.T) {
	server := &digestServer{algorithm: "MD5", qop: "auth"}
	h := newHouse(t)
	s := h.source(t, strings.Replace(digestBlock, "secret.token", "secret.other", 1), serve(t, server.ServeHTTP))
	h.wantError(t, s, `answered 401 Unauthorized: the login was refused; check auth "digest"`)
	server.want(t, "401", "401")
}

func TestDigestChallenges(t *testing.T) {
	for name, test := range map[string]struct {
		offer func(string) []string
		want  string // error; empty: none
	}{
		"behind another": {func(c string) []string { return []string{`Basic realm="a, b"`, c} }, ""},
		"in one header": {func(c string) []string {
			return []string{`Negotiate, Basic realm="a, Digest b", ` + c + `, Bearer scope="x"`}
		}, ""},
		"first that is known": {func(c string) []string {
			return []string{`Digest realm="x", nonce="y", algorithm=SHA3, qop="auth"`, c, strings.Replace(c, "n1", "m1", 1)}
		}, ""},
		"lower case":        {func(c string) []string { return []string{strings.Replace(c, "Digest", "digest", 1)} }, ""},
		"only basic":        {func(string) []string { return []string{`Basic realm="a"`} }, `the server offers no digest login, but "Basic"; write the auth block of that`},
		"nothing":           {func(string) []string { return nil }, "the server offers no digest login"},
		"unknown":           {func(string) []string { return []string{`Digest realm="x", nonce="y", algorithm=SHA3, qop="auth"`} }, `a sort that is not known here (algorithm "SHA3"`},
		"no nonce":          {func(string) []string { return []string{`Digest realm="x"`} }, "challenge cannot be read"},
		"an endless nonce":  {func(string) []string { return []string{`Digest realm="x", nonce="` + strings.Repeat("n", 8000) + `"`} }, "challenge cannot be read"},
		"an endless header": {func(c string) []string { return []string{c + strings.Repeat(", a=b", 2000)} }, "challenge cannot be read"},
		"broken":            {func(string) []string { return []string{`Digest realm="x`} }, "challenge cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			server := &digestServer{algorithm: "SHA-256", qop: "auth", offer: test.offer}
			h := newHouse(t)
			s := h.source(t, digestBlock, serve(t, server.ServeHTTP))
			if test.want == "" {
				h.want(t, s, `"GET /a%20b?x=1 "`)
			} else {
				h.wantError(t, s, "answered 401 Unauthorized", test.want)
				server.want(t, "401")
			}
		})
	}
}

func TestDigestHashesTheUserWhereAsked(t *testing.T) {
	server := &digestServer{algorithm: "SHA-256", qop: "auth", userhash: true}
	h := newHouse(t)
	h.want(t, h.source(t, digestBlock, serve(t, server.ServeHTTP)), `"GET /a%20b?x=1 "`)
	server.want(t, "401", "00000001")
}

// Sources that log in alike answer one challenge, and no two requests with the same count.
func TestDigestIsShared(t *testing.T) {
	server := &digestServer{algorithm: "SHA-256", qop: "auth"}
	address, h := serve(t, server.ServeHTTP), newHouse(t)
	one, two := h.source(t, digestBlock, address), h.source(t, digestBlock+"retries = 0", address)
	h.want(t, one, `"GET /a%20b?x=1 "`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { h.want(t, one, `"GET /a%20b?x=1 "`) })
		wg.Go(func() { h.want(t, two, `"GET /a%20b?x=1 "`) })
	}
	wg.Wait()
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.requests) != 18 || server.nonce != 1 {
		t.Errorf("%d requests with %d nonces, want 18 with one: %q", len(server.requests), server.nonce, server.requests)
	}
}
