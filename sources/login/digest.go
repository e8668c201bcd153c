package login

import (
	"context"
	"crypto/md5" //nolint:gosec // RFC 7616 names it, and old servers offer nothing else
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	lib "github.com/icholy/digest"
	"golang.org/x/text/encoding/charmap"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
)

// digest is HTTP Digest (RFC 7616) with MD5, SHA-256 and their session variants. The challenge of an address is kept for
// all sources that log in alike, and answered in advance with a rising count, until the server names another nonce.
type digest struct {
	username string
	password bridge.Secret

	mu        sync.Mutex
	challenge *lib.Challenge // nil: none yet
	session   string         // suffix of the algorithm: -sess, or nothing
	cnonce    string         // one for each challenge, so that all readings of "session" agree
	count     int
}

// maxChallenge is the longest challenge worth keeping: it goes back with every request.
const maxChallenge = 4 << 10

func (s *Shared) readDigest(c *attr.Reader, door Door) Login {
	username, password := c.Required("username"), c.RequiredSecret("password")
	if strings.ContainsFunc(username, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		c.Errorf(c.Range("username"), "Invalid username", "The username holds characters that a header cannot carry.")
	}
	if door.Source == nil {
		return nil
	}
	return keep(s, func() Login { return &digest{username: username, password: password} },
		"digest", door.Via, address.Origin(door.Source), door.Source.EscapedPath(), username, password.Reveal()) // another path may be another realm
}

func (*digest) Kind() string          { return "digest" }
func (*digest) Credentials() []string { return nil } // an answer to a challenge is good for nothing else

func (d *digest) Apply(_ context.Context, req *http.Request) error {
	signLater(req, d)
	return nil
}

func (d *digest) sign(req *http.Request) error {
	d.mu.Lock()
	challenge, session, cnonce := d.challenge, d.session, d.cnonce
	d.count++
	count := d.count
	d.mu.Unlock()
	if challenge == nil {
		return nil // the answer will bring one
	}
	spell := func(text string) string { return text }
	if !utf8.ValidString(challenge.Realm) { // so the server does not speak UTF-8
		spell = latin
	}
	options := lib.Options{
		Method: req.Method, URI: req.URL.RequestURI(), Count: count,
		Username: spell(d.username), Password: spell(d.password.Reveal()), Cnonce: cnonce,
	}
	if len(challenge.QOP) > 0 && !challenge.SupportsQOP("auth") { // auth-int covers the body, too
		if _, err := content(req); err != nil {
			return err
		}
		options.GetBody = req.GetBody
	}
	if session != "" { // RFC 7616, section 3.4.2
		inner := sum(challenge.Algorithm, options.Username, challenge.Realm, options.Password)
		options.A1 = sum(challenge.Algorithm, inner, challenge.Nonce, cnonce)
	}
	credentials, err := lib.Digest(challenge, options)
	if err != nil {
		return fmt.Errorf("the digest challenge cannot be answered: %w", err)
	}
	if session != "" {
		credentials.Algorithm += session
	}
	credentials.Realm, credentials.Username = unlatin(credentials.Realm), unlatin(credentials.Username) // as String can write them
	req.Header.Set("Authorization", spell(credentials.String()))
	return nil
}

// latin is a text in ISO 8859-1, in which headers were once written; one that cannot be stays as it is.
func latin(text string) string {
	if raw, err := charmap.ISO8859_1.NewEncoder().String(text); err == nil {
		return raw
	}
	return text
}

// unlatin is a text that may be in ISO 8859-1, in UTF-8.
func unlatin(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	plain, _ := charmap.ISO8859_1.NewDecoder().String(text) // which knows all bytes
	return plain
}

