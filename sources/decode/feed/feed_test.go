package feed_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/feed"
)

// split writes down what became of a feed: records, error.
func split(r io.Reader, o decode.Options) string {
	var b strings.Builder
	envelope, err := feed.Format{}.Split(r, o, func(raw []byte, item int) error {
		fmt.Fprintf(&b, "%d %s\n", item, raw)
		if !stdjson.Valid(raw) {
			fmt.Fprintln(&b, "which is not JSON")
		}
		return nil
	})
	if n := strings.Count(b.String(), "\n"); err == nil && n != envelope.Items {
		fmt.Fprintf(&b, "%d records are counted as %d\n", n, envelope.Items)
	}
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	return b.String()
}

func TestFeeds(t *testing.T) {
	for _, test := range []struct{ name, document, want string }{
		{"RSS 2.0", `<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:x="urn:x"><channel>
	<title>Orders</title>
	<item>
		<title>Order &amp; 12</title><link>https://example.com/12</link><guid isPermaLink="false">0012</guid>
		<pubDate>Mon, 02 Nov 2026 08:15:30 +0100</pubDate><description><![CDATA[<b>new</b>]]></description><content:encoded>&lt;p&gt;all&lt;/p&gt;</content:encoded>
		<dc:creator>Ada</dc:creator><category>web</category><category>express</category>
		<enclosure url="https://example.com/12.pdf" length="120" type="application/pdf"/>
		<x:state level="2">open<x:since>Monday</x:since></x:state><price>12.90</price>
	</item>
	<item><link>https://example.com/11</link><pubDate>yesterday</pubDate></item>
	<item><title>nothing else</title></item>
</channel></rss>`,
			`1 {"id":"0012","title":"Order & 12","link":"https://example.com/12","links":["https://example.com/12"],"published":"2026-11-02T07:15:30Z","published_text":"Mon, 02 Nov 2026 08:15:30 +0100","summary":"<b>new</b>","content":"<p>all</p>","authors":[{"name":"Ada"}],"categories":["web","express"],"enclosures":[{"url":"https://example.com/12.pdf","type":"application/pdf","length":"120"}],` +
				`"extensions":{"dc":{"creator":[{"name":"creator","value":"Ada","attrs":{},"children":{}}]},"x":{"state":[{"name":"state","value":"open","attrs":{"level":"2"},"children":{"since":[{"name":"since","value":"Monday","attrs":{},"children":{}}]}}]}},"custom":{"price":"12.90"}}
2 {"id":"https://example.com/11","link":"https://example.com/11","links":["https://example.com/11"],"published_text":"yesterday"}
3 {"title":"nothing else"}
`},
		{"RSS 0.91", `<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd"><rss version="0.91"><channel><item><title>a&nbsp;b</title><link>http://example.com/1</link></item></channel></rss>`,
			"1 {\"id\":\"http://example.com/1\",\"title\":\"a\u00a0b\",\"link\":\"http://example.com/1\",\"links\":[\"http://example.com/1\"]}\n"},
		{"RSS 1.0", `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="http://example.com/"><title>c</title></channel><item rdf:about="http://example.com/1"><title>a</title><link>http://example.com/1</link><dc:date>2026-11-02T08:15:30Z</dc:date></item></rdf:RDF>`,
			`1 {"id":"http://example.com/1","title":"a","link":"http://example.com/1","links":["http://example.com/1"],"published":"2026-11-02T08:15:30Z","published_text":"2026-11-02T08:15:30Z","updated":"2026-11-02T08:15:30Z","updated_text":"2026-11-02T08:15:30Z","extensions":{"dc":{"date":[{"name":"date","value":"2026-11-02T08:15:30Z","attrs":{},"children":{}}]}}}
`},
		{"Atom 1.0", `<feed xmlns="http://www.w3.org/2005/Atom"><title>o</title><updated>2026-11-02T08:15:30Z</updated>
	<entry><id>urn:uuid:1</id><title type="html">a &lt;b&gt;</title><link href="https://example.com/1"/><link rel="edit" href="https://example.com/1/edit"/><link rel="enclosure" href="https://example.com/1.pdf" type="application/pdf" length="5"/>
		<updated>2026-11-02T08:15:30.25+01:00</updated><author><name>Ada</name><email>ada@example.com</email><uri>https://example.com/ada</uri></author><category term="t" label="Tag"/><summary>s</summary><content type="text">c</content></entry>
	<entry><link href="https://example.com/2" rel="related"/><published>2026-11-01T00:00:00Z</published></entry></feed>`,
			`1 {"id":"urn:uuid:1","title":"a <b>","link":"https://example.com/1","links":["https://example.com/1","https://example.com/1/edit"],"updated":"2026-11-02T07:15:30.25Z","updated_text":"2026-11-02T08:15:30.25+01:00","summary":"s","content":"c","authors":[{"name":"Ada","email":"ada@example.com","uri":"https://example.com/ada"}],"categories":["Tag"],"enclosures":[{"url":"https://example.com/1.pdf","type":"application/pdf","length":"5"}]}
2 {"id":"https://example.com/2","links":["https://example.com/2"],"published":"2026-11-01T00:00:00Z","published_text":"2026-11-01T00:00:00Z"}
`},
		{"Atom 0.3", `<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><id>tag:1</id><title>a</title><issued>2026-11-02T08:15:30Z</issued><modified>2026-11-03T08:15:30Z</modified></entry></feed>`,
			`1 {"id":"tag:1","title":"a","published":"2026-11-02T08:15:30Z","published_text":"2026-11-02T08:15:30Z","updated":"2026-11-03T08:15:30Z","updated_text":"2026-11-03T08:15:30Z"}
`},
		{"JSON Feed 1.1", `{"version":"https://jsonfeed.org/version/1.1","title":"o","items":[
	{"id":9007199254740993,"url":"https://example.com/1","external_url":"https://other.example/1","title":"a","content_html":"<p>c</p>","summary":"s","date_published":"2026-11-02T08:15:30+01:00","authors":[{"name":"Ada","url":"https://example.com/ada"},null,{"url":"https://example.com/bob"}],"tags":["web"],"attachments":[{"url":"https://example.com/1.pdf","mime_type":"application/pdf","size_in_bytes":120}]},
	{"external_url":"https://other.example/2","content_text":"<&>"}]}`,
			`1 {"id":"9007199254740993","title":"a","link":"https://example.com/1","links":["https://example.com/1","https://other.example/1"],"published":"2026-11-02T07:15:30Z","published_text":"2026-11-02T08:15:30+01:00","summary":"s","content":"<p>c</p>","authors":[{"name":"Ada","uri":"https://example.com/ada"},{"uri":"https://example.com/bob"}],"categories":["web"],"enclosures":[{"url":"https://example.com/1.pdf","type":"application/pdf","length":"120"}]}
2 {"id":"https://other.example/2","links":["https://other.example/2"],"content":"<&>"}
`},
		{"JSON Feed 1.0", `{"version":"https://jsonfeed.org/version/1","items":[{"id":"1","author":{"name":"Ada (ada@example.com)"}}]}`, `1 {"id":"1","authors":[{"name":"Ada","email":"ada@example.com"}]}` + "\n"},
		{"times that RFC 3339 cannot write in UTC", `{"items":[{"id":"1","date_published":"9999-12-31T23:59:59-01:00","date_modified":"0000-01-01T00:00:00+01:00"}]}`,
			`1 {"id":"1","published_text":"9999-12-31T23:59:59-01:00","updated_text":"0000-01-01T00:00:00+01:00"}` + "\n"},
		{"no entries", `<rss><channel/></rss>`, ""},
		{"no items", `{"items":[]}`, ""},
		{"control characters", "<rss><channel><item><guid>1</guid><title>a\x0b\x00b</title></item></channel></rss>", "1 {\"id\":\"1\",\"title\":\"ab\"}\n"},
		{"another charset", "<?xml version=\"1.0\" encoding=\"windows-1252\"?>\n<rss><channel><item><guid>1</guid><title>K\xf6ln \x80</title></item></channel></rss>", "1 {\"id\":\"1\",\"title\":\"Köln €\"}\n"},
		{"a byte order mark", "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><rss><channel><item><guid>ö</guid></item></channel></rss>", "1 {\"id\":\"ö\"}\n"},
		{"UTF-16", "\xff\xfe" + strings.Join(strings.Split(`<rss><channel><item><guid>1</guid></item></channel></rss>`, ""), "\x00") + "\x00", "1 {\"id\":\"1\"}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{
				"whole": strings.NewReader(test.document), "byte by byte": iotest.OneByteReader(strings.NewReader(test.document)),
			} {
				if diff := cmp.Diff(test.want, split(r, decode.Options{})); diff != "" {
					t.Errorf("%s (-want +got):\n%s", how, diff)
				}
			}
		})
	}
}

