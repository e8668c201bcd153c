package sql_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The servers of this package's tests: each is started once, by the first test that needs it, and ends with the last.

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range []*server{&postgresServer, &mariaServer, &mariaTLSServer} {
		s.stop()
	}
	os.Exit(code)
}

// server is a database in a folder of its own, on a free port of loopback.
type server struct {
	name  string
	find  func() (install, run string)
	files map[string]string // in its folder
	setup func(s *server, install string) *exec.Cmd
	serve func(s *server, run string) *exec.Cmd
	ready string // what it says when it is

	once    sync.Once
	missing bool
	err     error
	dir     string
	port    string
	cmd     *exec.Cmd
	said    chan struct{} // closed when nothing more is said
	log     strings.Builder
}

// password is that of the user bridge on every server.
const password = "p4ss/w0rd@:#?"

// need starts the server, or skips the test where it is not installed.
func (s *server) need(t testing.TB) *server {
	t.Helper()
	s.once.Do(func() { s.err = s.start() })
	if s.missing && os.Getenv("CI") == "" {
		t.Skipf("%s is not installed; .ci/doctor test installs it", s.name)
	}
	if s.err != nil {
		t.Fatalf("start %s: %v\n%s", s.name, s.err, &s.log)
	}
	return s
}

func (s *server) start() error {
	install, run := s.find()
	if install == "" || run == "" {
		s.missing = true
		return errors.New("it is not installed")
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "hookbridge-"+s.name); err != nil {
		return err
	}
	who, err := nobody(s.dir)
	if err != nil {
		return err
	}
	for name, content := range s.files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	setup := s.setup(s, install)
	setup.SysProcAttr = child(who)
	if out, err := setup.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", setup, err, out)
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	s.cmd = s.serve(s, run)
	s.cmd.SysProcAttr = child(who)
	out, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ready := make(chan bool, 1)
	s.said = make(chan struct{})
	go s.listen(out, ready)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	select {
	case ok := <-ready:
		if !ok {
			return errors.New("it ended")
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listen reads what the server says, and tells when it is ready.
func (s *server) listen(out io.Reader, ready chan<- bool) {
	defer close(s.said)
	told := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if told {
			continue
		}
		fmt.Fprintln(&s.log, lines.Text())
		if strings.Contains(lines.Text(), s.ready) {
			told = true
			ready <- true
		}
	}
	if !told {
		ready <- false
	}
}

func (s *server) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		gone := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
		<-s.said
		_ = s.cmd.Wait()
		gone.Stop()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// nobody is who runs the server: databases refuse to run as root. The folder is made theirs. nil is the user who runs the
// tests.
func nobody(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}

// freePort is a port that nobody listened at a moment ago, and none of those that connections are given by themselves, which
// somebody else's may be at any moment.
func freePort() (string, error) {
	for range 100 {
		port := strconv.Itoa(10_000 + mathrand.N(20_000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			return port, l.Close()
		}
	}
	return "", errors.New("no port is free")
}

// look finds a program, also where Debian keeps those that are not for everybody.
func look(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, pattern := range []string{"/usr/sbin/", "/usr/lib/postgresql/*/bin/"} {
			if found, _ := filepath.Glob(pattern + name); len(found) > 0 {
				return found[len(found)-1]
			}
		}
	}
	return ""
}

var postgresServer = server{
	name:  "postgresql",
	files: map[string]string{"password": password},
	find:  func() (string, string) { return look("initdb"), look("postgres") },
	ready: "database system is ready to accept connections",
	setup: func(s *server, install string) *exec.Cmd {
		cmd := exec.Command(install, "-D", filepath.Join(s.dir, "data"), "-U", "bridge", "--auth=scram-sha-256", "--pwfile="+filepath.Join(s.dir, "password"),
			"--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
		cmd.Dir = s.dir
		return cmd
	},
	serve: func(s *server, run string) *exec.Cmd {
		cmd := exec.Command(run, "-D", filepath.Join(s.dir, "data"), "-p", s.port, "-k", s.dir, "-c", "listen_addresses=127.0.0.1",
			"-c", "fsync=off", "-c", "timezone=America/New_York", "-c", "datestyle=German,DMY")
		cmd.Dir = s.dir
		return cmd
	},
}

var (
	mariaServer    = mariaServerWith(nil)
	mariaTLSServer = mariaServerWith(map[string]string{"cert": ownCertificate.cert, "key": ownCertificate.key}, "--ssl-cert=cert", "--ssl-key=key", "--ssl-ca=cert")
)

func mariaServerWith(files map[string]string, options ...string) server {
	return server{
		name:  "mariadb",
		find:  func() (string, string) { return look("mariadb-install-db", "mysql_install_db"), look("mariadbd") },
		files: files,
		ready: "ready for connections",
		setup: func(s *server, install string) *exec.Cmd {
			cmd := exec.Command(install, "--no-defaults", "--datadir="+filepath.Join(s.dir, "data"), "--skip-test-db",
				"--auth-root-authentication-method=normal")
			cmd.Dir = s.dir
			return cmd
		},
		serve: func(s *server, run string) *exec.Cmd {
			cmd := exec.Command(run, "--no-defaults", "--datadir="+filepath.Join(s.dir, "data"), "--socket="+filepath.Join(s.dir, "sock"),
				"--port="+s.port, "--bind-address=127.0.0.1", "--pid-file="+filepath.Join(s.dir, "pid"), "--innodb-flush-log-at-trx-commit=0",
				"--innodb-flush-method=nosync", "--sync-frm=off", "--skip-innodb-doublewrite",
				"--default-time-zone=+05:30", "--character-set-server=utf8mb4")
			for _, option := range options {
				name, file, _ := strings.Cut(option, "=")
				cmd.Args = append(cmd.Args, name+"="+filepath.Join(s.dir, file))
			}
			cmd.Dir = s.dir
			return cmd
		},
	}
}

// ownCertificate is one for 127.0.0.1, for servers and clients, that vouches for itself.
var ownCertificate = func() (pair struct{ cert, key string }) {
	own := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, own, own, private.Public(), private)
	if err != nil {
		panic(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	pair.cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	pair.key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	return pair
}()
