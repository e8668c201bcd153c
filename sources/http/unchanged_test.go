package http_test

import (
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/http"
)

// shelf is a source of pages whose content a test changes. It answers conditionally if validate is set, and keeps a
// list of what it was asked and answered.
type shelf struct {
	pages    []string // JSON arrays
	validate bool
	silent   bool // a 304 does not repeat the Link header
	inBody   bool // the address of the next page stands in the body, too
	log      []string
}

func (s *shelf) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	n := 1
	if text := r.URL.Query().Get("page"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	page := "[]"
	if n <= len(s.pages) {
		page = s.pages[n-1]
	}
	next := ""
	if n < len(s.pages) {
		next = fmt.Sprintf("/?page=%d", n+1)
	}
	etag := fmt.Sprintf(`W/"%x"`, page)
	conditional := s.validate && r.Header.Get("If-None-Match") == etag
	if s.validate {
		w.Header().Set("ETag", etag)
	}
	if next != "" && (!conditional || !s.silent) {
		w.Header().Set("Link", "<"+next+`>; rel="next"`)
	}
	if conditional {
		s.log = append(s.log, fmt.Sprintf("%d:304", n))
		w.WriteHeader(nethttp.StatusNotModified)
		return
	}
	s.log = append(s.log, fmt.Sprintf("%d:200", n))
	if !s.inBody {
		next = ""
	}
	token, _ := json.Marshal(next)
	fmt.Fprintf(w, `{"data":%s,"next":%s}`, page, token)
}

func (s *shelf) asked() string {
	log := strings.Join(s.log, " ")
	s.log = nil
	return log
}

func TestUnchanged(t *testing.T) {
	ways := map[string]string{
		"single": ``, "page": `pagination "page" {}`, "link": `pagination "link" {}`,
		"next": `pagination "next" { path = "next" }`,
	}
	for _, test := range []struct {
		name, way string
		validate  bool
		silent    bool
		pages     []string
		first     string // requests of the first fetch
		again     string // of the second, which finds nothing new
		change    []string
		changed   string // requests of the third
		records   string // of the third
	}{
		{name: "one answer, 304", way: "single", validate: true, pages: []string{"[1]"},
			first: "1:200", again: "1:304", change: []string{"[1,2]"}, changed: "1:200", records: "1.1 1, 1.2 2"},
		{name: "one answer, same bytes", way: "single", pages: []string{"[1]"},
			first: "1:200", again: "1:200", change: []string{"[3]"}, changed: "1:200", records: "1.1 3"},
		{name: "pages, 304", way: "page", validate: true, pages: []string{"[1]", "[2]"},
			first: "1:200 2:200 3:200", again: "1:304 2:304 3:304",
			// Page 2 is new after page 1 was passed over: everything is needed.
			change: []string{"[1]", "[7]"}, changed: "1:304 2:200 1:200 2:200 3:200", records: "1.1 1, 2.1 7"},
		{name: "pages, same bytes", way: "page", pages: []string{"[1]", "[2]"},
			first: "1:200 2:200 3:200", again: "1:200 2:200 3:200",
			change: []string{"[7]", "[2]"}, changed: "1:200 2:200 3:200", records: "1.1 7, 2.1 2"},
		{name: "a page more", way: "page", validate: true, pages: []string{"[1]"},
			first: "1:200 2:200", again: "1:304 2:304",
			change: []string{"[1]", "[2]"}, changed: "1:304 2:200 1:200 2:200 3:200", records: "1.1 1, 2.1 2"},
		{name: "a page less", way: "page", validate: true, pages: []string{"[1]", "[2]"},
			first: "1:200 2:200 3:200", again: "1:304 2:304 3:304",
			change: []string{"[1]"}, changed: "1:304 2:200 1:200 2:200", records: "1.1 1"},
		{name: "links, 304", way: "link", validate: true, pages: []string{"[1]", "[2]"},
			first: "1:200 2:200", again: "1:304 2:200",
			// The bytes of page 2 are the same, but now there is a page 3: a validator of the last page says nothing of that.
			change: []string{"[1]", "[2]", "[3]"}, changed: "1:304 2:200 1:200 2:200 3:200", records: "1.1 1, 2.1 2, 3.1 3"},
		{name: "links that a 304 does not repeat", way: "link", validate: true, silent: true, pages: []string{"[1]", "[2]"},
			first: "1:200 2:200", again: "1:304 1:200 2:200",
			change: []string{"[1]", "[4]"}, changed: "1:304 1:200 2:200 1:200 2:200", records: "1.1 1, 2.1 4"},
		{name: "links, same bytes, one page less", way: "link", pages: []string{"[1]", "[2]"},
			first: "1:200 2:200", again: "1:200 2:200",
			change: []string{"[1]"}, changed: "1:200 1:200", records: "1.1 1"},
		{name: "addresses in the body, same bytes", way: "next", pages: []string{"[1]", "[2]"},
			first: "1:200 2:200", again: "1:200 2:200",
			change: []string{"[1]", "[5]"}, changed: "1:200 2:200 1:200 2:200", records: "1.1 1, 2.1 5"},
		{name: "addresses in the body, 304 for the last only", way: "next", validate: true, pages: []string{"[1]", "[2]"},
			first: "1:200 2:200", again: "1:200 2:304",
			change: []string{"[1]", "[5]"}, changed: "1:200 2:200 1:200 2:200", records: "1.1 1, 2.1 5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := &shelf{pages: test.pages, validate: test.validate, silent: test.silent, inBody: test.way == "next"}
			s := source(t, newShared(), fmt.Sprintf("url = \"%s/\"\ndecode \"json\" { items = \"data\" }\n%s", serve(t, api.ServeHTTP), ways[test.way]))

			first := fetch(t, s, nil)
			if first.Err != nil || first.Outcome.NotModified || !first.Outcome.Complete {
				t.Fatalf("first: %+v", first)
			}
			expect(t, "first", api, test.first)

			again := fetch(t, s, first.Outcome.Next)
			again.want(t)
			if !again.Outcome.NotModified || !again.Outcome.Stable {
				t.Errorf("again: %+v", again.Outcome)
			}
			expect(t, "again", api, test.again)
			if diff := cmp.Diff(string(first.Outcome.Next), string(again.Outcome.Next)); diff != "" {
				t.Errorf("the checkpoint of an unchanged source changed:\n%s", diff)
			}

			fresh := fetchWith(t.Context(), s, bridge.FetchOptions{From: first.Outcome.Next, Unconditional: true})
			fresh.want(t)
			if !fresh.Outcome.NotModified {
				t.Errorf("without validators the same bytes are not recognised: %+v", fresh.Outcome)
			}
			if log := api.asked(); strings.Contains(log, "304") {
				t.Errorf("an unconditional fetch sent validators: %s", log)
			}

			api.pages = test.change
			changed := fetch(t, s, again.Outcome.Next)
			changed.want(t, strings.Split(test.records, ", ")...)
			if changed.Outcome.NotModified {
				t.Errorf("changed: %+v", changed.Outcome)
			}
			expect(t, "changed", api, test.changed)

			final := fetch(t, s, changed.Outcome.Next)
			final.want(t)
			if !final.Outcome.NotModified {
				t.Errorf("final: %+v", final.Outcome)
			}
		})
	}
}

