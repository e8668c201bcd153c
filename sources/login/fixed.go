package login

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"golang.org/x/net/http/httpguts"
)

// fixed is a login that stays what it is: once refused, there is nothing to try again.
type fixed struct{}

func (fixed) Renew(*http.Response) (bool, error) { return false, nil }
func (fixed) Credentials() []string              { return nil }

type basic struct {
	username string
	password bridge.Secret
}

func readBasic(c *attr.Reader, _ Door) Login {
	b := basic{username: c.Required("username"), password: c.Secret("password")}
	if strings.Contains(b.username, ":") {
		c.Errorf(c.Range("username"), "Invalid username", "A username of this login has no colon in it: the password would begin there (RFC 7617).")
	}
	return b
}

func (basic) Kind() string { return "basic" }
func (b basic) Apply(_ context.Context, req *http.Request) error {
	req.SetBasicAuth(b.username, b.password.Reveal())
	return nil
}

// Renew says where the server takes something else.
func (basic) Renew(resp *http.Response) (bool, error) {
	if resp.StatusCode != http.StatusUnauthorized {
		return false, nil
	}
	if offered := Offered(resp); offered != "" && !strings.Contains(strings.ToLower(offered), `"basic"`) {
		return false, fmt.Errorf("the server offers no basic login, but %s; write the auth block of that", offered)
	}
	return false, nil
}

func (b basic) Credentials() []string {
	return []string{base64.StdEncoding.EncodeToString([]byte(b.username + ":" + b.password.Reveal()))}
}

type bearer struct {
	fixed
	token bridge.Secret
}

func readBearer(c *attr.Reader, _ Door) Login {
	b := bearer{token: c.RequiredSecret("token")}
	if !httpguts.ValidHeaderFieldValue(b.token.Reveal()) {
		c.Errorf(c.Range("token"), "Invalid token", "The token holds characters that a header cannot carry; copy it again, in one line.")
	}
	return b
}

func (bearer) Kind() string { return "bearer" }
func (b bearer) Apply(_ context.Context, req *http.Request) error {
	req.Header.Set("Authorization", "Bearer "+b.token.Reveal())
	return nil
}

type header struct {
	fixed
	name  string
	value bridge.Secret
}

func readHeader(c *attr.Reader, _ Door) Login {
	h := header{name: c.Required("name"), value: c.RequiredSecret("value")}
	if h.name != "" && !httpguts.ValidHeaderFieldName(h.name) {
		c.Errorf(c.Range("name"), "Invalid header", "%q is not the name of a header.", h.name)
	}
	reserved(c, "name", h.name)
	if !httpguts.ValidHeaderFieldValue(h.value.Reveal()) {
		c.Errorf(c.Range("value"), "Invalid header", "The value holds characters that a header cannot carry.")
	}
	return h
}

// reserved reports whether a header is none that a login may set, and notes it.
func reserved(c *attr.Reader, attribute, name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Accept-Encoding", "Connection", "Content-Length", "Host", "If-Modified-Since", "If-None-Match", "Range", "Trailer", "Transfer-Encoding":
		c.Errorf(c.Range(attribute), "Reserved header", "The header %q is set by hookbridge itself; a login needs another one.", name)
		return true
	}
	return false
}

func (header) Kind() string { return "header" }
func (h header) Apply(_ context.Context, req *http.Request) error {
	req.Header.Set(h.name, h.value.Reveal())
	return nil
}

type query struct {
	fixed
	name  string
	value bridge.Secret
}

func readQuery(c *attr.Reader, _ Door) Login {
	return query{name: c.Required("name"), value: c.RequiredSecret("value")}
}

func (query) Kind() string { return "query" }
func (q query) Apply(_ context.Context, req *http.Request) error {
	req.URL = address.With(req.URL, q.name, q.value.Reveal())
	return nil
}
