package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// token is an OAuth2 access token, by client credentials (RFC 6749, section 4.4) or by a refresh token (section 6). It
// is shared by all sources that log in alike and fetched when it is first needed.
type token struct {
	config  clientcredentials.Config
	client  *http.Client
	host    Host
	logger  *slog.Logger
	warned  sync.Once // that nothing keeps the refresh token
	refresh *refresh  // nil: client credentials
	file    string    // that keeps the refresh token; empty: none
	turn    *turn
	sent    recent // access tokens

	mu      sync.Mutex
	current *oauth2.Token
}

func (s *Shared) readToken(c *attr.Reader, door Door) Login {
	endpoint := address.Read(c, "token_url")
	config := clientcredentials.Config{ClientID: c.Required("client_id"), Scopes: c.Strings("scopes"), EndpointParams: url.Values{}}
	first := c.Secret("refresh_token")
	if c.Has("refresh_token") {
		config.ClientSecret = c.Secret("client_secret").Reveal()
		if first.Empty() {
			c.Errorf(c.Range("refresh_token"), "Empty refresh token", "refresh_token is empty; log in to the provider once by hand and copy the one it gives you.")
		}
	} else {
		config.ClientSecret = c.RequiredSecret("client_secret").Reveal()
	}
	params := c.SecretMap("params")
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch name {
		case "grant_type", "scope", "refresh_token", "client_id", "client_secret":
			c.Errorf(c.MemberRange("params", name), "Reserved parameter", "The parameter %q is set by hookbridge itself; remove it.", name)
		}
		config.EndpointParams.Set(name, params[name].Reveal())
	}
	file := c.String("token_file", "")
	if file != "" {
		if !c.Has("refresh_token") {
			c.Errorf(c.Range("token_file"), "Nothing to keep", "token_file keeps the refresh token; write refresh_token, or remove it.")
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(door.Dir, file)
		}
		checkFolder(c, file)
	}
	if endpoint == nil || c.Failed() {
		return nil
	}
	config.TokenURL = endpoint.String()
	var chain *refresh
	if !first.Empty() { // it stays what it is where anything else changes: scopes, secrets, the file
		chain = keep(s, func() *refresh { return newRefresh(first) }, "refresh", config.TokenURL, config.ClientID, first.Reveal())
	}
	return keep(s, func() Login {
		t := &token{
			config: config, host: door.Host(endpoint), logger: door.Logger, turn: newTurn(),
			client: &http.Client{Transport: door.Transport, CheckRedirect: stay},
		}
		if chain != nil {
			t.refresh, t.file = chain, file
			t.config.EndpointParams.Set("grant_type", "refresh_token")
			if config.ClientSecret == "" { // a public client only says its name
				t.config.AuthStyle = oauth2.AuthStyleInParams
			}
		}
		return t
	}, "oauth2", door.Via, config.TokenURL, config.ClientID, config.ClientSecret, config.Scopes, config.EndpointParams.Encode(), first.Reveal(), file)
}

// stay follows no redirect: what it would carry is a secret.
func stay(*http.Request, []*http.Request) error {
	return errors.New("answered with a redirect, and credentials are not sent elsewhere; write the address it leads to, if that is right")
}

func (*token) Kind() string { return "oauth2" }

func (t *token) Apply(ctx context.Context, req *http.Request) error {
	current := t.valid()
	if current == nil {
		kept := func() bool { current = t.valid(); return current != nil }
		if err := t.turn.take(ctx, kept, func() (err error) { current, err = t.fetch(ctx); return err }); err != nil {
			return err
		}
	}
	current.SetAuthHeader(req)
	return nil
}

// fetch gets a token from the endpoint.
func (t *token) fetch(ctx context.Context) (*oauth2.Token, error) {
	if until, busy := t.host.Busy(time.Now()); busy {
		return nil, &bridge.BusyError{RetryAt: until, Err: errors.New("the token endpoint asked to be left alone until " + until.UTC().Format(time.RFC3339))}
	}
	fresh, err := t.ask(ctx)
	if err != nil {
		return nil, t.failed(ctx, err)
	}
	t.sent.note(fresh.AccessToken)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = fresh
	return fresh, nil
}

