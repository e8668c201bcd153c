// Package signature signs what goes out and verifies what comes in. One table of dialects serves both directions, so
// that what we send can be checked by the same rows that check what others send.
package signature

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
)

// Dialect is one way of signing a message: what is signed, with which kind of key, and where the parts travel. The zero
// Dialect signs nothing and refuses everything.
type Dialect struct{ row *row }

// Find returns the dialect of that name. The generic one has none: see NewHMAC.
func Find(name string) (Dialect, bool) {
	for _, d := range dialects {
		if d.row.name == name {
			return d, true
		}
	}
	return Dialect{}, false
}

// Names are the names that Find knows.
func Names() []string {
	names := make([]string, len(dialects))
	for i, d := range dialects {
		names[i] = d.row.name
	}
	return names
}

// Standard is Standard Webhooks: HMAC-SHA256 (v1) and ed25519 (v1a).
var Standard, _ = Find("standard")

// Request is what a receiver got, as far as signatures go.
type Request struct {
	Method string
	URL    string // our public address of it, with path and query as received; never from Host, which a caller controls
	Header http.Header
	Body   []byte // as received
}

// Verified is what a good signature vouches for.
type Verified struct {
	ID   string    // the sender's id of the delivery, the same on a redelivery; empty where it has none
	At   time.Time // when it was signed; zero where the dialect does not say
	Weak string    // what is wrong with the key that matched, such as that it is short; empty: nothing
}

// Message is what is to be signed.
type Message struct {
	ID     string
	At     time.Time // of the attempt
	Method string
	URL    string
	Body   []byte
}

// Header is a header of a signed message. Name is in canonical form.
type Header struct{ Name, Value string }

// Name is the dialect's name, as in a configuration.
func (d Dialect) Name() string {
	if d.row == nil {
		return ""
	}
	return d.row.name
}

// Signs reports whether messages can be signed in this dialect. Where the time of signing stands inside the body they
// cannot, because a signature never touches a body.
func (d Dialect) Signs() bool { return d.row != nil && d.row.Time.Path == "" }

// NeedsURL reports whether the address is signed, so that a receiver must know its public one.
func (d Dialect) NeedsURL() bool { return d.row != nil && d.row.text.uses(placeURL) }

