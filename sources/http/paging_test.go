package http_test

import (
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
)

// orders answers page, offset, cursor and link requests over n records, at most cap a page.
type orders struct {
	n, cap    int
	requests  []string
	decorated func(w nethttp.ResponseWriter, r *nethttp.Request, from, to int) string // rest of the envelope
}

func (o *orders) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	o.requests = append(o.requests, r.URL.RequestURI())
	query := r.URL.Query()
	from := 0
	switch {
	case query.Has("page"):
		page, _ := strconv.Atoi(query.Get("page"))
		from = (page - 1) * o.cap
	case query.Has("offset"):
		from, _ = strconv.Atoi(query.Get("offset"))
	case query.Has("after"):
		from, _ = strconv.Atoi(query.Get("after"))
	}
	from = min(from, o.n)
	to := min(from+o.cap, o.n)
	records := []json.RawMessage{}
	for i := from; i < to; i++ {
		records = append(records, json.RawMessage(fmt.Sprintf(`{"id":%d}`, i+1)))
	}
	data, _ := json.Marshal(records)
	rest := ""
	if o.decorated != nil {
		rest = o.decorated(w, r, from, to)
	}
	fmt.Fprintf(w, `{"data":%s%s}`, data, rest)
}

func numbered(n, perPage int) []string {
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf(`%d.%d {"id":%d}`, i/perPage+1, i%perPage+1, i+1))
	}
	return want
}

func TestFetchPages(t *testing.T) {
	for _, test := range []struct {
		name, block string
		n           int
		decorated   func(w nethttp.ResponseWriter, r *nethttp.Request, from, to int) string
		requests    string
	}{
		{"a short page alone is not the end", `pagination "page" {}`, 5, nil, "/?page=1 /?page=2 /?page=3 /?page=4"},
		{"a full last page needs an empty one", `pagination "page" {}`, 4, nil, "/?page=1 /?page=2 /?page=3"},
		{"an empty first page is the end", `pagination "page" {}`, 0, nil, "/?page=1"},
		{"the declared total ends", `pagination "page" {
			total = "meta.total"
			size_param = "per_page"
			size = 2
		}`, 5, func(nethttp.ResponseWriter, *nethttp.Request, int, int) string { return `,"meta":{"total":5}` },
			"/?page=1&per_page=2 /?page=2&per_page=2 /?page=3&per_page=2"},
		{"the declared pages end", `pagination "page" { pages = "pages" }`, 5,
			func(nethttp.ResponseWriter, *nethttp.Request, int, int) string { return `,"pages":"3"` }, "/?page=1 /?page=2 /?page=3"},
		{"the server caps the size and offset goes by what came", `pagination "offset" {
			size_param = "limit"
			size = 100
		}`, 5, nil, "/?offset=0&limit=100 /?offset=2&limit=100 /?offset=4&limit=100 /?offset=5&limit=100"},
		{"cursor in the body", `pagination "cursor" {
			param = "after"
			next = "meta.next"
		}`, 5, func(_ nethttp.ResponseWriter, _ *nethttp.Request, _, to int) string {
			if to == 5 {
				return `,"meta":{"next":null}`
			}
			return fmt.Sprintf(`,"meta":{"next":"%d"}`, to)
		}, "/ /?after=2 /?after=4"},
		{"cursor of the last record until more is false", `pagination "cursor" {
			param = "after"
			last = "id"
		}`, 5, func(_ nethttp.ResponseWriter, _ *nethttp.Request, _, to int) string {
			return fmt.Sprintf(`,"has_more":%t`, to < 5)
		},
			"/ /?after=2 /?after=4"},
		{"cursor of the last record until an empty page", `pagination "cursor" {
			param = "after"
			last = "id"
		}`, 5, nil, "/ /?after=2 /?after=4 /?after=5"},
		{"links", `pagination "link" {}`, 5, func(w nethttp.ResponseWriter, _ *nethttp.Request, _, to int) string {
			if to < 5 {
				w.Header().Add("Link", `</?page=1>; rel="first"`)
				w.Header().Add("Link", fmt.Sprintf(`</?after=%d>; rel="next", </?page=3>; rel="last"`, to))
			}
			return ""
		}, "/ /?after=2 /?after=4"},
		{"addresses in the body", `pagination "next" { path = "paging.next" }`, 5, func(_ nethttp.ResponseWriter, r *nethttp.Request, _, to int) string {
			if to == 5 {
				return `,"paging":{"next":""}`
			}
			return fmt.Sprintf(`,"paging":{"next":"http://%s/?after=%d"}`, r.Host, to)
		}, "/ /?after=2 /?after=4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := &orders{n: test.n, cap: 2, decorated: test.decorated}
			s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"json\" { items = \"data\" }\n%s", serve(t, api.ServeHTTP), test.block))
			fetch(t, s, nil).want(t, numbered(test.n, 2)...)
			if got := strings.Join(api.requests, " "); got != test.requests {
				t.Errorf("requests:\n got %s\nwant %s", got, test.requests)
			}
		})
	}
}

