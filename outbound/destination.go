package outbound

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/time/rate"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/signature"
)

// Destination is where events go, as configured. Number is the store's.
type Destination struct {
	Number      int64
	Name        string
	URL         string          // http or https
	Secrets     []bridge.Secret // every one signs, where the dialect has a list of signatures; otherwise the first
	Signature   string          // a dialect of package signature, hmac or none; default standard
	HMAC        signature.HMAC  // the axes of hmac
	Concurrency int             // attempts at a time; default 16
	Rate        float64         // attempts a second; 0: no limit
	Timeout     time.Duration   // of one attempt; default 15 s
	Headers     []Header        // of your own
	Allow       []netip.Prefix  // private networks that may be dialled
	Retry       []time.Duration // waits before each attempt, ±20 %; default DefaultRetry
	State       bridge.DestinationState
}

// Header is a header of a request. Its value does not print.
type Header struct {
	Name  string
	Value bridge.Secret
}

// Defaults of a destination.
const (
	DefaultConcurrency = 16
	DefaultTimeout     = 15 * time.Second
)

// DefaultRetry is the schedule that Standard Webhooks suggests: ten attempts over three days.
func DefaultRetry() []time.Duration {
	const m, h = time.Minute, time.Hour
	return []time.Duration{0, 5 * time.Second, 5 * m, 30 * m, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h}
}

const maxConcurrency = 4096

// plan is a destination made ready to be used. It never changes.
type plan struct {
	Destination
	target  *url.URL
	host    string            // of a Host header, empty: the URL's
	address string            // of the target, as it is signed
	dialect signature.Dialect // zero: nothing is signed
	keys    []signature.Key
	headers http.Header       // own headers, canonical names
	hide    *strings.Replacer // replaces secrets in what a receiver says; nil: there are none
	longest int               // secret, in bytes
	late    error             // why an attempt is ended that takes too long
}

// Check reports every mistake in a destination, as Set would.
func Check(destination Destination) error {
	_, err := new(Dispatcher).plan(destination)
	return err
}

// plan checks a destination and reports every mistake in it.
func (d *Dispatcher) plan(destination Destination) (*plan, error) {
	p := &plan{Destination: destination, headers: http.Header{}}
	p.Secrets, p.Headers = slices.Clone(p.Secrets), slices.Clone(p.Headers)
	p.Allow, p.Retry = unmapped(p.Allow), slices.Clone(p.Retry)
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	target, err := url.Parse(p.URL)
	switch {
	case err != nil: // the parser's error quotes the URL, which may hold a password
		problem("url cannot be parsed; check its escapes and its port")
	case target.Scheme != "http" && target.Scheme != "https":
		problem("url %s must start with http:// or https://", bridge.Redact(p.URL))
	case target.Hostname() == "":
		problem("url %s has no host", bridge.Redact(p.URL))
	default:
		target.Fragment, target.RawFragment = "", ""
		p.target = target
		address := *target
		address.User = nil
		p.address = address.String()
	}

	problems = append(problems, p.chooseDialect()...)
	for _, header := range p.Headers {
		name := textproto.CanonicalMIMEHeaderKey(header.Name)
		switch {
		case !httpguts.ValidHeaderFieldName(header.Name):
			problem("header %q is not a valid name", header.Name)
		case !httpguts.ValidHeaderFieldValue(header.Value.Reveal()):
			problem("the value of header %q has characters that no header may have", header.Name)
		case reserved(name) || p.dialect.Owns(name):
			problem("header %q is the bridge's own and cannot be set", header.Name)
		case name == "Host":
			p.host = header.Value.Reveal()
		default:
			p.headers[name] = append(p.headers[name], header.Value.Reveal())
		}
	}

	if p.Concurrency == 0 {
		p.Concurrency = DefaultConcurrency
	}
	if p.Concurrency < 1 || p.Concurrency > maxConcurrency {
		problem("concurrency must be from 1 to %d, not %d", maxConcurrency, p.Concurrency)
	}
	if p.Rate < 0 || math.IsNaN(p.Rate) || math.IsInf(p.Rate, 0) {
		problem("rate must be positive")
	}
	if p.Timeout == 0 {
		p.Timeout = DefaultTimeout
	}
	if p.Timeout < 0 {
		problem("timeout must be positive, not %s", p.Timeout)
	}
	if len(p.Retry) == 0 {
		p.Retry = DefaultRetry()
	}
	for i, wait := range p.Retry {
		if wait < 0 {
			problem("retry: wait %d must not be negative", i+1)
		}
	}
	if p.State == "" {
		p.State = bridge.Active
	}
	p.late = fmt.Errorf("no answer within %s", p.Timeout)
	p.conceal()
	return p, errors.Join(problems...)
}

