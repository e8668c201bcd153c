package inbound_test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/inbound"
)

func decode(decoding inbound.Decoding, contentType, body string) (string, error) {
	w := &bridge.Inbound{Header: http.Header{}, Body: []byte(body)}
	if contentType != "" {
		w.Header.Set("Content-Type", contentType)
	}
	out, err := inbound.Body(w, decoding)
	return string(out), err
}

func TestBodiesBecomeJSON(t *testing.T) {
	for _, tc := range []struct {
		decoding inbound.Decoding
		kind     string // content type
		body     string
		want     string
	}{
		{inbound.JSON, "application/json", `{"n": 9007199254740993, "p": 10.50, "e": 1e2}`, `{"n": 9007199254740993, "p": 10.50, "e": 1e2}`},
		{inbound.JSON, "", " \r\n[1]\n", `[1]`},
		{inbound.JSON, "text/plain", `"a text"`, `"a text"`},
		{inbound.JSON, "application/xml", `{}`, `{}`}, // what is JSON is JSON, whatever is said of it
		{inbound.JSON, "", "\ufeff{}", `{}`},
		{inbound.JSON, "", "", `null`},
		{inbound.JSON, "application/x-www-form-urlencoded", "", `null`},
		{inbound.JSON, "", "null", `null`},
		{inbound.JSON, "", "\ufeff", `null`},

		{inbound.Form, "application/x-www-form-urlencoded", "id=1&name=J%C3%B6rg+B&note=", `{"id":"1","name":"Jörg B","note":""}`},
		{inbound.Form, "", "tag=a&id=1&tag=b&tag=", `{"tag":["a","b",""],"id":"1"}`},
		{inbound.Form, "", "lonely&&=value&", `{"lonely":"","":"value"}`},
		{inbound.Form, "", "q=%22%0A%00%ff", `{"q":"\"\n\u0000` + "\ufffd" + `"}`},
		{inbound.Form, "", "a=b=c;d", `{"a":"b=c;d"}`},
		{inbound.Form, "", "", `null`},

		{inbound.XML, "application/xml", `<order><id>1</id><status>open</status></order>`, `{"order":{"id":"1","status":"open"}}`},
		{inbound.XML, "", `<?xml version="1.0"?><!-- x --><order id="1" xmlns="urn:x" xmlns:y="urn:y">  text <b/> more </order>`,
			`{"order":{"@id":"1","b":"","#text":"text  more"}}`},
		{inbound.XML, "", `<o><line>1</line><x/><line><n>2</n></line></o>`, `{"o":{"line":["1",{"n":"2"}],"x":""}}`},
		{inbound.XML, "", `<s:Envelope><s:Body><m:id>1</m:id></s:Body></s:Envelope>`, `{"Envelope":{"Body":{"id":"1"}}}`},
		{inbound.XML, "", `<o><a:id>1</a:id><b:id>2</b:id><id>3</id></o>`, `{"o":{"a:id":"1","b:id":"2","id":"3"}}`},
		{inbound.XML, "", `<o><a:id>1</a:id><a:id>2</a:id><id2/></o>`, `{"o":{"id":["1","2"],"id2":""}}`},
		{inbound.XML, "", `<o a:x="1" b:x="2"><x>3</x></o>`, `{"o":{"@a:x":"1","@b:x":"2","x":"3"}}`},
		{inbound.XML, "", `<o><![CDATA[<1> & ]]>&lt;2&gt;&#233;</o>`, `{"o":"<1> & <2>é"}`},
		{inbound.XML, "", "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><o>J\xf6rg</o>", `{"o":"Jörg"}`},
		{inbound.XML, "text/xml; charset=iso-8859-1", "<o>J\xf6rg</o>", `{"o":"Jörg"}`},
		{inbound.XML, "text/xml; charset=utf-8", "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><o>Jörg</o>", `{"o":"Jörg"}`},
		{inbound.XML, "", "\xef\xbb\xbf<o>Jörg</o>", `{"o":"Jörg"}`},
		{inbound.XML, "", "\xfe\xff\x00<\x00o\x00>\x00\xf6\x00<\x00/\x00o\x00>", `{"o":"ö"}`},
		{inbound.XML, "", "\xff\xfe<\x00o\x00>\x00\xf6\x00<\x00/\x00o\x00>\x00", `{"o":"ö"}`},
		{inbound.XML, "", `<o><a xsi:nil="true"/><b i:nil="1" id="2"/><c xsi:nil="true">x</c></o>`, `{"o":{"a":null,"b":{"@nil":"1","@id":"2"},"c":{"@nil":"true","#text":"x"}}}`},
		{inbound.XML, "", "<o>\n\u00a0x </o>", "{\"o\":\"\u00a0x\"}"},
		{inbound.XML, "", " \n", `null`},
	} {
		got, err := decode(tc.decoding, tc.kind, tc.body)
		if err != nil || got != tc.want {
			t.Errorf("%s %q: got %s, want %s, error %v", tc.decoding, tc.body, got, tc.want, err)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s %q: %s is not JSON", tc.decoding, tc.body, got)
		}
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	deep := func(open, end string) string { return strings.Repeat(open, 200) + strings.Repeat(end, 200) }
	for _, tc := range []struct {
		decoding   inbound.Decoding
		kind, body string
		want       string
	}{
		{inbound.JSON, "", `{"id":1`, "the body ends in the middle of its JSON"},
		{inbound.JSON, "", `{"id":1}}`, "the body goes on after its JSON value (at byte 8)"},
		{inbound.JSON, "", `{} {}`, "the body goes on after its JSON value (at byte 2)"},
		{inbound.JSON, "", `{"id":hush}`, "the body is not valid JSON (at byte 5)"},
		{inbound.JSON, "", `{"a":1,"a":2}`, "the body is not valid JSON (at byte 6)"},
		{inbound.JSON, "", "\"\xff\"", "the body is not valid JSON (at byte 0)"},
		{inbound.JSON, "", deep("[", "]"), "the body is nested more than 128 deep"},
		{inbound.JSON, "application/x-www-form-urlencoded; charset=utf-8", "payload=%7B%7D", "set decode = \"form\""},
		{inbound.JSON, "text/xml", "<o/>", "set decode = \"xml\""},
		{inbound.Form, "application/json", `{}`, "set decode = \"json\""},
		{inbound.Form, "", `a=%zz`, "a % is not followed by two hex digits"},
		{inbound.XML, "application/json", `{}`, "set decode = \"json\""},
		{inbound.XML, "", `<o><a></o></a>`, "the body is not valid XML"},
		{inbound.XML, "", `<o a="1" x:a="2" a="3"/>`, "the body is not valid XML"},
		{inbound.XML, "", `<o>`, "the body ends in the middle of its XML"},
		{inbound.XML, "", `<!-- nothing -->`, "the body ends in the middle of its XML"},
		{inbound.XML, "", `</o>`, "the body is not valid XML"},
		{inbound.XML, "", `<o/><o/>`, "the body has a second root element"},
		{inbound.XML, "", `<o/>text`, "the body has text outside its root element"},
		{inbound.XML, "", `<a:o></b:o>`, "the body is not valid XML"},
		{inbound.XML, "", `<!DOCTYPE o [<!ENTITY e "hush">]><o>&e;</o>`, "the body is not valid XML"},
		{inbound.XML, "", "<?xml version=\"1.0\" encoding=\"klingon\"?><o/>", `the body is in the character set "klingon", which is not known`},
		{inbound.XML, "text/xml; charset=klingon", "<o/>", `the body is in the character set "klingon", which is not known`},
		{inbound.XML, "", deep("<o>", "</o>"), "the body is nested more than 128 deep"},
		{"yaml", "", "a: 1", `decode "yaml" is not known`},
	} {
		got, err := decode(tc.decoding, tc.kind, tc.body)
		if err == nil || !strings.Contains(err.Error(), tc.want) || got != "" {
			t.Errorf("%s %.40q: got %s, error %v, want %q", tc.decoding, tc.body, got, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s %.40q: the reason quotes the body: %v", tc.decoding, tc.body, err)
		}
	}
}

// FuzzJSON: what is accepted is what the standard library accepts too, and stays as it was.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.50,"x",null,true]}`, ` [] `, `{"a":`, `1 2`, "\ufeff\"é\"", "\ufeff", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := decode(inbound.JSON, "", body)
		if err != nil {
			return
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%q became %q", body, got)
		}
		if got != "null" && !strings.Contains(body, got) {
			t.Errorf("%q was changed to %q", body, got)
		}
	})
}

