package soap_test

import (
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/http"
	"github.com/hookbridge/bridge/sources/soap"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// decode reads the inside of a block; secret.password is a secret with characters that XML escapes.
func decode(t testing.TB, block string) (bridge.Source, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	ctx := &hcl.EvalContext{Functions: map[string]function.Function{"can": tryfunc.CanFunc}, Variables: map[string]cty.Value{"secret": cty.ObjectVal(map[string]cty.Value{"password": attr.Secret(`S3CRET<&"'>`)})}}
	return soap.Kind{Shared: http.NewShared(nil, "", nil)}.Decode(file.Body, ctx, t.TempDir())
}

func source(t testing.TB, block string) bridge.Source {
	t.Helper()
	s, diags := decode(t, block)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// fetch shows everything a fetch brought, in lines.
func fetch(t testing.TB, s bridge.Source) string {
	t.Helper()
	var b strings.Builder
	outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(r bridge.Record) error {
		fmt.Fprintf(&b, "%d.%d %s\n", r.Page, r.Item, r.Body)
		return nil
	})
	switch {
	case err != nil:
		fmt.Fprintf(&b, "error: %v\n", err)
		if outcome.Complete || outcome.NotModified {
			t.Errorf("a failed fetch says it is complete: %+v", outcome)
		}
		if strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("the error holds a secret: %v", err)
		}
	case !outcome.Complete:
		t.Errorf("the fetch is not complete: %+v", outcome)
	}
	return b.String()
}

