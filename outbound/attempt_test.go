package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	official "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/signature"
)

// connections counts those that a server gets, before it is started.
func connections(server *httptest.Server) *atomic.Int32 {
	var n atomic.Int32
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
	return &n
}

func local(url string) Destination {
	d := to(1, url)
	d.Allow = networks("127.0.0.0/8", "::1/128")
	return d
}

func TestOfficialLibraryVerifiesWhatArrives(t *testing.T) {
	secrets := []bridge.Secret{signature.NewSecret(), signature.NewSecret()}
	var problems []error
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		problems = append(problems, err)
		for _, secret := range secrets {
			verifier, err := official.NewWebhook(secret.Reveal())
			if err != nil {
				problems = append(problems, err)
				continue
			}
			problems = append(problems, verifier.Verify(body, r.Header))
		}
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Hookbridge-Version") != "1" ||
			r.UserAgent() != "hookbridge/test" || r.ContentLength != int64(len(body)) || r.Header.Get("Accept-Encoding") != "" {
			problems = append(problems, fmt.Errorf("request: %s %d %v", r.Method, r.ContentLength, r.Header))
		}
	}))
	defer server.Close()
	destination := local(server.URL)
	destination.Secrets = secrets
	l := try(t, destination, nil)
	server.Close()
	if l.verdict != bridge.Delivered || l.attempt.Status != 200 || l.attempt.Error != "" {
		t.Errorf("got %v %+v", l.verdict, l.attempt)
	}
	if err := errors.Join(problems...); err != nil || len(problems) != 3 {
		t.Errorf("%d checks: %v", len(problems), err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	l := try(t, local(server.URL+"/hooks"), nil)
	server.Close()
	if l.verdict != bridge.Retry || l.attempt.Status != 307 || len(paths) != 1 {
		t.Errorf("got %v %+v after %v", l.verdict, l.attempt, paths)
	}
}

// raw serves connections by hand.
func raw(t *testing.T, serve func(n int, c net.Conn)) (url string, count func() int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int32
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			i := int(n.Add(1))
			serving.Go(func() { defer c.Close(); serve(i, c) })
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	return "http://" + listener.Addr().String(), func() int { return int(n.Load()) }
}

func request(c net.Conn) { _, _ = c.Read(make([]byte, 64<<10)) }

func reset(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }

func TestQuickRetries(t *testing.T) {
	const ok = "HTTP/1.1 204 No Content\r\n\r\n"
	cases := []struct {
		name    string
		serve   func(n int, c net.Conn)
		want    int // connections
		verdict bridge.Verdict
		reason  string
	}{
		{"reset twice, then taken", func(n int, c net.Conn) {
			request(c)
			if n < 3 {
				reset(c)
				return
			}
			_, _ = io.WriteString(c, ok)
		}, 3, bridge.Delivered, ""},
		{"closed without an answer", func(n int, c net.Conn) { request(c) }, 3, bridge.Retry, "closed the connection without an answer"},
		{"a byte of an answer came", func(n int, c net.Conn) { request(c); _, _ = io.WriteString(c, "H") }, 1, bridge.Retry, "malformed"},
		{"answered nonsense", func(n int, c net.Conn) { request(c); _, _ = io.WriteString(c, "220 smtp ready\r\n\r\n") }, 1, bridge.Retry, "malformed"},
		{"answered 500", func(n int, c net.Conn) {
			request(c)
			_, _ = io.WriteString(c, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
		}, 1, bridge.Retry, "answered 500"},
		{"answered 503 at length", func(n int, c net.Conn) {
			request(c)
			_, _ = io.WriteString(c, "HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")
		}, 1, bridge.Retry, "answered 503"},
		{"header without end", func(n int, c net.Conn) {
			request(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			line := "X-Filler: " + strings.Repeat("x", 1000) + "\r\n"
			for range 200 {
				if _, err := io.WriteString(c, line); err != nil {
					return
				}
			}
		}, 1, bridge.Retry, "exceeded"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			url, count := raw(t, c.serve)
			l := try(t, local(url), nil)
			if count() != c.want || l.verdict != c.verdict || !strings.Contains(l.attempt.Error, c.reason) {
				t.Errorf("got %d connections, %v %q; want %d, %v %q", count(), l.verdict, l.attempt.Error, c.want, c.verdict, c.reason)
			}
		})
	}
}

func TestRefusedConnectionIsTriedAgainAtOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	began := time.Now()
	l := try(t, local("http://"+address), nil)
	if l.verdict != bridge.Retry || !strings.Contains(l.attempt.Error, "connection refused") || l.strained {
		t.Errorf("got %+v", l)
	}
	if took := time.Since(began); took < quickWait/2+quickWait {
		t.Errorf("gave up after %s; there was no second and third try", took)
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of us
	handshakes := connections(server)
	server.StartTLS()
	defer server.Close()
	l := try(t, local(server.URL), nil)
	if l.verdict != bridge.Retry || !strings.Contains(l.attempt.Error, "certificate") || requests.Load() != 0 || handshakes.Load() != 1 {
		t.Errorf("got %v %q, %d handshakes", l.verdict, l.attempt.Error, handshakes.Load())
	}
}

// TestTLS delivers over HTTP/2 to a server it trusts, and not to one that speaks less than TLS 1.2.
func TestTLS(t *testing.T) {
	for _, c := range []struct {
		name    string
		newest  uint16
		verdict bridge.Verdict
		reason  string
	}{{"HTTP/2", tls.VersionTLS13, bridge.Delivered, ""}, {"TLS 1.1", tls.VersionTLS11, bridge.Retry, "protocol version"}} {
		t.Run(c.name, func(t *testing.T) {
			var proto string
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { proto = r.Proto }))
			server.EnableHTTP2 = true
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of us
			server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: c.newest}
			server.StartTLS()
			defer server.Close()
			s := newSender(t, local(server.URL), nil)
			trusted := x509.NewCertPool()
			trusted.AddCert(server.Certificate())
			s.client.own.TLSClientConfig.RootCAs = trusted
			l := s.try(t.Context(), nil)
			if l.verdict != c.verdict || !strings.Contains(l.attempt.Error, c.reason) || c.verdict == bridge.Delivered && proto != "HTTP/2.0" {
				t.Errorf("got %v %q by %q", l.verdict, l.attempt.Error, proto)
			}
		})
	}
}

