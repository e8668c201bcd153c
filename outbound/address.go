package outbound

import (
	"fmt"
	"net/netip"
	"syscall"
)

// special are the networks that no public receiver lives in: what IANA's special-purpose registries do not call
// globally reachable, multicast, and what was deprecated. An address in one of them is dialled only where the
// destination allows it, so that nobody who may write a URL can make the bridge speak to the machines around it.
var special = func() (out []netip.Prefix) {
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4",
		"::/96", "100::/64", "100:0:0:1::/64", "2001:1::/32", "2001:2::/48", "2001:10::/28", "2001:20::/28",
		"2001:30::/28", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	} {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}()

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
	sixToFour  = netip.MustParsePrefix("2002::/16")      // RFC 3056
	teredo     = netip.MustParsePrefix("2001::/32")      // RFC 4380
)

// RefusedError says that a destination's name led to an address it may not be delivered to.
type RefusedError struct {
	Address netip.Addr   // as dialled
	Network netip.Prefix // it belongs to, itself or by the IPv4 address inside it
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("address %s is not public (%s); to deliver there, add it to the destination's allow", e.Address, e.Network)
}

// control refuses to dial what is not public and not in allow. It runs after the name was resolved, on the very address
// that is about to be connected to, so that a name cannot be checked as one address and dialled as another.
func control(allow []netip.Prefix) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("check address %q before dialling: %w", address, err)
		}
		return permit(at.Addr(), allow)
	}
}

func permit(address netip.Addr, allow []netip.Prefix) error {
	address = address.WithZone("").Unmap()
	if in(address, allow).IsValid() {
		return nil
	}
	for _, inner := range append(embedded(address), address) {
		if in(inner, allow).IsValid() {
			continue
		}
		if network := in(inner, special); network.IsValid() {
			return &RefusedError{Address: address, Network: network}
		}
	}
	return nil
}

func in(address netip.Addr, networks []netip.Prefix) netip.Prefix {
	for _, network := range networks {
		if network.Contains(address) {
			return network
		}
	}
	return netip.Prefix{}
}

// embedded returns the IPv4 addresses that packets to an IPv6 address may end up at.
func embedded(address netip.Addr) []netip.Addr {
	if !address.Is6() {
		return nil
	}
	b := address.As16()
	v4 := func(i, j, k, l int) netip.Addr { return netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]}) }
	switch {
	case nat64.Contains(address):
		return []netip.Addr{v4(12, 13, 14, 15)}
	case nat64Local.Contains(address):
		if b[6]|b[7]|b[8]|b[9]|b[10]|b[11] == 0 {
			return []netip.Addr{v4(12, 13, 14, 15)}
		}
		// A prefix of 48, 56, 64 or 96 bits: nobody outside can tell, so all must be public (RFC 6052, 2.2).
		return []netip.Addr{v4(6, 7, 9, 10), v4(7, 9, 10, 11), v4(9, 10, 11, 12), v4(12, 13, 14, 15)}
	case sixToFour.Contains(address):
		return []netip.Addr{v4(2, 3, 4, 5)}
	case teredo.Contains(address):
		client := netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
		return []netip.Addr{v4(4, 5, 6, 7), client}
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214
		return []netip.Addr{v4(12, 13, 14, 15)}
	}
	return nil
}

// unmapped writes networks the way addresses are compared: an IPv4 network given as ::ffff:a.b.c.d/n is one.
func unmapped(networks []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(networks))
	for _, network := range networks {
		if network.Addr().Is4In6() && network.Bits() >= 96 {
			network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
		}
		out = append(out, network.Masked())
	}
	return out
}
