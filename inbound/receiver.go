package inbound

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/hookbridge/bridge/signature"
)

// Prefix stands before the name of a receiver in its path.
const Prefix = "/in/"

// Receiver is one address that webhooks are sent to: /in/NAME.
type Receiver struct {
	Name      string
	Dialect   signature.Dialect
	Keys      []signature.Key // of the dialect; any of them may have signed
	Open      bool            // nothing is verified: whoever reaches the address may send. Then without Dialect and Keys
	Decode    Decoding        // of bodies; default JSON
	MaxBody   int64           // bytes; default DefaultMaxBody
	Rate      float64         // verified webhooks a second; 0: no limit
	Allow     []netip.Prefix  // clients that may send; none: all
	Dedup     time.Duration   // how long the ids of deliveries are remembered; default DefaultDedup
	PublicURL string          // that /in/NAME is reached under; required where the dialect signs addresses
}

// Defaults of a Receiver.
const (
	DefaultMaxBody = 2 << 20
	DefaultDedup   = 72 * time.Hour
)

// maxBody bounds MaxBody: a body is held in memory, and more than once.
const maxBody = 64 << 20

var receiverName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// complete fills in what is left out and reports every mistake.
func (r Receiver) complete() (Receiver, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !receiverName.MatchString(r.Name) {
		problem("%q cannot be the name of a receiver; use letters, digits, _ and -", r.Name)
	}
	if r.Decode == "" {
		r.Decode = JSON
	}
	if r.MaxBody == 0 {
		r.MaxBody = DefaultMaxBody
	}
	if r.Dedup == 0 {
		r.Dedup = DefaultDedup
	}
	if decoders[r.Decode] == nil {
		problem("decode %q is not known; use json, form or xml", r.Decode)
	}
	if r.MaxBody < 0 || r.MaxBody > maxBody {
		problem("max_body is %d bytes; at most %d are held in memory", r.MaxBody, maxBody)
	}
	if r.Dedup < 0 {
		problem("dedup %s is negative", r.Dedup)
	}
	if r.Rate < 0 || math.IsNaN(r.Rate) || math.IsInf(r.Rate, 0) {
		problem("rate must be positive")
	}
	if r.Open {
		if r.Dialect.Name() != "" {
			problem("it verifies nothing, and yet has dialect %q", r.Dialect.Name())
		}
	} else if r.Dialect.Name() == "" {
		problem("nothing says how its webhooks are verified; add a verify block")
	} else if len(r.Keys) == 0 {
		problem("there is no secret to verify webhooks with; add one to its verify block")
	}
	switch at, err := url.Parse(r.PublicURL); {
	case r.PublicURL == "":
		if r.Dialect.NeedsURL() {
			problem("dialect %q signs the address it sends to, and nothing says what that is; set public_url", r.Dialect.Name())
		}
	case err != nil || at.Host == "" || at.RawQuery != "" || at.Fragment != "":
		problem("public_url is not an address like https://bridge.example.com")
	}
	r.PublicURL = strings.TrimSuffix(r.PublicURL, "/")
	if err := errors.Join(problems...); err != nil {
		return r, fmt.Errorf("receiver %q: %w", r.Name, err)
	}
	return r, nil
}

// verify reports what the signature of a request vouches for.
func (r *Receiver) verify(request signature.Request, now time.Time) (signature.Verified, error) {
	if r.Open {
		return signature.Verified{}, nil
	}
	return r.Dialect.Verify(r.Keys, request, now)
}

// address is what the sender was told to send to.
func (r *Receiver) address(query string) string {
	if r.PublicURL == "" {
		return ""
	}
	at := r.PublicURL + Prefix + r.Name
	if query != "" {
		at += "?" + query
	}
	return at
}

// limiter returns nil where there is no limit. What accrues in a second may come at once.
func (r *Receiver) limiter() *rate.Limiter {
	if r.Rate == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(r.Rate), max(1, int(math.Ceil(r.Rate))))
}

func (r *Receiver) allows(client netip.Addr) bool {
	if len(r.Allow) == 0 {
		return true
	}
	return within(client, r.Allow)
}
