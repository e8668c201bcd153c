// Package login puts credentials on the requests of every source that speaks HTTP: fixed ones, such as a bearer token,
// those that are fetched, kept and renewed, and those that are made anew for each sending.
package login

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
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
	// needed. What is made for each sending anew is left to Sign. An error may be a *bridge.BusyError, and holds no
	// secret.
	Apply(ctx context.Context, req *http.Request) error
	// Renew looks at every answer; its body can still be read in full. It reports whether the login has run out: then what
	// it kept is forgotten, and the request is worth making once more. An error says why no login would help.
	Renew(resp *http.Response) (again bool, err error)
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

// Door is how the login of one source sends requests of its own.
type Door struct {
	Source    *url.URL            // whose origin gets the credentials; nil where the source has no address that can be read
	Transport http.RoundTripper   // holds every request to the rate of its host, and calls Sign
	Via       string              // tells transports apart: logins are shared only where it is the same
	Host      func(*url.URL) Host // finds what is known of the origin of an address
	UserAgent string
	Dir       string // that file names are relative to
	Logger    *slog.Logger
}

// Shared is what the logins of a bridge have in common: tokens, sessions and nonces, each fetched once for all sources
// that log in alike. It should outlive reloads. The zero value works, and is safe for concurrent use.
type Shared struct {
	mu   sync.Mutex
	kept map[[32]byte]any
}

// keep returns what was made of the same facts before, or else what build makes. The first fact says what it is.
func keep[T any](s *Shared, build func() T, facts ...any) T {
	key := sha256.Sum256(fmt.Appendf(nil, "%q", facts))
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, ok := s.kept[key].(T); ok {
		return kept
	}
	if s.kept == nil {
		s.kept = map[[32]byte]any{}
	}
	made := build()
	s.kept[key] = made
	return made
}

// Read reads the auth block; nil without one, or where it is wrong.
func (s *Shared) Read(r *attr.Reader, door Door) Login {
	b := r.Block("auth", 1)
	kinds := []string{"basic", "bearer", "header", "query", "digest", "oauth2", "session", "hmac", "sigv4"}
	if b == nil || !block.Choice(r, b, "auth", kinds, "ntlm") {
		return nil
	}
	kind, before := b.Labels[0], r.Errors()
	c := r.Child(b, `auth "`+kind+`"`)
	build := map[string]func(*attr.Reader, Door) Login{
		"basic": readBasic, "bearer": readBearer, "header": readHeader, "query": readQuery, "hmac": readHMAC, "sigv4": readSigV4,
		"digest": s.readDigest, "oauth2": s.readToken, "session": s.readSession,
	}
	l := build[kind](c, door)
	if r.Errors() > before {
		return nil
	}
	return l
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
