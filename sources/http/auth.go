package http

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// login puts credentials on a request. renew is called after a 401; it reports whether another try makes sense.
type login interface {
	kind() string
	apply(ctx context.Context, req *nethttp.Request) error
	renew(req *nethttp.Request) bool
	// credential is what must not show in any text, as it goes over the wire.
	credential() string
}

type basic struct {
	username string
	password bridge.Secret
}

func (basic) kind() string { return "basic" }
func (b basic) apply(_ context.Context, req *nethttp.Request) error {
	req.SetBasicAuth(b.username, b.password.Reveal())
	return nil
}
func (basic) renew(*nethttp.Request) bool { return false }
func (b basic) credential() string {
	return base64.StdEncoding.EncodeToString([]byte(b.username + ":" + b.password.Reveal()))
}

type bearer struct{ token bridge.Secret }

func (bearer) kind() string { return "bearer" }
func (b bearer) apply(_ context.Context, req *nethttp.Request) error {
	req.Header.Set("Authorization", "Bearer "+b.token.Reveal())
	return nil
}
func (bearer) renew(*nethttp.Request) bool { return false }
func (b bearer) credential() string        { return b.token.Reveal() }

type inHeader struct {
	name  string
	value bridge.Secret
}

func (inHeader) kind() string { return "header" }
func (h inHeader) apply(_ context.Context, req *nethttp.Request) error {
	req.Header.Set(h.name, h.value.Reveal())
	return nil
}
func (inHeader) renew(*nethttp.Request) bool { return false }
func (h inHeader) credential() string        { return h.value.Reveal() }

type inQuery struct {
	name  string
	value bridge.Secret
}

func (inQuery) kind() string { return "query" }
func (q inQuery) apply(_ context.Context, req *nethttp.Request) error {
	req.URL = with(req.URL, q.name, q.value.Reveal())
	return nil
}
func (inQuery) renew(*nethttp.Request) bool { return false }
func (q inQuery) credential() string        { return q.value.Reveal() }

// token is an OAuth2 access token by client credentials (RFC 6749, section 4.4), shared by all sources that log in
// alike and fetched when it is first needed.
type token struct {
	config clientcredentials.Config
	client *nethttp.Client
	host   *host
	turn   chan struct{} // held by whoever fetches a token

	mu      sync.Mutex
	current *oauth2.Token
}

// oauth returns the token of these credentials.
func (s *Shared) oauth(config clientcredentials.Config, client *nethttp.Client, h *host, endpoint string) *token {
	key := sha256.Sum256([]byte(strings.Join([]string{endpoint, config.TokenURL, config.ClientID, config.ClientSecret, strings.Join(config.Scopes, " ")}, "\x00")))
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tokens[key]; t != nil {
		return t
	}
	t := &token{config: config, client: client, host: h, turn: make(chan struct{}, 1)}
	s.tokens[key] = t
	return t
}

func (*token) kind() string { return "oauth2" }

func (t *token) apply(ctx context.Context, req *nethttp.Request) error {
	current, err := t.get(ctx)
	if err != nil {
		return err
	}
	current.SetAuthHeader(req)
	return nil
}

// get returns a token that is valid; one source fetches it while the others wait, each no longer than its own time.
func (t *token) get(ctx context.Context) (*oauth2.Token, error) {
	if current := t.valid(); current != nil {
		return current, nil
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if current := t.valid(); current != nil {
		return current, nil
	}
	if until, busy := t.host.busy(time.Now()); busy {
		return nil, &bridge.BusyError{RetryAt: until, Err: errors.New("the token endpoint asked to be left alone until " + until.UTC().Format(time.RFC3339))}
	}
	fresh, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		return nil, t.failed(ctx, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = fresh
	return fresh, nil
}

func (t *token) valid() *oauth2.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.current.Valid() {
		return nil
	}
	return t.current
}

// renew drops the token the request was refused with, unless somebody else has already replaced it.
func (t *token) renew(req *nethttp.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil && strings.HasSuffix(req.Header.Get("Authorization"), " "+t.current.AccessToken) {
		t.current = nil
	}
	return true
}

func (t *token) credential() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == nil {
		return ""
	}
	return t.current.AccessToken
}

// failed tells why no token came. What the endpoint answered is not repeated beyond the code of RFC 6749, section 5.2:
// an endpoint of this sort answers with secrets.
func (t *token) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || answer.Response == nil {
		return fmt.Errorf("no token from the token endpoint: %w", plain(err))
	}
	detail := ""
	if code := answer.ErrorCode; code != "" && len(code) <= 40 && printable(code) {
		detail = ", " + code
	}
	failure := fmt.Errorf("the token endpoint refused (status %d%s); check client_id, client_secret and scopes", answer.Response.StatusCode, detail)
	if at, ok := retryAfter(answer.Response.Header, time.Now()); ok {
		t.host.rest(at)
		return &bridge.BusyError{RetryAt: at, Err: failure}
	}
	return failure
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
