package xml_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/charset"
)

func TestBrokenDocuments(t *testing.T) {
	for _, test := range []struct{ name, document, want string }{
		{"nothing", "", "the body is empty"},
		{"white space", " \r\n\t", "the body is empty"},
		{"a mark alone", "\xef\xbb\xbf", "the body is empty"},
		{"a comment alone", "<!-- nothing -->", "the body ends in the middle of a value (at line 1, byte 16 of the line)"},
		{"text alone", "error: down", "is not valid XML (at line 1, byte 0 of the line): text stands outside of the root element"},
		{"JSON", `{"orders":[]}`, "text stands outside of the root element"},
		{"text after the root", "<l/>\nerror", "is not valid XML (at line 1, byte 4 of the line): text stands outside of the root element"},
		{"a second root", "<l/>\n <l/>", "is not valid XML (at line 2, byte 1 of the line): a second root element begins"},
		{"an end too many", "<l/></l>", "</l> ends what did not begin"},
		{"another end", "<l>\n<o>1</o></p:l>", "is not valid XML (at line 2, byte 8 of the line): </p:l> ends what <l> began"},
		{"another end within a record", "<l><o><a></b></o></l>", "</b> ends what <a> began"},
		{"another prefix", "<l><x:o></y:o></l>", "</y:o> ends what <x:o> began"},
		{"an attribute twice", `<l><o a="1" b="2" a="3"/></l>`, `the attribute "a" stands twice in one tag`},
		{"an attribute twice beside the records", `<l x:a="1" x:a="1"/>`, `the attribute "x:a" stands twice in one tag`},
		{"an attribute without a value", `<l a/>`, "is not valid XML (at line 1, byte 5 of the line): attribute name without = in element"},
		{"an attribute without quotes", `<l a=1/>`, "unquoted or missing attribute value in element"},
		{"a tag in an attribute", `<l a="<b>"/>`, "unescaped < inside quoted string"},
		{"an entity of its own", "<!DOCTYPE l [<!ENTITY e \"x\">]><l>&e;</l>", "the document declares entities or types of its own, which are not read"},
		{"an entity of nobody", "<l>&nbsp;</l>", "is not valid XML (at line 1, byte 9 of the line): invalid character entity &nbsp;"},
		{"an ampersand alone", "<l>a & b</l>", "invalid character entity"},
		{"a declared type too late", "<l><!DOCTYPE l></l>", "a declaration stands where none may be"},
		{"another declaration", "<!ELEMENT l ANY><l/>", "a declaration stands where none may be"},
		{"documents one after another", "<l><?xml version=\"1.0\"?></l>", "another document begins within the document"},
		{"a version nobody reads", "<?xml version=\"1.1\"?><l/>", "unsupported version \"1.1\""},
		{"a character that may not be", "<l>\n<o>a\x01b</o></l>", "is not valid XML (at line 2, byte 6 of the line): illegal character code U+0001"},
		{"a character that may not be, escaped", "<l>&#0;</l>", "illegal character code U+0000"},
		{"the end of CDATA alone", "<l>]]></l>", "unescaped ]]> not in CDATA section"},
		{"two hyphens in a comment", "<l><!-- a -- b --></l>", `invalid sequence "--" not allowed in comments`},
		{"bytes of another charset", "<l>\n<o>K\xf6ln</o></l>", "is not valid XML (at line 2, byte 4 of the line): the bytes are not text in utf-8; if that is not its charset, write charset ="},
		{"bytes of another charset in a comment", "<l><!-- K\xf6ln --></l>", "the bytes are not text in utf-8"},
		{"bytes of another charset after the root", "<l/>\n\xf6", "the bytes are not text in utf-8"},
		{"half a character at the end", "<l/>\xc3", "the bytes are not text in utf-8"},
		{"bytes that the charset does not have", "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><l>\x93\xfa\xff</l>", "the bytes are not text in shift_jis"},
		{"half of UTF-16", "\xff\xfe<\x00l\x00/\x00>", "the bytes are not text in utf-16le"},
		{"a charset nobody knows", "<?xml version=\"1.0\" encoding=\"klingon\"?><l/>", `there is no charset "klingon"; names are those of IANA`},
	} {
		t.Run(test.name, func(t *testing.T) {
			for how, r := range readers(test.document) {
				_, err := format(t, "//o").Split(r, decode.Options{}, func([]byte, int) error { return nil })
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, want %s", how, err, test.want)
				}
				if syntax, ok := errors.AsType[*decode.SyntaxError](err); !errors.Is(err, decode.ErrEmpty) && (!ok || syntax.Language != "XML" || syntax.Line == 0) {
					t.Errorf("%s: %#v, want a place in XML", how, err)
				}
			}
		})
	}
}