// chooseDialect finds the dialect and reads the secrets in its form.
func (p *plan) chooseDialect() (problems []error) {
	var err error
	known := true
	switch p.Signature {
	case "none":
		return nil
	case "":
		p.Signature, p.dialect = signature.Standard.Name(), signature.Standard
	case "hmac":
		if p.dialect, err = signature.NewHMAC(p.HMAC); err != nil {
			return []error{fmt.Errorf("signature \"hmac\": %w", err)}
		}
	default:
		p.dialect, known = signature.Find(p.Signature)
	}
	switch {
	case !known:
		return []error{fmt.Errorf("signature %q is not known; use one of %s, hmac or none", p.Signature, strings.Join(signature.Names(), ", "))}
	case !p.dialect.Signs():
		return []error{fmt.Errorf("signature %q cannot sign: the time of signing stands in its body, which a signature never touches; use another", p.Signature)}
	}
	if p.keys, err = p.dialect.Keys(p.Secrets); err != nil {
		return []error{err}
	}
	for i, key := range p.keys {
		if key.Weak() != "" { // what others chose may be weak, what we choose need not
			problems = append(problems, fmt.Errorf("secret %d: %s; make one with: hookbridge secret new", i+1, key.Weak()))
		}
	}
	if !slices.ContainsFunc(p.keys, signature.Key.CanSign) {
		problems = append(problems, errors.New("no secret to sign with; add one to secrets, or set signature = \"none\""))
	}
	return problems
}

// reserved reports whether a header is ours to set, or the connection's.
func reserved(name string) bool {
	switch name {
	case "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Keep-Alive",
		"Te", "Trailer", "Upgrade", "Expect", "Proxy-Connection":
		return true
	}
	return strings.HasPrefix(name, "Webhook-") || strings.HasPrefix(name, "Hookbridge-")
}

// conceal collects what must not come back out of a receiver's answer.
func (p *plan) conceal() {
	var values []string
	for _, secret := range p.Secrets {
		value := secret.Reveal()
		values = append(values, value)
		if _, password, ok := strings.Cut(value, ":"); ok && p.Signature == "basic" {
			values = append(values, password, base64.StdEncoding.EncodeToString([]byte(value)))
		}
	}
	for _, header := range p.Headers {
		value := header.Value.Reveal()
		values = append(values, value)
		if _, token, ok := strings.Cut(value, " "); ok { // Bearer TOKEN
			values = append(values, token)
		}
	}
	if p.target != nil {
		if password, ok := p.target.User.Password(); ok {
			values = append(values, password)
		}
		values = append(values, p.target.RawQuery)
		for _, list := range p.target.Query() {
			values = append(values, list...)
		}
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) }) // the whole before its part
	var pairs []string
	for _, value := range slices.Compact(values) {
		if len(value) < 4 {
			continue // a value this short is in every text
		}
		pairs = append(pairs, value, "(secret)")
		p.longest = max(p.longest, len(value))
	}
	if pairs != nil {
		p.hide = strings.NewReplacer(pairs...)
	}
}

// scrub hides the plan's secrets in text.
func (p *plan) scrub(text string) string {
	if p.hide == nil {
		return text
	}
	return p.hide.Replace(text)
}

// limiter returns a new rate limiter, nil where there is no limit. What accrues in 50 ms may go at once: a timer for
// every attempt of a fast destination would be late more often than not.
func (p *plan) limiter() *rate.Limiter {
	if p.Rate == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(p.Rate), max(1, int(p.Rate/20)))
}
