package login_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
}

func newAuthority(t testing.TB, name string) *authority {
	a := &authority{}
	a.certificate, a.key = a.sign(t, name, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	return a
}

// sign makes a certificate that is good for an hour, for this machine; edit changes what it says.
func (a *authority) sign(t testing.TB, name string, edit func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.serial++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if edit != nil {
		edit(c)
	}
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed, key
}

func expired(c *x509.Certificate) { c.NotAfter = time.Now().Add(-24 * time.Hour) }

// write puts a certificate and its key into files called name.pem and name.key.
func write(t testing.TB, dir, name string, c *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: c.Raw}, name + ".key": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// guarded is a server that wants a client certificate of its authority, and tells whose it saw.
func guarded(t testing.TB, ours *authority, own func(*x509.Certificate), http2 bool, edit ...func(*tls.Config)) *httptest.Server {
	certificate, key := ours.sign(t, "server", own)
	server := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		shown := r.TLS.PeerCertificates[0]
		switch r.URL.Path {
		case "/token":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":"of %s","token_type":"bearer"}`, shown.Subject.CommonName)
		case "/login":
			nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: shown.Subject.CommonName, Path: "/"})
		default:
			fmt.Fprintf(w, "[%q]", fmt.Sprint(shown.Subject.CommonName, shown.SerialNumber, " ", r.Header.Get("Authorization"), r.Header.Get("Cookie")))
		}
	}))
	pool := x509.NewCertPool()
	pool.AddCert(ours.certificate)
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}
	for _, edit := range edit {
		edit(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	server.URL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return server
}

const tlsBlock = `url = "%s/"
retries = 0
tls {
  ca_file   = "ca.pem"
  cert_file = "me.pem"
  key_file  = "me.key"
}
`

func TestClientCertificate(t *testing.T) {
	ours, theirs := newAuthority(t, "Our CA"), newAuthority(t, "Their CA")
	for _, http2 := range []bool{false, true} {
		server := guarded(t, ours, nil, http2)
		for name, test := range map[string]struct {
			signer *authority
			edit   func(*x509.Certificate)
			block  string
			want   string // error; empty: none
		}{
			"good":          {ours, nil, tlsBlock, ""},
			"of a stranger": {theirs, nil, tlsBlock, `the server refused the client certificate (signed by "Their CA", good until ` + time.Now().Add(time.Hour).UTC().Format(time.DateOnly) + "); check cert_file"},
			"expired":       {ours, expired, tlsBlock, `the server refused the client certificate (signed by "Our CA", expired on ` + time.Now().Add(-24*time.Hour).UTC().Format(time.DateOnly)},
		} {
			t.Run(fmt.Sprintf("%s, http2 %t", name, http2), func(t *testing.T) {
				h := newHouse(t)
				write(t, h.dir, "ca", ours.certificate, ours.key)
				certificate, key := test.signer.sign(t, "me", test.edit)
				write(t, h.dir, "me", certificate, key)
				s, diags := h.decode(t, fmt.Sprintf(test.block, server.URL))
				if s == nil {
					t.Fatal(diags)
				}
				if warned := len(diags) == 1 && strings.Contains(diags[0].Detail, "The certificate expired on "); warned != (name == "expired") {
					t.Errorf("diagnostics: %v", diags)
				}
				if test.want == "" {
					h.want(t, s, fmt.Sprintf(`"me%d "`, certificate.SerialNumber))
				} else {
					h.wantError(t, s, test.want)
				}
			})
		}
	}
}

// With TLS 1.2 the refusal comes before the request is sent, and is always heard.
func TestClientCertificateThatIsWanted(t *testing.T) {
	ours := newAuthority(t, "Our CA")
	server, h := guarded(t, ours, nil, false, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), newHouse(t)
	write(t, h.dir, "ca", ours.certificate, ours.key)
	h.wantError(t, h.source(t, "url = \"%s/\"\ntls { ca_file = \"ca.pem\" }", server.URL),
		"the server may want a client certificate; show one with tls { cert_file = …, key_file = … }")
}

func TestServerCertificateThatIsNotTrusted(t *testing.T) {
	ours, theirs := newAuthority(t, "Our CA"), newAuthority(t, "Their CA")
	for name, test := range map[string]struct {
		signer *authority
		edit   func(*x509.Certificate)
		want   string
	}{
		"of a stranger": {theirs, nil, "if the certificate is that of a private authority, name the authority's own with tls { ca_file = … }"},
		"expired":       {ours, expired, "whoever runs the server has to renew its certificate"},
		"another host":  {ours, func(c *x509.Certificate) { c.DNSNames = []string{"api.example.com"} }, "write url with the name that the certificate is for"},
	} {
		t.Run(name, func(t *testing.T) {
			server, h := guarded(t, test.signer, test.edit, false), newHouse(t)
			write(t, h.dir, "ca", ours.certificate, ours.key)
			certificate, key := ours.sign(t, "me", nil)
			write(t, h.dir, "me", certificate, key)
			h.wantError(t, h.source(t, tlsBlock, server.URL), test.want)
		})
	}
}

// What a login asks for goes over the same certificates.
func TestLoginsShowTheClientCertificate(t *testing.T) {
	ours, h := newAuthority(t, "Our CA"), newHouse(t)
	server := guarded(t, ours, nil, true)
	write(t, h.dir, "ca", ours.certificate, ours.key)
	certificate, key := ours.sign(t, "me", nil)
	write(t, h.dir, "me", certificate, key)
	for block, want := range map[string]string{
		"auth \"oauth2\" {\n token_url = \"%[1]s/token\"\n client_id = \"x\"\n client_secret = secret.token\n}": `"me3 Bearer of me"`,
		"auth \"session\" {\n url = \"%[1]s/login\"\n form = { a = \"b\" }\n}":                                  `"me3 sid=me"`,
	} {
		h.want(t, h.source(t, strings.Replace(tlsBlock, "%s", "%[1]s", 1)+block, server.URL), want)
	}
}

// A certificate that is renewed in its place is shown as soon as a new connection begins; half of one is not.
func TestRenewedClientCertificate(t *testing.T) {
	ours, h := newAuthority(t, "Our CA"), newHouse(t)
	server := guarded(t, ours, nil, false)
	write(t, h.dir, "ca", ours.certificate, ours.key)
	renew := func() string {
		certificate, key := ours.sign(t, "me", nil)
		write(t, h.dir, "me", certificate, key)
		return fmt.Sprintf(`"me%d "`, certificate.SerialNumber)
	}
	first := renew()
	s := h.source(t, tlsBlock, server.URL)
	h.want(t, s, first)

	second := renew()
	h.want(t, s, first) // over the connection there is
	server.CloseClientConnections()
	h.want(t, s, second)

	good, err := os.ReadFile(filepath.Join(h.dir, "me.pem"))
	if err != nil {
		t.Fatal(err)
	}
	renew()
	if err := os.WriteFile(filepath.Join(h.dir, "me.pem"), good, 0o600); err != nil { // the key is that of the third
		t.Fatal(err)
	}
	server.CloseClientConnections()
	h.want(t, s, second)
	if !strings.Contains(h.everything(), "a certificate cannot be read again, the last one is shown") {
		t.Errorf("no warning: %s", h.everything())
	}
}

// After a reload the connections go on: a tls block with the same files is the same one.
func TestReloadKeepsConnectionsWithCertificates(t *testing.T) {
	ours, h := newAuthority(t, "Our CA"), newHouse(t)
	server := guarded(t, ours, nil, false)
	var mu sync.Mutex
	seen := map[string]bool{}
	inner := server.Config.Handler
	server.Config.Handler = nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		mu.Lock()
		seen[r.RemoteAddr] = true
		mu.Unlock()
		inner.ServeHTTP(w, r)
	})
	write(t, h.dir, "ca", ours.certificate, ours.key)
	for range 3 {
		certificate, key := ours.sign(t, "me", nil)
		write(t, h.dir, "me", certificate, key)
		if _, err := h.fetch(t, h.source(t, tlsBlock, server.URL)); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 1 {
		t.Errorf("%d connections, want 1", len(seen))
	}
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	ours := newAuthority(t, "Our CA")
	for name, test := range map[string]struct{ cert, key, want string }{
		"no such file": {"you.pem", "me.key", "cert_file cannot be read"},
		"swapped":      {"me.key", "me.pem", "cert_file and key_file cannot be used"},
		"of another":   {"me.pem", "ca.key", "cert_file and key_file cannot be used"},
		"encrypted":    {"me.pem", "locked.key", "key_file is encrypted, and nobody is there to type its passphrase; type: openssl pkey -in locked.key -out …"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			write(t, h.dir, "ca", ours.certificate, ours.key)
			certificate, key := ours.sign(t, "me", nil)
			write(t, h.dir, "me", certificate, key)
			locked := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("S3CRET")})
			if err := os.WriteFile(filepath.Join(h.dir, "locked.key"), locked, 0o600); err != nil {
				t.Fatal(err)
			}
			s, diags := h.decode(t, fmt.Sprintf("url = \"https://x\"\ntls {\n cert_file = %q\n key_file = %q\n}", test.cert, test.key))
			if s != nil || len(diags) != 1 || !strings.Contains(diags[0].Detail, test.want) {
				t.Errorf("got %v, want %q", diags, test.want)
			}
		})
	}
}

// What is wrong with a block is not remembered once it is put right.
func TestCertificatesThatArePutRight(t *testing.T) {
	ours, h := newAuthority(t, "Our CA"), newHouse(t)
	server := guarded(t, ours, nil, false)
	write(t, h.dir, "ca", ours.certificate, ours.key)
	if s, _ := h.decode(t, fmt.Sprintf(tlsBlock, server.URL)); s != nil {
		t.Fatal("a certificate that is not there was taken")
	}
	certificate, key := ours.sign(t, "me", nil)
	write(t, h.dir, "me", certificate, key)
	h.want(t, h.source(t, tlsBlock, server.URL), `"me3 "`)
}