// FuzzForm: the values of each name are those the standard library finds.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"a=1&b=2&a=3", "a=%41+%zz", "&&=&a", "ü=%C3%BC", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := decode(inbound.Form, "", body)
		want, wrong := url.ParseQuery(strings.TrimSpace(body))
		if strings.Contains(body, ";") || !utf8.ValidString(body) {
			return // which the standard library refuses, and browsers send
		}
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%q: error %v, the standard library's %v", body, err, wrong)
		}
		if err != nil || got == "null" {
			return
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(got), &fields); err != nil {
			t.Fatalf("%q became %q: %v", body, got, err)
		}
		plain := make(map[string]any)
		for name, values := range want {
			if !utf8.ValidString(name) || !utf8.ValidString(strings.Join(values, "")) {
				return
			}
			plain[name] = values[0]
			if len(values) > 1 {
				list := make([]any, len(values))
				for i, v := range values {
					list[i] = v
				}
				plain[name] = list
			}
		}
		if diff := cmp.Diff(plain, fields); diff != "" {
			t.Errorf("%q (-want +got):\n%s", body, diff)
		}
	})
}

// FuzzXML: what is accepted is JSON with one member, and XML to the standard library's own, stricter reader unless that
// looks at name spaces.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{`<o a="1"><b>x</b><b/></o>`, `<a:o/>`, `<o>&amp;<![CDATA[x]]></o>`, `<o`, "\xff\xfe<\x00", `<?xml version="1.0" encoding="latin1"?><o/>`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := decode(inbound.XML, "", body)
		if err != nil || got == "null" {
			return
		}
		var root map[string]any
		if err := json.Unmarshal([]byte(got), &root); err != nil || len(root) != 1 {
			t.Fatalf("%q became %q, %v", body, got, err)
		}
		if strings.HasPrefix(body, "<") && !strings.Contains(body, "<?xml") {
			var any struct{}
			if err := xml.Unmarshal([]byte(body), &any); err != nil {
				t.Errorf("%q was taken as %s; the standard library says %v", body, got, err)
			}
		}
	})
}
