package inbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
)

// Limits of a listener of our own.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 75 * time.Second
	maxConns      = 16384 // at a time
)

// Listen opens the address webhooks are sent to, for TLS where there is a certificate.
func (s *Server) Listen(ctx context.Context, address, certFile, keyFile string) (net.Listener, error) {
	var secure *tls.Config
	if certFile != "" || keyFile != "" {
		var err error
		if secure, err = s.TLS(certFile, keyFile); err != nil {
			return nil, fmt.Errorf("listen for webhooks on %s: %w", address, err)
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks: %w", err)
	}
	listener = netutil.LimitListener(listener, maxConns)
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	return listener, nil
}

// TLS reads a certificate and its key. Files that are replaced later take effect within a few seconds.
func (s *Server) TLS(certFile, keyFile string) (*tls.Config, error) {
	c := &certificate{cert: certFile, key: keyFile, log: s.options.Logger}
	if _, err := c.load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// Serve answers on a listener until ctx ends, then finishes what was begun until drain ends. It closes the listener.
func (s *Server) Serve(ctx, drain context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout + bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		// The body has its own deadline; this one is for an answer that nobody reads.
		WriteTimeout: headerTimeout + bodyTimeout + s.options.AcceptTimeout,
		ErrorLog:     slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug), // mostly strangers and their TLS
	}
	var group errgroup.Group
	served := make(chan struct{})
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-served:
			return nil
		}
		if err := server.Shutdown(drain); err != nil {
			return server.Close()
		}
		return nil
	})
	err := server.Serve(listener)
	close(served)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	if ended := group.Wait(); err == nil {
		err = ended
	}
	if err != nil {
		return fmt.Errorf("serve webhooks: %w", err)
	}
	return nil
}

// certificate is read again now and then. Contents are compared, for times of files are too coarse to tell.
type certificate struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	text    [2]string // of the files as loaded, or tried
	checked time.Time
}

const certificateEvery = 5 * time.Second

// load reports whether there is something new.
func (c *certificate) load() (bool, error) {
	c.checked = time.Now()
	var text [2]string
	for i, name := range []string{c.cert, c.key} {
		read, err := os.ReadFile(name)
		if err != nil && c.loaded != nil {
			return false, nil // it is being replaced
		}
		if err != nil {
			return false, fmt.Errorf("tls: %w", err)
		}
		text[i] = string(read)
	}
	if text == c.text {
		return false, nil
	}
	c.text = text
	loaded, err := tls.X509KeyPair([]byte(text[0]), []byte(text[1]))
	if err != nil {
		return false, fmt.Errorf("tls: certificate %s with key %s: %w", c.cert, c.key, err)
	}
	c.loaded = &loaded
	return true, nil
}

// get keeps the certificate it has where the new one cannot be used: its files may be half written.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < certificateEvery {
		return c.loaded, nil
	}
	if renewed, err := c.load(); err != nil {
		c.log.Error("the new certificate cannot be used, the one before stays", "error", err)
	} else if renewed {
		c.log.Info("the certificate was renewed", "file", c.cert)
	}
	return c.loaded, nil
}
