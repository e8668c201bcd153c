package soap

import (
	"encoding/base64"
	"encoding/xml"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
)

const (
	soap11 = "http://schemas.xmlsoap.org/soap/envelope/"
	soap12 = "http://www.w3.org/2003/05/soap-envelope"
)

func TestEnvelope(t *testing.T) {
	const head = `<?xml version="1.0" encoding="utf-8"?>`
	for _, test := range []struct {
		name, version, text, cursor string
		want                        string // of the error, where it does not begin with <
	}{
		{"an element", "1.1", "\n <a/> \n", "", head + `<soap:Envelope xmlns:soap="` + soap11 + `"><soap:Body><a/></soap:Body></soap:Envelope>`},
		{"two elements", "1.2", "<a/><b/>", "", head + `<soap:Envelope xmlns:soap="` + soap12 + `"><soap:Body><a/><b/></soap:Body></soap:Envelope>`},
		{"an envelope", "1.1", `<x:Envelope xmlns:x="` + soap11 + `"><x:Body/></x:Envelope>`, "", head + `<x:Envelope xmlns:x="` + soap11 + `"><x:Body/></x:Envelope>`},
		{"another declaration", "1.1", "\ufeff<?xml version='1.0' encoding='ISO-8859-1'?>\r\n<!-- ü --><Envelope xmlns=\"" + soap11 + "\"><Body/></Envelope>", "", head + `<!-- ü --><Envelope xmlns="` + soap11 + `"><Body/></Envelope>`},
		{"an escaped cursor", "1.1", "<a b=\"&lt;&amp;&#34;\">&lt;&amp;&#34;</a>", `<&"`, head + `<soap:Envelope xmlns:soap="` + soap11 + `"><soap:Body><a b="&lt;&amp;&#34;">&lt;&amp;&#34;</a></soap:Body></soap:Envelope>`},
		{"nothing", "1.1", " <?xml version='1.0'?> ", "", "there is nothing in it"},
		{"a declaration without end", "1.1", "<?xml version='1.0'", "", "the XML declaration does not end"},
		{"the other version", "1.1", `<x:Envelope xmlns:x="` + soap12 + `"><x:Body/></x:Envelope>`, "", `the envelope is one of SOAP 1.2; write version = "1.2"`},
		{"no version at all", "1.2", `<x:Envelope xmlns:x="urn:x"><x:Body/></x:Envelope>`, "", "the Envelope is not of SOAP 1.2, whose namespace is " + soap12},
		{"no body", "1.2", `<x:Envelope xmlns:x="` + soap12 + `"><x:Header/></x:Envelope>`, "", "the envelope has no Body"},
		{"an element that does not end", "1.1", "<a>\n<b></a>", "", "it is not well-formed XML: line 2 of it: element <b> closed by </a>"},
		{"an unknown entity", "1.1", "<a>&nbsp;</a>", "", "it is not well-formed XML: line 1 of it: invalid character entity &nbsp;"},
		{"an unknown prefix", "1.1", "<erp:a/>", "", `the prefix "erp" is not declared: write xmlns:erp="…" where it is used first, or around it`},
		{"an unknown prefix of an attribute", "1.1", `<a xmlns="urn:a" xsi:nil="true"/>`, "", `the prefix "xsi" is not declared`},
		{"an envelope of an unknown prefix", "1.1", `<s:Envelope><s:Body/></s:Envelope>`, "", `the prefix "s" is not declared`},
		{"known prefixes", "1.1", `<e:a xmlns:e="erp" e:b="1" xml:lang="en"><c xmlns="c"><soap:d/></c></e:a>`, "", head + `<soap:Envelope xmlns:soap="` + soap11 + `"><soap:Body><e:a xmlns:e="erp" e:b="1" xml:lang="en"><c xmlns="c"><soap:d/></c></e:a></soap:Body></soap:Envelope>`},
		{"the name of a file", "1.1", "list-orders.xml", "", `text stands in the Body outside of an element; what is in a file is written file("…")`},
		{"a document type", "1.1", `<!DOCTYPE a [<!ENTITY b "c">]><a/>`, "", "SOAP messages have no document type"},
		{"a second root", "1.1", `<Envelope xmlns="` + soap11 + `"><Body/></Envelope><a/>`, "", "a second root element begins"},
		{"text behind it", "1.1", `<Envelope xmlns="` + soap11 + `"><Body/></Envelope>x`, "", "text stands outside of the root element"},
		{"out of the envelope", "1.1", `</soap:Body></soap:Envelope><a/>`, "", "a second root element begins"},
		{"a cursor in CDATA", "1.1", "<a><![CDATA[&lt;&amp;]]></a>", `<&`, "page.cursor is escaped already"},
		{"a cursor escaped twice", "1.1", "<a>&amp;lt;&amp;amp;</a>", `<&`, "page.cursor is escaped already"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := versions[test.version].envelope(test.text, test.cursor)
			switch {
			case strings.HasPrefix(test.want, "<") && (err != nil || string(got) != test.want):
				t.Errorf("got  %s %v\nwant %s", got, err, test.want)
			case !strings.HasPrefix(test.want, "<") && (err == nil || !strings.HasPrefix(err.Error(), test.want)):
				t.Errorf("got  %s %v\nwant %s", got, err, test.want)
			}
		})
	}
}

