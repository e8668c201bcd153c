package address_test

import (
	"net/url"
	"testing"

	"github.com/hookbridge/bridge/sources/address"
)

func TestOrigin(t *testing.T) {
	for a, b := range map[string]string{"http://x": "http://X:80/y", "https://x": "https://x:443", "https://[::1]/": "https://[::1]:443/z"} {
		left, _ := url.Parse(a)
		right, _ := url.Parse(b)
		if address.Origin(left) != address.Origin(right) {
			t.Errorf("%s and %s are two origins", a, b)
		}
	}
	for a, b := range map[string]string{"http://x": "https://x", "https://x": "https://x:8443", "https://x.y": "https://y"} {
		left, _ := url.Parse(a)
		right, _ := url.Parse(b)
		if address.Origin(left) == address.Origin(right) {
			t.Errorf("%s and %s are one origin", a, b)
		}
	}
}

func TestSendable(t *testing.T) {
	for given, want := range map[string]string{
		"a=1&b=%20+;%zz": "a=1&b=%20+;%zz", "$filter=a eq 'b'": "$filter=a%20eq%20'b'", "ü=\"<>\x7f\xff": "%C3%BC=%22%3C%3E%7F%FF", "": "",
	} {
		u := &url.URL{Scheme: "https", Host: "x", RawQuery: given}
		if address.Sendable(u); u.RawQuery != want {
			t.Errorf("%q becomes %q, want %q", given, u.RawQuery, want)
		}
	}
}
