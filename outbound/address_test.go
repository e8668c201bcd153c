package outbound

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
)

func networks(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func TestAddresses(t *testing.T) {
	cases := []struct {
		address string
		allow   []netip.Prefix
		refused string // the network in the error; empty: dialled
	}{
		{"93.184.216.34", nil, ""},
		{"1.1.1.1", nil, ""},
		{"172.32.0.1", nil, ""},
		{"100.128.0.1", nil, ""},
		{"2606:4700::1111", nil, ""},
		{"0.0.0.0", nil, "0.0.0.0/8"},
		{"0.1.2.3", nil, "0.0.0.0/8"},
		{"10.0.0.5", nil, "10.0.0.0/8"},
		{"100.64.0.1", nil, "100.64.0.0/10"},
		{"127.0.0.1", nil, "127.0.0.0/8"},
		{"127.255.255.254", nil, "127.0.0.0/8"},
		{"169.254.169.254", nil, "169.254.0.0/16"},
		{"172.16.0.1", nil, "172.16.0.0/12"},
		{"172.31.255.255", nil, "172.16.0.0/12"},
		{"192.0.0.1", nil, "192.0.0.0/24"},
		{"192.0.2.1", nil, "192.0.2.0/24"},
		{"192.168.1.1", nil, "192.168.0.0/16"},
		{"198.19.0.1", nil, "198.18.0.0/15"},
		{"198.51.100.1", nil, "198.51.100.0/24"},
		{"203.0.113.1", nil, "203.0.113.0/24"},
		{"224.0.0.1", nil, "224.0.0.0/4"},
		{"255.255.255.255", nil, "240.0.0.0/4"},
		{"::", nil, "::/96"},
		{"::1", nil, "::/96"},
		{"::7f00:1", nil, "::/96"},
		{"fe80::1%eth0", nil, "fe80::/10"},
		{"fec0::1", nil, "fec0::/10"},
		{"fc00::1", nil, "fc00::/7"},
		{"fd12:3456::1", nil, "fc00::/7"},
		{"ff02::1", nil, "ff00::/8"},
		{"2001:db8::1", nil, "2001:db8::/32"},
		{"3fff::1", nil, "3fff::/20"},
		{"100::1", nil, "100::/64"},
		{"::ffff:127.0.0.1", nil, "127.0.0.0/8"}, // IPv4-mapped
		{"::ffff:8.8.8.8", nil, ""},
		{"64:ff9b::10.0.0.1", nil, "10.0.0.0/8"}, // NAT64
		{"64:ff9b::8.8.8.8", nil, ""},
		{"64:ff9b:1::192.168.0.1", nil, "192.168.0.0/16"},
		{"64:ff9b:1::8.8.8.8", nil, ""},
		{"64:ff9b:1:a00:0:100::", nil, "10.0.0.0/8"}, // 10.0.0.1 behind 48 bits
		{"2002:7f00:1::1", nil, "127.0.0.0/8"},       // 6to4
		{"2002:808:808::1", nil, ""},
		{"2001:0:808:808:0:ffff:f5ff:fffe", nil, "10.0.0.0/8"}, // Teredo of 10.0.0.1
		{"2001:0:a00:1:0:ffff:f7f7:f7f7", nil, "10.0.0.0/8"},   // by the server 10.0.0.1
		{"2001:0:808:808:0:ffff:f7f7:f7f7", nil, ""},
		{"2606:4700::5efe:10.0.0.1", nil, "10.0.0.0/8"}, // ISATAP

		{"10.0.0.5", networks("10.0.0.0/8"), ""},
		{"10.0.0.5", networks("10.0.1.0/24"), "10.0.0.0/8"},
		{"10.0.0.5", networks("192.168.0.0/16", "10.0.0.5/32"), ""},
		{"::ffff:10.0.0.5", networks("10.0.0.0/8"), ""},
		{"10.0.0.5", networks("::ffff:10.0.0.0/104"), ""},
		{"64:ff9b::10.0.0.5", networks("10.0.0.0/8"), ""},
		{"64:ff9b::127.0.0.1", networks("10.0.0.0/8"), "127.0.0.0/8"},
		{"64:ff9b::10.0.0.5", networks("64:ff9b::/96"), ""},
		{"::1", networks("127.0.0.0/8"), "::/96"},
		{"::1", networks("::1/128"), ""},
		{"fe80::1%eth0", networks("fe80::/10"), ""},
		{"127.0.0.1", networks("0.0.0.0/0"), ""},
		{"10.0.0.5", networks("::/0"), "10.0.0.0/8"}, // all of IPv6 is not all
	}
	for _, c := range cases {
		err := permit(netip.MustParseAddr(c.address), unmapped(c.allow))
		var refused *RefusedError
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s allow %v: %v", c.address, c.allow, err)
		case c.refused != "" && (!errors.As(err, &refused) || refused.Network.String() != c.refused):
			t.Errorf("%s allow %v: got %v, want refused by %s", c.address, c.allow, err, c.refused)
		case err != nil && !strings.Contains(err.Error(), "allow"):
			t.Errorf("the error does not say what to do: %v", err)
		}
	}
}

