package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
)

// detailed is an API whose lists show less than its records.
type detailed struct {
	mu     sync.Mutex
	asked  []string
	flying int
	most   int
	detail func(w nethttp.ResponseWriter, r *nethttp.Request, id string) bool // reports whether it answered
}

func (o *detailed) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	o.mu.Lock()
	o.asked = append(o.asked, r.Method+" "+r.URL.RequestURI())
	o.flying++
	o.most = max(o.most, o.flying)
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		o.flying--
		o.mu.Unlock()
	}()
	if r.URL.Path == "/list" {
		switch r.URL.Query().Get("page") {
		case "", "1":
			fmt.Fprint(w, `[{"id":1,"v":"a"},{"id":2,"v":"b"},{"id":3,"v":"c"}]`)
		case "2":
			fmt.Fprint(w, `[{"id":4,"v":"d"}]`)
		default:
			fmt.Fprint(w, `[]`)
		}
		return
	}
	id := strings.TrimPrefix(r.URL.EscapedPath(), "/orders/")
	if o.detail == nil || !o.detail(w, r, id) {
		fmt.Fprintf(w, `{"data":{"id":%q,"full":true}}`, id)
	}
}

func (o *detailed) want(t *testing.T, requests ...string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.Sort(o.asked)
	slices.Sort(requests)
	if diff := cmp.Diff(requests, o.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	o.asked = nil
}

const eachBlock = `url = "%[1]s/list"
retries = 0
each {
  url    = "%[1]s/orders/${record.id}"
  record = "data"
  %[2]s
}
`

// listed reads a source and shows its records with their listings.
func listed(ctx context.Context, s bridge.Source, options bridge.FetchOptions) (string, bridge.Outcome, error) {
	var b strings.Builder
	outcome, err := s.Fetch(ctx, options, func(r bridge.Record) error {
		fmt.Fprintf(&b, "%d.%d %s > %s", r.Page, r.Item, r.Listing, r.Body)
		if r.Bad != nil {
			fmt.Fprintf(&b, "bad: %v", r.Bad)
		}
		b.WriteString("\n")
		return nil
	})
	return b.String(), outcome, err
}

func TestEachListedRecordHasItsDetail(t *testing.T) {
	api := &detailed{}
	address := serve(t, api.ServeHTTP)
	s := source(t, newShared(), fmt.Sprintf(eachBlock, address, "")+"method = \"POST\"\njson = {}\npagination \"page\" {}")
	var trace []string
	ctx := sources.WithTrace(t.Context(), func(line string) { trace = append(trace, line) })
	got, outcome, err := listed(ctx, s, bridge.FetchOptions{})
	want := `1.1 {"id":1,"v":"a"} > {"id":"1","full":true}
1.2 {"id":2,"v":"b"} > {"id":"2","full":true}
1.3 {"id":3,"v":"c"} > {"id":"3","full":true}
2.1 {"id":4,"v":"d"} > {"id":"4","full":true}
`
	if err != nil || got != want || !outcome.Complete || outcome.Pages != 3 {
		t.Errorf("%v %+v\n%s", err, outcome, cmp.Diff(want, got))
	}
	if lists := int64(len(`[{"id":1,"v":"a"},{"id":2,"v":"b"},{"id":3,"v":"c"}][{"id":4,"v":"d"}][]`)); outcome.Bytes != lists+4*int64(len(`{"data":{"id":"1","full":true}}`)) {
		t.Errorf("%d bytes", outcome.Bytes)
	}
	if len(trace) != 7 {
		t.Errorf("trace: %q", trace)
	}
	api.want(t, "POST /list?page=1", "POST /list?page=2", "POST /list?page=3", "GET /orders/1", "GET /orders/2", "GET /orders/3", "GET /orders/4")
}

// Where the listing is the one that is known, the detail is not asked for; the order is that of the list all the same.
func TestOnlyChangedListingsAreFetched(t *testing.T) {
	api := &detailed{}
	s := source(t, newShared(), fmt.Sprintf(eachBlock, serve(t, api.ServeHTTP), ""))
	known := func(listing json.RawMessage) bool { return !strings.Contains(string(listing), `"b"`) }
	got, outcome, err := listed(t.Context(), s, bridge.FetchOptions{Known: known})
	want := `1.1 {"id":1,"v":"a"} > 
1.2 {"id":2,"v":"b"} > {"id":"2","full":true}
1.3 {"id":3,"v":"c"} > 
`
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
	api.want(t, "GET /list", "GET /orders/2")

	// An unchanged list is not looked at at all.
	got, again, err := listed(t.Context(), s, bridge.FetchOptions{From: outcome.Next, Known: func(json.RawMessage) bool { return false }})
	if err != nil || got != "" || !again.NotModified {
		t.Errorf("%v %+v %s", err, again, got)
	}
	api.want(t, "GET /list")
}

func TestDetailsAreFetchedSoManyAtATime(t *testing.T) {
	for _, concurrency := range []int{1, 3, 8} {
		api, full := &detailed{}, make(chan struct{})
		waiting := 0
		api.detail = func(_ nethttp.ResponseWriter, _ *nethttp.Request, _ string) bool {
			api.mu.Lock()
			if waiting++; waiting == concurrency { // all that are allowed are here
				close(full)
			}
			api.mu.Unlock()
			<-full
			return false
		}
		list := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if r.URL.Path != "/list" {
				api.ServeHTTP(w, r)
				return
			}
			var b strings.Builder
			for i := range 100 {
				fmt.Fprintf(&b, `,{"id":%d}`, i)
			}
			fmt.Fprintf(w, "[%s]", b.String()[1:])
		})
		s := source(t, newShared(), fmt.Sprintf(eachBlock, list, fmt.Sprintf("concurrency = %d", concurrency)))
		item := 0
		_, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(r bridge.Record) error {
			if want := fmt.Sprintf(`{"id":"%d","full":true}`, item); r.Item != item+1 || string(r.Body) != want {
				t.Errorf("record %d is %d: %s", item+1, r.Item, r.Body)
			}
			item++
			return nil
		})
		if err != nil || item != 100 || api.most != concurrency {
			t.Errorf("%v: %d records, %d requests at a time, want 100 and %d", err, item, api.most, concurrency)
		}
	}
}