// Renew takes up the challenge of an answer, unless the request was refused without a challenge, or with one, that has been
// replaced since.
func (d *digest) Renew(resp *http.Response) (bool, error) {
	if resp.StatusCode != http.StatusUnauthorized {
		return false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	sent := resp.Request.Header.Get("Authorization")
	if used, err := lib.ParseCredentials(sent); d.challenge != nil && (sent == "" || err == nil && used.Nonce != d.challenge.Nonce) {
		return true, nil
	}
	challenge, session, err := findChallenge(resp.Header.Values("WWW-Authenticate"))
	if err != nil {
		return false, err
	}
	d.challenge, d.session, d.cnonce, d.count = challenge, session, rand.Text(), 0
	return true, nil
}

// findChallenge picks the first digest challenge that can be answered; the server names the best first.
func findChallenge(headers []string) (challenge *lib.Challenge, session string, err error) {
	offered := challenges(headers)
	if len(headers) > 0 && len(offered) == 0 {
		return nil, "", errors.New("the server's digest challenge cannot be read")
	}
	for _, text := range offered {
		if !lib.IsDigest(text) {
			continue
		}
		c, problem := lib.ParseChallenge(unlatin(text))
		if problem != nil || c.Nonce == "" || len(c.Nonce)+len(c.Opaque)+len(c.Realm) > maxChallenge {
			err = errors.New("the server's digest challenge cannot be read")
			continue
		}
		if !utf8.ValidString(text) {
			c.Realm = latin(c.Realm) // what is hashed is what was sent
		}
		algorithm := c.Algorithm
		if n := len(algorithm) - len("-sess"); n > 0 && strings.EqualFold(algorithm[n:], "-sess") {
			session, c.Algorithm = algorithm[n:], algorithm[:n]
		} else {
			session = ""
		}
		for i, qop := range c.QOP {
			c.QOP[i] = strings.ToLower(strings.TrimSpace(qop))
		}
		if lib.CanDigest(c) && (session == "" || newHash(c.Algorithm) != nil) && (session == "" || len(c.QOP) > 0) {
			return c, session, nil
		}
		err = fmt.Errorf("the server wants a digest login of a sort that is not known here (algorithm %.40q, qop %.40q)", algorithm, strings.Join(c.QOP, ","))
	}
	if err == nil {
		err = errors.New("the server offers no digest login")
		if len(offered) > 0 {
			err = fmt.Errorf("the server offers no digest login, but %s; write the auth block of that", schemes(offered))
		}
	}
	return nil, "", err
}

// challenges takes WWW-Authenticate headers apart (RFC 9110, section 11.6.1): one may hold several challenges, with
// commas between them, and between their parameters.
func challenges(headers []string) []string {
	var found []string
	for _, header := range headers {
		if len(header) > 2*maxChallenge {
			continue
		}
		for _, part := range commas(header) {
			name, _, _ := strings.Cut(part, "=")
			if scheme, _, two := strings.Cut(strings.TrimSpace(name), " "); two || !strings.Contains(part, "=") || len(found) == 0 {
				if scheme != "" {
					found = append(found, part)
				}
				continue
			}
			found[len(found)-1] += ", " + part
		}
	}
	return found
}

// Offered names the sorts of login that an answer asks for, as errors put it; empty: it names none.
func Offered(resp *http.Response) string {
	return schemes(challenges(resp.Header.Values("WWW-Authenticate")))
}

func schemes(challenges []string) string {
	var names []string
	for _, text := range challenges {
		scheme, _, _ := strings.Cut(text, " ")
		if name := fmt.Sprintf("%.40q", scheme); !slices.Contains(names, name) && len(names) < 5 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// commas cuts a header at the commas that do not stand within quotes, and leaves out what is empty.
func commas(header string) []string {
	var parts []string
	quoted, start := false, 0
	for i := 0; i <= len(header); i++ {
		switch {
		case i == len(header) || header[i] == ',' && !quoted:
			if part := strings.TrimSpace(header[start:i]); part != "" {
				parts = append(parts, part)
			}
			start = i + 1
		case header[i] == '"':
			quoted = !quoted
		case header[i] == '\\' && quoted:
			i = min(i+1, len(header)-1)
		}
	}
	return parts
}

func newHash(algorithm string) hash.Hash {
	switch strings.ToUpper(algorithm) {
	case "", "MD5":
		return md5.New() //nolint:gosec // see above
	case "SHA-256":
		return sha256.New()
	}
	return nil
}

func sum(algorithm string, parts ...string) string {
	h := newHash(algorithm)
	_, _ = h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}
