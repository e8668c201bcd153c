package http

import (
	stdjson "encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"mime"
	nethttp "net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge/sources/archive"
	"github.com/hookbridge/bridge/sources/decode"
)

// fetchError is what a person reads about a failed fetch: scrubbed of secrets, with its cause kept for errors.Is.
type fetchError struct {
	text  string
	cause error
}

func (e *fetchError) Error() string { return e.text }
func (e *fetchError) Unwrap() error { return e.cause }

// fail wraps err with the page it happened in.
func (s *Source) fail(number int, err error) error {
	text := err.Error()
	if s.paging.kind != single {
		text = fmt.Sprintf("page %d: %s", number, text)
	}
	return &fetchError{text: s.scrub("source." + s.kind + ": " + text), cause: err}
}

// scrub hides every secret of the source, as it is and as it would stand in a URL, in JSON or in XML.
func (s *Source) scrub(text string) string {
	for _, secret := range s.known() {
		text = hide(text, secret)
	}
	return text
}

// known are the secrets of the source.
func (s *Source) known() []string {
	if s.login == nil {
		return s.secrets
	}
	return slices.Concat(s.secrets, s.login.Credentials())
}

// scrubAnswer is scrub for the beginning of what an answer says, which may end within a secret. What its request carried is
// hidden by the request, too: the login may have been renewed since.
func (s *Source) scrubAnswer(resp *nethttp.Response, text string) string {
	secrets := s.known()
	if req := resp.Request; req != nil {
		_, credentials, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		secrets = append(secrets[:len(secrets):len(secrets)], credentials)
		for _, cookie := range req.Cookies() {
			secrets = append(secrets, cookie.Value)
		}
	}
	for _, secret := range secrets {
		text = hide(text, secret)
	}
	for _, secret := range secrets {
		text = hideEnd(text, secret)
	}
	return text
}

func hide(text, secret string) string {
	if len(secret) < 4 {
		return text // would hide half of any text and protect nothing
	}
	for i, form := range forms(secret) {
		if i == 0 || form != secret {
			text = strings.ReplaceAll(text, form, "(secret)")
		}
	}
	return text
}

// hideEnd hides the beginning of a secret that a text ends with.
func hideEnd(text, secret string) string {
	if len(secret) < 4 {
		return text
	}
	for _, form := range forms(secret) {
		for n := min(len(form), len(text)); n >= 4; n-- {
			if strings.HasSuffix(text, form[:n]) {
				return text[:len(text)-n] + "(secret)"
			}
		}
	}
	return text
}

// forms are the ways a text is written, itself first: in Go and in JSON, as careful and as careless encoders do, in a URL
// and in XML.
func forms(secret string) []string {
	inside := func(quoted string) string { return quoted[1 : len(quoted)-1] }
	careful, _ := stdjson.Marshal(secret) // a string can always be written
	careless, err := jsontext.AppendQuote(nil, secret)
	if err != nil { // it is not UTF-8
		careless = careful
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(secret)) // a strings.Builder takes everything
	escaped := b.String()
	return []string{
		secret, inside(strconv.Quote(secret)), inside(string(careful)), inside(string(careless)), strings.ReplaceAll(inside(string(careless)), "/", `\/`),
		url.QueryEscape(secret), url.PathEscape(secret), escaped, entities.Replace(escaped),
	}
}

// entities writes quotes as XML names them.
var entities = strings.NewReplacer("&#34;", "&quot;", "&#39;", "&apos;")

// plain takes the address off the errors of net/http: it may hold an API key.
func plain(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// unreadable says what kind of answer it was that could not be read as records, and what that looks like.
func (s *Source) unreadable(resp *nethttp.Response, size int64, start []byte, err error) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	shown := kind
	if shown == "" || len(shown) > 60 {
		shown = "no content type"
	}
	facts := fmt.Sprintf("(status %d, %s, %s)", resp.StatusCode, shown, bytesText(size))
	var syntax *decode.SyntaxError
	var items *decode.ItemsError
	var record *decode.RecordError
	if refused, ok := errors.AsType[*decode.RefusedError](err); ok {
		shown := *refused
		shown.Said = s.scrubAnswer(resp, shown.Said) // before it is cut
		err = &shown
	}
	switch {
	case isPage(kind, start):
		return fmt.Errorf("%w %s; the answer is a web page, perhaps a login: check auth and url", err, facts)
	case archive.Sniff(start) != archive.Plain || len(start) == 0:
	case errors.As(err, &syntax):
		return fmt.Errorf("%w %s, begins with %s", err, facts, s.excerpt(resp, start, 60))
	case errors.As(err, &items), errors.As(err, &record): // an error message, mostly
		return fmt.Errorf("%w %s, begins with %s", err, facts, s.excerpt(resp, start, 200))
	}
	return fmt.Errorf("%w %s", err, facts)
}

// isPage reports whether an answer is a web page, by its content type or by its beginning.
func isPage(contentType string, start []byte) bool {
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind == "text/html" || kind == "application/xhtml+xml" {
		return true
	}
	text := strings.ToLower(strings.TrimSpace(string(start[:min(len(start), 200)])))
	return strings.HasPrefix(text, "<!doctype html") || strings.HasPrefix(text, "<html")
}

// excerpt shows the first n bytes of a body with everything unprintable escaped. It is scrubbed before it is cut and quoted,
// because a part of a secret, or a quoted one, would not be recognised any more.
func (s *Source) excerpt(resp *nethttp.Response, start []byte, n int) string {
	text := s.scrubAnswer(resp, string(start[:min(len(start), 8<<10)]))
	return strconv.Quote(cut(text, n))
}

func clip(text string) string { return clipTo(text, 60) }

// clipTo cuts a text to n bytes, and shows that.
func clipTo(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return cut(text, n) + "…"
}

// cut takes the first n bytes of a text, or a few less: not the beginning of a character alone.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(text[i]) {
			return text[:i]
		}
	}
	return text[:n]
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
