package signature

import (
	"crypto/sha1" //nolint:gosec // HMAC-SHA1 is what some senders have; it is not broken
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/hookbridge/bridge"
)

// HMAC is a dialect by its axes, for senders that the table does not know. Every row of the table is one too.
type HMAC struct {
	Algorithm Algorithm // default SHA256
	Key       Encoding  // how a secret is written; default Text: its bytes are the key
	KeyPrefix string    // of a secret, taken off before it is decoded
	Sign      string    // what is signed: literals, {id}, {ts}, {body}, {url}, {method}; default {body}
	Header    string    // of the signature; required. A name that ends with * stands for all that begin like it
	Prefix    string    // of each signature: sha256=, or v1= in a list of named parts
	Separator string    // between the signatures of a list; default: there is only one
	Encoding  Encoding  // of a signature; default Hex
	Time      Timestamp // when it was signed; default: nothing says so
	ID        Identity  // of the delivery; default: nothing says so
}

// Timestamp is where the time of signing stands: in one of three places, or nowhere.
type Timestamp struct {
	Header    string        // a header of its own
	Part      string        // prefix of a part of the signature header: t=
	Path      string        // dotted names in a JSON body, which must then be signed
	Format    TimeFormat    // default Seconds
	Tolerance time.Duration // to our clock, both ways; 0: it is signed, and not compared
}

// Identity is where the sender's id of a delivery stands, for the recognition of redeliveries.
type Identity struct {
	Header string
	Path   string // dotted names in a JSON body
}

// Algorithm is how a signature is made.
type Algorithm string

// The algorithms. Token is none: the secret itself is sent.
const (
	SHA1    Algorithm = "sha1"
	SHA256  Algorithm = "sha256"
	SHA512  Algorithm = "sha512"
	Ed25519 Algorithm = "ed25519"
	ECDSA   Algorithm = "ecdsa" // P-256 over SHA-256, signatures in DER
	Token   Algorithm = "token"
)

// Encoding is how bytes are written as text.
type Encoding string

// The encodings.
const (
	Text   Encoding = "text" // as they are
	Hex    Encoding = "hex"
	Base64 Encoding = "base64" // standard alphabet, padded
)

// TimeFormat is how a time is written.
type TimeFormat string

// The formats of a time.
const (
	Seconds      TimeFormat = "s"  // since 1970
	Milliseconds TimeFormat = "ms" // since 1970
	RFC3339      TimeFormat = "rfc3339"
)

// DefaultTolerance is how far the clocks of sender and receiver may be apart where a dialect compares them.
const DefaultTolerance = 5 * time.Minute

// row is a dialect made ready to be used. It never changes.
type row struct {
	HMAC
	name   string
	secret func(bridge.Secret) (Key, error) // reads a key where Key and Algorithm do not say how
	late   bool                             // only what is too old is refused, not what is too new
	url    func(string) string              // respells an address before it is signed
	check  func(secret string) error        // what else a secret must be
	scope  string                           // header within whose values an id is unique
	note   string                           // what to do about a secret that does not fit
	text   template
	glob   bool
}

// NewHMAC makes a dialect of axes that somebody configured. Its error says which axis is wrong.
func NewHMAC(axes HMAC) (Dialect, error) { return row{HMAC: axes, name: "hmac"}.compile() }

// NewToken is the dialect token with a header of your choice.
func NewToken(header string) (Dialect, error) {
	return row{name: "token", check: checkToken, HMAC: HMAC{Algorithm: Token, Header: header, Encoding: Text}}.compile()
}

var (
	headerName = regexp.MustCompile("^[!#$%&'+.^_`|~0-9A-Za-z-]+$")
	dottedPath = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
)

