//go:build unix

package sftp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/zclconf/go-cty/cty"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge/sources/sftp"
)

// TestDecodeNotesMistakes: each line replaces one of a block that is right.
func TestDecodeNotesMistakes(t *testing.T) {
	dir := t.TempDir()
	for name, passphrase := range map[string][]byte{"id": nil, "locked": []byte(password)} {
		userKey(t, filepath.Join(dir, name), passphrase)
	}
	public, err := os.ReadFile(filepath.Join(dir, "id.pub"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"known_hosts": "files.example.com " + string(public), "broken_hosts": "files.example.com ssh-ed25519 AAAA\n", "id.ppk": "PuTTY-User-Key-File-3: ssh-ed25519\n", "rubbish": "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "id"), filepath.Join(dir, "open")); err != nil {
		t.Fatal(err)
	}
	right := map[string]string{"addr": `"files.example.com:22"`, "user": `"bridge"`, "key_file": `"id"`, "known_hosts": `"known_hosts"`, "path": `"/out/*.json"`}
	for _, test := range []struct{ line, want string }{
		{``, ``},
		{`addr = "files.example.com"`, ``},
		{`addr = null`, `"addr"`},
		{`addr = "bridge@files.example.com"`, `the user is named by user = "…"`},
		{`addr = "sftp://files.example.com/out"`, `the files are named by path = "…"`},
		{`addr = "files.example.com:ssh"`, `addr is a host or host:port`},
		{`addr = "files.example.com:0"`, `addr is a host or host:port`},
		{`user = null`, `"user"`},
		{`key_file = null`, `Write key_file = "…", which names a private key, or password = env("…").`},
		{`key_file = "nothing"`, `key_file cannot be read: `},
		{`key_file = "."`, `key_file cannot be read: `},
		{`key_file = "id.pub"`, `It is the public half.`},
		{`key_file = "id.ppk"`, `puttygen `},
		{`key_file = "rubbish"`, `It is no private key in the form of OpenSSH or PEM`},
		{`key_file = "locked"`, `The key is encrypted, and there is no passphrase.`},
		{"key_file = \"locked\"\npassphrase = \"wrong\"", `The passphrase does not open the key.`},
		{"key_file = \"locked\"\npassphrase = \"" + password + "\"", ``},
		{`password = ""`, `password must not be empty`},
		{`known_hosts = null`, `"known_hosts"`},
		{`known_hosts = "nothing"`, `It is how the server proves who it is. Type: ssh-keyscan -p 22 files.example.com >> ` + filepath.Join(dir, "nothing")},
		{`known_hosts = "broken_hosts"`, `known_hosts is not what ssh-keyscan and ssh write: `},
		{`known_hots = "known_hosts"`, `Did you mean "known_hosts"?`},
		{`path = "[a.json"`, `this one is malformed`},
		{`path = "a.dat"`, `Add a decode block`},
		{`path = "a.json.part"`, `Add a decode block`},
		{"path = \"a.json.part\"\ndecode \"json\" {}", `path names a file that ignore leaves out (*.tmp, *.part, *.filepart, .*)`},
		{"path = \"a.json.part\"\nignore = []\ndecode \"json\" {}", ``},
		{`ignore = ["a/*.tmp"]`, `ignore lists patterns for the last part of a name`},
		{`settle = "-1s"`, `"settle" must not be negative`},
		{`algorithms = "old"`, `"legacy"`},
	} {
		var b strings.Builder
		for name, value := range right {
			if !strings.HasPrefix(test.line, name+" =") {
				fmt.Fprintf(&b, "%s = %s\n", name, value)
			}
		}
		parsed, diags := hclsyntax.ParseConfig([]byte(b.String()+test.line+"\n"), "bridge.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		s, diags := sftp.Decode(parsed.Body, nil, dir)
		if test.want == "" {
			if s == nil || len(diags) > 0 {
				t.Errorf("%s: got %v", test.line, diags)
			}
			continue
		}
		if len(diags) > 1 {
			t.Errorf("%s: one mistake is told as %d: %v", test.line, len(diags), diags)
		}
		if text := details(diags); s != nil || !strings.Contains(text, test.want) || strings.Contains(text, password) {
			t.Errorf("%s: got %v %q, want %s", test.line, s, text, test.want)
		}
	}
}

func details(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		b.WriteString(d.Detail + "\n")
	}
	return b.String()
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	userKey(t, filepath.Join(dir, "id"), nil)
	if err := os.Chmod(filepath.Join(dir, "id"), 0o640); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "known_hosts"), "")
	parsed, _ := hclsyntax.ParseConfig([]byte("addr = \"files.example.com:2222\"\nuser = \"bridge\"\nkey_file = \"id\"\nknown_hosts = \"known_hosts\"\npath = \"*.json\"\n"), "bridge.hcl", hcl.InitialPos)
	s, diags := sftp.Decode(parsed.Body, nil, dir)
	text := details(diags)
	if s == nil || len(diags) != 2 || !strings.Contains(text, "can be read or written by others than its owner (-rw-r-----). Type: chmod 600 "+dir+"/id") ||
		!strings.Contains(text, "known_hosts has no key of [files.example.com]:2222. Type: ssh-keyscan -p 2222 files.example.com >> "+dir+"/known_hosts") {
		t.Errorf("got %s", text)
	}
}

func TestIdentityHasNoSecret(t *testing.T) {
	dir := t.TempDir()
	userKey(t, filepath.Join(dir, "id"), nil)
	public, err := os.ReadFile(filepath.Join(dir, "id.pub"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "known_hosts"), "files.example.com "+string(public))
	identity := func(password, rest string) string {
		parsed, diags := hclsyntax.ParseConfig([]byte("addr = \"files.example.com\"\nuser = \"bridge\"\nknown_hosts = \"known_hosts\"\npassword = var.p\n"+rest), "bridge.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		s, diags := sftp.Decode(parsed.Body, &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{"p": attr.Secret(password)})}}, dir)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%#v", s)} {
			if shown != s.Identity() {
				t.Errorf("prints as %s", shown)
			}
		}
		return s.Identity()
	}
	if got, want := identity("out-secret", "path = \"/out-secret/*.json\""), "sftp bridge@files.example.com:22 /(secret)/*.json by name"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if identity("one-password", `path = "*.json"`) != identity("another-password", `path = "*.json"`) {
		t.Error("a new password is another source")
	}
	seen := map[string]string{}
	for _, rest := range []string{`path = "a.json"`, `path = "*.json"`, "path = \"a.json\"\ndecode \"ndjson\" {}", "path = \"a.zip\"", "path = \"a.zip\"\nmembers = \"*.json\""} {
		got := identity("one-password", rest)
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s have the same identity: %s", rest, other, got)
		}
		seen[got] = rest
	}
}