func TestAnswersAreReadWithinBounds(t *testing.T) {
	var size atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(bytes.Repeat([]byte("é"), int(size.Load())/2))
	}))
	opened := connections(server)
	server.Start()
	defer server.Close()
	s := newSender(t, local(server.URL), nil)
	for _, c := range []struct {
		size        int64
		connections int32 // after it
	}{{0, 1}, {100, 1}, {60 << 10, 1}, {200, 1}, {10 << 20, 1}, {100, 2}} {
		size.Store(c.size)
		l := s.try(t.Context(), nil)
		if l.verdict != bridge.Delivered || len(l.attempt.Answer) > maxAnswer || len(l.attempt.Answer) < int(min(c.size, maxAnswer-2)) || !utf8.ValidString(l.attempt.Answer) {
			t.Errorf("%d bytes: %v, %d kept", c.size, l.verdict, len(l.attempt.Answer))
		}
		if got := opened.Load(); got != c.connections {
			t.Errorf("after %d bytes: %d connections, want %d", c.size, got, c.connections)
		}
	}
}

func TestNoSecretComesBack(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s\x1b[31m you sent %v %s %s:%s%s", strings.Repeat("x", maxAnswer-120), r.Header, r.URL, user, password, strings.Repeat("y", 5000))
	}))
	defer server.Close()
	destination := local(strings.Replace(server.URL, "http://", "http://bob:hunter22@", 1) + "/?apikey=abcdef123456")
	destination.Headers = []Header{{"X-Auth", bridge.NewSecret("Bearer tokentokentoken")}}
	down := destination
	down.URL = "http://bob:hunter22@127.0.0.1:1/?apikey=abcdef123456"
	unresolved := destination
	unresolved.URL = "http://bob:hunter22@does-not-exist.invalid/?apikey=abcdef123456"
	for _, destination := range []Destination{destination, down, unresolved} {
		l := try(t, destination, nil)
		text := l.attempt.Error + l.attempt.Answer
		for _, secret := range []string{"hunter22", "abcdef123456", "tokentokentoken", "tokent", testSecret.Reveal()[:20], "\x1b"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q came back: %s", secret, text)
			}
		}
		if l.verdict != bridge.Retry || l.attempt.Error == "" {
			t.Errorf("got %v %+v", l.verdict, l.attempt)
		}
	}
}

func TestCutAttemptSaysNothing(t *testing.T) {
	ctx, cut := context.WithCancelCause(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cut(errCut)
		<-r.Context().Done()
	}))
	defer server.Close()
	l := newSender(t, local(server.URL), nil).try(ctx, nil)
	if !l.cut {
		t.Errorf("got %+v, want it marked as cut", l)
	}
}

func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	var proxied atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Store(true) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	if c := newClient(&plan{Destination: Destination{Concurrency: 1}}, nil); c.own.Proxy != nil {
		t.Error("the transport has a proxy")
	}
	if l := try(t, local("http://does-not-exist.invalid/"), nil); l.verdict == bridge.Delivered || proxied.Load() {
		t.Errorf("got %+v through the proxy", l)
	}
}