func TestDetailsThatCannotBeHad(t *testing.T) {
	for name, test := range map[string]struct {
		detail func(w nethttp.ResponseWriter) // of record 2
		bad    string
		err    string
	}{
		"not there": {func(w nethttp.ResponseWriter) { w.WriteHeader(404) }, "listed, but not there: GET %s/orders/2 answered 404 Not Found", ""},
		"gone":      {func(w nethttp.ResponseWriter) { w.WriteHeader(410) }, "listed, but not there: GET %s/orders/2 answered 410 Gone", ""},
		"broken":    {func(w nethttp.ResponseWriter) { w.WriteHeader(500) }, "", "source.http: detail of record 2: answered 500 Internal Server Error"},
		"elsewhere": {func(w nethttp.ResponseWriter) { w.Header().Set("Location", "http://127.0.0.1:1/"); w.WriteHeader(302) }, "", "detail of record 2: redirected to another origin"},
		"no object": {func(w nethttp.ResponseWriter) { fmt.Fprint(w, `{"data":[1]}`) }, "", "detail of record 2: "},
		"cut short": {func(w nethttp.ResponseWriter) { w.Header().Set("Content-Length", "99"); fmt.Fprint(w, `{"data":{`) }, "", "detail of record 2: the answer was cut short"},
		"huge":      {func(w nethttp.ResponseWriter) { fmt.Fprintf(w, `{"data":{"x":"%s"}}`, strings.Repeat("x", 9<<20)) }, "", "detail of record 2: the answer is larger than a single record may be (8.0 MiB)"},
		"a login":   {func(w nethttp.ResponseWriter) { w.WriteHeader(401) }, "", "detail of record 2: answered 401 Unauthorized: the source wants a login; add an auth block"},
	} {
		t.Run(name, func(t *testing.T) {
			api := &detailed{}
			api.detail = func(w nethttp.ResponseWriter, _ *nethttp.Request, id string) bool {
				if id == "2" {
					test.detail(w)
				}
				return id == "2"
			}
			address := serve(t, api.ServeHTTP)
			got, outcome, err := listed(t.Context(), source(t, newShared(), fmt.Sprintf(eachBlock, address, "")), bridge.FetchOptions{})
			switch {
			case test.err == "" && (err != nil || !outcome.Complete || !strings.Contains(got, `1.2 {"id":2,"v":"b"} > bad: `+fmt.Sprintf(test.bad, address)+"\n1.3 ")):
				t.Errorf("%v\n%s", err, got)
			case test.err != "" && (err == nil || outcome.Complete || !strings.Contains(err.Error(), test.err)):
				t.Errorf("got %v, want %q", err, test.err)
			}
		})
	}
}

