package http_test

import (
	"encoding/pem"
	"fmt"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDecodeNotesEveryMistake(t *testing.T) {
	for _, test := range []struct{ name, block, want string }{
		{"nothing", ``, `1: The argument "url" is required`},
		{"a typo", `urls = "x"`, `Did you mean "url"?`},
		{"a typo within", "url = \"http://x\"\npagination \"page\" {\n  parm = \"p\"\n}", `3: An argument named "parm" is not expected here. Did you mean "param"?`},
		{"no URL", `url = "http://[::1"`, `1: url is not a URL.`},
		{"a URL that is not printed", `url = "ftp://${secret.token}@x"`, `1: url must begin with http:// or https://.`},
		{"no host", `url = "http:///x"`, `1: url names no host.`},
		{"another method", "url = \"http://x\"\nmethod = \"PUT\"", `2: `},
		{"a body with GET", "url = \"http://x\"\nbody = \"x\"", `2: Only a POST request has a body; add method = "POST".`},
		{"json with GET", "url = \"http://x\"\njson = {}", `2: Only a POST request has a body`},
		{"two bodies", "url = \"http://x\"\nmethod = \"POST\"\nbody = \"x\"\njson = {}", `4: Write either body or json, not both.`},
		{"an unknown decoder", "url = \"http://x\"\ndecode \"jsn\" {\n  what = 1\n}", `2: There is no decoder "jsn". Did you mean "json"? There is: json, ndjson.`},
		{"a decoder of later", "url = \"http://x\"\ndecode \"csv\" { delimiter = \";\" }", `2: The decoder "csv" belongs to the language, but this version of hookbridge does not have it yet.`},
		{"items with a wildcard", "url = \"http://x\"\ndecode \"json\" { items = \"data.*.x\" }", `2: path "data.*.x" may only hold dotted names`},
		{"an unknown pagination", "url = \"http://x\"\npagination \"pages\" {}", `2: There is no pagination "pages". Did you mean "page"?`},
		{"a cursor without param", "url = \"http://x\"\npagination \"cursor\" {}", `"param"`},
		{"two cursors", "url = \"http://x\"\npagination \"cursor\" {\n  param = \"after\"\n  next = \"n\"\n  last = \"id\"\n}", `5: The cursor stands either in the body (next) or in the last record (last), not both.`},
		{"half a page size", "url = \"http://x\"\npagination \"page\" { size = 10 }", `2: size_param and size belong together`},
		{"an envelope around lines", "url = \"http://x\"\ndecode \"ndjson\" {}\npagination \"page\" { total = \"total\" }", `3: A document of this format has nothing beside its records`},
		{"an unknown login", "url = \"http://x\"\nauth \"baerer\" { token = \"x\" }", `2: There is no auth "baerer". Did you mean "bearer"?`},
		{"a login of later", "url = \"http://x\"\nauth \"ntlm\" { username = \"x\" }", `2: The auth "ntlm" belongs to the language`},
		{"an empty token", "url = \"http://x\"\nauth \"bearer\" { token = \"\" }", `2: `},
		{"a header that HTTP cannot carry", "url = \"http://x\"\nheaders = { X = \"a\\nb\" }", `2: The header "X" has a name or a value that HTTP does not allow.`},
		{"a header of ours", "url = \"http://x\"\nheaders = { Accept-Encoding = \"br\" }", `2: The header "Accept-Encoding" is set by hookbridge itself; remove it.`},
		{"a feature of later", "url = \"http://x\"\nsuccess = true", `2: "success" belongs to the language`},
		{"since without a value", "url = \"http://x\"\nsince {\n  param = \"s\"\n}", `"value" is required in since`},
		{"since of the whole record", "url = \"http://x\"\nsince {\n  param = \"s\"\n  value = \"@this\"\n}", `4: value names the field of the record`},
		{"since with a wildcard", "url = \"http://x\"\nsince {\n  param = \"s\"\n  value = \"a.*\"\n}", `4: value names the field of the record`},
		{"an initial value that is no time", "url = \"http://x\"\nsince {\n  param = \"s\"\n  value = \"u\"\n  initial = \"yesterday\"\n}", `5: initial must be written as param takes it`},
		{"an overlap that is none", "url = \"http://x\"\nsince {\n  param = \"s\"\n  value = \"u\"\n  overlap = \"-5m\"\n}", `5: `},
		{"a typo in since", "url = \"http://x\"\nsince {\n  parm = \"s\"\n  value = \"u\"\n}", `Did you mean "param"?`},
		{"two since", "url = \"http://x\"\nsince {\n  param = \"s\"\n  value = \"u\"\n}\nsince {\n  param = \"s\"\n  value = \"u\"\n}", `6: `},
		{"since by the parameter of the pages", "url = \"http://x\"\npagination \"page\" {}\nsince {\n  param = \"page\"\n  value = \"u\"\n}", `4: since and pagination both set the parameter "page" of the query.`},
		{"since by the parameter of the login", "url = \"http://x\"\nauth \"query\" {\n  name = \"s\"\n  value = secret.token\n}\nsince {\n  param = \"s\"\n  value = \"u\"\n}", `7: since and auth both set`},
		{"since by a parameter of the url", "url = \"http://x?s=1\"\nsince {\n  param = \"s\"\n  value = \"u\"\n}", `3: since and query both set`},
		{"no certificate", "url = \"http://x\"\ntls { ca_file = \"missing.pem\" }", `2: ca_file cannot be read`},
		{"half a certificate", "url = \"http://x\"\ntls { cert_file = \"missing.pem\" }", `cert_file and key_file belong together`},
		{"too many retries", "url = \"http://x\"\nretries = 11", `2: `},
		{"max_body of nothing", "url = \"http://x\"\nmax_body = \"much\"", `2: `},
	} {
		t.Run(test.name, func(t *testing.T) {
			body, ctx := parse(t, test.block)
			s, diags := newShared().Decode(body, ctx, t.TempDir())
			var texts []string
			for _, d := range diags {
				line := 0
				if d.Subject != nil {
					line = d.Subject.Start.Line
				}
				texts = append(texts, fmt.Sprintf("%d: %s", line, d.Detail))
			}
			got := strings.Join(texts, "\n")
			if !diags.HasErrors() || s != nil {
				t.Fatalf("decoded %v, with %q", s, got)
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if strings.Contains(got, "S3CRET") {
				t.Errorf("a diagnostic holds a secret: %s", got)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, `[%q]`, r.Proto)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // of the handshake that fails on purpose
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	shared := newShared()
	fetch(t, source(t, shared, fmt.Sprintf("url = %q\ntls { ca_file = %q }", server.URL, ca)), nil).want(t, `1.1 "HTTP/2.0"`)
	fetch(t, source(t, shared, fmt.Sprintf("url = %q", server.URL)), nil).wantError(t, "source.http: GET https://127.0.0.1:", "certificate")
}

func TestHTTPSNeverLeadsToHTTP(t *testing.T) {
	plain := serve(t, func(nethttp.ResponseWriter, *nethttp.Request) { t.Error("asked over plain HTTP") })
	server := httptest.NewTLSServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		nethttp.Redirect(w, r, plain, nethttp.StatusFound)
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := source(t, newShared(), fmt.Sprintf("url = %q\ntls { ca_file = %q }\nauth \"bearer\" { token = secret.token }", server.URL, ca))
	fetch(t, s, nil).wantError(t, "redirected to another origin")
}
