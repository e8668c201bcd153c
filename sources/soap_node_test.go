package sources_test

import (
	"fmt"
	nethttp "net/http"
	"strings"
	"testing"
)

// TestSOAPServer reads a service of the npm package soap, in both versions, page by page, with and without WS-Security,
// and shows its faults.
func TestSOAPServer(t *testing.T) {
	const user, password = "bridge", "p&ssword <secret>"
	address := startNode(t, "soap", "soap.js", user, password)
	block := func(path, rest string) string {
		return fmt.Sprintf("url = \"%s%s\"\naction = \"urn:erp/ListOrders\"\nitems = \"//orders/order\"\n%s", address, path, rest)
	}
	cursor := func(inside string) string {
		return fmt.Sprintf(`body = <<-EOT
  <ListOrders xmlns="urn:erp">%s%%{ if page.cursor != null }<after>${page.cursor}</after>%%{ endif }</ListOrders>
EOT
pagination "cursor" {
  next = "//nextToken"
  more = "//more"
}
`, inside)
	}
	enveloped := func(namespace string) string {
		return fmt.Sprintf(`body = <<-EOT
  <?xml version="1.0" encoding="ISO-8859-1"?>
  <e:Envelope xmlns:e="%s">
    <e:Header/>
    <e:Body><ListOrders xmlns="urn:erp"><skip>${page.offset}</skip><limit>${page.size}</limit></ListOrders></e:Body>
  </e:Envelope>
EOT
pagination "offset" {
  size  = 2
  total = "//total"
}
`, namespace)
	}
	security := func(kind, password string) string {
		return fmt.Sprintf("security \"username_token\" {\n  username = %q\n  password = %q\n  type = %q\n}\n", user, password, kind)
	}
	const soap11, soap12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"
	var want []string
	for i := range 5 {
		note := ""
		if i == 1 {
			note = "R&D <urgent>"
		}
		want = append(want, fmt.Sprintf(`%d.%d {"id":"00%d","status":"open","note":"%s"}`, i/2+1, i%2+1, i+1, note))
	}
	for name, test := range map[string]string{
		"1.1, by cursor":                        block("/soap11", cursor("")),
		"1.1, an envelope of its own":           block("/soap11", enveloped(soap11)),
		"1.2, by cursor":                        block("/soap12", cursor("")+"version = \"1.2\"\n"),
		"1.2, an envelope of its own":           block("/soap12", enveloped(soap12)+"version = \"1.2\"\n"),
		"1.1, a password":                       block("/soap11/text", cursor("")+security("text", password)),
		"1.1, a digest":                         block("/soap11/digest", cursor("")+security("digest", password)),
		"1.1, a digest in a header that stands": block("/soap11/digest", enveloped(soap11)+security("digest", password)),
		"1.2, a digest":                         block("/soap12/digest", enveloped(soap12)+"version = \"1.2\"\n"+strings.Replace(security("digest", password), "}", "timestamp = \"5m\"\n}", 1)),
		"judged by its own words":               block("/soap11", cursor("")+"success = body.Envelope.Body.ListOrdersResponse.total == \"5\"\n"),
	} {
		t.Run(name, func(t *testing.T) {
			first, records, err := read(t, "soap", test, nil)
			if err != nil || !first.Complete || !first.Stable || first.Pages != 3 || strings.Join(records, "\n") != strings.Join(want, "\n") {
				t.Fatalf("%+v %v\n%s", first, err, strings.Join(records, "\n"))
			}
			if strings.Contains(test, "timestamp") {
				return // it answers with the time, so no two answers are the same
			}
			again, records, err := read(t, "soap", test, first.Next)
			if err != nil || !again.NotModified || len(records) > 0 {
				t.Errorf("the same again: %+v %v %v", again, records, err)
			}
		})
	}
	for name, test := range map[string]struct{ block, want string }{
		"a fault behind a 200":     {block("/soap11", cursor("<status>fault</status>")), `source.soap: page 1: the answer is a SOAP fault: soap:Server: the ledger is closed & sealed (status 200, text/xml`},
		"a fault of 1.2":           {block("/soap12", "version = \"1.2\"\n"+cursor("<status>fault12</status>")), `source.soap: page 1: answered 500 Internal Server Error, soap:Sender: rpc:BadArguments: no such status`},
		"a password that is wrong": {block("/soap11/text", cursor("")+security("text", "wrong & secret")), `source.soap: page 1: answered 401 Unauthorized, SOAP-ENV:Client: AuthenticationFailure: Invalid username or password: the login was refused; check security`},
		"a digest that is wrong":   {block("/soap11/digest", cursor("")+security("digest", "wrong & secret")), `source.soap: page 1: answered 401 Unauthorized, SOAP-ENV:Client: AuthenticationFailure: Invalid username or password: the login was refused; check security`},
		"no security":              {block("/soap11/digest", cursor("")), `source.soap: page 1: answered 401 Unauthorized, SOAP-ENV:Client: AuthenticationFailure: Invalid username or password: the source wants a login; add a security block, or auth for HTTP's own login`},
	} {
		outcome, _, err := read(t, "soap", test.block, nil)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "secret>") || outcome.Complete {
			t.Errorf("%s: %+v\ngot  %v\nwant %s", name, outcome, err, test.want)
		}
	}

	resp, err := nethttp.Get(address + "/add?status=paid")
	if err != nil || resp.StatusCode != nethttp.StatusNoContent {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	_, records, err := read(t, "soap", block("/soap11", cursor("<status>paid</status>")), nil)
	if paid := `1.1 {"id":"006","status":"paid","note":""}`; err != nil || strings.Join(records, "\n") != paid {
		t.Errorf("the paid ones: %v\n%s", err, strings.Join(records, "\n"))
	}
}