// TestAddressIsCheckedWhenDialled sends to a real server by a literal, by a name and through a redirect-like change of
// configuration: what counts is where the connection goes.
func TestAddressIsCheckedWhenDialled(t *testing.T) {
	hits := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hits <- r.URL.Path }))
	defer server.Close()
	named := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	cases := []struct {
		name, url string
		allow     []netip.Prefix
		want      string // part of the error; empty: delivered
	}{
		{"literal", server.URL + "/literal", nil, "127.0.0.1 is not public (127.0.0.0/8)"},
		{"name", named + "/name", nil, "is not public"},
		{"allowed", server.URL + "/allowed", networks("127.0.0.0/8"), ""},
		{"allowed name", named + "/allowed-name", networks("127.0.0.0/8", "::1/128"), ""},
		{"other network allowed", server.URL + "/other", networks("10.0.0.0/8"), "is not public"},
		{"decimal", strings.Replace(server.URL, "127.0.0.1", "2130706433", 1), nil, ""},
		{"mapped", strings.Replace(server.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1) + "/mapped", nil, "is not public"},
		{"unspecified", strings.Replace(server.URL, "127.0.0.1", "0.0.0.0", 1) + "/unspecified", nil, "is not public"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			destination := to(1, c.url)
			destination.Allow = c.allow
			l := try(t, destination, nil)
			if c.name == "decimal" {
				if l.verdict == bridge.Delivered { // whatever the resolver makes of it
					t.Error("delivered")
				}
				return
			}
			if c.want == "" && l.verdict != bridge.Delivered || !strings.Contains(l.attempt.Error, c.want) {
				t.Errorf("got %v %q, want %q", l.verdict, l.attempt.Error, c.want)
			}
		})
	}
	close(hits)
	for path := range hits {
		if !strings.HasPrefix(path, "/allowed") {
			t.Errorf("%s was reached", path)
		}
	}
}

// TestConnectionsAreNotShared: a connection that one destination was allowed to open does not carry what another one,
// which may not go there, sends to the same host.
func TestConnectionsAreNotShared(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	l := newLedger(t)
	allowed, refused := to(1, server.URL), to(2, server.URL)
	allowed.Allow = networks("127.0.0.0/8")
	first := l.add(1, "")
	d, _ := running(t, l, Options{}, allowed, refused)
	eventually(t, func() bool { return l.count(bridge.StateDelivered) == 1 })
	second := l.add(2, "")
	d.Wake(2)
	eventually(t, func() bool { return l.attempts() == 2 })
	if len(first.tries) != 1 || first.tries[0].Error != "" || !strings.Contains(second.tries[0].Error, "not public") {
		t.Errorf("got %+v and %+v", first.tries, second.tries)
	}

	// Taking the permission away closes the connections it opened.
	allowed.Allow = nil
	if err := d.Set([]Destination{allowed, refused}); err != nil {
		t.Fatal(err)
	}
	third := l.add(1, "")
	d.Wake()
	eventually(t, func() bool { return l.attempts() == 3 })
	if !strings.Contains(third.tries[0].Error, "not public") {
		t.Errorf("after the permission went: %+v", third.tries)
	}
}