// A document that stops too early is never taken for one that ended, wherever it stops.
func TestEveryBeginningIsCutShort(t *testing.T) {
	const document = `<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE l><l a="ü"><!-- é --><o id='1'>x &amp; <![CDATA[y]]><b/></o><n>2</n></l>`
	if got := split(strings.NewReader(document), format(t, "//o"), decode.Options{}); strings.Contains(got, "error") {
		t.Fatal(got)
	}
	for n := 1; n < len(document); n++ {
		_, err := format(t, "//o").Split(strings.NewReader(document[:n]), decode.Options{}, func([]byte, int) error { return nil })
		syntax, ok := errors.AsType[*decode.SyntaxError](err)
		if !ok || !syntax.Truncated() && !strings.Contains(err.Error(), "not text") {
			t.Errorf("%q: %v", document[:n], err)
		}
	}
}

func TestCaps(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("<d>", n) + strings.Repeat("</d>", n) }
	long := strings.Repeat("x", 8<<10)
	for _, test := range []struct {
		name, document string
		o              decode.Options
		want           string
	}{
		{"as deep as allowed", "<l><o><a>1</a></o></l>", decode.Options{Depth: 2}, "1 {\"a\":\"1\"}\n"},
		{"too deep by an array", "<l><o><a>1</a><a>2</a></o></l>", decode.Options{Depth: 1}, "error: record 1 is nested deeper than 1 levels\n"},
		{"too deep by elements", "<l><o>" + deep(200) + "</o></l>", decode.Options{}, "error: record 1 is nested deeper than 128 levels\n"},
		{"too deep outside", "<l>" + deep(200) + "<o/></l>", decode.Options{}, "error: the body is nested deeper than 128 levels\n"},
		{"as large as allowed", "<l><o>12345678</o></l>", decode.Options{Record: 10}, "1 \"12345678\"\n"},
		{"too large", "<l><o/><o>123456789</o></l>", decode.Options{Record: 10}, "1 \"\"\nerror: record 2 is larger than 10 bytes\n"},
		{"a text too long", "<l><o>" + long + "</o></l>", decode.Options{Record: 100}, "error: record 1 is larger than 100 bytes\n"},
		{"texts too long together", "<l><o>" + strings.Repeat("<a>"+long[:3000]+"</a>", 3) + "</o></l>", decode.Options{Record: 100}, "error: record 1 is larger than 100 bytes\n"},
		{"a comment too long", "<l><!--" + long + "--></l>", decode.Options{Record: 100}, "error: the body is larger than 100 bytes\n"},
		{"a name too long", "<l><" + long + "/></l>", decode.Options{}, "error: the body has a name of more than 4 KiB\n"},
		{"a name in a record too long", "<l><o><" + long + "/></o></l>", decode.Options{}, "error: record 1 has a name of more than 4 KiB\n"},
		{"a field too long", "<l><next>" + strings.Repeat(long, 9) + "</next></l>", decode.Options{Fields: []decode.Path{{"//next"}}}, "error: the body has a value of more than 64 KiB at \"next\"\n"},
		{"an attribute too long", `<l next="` + strings.Repeat(long, 9) + `"/>`, decode.Options{Fields: []decode.Path{{"l", "@next"}}}, "error: the body has a value of more than 64 KiB at \"l\"\n"},
		{"a field that is too much white space", "<l><next>" + strings.Repeat(" ", 200<<10) + "</next></l>", decode.Options{Fields: []decode.Path{{"//next"}}}, "error: the body has a value of more than 64 KiB at \"next\"\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			everyWay(t, test.document, format(t, "//o"), test.o, test.want)
		})
	}
}

