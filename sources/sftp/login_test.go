//go:build unix

package sftp_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// server is an SFTP server of x/crypto/ssh, for logins that OpenSSH takes from the system's users only.
func server(t testing.TB, config *ssh.ServerConfig) *daemon {
	t.Helper()
	d := &daemon{keys: t.TempDir(), user: "bridge"}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config.AddHostKey(signer)
	host, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(d.keys, "host_ed25519.pub"), string(ssh.MarshalAuthorizedKey(host)))
	userKey(t, filepath.Join(d.keys, "id"), nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = listener.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			tcp, err := listener.Accept()
			if err != nil {
				return
			}
			serve(tcp, config)
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-ended })
	return d
}

// serve serves one connection to its end.
func serve(tcp net.Conn, config *ssh.ServerConfig) {
	defer tcp.Close()
	conn, channels, requests, err := ssh.NewServerConn(tcp, config)
	if err != nil {
		return
	}
	defer conn.Wait()
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		channel, requests, err := asked.Accept()
		if err != nil {
			return
		}
		go func() {
			for request := range requests {
				_ = request.Reply(request.Type == "subsystem", nil)
			}
		}()
		if files, err := pkgsftp.NewServer(channel, pkgsftp.ReadOnly()); err == nil {
			_ = files.Serve()
		}
		_ = channel.Close()
	}
}

// userKey writes a private key, encrypted if there is a passphrase, and its public half.
func userKey(t testing.TB, path string, passphrase []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if passphrase != nil {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "test", passphrase)
	}
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, path+".pub", string(ssh.MarshalAuthorizedKey(key)))
}

const password = "correct horse battery"

var errRefused = errors.New("no")

func byPassword(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
	if string(given) != password {
		return nil, errRefused
	}
	return nil, nil
}

func byDialogue(question string, echo bool) func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	return func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		answers, err := ask("", "", []string{question}, []bool{echo})
		if err != nil || len(answers) != 1 || answers[0] != password {
			return nil, errRefused
		}
		return nil, nil
	}
}

func TestLogins(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	anyKey := func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
	for _, test := range []struct {
		name   string
		config *ssh.ServerConfig
		block  []string // beside the usual
		want   []string // in the error; none: it is let in
	}{
		{"password", &ssh.ServerConfig{PasswordCallback: byPassword}, []string{"password", password, "key_file", ""}, nil},
		{"password in a dialogue", &ssh.ServerConfig{KeyboardInteractiveCallback: byDialogue("Password: ", false)}, []string{"password", password, "key_file", ""}, nil},
		{"key, then password", &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{PasswordCallback: byPassword}}
		}}, []string{"password", password}, nil},
		{"wrong password", &ssh.ServerConfig{PasswordCallback: byPassword}, []string{"password", "wrong but secret", "key_file", ""},
			[]string{"login of bridge refused: tried password, and the server takes password; check user and password"}},
		{"a password where a key is wanted", &ssh.ServerConfig{PublicKeyCallback: anyKey}, []string{"password", password, "key_file", ""},
			[]string{"login of bridge refused: the server takes publickey, and there is a password only"}},
		{"a key where a password is wanted", &ssh.ServerConfig{PasswordCallback: byPassword}, nil,
			[]string{"login of bridge refused: the server takes password, and there is a key only"}},
		{"a question for something else", &ssh.ServerConfig{KeyboardInteractiveCallback: byDialogue("One-time code: ", true)}, []string{"password", password, "key_file", ""},
			[]string{`the server asks for "One-time code: ", which is no password`}},
		{"a key that is missing its second half", &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{PasswordCallback: byPassword}}
		}}, nil, []string{"login of bridge refused: tried publickey, and the server takes password"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := server(t, test.config)
			more := append([]string{"known_hosts", d.known(t, "HOST "+d.public(t, "host_ed25519"))}, test.block...)
			got := fetch(t.Context(), source(t, d.block(t, dir+"/*.json", more...)), nil)
			if test.want == nil {
				got.want(t, "1.1 1")
				return
			}
			got.fails(t, append(test.want, "source.sftp: "+d.addr+": ")...)
			for _, secret := range []string{password, "wrong but secret"} {
				if strings.Contains(got.err.Error(), secret) {
					t.Errorf("the error shows the password: %v", got.err)
				}
			}
		})
	}
}

func TestAKeyThatTheServerDoesNotKnow(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	other := filepath.Join(d.keys, "stranger")
	userKey(t, other, nil)
	_, fingerprint, _ := strings.Cut(d.fingerprint(t, "stranger"), " ")
	fetch(t.Context(), source(t, d.block(t, dir+"/*.json", "key_file", other)), nil).
		fails(t, "login of "+d.user+" refused: tried publickey, and the server takes publickey; check user, and that the server has the public key "+fingerprint+" in the user's authorized_keys")
	fetch(t.Context(), source(t, d.block(t, dir+"/*.json", "user", "nobody-of-that-name")), nil).fails(t, "login of nobody-of-that-name refused: tried publickey")
}

func TestAnEncryptedKey(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	key := filepath.Join(t.TempDir(), "id")
	userKey(t, key, []byte(password))
	text, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(d.keys, "id.pub"), string(text))
	fetch(t.Context(), source(t, d.block(t, dir+"/*.json", "key_file", key, "passphrase", password)), nil).want(t, "1.1 1")
}

func TestServersThatAreNoneOrCannot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	d := sshd(t, "Subsystem nothing internal-sftp")
	fetch(t.Context(), source(t, d.block(t, dir+"/*.json")), nil).fails(t, "the server does not begin SFTP")
	for said, want := range map[string]string{
		"":                             "the server ended the connection at once",
		"HTTP/1.1 400 Bad Request\r\n": "source.sftp: ",
		"SSH-2.0-x\r\n":                "source.sftp: ",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		d.addr = listener.Addr().String()
		go func() {
			if tcp, err := listener.Accept(); err == nil {
				_, _ = io.WriteString(tcp, said)
				_ = tcp.Close()
			}
		}()
		fetch(t.Context(), source(t, d.block(t, dir+"/*.json")), nil).fails(t, want)
		_ = listener.Close()
	}
	fetch(t.Context(), source(t, d.block(t, dir+"/*.json")), nil).fails(t, "connect: ", "check addr, and whether a firewall lets this machine through")
}
