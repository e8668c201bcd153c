package inbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/signature"
)

// answer is what a sender is told. why is one word to count a refusal by.
type answer struct {
	status int
	text   string
	why    string
	retry  time.Duration // when to come again; 0: not said
	allow  bool          // say which methods there are
	last   bool          // the connection ends
}

// Why a webhook is refused, besides the causes of a signature.
const (
	whyMethod  = "method"
	whyClient  = "client"
	whySize    = "size"
	whySlow    = "slow"
	whyBroken  = "broken"
	whyBusy    = "busy"
	whyRate    = "rate"
	whyFull    = "full"
	whyTrouble = "trouble"
)

const (
	maxHeader = 64 << 10 // bytes of all headers, for servers that allow more than ours does
	maxQuery  = 8 << 10
)

var accepted = answer{status: http.StatusOK, text: "accepted"}

func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.retry.Seconds()))))
	}
	if a.allow {
		h.Set("Allow", "POST, PUT")
	}
	if a.last {
		h.Set("Connection", "close")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.text+"\n")
}

// handling is one request on its way.
type handling struct {
	server   *Server
	receiver *receiver
	w        http.ResponseWriter
	request  *http.Request
	client   netip.Addr
}

func (h *handling) handle() answer {
	a := h.take()
	if a.why == "" {
		return a
	}
	level := h.server.options.Logger.Warn
	if a.why == whyTrouble || a.why == whyFull {
		level = h.server.options.Logger.Error
	}
	if more, log := h.receiver.counts.refused(a.why, time.Now()); log {
		level("a webhook was refused", "receiver", h.receiver.Name, "status", a.status, "reason", a.text,
			"client", h.client, "refused_since_last_logged", more)
	}
	return a
}

// take goes from what is cheap to check to what is not. Nothing of a body is looked into before its sender is verified,
// and nothing is promised before it is kept. Only what is verified counts against the rate: strangers must not use it up.
func (h *handling) take() answer {
	now := time.Now()
	r, request := h.receiver, h.request
	switch {
	case request.Method != http.MethodPost && request.Method != http.MethodPut:
		return answer{status: http.StatusMethodNotAllowed, text: "webhooks are sent by POST or PUT", why: whyMethod, allow: true}
	case !r.allows(h.client):
		return answer{status: http.StatusForbidden, text: "this address may not send here", why: whyClient}
	case headerSize(request.Header) > maxHeader:
		return answer{status: http.StatusRequestHeaderFieldsTooLarge, text: fmt.Sprintf("the headers have more than %d bytes", maxHeader), why: whySize}
	case len(request.URL.RawQuery) > maxQuery:
		return answer{status: http.StatusRequestURITooLong, text: fmt.Sprintf("the query has more than %d bytes", maxQuery), why: whySize}
	}
	body, held, refusal := h.read()
	defer func() { h.server.memory.give(held) }()
	if refusal != nil {
		return *refusal
	}
	verified, err := r.verify(signature.Request{
		Method: request.Method, URL: r.address(request.URL.RawQuery), Header: request.Header, Body: body,
	}, now)
	if err != nil {
		why, reason := "signature", "the signature is refused"
		if refused := new(signature.RefusedError); errors.As(err, &refused) {
			why, reason = string(refused.Cause), refused.Reason
		}
		return answer{status: http.StatusUnauthorized, text: reason, why: why}
	}
	if verified.Weak != "" && r.counts.noted("weak", now) {
		h.server.options.Logger.Warn("a webhook was signed with a weak key", "receiver", r.Name, "reason", verified.Weak)
	}
	if r.limit != nil {
		if wait := r.limit.ReserveN(now, 1); wait.DelayFrom(now) > 0 {
			retry := wait.DelayFrom(now)
			wait.CancelAt(now)
			return answer{status: http.StatusTooManyRequests, text: "more webhooks than the receiver's rate; come again later", why: whyRate, retry: retry}
		}
	}
	return h.accept(verified, body, now)
}

