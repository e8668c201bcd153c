// Package login puts credentials on the requests of every source that speaks HTTP: fixed ones, such as a bearer token,
// and those that are fetched, kept and renewed.
package login

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/block"
)

// Login is one way to show who asks. It is safe for concurrent use.
type Login interface {
	// Kind is the label of the auth block.
	Kind() string
	// Apply puts credentials on a request that goes to the source's own origin, and gets them first where that is
	// needed. An error may be a *bridge.BusyError, and holds no secret.
	Apply(ctx context.Context, req *http.Request) error
	// Renew looks at the first answer to a request. It reports whether the login has run out, so that the request is
	// worth making once more, with what Apply puts on it then. The answer's body is not read.
	Renew(resp *http.Response) bool
	// Credentials are what must not show in any text, as they go over the wire, beyond the secrets of the configuration.
	Credentials() []string
}

// Host is what is known of an origin that is asked for credentials.
type Host interface {
	// Busy reports whether the host asked not to be disturbed, and until when.
	Busy(now time.Time) (until time.Time, busy bool)
	// Heed notes how an answer of the host wants it to be treated; busy is true where it says when to come back.
	Heed(resp *http.Response) (until time.Time, busy bool)
}

// Door is how a login sends requests of its own.
type Door struct {
	// Transport holds every request to the rate of its host.
	Transport http.RoundTripper
	// Via tells transports apart: logins are shared only where it is the same.
	Via string
	// Host finds what is known of the origin of an address.
	Host func(*url.URL) Host
}

// Shared is what the logins of a bridge have in common: tokens, each fetched once for all sources that log in alike. It
// should outlive reloads. The zero value works, and is safe for concurrent use.
type Shared struct {
	mu     sync.Mutex
	tokens map[[32]byte]*token
}

// Read reads the auth block; nil without one, or where it is wrong.
func (s *Shared) Read(r *attr.Reader, door Door) Login {
	b := r.Block("auth", 1)
	kinds := []string{"basic", "bearer", "header", "query", "oauth2"}
	if b == nil || !block.Choice(r, b, "auth", kinds, "digest", "ntlm", "sigv4", "session", "mtls", "hmac") {
		return nil
	}
	kind := b.Labels[0]
	c := r.Child(b, `auth "`+kind+`"`)
	switch kind {
	case "basic":
		return basic{username: c.Required("username"), password: c.Secret("password")}
	case "bearer":
		return bearer{token: c.RequiredSecret("token")}
	case "header":
		return readHeader(c)
	case "query":
		return query{name: c.Required("name"), value: c.RequiredSecret("value")}
	}
	if t := s.readToken(c, door); t != nil {
		return t
	}
	return nil
}

// Userinfo is the basic login that stands in an address, and its password; nil where there is none.
func Userinfo(u *url.URL) (Login, bridge.Secret) {
	if u.User == nil {
		return nil, bridge.Secret{}
	}
	text, _ := u.User.Password()
	password := bridge.NewSecret(text)
	return basic{username: u.User.Username(), password: password}, password
}

// Parameter is the parameter of the query that a login sets; empty where it sets none.
func Parameter(l Login) string {
	if q, ok := l.(query); ok {
		return q.name
	}
	return ""
}