// endless repeats a text, numbered where it says so, for as long as anybody reads.
type endless struct {
	head, text string
	next       []byte
	count      int
	read       int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read == 0 {
		e.next = append(e.next, e.head...)
	}
	for len(e.next) < 8<<10 {
		e.next = append(e.next, strings.ReplaceAll(e.text, "#", fmt.Sprint(e.count))...)
		e.count++
	}
	n := copy(p, e.next)
	e.next = e.next[n:]
	e.read += int64(n)
	return n, nil
}

func TestNothingFillsMemory(t *testing.T) {
	for name, source := range map[string]*endless{
		"a text":                       {head: "<l><o>", text: "xxxxxxxxxxxxxxxx"},
		"a text outside":               {head: "<l>", text: "xxxxxxxxxxxxxxxx"},
		"white space":                  {head: "<l/>", text: "                "},
		"white space at the beginning": {text: "                "},
		"a comment":                    {head: "<l><!--", text: "xxxxxxxxxxxxxxxx"},
		"an instruction":               {head: "<l><?x ", text: "xxxxxxxxxxxxxxxx"},
		"a declared type":              {head: "<!DOCTYPE ", text: "xxxxxxxxxxxxxxxx"},
		"a name":                       {head: "<l><", text: "xxxxxxxxxxxxxxxx"},
		"attributes":                   {head: "<l><o", text: ` a#="1"`},
		"an attribute":                 {head: `<l><o a="`, text: "xxxxxxxxxxxxxxxx"},
		"texts of a record":            {head: "<l><o>", text: "xxxxxxxxxxxxxxxx<b/>"},
		"elements of a record":         {head: "<l><o>", text: "<a/>"},
		"other elements of a record":   {head: "<l><o>", text: "<a/><b/>"},
		"names of a record":            {head: "<l><o>", text: "<e#/>"},
		"depth":                        {head: "<l>", text: "<e#>"},
		"depth of a record":            {head: "<l><o>", text: "<e#>"},
		"CDATA":                        {head: "<l><o><![CDATA[", text: "xxxxxxxxxxxxxxxx"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := format(t, "//o").Split(source, decode.Options{Record: 1 << 20}, func([]byte, int) error { return nil })
			if _, ok := errors.AsType[*decode.LimitError](err); !ok {
				t.Errorf("%v, want a *LimitError", err)
			}
			if source.read > 8<<20 {
				t.Errorf("read %d bytes of what may have 1 MiB", source.read)
			}
		})
	}
}

// What is read beside the records is let go of.
func TestAnEndlessDocumentIsReadInBoundedMemory(t *testing.T) {
	var document bytes.Buffer
	document.WriteString("<l>")
	for range 100_000 {
		document.WriteString("<x a=\"1\">text<!-- comment --></x>\n")
	}
	document.WriteString("<o/></l>")
	got := split(io.MultiReader(&document), format(t, "//o"), decode.Options{Record: 1 << 10, Fields: []decode.Path{{"l"}}})
	if got != "1 \"\"\nl is an object\n" {
		t.Error(got)
	}
}

func TestAWrittenCharsetIsHeldTo(t *testing.T) {
	f := format(t, "//o")
	var err error
	if f.Charset, err = charset.Lookup("utf-8"); err != nil {
		t.Fatal(err)
	}
	document := "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><o>K\xf6ln</o>"
	if got := split(strings.NewReader(document), f, decode.Options{}); !strings.Contains(got, "not text in utf-8") {
		t.Error(got)
	}
}