func serve(t testing.TB, handler nethttp.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// wrapped is an answer with this body.
func wrapped(body string) string {
	return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><n>1</n></s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

func TestAnswers(t *testing.T) {
	const security = `security "username_token" {
  username = "bridge"
  password = secret.password
}
`
	for _, test := range []struct {
		name   string
		status int
		rest   string // of the block
		answer string
		want   string
	}{
		{"records", 200, "", wrapped(`<r><order n="1"><id>007</id></order><order n="2"/></r>`), "1.1 {\"@n\":\"1\",\"id\":\"007\"}\n1.2 {\"@n\":\"2\"}\n"},
		{"none", 200, "", wrapped(`<r/>`), ""},
		{"one that is an array", 200, `arrays = ["lines.line"]`, wrapped(`<order><lines><line>1</line></lines></order>`), "1.1 {\"lines\":{\"line\":[\"1\"]}}\n"},
		{"another charset", 200, "", strings.Replace(wrapped("<order><n>\xfc</n></order>"), `"1.0"`, `"1.0" encoding="windows-1252"`, 1), "1.1 {\"n\":\"ü\"}\n"},
		{"a fault of 1.1", 500, "", wrapped(`<s:Fault><faultcode>s:Client</faultcode><faultstring xml:lang="en">no such
   status</faultstring><detail><x/></detail></s:Fault>`), "error: source.soap: answered 500 Internal Server Error, s:Client: no such status\n"},
		{"a fault of 1.2", 500, "", wrapped(`<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>m:Timeout</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">too late</s:Text></s:Reason></s:Fault>`), "error: source.soap: answered 500 Internal Server Error, s:Sender: m:Timeout: too late\n"},
		{"a fault behind a 200", 200, "", wrapped(`<s:Fault><faultcode>s:Server</faultcode><faultstring>no</faultstring></s:Fault>`), "error: source.soap: the answer is a SOAP fault: s:Server: no (status 200, text/xml, 223 bytes)\n"},
		{"a fault that says nothing", 200, "", wrapped(`<s:Fault/>`), "error: source.soap: the answer is a SOAP fault (status 200, text/xml, 154 bytes)\n"},
		{"a fault beside records", 200, "", wrapped(`<order/><s:Fault><faultstring>half of it</faultstring></s:Fault>`), "1.1 \"\"\nerror: source.soap: the answer is a SOAP fault: half of it (status 200, text/xml, 208 bytes)\n"},
		{"a refused token", 500, security, wrapped(`<s:Fault><faultcode>wsse:FailedAuthentication</faultcode><faultstring>not S3CRET&lt;&amp;"'></faultstring></s:Fault>`), "error: source.soap: answered 500 Internal Server Error, wsse:FailedAuthentication: not (secret); check security or auth\n"},
		{"a clock that is wrong", 200, security, wrapped(`<s:Fault><faultcode>wsse:MessageExpired</faultcode><faultstring>old</faultstring></s:Fault>`), "error: source.soap: the answer is a SOAP fault: wsse:MessageExpired: old; compare the clocks of both machines (status 200, text/xml, 235 bytes)\n"},
		{"an error without a fault", 502, "retries = 0", `<html>bad gateway</html>`, "error: source.soap: answered 502 Bad Gateway\n"},
		{"an error with half a fault", 500, "", wrapped(`<s:Fault><faultstring>no`)[:150], "error: source.soap: answered 500 Internal Server Error, and says " + strconv.Quote(wrapped(`<s:Fault><faultstring>no`)[:150]) + "\n"},
		{"no envelope", 200, "", `<orders><order/></orders>`, "1.1 \"\"\nerror: source.soap: items path \"//order\" is missing: the body is no SOAP envelope (status 200, text/xml, 25 bytes), begins with \"<orders><order/></orders>\"\n"},
		{"no body", 200, "", `<s:Envelope xmlns:s="urn:x"><s:Header/></s:Envelope>`, "error: source.soap: items path \"//order\" is missing: the body is no SOAP envelope (status 200, text/xml, 52 bytes), begins with \"<s:Envelope xmlns:s=\\\"urn:x\\\"><s:Header/></s:Envelope>\"\n"},
		{"a web page", 200, "", `<html><body/></html>`, "error: source.soap: items path \"//order\" is missing: the body is a web page (status 200, text/xml, 20 bytes); the answer is a web page, perhaps a login: check auth and url\n"},
		{"cut short", 200, "", wrapped(`<r><order/>`)[:138], "1.1 \"\"\nerror: source.soap: the body ends in the middle of a value (at line 1, byte 138 of the line) (status 200, text/xml, 138 bytes), begins with \"<?xml version=\\\"1.0\\\"?><s:Envelope xmlns:s=\\\"http://schemas.xml\"\n"},
		{"the password as it was sent", 200, security, `x S3CRET&lt;&amp;&#34;&#39;&gt; S3CRET&lt;&amp;&quot;&apos;&gt;`, "error: source.soap: the body is not valid XML (at line 1, byte 0 of the line): text stands outside of the root element (status 200, text/xml, 63 bytes), begins with \"x (secret) (secret)\"\n"},
		{"records by the way to them", 200, `items = "/Envelope/Body/r/order"`, wrapped(`<r><order><id>1</id></order></r>`), "1.1 {\"id\":\"1\"}\n"},
		{"a way that is not there", 200, `items = "/Envelope/Body/r/order"`, wrapped(`<q/>`), "error: source.soap: items path \"/Envelope/Body/r/order\" is missing (status 200, text/xml, 148 bytes), begins with " + strconv.Quote(wrapped(`<q/>`)) + "\n"},
		{"success that is false", 200, `success = body.Envelope.Body.r.state == "full"`, wrapped(`<r><state>part</state><order/></r>`), "1.1 \"\"\nerror: source.soap: bridge.hcl:3: success is false: body.Envelope.Body.r.state is \"part\"\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				w.Header().Set("Content-Type", "text/xml")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.answer)
			})
			rest := test.rest + "\n"
			if !strings.Contains(rest, "items") {
				rest += "items = \"//order\"\n"
			}
			got := fetch(t, source(t, fmt.Sprintf("url = %q\nbody = \"<a/>\"\n%s", address, rest)))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	for _, test := range []struct{ name, block, content, action string }{
		{"1.1", `action = "urn:erp/List"`, "text/xml; charset=utf-8", `"urn:erp/List"`},
		{"1.1 without an action", ``, "text/xml; charset=utf-8", `""`},
		{"1.2", `version = "1.2"` + "\n" + `action = "urn:erp/List"`, `application/soap+xml; charset=utf-8; action="urn:erp/List"`, ""},
		{"1.2 without an action", `version = "1.2"`, `application/soap+xml; charset=utf-8`, ""},
		{"headers of one's own", `headers = { "soapaction" = "bare", "content-type" = "text/xml" }`, "text/xml", "bare"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := source(t, fmt.Sprintf("url = %q\nbody = \"<a/>\"\nitems = \"//order\"\n%s", serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				if r.Method != nethttp.MethodPost || r.Header.Get("Content-Type") != test.content || strings.Join(r.Header["Soapaction"], "|") != test.action {
					t.Errorf("%s %q", r.Method, r.Header)
				}
				_, _ = io.WriteString(w, wrapped(`<order/>`))
			}), test.block))
			if got := fetch(t, s); got != "1.1 \"\"\n" {
				t.Error(got)
			}
		})
	}
}

