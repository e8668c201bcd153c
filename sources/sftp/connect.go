package sftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookbridge/bridge/sources/decode"
	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

const (
	dialTimeout  = 15 * time.Second
	loginTimeout = 30 * time.Second
	alive        = 15 * time.Second // between signs of life that are asked for
	silence      = 60 * time.Second // without any: the connection is dead
)

// connect makes a connection that ends with the context, at the latest.
func (s *Source) connect(ctx context.Context) (*remote, error) {
	place, err := s.dial(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("source.sftp: %s: %w", s.addr, err)
	}
	return place, nil
}

func (s *Source) dial(ctx context.Context) (*remote, error) {
	checker, wanted, err := s.hosts.checker()
	if err != nil {
		return nil, err
	}
	tcp, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w; check addr, and whether a firewall lets this machine through", err)
	}
	return s.begin(ctx, tcp, checker, wanted)
}

// begin logs in over a connection, which it owns.
func (s *Source) begin(ctx context.Context, conn net.Conn, checker *checker, wanted []string) (*remote, error) {
	place := &remote{ctx: ctx, wire: &wire{Conn: conn}}
	place.unwatch = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := s.handshake(place, checker, wanted); err != nil {
		place.close()
		return nil, place.why(err)
	}
	if trace := decode.Trace(ctx); trace != nil {
		trace(fmt.Sprintf("connected to %s as %s, host key %s %s", s.addr, s.user, checker.shown.Type(), ssh.FingerprintSHA256(checker.shown)))
	}
	return place, nil
}

func (s *Source) handshake(place *remote, checker *checker, wanted []string) error {
	slow := time.AfterFunc(loginTimeout, func() {
		place.wire.end(fmt.Errorf("no login within %s", loginTimeout))
	})
	defer slow.Stop()
	tried := &attempts{}
	config := &ssh.ClientConfig{
		User: s.user, Auth: s.login.methods(), AuthCallback: tried.watch,
		HostKeyCallback: checker.hostKey, HostKeyAlgorithms: wanted, ClientVersion: "SSH-2.0-hookbridge",
	}
	if s.legacy {
		secure, insecure := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
		config.KeyExchanges = append(secure.KeyExchanges, insecure.KeyExchanges...)
		config.Ciphers = append(secure.Ciphers, insecure.Ciphers...)
		config.MACs = append(secure.MACs, insecure.MACs...)
	}
	conn, channels, requests, err := ssh.NewClientConn(place.wire, s.addr, config)
	if err != nil {
		var algorithms *ssh.AlgorithmNegotiationError
		var said *explained
		switch {
		case errors.As(err, &algorithms):
			return checker.mismatch(algorithms, wanted)
		case checker.trusted:
			return tried.refused(s.user, s.login, err)
		case errors.As(err, &said):
			return said
		case checker.shown == nil && gone(err):
			return explain(err, "the server ended the connection at once (%v): it is too busy, does not let this machine in, or is no SSH server", err)
		}
		return err
	}
	place.ssh = ssh.NewClient(conn, channels, requests)
	place.guard.Go(func() { place.stayAlive() })
	if place.sftp, err = pkgsftp.NewClient(place.ssh, pkgsftp.MaxConcurrentRequestsPerFile(inFlight)); err != nil {
		return explain(err, "the server does not begin SFTP (%v); it may be switched off for user %s, or the user's shell prints something", err, s.user)
	}
	return nil
}

// stayAlive asks for a sign of life now and then, so that a connection that died in silence is noticed, and one that rests
// while a file is waited for is not cut by a firewall.
func (r *remote) stayAlive() {
	ticker := time.NewTicker(alive)
	defer ticker.Stop()
	ended := make(chan struct{})
	go func() {
		_ = r.ssh.Wait()
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			if _, _, err := r.ssh.SendRequest("keepalive@openssh.com", true, nil); err != nil {
				_ = r.ssh.Close()
			}
		}
	}
}

// close ends the connection and everything that belongs to it.
func (r *remote) close() {
	r.unwatch()
	_ = r.wire.Close()
	if r.ssh != nil {
		_ = r.ssh.Close()
	}
	if r.sftp != nil {
		_ = r.sftp.Close()
		_ = r.sftp.Wait()
	}
	r.guard.Wait()
}

// wire is the connection below SSH. It dies of silence, and of a listing that does not end.
type wire struct {
	net.Conn
	read  atomic.Int64
	most  atomic.Int64 // bytes read at which it dies; 0: never
	once  sync.Once
	cause atomic.Pointer[error]
}

func (w *wire) Read(p []byte) (int, error) {
	_ = w.SetReadDeadline(time.Now().Add(silence))
	n, err := w.Conn.Read(p)
	if most := w.most.Load(); w.read.Add(int64(n)) > most && most > 0 {
		err = fmt.Errorf("the list of a folder is larger than %s", decode.Size(maxListing))
		w.end(err)
		return 0, err
	}
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		err = fmt.Errorf("the server has not said a word for %s", silence)
		w.end(err)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	_ = w.SetWriteDeadline(time.Now().Add(silence))
	return w.Conn.Write(p)
}

// end closes the connection and remembers why.
func (w *wire) end(cause error) {
	w.once.Do(func() { w.cause.Store(&cause) })
	_ = w.Close()
}

// why is what really ended a call: the context, or what became of the connection.
func (r *remote) why(err error) error {
	if err == nil {
		return nil
	}
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	if cause := r.wire.cause.Load(); cause != nil {
		return *cause
	}
	if slices.ContainsFunc([]error{pkgsftp.ErrSSHFxConnectionLost, pkgsftp.ErrSSHFxNoConnection, net.ErrClosed}, func(lost error) bool { return errors.Is(err, lost) }) {
		return fmt.Errorf("the connection was lost: %w", err)
	}
	return err
}
