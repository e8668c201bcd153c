package xml_test

import (
	"bytes"
	stdjson "encoding/json"
	stdxml "encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/inbound"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/xml"
)

// webhook is what a receiver makes of a document: an object with one member, the root.
func webhook(t testing.TB, document, contentType string) (string, error) {
	t.Helper()
	w := &bridge.Inbound{Header: http.Header{"Content-Type": {contentType}}, Body: []byte(document)}
	body, err := inbound.Body(w, inbound.XML)
	if err != nil {
		return "", err
	}
	var root map[string]stdjson.RawMessage
	if err := stdjson.Unmarshal(body, &root); err != nil || len(root) != 1 {
		t.Fatalf("%q became %s: %v", document, body, err)
	}
	for _, value := range root {
		return string(value), nil
	}
	return "", nil
}

// root is what a document's root element is as a record.
func root(t testing.TB, document, contentType string) (string, error) {
	t.Helper()
	decoder := stdxml.NewDecoder(strings.NewReader(document))
	decoder.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for {
		token, err := decoder.RawToken()
		if err != nil {
			return "", err
		}
		start, ok := token.(stdxml.StartElement)
		if !ok {
			continue
		}
		path := "/" + start.Name.Local
		if strings.ContainsAny(path, ":") {
			return "", errors.New("a name with a colon")
		}
		var got string
		_, err = format(t, path).Split(strings.NewReader(document), decode.Options{ContentType: contentType}, func(raw []byte, _ int) error {
			got = string(raw)
			return nil
		})
		return got, err
	}
}

// A record that is polled and one that comes by webhook are the same, so that the one is no change of the other.
func TestWebhooksAndRecordsAgree(t *testing.T) {
	for _, document := range []string{
		`<o><id>1</id><status>open</status></o>`,
		`<?xml version="1.0"?><!-- x --><o id="1" xmlns="urn:x" xmlns:y="urn:y">  text <b/> more </o>`,
		`<o><line>1</line><x/><line><n>2</n></line></o>`,
		`<s:Envelope><s:Body><m:id>1</m:id></s:Body></s:Envelope>`,
		`<o><a:id>1</a:id><b:id>2</b:id><id>3</id><b:id/></o>`,
		`<o a:x="1" b:x="2" id="3"><x>3</x><id/></o>`,
		`<o><![CDATA[<1> & ]]>&lt;2&gt;&#233;</o>`,
		"<o>\u00a0x\u2003</o>",
		"<o>\n<a> x </a>\r\n</o>",
		`<o xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><a i:nil="true"/><b i:nil="1" id="2"/><c i:nil="true">x</c><d nil="true"/></o>`,
		"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><o>K\xf6ln \x80</o>",
		"<?xml version=\"1.0\" encoding=\"cp1252\"?><o>K\xf6ln \x80</o>",
		"<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><o>\x93\xfa</o>",
	} {
		got, err := root(t, document, "")
		want, wantErr := webhook(t, document, "")
		if err != nil || wantErr != nil || got != want {
			t.Errorf("%s\npolled:  %s, %v\nwebhook: %s, %v", document, got, err, want, wantErr)
		}
	}
	for _, document := range []string{`<o a="1" a="2"/>`, `<o><a></o></a>`, `<o/><o/>`, `<o>&e;</o>`} {
		_, err := root(t, document, "")
		_, wantErr := webhook(t, document, "")
		if err == nil || wantErr == nil {
			t.Errorf("%s\npolled:  %v\nwebhook: %v", document, err, wantErr)
		}
	}
}

// FuzzXML: what comes out is JSON without a name twice, it does not matter how the bytes arrive, what is taken is what
// encoding/xml takes, and a webhook would be read the same.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{
		`<l><o id="1"><a>x</a><a/></o><o/></l>`, `<o a:x="1" b:x="2"><a:b/><b:b/><b/></o>`, "<?xml version=\"1.0\" encoding=\"latin1\"?><o>\xf6</o>",
		"\xff\xfe<\x00o\x00/\x00>\x00", `<!DOCTYPE o [<!ENTITY e "x">]><o>&e;</o>`, `<o><![CDATA[x]]>&#65;<!-- y --></o>`, `<html><br></html>`,
		`<o><l><n xsi:nil="true"/></l> text <l/></o>`, `<o`, `<e:Envelope><e:Body><e:Fault/></e:Body></e:Envelope>`, "<o>\xef\xbf\xbd</o>", `<o a="1" a="2"/>`,
	} {
		f.Add([]byte(seed), "//o", "l")
		f.Add([]byte(seed), "/l/o", "a.b")
	}
	f.Fuzz(func(t *testing.T, document []byte, path, array string) {
		format := fuzzed(t, path, array, format(t, "//o", "l.n"))
		o := decode.Options{Depth: 20, Record: 1 << 16, Containers: 300, Fields: []decode.Path{{"//n"}, {"l"}, {"l", "a"}, {"l", "@a"}, {"//b"}}}
		whole := split(bytes.NewReader(document), format, o)
		for how, r := range map[string]io.Reader{
			"halves": iotest.HalfReader(bytes.NewReader(document)), "bytes": iotest.OneByteReader(bytes.NewReader(document)),
		} {
			if pieces := split(r, format, o); pieces != whole {
				t.Errorf("in one piece:\n%s\nin %s:\n%s", whole, how, pieces)
			}
		}
		if strings.Contains(whole, "not JSON") {
			t.Error(whole)
		}
		envelope, err := format.Split(bytes.NewReader(document), o, func(raw []byte, _ int) error {
			if !jsontext.Value(raw).IsValid() {
				t.Errorf("%q is not valid", raw)
			}
			return nil
		})
		for _, field := range envelope.Fields {
			if field.Raw != nil && (!field.Raw.IsValid() || field.Raw.Kind() != field.Kind) {
				t.Errorf("a field of kind %s is %q", field.Kind, field.Raw)
			}
		}
		if err != nil || document[0] != '<' || document[1] == 0 || bytes.Contains(document, []byte("<?xml")) {
			return
		}
		decoder := stdxml.NewDecoder(bytes.NewReader(document))
		for {
			if _, err := decoder.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("taken, but encoding/xml says %v", err)
			}
		}
		polled, err := root(t, string(document), "")
		if err != nil {
			return // larger or deeper than a record may be
		}
		if hooked, err := webhook(t, string(document), ""); err != nil || hooked != polled {
			t.Errorf("polled:  %s\nwebhook: %s, %v", polled, hooked, err)
		}
	})
}

// fuzzed is a format as somebody might write it, or another one where that is refused.
func fuzzed(t testing.TB, path, array string, other xml.Format) xml.Format {
	t.Helper()
	items, err := xml.ParsePath(path)
	if err != nil {
		return other
	}
	arrays, err := decode.ParsePath(array)
	if err != nil || len(arrays) == 0 {
		return other
	}
	return xml.Format{Items: items, Arrays: []decode.Path{arrays}}
}
