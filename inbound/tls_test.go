package inbound_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge/inbound"
)

func TestARenewedCertificateIsUsedOnceItIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, next := t.TempDir(), t.TempDir()
		first := certificate(t, dir)
		config, err := inbound.New(&desk{}, inbound.Options{}).TLS(filepath.Join(dir, "me.pem"), filepath.Join(dir, "me.key"))
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string, want *x509.Certificate) {
			t.Helper()
			time.Sleep(6 * time.Second)
			got, err := config.GetCertificate(nil)
			if err != nil || !got.Leaf.Equal(want) {
				t.Errorf("%s: certificate %v, error %v", when, got.Leaf.SerialNumber, err)
			}
		}
		check("at first", first)
		renewed := certificate(t, next)
		for n, name := range []string{"me.pem", "me.key"} {
			if err := os.Rename(filepath.Join(next, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				check("half renewed", first)
			}
		}
		check("renewed", renewed)
		if err := os.Remove(filepath.Join(dir, "me.key")); err != nil {
			t.Fatal(err)
		}
		check("without its files", renewed)
	})
}

// certificate writes a new certificate for 127.0.0.1 and returns it.
func certificate(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	number, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: number, Subject: pkix.Name{CommonName: "bridge"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(100, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: text}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("me.pem", "CERTIFICATE", der)
	write("me.key", "PRIVATE KEY", private)
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, dir))
	var d desk
	r := orders(t)
	s := inbound.New(&d, inbound.Options{})
	if err := s.Set([]inbound.Receiver{r}, nil); err != nil {
		t.Fatal(err)
	}
	listener, err := s.Listen(t.Context(), "127.0.0.1:0", filepath.Join(dir, "me.pem"), filepath.Join(dir, "me.key"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, ctx, listener) }()
	for _, version := range []int{1, 2} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: version == 2}
		request := signed(t, "https://"+listener.Addr().String(), r, fmt.Sprint("msg_", version), `{}`)
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode != http.StatusOK || response.ProtoMajor != version {
			t.Errorf("HTTP/%d: answer %d by HTTP/%d", version, response.StatusCode, response.ProtoMajor)
		}
		transport.CloseIdleConnections()
	}
	old := &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := tls.Dial("tcp", listener.Addr().String(), old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	s := inbound.New(&desk{}, inbound.Options{})
	dir := t.TempDir()
	_, err := s.Listen(t.Context(), "127.0.0.1:0", filepath.Join(dir, "me.pem"), "")
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "me.pem") {
		t.Errorf("without a certificate: %v", err)
	}
	taken, err := s.Listen(t.Context(), "127.0.0.1:0", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if second, err := s.Listen(t.Context(), taken.Addr().String(), "", ""); err == nil {
		_ = second.Close()
		t.Error("two listeners on one address")
	}
}