func (h *handling) accept(verified signature.Verified, raw []byte, now time.Time) answer {
	r := h.receiver
	webhook := &bridge.Inbound{
		Receiver: r.Name, DeliveryID: verified.ID, At: now, Method: h.request.Method, Path: h.request.URL.Path,
		Query: hideValues(h.request.URL.RawQuery), Header: kept(h.request.Header, r.Dialect.Carries), Body: raw,
		State: bridge.InboundReceived,
	}
	if webhook.DeliveryID != "" {
		webhook.Until = now.Add(r.Dedup)
	}
	body, broken := Body(webhook, r.Decode)
	if broken != nil {
		webhook.State, webhook.Reason = bridge.InboundFailed, broken.Error()
	}
	// A sender that has hung up has sent all the same.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(h.request.Context()), h.server.options.AcceptTimeout, errSlowInbox)
	defer cancel()
	duplicate, err := h.server.inbox.Accept(ctx, webhook, body)
	switch {
	case errors.Is(err, bridge.ErrFull):
		return answer{status: http.StatusServiceUnavailable, text: "there is no space to keep a webhook; come again later", why: whyFull, retry: time.Minute}
	case err != nil && ctx.Err() != nil:
		return answer{status: http.StatusServiceUnavailable, text: "the webhook could not be kept in time; come again later", why: whyBusy, retry: 10 * time.Second}
	case err != nil:
		h.server.options.Logger.Error("a webhook could not be kept", "receiver", r.Name, "delivery_id", webhook.DeliveryID, "error", err)
		return answer{status: http.StatusInternalServerError, text: "the webhook could not be kept; come again later", why: whyTrouble}
	}
	r.counts.accepted(duplicate, broken != nil, now)
	switch {
	case broken == nil || duplicate:
		return accepted
	case errors.Is(broken, errEncoding):
		return h.broken(webhook, http.StatusUnsupportedMediaType)
	}
	return h.broken(webhook, http.StatusBadRequest)
}

var errSlowInbox = errors.New("the webhook was not kept in time")

// broken tells of a webhook that was kept although it is of no use yet.
func (h *handling) broken(w *bridge.Inbound, status int) answer {
	if h.receiver.counts.noted("undecodable", w.At) {
		h.server.options.Logger.Warn("a webhook was kept that cannot be decoded", "receiver", w.Receiver, "inbound", w.ID, "reason", w.Reason)
	}
	return answer{status: status, text: w.Reason}
}

// read reads the body, as far as there is memory for it, and reports how much of that it holds.
func (h *handling) read() (body []byte, held int64, refusal *answer) {
	limit := h.receiver.MaxBody
	tooLarge := &answer{status: http.StatusRequestEntityTooLarge, why: whySize, last: true,
		text: fmt.Sprintf("the body has more than %d bytes", limit)}
	if h.request.ContentLength > limit {
		return nil, 0, tooLarge
	}
	in := http.MaxBytesReader(h.w, h.request.Body, limit)
	// Memory is taken as bytes arrive, so that announcing a large body costs the client one.
	for size := int64(4 << 10); ; size = min(2*size, limit+1) {
		if h.request.ContentLength >= 0 {
			size = min(size, h.request.ContentLength+1) // one more finds the end
		}
		grow := max(size-int64(cap(body)), 0)
		if !h.server.memory.take(grow) {
			return nil, held, &answer{status: http.StatusServiceUnavailable, why: whyBusy, retry: time.Second, last: true,
				text: "too many webhooks are being received; come again later"}
		}
		held += grow
		larger := make([]byte, len(body), size)
		copy(larger, body)
		body = larger
		for len(body) < cap(body) {
			n, err := in.Read(body[len(body):cap(body)])
			body = body[:len(body)+n]
			var large *http.MaxBytesError
			switch {
			case errors.Is(err, io.EOF):
				deadline(h.w, time.Time{})
				return body, held, nil
			case errors.As(err, &large):
				return nil, held, tooLarge
			case errors.Is(err, os.ErrDeadlineExceeded):
				return nil, held, &answer{status: http.StatusRequestTimeout, text: "the body did not come in time", why: whySlow, last: true}
			case err != nil:
				return nil, held, &answer{status: http.StatusBadRequest, text: "the body did not come whole", why: whyBroken, last: true}
			}
		}
	}
}

// deadline is when the client has to have sent its body. Where it has not, the connection ends: what is left of the body
// is read only until then. A server that cannot set a deadline has one of its own.
func deadline(w http.ResponseWriter, at time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(at)
}

func headerSize(header http.Header) (n int) {
	for name, values := range header {
		for _, value := range values {
			n += len(name) + len(value) + 4
		}
	}
	return n
}

// hideValues leaves the names of a query.
func hideValues(query string) string {
	if query == "" {
		return ""
	}
	_, hidden, _ := strings.Cut(bridge.Redact("?"+query), "?")
	return hidden
}
