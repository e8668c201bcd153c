//go:build unix

package sftp_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// fingerprint is how errors show a key.
func (d *daemon) fingerprint(t testing.TB, name string) string {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(d.public(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}

func TestTheServerMustProveWhoItIs(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	keygen(t, filepath.Join(d.keys, "other"), "ed25519")
	keygen(t, filepath.Join(d.keys, "other_rsa"), "rsa", "-b", "2048")
	ed25519, ecdsa, rsa, other := d.public(t, "host_ed25519"), d.public(t, "host_ecdsa"), d.public(t, "host_rsa"), d.public(t, "other")
	port := d.addr[strings.LastIndexByte(d.addr, ':')+1:]
	for _, test := range []struct {
		name  string
		known []string
		want  []string // in the error; none: it is let in
	}{
		{"every key is known", []string{"HOST " + ed25519, "HOST " + ecdsa, "HOST " + rsa}, nil},
		{"one of several keys is known", []string{"HOST " + ed25519}, nil},
		{"another of several keys is known", []string{"HOST " + rsa}, nil},
		{"the name is hashed", []string{knownhosts.HashHostname("[127.0.0.1]:"+port) + " " + ecdsa}, nil},
		{"among other names", []string{"# a remark", "", "example.com," + "HOST " + ed25519 + " root@example"}, nil},
		{"a key of before stands beside the new one", []string{"HOST " + other, "HOST " + ed25519}, nil},
		{"no key of this server is known", []string{"example.com " + ed25519}, []string{
			"source.sftp: " + d.addr + ": ", "the server shows a key (", "has none of [127.0.0.1]:" + port, "only if it is the right one type: ssh-keyscan -p " + port + " 127.0.0.1 >> ",
		}},
		{"another port of the same host is known", []string{"[127.0.0.1]:1 " + ed25519, "127.0.0.1 " + ed25519}, []string{"has none of [127.0.0.1]:" + port}},
		{"the key has changed", []string{"# one line", "HOST " + other}, []string{
			"the server shows another key (" + d.fingerprint(t, "host_ed25519") + ") than line 2 of ", "somebody stands in between",
			"ssh-keygen -R '[127.0.0.1]:" + port + "' -f ", " && ssh-keyscan -p " + port + " 127.0.0.1 >> ",
		}},
		{"the key is revoked", []string{"HOST " + ed25519, "@revoked * " + ed25519}, []string{"(" + d.fingerprint(t, "host_ed25519") + ") that line 2 of ", "revokes"}},
		{"a host with a certificate is expected", []string{"@cert-authority HOST " + other}, []string{"the server has no key of the kinds that are in ", "(a certificate of an authority only), but ecdsa-sha2-nistp256, "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			known := d.known(t, test.known...)
			got := fetch(t.Context(), source(t, d.block(t, dir+"/*.json", "known_hosts", known)), nil)
			if test.want == nil {
				got.want(t, "1.1 1")
				return
			}
			got.fails(t, test.want...)
		})
	}
}

func TestAServerWithoutTheKindOfKeyThatIsKnown(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t, "HostKeyAlgorithms ssh-ed25519"), t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	known := d.known(t, "HOST "+d.public(t, "host_rsa"))
	fetch(t.Context(), source(t, d.block(t, dir+"/*.json", "known_hosts", known)), nil).
		fails(t, "the server has no key of the kinds that are in "+known+" (rsa-sha2-256, rsa-sha2-512, ssh-rsa), but ssh-ed25519", "ssh-keyscan")
}

func TestACertificateOfTheHostCounts(t *testing.T) {
	t.Parallel()
	d := sshd(t)
	keygen(t, filepath.Join(d.keys, "authority"), "ed25519")
	certify := func(principal string) string {
		host := filepath.Join(t.TempDir(), "host")
		keygen(t, host, "ed25519")
		if out, err := exec.Command("ssh-keygen", "-q", "-s", filepath.Join(d.keys, "authority"), "-I", "host", "-h", "-n", principal, host+".pub").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return host
	}
	dir := t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	for principal, want := range map[string]string{"127.0.0.1": "", "files.example.com": "is not accepted: "} {
		host := certify(principal)
		c := sshd(t, "HostKey "+host, "HostCertificate "+host+"-cert.pub")
		known := c.known(t, "@cert-authority HOST "+d.public(t, "authority"))
		got := fetch(t.Context(), source(t, c.block(t, dir+"/*.json", "known_hosts", known)), nil)
		if want == "" {
			got.want(t, "1.1 1")
		} else {
			got.fails(t, want, "signed by SHA256:")
		}
	}
}

func TestAKeyThatIsAddedCountsAtOnce(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/a.json", `[1]`)
	known := d.known(t, "example.com "+d.public(t, "host_rsa"))
	s := source(t, d.block(t, dir+"/*.json", "known_hosts", known))
	got := fetch(t.Context(), s, nil)
	got.fails(t, "type: ssh-keyscan")
	// What the error says to type is what helps.
	command := got.err.Error()
	command = command[strings.Index(command, "type: ssh-keyscan")+len("type: "):]
	need(t, "ssh-keyscan")
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	fetch(t.Context(), s, nil).want(t, "1.1 1")
	text, err := os.ReadFile(known)
	if err != nil || bytes.Count(text, []byte("[127.0.0.1]:")) < 3 {
		t.Errorf("%v:\n%s", err, text)
	}
}
