package soap

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the profile wants SHA-1
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/block"
)

// The namespaces and names of WS-Security 1.1 and its UsernameToken Profile.
const (
	secext   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	utility  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	profile  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#"
	encoding = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)

// usernameToken is how a message says who sends it (UsernameToken Profile 1.1, section 3).
type usernameToken struct {
	username string
	password bridge.Secret
	digest   bool
	valid    time.Duration // for which a message is; 0: it does not say
}

// readSecurity reads the security block; nil without one.
func readSecurity(r *attr.Reader) *usernameToken {
	b := r.Block("security", 1)
	if b == nil || !block.Choice(r, b, "security", []string{"username_token"}) {
		return nil
	}
	c := r.Child(b, `security "username_token"`)
	return &usernameToken{
		username: c.Required("username"),
		password: c.RequiredSecret("password"),
		digest:   c.Word("type", "text", "text", "digest") == "digest",
		valid:    c.Duration("timestamp", 0, time.Second),
	}
}

// secure puts the token into the header of an envelope. A digest is good for one message: its nonce and its time are new
// each time, and of the same length.
func (v *version) secure(envelope []byte, token *usernameToken) ([]byte, error) {
	o, err := v.outline(envelope, false)
	if err != nil {
		return nil, err
	}
	if o.secured {
		return nil, errors.New("the envelope has a Security header of its own; remove it or the security block")
	}
	var nonce [16]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, err
	}
	content, err := v.security(token, nonce[:], time.Now())
	if err != nil {
		return nil, err
	}
	return o.insert(envelope, content), nil
}

// security is the element that carries the token. It must be understood: a server that would pass it over is to say so.
func (v *version) security(token *usernameToken, nonce []byte, now time.Time) (string, error) {
	username, err := escape(token.username)
	if err != nil {
		return "", errors.New("the username of security holds a character that XML cannot carry")
	}
	created := stamp(now)
	var b strings.Builder
	b.WriteString(`<wsse:Security xmlns:wsse="` + secext + `" xmlns:wsu="` + utility + `" xmlns:env="` + v.namespace + `" env:mustUnderstand="1">`)
	if token.valid > 0 {
		b.WriteString(`<wsu:Timestamp wsu:Id="Timestamp"><wsu:Created>` + created + `</wsu:Created><wsu:Expires>` + stamp(now.Add(token.valid)) + `</wsu:Expires></wsu:Timestamp>`)
	}
	b.WriteString(`<wsse:UsernameToken wsu:Id="UsernameToken"><wsse:Username>` + username + `</wsse:Username>`)
	if token.digest {
		b.WriteString(`<wsse:Password Type="` + profile + `PasswordDigest">` + digest(nonce, created, token.password.Reveal()) + `</wsse:Password>` +
			`<wsse:Nonce EncodingType="` + encoding + `">` + base64.StdEncoding.EncodeToString(nonce) + `</wsse:Nonce>` +
			`<wsu:Created>` + created + `</wsu:Created>`)
	} else {
		password, err := escape(token.password.Reveal())
		if err != nil {
			return "", errors.New("the password of security holds a character that XML cannot carry")
		}
		b.WriteString(`<wsse:Password Type="` + profile + `PasswordText">` + password + `</wsse:Password>`)
	}
	b.WriteString(`</wsse:UsernameToken></wsse:Security>`)
	return b.String(), nil
}

// stamp writes a time as XML Schema does, always as long.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// digest is Base64(SHA-1(nonce + created + password)), the nonce as the bytes it stands for.
func digest(nonce []byte, created, password string) string {
	h := sha1.New() //nolint:gosec // the profile wants SHA-1
	h.Write(nonce)
	h.Write([]byte(created + password))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
