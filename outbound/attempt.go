package outbound

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/signature"
)

const (
	maxAnswer = 1 << 10  // bytes of an answer that are kept
	maxDrain  = 64 << 10 // bytes of an answer that are read, so that its connection can be used again
)

// errCut ends attempts when the drain is over.
var errCut = errors.New("the bridge is shutting down")

// landing is how an attempt ended.
type landing struct {
	delivery *bridge.Delivery
	attempt  bridge.Attempt
	verdict  bridge.Verdict
	asked    time.Duration // Retry-After; 0: none
	strained bool          // the receiver had too much to do, or took too long
	cut      bool          // ended by us: it says nothing and is not recorded
}

// attempt makes one attempt at a delivery: one request, but for the quick retries.
func (c *courier) attempt(ctx context.Context, tether *leash, p *plan, client *client, delivery *bridge.Delivery) *landing {
	began := time.Now()
	l := &landing{delivery: delivery, verdict: bridge.Retry, attempt: bridge.Attempt{At: began.UTC().Truncate(time.Millisecond)}}
	defer func() { l.attempt.Took = time.Since(began) }()

	request, err := p.request(delivery, began, c.options.UserAgent)
	if err != nil {
		l.attempt.Error = p.scrub(err.Error())
		return l
	}
	ctx = watch(tether.begin(ctx, p))
	defer tether.end()
	response, err := client.Do(request.WithContext(ctx))
	if err != nil {
		l.cut = errors.Is(context.Cause(ctx), errCut)
		l.strained = !l.cut && (slow(err) || ctx.Err() != nil)
		l.attempt.Error = p.scrub(reason(ctx, err))
		return l
	}
	defer response.Body.Close()
	l.attempt.Status = response.StatusCode
	l.verdict, l.attempt.Error = judge(response.StatusCode, response.Header)
	l.asked = retryAfter(response.StatusCode, response.Header, time.Now())
	l.strained = busy(response.StatusCode)
	l.attempt.Answer = p.excerpt(response.Body)
	return l
}

// reason says in a line why no answer came, without the URL that net/http puts into its errors.
func reason(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return context.Cause(ctx).Error()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, io.EOF) {
		return "the receiver closed the connection without an answer"
	}
	return err.Error()
}

// request makes the request of a delivery. Two attempts differ in timestamp and signature only.
func (p *plan) request(delivery *bridge.Delivery, at time.Time, agent string) (*retryablehttp.Request, error) {
	kind, body, err := Body(&delivery.Event, delivery.Format, delivery.FormatVersion)
	if err != nil {
		return nil, err
	}
	h := Headers(delivery)
	values := [...]string{kind, agent, strconv.FormatInt(at.Unix(), 10)} // one allocation for all
	h["Content-Type"] = values[0:1:1]
	h["User-Agent"] = values[1:2:2]
	h["Webhook-Timestamp"] = values[2:3:3]
	if p.dialect.Signs() {
		signed, err := p.dialect.Sign(p.keys, signature.Message{
			ID: delivery.Event.ID, At: at, Method: http.MethodPost, URL: p.address, Body: body,
		})
		if err != nil {
			return nil, err
		}
		for _, header := range signed {
			h[header.Name] = []string{header.Value}
		}
	}
	for name, values := range p.headers {
		h[name] = values
	}
	request, err := retryablehttp.FromRequest(&http.Request{
		Method: http.MethodPost, URL: p.target, Host: p.host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	})
	if err != nil {
		return nil, err
	}
	if err := request.SetBody(body); err != nil {
		return nil, err
	}
	return request, nil
}

// excerpt reads the beginning of an answer as text that is safe to keep and to print, and enough of the rest to use the
// connection again.
func (p *plan) excerpt(body io.Reader) string {
	if body == http.NoBody {
		return ""
	}
	room := maxAnswer + p.longest // a secret that is cut in half would not be found
	raw, err := io.ReadAll(io.LimitReader(body, int64(room)))
	if err == nil && len(raw) == room {
		_, _ = io.CopyN(io.Discard, body, maxDrain-int64(room))
	}
	if len(raw) == 0 {
		return ""
	}
	text := p.scrub(string(raw))
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return utf8.RuneError // nothing a receiver says may steer a terminal
		}
		return r
	}, text)
	if len(text) > maxAnswer {
		cut := maxAnswer
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	return text
}