func expect(t *testing.T, what string, api *shelf, want string) {
	t.Helper()
	if got := api.asked(); got != want {
		t.Errorf("%s: asked for %s, want %s", what, got, want)
	}
}

func TestUnchangedNeedsEveryDeclaredNumberAgain(t *testing.T) {
	total := 2
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.Header.Get("If-None-Match") == `"x"` {
			w.WriteHeader(nethttp.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"x"`)
		page := r.URL.Query().Get("page")
		fmt.Fprintf(w, `{"total":%d,"data":[%s]}`, total, page)
	})
	s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"json\" { items = \"data\" }\npagination \"page\" { total = \"total\" }", address))
	first := fetch(t, s, nil)
	first.want(t, "1.1 1", "2.1 2")
	again := fetch(t, s, first.Outcome.Next)
	again.want(t)
	if !again.Outcome.NotModified || again.Outcome.Pages != 2 {
		t.Errorf("%+v", again.Outcome)
	}
}

func TestCheckpointHoldsNoSecret(t *testing.T) {
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("ETag", `"x"`)
		if r.URL.Query().Get("page") == "" {
			w.Header().Set("Link", `</?page=S3CRET-CURSOR&key=S3CRET-TOKEN>; rel="next"`)
		}
		fmt.Fprint(w, `[1]`)
	})
	s := source(t, newShared(), fmt.Sprintf("url = %q\npagination \"link\" {}\nauth \"query\" {\n name = \"key\"\n value = secret.token\n}", address))
	first := fetch(t, s, nil)
	first.want(t, "1.1 1", "2.1 1")
	if strings.Contains(string(first.Outcome.Next), "S3CRET") || strings.Contains(s.Identity(), "S3CRET") {
		t.Errorf("a secret stands in %s or %s", first.Outcome.Next, s.Identity())
	}
}

func TestForeignCheckpointMeansFetchEverything(t *testing.T) {
	api := &shelf{pages: []string{"[1]"}, validate: true}
	s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"json\" { items = \"data\" }", serve(t, api.ServeHTTP)))
	for _, from := range []string{"x", "{}", "null", "http 99\n", "http 1", "http 1\n", "http 1\n\n", "http 1\n\t\t\t\t1\t0\t0\t", "http 1\n\t\t\t\t-1\t0\t0\tl\n", "http 1\n\t\t\t\t1\t0\t0\tl\tx\n"} {
		fetch(t, s, bridge.Checkpoint(from)).want(t, "1.1 1")
	}
}

// A Last-Modified as young as its answer may stand for two states within the same second.
func TestYoungLastModifiedIsNoValidator(t *testing.T) {
	for modified, conditional := range map[string]bool{
		"Sat, 21 Nov 2026 10:00:00 GMT": true,
		"Sat, 21 Nov 2026 11:59:59 GMT": false,
		"Sat, 21 Nov 2026 12:00:00 GMT": false,
		"yesterday":                     false,
	} {
		var sent []string
		address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			sent = append(sent, r.Header.Get("If-Modified-Since"))
			w.Header().Set("Date", "Sat, 21 Nov 2026 12:00:00 GMT")
			w.Header().Set("Last-Modified", modified)
			fmt.Fprint(w, `[1]`)
		})
		s := source(t, newShared(), fmt.Sprintf("url = %q", address))
		fetch(t, s, fetch(t, s, nil).Outcome.Next).want(t)
		if len(sent) != 2 || (sent[1] == modified) != conditional {
			t.Errorf("Last-Modified: %s led to If-Modified-Since %q", modified, sent)
		}
	}
}

func TestNotModifiedThatNobodyAskedFor(t *testing.T) {
	s := source(t, newShared(), fmt.Sprintf("url = %q", serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.WriteHeader(nethttp.StatusNotModified)
	})))
	fetch(t, s, nil).wantError(t, "answered 304 Not Modified to a request that was not conditional")
}

func TestAThousandPagesAndMoreAreNotRemembered(t *testing.T) {
	pages := 0
	shared := http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
		if n, _ := strconv.Atoi(req.URL.Query().Get("page")); n <= pages {
			return reply(req, 200, "[1]", "ETag", `"x"`), nil
		}
		return reply(req, 200, "[]"), nil
	}))
	s := source(t, shared, "url = \"https://api.example.com/\"\npagination \"page\" {}")
	for _, pages = range []int{999, 1000} {
		got := fetch(t, s, nil)
		if got.Err != nil || len(got.Records) != pages || !got.Outcome.Complete {
			t.Errorf("%d records of %d pages: %v", len(got.Records), pages, got.Err)
		}
		if (got.Outcome.Next != nil) != (pages < 1000) {
			t.Errorf("%d pages and the last, empty one leave a checkpoint of %d bytes", pages, len(got.Outcome.Next))
		}
	}
}

func TestValidatorsThatCannotBeSentBack(t *testing.T) {
	for _, etag := range []string{strings.Repeat("x", 5000), "\"\xff\""} {
		var sent []string
		s := source(t, newShared(), fmt.Sprintf("url = %q", serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			sent = append(sent, r.Header.Get("If-None-Match"))
			w.Header().Set("ETag", etag)
			fmt.Fprint(w, `[1]`)
		})))
		again := fetch(t, s, fetch(t, s, nil).Outcome.Next)
		again.want(t)
		if sent[1] != "" || !again.Outcome.NotModified {
			t.Errorf("sent %q back, %+v", sent, again.Outcome)
		}
	}
}

func TestAValidatorIsForOneAddress(t *testing.T) {
	second := "/?page=2"
	var log []string
	s := source(t, newShared(), fmt.Sprintf("url = \"%s/\"\npagination \"link\" {}", serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		log = append(log, r.URL.RequestURI()+" "+r.Header.Get("If-None-Match"))
		w.Header().Set("ETag", `"same"`) // everywhere: a validator compares versions of one address only
		switch r.URL.RequestURI() {
		case "/":
			w.Header().Set("Link", "<"+second+">; rel=next")
		case second:
			w.Header().Set("Link", "</?page=3>; rel=next")
		}
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(nethttp.StatusNotModified)
			return
		}
		fmt.Fprintf(w, "[%q]", r.URL.RequestURI())
	})))
	first := fetch(t, s, nil)
	log, second = nil, "/?page=zwei"
	fetch(t, s, first.Outcome.Next).want(t, `1.1 "/"`, `2.1 "/?page=zwei"`, `3.1 "/?page=3"`)
	if want := []string{`/ "same"`, "/?page=zwei ", "/ ", "/?page=zwei ", "/?page=3 "}; !slices.Equal(log, want) {
		t.Errorf("asked %q, want %q", log, want)
	}
}