// compile fills in what is left out and reports every mistake.
func (r row) compile() (Dialect, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	choose(&r.Algorithm, problem, "algorithm", SHA256, SHA1, SHA512, Ed25519, ECDSA, Token)
	choose(&r.Key, problem, "key", Text, Hex, Base64)
	choose(&r.Encoding, problem, "encoding", Hex, Base64, Text)
	choose(&r.Time.Format, problem, "time format", Seconds, Milliseconds, RFC3339)
	if r.Sign == "" {
		r.Sign = placeBody
	}
	var err error
	if r.text, err = parseTemplate(r.Sign); err != nil {
		problems = append(problems, err)
	}
	name := func(what string, value *string) {
		if *value != "" && !headerName.MatchString(*value) {
			problem("%s %q cannot be the name of a header", what, *value)
		}
		*value = http.CanonicalHeaderKey(*value)
	}
	r.Header, r.glob = strings.CutSuffix(r.Header, "*")
	if r.Header == "" {
		problem("header is required: the name of the one that holds the signature")
	}
	name("header", &r.Header)
	name("time header", &r.Time.Header)
	name("id header", &r.ID.Header)
	if r.glob {
		r.Header += "*"
	}
	for what, path := range map[string]string{"time path": r.Time.Path, "id path": r.ID.Path} {
		if path != "" && !dottedPath.MatchString(path) {
			problem("%s %q is not a list of names with dots between them", what, path)
		}
	}
	places := 0
	for _, place := range []string{r.Time.Header, r.Time.Part, r.Time.Path} {
		if place != "" {
			places++
		}
	}
	switch {
	case places > 1:
		problem("the time stands in one place: a header, a part or a path")
	case places == 0 && (r.text.uses(placeTime) || r.Time.Tolerance != 0):
		problem("nothing says where the time stands; name its header, its part or its path")
	case r.Time.Path != "" && r.text.uses(placeTime):
		problem("a time that stands in the body is signed with it; take {ts} out of what is signed")
	case (r.Time.Header != "" || r.Time.Part != "") && !r.text.uses(placeTime):
		problem("the time is not signed, so that anybody could change it; put {ts} into what is signed")
	}
	if r.Time.Part != "" && r.Separator == "" {
		problem("a part needs a separator between it and the signatures")
	}
	if r.Time.Tolerance < 0 {
		problem("tolerance %s is negative", r.Time.Tolerance)
	}
	if r.ID.Header != "" && r.ID.Path != "" {
		problem("the id stands in one place: a header or a path")
	}
	if r.text.uses(placeID) && r.ID.Header == "" {
		problem("{id} is signed, and no header of the id is named")
	}
	if (r.Algorithm == Ed25519 || r.Algorithm == ECDSA) && r.Key == Text && r.secret == nil {
		problem("a key of algorithm %q is written in hex or base64", r.Algorithm)
	}
	if r.Encoding == Text && r.Algorithm != Token {
		problem("a signature is written in hex or base64")
	}
	if len(problems) > 0 {
		return Dialect{}, errors.Join(problems...)
	}
	return Dialect{&r}, nil
}

// choose sets what is empty to the first choice.
func choose[T ~string](value *T, problem func(string, ...any), what string, choices ...T) {
	if *value == "" {
		*value = choices[0]
	}
	words := make([]string, len(choices))
	for i, choice := range choices {
		if *value == choice {
			return
		}
		words[i] = string(choice)
	}
	problem("%s %q is not known; use one of %s", what, *value, strings.Join(words, ", "))
}

// key reads a secret.
func (r *row) key(secret bridge.Secret) (Key, error) {
	key, err := r.read(secret)
	if err != nil && r.note != "" {
		err = fmt.Errorf("%w (%s)", err, r.note)
	}
	return key, err
}

func (r *row) read(secret bridge.Secret) (Key, error) {
	if secret.Empty() {
		return Key{}, errors.New("the secret is empty; copy it from where the sender shows it")
	}
	if r.secret != nil {
		return r.secret(secret)
	}
	value, found := strings.CutPrefix(secret.Reveal(), r.KeyPrefix)
	if !found {
		return Key{}, fmt.Errorf("a secret starts with %s", r.KeyPrefix)
	}
	if strings.TrimSpace(value) != value { // as of a file read whole; as a key it would never match
		return Key{}, errors.New("the secret begins or ends with white space; remove it, trimspace(…) does")
	}
	raw, ok := r.Key.decode(value)
	if !ok || len(raw) == 0 {
		return Key{}, fmt.Errorf("the secret is not %s; copy it again, whole and without line breaks", r.Key)
	}
	switch r.Algorithm {
	case SHA1:
		return Key{scheme: newShared(sha1.New, raw)}, nil
	case SHA512:
		return Key{scheme: newShared(sha512.New, raw)}, nil
	case Ed25519:
		return edKey(raw)
	case ECDSA:
		return curveKey(raw)
	case Token:
		if r.check != nil {
			if err := r.check(string(raw)); err != nil {
				return Key{}, err
			}
		}
		return Key{scheme: token{string(raw)}}, nil
	}
	return Key{scheme: newShared(sha256.New, raw)}, nil
}