// token is what a server reads of a message.
type message struct {
	XMLName xml.Name
	Header  []struct {
		Security []struct {
			Understand string `xml:"mustUnderstand,attr"`
			Timestamp  struct{ Created, Expires string }
			Token      struct {
				Username string
				Password struct {
					Type string `xml:",attr"`
					Text string `xml:",chardata"`
				}
				Nonce   string
				Created string
			} `xml:"UsernameToken"`
		} `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd Security"`
		Other string
	}
	Body struct {
		Inner string `xml:",innerxml"`
	}
}

func TestSecurityStandsInTheHeader(t *testing.T) {
	for name, envelope := range map[string]string{
		"no header":              `<x:Envelope xmlns:x="` + soap12 + `"><x:Body><a/></x:Body></x:Envelope>`,
		"no header, no prefix":   `<Envelope xmlns="` + soap12 + `"><Body><a/></Body></Envelope>`,
		"a header":               `<x:Envelope xmlns:x="` + soap12 + `"><x:Header id="1"><Other>o</Other></x:Header><x:Body><a/></x:Body></x:Envelope>`,
		"an empty header":        `<x:Envelope xmlns:x="` + soap12 + `"><x:Header></x:Header><x:Body><a/></x:Body></x:Envelope>`,
		"a header that ends":     `<x:Envelope xmlns:x="` + soap12 + `"><x:Header /><x:Body><a/></x:Body></x:Envelope>`,
		"a header of two spaces": `<x:Envelope xmlns:x="` + soap12 + `"><y:Header xmlns:y="` + soap12 + `"/><x:Body><a/></x:Body></x:Envelope>`,
	} {
		t.Run(name, func(t *testing.T) {
			v := versions["1.2"]
			token := &usernameToken{username: `b<r&"dge`, password: bridge.NewSecret(`p<ss&"word`)}
			sealed, err := v.secure([]byte(envelope), token)
			if err != nil {
				t.Fatal(err)
			}
			var m message
			if err := xml.Unmarshal(sealed, &m); err != nil {
				t.Fatalf("%v: %s", err, sealed)
			}
			if _, err := v.outline(sealed, true); err != nil || len(m.Header) != 1 || len(m.Header[0].Security) != 1 || m.Body.Inner != "<a/>" || m.Header[0].Other != map[bool]string{true: "o"}[name == "a header"] {
				t.Fatalf("%v: %s", err, sealed)
			}
			s := m.Header[0].Security[0]
			if s.Token.Username != token.username || s.Token.Password.Text != token.password.Reveal() || !strings.HasSuffix(s.Token.Password.Type, "#PasswordText") || s.Understand != "1" || s.Token.Nonce != "" {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestADigestIsGoodForOneMessage: nonce and time are new each time, the length is the same, and so is the formula.
func TestADigestIsGoodForOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, token := versions["1.1"], &usernameToken{username: "bridge", password: bridge.NewSecret("secret"), digest: true, valid: 5 * time.Minute}
		seen, length := map[string]bool{}, 0
		for range 20 {
			time.Sleep(time.Second / 3)
			sealed, err := v.secure([]byte(`<Envelope xmlns="`+soap11+`"><Body/></Envelope>`), token)
			if err != nil {
				t.Fatal(err)
			}
			var m message
			if err := xml.Unmarshal(sealed, &m); err != nil {
				t.Fatal(err)
			}
			s := m.Header[0].Security[0]
			nonce, err := base64.StdEncoding.DecodeString(s.Token.Nonce)
			if err != nil || len(nonce) != 16 || seen[s.Token.Nonce] || seen[s.Token.Password.Text] || length != 0 && len(sealed) != length {
				t.Fatalf("%v, %d bytes after %d: %s", err, len(sealed), length, sealed)
			}
			seen[s.Token.Nonce], seen[s.Token.Password.Text], length = true, true, len(sealed)
			created, err := time.Parse(time.RFC3339Nano, s.Token.Created)
			expires, err2 := time.Parse(time.RFC3339Nano, s.Timestamp.Expires)
			if err != nil || err2 != nil || time.Since(created) > time.Millisecond || expires.Sub(created) != 5*time.Minute || s.Timestamp.Created != s.Token.Created {
				t.Errorf("%v %v: %+v", err, err2, s)
			}
			if strings.Contains(string(sealed), "secret<") || s.Token.Password.Text != digest(nonce, s.Token.Created, "secret") {
				t.Errorf("%s", sealed)
			}
		}
	})
}

// FuzzEnvelope: a text either becomes a message that is well formed and of the version, and still is with a token in it,
// or is refused; and a cursor, escaped, never changes what is around it.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{"<a/>", "<a>x</a><b/>", `<Envelope xmlns="` + soap11 + `"><Header/><Body/></Envelope>`, `<x:Envelope xmlns:x="` + soap11 + `"><x:Header a='>'/><x:Body/></x:Envelope>`, "</soap:Body>", "<![CDATA[x]]>", "<?xml?>", "&", "<a b='", "<!--", "<Envelope>"} {
		f.Add(seed, `<&"'>`)
	}
	v, token := versions["1.1"], &usernameToken{username: "u", password: bridge.NewSecret("password")}
	f.Fuzz(func(t *testing.T, text, cursor string) {
		if envelope, err := v.envelope(text, ""); err == nil {
			sealed, err := v.secure(envelope, token)
			if o, _ := v.outline(envelope, true); o.secured && err != nil {
				return
			}
			if err != nil {
				t.Fatalf("%q became %q, which has no room for a token: %v", text, envelope, err)
			}
			if o, err := v.outline(sealed, true); err != nil || !o.secured {
				t.Fatalf("%q became %q: %v", text, sealed, err)
			}
		}
		escaped, err := escape(cursor)
		if err != nil {
			return
		}
		envelope, err := v.envelope("<a b=\""+escaped+"\">"+escaped+"</a>", "")
		if err != nil {
			t.Fatalf("the cursor %q, escaped as %q: %v", cursor, escaped, err)
		}
		var m struct {
			Body struct {
				A struct {
					B    string `xml:"b,attr"`
					Text string `xml:",chardata"`
				} `xml:"a"`
			}
		}
		if err := xml.Unmarshal(envelope, &m); err != nil || m.Body.A.B != cursor || m.Body.A.Text != cursor {
			t.Fatalf("the cursor %q arrives as %q and %q (%v)", cursor, m.Body.A.B, m.Body.A.Text, err)
		}
	})
}
