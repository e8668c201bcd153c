package login

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"golang.org/x/net/http/httpguts"
)

// session logs in as a browser does: it posts a form and keeps the cookies. It is shared by all sources that log in
// alike, and done again once when an answer shows that the session has ended.
type session struct {
	url    *url.URL
	source *url.URL
	form   map[string]bridge.Secret
	json   []byte // instead of a form
	csrf   string // name of a hidden field to take over from the login page
	page   *url.URL
	header http.Header
	door   Door
	turn   *turn

	sent recent // tokens of login pages, and cookies

	mu  sync.Mutex
	jar *jar // of the session that goes; nil: none
}

// maxPage bounds what is read of a login page and of the answer to a login.
const maxPage = 1 << 20

type jarKey struct{}

func (s *Shared) readSession(c *attr.Reader, door Door) Login {
	l := &session{url: address.Read(c, "url"), source: door.Source, door: door, turn: newTurn(), header: http.Header{}}
	l.form = c.SecretMap("form")
	if c.Has("json") {
		l.json = c.JSON("json")
	}
	if c.Has("form") == c.Has("json") {
		c.Errorf(c.Range("json"), "What to send", "Write either form = { … } or json = { … }: what the login page sends.")
	}
	l.csrf = c.String("csrf", "")
	if l.csrf != "" && c.Has("json") {
		c.Errorf(c.Range("csrf"), "No form", "csrf takes over a field of a form; write form instead of json, or remove csrf.")
	}
	l.page = l.url
	if c.Has("page") {
		if l.page = address.Read(c, "page"); l.csrf == "" {
			c.Errorf(c.Range("page"), "Nothing to look for", "page is where the field named by csrf stands; write csrf, or remove page.")
		}
	}
	headers := c.SecretMap("headers")
	for name, value := range headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value.Reveal()) {
			c.Errorf(c.Range("headers"), "Invalid header", "The header %q has a name or a value that HTTP does not allow.", name)
			continue
		}
		if !reserved(c, "headers", name) {
			l.header.Set(name, value.Reveal())
		}
	}
	for name, u := range map[string]*url.URL{"url": l.url, "page": l.page} {
		if c.Has(name) && u != nil && l.source != nil && address.Origin(u) != address.Origin(l.source) {
			c.Errorf(c.Range(name), "Another origin", "%s is at %s, but cookies are sent to the source's own origin only, which is %s.", name, address.Origin(u), address.Origin(l.source))
		}
	}
	if c.Failed() || l.url == nil || l.source == nil {
		return nil
	}
	form := map[string]string{}
	for name, value := range l.form {
		form[name] = value.Reveal()
	}
	return keep(s, func() Login { return l }, "session", door.Via, l.url.String(), l.page.String(), l.csrf, form, string(l.json), l.header)
}

func (*session) Kind() string { return "session" }

func (l *session) Apply(ctx context.Context, req *http.Request) error {
	jar := l.current()
	if jar == nil {
		going := func() bool { jar = l.current(); return jar != nil }
		if err := l.turn.take(ctx, going, func() (err error) { jar, err = l.login(ctx); return err }); err != nil {
			return err
		}
	}
	*req = *req.WithContext(context.WithValue(req.Context(), jarKey{}, jar))
	for _, cookie := range jar.Cookies(req.URL) {
		l.sent.note(cookie.Value)
		req.AddCookie(cookie) // to those of the source's own headers
	}
	return nil
}

func (l *session) current() *jar {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.jar
}

// Renew ends the session that the answer says has run out, unless another has begun since. The cookies of any other
// answer are kept.
func (l *session) Renew(resp *http.Response) (bool, error) {
	used, _ := resp.Request.Context().Value(jarKey{}).(*jar)
	if !l.ended(resp) {
		if used != nil && address.Origin(resp.Request.URL) == address.Origin(l.source) {
			used.SetCookies(resp.Request.URL, resp.Cookies())
		}
		return false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.jar == used {
		l.jar = nil
	}
	return true, nil
}

// ended tells the answer to somebody who is not logged in: a status that says so, a redirect that was not followed, the
// login page itself, or a web page where data was asked for.
func (l *session) ended(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, 419, 440: // the last two by Laravel and by Microsoft
		return true
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	case http.StatusOK:
		return l.at(resp) || isPage(beginning(resp))
	}
	return false
}

// at reports whether the answer came from the address of the login, to which a source is never asked.
func (l *session) at(resp *http.Response) bool {
	u := resp.Request.URL
	return u.Path == l.url.Path && l.url.Path != l.source.Path
}

