package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// token is an OAuth2 access token by client credentials (RFC 6749, section 4.4), shared by all sources that log in
// alike and fetched when it is first needed.
type token struct {
	config clientcredentials.Config
	client *http.Client
	host   Host
	turn   chan struct{} // held by whoever fetches a token

	mu      sync.Mutex
	current *oauth2.Token
}

func (s *Shared) readToken(c *attr.Reader, door Door) *token {
	endpoint := address.Read(c, "token_url")
	config := clientcredentials.Config{
		ClientID: c.Required("client_id"), ClientSecret: c.RequiredSecret("client_secret").Reveal(), Scopes: c.Strings("scopes"),
	}
	if endpoint == nil {
		return nil
	}
	config.TokenURL = endpoint.String()
	key := sha256.Sum256([]byte(strings.Join([]string{
		door.Via, address.Origin(endpoint), config.TokenURL, config.ClientID, config.ClientSecret, strings.Join(config.Scopes, " "),
	}, "\x00")))
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tokens[key]; t != nil {
		return t
	}
	t := &token{
		config: config, host: door.Host(endpoint), turn: make(chan struct{}, 1),
		client: &http.Client{Transport: door.Transport, CheckRedirect: stay},
	}
	if s.tokens == nil {
		s.tokens = map[[32]byte]*token{}
	}
	s.tokens[key] = t
	return t
}

// stay follows no redirect: what it would carry is a secret.
func stay(*http.Request, []*http.Request) error {
	return errors.New("answered with a redirect, and credentials are not sent elsewhere; write the address it leads to, if that is right")
}

func (*token) Kind() string { return "oauth2" }

func (t *token) Apply(ctx context.Context, req *http.Request) error {
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
	if until, busy := t.host.Busy(time.Now()); busy {
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

// Renew drops the token the request was refused with, unless somebody else has already replaced it.
func (t *token) Renew(resp *http.Response) bool {
	if resp.StatusCode != http.StatusUnauthorized {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil && strings.HasSuffix(resp.Request.Header.Get("Authorization"), " "+t.current.AccessToken) {
		t.current = nil
	}
	return true
}

func (t *token) Credentials() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == nil {
		return nil
	}
	return []string{t.current.AccessToken}
}

// failed tells why no token came. What the endpoint answered is not repeated beyond the code of RFC 6749, section 5.2:
// an endpoint of this sort answers with secrets.
func (t *token) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || answer.Response == nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the address, which may hold a key
		}
		return fmt.Errorf("no token from the token endpoint: %w", err)
	}
	detail := ""
	if code := answer.ErrorCode; code != "" && len(code) <= 40 && printable(code) {
		detail = ", " + code
	}
	failure := fmt.Errorf("the token endpoint refused (status %d%s); check client_id, client_secret and scopes", answer.Response.StatusCode, detail)
	if at, ok := t.host.Heed(answer.Response); ok {
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
