package xml_test

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/charset"
	"github.com/hookbridge/bridge/sources/decode/xml"
)

func items(t testing.TB, path string) xml.Path {
	t.Helper()
	p, err := xml.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func format(t testing.TB, path string, arrays ...string) xml.Format {
	t.Helper()
	f := xml.Format{Items: items(t, path)}
	for _, text := range arrays {
		f.Arrays = append(f.Arrays, dotted(t, text))
	}
	return f
}

func dotted(t testing.TB, text string) decode.Path {
	t.Helper()
	path, err := decode.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// split writes down what became of a document: records, fields, error.
func split(r io.Reader, f xml.Format, o decode.Options) string {
	var b strings.Builder
	envelope, err := f.Split(r, o, func(raw []byte, item int) error {
		fmt.Fprintf(&b, "%d %s\n", item, raw)
		if !stdjson.Valid(raw) {
			fmt.Fprintln(&b, "which is not JSON")
		}
		return nil
	})
	for i, field := range envelope.Fields {
		switch {
		case field.Kind == 0:
		case field.Raw == nil:
			fmt.Fprintf(&b, "%s is %s\n", o.Fields[i], decode.Describe(field.Kind))
		default:
			fmt.Fprintf(&b, "%s = %s\n", o.Fields[i], field.Raw)
		}
	}
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	return b.String()
}

// readers are ways in which a document may arrive.
func readers(document string) map[string]io.Reader {
	return map[string]io.Reader{
		"whole": strings.NewReader(document), "byte by byte": iotest.OneByteReader(strings.NewReader(document)),
		"in halves": iotest.HalfReader(strings.NewReader(document)), "with its end": iotest.DataErrReader(strings.NewReader(document)),
	}
}

func everyWay(t *testing.T, document string, f xml.Format, o decode.Options, want string) {
	t.Helper()
	for how, r := range readers(document) {
		if diff := cmp.Diff(want, split(r, f, o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", how, diff)
		}
	}
}

func TestElementsBecomeJSON(t *testing.T) {
	for _, test := range []struct{ name, document, want string }{
		{"text", `<o>open</o>`, `"open"`},
		{"what looks like a number", `<o><id>0012</id><n>1e5</n><big>9007199254740993</big></o>`, `{"id":"0012","n":"1e5","big":"9007199254740993"}`},
		{"white space around text", "<o>\n  <a> x  y\t</a>\n</o>", `{"a":"x  y"}`},
		{"a space that is no white space of XML", "<o>\u00a0x\u00a0</o>", "\"\u00a0x\u00a0\""},
		{"empty elements", `<o><a/><b></b><c> </c></o>`, `{"a":"","b":"","c":""}`},
		{"nil", `<o xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><a xsi:nil="true"/><b xsi:nil="1"></b><c xsi:nil="false"/></o>`, `{"a":null,"b":null,"c":{"@nil":"false"}}`},
		{"nil by another prefix", `<o xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><a i:nil="true"/></o>`, `{"a":null}`},
		{"nil and more", `<o><a xsi:nil="true" id="1"/><b nil="true"/><c xsi:nil="true">x</c></o>`, `{"a":{"@nil":"true","@id":"1"},"b":{"@nil":"true"},"c":{"@nil":"true","#text":"x"}}`},
		{"attributes", `<o id="1" note='"&lt;&#x41;'><a b="">x</a></o>`, `{"@id":"1","@note":"\"<A","a":{"@b":"","#text":"x"}}`},
		{"mixed content", `<o> one <b>two</b> three <b>four</b> </o>`, `{"b":["two","four"],"#text":"one  three"}`},
		{"CDATA", `<o><![CDATA[<1> & ]]>&lt;2&gt;&#233;<![CDATA[]]></o>`, `"<1> & <2>é"`},
		{"comments and instructions", `<o><!-- a --><?b c?>1<!-- <d> -->2</o>`, `"12"`},
		{"the five entities", `<o>&lt;&gt;&amp;&apos;&quot;</o>`, `"<>&'\""`},
		{"line breaks", "<o>a\r\nb\rc</o>", `"a\nb\nc"`},
		{"characters that JSON escapes", "<o>\"\\\t\u2028\U0001F600</o>", "\"\\\"\\\\\\t\u2028\U0001F600\""},
		{"repeated elements", `<o><l>1</l><l>2</l><l>3</l></o>`, `{"l":["1","2","3"]}`},
		{"repeated elements apart", `<o><l>1</l><x/><l><n>2</n></l><l>3</l><y/><l/></o>`, `{"l":["1",{"n":"2"},"3",""],"x":"","y":""}`},
		{"arrays within arrays", `<o><l><m>1</m><m>2</m></l><l><m>3</m></l></o>`, `{"l":[{"m":["1","2"]},{"m":"3"}]}`},
		{"name spaces", `<a:o xmlns:a="urn:a" xmlns="urn:b"><a:id>1</a:id><status a:since="2">x</status></a:o>`, `{"id":"1","status":{"@since":"2","#text":"x"}}`},
		{"names that clash", `<o><a:id>1</a:id><b:id>2</b:id><id>3</id><a:id>4</a:id></o>`, `{"a:id":["1","4"],"b:id":"2","id":"3"}`},
		{"attributes that clash", `<o a:x="1" b:x="2" y="3"><x>4</x></o>`, `{"@a:x":"1","@b:x":"2","@y":"3","x":"4"}`},
		{"an attribute beside an element of its name", `<o id="1"><id>2</id></o>`, `{"@id":"1","id":"2"}`},
		{"language-bound names", `<größe xml:lang="de"><höhe.max_2-3>1</höhe.max_2-3></größe>`, `{"@lang":"de","höhe.max_2-3":"1"}`},
		{"a declared type", `<!DOCTYPE o SYSTEM "o.dtd"><o>1</o>`, `"1"`},
		{"white space and comments around", "\n<?xml version=\"1.0\"?>\n<!-- x -->\n<o>1</o>\n<!-- y --><?z?>\n", `"1"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			everyWay(t, test.document, format(t, "//"+rootOf(test.document)), decode.Options{}, "1 "+test.want+"\n")
		})
	}
}

// rootOf is the local name of the root element.
func rootOf(document string) string {
	if strings.Contains(document, "<größe") {
		return "größe"
	}
	return "o"
}

// Both ways of grouping, one by one and by a map, give the same.
func TestManyFieldsAreGroupedLikeFew(t *testing.T) {
	var document, want strings.Builder
	document.WriteString(`<o a:k="1" b:k="2"` + attributes(20) + `>`)
	want.WriteString(`{"@a:k":"1","@b:k":"2"`)
	for i := range 20 {
		fmt.Fprintf(&want, `,"@a%d":"1"`, i)
	}
	for i := range 40 {
		fmt.Fprintf(&document, "<e%d>x</e%d><l>%d</l>", i, i, i)
		if i == 0 {
			fmt.Fprint(&want, `,"e0":"x","l":[`+strings.TrimSuffix(numbers(40), ",")+`]`)
		} else {
			fmt.Fprintf(&want, `,"e%d":"x"`, i)
		}
	}
	document.WriteString(`<p:c>1</p:c><q:c>2</q:c><p:c>3</p:c><c>4</c></o>`)
	want.WriteString(`,"p:c":["1","3"],"q:c":"2","c":"4"}`)
	everyWay(t, document.String(), format(t, "/o"), decode.Options{}, "1 "+want.String()+"\n")
	_, err := format(t, "/o").Split(strings.NewReader("<o"+strings.Repeat(` a="1"`, 1)+attributes(30)+` a7="2"/>`), decode.Options{}, nil)
	if err == nil || !strings.Contains(err.Error(), `the attribute "a7" stands twice in one tag`) {
		t.Error(err)
	}
}

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d",`, i)
	}
	return b.String()
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d="1"`, i)
	}
	return b.String()
}

func TestArraysAreArraysEvenAlone(t *testing.T) {
	document := `<os><o><lines><line><tax>1</tax></line></lines><tag>a</tag></o><o><lines><line/><x/><line/></lines><lines/></o><o><lines/></o></os>`
	for arrays, want := range map[string]string{
		"":                    `{"lines":{"line":{"tax":"1"}},"tag":"a"}|{"lines":[{"line":["",""],"x":""},""]}|{"lines":""}`,
		"lines.line":          `{"lines":{"line":[{"tax":"1"}]},"tag":"a"}|{"lines":[{"line":["",""],"x":""},""]}|{"lines":""}`,
		"lines":               `{"lines":[{"line":{"tax":"1"}}],"tag":"a"}|{"lines":[{"line":["",""],"x":""},""]}|{"lines":[""]}`,
		"lines.line.tax tag":  `{"lines":{"line":{"tax":["1"]}},"tag":["a"]}|{"lines":[{"line":["",""],"x":""},""]}|{"lines":""}`,
		"line tax lines.tag":  `{"lines":{"line":{"tax":"1"}},"tag":"a"}|{"lines":[{"line":["",""],"x":""},""]}|{"lines":""}`,
		"lines lines.line.no": `{"lines":[{"line":{"tax":"1"}}],"tag":"a"}|{"lines":[{"line":["",""],"x":""},""]}|{"lines":[""]}`,
	} {
		var lines strings.Builder
		for i, record := range strings.Split(want, "|") {
			fmt.Fprintf(&lines, "%d %s\n", i+1, record)
		}
		everyWay(t, document, format(t, "//o", strings.Fields(arrays)...), decode.Options{}, lines.String())
	}
}

func TestRecordsAreFoundByPath(t *testing.T) {
	const list = `<list><orders><order>1</order><x><order>2</order></x></orders><orders><order>3</order></orders><order>4</order></list>`
	for _, test := range []struct{ name, items, document, want string }{
		{"at any depth", "//order", list, "1 \"1\"\n2 \"2\"\n3 \"3\"\n4 \"4\"\n"},
		{"below a parent", "//orders/order", list, "1 \"1\"\n2 \"3\"\n"},
		{"from the root on", "/list/order", list, "1 \"4\"\n"},
		{"deeper from the root on", "/list/orders/order", list, "1 \"1\"\n2 \"3\"\n"},
		{"the root", "/list", `<list><a>1</a></list>`, "1 {\"a\":\"1\"}\n"},
		{"whatever the prefix", "/list/order", `<a:list><b:order>1</b:order><order>2</order></a:list>`, "1 \"1\"\n2 \"2\"\n"},
		{"a record within a record", "//o", `<l><o><id>1</id><o><id>2</id></o></o><o/></l>`, "1 {\"id\":\"1\",\"o\":{\"id\":\"2\"}}\n2 \"\"\n"},
		{"a parent without records", "/list/orders/order", `<list><orders/></list>`, ""},
		{"a parent anywhere without records", "//orders/order", `<list><a><orders>x</orders></a></list>`, ""},
		{"no records anywhere", "//order", `<list/>`, ""},
		{"a web page that is meant", "/html/body/li", `<html><body><li>1</li></body></html>`, "1 \"1\"\n"},

		{"no parent", "/list/orders/order", `<list><order>1</order></list>`, "error: items path \"/list/orders/order\" is missing\n"},
		{"no parent anywhere", "//orders/order", `<error>down</error>`, "error: items path \"//orders/order\" is missing\n"},
		{"another root", "/list", `<error>down</error>`, "error: items path \"/list\" is missing\n"},
		{"the parent elsewhere", "/list/order", `<a><list><order/></list></a>`, "error: items path \"/list/order\" is missing\n"},
		{"a web page", "//order", `<HTML><body><br></body></html>`, "error: items path \"//order\" is missing: the body is a web page\n"},
		{"a web page, from the root on", "/orders/order", `<html/>`, "error: items path \"/orders/order\" is missing: the body is a web page\n"},
		{"a fault", "//order", `<s:Envelope><s:Header/><s:Body><s:Fault><faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>`, "error: items path \"//order\" is missing: the body is a SOAP fault\n"},
		{"a fault after records", "//order", `<Envelope><Body><order/><Fault/></Body></Envelope>`, "1 \"\"\nerror: items path \"//order\" is missing: the body is a SOAP fault\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			everyWay(t, test.document, format(t, test.items), decode.Options{}, test.want)
		})
	}
}

func TestFieldsBesideTheRecords(t *testing.T) {
	o := decode.Options{}
	for _, text := range []string{"list.total", "//next", "list", `list.\@count`, "list.page.number", "//a.b", `//page.\@of`, "list.none", "//orders", "other.total", "//id", "list.nil", "list.empty"} {
		o.Fields = append(o.Fields, dotted(t, text))
	}
	const document = `<s:list count="3" xmlns:count="x">
	<total unit="rows"> 0120 </total><total>2</total>
	<orders><order><next>no</next><id>1</id></order></orders>
	<page of="7"><number>3<!-- --></number><next>abc&amp;"</next></page><next>later</next>
	<a>x<b/></a><a><b>y</b></a>
	<nil xsi:nil="true"/><empty/>
	</s:list>`
	everyWay(t, document, format(t, "//order"), o, `1 {"next":"no","id":"1"}
list.total = "0120"
//next = "abc&\""
list is an object
list.\@count = "3"
list.page.number = "3"
//a.b = ""
//page.\@of = "7"
//orders is an object
list.nil = null
list.empty = ""
`)
	t.Run("as a whole", func(t *testing.T) {
		o := decode.Options{Containers: 60}
		for _, text := range []string{"l", "l.status", "//error", "l.head.code", "l.large", "//page", "l.tail"} {
			o.Fields = append(o.Fields, dotted(t, text))
		}
		document := `<l><status x="1"> ok </status><head><code>7</code><error a="b">x<e>1</e><e>2</e></error></head><large><a>` +
			strings.Repeat("x", 60) + `</a></large><o><error>no</error></o><page><o/></page><tail><n/><error/></tail></l>`
		everyWay(t, document, format(t, "//o"), o, `1 {"error":"no"}
2 ""
l is an object
l.status = "ok"
//error = {"@a":"b","e":["1","2"],"#text":"x"}
l.head.code = "7"
l.large is an object
//page is an object
l.tail = {"n":"","error":""}
`)
		large := "<l><x>" + strings.Repeat("<y>"+strings.Repeat("z", 1000)+"</y>", 200) + "</x><head><code>7</code></head></l>"
		everyWay(t, large, format(t, "//o"), o, "l is an object\nl.head.code = \"7\"\n")
		deep := "<l><page>" + strings.Repeat("<d><n/><n>", 40) + strings.Repeat("</n></d>", 40) + "</page></l>" // and as many arrays
		everyWay(t, deep, format(t, "//o"), decode.Options{Containers: 1000, Depth: 100, Fields: o.Fields[5:6]}, "//page is an object\n")
	})
	t.Run("together with a fault", func(t *testing.T) {
		o := decode.Options{Fields: []decode.Path{dotted(t, "//faultstring")}}
		everyWay(t, `<e:Envelope><e:Body><e:Fault><faultstring>no such user</faultstring></e:Fault></e:Body></e:Envelope>`, format(t, "//order"), o,
			"//faultstring = \"no such user\"\nerror: items path \"//order\" is missing: the body is a SOAP fault\n")
	})
	t.Run("too many", func(t *testing.T) {
		if _, err := format(t, "//o").Split(strings.NewReader("<o/>"), decode.Options{Fields: make([]decode.Path, 65)}, nil); err == nil {
			t.Error("65 fields went well")
		}
	})
}

func TestCharsets(t *testing.T) {
	wide := func(text string, little bool) string {
		var b strings.Builder
		for _, c := range text {
			if little {
				b.Write([]byte{byte(c), byte(c >> 8)})
			} else {
				b.Write([]byte{byte(c >> 8), byte(c)})
			}
		}
		return b.String()
	}
	for _, test := range []struct{ name, written, contentType, document, want string }{
		{"nothing is said", "", "", "<o>Köln</o>", "Köln"},
		{"declared", "", "", "<?xml version=\"1.0\" encoding=\"ISO-8859-15\"?><o>K\xf6ln \xa4</o>", "Köln €"},
		{"declared in single quotes, after a line break", "", "", "\r\n<?xml version='1.0' encoding='windows-1252'?><o>\x80</o>", "€"},
		{"declared, of several bytes", "", "", "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><o>\x93\xfa\x96\x7b</o>", "日本"},
		{"content type beats the declaration", "", "text/xml; charset=utf-8", "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><o>Köln</o>", "Köln"},
		{"content type", "", "text/xml; charset=iso-8859-1", "<o>K\xf6ln</o>", "Köln"},
		{"content type that says nothing", "", "text/xml", "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><o>K\xf6ln</o>", "Köln"},
		{"what is written beats all", "windows-1252", "text/xml; charset=utf-8", "<?xml version=\"1.0\" encoding=\"utf-8\"?><o>K\xf6ln \x80</o>", "Köln €"},
		{"a mark beats content type and declaration", "", "text/xml; charset=iso-8859-1", "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><o>Köln</o>", "Köln"},
		{"a mark beats the declaration", "", "", "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><o>Köln</o>", "Köln"},
		{"UTF-16 with a mark", "", "", "\xff\xfe" + wide(`<?xml version="1.0" encoding="UTF-16"?><o>Köln €</o>`, true), "Köln €"},
		{"UTF-16 with a mark, the other way", "", "", "\xfe\xff" + wide(`<o>Köln €</o>`, false), "Köln €"},
		{"UTF-16 without a mark", "", "", wide(`<?xml version="1.0" encoding="UTF-16LE"?><o>Köln</o>`, true), "Köln"},
		{"UTF-16 without a mark, the other way", "", "", wide(`<o>Köln</o>`, false), "Köln"},
		{"UTF-16 that is declared but is not", "", "", `<?xml version="1.0" encoding="utf-16"?><o>Köln</o>`, "Köln"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := format(t, "//o")
			if test.written != "" {
				c, err := charset.Lookup(test.written)
				if err != nil {
					t.Fatal(err)
				}
				f.Charset = c
			}
			everyWay(t, test.document, f, decode.Options{ContentType: test.contentType}, "1 \""+test.want+"\"\n")
		})
	}
}

func TestErrorsOfOthersComeThrough(t *testing.T) {
	mine := errors.New("mine")
	f := format(t, "//o")
	if _, err := f.Split(strings.NewReader("<l><o/></l>"), decode.Options{}, func([]byte, int) error { return mine }); err != mine {
		t.Errorf("emit's error came back as %v", err)
	}
	const document = `<?xml version="1.0"?><l><o>text &amp; more</o><!-- x --></l>`
	for n := range len(document) + 1 {
		_, err := f.Split(io.MultiReader(strings.NewReader(document[:n]), iotest.ErrReader(mine)), decode.Options{}, func([]byte, int) error { return nil })
		if err != mine {
			t.Errorf("after %d bytes: the reader's error came back as %v", n, err)
		}
		_, err = f.Split(io.MultiReader(strings.NewReader(document[:n]), idle{}), decode.Options{}, func([]byte, int) error { return nil })
		if err != io.ErrNoProgress {
			t.Errorf("after %d bytes: a reader without progress: %v", n, err)
		}
	}
}

// idle has nothing to say and never ends.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }
