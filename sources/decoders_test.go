package sources_test

import (
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
)

// fetch decodes a block and reads what is there.
func fetch(t *testing.T, kind, block, dir string, from bridge.Checkpoint) (records []string, outcome bridge.Outcome, err error) {
	t.Helper()
	source, diags := sources.New(sources.Runtime{}).Decode(kind, body(t, block), nil, dir)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	outcome, err = source.Fetch(t.Context(), bridge.FetchOptions{From: from}, func(r bridge.Record) error {
		records = append(records, fmt.Sprintf("%d.%d %s", r.Page, r.Item, r.Body))
		return nil
	})
	return records, outcome, err
}

const announcements = `<rss version="2.0"><channel><item><guid>2</guid><title>Köln</title></item><item><guid>1</guid></item></channel></rss>`

func TestXMLOverHTTP(t *testing.T) {
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Type", "text/xml; charset=windows-1252")
		switch r.URL.Query().Get("after") {
		case "":
			fmt.Fprint(w, "<x:list><x:orders><x:order id=\"0012\">K\xf6ln \x80</x:order></x:orders><next> a&amp;b </next></x:list>")
		case "a&b":
			fmt.Fprint(w, "<list><orders><order id=\"13\"/></orders><next/></list>")
		default:
			t.Errorf("asked for %s", r.URL)
		}
	}))
	defer server.Close()
	block := fmt.Sprintf("url = %q\ndecode \"xml\" { items = \"/list/orders/order\" }\npagination \"cursor\" {\n  param = \"after\"\n  next = \"list.next\"\n}", server.URL)
	records, outcome, err := fetch(t, "http", block, "", nil)
	if diff := cmp.Diff([]string{`1.1 {"@id":"0012","#text":"Köln €"}`, `2.1 {"@id":"13"}`}, records); diff != "" || err != nil || !outcome.Complete {
		t.Errorf("%+v, %v (-want +got):\n%s", outcome, err, diff)
	}
}

// None of these answers is a list without records.
func TestDocumentsOfAnotherKindFailThePoll(t *testing.T) {
	var answer string
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { fmt.Fprint(w, answer) }))
	defer server.Close()
	for _, test := range []struct{ decode, answer, want string }{
		{`"xml" { items = "/list/order" }`, `<error>down for maintenance</error>`, `items path "/list/order" is missing`},
		{`"xml" { items = "//order" }`, `<html><body><form action="/login"/></body></html>`, `the body is a web page`},
		{`"xml" { items = "//order" }`, `<!DOCTYPE html><html><head><meta charset="utf-8"><title>Log in</title>`, `the body is a web page`},
		{`"xml" { items = "//order" }`, `<list><order/>`, `ends in the middle`},
		{`"xml" { items = "//order" }`, ``, `the body is empty`},
		{`"feed" {}`, `<html><body/></html>`, `its root element is "html"`},
		{`"feed" {}`, `{"error":"down"}`, `items path "items" is missing`},
		{`"feed" {}`, announcements[:100], `ends in the middle`},
	} {
		answer = test.answer
		_, outcome, err := fetch(t, "http", fmt.Sprintf("url = %q\ndecode %s", server.URL, test.decode), "", nil)
		if err == nil || !strings.Contains(err.Error(), test.want) || outcome.Complete {
			t.Errorf("%s: %+v, %v; want %s", test.answer, outcome, err, test.want)
		}
	}
}

func TestAFeedIsAWindowWhateverCarriesIt(t *testing.T) {
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { fmt.Fprint(w, announcements) }))
	defer server.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "news.rss"), []byte(announcements), 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, block := range map[string]string{
		"http": fmt.Sprintf("url = %q", server.URL), "file": `path = "news.rss"`, "exec": `command = ["cat", "news.rss"]`,
	} {
		var before bridge.Checkpoint
		for range 2 { // the second time it is unchanged
			records, outcome, err := fetch(t, kind, block+"\ndecode \"feed\" {}", dir, before)
			want := []string{`1.1 {"id":"2","title":"Köln"}`, `1.2 {"id":"1"}`}
			if outcome.NotModified {
				want = nil
			}
			if diff := cmp.Diff(want, records); diff != "" || err != nil || outcome.Complete || !outcome.Window || !outcome.Incremental || outcome.NotModified != (before != nil) {
				t.Errorf("%s: %+v, %v (-want +got):\n%s", kind, outcome, err, diff)
			}
			before = outcome.Next
		}
	}
}