func TestWhatIsNoFeed(t *testing.T) {
	deep := strings.Repeat("<x:d>", 200) + strings.Repeat("</x:d>", 200)
	for _, test := range []struct {
		name, document string
		o              decode.Options
		want           string
	}{
		{"nothing", " \n", decode.Options{}, "the body is empty"},
		{"text", "\nerror", decode.Options{}, "is not valid RSS, Atom or JSON Feed (at line 1, byte 0 of the line): it begins with neither an element nor an object"},
		{"a web page", "<!DOCTYPE html><html><head/><body><br/></body></html>", decode.Options{}, `its root element is "html", not rss, RDF or feed`},
		{"another document", "<orders/>", decode.Options{}, `its root element is "orders", not rss, RDF or feed`},
		{"another object", `{"error":"down"}`, decode.Options{}, `items path "items" is missing`},
		{"an object without an array", `{"items":{}}`, decode.Options{}, `items path "items" is an object, not an array`},
		{"an item that is none", `{"items":[{"id":"1"},null]}`, decode.Options{}, `(at byte 0, in "/items/1"): it is not an object`},
		{"an item of another kind", `{"items":[{"title":{}}]}`, decode.Options{}, `(at byte 0, in "/items/0"): json: cannot unmarshal object`},
		{"an array", `[]`, decode.Options{}, "neither an element nor an object"},
		{"a name twice", `{"items":[],"items":[]}`, decode.Options{}, `is not valid JSON (at byte 12, in "/items"): duplicate object member name`},
		{"two objects", `{"items":[]}{}`, decode.Options{}, "something follows after the end of the document"},
		{"bytes of another charset", "<rss>\n<channel>K\xf6ln</channel></rss>", decode.Options{}, "(at line 2, byte 13 of the line): invalid UTF-8"},
		{"malformed", "<rss>\n<channel><item </channel></rss>", decode.Options{}, "is not valid RSS, Atom or JSON Feed (at line 2, byte"},
		{"something after it", "<rss/><rss/>", decode.Options{}, "something follows after the end of the feed"},
		{"text after it", "<rss/>error", decode.Options{}, "text stands outside of the root element"},
		{"too deep", `<rss xmlns:x="urn:x"><channel><item>` + deep + "</item></channel></rss>", decode.Options{}, "record 1 is nested deeper than 128 levels"},
		{"too deep outside", "<rss><channel><image>" + deep + "</image></channel></rss>", decode.Options{}, "the body is nested deeper than 128 levels"},
		{"too deep, JSON", `{"items":[{"x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}]}", decode.Options{}, "record 1 is nested deeper than 128 levels"},
		{"too deep for extensions that are objects", `<rss xmlns:x="urn:x"><channel><item>` + strings.Repeat("<x:d>", 60) + strings.Repeat("</x:d>", 60) + "</item></channel></rss>", decode.Options{}, "record 1 is nested deeper than 128 levels"},
		{"too many parts", `<rss xmlns:x="urn:x"><channel><item>` + strings.Repeat(`<x:a b="1"/>`, 7_000) + "</item></channel></rss>", decode.Options{}, "record 1 has more than 20000 tags, texts and attributes"},
		{"too many comments", `<rss xmlns:x="urn:x"><channel><item><x:a>` + strings.Repeat(`x<!---->`, 10_100) + "</x:a></item></channel></rss>", decode.Options{}, "record 1 has more than 20000 tags, texts and attributes"},
		{"an entry of more than any may have", "<rss><channel><item><title>" + strings.Repeat("x", 9<<20) + "</title></item></channel></rss>", decode.Options{}, "record 1 is larger than 8 MiB"},
		{"too large an entry", "<rss><channel><item><title>" + strings.Repeat("x", 200) + "</title></item></channel></rss>", decode.Options{Record: 100}, "record 1 is larger than 100 bytes"},
		{"much too large an entry", "<rss><channel><item><title>" + strings.Repeat("x", 200<<10) + "</title></item></channel></rss>", decode.Options{Record: 100}, "record 1 is larger than 100 bytes"},
		{"too large a root", `<rss x="` + strings.Repeat("x", 100<<10) + `"/>`, decode.Options{}, "the body has a tag of more than 64 KiB around its entries"},
		{"too large a record", `{"items":[{"title":"` + strings.Repeat("x", 100) + `"}]}`, decode.Options{Record: 100}, "record 1 is larger than 100 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := split(strings.NewReader(test.document), test.o)
			if !strings.Contains(got, "error: ") || !strings.Contains(got, test.want) {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	t.Run("a text without end", func(t *testing.T) {
		if got := split(io.MultiReader(strings.NewReader("<rss>"), blanks{}), decode.Options{Record: 100}); got != "error: the body is larger than 100 bytes\n" {
			t.Error(got)
		}
	})
}

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// A feed that stops too early is never taken for one that ended, wherever it stops.
func TestEveryBeginningIsCutShort(t *testing.T) {
	for _, document := range []string{
		`<?xml version="1.0"?><rss xmlns:x="urn:x"><channel><title>a</title><item><guid>1</guid><x:y a="b">c<x:z/></x:y><description><![CDATA[d]]></description></item></channel></rss>`,
		`<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><link href="a"/><content type="html">&lt;p&gt;</content></entry></feed>`,
		`{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1"}]}`,
	} {
		if got := split(strings.NewReader(document), decode.Options{}); strings.Contains(got, "error") {
			t.Fatal(got)
		}
		for n := 1; n < len(document); n++ {
			_, err := feed.Format{}.Split(strings.NewReader(document[:n]), decode.Options{}, func([]byte, int) error { return nil })
			if syntax, ok := errors.AsType[*decode.SyntaxError](err); !ok || !syntax.Truncated() {
				t.Errorf("%q: %v", document[:n], err)
			}
		}
	}
}

func TestErrorsOfOthersComeThrough(t *testing.T) {
	mine := errors.New("mine")
	_, err := feed.Format{}.Split(strings.NewReader(`{"items":[{}]}`), decode.Options{}, func([]byte, int) error { return mine })
	if err != mine {
		t.Errorf("emit's error came back as %v", err)
	}
	for _, start := range []string{"", "<rss>", strings.Repeat(" ", 5000)} {
		_, err = feed.Format{}.Split(io.MultiReader(strings.NewReader(start), iotest.ErrReader(mine)), decode.Options{}, nil)
		if err != mine {
			t.Errorf("the reader's error came back as %v", err)
		}
		_, err = feed.Format{}.Split(io.MultiReader(strings.NewReader(start), idle{}), decode.Options{}, nil)
		if !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("a reader without progress: %v", err)
		}
	}
}

// idle has nothing to say and never ends.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestAFeedIsAWindow(t *testing.T) {
	var f decode.Format = feed.Format{}
	if !f.Window() || f.Enveloped() || f.Identity() != "feed" {
		t.Errorf("%t %t %s", f.Window(), f.Enveloped(), f.Identity())
	}
}

func TestTheDocumentedExampleIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../../docs/decoders/feed.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, rest, _ := strings.Cut(string(page), "```"+language+"\n")
		text, _, found := strings.Cut(rest, "```")
		if !found {
			t.Fatalf("no block in %s", language)
		}
		return text
	}
	var want bytes.Buffer
	if err := stdjson.Compact(&want, []byte(block("json"))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("1 "+want.String()+"\n", split(strings.NewReader(block("xml")), decode.Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
