package sql_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMySQLWithCertificates(t *testing.T) {
	d := mariadbOn(t, &mariaTLSServer)
	dir := t.TempDir()
	for name, content := range map[string]string{"ca.pem": ownCertificate.cert, "key.pem": ownCertificate.key, "empty.pem": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const query = "select variable_value <> '' as encrypted from information_schema.session_status where variable_name = 'ssl_cipher'"
	for _, test := range []struct{ parameters, want, fails string }{
		{"", `{"encrypted":0}`, ""},
		{"?tls=true&ssl-ca=ca.pem", `{"encrypted":1}`, ""},
		{"?tls=true&ssl-ca=ca.pem&ssl-cert=ca.pem&ssl-key=key.pem", `{"encrypted":1}`, ""},
		{"?tls=skip-verify", `{"encrypted":1}`, ""},
		{"?tls=true", "", "the server's certificate is not trusted: "},
	} {
		s, diags := decode(t, d.block(query, ""), d.dsn+test.parameters, dir)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if f := fetch(t, s, nil); test.fails != "" {
			f.wantError(t, "source.sql: connect to ", test.fails)
		} else {
			f.want(t, test.want)
		}
	}
	// Now the server wants a certificate of the client, too.
	d.do(t, "alter user bridge@'%%' require x509")
	defer d.do(t, "alter user bridge@'%%' require none")
	for parameters, want := range map[string]string{"?tls=true&ssl-ca=ca.pem": "the server refused the login", "?tls=true&ssl-ca=ca.pem&ssl-cert=ca.pem&ssl-key=key.pem": ""} {
		s, diags := decode(t, d.block(query, ""), d.dsn+parameters, dir)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if f := fetch(t, s, nil); want != "" {
			f.wantError(t, want)
		} else {
			f.want(t, `{"encrypted":1}`)
		}
	}
	for parameters, want := range map[string]string{
		"?ssl-ca=ca.pem":                           "it names certificates, which are for tls=true",
		"?tls=skip-verify&ssl-ca=ca.pem":           "it names certificates, which are for tls=true",
		"?tls=true&ssl-ca=none.pem":                "a file it names cannot be read: ",
		"?tls=true&ssl-ca=empty.pem":               "the file at ssl-ca holds no certificate in PEM form",
		"?tls=true&ssl-cert=ca.pem":                "ssl-cert and ssl-key cannot be used: ",
		"?tls=true&ssl-cert=ca.pem&ssl-key=ca.pem": "ssl-cert and ssl-key cannot be used: ",
	} {
		_, diags := decode(t, d.block(query, ""), d.dsn+parameters, dir)
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("%s: %v, want %s", parameters, diags, want)
			continue
		}
		noSecret(t, diags[0].Detail)
	}
}