// checkToken refuses what could not travel in a header as it is.
func checkToken(secret string) error {
	for i := range len(secret) {
		if c := secret[i]; c <= ' ' || c > '~' {
			return errors.New("a token has no spaces, line breaks or letters beyond ASCII; copy it again, whole")
		}
	}
	return nil
}

func checkBasic(secret string) error {
	if name, password, ok := strings.Cut(secret, ":"); !ok || name == "" || password == "" {
		return errors.New("the secret is written user:password")
	}
	return nil
}

// several reports whether a message may carry more than one signature.
func (r *row) several() bool { return r.glob || r.Separator != "" }

func (r *row) carries(header string) bool {
	if r.glob {
		return strings.HasPrefix(header, strings.TrimSuffix(r.Header, "*"))
	}
	return header == r.Header
}

func (r *row) address(url string) string {
	if r.url != nil {
		return r.url(url)
	}
	return url
}

func (e Encoding) append(out, raw []byte) []byte {
	switch e {
	case Hex:
		return hex.AppendEncode(out, raw)
	case Base64:
		return base64.StdEncoding.AppendEncode(out, raw)
	}
	return append(out, raw...)
}

func (e Encoding) decode(text string) ([]byte, bool) {
	switch e {
	case Hex:
		raw, err := hex.DecodeString(text)
		return raw, err == nil
	case Base64:
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		return raw, err == nil && !strings.ContainsAny(text, "\r\n") // which the decoder skips
	}
	return []byte(text), true
}

func (t Timestamp) format(at time.Time) string {
	switch t.Format {
	case Milliseconds:
		return strconv.FormatInt(at.UnixMilli(), 10)
	case RFC3339:
		return at.UTC().Format(time.RFC3339)
	}
	return strconv.FormatInt(at.Unix(), 10)
}

// check reads a time and holds it against our clock, in the unit it is written in.
func (t Timestamp) check(value string, now time.Time, late bool) (time.Time, *RefusedError) {
	at, unit, ok := t.parse(value)
	if !ok {
		return time.Time{}, refuse(Malformed, "the time is not in the form %q", t.Format)
	}
	off := now.Truncate(unit).Sub(at)
	switch {
	case t.Tolerance == 0:
	case off > t.Tolerance:
		return time.Time{}, refuse(Stale, "stale by %s, at most %s is allowed; check the clocks of both sides", off, t.Tolerance)
	case off < -t.Tolerance && !late:
		return time.Time{}, refuse(Early, "early by %s, at most %s is allowed; check the clocks of both sides", -off, t.Tolerance)
	}
	return at, nil
}

func (t Timestamp) parse(value string) (at time.Time, unit time.Duration, ok bool) {
	if t.Format == RFC3339 {
		at, err := time.Parse(time.RFC3339, value)
		return at, time.Millisecond, err == nil
	}
	if value == "" || len(value) > 16 { // far beyond any clock, far below what overflows
		return at, 0, false
	}
	var n int64
	for i := range len(value) {
		c := value[i]
		if c < '0' || c > '9' {
			return at, 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if t.Format == Milliseconds {
		return time.UnixMilli(n).UTC(), time.Millisecond, true
	}
	return time.Unix(n, 0).UTC(), time.Second, true
}

// lookup returns the text or the number at a path of a JSON body.
func lookup(body []byte, path string) (string, bool) {
	if !gjson.ValidBytes(body) {
		return "", false
	}
	switch v := gjson.GetBytes(body, path); v.Type {
	case gjson.String:
		return v.Str, v.Str != ""
	case gjson.Number:
		return v.Raw, true
	}
	return "", false
}
