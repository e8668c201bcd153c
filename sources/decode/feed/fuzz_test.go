package feed_test

import (
	"bytes"
	stdjson "encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/feed"
	"github.com/mmcdole/gofeed"
)

// placeless takes off in which value an error happened: names before it may have been overwritten in the decoder's buffer
// by the time it is asked, and whether they are depends on how the bytes arrive.
func placeless(shown string) string { return place.ReplaceAllString(shown, "") }

var place = regexp.MustCompile(`, in "(?:[^"\\]|\\.)*"`)

// FuzzFeed: what comes out is JSON without a name twice, it does not matter how the bytes arrive, and the entries are
// those that gofeed finds in the feed as a whole.
func FuzzFeed(f *testing.F) {
	for _, seed := range []string{
		`<rss xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><item><guid>1</guid><link>a</link><pubDate>Mon, 02 Nov 2026 08:15:30 EST</pubDate><dc:creator>A (a@b.c)</dc:creator><enclosure url="x"/><x>y</x></item></channel></rss>`,
		`<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><item><title>a&nbsp;<![CDATA[<b>]]></title></item></rdf:RDF>`,
		`<feed xmlns="http://www.w3.org/2005/Atom" xml:base="http://a/"><entry><id>1</id><link rel="enclosure" href="b"/><author><uri>c</uri></author><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><a href="d">e</a></div></content></entry></feed>`,
		`{"items":[{"id":1,"authors":[null],"author":{"name":"A"},"tags":["x"],"attachments":[{"size_in_bytes":"1"}],"date_published":"2026-11-02T08:15:30Z"}]}`,
		`{"items":[null]}`, "<?xml version=\"1.0\" encoding=\"latin1\"?><rss>\xf6</rss>", `<rss/>`, `<html></html>`, `<rss><channel></rss>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		o := decode.Options{Depth: 20, Record: 1 << 16}
		whole := split(bytes.NewReader(document), o)
		if pieces := split(iotest.HalfReader(bytes.NewReader(document)), o); placeless(pieces) != placeless(whole) {
			t.Errorf("in one piece:\n%s\nin many:\n%s", whole, pieces)
		}
		if strings.Contains(whole, "are counted as") {
			t.Error(whole)
		}
		var titles []string
		_, err := feed.Format{}.Split(bytes.NewReader(document), o, func(raw []byte, _ int) error {
			var e struct{ Title, Summary, Content string }
			if !jsontext.Value(raw).IsValid() || stdjson.Unmarshal(raw, &e) != nil {
				t.Errorf("%q is not an object", raw)
			}
			titles = append(titles, e.Title+"|"+e.Summary+"|"+e.Content)
			return nil
		})
		if err != nil || !bytes.HasPrefix(document, []byte("<")) || bytes.Contains(document, []byte("<?xml")) {
			return
		}
		theirs, err := gofeed.NewParser().Parse(bytes.NewReader(document))
		if err != nil {
			return // where its root comes late
		}
		var want []string
		for _, item := range theirs.Items {
			want = append(want, item.Title+"|"+item.Description+"|"+item.Content)
		}
		if diff := cmp.Diff(want, titles); diff != "" {
			t.Errorf("(-gofeed +ours):\n%s", diff)
		}
	})
}
