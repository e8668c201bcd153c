package configs

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
)

// listeners reads where the bridge can be reached.
func (l *loading) listeners(r *attr.Reader) {
	b := &l.config.Bridge
	b.Listen = address(r, "listen", "127.0.0.1:8484")
	b.Inbound = address(r, "inbound", "")
	if b.Inbound == b.Listen && !strings.HasSuffix(b.Listen, ":0") {
		r.Warnf(r.Range("inbound"), "The same address twice", "Webhooks come in on listen unless inbound names another address. Remove inbound.")
		b.Inbound = ""
	}
	b.PublicURL, l.public = publicURL(r), r.Has("public_url")
	b.TrustedProxies = networks(r, "trusted_proxies")
	if block := r.Block("tls", 0); block != nil {
		c := r.Child(block, "tls")
		b.TLS = &TLS{CertFile: l.path(c, "cert_file"), KeyFile: l.path(c, "key_file")}
		if !c.Failed() {
			if _, err := tls.LoadX509KeyPair(b.TLS.CertFile, b.TLS.KeyFile); err != nil {
				c.Errorf(block.DefRange(), "Unusable certificate", "cert_file and key_file cannot be used: %s.", strings.TrimSuffix(err.Error(), "."))
			}
		}
	}
	for name, at := range map[string]string{"listen": b.Listen, "inbound": b.Inbound} {
		// A trusted proxy is where TLS ends, mostly.
		if at != "" && !loopback(at) && b.TLS == nil && len(r.Blocks("tls")) == 0 && len(b.TrustedProxies) == 0 {
			r.Warnf(r.Range(name), "Plain http", "%s is open to other machines, and what comes in travels in the clear. Add tls { cert_file, key_file }, or name the proxy that has them in trusted_proxies.", at)
		}
	}
}

// address reads HOST:PORT.
func address(r *attr.Reader, name, otherwise string) string {
	text := r.String(name, otherwise)
	if text == "" && !r.Has(name) {
		return ""
	}
	host, port, err := net.SplitHostPort(text)
	n, notNumber := strconv.ParseUint(port, 10, 16)
	if err != nil || notNumber != nil || strings.ContainsAny(host, "/ ") {
		r.Errorf(r.Range(name), fmt.Sprintf("Invalid value for %q", name), `An address is written "127.0.0.1:8484", "[::1]:8484", or ":8484" for every network of this machine.`)
		return otherwise
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10))
}

// loopback reports whether an address can only be reached from this machine.
func loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func publicURL(r *attr.Reader) string {
	const summary = `Invalid value for "public_url"`
	text := r.String("public_url", "")
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		r.Errorf(r.Range("public_url"), summary, "It is an http or https URL, such as https://bridge.example.com.")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		r.Errorf(r.Range("public_url"), summary, "Receivers are reached under it at /in/NAME, so it has no user, no ? and no #.")
	}
	return strings.TrimRight(text, "/")
}

// path reads the path of a file, which starts from the folder of the configuration.
func (l *loading) path(r *attr.Reader, name string) string {
	text := r.Required(name)
	if text == "" || filepath.IsAbs(text) {
		return text
	}
	return filepath.Join(l.config.Dir, text)
}
