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
		{"an unknown decoder", "url = \"http://x\"\ndecode \"jsn\" {\n  what = 1\n}", `2: There is no decoder "jsn". Did you mean "json"? There is: csv,`},
		{"a decoder of later", "url = \"http://x\"\ndecode \"xlsx\" { sheet = \"Orders\" }", `2: The decoder "xlsx" belongs to the language, but this version of hookbridge does not have it yet.`},
		{"items with a wildcard", "url = \"http://x\"\ndecode \"json\" { items = \"data.*.x\" }", `2: path "data.*.x" may only hold dotted names`},
		{"an unknown pagination", "url = \"http://x\"\npagination \"pages\" {}", `2: There is no pagination "pages". Did you mean "page"?`},
		{"a cursor without param", "url = \"http://x\"\npagination \"cursor\" {}", `"param"`},
		{"a cursor that stands nowhere in XML", "url = \"http://x\"\ndecode \"xml\" { items = \"//o\" }\npagination \"cursor\" { param = \"c\" }", `The argument "next" is required in pagination "cursor"`},
		{"two cursors", "url = \"http://x\"\npagination \"cursor\" {\n  param = \"after\"\n  next = \"n\"\n  last = \"id\"\n}", `5: The cursor stands either in the body (next) or in the last record (last), not both.`},
		{"half a page size", "url = \"http://x\"\npagination \"page\" { size = 10 }", `2: size_param and size belong together`},
		{"an envelope around lines", "url = \"http://x\"\ndecode \"ndjson\" {}\npagination \"page\" { total = \"total\" }", `3: A document of this format has nothing beside its records`},
		{"an unknown login", "url = \"http://x\"\nauth \"baerer\" { token = \"x\" }", `2: There is no auth "baerer". Did you mean "bearer"?`},
		{"a login of later", "url = \"http://x\"\nauth \"ntlm\" { username = \"x\" }", `2: The auth "ntlm" belongs to the language`},
		{"an empty token", "url = \"http://x\"\nauth \"bearer\" { token = \"\" }", `2: `},
		{"a header that HTTP cannot carry", "url = \"http://x\"\nheaders = { X = \"a\\nb\" }", `2: The header "X" has a name or a value that HTTP does not allow.`},
		{"a header of ours", "url = \"http://x\"\nheaders = { Accept-Encoding = \"br\" }", `2: The header "Accept-Encoding" is set by hookbridge itself; remove it.`},
		{"success that judges nothing", "url = \"http://x\"\nsuccess = true", `2: success judges an answer: refer to body`},
		{"success that is no truth", "url = \"http://x\"\ndecode \"json\" { items = \"data\" }\nsuccess = body.error + 1", `3: success is true or false.`},
		{"success of an unknown name", "url = \"http://x\"\ndecode \"json\" { items = \"data\" }\nsuccess = body.ok && bodi.x", `3: There is no "bodi" here. Did you mean "body"?`},
		{"success of an unknown part", "url = \"http://x\"\nsuccess = response.code == 200", `2: There is no response.code. It has response.status and response.headers.`},
		{"success of the records", "url = \"http://x\"\ndecode \"json\" { items = \"data.orders\" }\nsuccess = length(body.data.orders) > 0", `3: body.data.orders is, or holds, the records`},
		{"success of what holds the records", "url = \"http://x\"\ndecode \"json\" { items = \"data.orders\" }\nsuccess = can(body.data)", `3: body.data is, or holds, the records`},
		{"success of one record", "url = \"http://x\"\ndecode \"json\" { items = \"data\" }\nsuccess = body.data[0].ok", `3: body.data is, or holds, the records`},
		{"success of a body that is the records", "url = \"http://x\"\nsuccess = !can(body.error)", `2: body.error is, or holds, the records`},
		{"success of everything", "url = \"http://x\"\ndecode \"json\" { items = \"data\" }\nsuccess = body != null", `3: success sees what it names beside the records: write body.NAME.`},
		{"success of lines", "url = \"http://x\"\ndecode \"ndjson\" {}\nsuccess = !can(body.error)", `3: A document of this format has nothing beside its records`},
		{"a page without pages", "url = \"http://x\"\nmethod = \"POST\"\njson = { after = page.cursor }", `3: page is what changes from one answer to the next, and without a pagination block there is only one.`},
		{"a page in the url", "url = \"http://x?p=${page.number}\"\npagination \"page\" {}", `1: "page" is not known when the configuration is loaded.`},
		{"a misspelt part of a page", "url = \"http://x\"\nmethod = \"POST\"\njson = { p = page.numbr }\npagination \"page\" {}", `3: There is no page.numbr. Did you mean page.number?`},
		{"the page as a whole", "url = \"http://x\"\nmethod = \"POST\"\njson = page\npagination \"page\" {}", `3: Of a page there is page.number, page.offset.`},
		{"a cursor of numbered pages", "url = \"http://x\"\nmethod = \"POST\"\njson = { p = page.cursor }\npagination \"page\" {}", `3: There is no cursor in pagination "page": it has page.number, page.offset.`},
		{"a size that is not set", "url = \"http://x\"\nmethod = \"POST\"\njson = { p = page.number, s = page.size }\npagination \"page\" {}", `3: page.size is the size that the pagination block sets: write size there.`},
		{"a body without the cursor", "url = \"http://x\"\nmethod = \"POST\"\njson = { p = page.number }\npagination \"cursor\" {}", `The argument "param" is required in pagination "cursor"`},
		{"a null in a text", "url = \"http://x\"\nmethod = \"POST\"\nbody = \"after=${page.cursor}\"\npagination \"cursor\" {}", `3: The expression result is null. Cannot include a null value in a string template. page.cursor is null for the first page: write ${coalesce(page.cursor, "")}`},
		{"a body that no second page can have", "url = \"http://x\"\nmethod = \"POST\"\njson = { p = page.cursor == null ? 1 : page.cursor.x }\npagination \"cursor\" {}", `3: `},
		{"a body that is no text", "url = \"http://x\"\nmethod = \"POST\"\nbody = { a = 1 }", `3: body: a string is required.`},
		{"a time without since", "url = \"http://x\"\nquery = { q = \"ge '${since.value}'\" }", `2: since.value is the time that a since block finds in the records; add one.`},
		{"another part of since", "url = \"http://x\"\nquery = { q = since.param }\nsince { value = \"u\" }", `2: Of since there is since.value.`},
		{"a time that is null at first", "url = \"http://x\"\nquery = { q = \"ge '${since.value}'\" }\nsince { value = \"u\" }", `since.value is null where everything is asked for: write since.value == null ? … : … around it.`},
		{"a time that is told nowhere", "url = \"http://x\"\nsince { value = \"u\" }", `The argument "param" is required in since`},
		{"a query that is no map", "url = \"http://x\"\nquery = page.number\npagination \"page\" {}", `2: query: a map is required: { NAME = … }.`},
		{"a parameter that is a list", "url = \"http://x\"\nquery = { p = [page.number] }\npagination \"page\" {}", `2: query: "p": a string is required.`},
		{"a total in two places", "url = \"http://x\"\ndecode \"json\" { items = \"data\" }\npagination \"page\" {\n  total = \"total\"\n  total_header = \"X-Total\"\n}", `5: The number stands either in the body (total) or in a header (total_header), not both.`},
		{"a header that is none", "url = \"http://x\"\npagination \"page\" { pages_header = \"X Total\" }", `2: "X Total" is not the name of a header.`},
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
