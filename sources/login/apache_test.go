package login_test

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// apache is a real server on loopback: a login form, digest, and a port that wants a client certificate.
type apache struct {
	dir          string
	plain, guard int // ports
}

const apacheConfig = `
ServerName localhost
ServerRoot %[1]q
DefaultRuntimeDir %[1]q
PidFile pid
ErrorLog /dev/stderr
LogLevel notice
%[2]s
Listen 127.0.0.1:%[3]d
Listen 127.0.0.1:%[4]d
DocumentRoot %[1]q
KeepAlive On
<Directory %[1]q>
  Require all granted
</Directory>
<Location /form/>
  AuthType form
  AuthName "portal"
  AuthFormProvider file
  AuthUserFile passwords
  AuthFormLoginRequiredLocation /login.html
  Session On
  SessionCookieName %[5]s path=/
  Require valid-user
</Location>
<Location /dologin>
  SetHandler form-login-handler
  AuthType form
  AuthName "portal"
  AuthFormProvider file
  AuthUserFile passwords
  AuthFormLoginRequiredLocation /login.html
  AuthFormLoginSuccessLocation /welcome.html
  Session On
  SessionCookieName %[5]s path=/
</Location>
<Location /digest/>
  AuthType Digest
  AuthName "devices"
  AuthDigestProvider file
  AuthUserFile digests
  Require valid-user
</Location>
<Location /digest/utf8/>
  AuthName "Geräte"
</Location>
<Location /digest/latin/>
  AuthName "Ger%[6]ste"
</Location>
<VirtualHost 127.0.0.1:%[4]d>
  SSLEngine on
  SSLCertificateFile server.pem
  SSLCertificateKeyFile server.key
  SSLCACertificateFile ca.pem
  SSLVerifyClient require
</VirtualHost>
`