// Credentials are the cookies of the session and of those before it, what the form's secret fields hold, and the tokens of
// its page.
func (l *session) Credentials() []string {
	var all []string
	for name, value := range l.form {
		if telling(name) {
			all = append(all, value.Reveal())
		}
	}
	var sent any
	if json.Unmarshal(l.json, &sent) == nil {
		all = append(all, tellingTexts(sent)...)
	}
	if jar := l.current(); jar != nil {
		for _, u := range []*url.URL{l.source, l.url} {
			for _, cookie := range jar.Cookies(u) {
				all = append(all, cookie.Value)
			}
		}
	}
	return append(all, l.sent.all()...)
}

// telling says of a field's name that its value is not for everybody, also where it was not written as a secret.
func telling(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"pass", "pwd", "secret", "token", "kennwort"}, func(part string) bool { return strings.Contains(name, part) })
}

// tellingTexts are the texts within a JSON value whose names are telling.
func tellingTexts(value any) (all []string) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			all = append(all, tellingTexts(item)...)
		}
	case map[string]any:
		for name, member := range value {
			if text, ok := member.(string); ok && telling(name) {
				all = append(all, text)
			}
			all = append(all, tellingTexts(member)...)
		}
	}
	return all
}

// login begins a session.
func (l *session) login(ctx context.Context) (*jar, error) {
	host := l.door.Host(l.url)
	if until, busy := host.Busy(time.Now()); busy {
		return nil, &bridge.BusyError{RetryAt: until, Err: fmt.Errorf("%s asked to be left alone until %s", l.url.Host, until.UTC().Format(time.RFC3339))}
	}
	jar := newJar()
	client := &http.Client{Transport: l.door.Transport, Jar: jar, CheckRedirect: l.follow}
	form := url.Values{}
	for name, value := range l.form {
		form.Set(name, value.Reveal())
	}
	if l.csrf != "" {
		answer, err := l.send(ctx, client, http.MethodGet, l.page, "", nil)
		if err != nil {
			return nil, err
		}
		if answer.StatusCode >= 400 {
			return nil, heeded(host, answer, fmt.Errorf("the login page at %s answered %d %s; check page", bridge.Redact(l.page.String()), answer.StatusCode, http.StatusText(answer.StatusCode)))
		}
		token, found := hiddenField(answer.page, l.csrf)
		if !found {
			return nil, fmt.Errorf("the login page at %s (status %d) has no field %q; check page and csrf", bridge.Redact(l.page.String()), answer.StatusCode, l.csrf)
		}
		form.Set(l.csrf, token)
		l.sent.note(token)
	}
	kind, body := "application/x-www-form-urlencoded", []byte(form.Encode())
	if l.json != nil {
		kind, body = "application/json", l.json
	}
	answer, err := l.send(ctx, client, http.MethodPost, l.url, kind, body)
	if err != nil {
		return nil, err
	}
	if reason := l.refusal(answer, jar); reason != "" {
		failure := fmt.Errorf("the login at %s was refused (status %d, %s); check what auth \"session\" sends", bridge.Redact(l.url.String()), answer.StatusCode, reason)
		if answer.StatusCode < 500 && answer.StatusCode != http.StatusTooManyRequests {
			failure = &refusedError{failure}
		}
		return nil, heeded(host, answer, failure)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jar = jar
	return jar, nil
}

// heeded is a failure that lasts for as long as the answer says, where it does.
func heeded(host Host, a answer, failure error) error {
	if at, busy := host.Heed(a.Response); busy {
		return &bridge.BusyError{RetryAt: at, Err: failure}
	}
	return failure
}

// refusal says why the answer to a login is none that begins a session; empty: it is one.
func (l *session) refusal(a answer, jar *jar) string {
	switch {
	case a.StatusCode >= 400:
		return http.StatusText(a.StatusCode)
	case a.Request.Method == http.MethodGet && l.at(a.Response):
		return "it led back to the login page"
	case asksForPassword(a.page):
		return "the login page came again"
	case !jar.given():
		return "no cookie came"
	}
	return ""
}

// follow goes where a login leads within the origin: the session's cookie may come on the way. Elsewhere nothing is sent.
func (l *session) follow(req *http.Request, via []*http.Request) error {
	if address.Origin(req.URL) != address.Origin(l.url) || len(via) > 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

// answer is what came of a request of the login, its body read.
type answer struct {
	*http.Response
	page []byte
}

func (l *session) send(ctx context.Context, client *http.Client, method string, to *url.URL, kind string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header = l.header.Clone()
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", l.door.UserAgent)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := client.Do(req)
	var page []byte
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		page, err = io.ReadAll(io.LimitReader(resp.Body, maxPage))
	}
	if err != nil {
		if ctx.Err() != nil {
			return answer{}, context.Cause(ctx)
		}
		return answer{}, fmt.Errorf("log in at %s: %w", bridge.Redact(to.String()), plain(err))
	}
	return answer{resp, page}, nil
}
