package login_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/http"
)

// provider gives access tokens for refresh tokens, and replaces those it takes.
type provider struct {
	keeps  bool // refresh tokens stay good
	public bool // the client has no secret
	all    bool // every access token that was given is good

	mu      sync.Mutex
	good    string // the refresh token it takes
	access  string
	issued  int
	refused []string // codes
}

func (p *provider) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.URL.Path != "/token" {
		if authorization := r.Header.Get("Authorization"); authorization != "Bearer "+p.access && !(p.all && strings.HasPrefix(authorization, "Bearer S3CRET-ACCESS-")) {
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, "[1]")
		return
	}
	_ = r.ParseForm()
	w.Header().Set("Content-Type", "application/json")
	refuse := func(code string) {
		p.refused = append(p.refused, code)
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"error":%q,"error_description":"%s is wrong"}`, code, r.Form.Get("refresh_token"))
	}
	id, password, _ := r.BasicAuth()
	if p.public {
		id, password = r.Form.Get("client_id"), "0THER%2B%2FSECRET"
	}
	switch {
	case id != "bridge" || password != "0THER%2B%2FSECRET":
		refuse("invalid_client")
	case r.Form.Get("grant_type") != "refresh_token" || r.Form.Get("audience") != "erp":
		refuse("invalid_request")
	case r.Form.Get("refresh_token") != p.good:
		refuse("invalid_grant")
	default:
		p.issued++
		p.access = fmt.Sprintf("S3CRET-ACCESS-%d", p.issued)
		next := ""
		if !p.keeps {
			p.good = fmt.Sprintf("S3CRET-REFRESH-%d", p.issued)
			next = fmt.Sprintf(`,"refresh_token":%q`, p.good)
		}
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600%s}`, p.access, next)
	}
}

// revoke makes the access token useless.
func (p *provider) revoke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.access = "none"
}

const refreshBlock = `url = "%[1]s/orders"
auth "oauth2" {
  token_url     = "%[1]s/token"
  client_id     = "bridge"
  client_secret = secret.other
  refresh_token = secret.token
  params        = { audience = "erp" }
  %[2]s
}
`

func TestRefreshToken(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN", keeps: true}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	s := h.source(t, refreshBlock, address, "")
	for range 2 {
		h.want(t, s, "1")
		h.want(t, s, "1")
		p.revoke()
	}
	h.want(t, s, "1")
	if p.issued != 3 || len(p.refused) > 0 {
		t.Errorf("%d tokens and refusals %q, want one token at first and after each refusal", p.issued, p.refused)
	}
	if strings.Contains(h.everything(), "replaced") {
		t.Errorf("a warning although nothing was replaced: %s", h.everything())
	}
	h.silent(t)
}

func TestATraceShowsWhatALoginAsks(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN", keeps: true}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	h.want(t, h.source(t, strings.Replace(refreshBlock, "%[1]s/token", "%[1]s/token?key=S3CRET-KEY", 1), address, ""), "1")
	if len(h.lines) != 2 || !strings.HasPrefix(h.lines[0], "POST "+address+"/token?key=xxxxx answered 200 in ") || !strings.HasSuffix(h.lines[0], ", to log in") {
		t.Errorf("trace: %q", h.lines)
	}
	h.silent(t)
}

func TestRefreshTokenOfAPublicClient(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN", public: true}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	h.want(t, h.source(t, strings.Replace(refreshBlock, "client_secret = secret.other", "", 1), address, ""), "1")
	if len(p.refused) > 0 {
		t.Errorf("refused: %q", p.refused)
	}
}

func TestReplacedRefreshTokenOutlivesReloads(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN"}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	for range 3 {
		h.want(t, h.source(t, refreshBlock, address, ""), "1") // read anew, as by a reload
		p.revoke()
	}
	if warnings := strings.Count(h.everything(), "replaced the refresh token"); warnings != 1 || !strings.Contains(h.everything(), "no token_file is set; name one") {
		t.Errorf("%d warnings, want one: %s", warnings, h.everything())
	}
	h.restart()
	h.wantError(t, h.source(t, refreshBlock, address, ""), "the token endpoint refused (status 400, invalid_grant); check refresh_token: it has expired, was revoked or was used elsewhere")
	h.silent(t)
}

