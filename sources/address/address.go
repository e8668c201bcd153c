// Package address knows what the addresses of all sources that speak HTTP have in common.
package address

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
)

// Read reads a required attribute that is an absolute URL of http or https; nil, and a diagnostic, where it is not one.
// Its fragment is dropped, because no server is sent one, and its host is in lower case.
func Read(r *attr.Reader, name string) *url.URL {
	text := r.Required(name)
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		r.Errorf(r.Range(name), "Invalid URL", "%s is not a URL.", name)
	case u.Scheme != "http" && u.Scheme != "https":
		r.Errorf(r.Range(name), "Invalid URL", "%s must begin with http:// or https://.", name)
	case u.Hostname() == "":
		r.Errorf(r.Range(name), "Invalid URL", "%s names no host.", name)
	default:
		u.Host, u.Fragment, u.RawFragment = strings.ToLower(u.Host), "", "" // a host is signed as it is sent: by most in lower case
		Sendable(u)
		return u
	}
	return nil
}

// Sendable writes what stands in a query and no request line can carry, such as a space, as browsers do (WHATWG URL,
// section 1.3).
func Sendable(u *url.URL) {
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '<' && c != '>' }
	var b strings.Builder
	for i := range len(u.RawQuery) {
		if c := u.RawQuery[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	u.RawQuery = b.String()
}

// Origin is scheme, host and port, the port written out (RFC 6454). What is meant for one origin is not shown to another.
func Origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		switch u.Scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		}
	}
	return strings.ToLower(u.Scheme) + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// With sets one parameter of the query and leaves all others as they are written.
func With(base *url.URL, name, value string) *url.URL {
	u := *base
	var kept []string
	for part := range strings.SplitSeq(base.RawQuery, "&") {
		key, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(key); part != "" && (err != nil || plain != name) {
			kept = append(kept, part)
		}
	}
	u.RawQuery = strings.Join(append(kept, url.QueryEscape(name)+"="+url.QueryEscape(value)), "&")
	return &u
}
