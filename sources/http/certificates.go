package http

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hookbridge/bridge/configs/attr"
)

// certificates is a tls block made ready to be used. Sources with the same one share their connections.
type certificates struct {
	sum       [32]byte // tells tls blocks apart: the authority's certificates, and the names of the other files; zero: no block
	authority *x509.CertPool
	own       *pair // nil: none to show
}

// certificates reads the tls block; what it names belongs to every request of the source, those of its login included.
func (s *Shared) certificates(r *attr.Reader, dir string) certificates {
	b := r.Block("tls", 0)
	if b == nil {
		return certificates{}
	}
	c, before := r.Child(b, "tls"), r.Errors()
	path := func(name string) string {
		path := c.String(name, "")
		if path != "" && !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		return path
	}
	read := func(name, path string) (data []byte) {
		if path == "" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			c.Errorf(c.Range(name), "Unreadable file", "%s cannot be read: %v.", name, err)
		}
		return data
	}
	var certs certificates
	authority := read("ca_file", path("ca_file"))
	if authority != nil {
		certs.authority = x509.NewCertPool()
		if !certs.authority.AppendCertsFromPEM(authority) {
			c.Errorf(c.Range("ca_file"), "No certificate", "ca_file holds no certificate in PEM form.")
		}
	}
	if c.Has("cert_file") != c.Has("key_file") {
		c.Errorf(b.DefRange(), "Incomplete certificate", "cert_file and key_file belong together: write both or neither.")
	}
	own := &pair{cert: path("cert_file"), key: path("key_file"), logger: s.logger}
	certificate, private := read("cert_file", own.cert), read("key_file", own.key)
	if bytes.Contains(private, []byte("ENCRYPTED")) {
		c.Errorf(c.Range("key_file"), "Encrypted key", "key_file is encrypted, and nobody is there to type its passphrase; type: openssl pkey -in %s -out …", filepath.Base(own.key))
	} else if certificate != nil && private != nil {
		if err := own.use(certificate, private); err != nil {
			c.Errorf(c.Range("cert_file"), "Unusable certificate", "cert_file and key_file cannot be used: %v.", err)
		} else if until := own.last.Leaf.NotAfter; time.Now().After(until) {
			c.Warnf(c.Range("cert_file"), "Expired certificate", "The certificate expired on %s; put a new one in its place, which is then used without a reload.", until.UTC().Format(time.DateOnly))
		}
		certs.own = own
	}
	if r.Errors() > before {
		return certificates{} // what is wrong is not to be shared with what is put right
	}
	text, _ := json.Marshal([]any{authority, own.cert, own.key})
	certs.sum = sha256.Sum256(text)
	return certs
}

// config is what connections are made with; nil: as usual.
func (c certificates) config() *tls.Config {
	if c.sum == [32]byte{} {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.authority}
	if c.own != nil {
		config.GetClientCertificate = c.own.show
	}
	return config
}

// pair is a certificate of our own with its private key. Its files are looked at whenever a connection begins, so that
// one that is renewed every few days needs no reload.
type pair struct {
	cert, key string
	logger    *slog.Logger

	mu     sync.Mutex
	last   *tls.Certificate
	source []byte // of last
}

func (p *pair) show(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	certificate, err := os.ReadFile(p.cert)
	if err == nil {
		var private []byte
		if private, err = os.ReadFile(p.key); err == nil {
			err = p.use(certificate, private)
		}
	}
	if err != nil { // perhaps in the middle of being replaced
		p.logger.Warn("a certificate cannot be read again, the last one is shown", "cert_file", p.cert, "error", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, nil
}

func (p *pair) use(certificate, private []byte) error {
	source := bytes.Join([][]byte{certificate, private}, nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && bytes.Equal(source, p.source) {
		return nil
	}
	fresh, err := tls.X509KeyPair(certificate, private)
	if err != nil {
		return err
	}
	p.last, p.source = &fresh, source
	return nil
}

// advise says what to do about a connection that TLS refused, where that is known.
func (c certificates) advise(err error) error {
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		network *net.OpError
	)
	advice := ""
	switch {
	case errors.As(err, &unknown):
		advice = "if the certificate is that of a private authority, name the authority's own with tls { ca_file = … }"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		advice = "whoever runs the server has to renew its certificate; if it is new, check the clock of this machine"
	case errors.As(err, &host):
		advice = "write url with the name that the certificate is for"
	case errors.As(err, &network) && network.Op == "remote error" && c.own == nil:
		advice = "the server may want a client certificate; show one with tls { cert_file = …, key_file = … }"
	case errors.As(err, &network) && network.Op == "remote error":
		advice = "the server refused the client certificate " + c.own.describe() + "; check cert_file"
	case c.own != nil && brokenOff(err):
		advice = "perhaps the server refused the client certificate " + c.own.describe() + "; check cert_file"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}

// brokenOff reports whether the server went away without a word. In TLS 1.3 it may refuse a certificate after we are done
// with our part of the handshake; then we may be writing already, and do not get to read why. Of HTTP/2's error for
// that net/http shows no more than the text.
func brokenOff(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || strings.Contains(err.Error(), "http2: client conn could not be established")
}

// describe names a certificate as its owner knows it: who signed it, and until when it is good.
func (p *pair) describe() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	leaf := p.last.Leaf
	until := "good until "
	if time.Now().After(leaf.NotAfter) {
		until = "expired on "
	}
	return fmt.Sprintf("(signed by %.60q, %s%s)", leaf.Issuer.CommonName, until, leaf.NotAfter.UTC().Format(time.DateOnly))
}