// Headers are the names of the headers it sets and reads, in canonical form, the one of the signature first. A name
// that ends with * stands for all that begin like it.
func (d Dialect) Headers() []string {
	if d.row == nil {
		return nil
	}
	all := []string{d.row.Header}
	for _, name := range []string{d.row.Time.Header, d.row.ID.Header} {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// TimeHeader is the header that the time of signing has for itself; empty where it has none.
func (d Dialect) TimeHeader() string {
	if d.row == nil {
		return ""
	}
	return d.row.Time.Header
}

// Owns reports whether the header of that name is one of those the dialect sets.
func (d Dialect) Owns(header string) bool {
	return d.Carries(header) || slices.Contains(d.Headers(), http.CanonicalHeaderKey(header))
}

// Carries reports whether the header of that name holds the signature, or the secret itself, and so is not for logs.
func (d Dialect) Carries(header string) bool {
	return d.row != nil && d.row.carries(http.CanonicalHeaderKey(header))
}

// Keys parses secrets in the form this dialect has them. Its error says which one is wrong, counting from 1, and never
// contains a secret.
func (d Dialect) Keys(secrets []bridge.Secret) ([]Key, error) {
	if d.row == nil {
		return nil, fmt.Errorf("no dialect was chosen; use one of %s", strings.Join(Names(), ", "))
	}
	keys := make([]Key, len(secrets))
	for i, secret := range secrets {
		key, err := d.row.key(secret)
		if err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
		keys[i] = key
	}
	return keys, nil
}

// Sign returns the headers to send with a message. Where the header is a list every key that can sign does, in the
// order of keys, so that a receiver which knows any of them accepts the message; where it is not, only the first does.
func (d Dialect) Sign(keys []Key, m Message) ([]Header, error) {
	if !d.Signs() {
		return nil, fmt.Errorf("sign %s: messages cannot be signed in this dialect; choose another", d.Name())
	}
	return d.row.sign(keys, m)
}

func (r *row) sign(keys []Key, m Message) ([]Header, error) {
	at := r.Time.format(m.At)
	signed := r.text.fill(values{id: m.ID, time: at, url: r.address(m.URL), method: m.Method}, m.Body)
	headers := make([]Header, 0, 3)
	if r.ID.Header != "" && m.ID != "" {
		headers = append(headers, Header{r.ID.Header, m.ID})
	}
	if r.Time.Header != "" {
		headers = append(headers, Header{r.Time.Header, at})
	}
	list := make([]byte, 0, 64*len(keys))
	if r.Time.Part != "" {
		list = append(append(list, r.Time.Part...), at...)
	}
	count := 0
	for _, key := range keys {
		if !key.CanSign() || count > 0 && !r.several() {
			continue
		}
		count++
		value, err := key.scheme.sign(signed)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", r.name, err)
		}
		if r.glob {
			one := r.Encoding.append([]byte(key.prefixOr(r.Prefix)), value)
			headers = append(headers, Header{strings.TrimSuffix(r.Header, "*") + strconv.Itoa(count), string(one)})
			continue
		}
		if len(list) > 0 {
			list = append(list, r.Separator...)
		}
		list = append(list, key.prefixOr(r.Prefix)...)
		list = r.Encoding.append(list, value)
	}
	if count == 0 {
		return nil, fmt.Errorf("sign %s: none of the keys can sign; a public key only verifies", r.name)
	}
	if !r.glob {
		headers = append(headers, Header{r.Header, string(list)})
	}
	return headers, nil
}

// Limits on what a stranger may make us look at before anything is verified.
const (
	maxSignatures = 8 << 10 // bytes of all signature headers together
	maxPart       = 256     // bytes of an id or a time
	maxPublic     = 8       // signatures that are checked with one public key, which is slow
)

// Verify reports whether a request carries a signature by one of the keys that is no older or newer than the dialect
// allows. Any match wins; versions nobody here speaks are passed over, and never trusted. Its error is a *RefusedError.
func (d Dialect) Verify(keys []Key, request Request, now time.Time) (Verified, error) {
	r := d.row
	if r == nil {
		return Verified{}, &RefusedError{Cause: Misconfigured, Reason: "no dialect was chosen"}
	}
	v, err := r.verify(keys, request, now)
	if err != nil {
		err.Dialect = r.name
		return Verified{}, err
	}
	return v, nil
}

func (r *row) verify(keys []Key, request Request, now time.Time) (v Verified, refused *RefusedError) {
	given := values{method: request.Method}
	if r.text.uses(placeURL) {
		if request.URL == "" {
			return v, refuse(Misconfigured, "the address is signed, and nobody told what it is; set public_url")
		}
		given.url = r.address(request.URL)
	}
	if r.ID.Header != "" {
		given.id = request.Header.Get(r.ID.Header)
		switch {
		case given.id == "" && r.text.uses(placeID):
			return v, missing(r.ID.Header)
		case len(given.id) > maxPart:
			return v, oversized(r.ID.Header, len(given.id), maxPart)
		}
	}
	items, refused := r.items(request.Header)
	if refused != nil {
		return v, refused
	}
	if given.time, refused = r.stamp(request.Header, items); refused != nil {
		return v, refused
	}
	if r.Time.Header != "" || r.Time.Part != "" {
		if v.At, refused = r.Time.check(given.time, now, r.late); refused != nil {
			return v, refused
		}
	}
	key := r.match(keys, items, r.text.fill(given, request.Body))
	if key == nil {
		return v, refuse(Mismatch, "no signature matches; check that both sides have the same secret and that the body was not re-encoded on its way")
	}
	v.ID, v.Weak = given.id, key.weak
	if r.Time.Path != "" { // inside the body, which nobody reads before it is verified
		text, ok := lookup(request.Body, r.Time.Path)
		if !ok {
			return v, refuse(Missing, "the body has no %s", r.Time.Path)
		}
		if v.At, refused = r.Time.check(text, now, r.late); refused != nil {
			return v, refused
		}
	}
	if r.scope != "" && v.ID != "" {
		if scope := request.Header.Get(r.scope); scope != "" && len(scope) <= maxPart {
			v.ID = scope + " " + v.ID
		}
	}
	if r.ID.Path != "" {
		if v.ID, _ = lookup(request.Body, r.ID.Path); len(v.ID) > maxPart {
			v.ID = ""
		}
	}
	return v, nil
}

// items are what stands between the separators of the signature headers.
func (r *row) items(header http.Header) ([]string, *RefusedError) {
	lines := header[r.Header]
	if r.glob {
		var names []string
		for name := range header {
			if r.carries(name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			lines = append(lines, header[name]...)
		}
	}
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	if size == 0 {
		return nil, missing(r.Header)
	}
	if size > maxSignatures {
		return nil, oversized(r.Header, size, maxSignatures)
	}
	if r.Separator == "" {
		return lines, nil
	}
	var items []string
	for _, line := range lines {
		for item := range strings.SplitSeq(line, r.Separator) {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
	}
	return items, nil
}

// stamp is the time of signing as it was sent, where it stands outside the body.
func (r *row) stamp(header http.Header, items []string) (string, *RefusedError) {
	var text string
	switch {
	case r.Time.Header != "":
		if text = header.Get(r.Time.Header); text == "" {
			return "", missing(r.Time.Header)
		}
	case r.Time.Part != "":
		found := 0
		for _, item := range items {
			if value, ok := strings.CutPrefix(item, r.Time.Part); ok {
				text = value
				found++
			}
		}
		switch {
		case found > 1:
			return "", refuse(Malformed, "header %s has several times", strings.ToLower(r.Header))
		case text == "":
			return "", refuse(Missing, "header %s has no %s", strings.ToLower(r.Header), r.Time.Part)
		}
	}
	if len(text) > maxPart {
		return "", oversized(r.Time.Header+r.Time.Part, len(text), maxPart)
	}
	return text, nil
}

// match returns the key that one of the items is a signature by, or nil.
func (r *row) match(keys []Key, items []string, signed text) *Key {
	for i := range keys {
		if keys[i].scheme == nil {
			continue // the zero Key matches nothing
		}
		prefix := keys[i].prefixOr(r.Prefix)
		var candidates [][]byte
		for _, item := range items {
			if len(item) <= len(prefix) || !strings.EqualFold(item[:len(prefix)], prefix) {
				continue
			}
			if value, ok := r.Encoding.decode(item[len(prefix):]); ok {
				candidates = append(candidates, value)
			}
		}
		if len(candidates) > 0 && keys[i].scheme.matches(signed, candidates) {
			return &keys[i]
		}
	}
	return nil
}

// Verify checks a message in the Standard dialect.
func Verify(keys []Key, header http.Header, body []byte, now time.Time) error {
	_, err := Standard.Verify(keys, Request{Header: header, Body: body}, now)
	return err
}