func TestAttachmentsAreNotRead(t *testing.T) {
	s := source(t, fmt.Sprintf("url = %q\nbody = \"<a/>\"\nitems = \"//order\"", serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Content-Type", `multipart/related; type="application/xop+xml"; boundary="b"`)
		_, _ = io.WriteString(w, "--b\r\nContent-Type: application/xop+xml\r\n\r\n"+wrapped(`<order/>`)+"\r\n--b--")
	})))
	if got := fetch(t, s); !strings.HasPrefix(got, "error: source.soap: the answer has attachments (MTOM), which are not read; have the service send it without (status 200, multipart/related") {
		t.Error(got)
	}
}

// TestEachTryHasItsOwnToken: a server that broke down may have seen the first one, and takes none twice.
func TestEachTryHasItsOwnToken(t *testing.T) {
	var bodies []string
	s := source(t, fmt.Sprintf(`url = %q
body = "<a/>"
items = "//order"
security "username_token" {
  username = "bridge"
  password = secret.password
  type     = "digest"
}`, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		content, _ := io.ReadAll(r.Body)
		if bodies = append(bodies, string(content)); int64(len(content)) != r.ContentLength {
			t.Errorf("%d bytes, declared as %d", len(content), r.ContentLength)
		}
		if len(bodies) < 3 {
			w.WriteHeader(nethttp.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, wrapped(`<order/>`))
	})))
	if got := fetch(t, s); got != "1.1 \"\"\n" || len(bodies) != 3 {
		t.Fatalf("%s after %d tries", got, len(bodies))
	}
	if bodies[0] == bodies[1] || bodies[1] == bodies[2] || bodies[0] == bodies[2] {
		t.Errorf("the same token twice: %q", bodies)
	}
	for _, body := range bodies {
		if strings.Contains(body, "S3CRET") || !strings.Contains(body, "#PasswordDigest") {
			t.Errorf("no digest: %s", body)
		}
	}
}

// TestOnlyWhatChanged: the watermark goes where the body says.
func TestOnlyWhatChanged(t *testing.T) {
	var bodies []string
	s := source(t, fmt.Sprintf(`url = %q
body = "<a>%%{ if since.value != null }<since>${since.value}</since>%%{ endif }</a>"
items = "//order"
since {
  value   = "changed"
  overlap = "1m"
}`, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		content, _ := io.ReadAll(r.Body)
		_, inside, _ := strings.Cut(string(content), "<soap:Body>")
		bodies = append(bodies, strings.TrimSuffix(inside, "</soap:Body></soap:Envelope>"))
		_, _ = io.WriteString(w, wrapped(`<order><changed>2026-03-04T05:06:07+01:00</changed></order>`))
	})))
	first, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error { return nil })
	if err != nil || !first.Complete {
		t.Fatal(first, err)
	}
	second, err := s.Fetch(t.Context(), bridge.FetchOptions{From: first.Next}, func(bridge.Record) error { return nil })
	if err != nil || !second.Incremental || second.Complete {
		t.Fatal(second, err)
	}
	if diff := cmp.Diff([]string{"<a></a>", "<a><since>2026-03-04T05:05:07+01:00</since></a>"}, bodies); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}

// TestAFaultIsNotAskedForAgain: status 500 is how a service says no.
func TestAFaultIsNotAskedForAgain(t *testing.T) {
	asked := 0
	s := source(t, fmt.Sprintf("url = %q\nbody = \"<a/>\"\nitems = \"//order\"", serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		asked++
		w.WriteHeader(nethttp.StatusInternalServerError)
		_, _ = io.WriteString(w, wrapped(`<s:Fault><faultstring>no</faultstring></s:Fault>`))
	})))
	if got := fetch(t, s); got != "error: source.soap: answered 500 Internal Server Error, no\n" || asked != 1 {
		t.Errorf("%s after %d requests", got, asked)
	}
}