func (t *token) ask(ctx context.Context) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, t.client)
	if t.refresh == nil {
		return t.exchange(ctx)
	}
	if err := t.refresh.take(ctx); err != nil {
		return nil, err
	}
	defer t.refresh.giveBack()
	sent, err := t.refresh.recall(t.file)
	if err != nil {
		return nil, err
	}
	t.config.EndpointParams.Set("refresh_token", sent.Reveal())
	ctx, done := lasting(ctx)
	defer done()
	fresh, err := t.exchange(ctx)
	if _, refused := errors.AsType[*oauth2.RetrieveError](err); refused {
		// Another process may have used it first, and kept the one that followed.
		if other, unread := t.refresh.recall(t.file); unread == nil && other != sent {
			sent = other
			t.config.EndpointParams.Set("refresh_token", sent.Reveal())
			fresh, err = t.exchange(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	t.keep(bridge.NewSecret(fresh.RefreshToken))
	return fresh, nil
}

// keep puts a refresh token that is not the configured one where the next process finds it.
func (t *token) keep(next bridge.Secret) {
	err := t.refresh.remember(t.file, next)
	warn := func() {
		t.logger.Warn("the provider replaced the refresh token, and the new one is lost when this process ends",
			"error", err, "token_url", bridge.Redact(t.config.TokenURL))
	}
	switch {
	case errors.Is(err, errNotKept):
		t.warned.Do(warn)
	case err != nil:
		warn()
	}
}

// exchange asks for a token. It is called by one at a time: the configuration belongs to whoever has the turn.
func (t *token) exchange(ctx context.Context) (*oauth2.Token, error) {
	if t.config.AuthStyle != oauth2.AuthStyleAutoDetect {
		return t.config.Token(ctx)
	}
	t.config.AuthStyle = oauth2.AuthStyleInHeader
	fresh, err := t.config.Token(ctx)
	if unheard(err) {
		t.config.AuthStyle = oauth2.AuthStyleInParams
		var other error
		if fresh, other = t.config.Token(ctx); !unheard(other) {
			err = other // it has read who asks, whatever else it wants
		}
	}
	if err != nil {
		t.config.AuthStyle = oauth2.AuthStyleAutoDetect
		return nil, err
	}
	return fresh, nil
}

// unheard reports whether an endpoint may have refused only because it does not read the header, in which RFC 6749,
// section 2.3.1, wants the client to say who it is.
func unheard(err error) bool {
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return false
	}
	switch answer.Response.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return slices.Contains([]string{"", "invalid_client", "invalid_request", "unauthorized_client"}, answer.ErrorCode)
	}
	return false
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
func (t *token) Renew(resp *http.Response) (bool, error) {
	if resp.StatusCode != http.StatusUnauthorized {
		return false, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil && strings.HasSuffix(resp.Request.Header.Get("Authorization"), " "+t.current.AccessToken) {
		t.current = nil
	}
	return true, nil
}

func (t *token) Credentials() []string {
	all := t.sent.all()
	if t.refresh != nil {
		all = append(all, t.refresh.given.all()...)
	}
	return all
}

// failed tells why no token came. What the endpoint answered is not repeated beyond the code of RFC 6749, section 5.2:
// an endpoint of this sort answers with secrets.
func (t *token) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if unread, ok := errors.AsType[*unreadError](err); ok {
		return unread
	}
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || answer.Response == nil {
		return fmt.Errorf("no token from the token endpoint: %w; check token_url", plain(err))
	}
	detail := ""
	if code := answer.ErrorCode; code != "" && len(code) <= 40 && printable(code) {
		detail = ", " + code
	}
	check := "client_id, client_secret and scopes"
	if answer.ErrorCode == "" { // so it is none, perhaps
		check = "token_url, " + check
	}
	if t.refresh != nil {
		if check += ", and refresh_token"; answer.ErrorCode == "invalid_grant" {
			check = "refresh_token: it has expired, was revoked or was used elsewhere; log in to the provider by hand and write the new one"
		}
	}
	failure := fmt.Errorf("the token endpoint refused (status %d%s); check %s", answer.Response.StatusCode, detail, check)
	switch answer.ErrorCode {
	case "invalid_client", "invalid_grant", "unauthorized_client":
		failure = &refusedError{failure}
	}
	if at, ok := t.host.Heed(answer.Response); ok {
		return &bridge.BusyError{RetryAt: at, Err: failure}
	}
	return failure
}

// plain takes the address off the errors of net/http: it may hold a key.
func plain(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