func TestReplacedRefreshTokenOutlivesRestarts(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN"}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	const keep = `token_file = "oauth.json"`
	for range 3 {
		h.restart()
		h.want(t, h.source(t, refreshBlock, address, keep), "1")
	}
	file := filepath.Join(h.dir, "oauth.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want a file that only its owner can read", info, err)
	}
	if entries, err := os.ReadDir(h.dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}

	// One that somebody wrote anew wins over the file.
	h.restart()
	p.good = "0THER+/SECRET"
	renewed := strings.Replace(refreshBlock, "refresh_token = secret.token", "refresh_token = secret.other", 1)
	h.want(t, h.source(t, renewed, address, keep), "1")
	h.restart()
	h.want(t, h.source(t, renewed, address, keep), "1")

	// What cannot be read is passed over.
	for _, content := range []string{"", "{", "[]", `{"refresh_token":7}`, strings.Repeat(" ", 1<<20)} {
		h.restart()
		p.good = "S3CRET-TOKEN"
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		h.want(t, h.source(t, refreshBlock, address, keep), "1")
	}
	if len(p.refused) > 0 {
		t.Errorf("refused: %q", p.refused)
	}
	h.silent(t)
}

// A plan beside the daemon may use the refresh token first: then the file has the one that followed.
func TestRefreshTokenUsedByAnotherProcess(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN"}
	address, daemon, plan := serve(t, p.ServeHTTP), newHouse(t), newHouse(t)
	plan.dir = daemon.dir
	const keep = `token_file = "oauth.json"`
	ours, theirs := daemon.source(t, refreshBlock, address, keep), plan.source(t, refreshBlock, address, keep)
	for range 2 {
		daemon.want(t, ours, "1")
		p.revoke()
		plan.want(t, theirs, "1")
		p.revoke()
	}
	if len(p.refused) > 0 {
		t.Errorf("refused: %q", p.refused)
	}
}

func TestRefreshTokenThatCannotBeKept(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN"}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	folder := filepath.Join(h.dir, "state")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s := h.source(t, refreshBlock, address, `token_file = "state/oauth.json"`)
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	h.want(t, s, "1")
	if !strings.Contains(h.everything(), "the new one is lost when this process ends") {
		t.Errorf("no warning: %s", h.everything())
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	p.revoke()
	h.want(t, s, "1") // the one in memory is good
	data, err := os.ReadFile(filepath.Join(folder, "oauth.json"))
	kept := map[string]string{}
	if err != nil || json.Unmarshal(data, &kept) != nil || kept["refresh_token"] != p.good {
		t.Errorf("kept %s, %v", data, err)
	}
	h.silent(t)
}

// A token_file that could not be written keeps an older token than the one in memory, which is the one that is good.
func TestATokenFileThatCannotBeWrittenIsNotBelieved(t *testing.T) {
	p := &provider{good: "S3CRET-OLDER"}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	name := strings.Repeat("n", 250) // too long to be written beside itself first
	line := sha256.Sum256([]byte("S3CRET-TOKEN"))
	if err := os.WriteFile(filepath.Join(h.dir, name), fmt.Appendf(nil, `{"refresh_token":"S3CRET-OLDER","follows":"%x"}`, line), 0o600); err != nil {
		t.Fatal(err)
	}
	s := h.source(t, refreshBlock, address, fmt.Sprintf("token_file = %q", name))
	for range 3 {
		h.want(t, s, "1")
		p.revoke()
	}
	if warnings := strings.Count(h.everything(), "the new one is lost when this process ends"); warnings != 3 || len(p.refused) > 0 {
		t.Errorf("%d warnings, refused %q", warnings, p.refused)
	}
	p.keeps = true // the same token again: it is still to be written
	h.want(t, s, "1")
	if warnings := strings.Count(h.everything(), "the new one is lost when this process ends"); warnings != 4 {
		t.Errorf("%d warnings", warnings)
	}
	h.silent(t)
}

// Where the file of another user is, the configured token has been replaced, and a provider that sees it again takes it for
// stolen and revokes all that followed.
func TestATokenFileThatCannotBeReadStopsTheLogin(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN"}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	if err := os.Symlink("oauth.json", filepath.Join(h.dir, "oauth.json")); err != nil { // leads to itself
		t.Fatal(err)
	}
	h.wantError(t, h.source(t, refreshBlock, address, `token_file = "oauth.json"`), "token_file cannot be read", "run hookbridge as the user who owns it")
	if p.issued > 0 || len(p.refused) > 0 {
		t.Errorf("%d tokens, refused %q", p.issued, p.refused)
	}
}

