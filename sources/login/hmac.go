package login

import (
	"context"
	stdhmac "crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // some APIs sign with it, and as an HMAC it holds
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hookbridge/bridge/configs/attr"
	"golang.org/x/net/http/httpguts"
)

// hmac signs every sending with a shared secret, by a template of what is signed. Its words are those of the signature
// of the same name.
type hmac struct {
	fixed
	hash     func() hash.Hash
	key      []byte
	encode   func([]byte) string
	text     []piece
	headers  map[string][]piece
	timeForm string
}

// piece is a literal or a place of a template.
type piece struct{ literal, place string }

// The places of a template, and how they read to a person.
var (
	signedPlaces = []string{"body", "body_sha256", "host", "id", "method", "path", "query", "ts", "url"}
	headerPlaces = append([]string{"signature"}, signedPlaces...)
)

func readHMAC(c *attr.Reader, _ Door) Login {
	l := hmac{headers: map[string][]piece{}}
	encoding := c.Word("encoding", "hex", "hex", "base64")
	switch c.Word("algorithm", "sha256", "sha256", "sha1", "sha512") {
	case "sha1":
		l.hash = sha1.New
	case "sha512":
		l.hash = sha512.New
	default:
		l.hash = sha256.New
	}
	if l.encode = hex.EncodeToString; encoding == "base64" {
		l.encode = base64.StdEncoding.EncodeToString
	}
	var err error
	secret := c.RequiredSecret("secret").Reveal()
	switch form := c.Word("key", "text", "text", "hex", "base64"); form {
	case "text":
		l.key = []byte(secret)
	case "hex":
		l.key, err = hex.DecodeString(secret)
	default:
		l.key, err = base64.StdEncoding.DecodeString(secret)
	}
	if err != nil {
		c.Errorf(c.Range("secret"), "Invalid secret", "The secret is not written as key says; copy it again, whole, or change key.")
	}
	l.text = template(c, "sign", c.String("sign", "{method}\n{path}\n{query}\n{ts}\n{body_sha256}"), signedPlaces)
	name := c.Required("header")
	if before := c.Errors(); name != "" {
		l.header(c, "header", name, c.String("value", "{signature}"))
		if !uses(l.headers[http.CanonicalHeaderKey(name)], "signature") && c.Errors() == before {
			c.Errorf(c.Range("value"), "No signature", "value is what the header is sent with; put {signature} into it.")
		}
	}
	others := c.StringMap("headers")
	for _, other := range slices.Sorted(maps.Keys(others)) {
		l.header(c, "headers", other, others[other])
	}
	t := c.Child(c.Block("time", 0), "time")
	l.timeForm = t.Word("format", "s", "s", "ms", "rfc3339", "http")
	return l
}

func (l *hmac) header(c *attr.Reader, attribute, name, value string) {
	key := http.CanonicalHeaderKey(name)
	switch {
	case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
		c.Errorf(c.Range(attribute), "Invalid header", "The header %q has a name or a value that HTTP does not allow.", name)
	case reserved(c, attribute, name):
	case l.headers[key] != nil:
		c.Errorf(c.Range(attribute), "Duplicate header", "The header %q is the one of the signature.", name)
	default:
		l.headers[key] = template(c, attribute, value, headerPlaces)
		if uses(l.headers[key], "body") {
			c.Errorf(c.Range(attribute), "Invalid header", "The header %q cannot hold a body; {body_sha256} is its hash.", name)
		}
	}
}

// template reads text with places in braces. A brace that is none of them is a mistake; "{{" is how to write a brace.
func template(c *attr.Reader, attribute, text string, places []string) []piece {
	pieces := []piece{}
	literal := ""
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		literal += before
		if !found {
			break
		}
		if strings.HasPrefix(rest, "{") {
			literal += "{"
			text = rest[1:]
			continue
		}
		place, after, closed := strings.Cut(rest, "}")
		if !closed || !slices.Contains(places, place) {
			hint := "There is {" + strings.Join(places, "}, {") + "}; a brace itself is written {{."
			if near := attr.Suggest(place, places); closed && near != "" {
				hint = fmt.Sprintf("Did you mean {%s}? ", near) + hint
			}
			c.Errorf(c.Range(attribute), "Unknown place", "A place in braces is not known here. %s", hint)
			return pieces
		}
		pieces = append(pieces, piece{literal: literal, place: place})
		literal, text = "", after
	}
	return append(pieces, piece{literal: literal})
}

func uses(pieces []piece, place string) bool {
	return slices.ContainsFunc(pieces, func(p piece) bool { return p.place == place })
}

func (hmac) Kind() string { return "hmac" }

func (l hmac) Apply(_ context.Context, req *http.Request) error {
	signLater(req, l)
	return nil
}

func (l hmac) sign(req *http.Request) error { return l.signAt(req, time.Now(), rand.Text()) }

// signAt signs what is sent: the path and the query as they stand in the request line.
func (l hmac) signAt(req *http.Request, now time.Time, id string) error {
	body, err := content(req)
	if err != nil {
		return err
	}
	bodySum := sha256.Sum256(body)
	values := map[string]string{
		"body": string(body), "body_sha256": l.encode(bodySum[:]),
		"host": req.URL.Host, "method": req.Method, "path": path(req), "query": req.URL.RawQuery, "url": req.URL.String(),
		"id": id, "ts": l.timestamp(now),
	}
	mac := stdhmac.New(l.hash, l.key)
	_, _ = mac.Write([]byte(fill(l.text, values)))
	values["signature"] = l.encode(mac.Sum(nil))
	for name, pieces := range l.headers {
		req.Header.Set(name, fill(pieces, values))
	}
	return nil
}

func path(req *http.Request) string {
	if p := req.URL.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

func fill(pieces []piece, values map[string]string) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.literal)
		b.WriteString(values[p.place])
	}
	return b.String()
}

func (l hmac) timestamp(now time.Time) string {
	switch l.timeForm {
	case "ms":
		return strconv.FormatInt(now.UnixMilli(), 10)
	case "rfc3339":
		return now.UTC().Format(time.RFC3339)
	case "http":
		return now.UTC().Format(http.TimeFormat)
	}
	return strconv.FormatInt(now.Unix(), 10)
}
