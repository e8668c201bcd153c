package sftp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hosts is a known_hosts file, in the form sshd(8) describes. It is read again by each fetch, so that a key that is added
// counts at once.
type hosts struct {
	path string
	addr string // of the server
}

func readHosts(r *attr.Reader, addr, dir string) hosts {
	h := hosts{addr: addr}
	if r.Required("known_hosts") == "" || addr == "" {
		return h
	}
	var text []byte
	h.path, text = load(r, "known_hosts", dir, func(path string) string {
		h.path = path
		return fmt.Sprintf(" It is how the server proves who it is. Type: %s, and compare the fingerprints with those its operator names.", h.scan())
	})
	if text == nil {
		return h
	}
	check, err := knownhosts.New(h.path)
	if err != nil {
		r.Errorf(r.Range("known_hosts"), "Unusable file", "known_hosts is not what ssh-keyscan and ssh write: %v.", err)
		return h
	}
	if plain, authority := h.known(check); len(plain) == 0 && !authority {
		r.Warnf(r.Range("known_hosts"), "Unknown server", "known_hosts has no key of %s. Type: %s, if it is the right one: compare the fingerprints with those its operator names.", knownhosts.Normalize(addr), h.scan())
	}
	return h
}

// scan is the command that adds the server's keys.
func (h hosts) scan() string {
	host, port, _ := net.SplitHostPort(h.addr)
	return fmt.Sprintf("ssh-keyscan -p %s %s >> %s", port, quote(host), quote(h.path))
}

// probe is a key that no server has, to be told which ones are known.
type probe struct{ ssh.PublicKey }

func (probe) Type() string    { return "probe" }
func (probe) Marshal() []byte { return nil }

// known returns the keys that known_hosts has for the server, and whether it has an authority whose certificates count.
func (h hosts) known(check ssh.HostKeyCallback) (plain []knownhosts.KnownKey, authority bool) {
	var keys *knownhosts.KeyError
	if !errors.As(check(h.addr, &net.TCPAddr{IP: net.IPv4zero, Port: 22}, probe{}), &keys) {
		return nil, false
	}
	text, _ := small(h.path)
	lines := bytes.Split(text, []byte("\n"))
	for _, key := range keys.Want {
		if key.Line <= len(lines) && bytes.HasPrefix(bytes.TrimSpace(lines[key.Line-1]), []byte("@cert-authority")) {
			authority = true
		} else {
			plain = append(plain, key)
		}
	}
	return plain, authority
}

// algorithms are the host key algorithms to ask for: those of the keys that are known, so that a server with several keys
// shows one of these. Without any known key there is no choice to make, and the key that is shown will be refused.
func algorithms(plain []knownhosts.KnownKey, authority bool) []string {
	if len(plain) == 0 && !authority {
		return nil
	}
	var wanted []string
	for _, algorithm := range append(ssh.SupportedAlgorithms().HostKeys, ssh.KeyAlgoRSA) {
		kind := algorithm
		switch algorithm {
		case ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512:
			kind = ssh.KeyAlgoRSA
		}
		certificate := strings.Contains(algorithm, "-cert-")
		if certificate && authority || slices.ContainsFunc(plain, func(k knownhosts.KnownKey) bool { return k.Key.Type() == kind }) {
			wanted = append(wanted, algorithm)
		}
	}
	return wanted
}

// checker checks the key a server shows, and remembers that it did.
type checker struct {
	hosts
	check   ssh.HostKeyCallback
	plain   []knownhosts.KnownKey
	shown   ssh.PublicKey
	trusted bool
}

func (h hosts) checker() (*checker, []string, error) {
	check, err := knownhosts.New(h.path)
	if err != nil {
		return nil, nil, fmt.Errorf("read known_hosts: %w", err)
	}
	plain, authority := h.known(check)
	return &checker{hosts: h, check: check, plain: plain}, algorithms(plain, authority), nil
}

func (c *checker) hostKey(_ string, remote net.Addr, key ssh.PublicKey) error {
	c.shown = key
	err := c.check(c.addr, remote, key)
	if err == nil {
		c.trusted = true
		return nil
	}
	shown := key.Type() + " " + ssh.FingerprintSHA256(key)
	if certificate, ok := key.(*ssh.Certificate); ok {
		shown = fmt.Sprintf("%s %s, signed by %s", key.Type(), ssh.FingerprintSHA256(certificate.Key), ssh.FingerprintSHA256(certificate.SignatureKey))
	}
	name := knownhosts.Normalize(c.addr)
	var revoked *knownhosts.RevokedError
	var unknown *knownhosts.KeyError
	switch {
	case errors.As(err, &revoked):
		return explain(err, "the server shows a key (%s) that line %d of %s revokes; ask its operator", shown, revoked.Revoked.Line, c.path)
	case errors.As(err, &unknown) && len(c.plain) > 0:
		return explain(err, "the server shows another key (%s) than line %d of %s has: either it was set up anew, or somebody stands in between. Ask its operator for the fingerprint, and only if it is the right one type: ssh-keygen -R %s -f %s && %s",
			shown, c.plain[0].Line, c.path, quote(name), quote(c.path), c.scan())
	case errors.As(err, &unknown):
		return explain(err, "the server shows a key (%s), and %s has none of %s. Ask its operator for the fingerprint, and only if it is the right one type: %s", shown, c.path, name, c.scan())
	}
	return explain(err, "the server's key (%s) is not accepted: %v", shown, err)
}

// mismatch explains a server that has none of the kinds of keys that are known, or nothing else in common with us.
func (c *checker) mismatch(e *ssh.AlgorithmNegotiationError, wanted []string) error {
	if len(wanted) == 0 || !slices.Equal(e.SupportedAlgorithms, wanted) {
		return explain(e, "there is no %s that both sides take: the server has %s. A server that is this old needs an update, or algorithms = \"legacy\"", e.What, words(e.RequestedAlgorithms))
	}
	kinds := "a certificate of an authority only"
	if len(c.plain) > 0 {
		kinds = words(wanted)
	}
	return explain(e, "the server has no key of the kinds that are in %s (%s), but %s: either it was set up anew, or somebody stands in between. Ask its operator for the fingerprints, and only if they are right type: %s",
		c.path, kinds, words(e.RequestedAlgorithms), c.scan())
}
