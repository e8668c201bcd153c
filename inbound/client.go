package inbound

import (
	"net/http"
	"net/netip"
	"strings"
)

// client is the address a request came from: that of the connection, or, as far as trusted proxies vouch for it, what
// they say in X-Forwarded-For. Only what a trusted proxy appended counts, so it is read from the right. The zero
// address is what cannot be told.
func client(r *http.Request, trusted []netip.Prefix) netip.Addr {
	at := parseAddr(r.RemoteAddr)
	if !within(at, trusted) {
		return at
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(at, trusted); i-- {
		hop := strings.TrimSpace(hops[i])
		if hop == "" {
			continue
		}
		at = parseAddr(hop)
	}
	return at
}

// parseAddr reads an address with or without a port.
func parseAddr(text string) netip.Addr {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().WithZone("")
	}
	at, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return at.Unmap().WithZone("")
}

func within(at netip.Addr, networks []netip.Prefix) bool {
	if !at.IsValid() {
		return false
	}
	for _, network := range networks {
		if network.Contains(at) {
			return true
		}
	}
	return false
}