// Whoever reads the warning and names a file then, loses nothing by it.
func TestATokenFileThatIsNamedLater(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN"}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	h.want(t, h.source(t, refreshBlock, address, ""), "1")
	for _, file := range []string{"one.json", "two.json", "one.json"} { // each by a reload
		h.want(t, h.source(t, refreshBlock, address, fmt.Sprintf("token_file = %q", file)), "1")
		p.revoke()
	}
	h.restart()
	h.want(t, h.source(t, refreshBlock, address, `token_file = "one.json"`), "1")

	if err := os.Remove(filepath.Join(h.dir, "one.json")); err != nil { // and it comes again
		t.Fatal(err)
	}
	p.revoke()
	p.keeps = true
	h.want(t, h.source(t, refreshBlock, address, `token_file = "one.json"`), "1")
	h.restart()
	h.want(t, h.source(t, refreshBlock, address, `token_file = "one.json"`), "1")
	if len(p.refused) > 0 {
		t.Errorf("refused %q", p.refused)
	}
}

// Access tokens for other scopes, or by a client secret that was rotated since, come of the same refresh token.
func TestOneRefreshTokenForAllScopes(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN", all: true}
	address, h := serve(t, p.ServeHTTP), newHouse(t)
	errs := make(chan error)
	for i := range 8 {
		s := h.source(t, refreshBlock, address, fmt.Sprintf("scopes = [\"scope-%d\"]", i))
		go func() { _, err := h.fetch(t, s); errs <- err }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if p.issued != 8 || len(p.refused) > 0 {
		t.Errorf("%d tokens, refused %q", p.issued, p.refused)
	}
}

// An endpoint that reads the client's secret only among the parameters is believed what it says then.
func TestTheReasonOfAnEndpointThatWantsParameters(t *testing.T) {
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_ = r.ParseForm()
		code := "invalid_client"
		if r.PostForm.Get("client_secret") != "" {
			code = "invalid_grant"
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"error":%q}`, code)
	})
	h := newHouse(t)
	h.wantError(t, h.source(t, refreshBlock, address, ""), "(status 400, invalid_grant); check refresh_token: it has expired")
}

// A job that ends while its refresh token is on the way does not lose the one that comes back.
func TestARefreshTokenOnTheWayIsNotLost(t *testing.T) {
	p := &provider{good: "S3CRET-TOKEN"}
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	address, h := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		once.Do(func() { close(arrived); <-release })
		p.ServeHTTP(w, r)
	}), newHouse(t)
	s := h.source(t, refreshBlock, address, `token_file = "oauth.json"`)
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := make(chan error)
	go func() {
		_, err := s.Fetch(ctx, bridge.FetchOptions{}, func(bridge.Record) error { return nil })
		failed <- err
	}()
	<-arrived
	cancel(errors.New("the bridge shuts down"))
	close(release)
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "the bridge shuts down") {
		t.Errorf("got %v", err)
	}
	h.restart()
	h.want(t, h.source(t, refreshBlock, address, `token_file = "oauth.json"`), "1")
	if len(p.refused) > 0 {
		t.Errorf("refused %q", p.refused)
	}
}

// It is not waited for without end, and not at all before it was sent.
func TestARefreshTokenOnTheWayIsWaitedForASmallWhile(t *testing.T) {
	for name, test := range map[string]struct {
		sent bool
		want time.Duration
	}{"sent": {true, 6 * time.Second}, "not yet": {false, time.Second}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			synctest.Test(t, func(t *testing.T) {
				h.shared = http.NewShared(nil, "", inProcess(func(req *nethttp.Request) *nethttp.Response {
					if test.sent {
						httptrace.ContextClientTrace(req.Context()).WroteHeaders()
					}
					<-req.Context().Done()
					return nil
				}))
				s := h.source(t, refreshBlock, "https://x.example.com", "")
				started := time.Now()
				h.wantErrorWithin(t, s, time.Second, "the job's time is up")
				if took := time.Since(started); took != test.want {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