func TestARotatedPasswordIsNotAnotherSource(t *testing.T) {
	identity := func(password, status string) string {
		return source(t, fmt.Sprintf(`url = "http://x/soap"
body = "<a>%s</a>"
items = "//order"
security "username_token" {
  username = "bridge"
  password = %s
}`, status, password)).Identity()
	}
	if a, b := identity("secret.password", "open"), identity(`"another one"`, "open"); a != b || strings.Contains(a, "S3CRET") {
		t.Errorf("%s, %s", a, b)
	}
	if identity("secret.password", "open") == identity("secret.password", "paid") {
		t.Error("another question is the same source")
	}
}

func TestDecodeNotesEveryMistake(t *testing.T) {
	const right = "url = \"http://x\"\nitems = \"//order\"\n"
	for _, test := range []struct{ name, block, want string }{
		{"nothing", ``, `The argument "body" is required in source "soap"`},
		{"no items", "url = \"http://x\"\nbody = \"<a/>\"", `The argument "items" is required in source "soap"`},
		{"items with dots", "url = \"http://x\"\nbody = \"<a/>\"\nitems = \"orders.order\"", `3: path "orders.order" begins with no slash`},
		{"another version", right + "body = \"<a/>\"\nversion = \"1.3\"", `4: "1.3" is not a choice for "version": there is "1.1" and "1.2".`},
		{"an action with quotes", right + "body = \"<a/>\"\naction = \"a\\\"b\"", `4: An action is a URI, which has no quotes`},
		{"no XML", right + "body = \"<a>\"", `3: body: it is not well-formed XML: line 1 of it: element <a> closed by </Body>.`},
		{"a secret that is not escaped", right + "body = \"<a>${secret.password}</a>\"", `3: body: it is not well-formed XML`},
		{"no text", right + "body = { a = 1 }", `3: body: a string is required.`},
		{"the other version", right + "version = \"1.2\"\nbody = \"<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body/></Envelope>\"", `4: body: the envelope is one of SOAP 1.1; write version = "1.1".`},
		{"a cursor in CDATA", right + "body = \"<a><![CDATA[%{ if page.cursor != null }${page.cursor}%{ endif }]]></a>\"\npagination \"cursor\" { next = \"//next\" }", `3: body: page.cursor is escaped already: it can stand in an element or an attribute as it is`},
		{"a null in a text", right + "body = \"<a>${page.cursor}</a>\"\npagination \"cursor\" { next = \"//next\" }", `page.cursor is null for the first page`},
		{"pages that are all alike", right + "body = \"<a/>\"\npagination \"cursor\" { next = \"//next\" }", `4: Every page would be asked for with the same request: refer to page.cursor in "body".`},
		{"no cursor", right + "body = \"<a>%{ if page.cursor != null }${page.cursor}%{ endif }</a>\"\npagination \"cursor\" {}", `The argument "next" is required in pagination "cursor"`},
		{"success of the records", right + "body = \"<a/>\"\nsuccess = can(body.Envelope.Body.r.order)", `4: body.Envelope.Body.r.order is, or holds, the records`},
		{"an unknown security", right + "body = \"<a/>\"\nsecurity \"x509\" {}", `4: There is no security "x509". There is: username_token.`},
		{"security without a password", right + "body = \"<a/>\"\nsecurity \"username_token\" { username = \"u\" }", `The argument "password" is required in security "username_token"`},
		{"two kinds of security", right + "body = \"<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Header><Security xmlns='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'/></Header><Body/></Envelope>\"\nsecurity \"username_token\" {\n  username = \"u\"\n  password = \"p\"\n}", `3: body: the envelope has a Security header of its own; remove it or the security block.`},
		{"a username that no XML can carry", right + "body = \"<a/>\"\nsecurity \"username_token\" {\n  username = \"u\\u0001\"\n  password = \"p\"\n}", `the username of security holds a character that XML cannot carry`},
		{"a decoder", right + "body = \"<a/>\"\ndecode \"xml\" {}", `4: A block of type "decode" is not expected here.`},
		{"pages by link", right + "body = \"<a/>\"\npagination \"link\" {}", `4: There is no pagination "link". There is: cursor, offset, page.`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, diags := decode(t, test.block)
			var texts []string
			for _, d := range diags {
				texts = append(texts, fmt.Sprintf("%d: %s", d.Subject.Start.Line, d.Detail))
			}
			got := strings.Join(texts, "\n")
			if s != nil || !strings.Contains(got, test.want) || strings.Contains(got, "S3CRET") {
				t.Errorf("decoded %v, with\n%s\nwant %s", s, got, test.want)
			}
		})
	}
}