// A detail that is answered with Retry-After makes the host busy, as a list does.
func TestDetailsOfABusyHost(t *testing.T) {
	api := &detailed{}
	api.detail = func(w nethttp.ResponseWriter, _ *nethttp.Request, _ string) bool {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(429)
		return true
	}
	s := source(t, newShared(), fmt.Sprintf(eachBlock, serve(t, api.ServeHTTP), "concurrency = 1"))
	_, _, err := listed(t.Context(), s, bridge.FetchOptions{})
	if busy, ok := errors.AsType[*bridge.BusyError](err); !ok || time.Until(busy.RetryAt) < 50*time.Second {
		t.Errorf("got %v, want a *BusyError", err)
	}
	api.want(t, "GET /list", "GET /orders/1")
}

// When one fails, or the job's time is up, the others end with it, and nothing is left behind.
func TestDetailsEndTogether(t *testing.T) {
	for _, stop := range []string{"a failure", "the job's time", "what emit says"} {
		t.Run(stop, func(t *testing.T) {
			up := errors.New("the job's time is up")
			ctx, cancel := context.WithCancelCause(t.Context())
			api := &detailed{}
			api.detail = func(w nethttp.ResponseWriter, r *nethttp.Request, id string) bool {
				switch {
				case id == "1" && stop == "what emit says":
					return false
				case id == "3" && stop == "a failure":
					w.WriteHeader(500)
					return true
				case id == "3" && stop == "the job's time":
					cancel(up)
				}
				<-r.Context().Done()
				return true
			}
			s := source(t, newShared(), fmt.Sprintf(eachBlock, serve(t, api.ServeHTTP), ""))
			_, err := s.Fetch(ctx, bridge.FetchOptions{}, func(bridge.Record) error {
				if stop != "what emit says" {
					t.Error("a record was emitted")
				}
				return up
			})
			if stop == "a failure" && (err == nil || !strings.Contains(err.Error(), "detail of record 3: answered 500")) || stop != "a failure" && !errors.Is(err, up) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// An id leads to its own detail and nowhere else.
func TestIdsInAddressesOfDetails(t *testing.T) {
	for id, want := range map[string]string{
		`"a/b"`: "GET /orders/a%2Fb?x=1", `"?x=2#y"`: "GET /orders/%3Fx=2%23y?x=1", `"ü &"`: "GET /orders/%C3%BC%20&?x=1", `9007199254740993`: "GET /orders/9007199254740993?x=1",
		`".."`: "", `""`: "", `null`: "", `{}`: "", `"../../admin"`: "",
	} {
		var asked []string
		address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if r.URL.Path == "/list" {
				fmt.Fprintf(w, `[{"id":%s}]`, id)
				return
			}
			asked = append(asked, r.Method+" "+r.URL.RequestURI())
			fmt.Fprint(w, `{"data":{}}`)
		})
		s := source(t, newShared(), strings.Replace(fmt.Sprintf(eachBlock, address, ""), "record.id}", "record.id}?x=1", 1))
		_, _, err := listed(t.Context(), s, bridge.FetchOptions{})
		if want == "" && (err == nil || !strings.Contains(err.Error(), "detail of record 1: ") || len(asked) > 0) || want != "" && (err != nil || !slices.Equal(asked, []string{want})) {
			t.Errorf("%s: asked %q, %v", id, asked, err)
		}
	}
}

// A token that has run out is renewed for a detail, once for all of them.
func TestDetailsRenewTheLogin(t *testing.T) {
	api := &tokens{}
	details := 0
	var mu sync.Mutex
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/token" || r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", api.valid.Load()) {
			api.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/orders/1" {
			fmt.Fprint(w, `[{"id":1},{"id":2},{"id":3}]`)
			api.valid.Store(99) // revoked as soon as the list is there
			return
		}
		details++
		fmt.Fprint(w, `{"data":{"id":1}}`)
	})
	s := source(t, newShared(), fmt.Sprintf(oauthBlock, address, 1)+fmt.Sprintf("\neach {\n url = \"%s/x/${record.id}\"\n}", address))
	if _, _, err := listed(t.Context(), s, bridge.FetchOptions{}); err != nil || details != 3 || api.issued.Load() != 2 {
		t.Errorf("%v: %d details with %d tokens, want 3 with 2", err, details, api.issued.Load())
	}
}

