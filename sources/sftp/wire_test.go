//go:build unix

package sftp

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// host is a server in this process, at the other end of a pipe, so that its minutes pass in an instant.
type host struct {
	key     ssh.Signer
	path    string        // of a known_hosts file
	mute    bool          // says nothing, from the start
	silent  chan struct{} // closed: says nothing more, not even that it is alive
	gone    chan struct{} // closed: the connection has ended
	list    func() pkgsftp.ListerAt
	content string
}

func newHost(t testing.TB) *host {
	t.Helper()
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	h := &host{key: key, path: filepath.Join(t.TempDir(), "known_hosts"), silent: make(chan struct{})}
	if err := os.WriteFile(h.path, []byte(knownhosts.Line([]string{"files.example.com"}, key.PublicKey())+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// server is its end of the pipe: what it says is kept until it is heard, because both sides of SSH speak first.
type server struct {
	net.Conn
	said chan []byte
	done chan struct{}
	once sync.Once
}

func (s *server) Write(p []byte) (int, error) {
	select {
	case s.said <- bytes.Clone(p):
		return len(p), nil
	case <-s.done:
		return 0, net.ErrClosed
	}
}

func (s *server) speak() {
	for {
		select {
		case p := <-s.said:
			if _, err := s.Conn.Write(p); err != nil {
				_ = s.Close()
			}
		case <-s.done:
			return
		}
	}
}

func (s *server) Close() error {
	s.once.Do(func() { close(s.done) })
	return s.Conn.Close()
}

// client is the other end. It has an address, as known_hosts wants.
type client struct{ net.Conn }

func (client) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22} }

// source reads /out/*.json of the host.
func (h *host) source(t testing.TB) *Source {
	t.Helper()
	block := fmt.Sprintf("addr = \"files.example.com\"\nuser = \"bridge\"\npassword = \"secret\"\nknown_hosts = %q\npath = \"/out/*.json\"\nsettle = \"0s\"\nmax_body = \"1MiB\"\n", h.path)
	parsed, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s, diags := Decode(parsed.Body, nil, t.TempDir())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s.(*Source)
}

func (h *host) fetch(ctx context.Context, t testing.TB) (bridge.Outcome, error) {
	t.Helper()
	s := h.source(t)
	checker, wanted, err := s.hosts.checker()
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	var all sync.WaitGroup
	defer all.Wait()
	end := &server{Conn: far, said: make(chan []byte, 16), done: make(chan struct{})}
	h.gone = end.done
	defer end.Close()
	all.Go(end.speak)
	all.Go(func() { h.serve(&all, end) })
	place, err := s.begin(ctx, client{near}, checker, wanted)
	if err != nil {
		return bridge.Outcome{}, err
	}
	defer place.close()
	return s.files.Fetch(ctx, place, bridge.FetchOptions{}, func(bridge.Record) error { return nil })
}

func (h *host) serve(all *sync.WaitGroup, end *server) {
	if h.mute {
		<-end.done
		return
	}
	config := &ssh.ServerConfig{PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(h.key)
	conn, channels, requests, err := ssh.NewServerConn(end, config)
	if err != nil {
		return
	}
	all.Go(func() { h.answer(requests, false) })
	for wanted := range channels {
		channel, requests, err := wanted.Accept()
		if err != nil {
			break
		}
		all.Go(func() { h.answer(requests, true) })
		all.Go(func() {
			_ = pkgsftp.NewRequestServer(channel, pkgsftp.Handlers{FileGet: h, FileList: h}).Serve()
		})
	}
	_ = conn.Close()
}

func (h *host) answer(requests <-chan *ssh.Request, ok bool) {
	for r := range requests {
		select {
		case <-h.silent:
		default:
			_ = r.Reply(ok, nil)
		}
	}
}

func (h *host) Filelist(r *pkgsftp.Request) (pkgsftp.ListerAt, error) {
	if r.Method == "List" {
		return h.list(), nil
	}
	return names{{"a.json", int64(len(h.content))}}, nil
}

func (h *host) Fileread(*pkgsftp.Request) (io.ReaderAt, error) {
	return strings.NewReader(h.content), nil
}

// names are the entries of a folder.
type names []struct {
	name string
	size int64
}

func (n names) ListAt(into []fs.FileInfo, offset int64) (int, error) {
	count := 0
	for ; count < len(into) && int(offset)+count < len(n); count++ {
		into[count] = described{n[int(offset)+count].name, n[int(offset)+count].size}
	}
	if count < len(into) {
		return count, io.EOF
	}
	return count, nil
}

type described struct {
	name string
	size int64
}

func (d described) Name() string     { return d.name }
func (d described) Size() int64      { return d.size }
func (described) Mode() fs.FileMode  { return 0o644 }
func (described) ModTime() time.Time { return time.Unix(1, 0) }
func (described) IsDir() bool        { return false }
func (described) Sys() any           { return nil }

func TestAServerThatFallsSilentIsLeftAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		var fell time.Time
		h.list = func() pkgsftp.ListerAt {
			fell = time.Now()
			close(h.silent)
			<-h.gone
			return names{}
		}
		_, err := h.fetch(t.Context(), t)
		const want = "source.sftp: list /out/*.json: list /out: the server has not said a word for 1m0s"
		if took := time.Since(fell); err == nil || err.Error() != want || took != time.Minute {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

func TestAServerThatIsSlowButAliveIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.content = "[1,2]"
		h.list = func() pkgsftp.ListerAt {
			select {
			case <-time.After(10 * time.Minute):
			case <-h.gone:
			}
			return names{{"a.json", int64(len(h.content))}}
		}
		started := time.Now()
		outcome, err := h.fetch(t.Context(), t)
		if took := time.Since(started); err != nil || !outcome.Complete || outcome.Bytes != 5 || took != 20*time.Minute {
			t.Errorf("after %s: %+v, %v", took, outcome, err)
		}
	})
}

func TestAServerThatNeverLogsInIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, started := newHost(t), time.Now()
		h.mute = true
		_, err := h.fetch(t.Context(), t)
		if took := time.Since(started); err == nil || err.Error() != "no login within 30s" || took != 30*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// endless is a folder whose list does not end.
type endless struct{ entry described }

func (e endless) ListAt(into []fs.FileInfo, _ int64) (int, error) {
	for i := range into {
		into[i] = e.entry
	}
	return len(into), nil
}

func TestAListThatDoesNotEndIsLeft(t *testing.T) {
	h := newHost(t)
	h.list = func() pkgsftp.ListerAt { return endless{described{strings.Repeat("x", 1000), 1}} }
	_, err := h.fetch(t.Context(), t)
	if err == nil || err.Error() != "source.sftp: list /out/*.json: list /out: the list of a folder is larger than 64 MiB" {
		t.Errorf("%v", err)
	}
}
