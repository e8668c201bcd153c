package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	nethttp "net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/archive"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/login"
)

// ask sends one request and returns an answer that is worth reading: 200, 204 or, where validators were sent, 304. Its
// body must be closed.
func (s *Source) ask(ctx context.Context, at place, validators *known, fresh bool) (*nethttp.Response, error) {
	for again := false; ; again = true {
		resp, err := s.send(ctx, at, validators, fresh)
		ended, told := s.ended(resp)
		if err != nil {
			if ended && !again {
				continue
			}
			return nil, err
		}
		switch resp.StatusCode {
		case nethttp.StatusOK, nethttp.StatusNoContent:
			if !ended {
				return resp, nil
			}
		case nethttp.StatusNotModified:
			if validators.conditional() {
				return resp, nil
			}
		}
		refusal := s.refusal(resp)
		ended = ended || s.loggedOut(resp, refusal)
		if told != nil {
			refusal = fmt.Errorf("%w; %w", refusal, told)
		}
		if n := resp.ContentLength; n > 0 && n <= 16<<10 {
			_, _ = io.CopyN(io.Discard, resp.Body, n) // so that the connection can be used again
		}
		_ = resp.Body.Close()
		if ended && !again {
			continue
		}
		return nil, refusal
	}
}

// ended asks the login what it makes of an answer; see login.Login.
func (s *Source) ended(resp *nethttp.Response) (bool, error) {
	if s.login == nil || resp == nil || resp.Request == nil {
		return false, nil
	}
	if _, limited := usedUp(resp, time.Now()); limited {
		return false, nil // which says nothing of the login
	}
	return s.login.Renew(resp)
}

// loggedOut reports whether a document says that nobody is logged in, and the login can be renewed: to it, that is the
// same as status 401.
func (s *Source) loggedOut(resp *nethttp.Response, err error) bool {
	refused, ok := errors.AsType[*decode.RefusedError](err)
	if !ok || !refused.Login || s.login == nil {
		return false
	}
	said := *resp
	said.StatusCode, said.Body = nethttp.StatusUnauthorized, nethttp.NoBody
	again, _ := s.login.Renew(&said) // what else it has to say is of headers that did not come
	return again
}

// blank is what all requests begin as.
var blank = nethttp.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}