// The watermark is that of the list.
func TestDetailsSinceAWatermark(t *testing.T) {
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/list" {
			fmt.Fprint(w, `[{"id":1,"at":"2020-01-01T00:00:00Z"}]`)
			return
		}
		fmt.Fprint(w, `{"data":{"at":"2021-01-01T00:00:00Z"}}`)
	})
	s := source(t, newShared(), fmt.Sprintf(eachBlock, address, "")+"since {\n param = \"since\"\n value = \"at\"\n}")
	_, outcome, err := listed(t.Context(), s, bridge.FetchOptions{})
	if err != nil || !strings.Contains(string(outcome.Next), "2020-01-01") {
		t.Errorf("%v: watermark %s", err, outcome.Next)
	}
}

func TestEachIsReadStrictly(t *testing.T) {
	for _, test := range []struct{ block, want string }{
		{`record = "x"`, `"url" is required in each`},
		{`url = "http://x/list"`, `Nothing of the record is in the url`},
		{`url = "http://y/${record.id}"`, `Details are fetched with the source's login, which http://x:80 alone is shown; the url leads to http://y:80.`},
		{`url = "ftp://x/${record.id}"`, `A url begins with http:// or https://`},
		{`url = record.id == 1`, `A url is a string.`},
		{"url = \"http://x/${record.id}\"\nconcurrency = 65", `"concurrency" must be between 1 and 64`},
		{"url = \"http://x/${record.id}\"\nrecord = \"a.*\"", `may only hold dotted names`},
		{"url = \"http://x/${recor.id}\"", `"recor"`},
		{"url = \"http://x/${record.id}\"\nconcurency = 4", `Did you mean "concurrency"?`},
	} {
		body, ctx := parse(t, "url = \"http://x/list\"\neach {\n"+test.block+"\n}")
		s, diags := newShared().Decode(body, ctx, t.TempDir())
		if s != nil || len(diags) != 1 || !strings.Contains(diags[0].Detail, test.want) {
			t.Errorf("%s: %v, want %q", test.block, diags, test.want)
		}
	}
}

// What is asked for each record is a part of what a source is; a key in it is not.
func TestIdentityOfDetails(t *testing.T) {
	identity := func(rest string) string {
		return source(t, newShared(), "url = \"http://x/list\"\n"+rest).Identity()
	}
	each := func(url string) string { return identity("each {\n url = \"" + url + "\"\n}") }
	same := each("http://x/orders/${record.id}?key=${secret.token}")
	if rotated := each("http://x/orders/${record.id}?key=${secret.other}"); rotated != same {
		t.Errorf("a rotated key makes another identity:\n%s\n%s", same, rotated)
	}
	if faster := identity("each {\n url = \"http://x/orders/${record.id}?key=${secret.token}\"\n concurrency = 9\n}"); faster != same {
		t.Errorf("concurrency makes another identity:\n%s\n%s", same, faster)
	}
	for _, other := range []string{identity(""), each("http://x/order/${record.id}?key=${secret.token}"), each("http://x/orders/${record.no}?key=${secret.token}"), each("http://x/orders/${record.id + 1}?key=${secret.token}")} {
		if other == same {
			t.Errorf("the same identity: %s", other)
		}
	}
}

// An address that stands whole in the list is followed within the origin only.
func TestAddressesOfDetailsFromTheList(t *testing.T) {
	elsewhere := serve(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) { t.Errorf("another origin was asked for %s", r.URL) })
	var address, href string
	address = serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/list" {
			fmt.Fprintf(w, `[{"href":%q}]`, href)
			return
		}
		fmt.Fprintf(w, `{"path":%q}`, r.URL.Path)
	})
	s := source(t, newShared(), fmt.Sprintf("url = \"%s/list\"\neach {\n url = record.href\n}", address))
	for _, test := range []struct{ href, want, err string }{
		{address + "/a/b", `{"path":"/a/b"}`, ""},
		{elsewhere + "/a", "", "detail of record 1: the address of the detail, " + elsewhere + "/a, is not of the source's own origin"},
		{"/a/b", "", "is not of the source's own origin"},
		{address + "/a/../b", "", `has ".." in its path`},
		{"http://[", "", "the address of the detail is not a URL"},
	} {
		href = test.href
		got, _, err := listed(t.Context(), s, bridge.FetchOptions{})
		if test.err == "" && (err != nil || !strings.Contains(got, test.want)) || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %v\n%s", test.href, err, got)
		}
	}
}