// newApache writes what the server needs, and finds ports for it.
func newApache(t *testing.T, ours *authority) *apache {
	a := &apache{dir: t.TempDir()}
	for dir := a.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) { // its children are another user
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"form", "digest", "digest/latin", "digest/utf8"} {
		if err := os.Mkdir(filepath.Join(a.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		a.put(t, name+"/data.json", fmt.Sprintf("[%q]", name))
	}
	a.put(t, "data.json", `["guarded"]`)
	a.put(t, "login.html", `<html><form action=dologin method=post><input name=httpd_username><input type=password name=httpd_password></form></html>`)
	a.put(t, "welcome.html", `<html>welcome</html>`)
	a.password(t, "S3CRET-TOKEN")
	digests := ""
	for _, realm := range []string{"me:devices", "mü:Geräte", "m\xfc:Ger\xe4te"} { // in UTF-8 and in ISO 8859-1
		digests += fmt.Sprintf("%s:%x\n", realm, md5.Sum([]byte(realm+":S3CRET-TOKEN")))
	}
	a.put(t, "digests", digests)
	certificate, key := ours.sign(t, "localhost", nil)
	write(t, a.dir, "server", certificate, key)
	write(t, a.dir, "ca", ours.certificate, ours.key)
	for _, port := range []*int{&a.plain, &a.guard} {
		*port = freePort(t)
	}
	return a
}

// freePort is one that nobody listened at a moment ago, and none of those that connections are given by themselves, which
// somebody else's may be at any moment.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.N(20_000)
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func (a *apache) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// password sets what the form is to be told.
func (a *apache) password(t *testing.T, password string) {
	t.Helper()
	sum := sha1.Sum([]byte(password))
	a.put(t, "passwords", "me:{SHA}"+base64.StdEncoding.EncodeToString(sum[:])+"\n")
}

// start runs the server until the function it returns is called. Sessions live in cookies of that name.
func (a *apache) start(t *testing.T, cookie string) (stop func()) {
	t.Helper()
	const modules = "/usr/lib/apache2/modules"
	var load strings.Builder
	for _, name := range []string{"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_form", "auth_digest", "session", "session_cookie", "request", "dir", "mime", "ssl"} {
		fmt.Fprintf(&load, "LoadModule %s_module %s/mod_%s.so\n", name, modules, name)
	}
	load.WriteString("TypesConfig /dev/null\nAddType application/json json\nAddType text/html html\n")
	if os.Getuid() == 0 {
		load.WriteString("User nobody\nGroup nogroup\n")
	}
	a.put(t, "httpd.conf", fmt.Sprintf(apacheConfig, a.dir, load.String(), a.plain, a.guard, cookie, "\xe4"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	cmd := exec.CommandContext(ctx, a.program(t), "-f", filepath.Join(a.dir, "httpd.conf"), "-D", "FOREGROUND")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, said := bufio.NewScanner(out), ""
	for lines.Scan() {
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "resuming normal operations") {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for lines.Scan() {
				}
			}()
			stop := func() { cancel(); <-done; _ = cmd.Wait() }
			t.Cleanup(stop)
			return stop
		}
	}
	cancel()
	t.Fatalf("apache2 did not start: %v\n%s", cmd.Wait(), said)
	return nil
}

// program finds the server, which Debian keeps where only root looks.
func (a *apache) program(t *testing.T) string {
	if path := os.Getenv("PATH"); !slices.Contains(filepath.SplitList(path), "/usr/sbin") {
		t.Setenv("PATH", path+":/usr/sbin")
	}
	return program(t, "apache2")
}

// A real Apache: its digest, its login form with a session that ends, and its port for those who show a certificate.
func TestApache(t *testing.T) {
	ours, h := newAuthority(t, "Our CA"), newHouse(t)
	server := newApache(t, ours)
	address, guarded := fmt.Sprintf("http://localhost:%d", server.plain), fmt.Sprintf("https://localhost:%d", server.guard)
	write(t, h.dir, "ca", ours.certificate, ours.key)
	certificate, key := ours.sign(t, "me", nil)
	write(t, h.dir, "me", certificate, key)
	stop := server.start(t, "first")

	digest := h.source(t, "url = \"%s/digest/data.json?a=%%2520\"\nauth \"digest\" {\n username = \"me\"\n password = secret.token\n}", address)
	form := h.source(t, "url = \"%[1]s/form/data.json\"\nauth \"session\" {\n url = \"%[1]s/dologin\"\n form = { httpd_username = \"me\", httpd_password = secret.token }\n}", address)
	shown := h.source(t, "url = \"%s/data.json\"\ntls {\n ca_file = \"ca.pem\"\n cert_file = \"me.pem\"\n key_file = \"me.key\"\n}", guarded)
	const umlauts = "url = \"%s/digest/%s/data.json\"\nauth \"digest\" {\n username = \"mü\"\n password = secret.token\n}"
	all := func() {
		t.Helper()
		for range 2 {
			h.want(t, digest, `"digest"`)
			h.want(t, h.source(t, umlauts, address, "utf8"), `"digest/utf8"`)
			h.want(t, h.source(t, umlauts, address, "latin"), `"digest/latin"`)
			h.want(t, form, `"form"`)
			h.want(t, shown, `"guarded"`)
		}
	}
	all()

	stop()
	server.start(t, "second") // whose nonces and sessions are others
	all()

	server.password(t, "another")
	h.wantError(t, form, "the login at "+address+"/dologin was refused (status 200, the login page came again)")
	h.wantError(t, h.source(t, "url = \"%s/digest/data.json\"\nauth \"digest\" {\n username = \"me\"\n password = secret.other\n}", address), `answered 401 Unauthorized: the login was refused; check auth "digest"`)
	h.wantError(t, h.source(t, "url = \"%s/data.json\"\nretries = 0\ntls { ca_file = \"ca.pem\" }", guarded), "GET "+guarded+"/data.json")
	h.silent(t)
}