func (s *Source) send(ctx context.Context, at place, validators *known, fresh bool) (*nethttp.Response, error) {
	if until, busy := s.host.Busy(time.Now()); busy {
		return nil, &bridge.BusyError{RetryAt: until, Err: fmt.Errorf("%s asked to be left alone until %s", s.url.Host, until.UTC().Format(time.RFC3339))}
	}
	req := blank.WithContext(ctx)
	req.Method, req.URL, req.Host = s.method, at.address, at.address.Host
	req.Header = maps.Clone(s.header) // its lists are shared: they are replaced, never written to
	retryable := &retryablehttp.Request{Request: req}
	if at.body != nil {
		if err := retryable.SetBody(s.sealed(at.body)); err != nil {
			return nil, err
		}
	}
	if s.login != nil {
		if err := s.login.Apply(ctx, req); err != nil {
			return nil, err
		}
	}
	if validators.conditional() {
		if validators.ETag != "" {
			req.Header.Set("If-None-Match", validators.ETag)
		}
		if validators.Modified != "" {
			req.Header.Set("If-Modified-Since", validators.Modified)
		}
	}
	if fresh {
		req.Header.Set("Cache-Control", "no-cache")
	}
	started := time.Now()
	resp, err := s.client.Do(retryable)
	s.trace(ctx, req, resp, err, started)
	if err != nil {
		if resp != nil && resp.Body != nil {
			_ = resp.Body.Close()
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if busy, ok := errors.AsType[*bridge.BusyError](err); ok {
			return nil, busy
		}
		if refused, ok := errors.AsType[*refusedError](err); ok {
			return resp, refused // the login may know where it leads
		}
		return nil, fmt.Errorf("%s %s: %w", s.method, bridge.Redact(at.address.String()), plain(err))
	}
	return resp, nil
}

// sealed is what is sent of a body, in a form that retries can read again.
func (s *Source) sealed(body []byte) any {
	if s.seal == nil {
		return body
	}
	return retryablehttp.ReaderFunc(func() (io.Reader, error) {
		sealed, err := s.seal(body)
		return bytes.NewReader(sealed), err
	})
}

// refusal turns an answer without records into an error. A Retry-After makes the whole host rest.
func (s *Source) refusal(resp *nethttp.Response) error {
	status := resp.StatusCode
	reason, refused := s.explained(resp)
	what := fmt.Sprintf("answered %d %s%s", status, nethttp.StatusText(status), reason)
	var err error
	_, limited := usedUp(resp, time.Now())
	switch {
	case limited:
		err = fmt.Errorf("%s: the requests that the source allows are used up; poll less often or set rate", what)
	case (status == nethttp.StatusUnauthorized || status == nethttp.StatusForbidden) && s.login == nil && s.seal != nil:
		err = fmt.Errorf("%s: the login was refused; check security", what)
	case (status == nethttp.StatusUnauthorized || status == nethttp.StatusForbidden) && s.login == nil:
		err = fmt.Errorf("%s: the source wants a login; add %s", what, s.admits)
		if offered := login.Offered(resp); offered != "" {
			err = fmt.Errorf("%w; the server offers %s", err, offered)
		}
	case status == nethttp.StatusUnauthorized, status == nethttp.StatusForbidden:
		err = fmt.Errorf("%s: the login was refused; check auth %q", what, s.login.Kind())
	case status == nethttp.StatusOK:
		err = fmt.Errorf("%s with a login page: the login was refused; check auth %q", what, s.login.Kind())
	case status == nethttp.StatusTooManyRequests:
		err = fmt.Errorf("%s: too many requests; poll less often or set rate", what)
	case status == nethttp.StatusNotFound:
		err = fmt.Errorf("%s: check url; where that is how pages beyond the last are answered, declare total, pages or more", what)
	case status == nethttp.StatusUnsupportedMediaType && s.header.Get("Content-Type") != "":
		err = fmt.Errorf("%s: the source takes no %q", what, s.header.Get("Content-Type"))
	case status == nethttp.StatusPartialContent:
		err = fmt.Errorf("%s: a part is not the whole", what)
	case status == nethttp.StatusNotModified:
		err = fmt.Errorf("%s to a request that was not conditional", what)
	default:
		err = errors.New(what)
	}
	if status >= 400 {
		if at, ok := s.host.Heed(resp); ok {
			s.shared.logger.Info("a host asked to be left alone", "host", s.url.Host, "status", status, "until", at.UTC())
			return &bridge.BusyError{RetryAt: at, Err: fmt.Errorf("%w (come back at %s)", err, at.UTC().Format(time.RFC3339))}
		}
	}
	return &statusError{status: status, err: err, refused: refused}
}

// explained is what an answer without records says of itself: in the words of the source's kind where it can read that,
// else as it begins, but for web pages, which begin with nothing that people read.
func (s *Source) explained(resp *nethttp.Response) (string, *decode.RefusedError) {
	body, err := openBody(resp, s.maxBody)
	if err != nil {
		return "", nil
	}
	defer body.close()
	start, _ := io.ReadAll(io.LimitReader(body, maxExplanation)) // what could not be read explains nothing
	kind := resp.Header.Get("Content-Type")
	var refused *decode.RefusedError
	if s.explain != nil {
		refused = s.explain(kind, start)
	}
	if refused == nil {
		start = bytes.TrimSpace(start)
		records := resp.StatusCode < 300 && resp.StatusCode != nethttp.StatusAccepted // some, perhaps
		if records || len(start) == 0 || isPage(kind, start) || archive.Sniff(start) != archive.Plain {
			return "", nil
		}
		return ", and says " + s.excerpt(resp, start, 200), nil
	}
	text := ", " + clipTo(s.scrubAnswer(resp, refused.Said), 300)
	if refused.Next != "" && resp.StatusCode >= 500 {
		text += "; " + refused.Next
	}
	return text, refused
}

// maxExplanation is how much of an answer without records is read for the reason.
const maxExplanation = 64 << 10

// statusError is an answer that came, but with another status than 200.
type statusError struct {
	status  int
	err     error
	refused *decode.RefusedError // what the answer says of itself; nil: nothing
}

func (e *statusError) Error() string { return e.err.Error() }

func (e *statusError) Unwrap() []error {
	if e.refused == nil {
		return []error{e.err}
	}
	return []error{e.err, e.refused}
}

// trace reports a request.
func (s *Source) trace(ctx context.Context, req *nethttp.Request, resp *nethttp.Response, err error, started time.Time) {
	s.say(ctx, func() string { return traceLine(req, resp, err, time.Since(started)) })
}

// say reports to whoever wants to see what a source does: the context's trace, and the log if it shows that much.
func (s *Source) say(ctx context.Context, what func() string) {
	trace, verbose := decode.Trace(ctx), s.shared.logger.Enabled(ctx, slog.LevelDebug)
	if trace == nil && !verbose {
		return
	}
	line := s.scrub(what())
	if trace != nil {
		trace(line)
	}
	if verbose {
		s.shared.logger.DebugContext(ctx, line)
	}
}

func traceLine(req *nethttp.Request, resp *nethttp.Response, err error, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", req.Method, bridge.Redact(req.URL.String()))
	for _, name := range []string{"If-None-Match", "If-Modified-Since"} {
		if value := req.Header.Get(name); value != "" {
			fmt.Fprintf(&b, " [%s: %s]", name, value)
		}
	}
	if err != nil {
		fmt.Fprintf(&b, " failed: %v", plain(err))
	} else {
		fmt.Fprintf(&b, " answered %d", resp.StatusCode)
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Retry-After"} {
			if value := resp.Header.Get(name); value != "" {
				fmt.Fprintf(&b, " [%s: %s]", name, value)
			}
		}
	}
	fmt.Fprintf(&b, " in %s", took.Round(time.Millisecond))
	return b.String()
}
