package sftp

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/ssh"
)

// login is what the user shows the server. Servers that want both get both.
type login struct {
	password bridge.Secret
	key      ssh.Signer // nil: none
}

// readLogin reads password, key_file and passphrase. The key is read once: what it is encrypted with costs time on purpose.
func readLogin(r *attr.Reader, dir string) login {
	before := r.Errors()
	l := login{password: r.Secret("password")}
	path, text := load(r, "key_file", dir, func(string) string { return " It is the private key, such as id_ed25519." })
	passphrase := r.Secret("passphrase")
	if text != nil {
		l.key = privateKey(r, path, text, passphrase)
	}
	written := func(name string) bool { return r.Value(name) != cty.NilVal || !r.Has(name) && !r.Missing(name) } // or misspelt
	switch {
	case r.Errors() > before:
	case written("password") && r.Has("password") && l.password.Empty():
		r.Errorf(r.Range("password"), "Empty password", "password must not be empty.")
	case !written("password") && !written("key_file"):
		r.Errorf(r.Range("key_file"), "No login", `Write key_file = "…", which names a private key, or password = env("…").`)
	}
	return l
}

func privateKey(r *attr.Reader, path string, text []byte, passphrase bridge.Secret) ssh.Signer {
	wrong := func(format string, args ...any) ssh.Signer {
		r.Errorf(r.Range("key_file"), "Unusable key", format, args...)
		return nil
	}
	signer, err := ssh.ParsePrivateKey(text)
	if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) {
		if passphrase.Empty() {
			return wrong(`The key is encrypted, and there is no passphrase. Write passphrase = env("…"), or use a key of the bridge's own without one.`)
		}
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(text, []byte(passphrase.Reveal())); errors.Is(err, x509.IncorrectPasswordError) {
			r.Errorf(r.Range("passphrase"), "Wrong passphrase", "The passphrase does not open the key.")
			return nil
		}
	}
	if err == nil {
		if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			r.Warnf(r.Range("key_file"), "Key is open to others", "%s can be read or written by others than its owner (%s). Type: chmod 600 %s", path, info.Mode().Perm(), quote(path))
		}
		return signer
	}
	switch {
	case bytes.HasPrefix(text, []byte("PuTTY-User-Key-File")):
		return wrong("It is in PuTTY's own form. Type: puttygen %s -O private-openssh -o id_bridge, and name id_bridge.", quote(path))
	case isPublic(text):
		return wrong("It is the public half. key_file names the private key, most often the same name without .pub.")
	}
	return wrong("It is no private key in the form of OpenSSH or PEM: %v.", err)
}

func isPublic(text []byte) bool {
	_, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return err == nil
}

// methods are the ways to log in that x/crypto/ssh tries, in this order.
func (l login) methods() []ssh.AuthMethod {
	var all []ssh.AuthMethod
	if l.key != nil {
		all = append(all, ssh.PublicKeys(l.key))
	}
	if !l.password.Empty() {
		all = append(all, ssh.Password(l.password.Reveal()), ssh.KeyboardInteractive(l.answer))
	}
	return all
}

var errQuestion = errors.New("a question that is not for a password")

// answer gives the password where a server asks for it in a dialogue.
func (l login) answer(_, _ string, questions []string, echos []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for i, question := range questions {
		if i >= len(echos) || echos[i] {
			return nil, explain(errQuestion, "the server asks for %q, which is no password: a login without people must need no more than a key or a password", clip(question))
		}
		answers[i] = l.password.Reveal()
	}
	return answers, nil
}

// attempts remembers what was tried, for the error.
type attempts struct {
	allowed, tried []string
}

// watch is asked before each attempt but the first, which only learns what is allowed.
func (a *attempts) watch(ctx *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	a.allowed = ctx.AllowedMethods
	a.tried = slices.DeleteFunc(slices.Concat(ctx.PartialSuccessMethods, ctx.TriedMethods), func(method string) bool { return method == "none" })
	return nil, nil
}

// refused says what went wrong after the server had proved who it is.
func (a *attempts) refused(user string, l login, err error) error {
	tried := words(a.tried)
	if gone(err) {
		if tried == "" {
			return explain(err, "the server ended the connection before the login (%v)", err)
		}
		return explain(err, "the server ended the connection during the login (tried %s: %v)", tried, err)
	}
	if said := (*explained)(nil); errors.As(err, &said) {
		return said
	}
	allowed := cmp.Or(words(a.allowed), "nothing more")
	if tried == "" {
		return explain(err, "login of %s refused: the server takes %s, and there is %s; write what it takes, or have it take this", user, allowed, l)
	}
	advice := "check user and password"
	if l.key != nil {
		advice = fmt.Sprintf("check user, and that the server has the public key %s in the user's authorized_keys", ssh.FingerprintSHA256(l.key.PublicKey()))
	}
	return explain(err, "login of %s refused: tried %s, and the server takes %s; %s", user, tried, allowed, advice)
}

// String says which ways to log in there are.
func (l login) String() string {
	switch {
	case l.key != nil && !l.password.Empty():
		return "a key and a password"
	case l.key != nil:
		return "a key only"
	}
	return "a password only"
}