// TestPagesOfXML: cursors, totals and what says that more follows are texts there, by any path.
func TestTheTraceSaysWhyAListEnded(t *testing.T) {
	for path, want := range map[string]string{"next": `page 2 is the last one: nothing at next path "next"`, "nxt": `page 1 is the last one: nothing at next path "nxt"`} {
		address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if r.URL.Query().Get("after") == "" {
				fmt.Fprint(w, `{"data":[1],"next":"b"}`)
				return
			}
			fmt.Fprint(w, `{"data":[2],"next":null}`)
		})
		var trace []string
		ctx := sources.WithTrace(t.Context(), func(line string) { trace = append(trace, line) })
		s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"json\" { items = \"data\" }\npagination \"cursor\" {\nparam = \"after\"\nnext = %q\n}", address, path))
		_, err := s.Fetch(ctx, bridge.FetchOptions{}, func(bridge.Record) error { return nil })
		if err != nil || len(trace) == 0 || trace[len(trace)-1] != want {
			t.Errorf("%v, trace %q, want %s at its end", err, trace, want)
		}
	}
}

func TestPagesOfXML(t *testing.T) {
	for _, more := range []string{"true", "1"} {
		address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if r.URL.Query().Get("after") == "a&b" {
				fmt.Fprint(w, `<r total="2"><o n="2"/><p><next>left over</next><more>`+map[string]string{"true": "false", "1": "0"}[more]+`</more></p></r>`)
				return
			}
			fmt.Fprint(w, `<r total="2"><o n="1"/><p><next>a&amp;b</next><more>`+more+`</more></p></r>`)
		})
		s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"xml\" { items = \"/r/o\" }\npagination \"cursor\" {\n  param = \"after\"\n  next = \"//next\"\n  more = \"r.p.more\"\n}", address))
		fetch(t, s, nil).want(t, `1.1 {"@n":"1"}`, `2.1 {"@n":"2"}`)
	}
	s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"xml\" { items = \"/r/o\" }\npagination \"page\" { total = \"r.\\\\@total\" }", serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, `<r total="2"><o n="%s"/></r>`, r.URL.Query().Get("page"))
	})))
	fetch(t, s, nil).want(t, `1.1 {"@n":"1"}`, `2.1 {"@n":"2"}`)
}

// Addresses that people and old servers write with spaces in the query are sent as a request line can carry them.
func TestAddressesWithSpacesInTheQuery(t *testing.T) {
	var asked []string
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		asked = append(asked, r.URL.RawQuery)
		switch {
		case len(asked) == 1:
			fmt.Fprint(w, `{"data":[{"id":1}],"next":"/items?$filter=name eq 'Müller'&$skip=1"}`)
		case r.URL.Path == "/items":
			w.Header().Set("Location", "/moved?to=a b")
			w.WriteHeader(nethttp.StatusFound)
		default:
			fmt.Fprint(w, `{"data":[{"id":2}]}`)
		}
	})
	s := source(t, newShared(), fmt.Sprintf(`url = "%s/items?$filter=name eq 'Müller'"
decode "json" { items = "data" }
pagination "next" { path = "next" }`, address))
	fetch(t, s, nil).want(t, `1.1 {"id":1}`, `2.1 {"id":2}`)
	if _, found, err := lookup(t, s, address+"/item?name=a b", "@this"); err != nil || !found {
		t.Errorf("lookup: %t, %v", found, err)
	}
	if got, want := strings.Join(asked, " "), "$filter=name%20eq%20'M%C3%BCller' $filter=name%20eq%20'M%C3%BCller'&$skip=1 to=a%20b name=a%20b"; got != want {
		t.Errorf("asked %s\nwant  %s", got, want)
	}
}
