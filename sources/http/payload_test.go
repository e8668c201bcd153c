package http_test

import (
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asked answers POST requests over 5 records, two a page, by what their bodies ask for, and notes the bodies.
type asked struct {
	bodies []string
	start  func(body map[string]json.RawMessage) int // of the page that is asked for
	rest   func(to int) string                       // of the envelope
}

func (a *asked) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	content, _ := io.ReadAll(r.Body)
	a.bodies = append(a.bodies, r.URL.RawQuery+string(content))
	var body map[string]json.RawMessage
	_ = json.Unmarshal(content, &body)
	from := min(a.start(body), 5)
	to := min(from+2, 5)
	var records []string
	for i := from; i < to; i++ {
		records = append(records, fmt.Sprintf(`{"id":%d}`, i+1))
	}
	fmt.Fprintf(w, `{"data":[%s]%s}`, strings.Join(records, ","), a.rest(to))
}

func number(raw json.RawMessage) (n int) {
	_ = json.Unmarshal(raw, &n)
	return n
}

func TestPagesAreAskedForInTheBody(t *testing.T) {
	none := func(int) string { return "" }
	cursor := func(to int) string {
		if to >= 5 {
			return `,"next":null`
		}
		return fmt.Sprintf(`,"next":"%d<&\"\u0065\u0301"`, to)
	}
	byCursor := func(body map[string]json.RawMessage) int {
		var text string
		_ = json.Unmarshal(body["after"], &text)
		n := 0
		_, _ = fmt.Sscanf(text, "%d", &n)
		return n
	}
	for _, test := range []struct {
		name, block string
		start       func(map[string]json.RawMessage) int
		rest        func(to int) string
		bodies      []string
	}{
		{"numbers", `json = { status = "open", page = page.number, limit = page.size }
pagination "page" { size = 2 }`,
			func(body map[string]json.RawMessage) int { return 2 * (number(body["page"]) - 1) }, none,
			[]string{`{"limit":2,"page":1,"status":"open"}`, `{"limit":2,"page":2,"status":"open"}`, `{"limit":2,"page":3,"status":"open"}`, `{"limit":2,"page":4,"status":"open"}`}},
		{"numbers from nought, in a text", `body = "{\"page\": ${page.number}}"
pagination "page" { start = 0 }`,
			func(body map[string]json.RawMessage) int { return 2 * number(body["page"]) }, none,
			[]string{`{"page": 0}`, `{"page": 1}`, `{"page": 2}`, `{"page": 3}`}},
		{"offsets, with a total", `json = { skip = page.offset, page = page.number }
pagination "offset" { total = "total" }`,
			func(body map[string]json.RawMessage) int { return number(body["skip"]) }, func(int) string { return `,"total":5` },
			[]string{`{"page":1,"skip":0}`, `{"page":2,"skip":2}`, `{"page":3,"skip":4}`}},
		{"a cursor, every character of it", `json = { after = page.cursor }
pagination "cursor" { next = "next" }`, byCursor, cursor,
			[]string{`{"after":null}`, "{\"after\":\"2<&\\\"e\u0301\"}", "{\"after\":\"4<&\\\"e\u0301\"}"}},
		{"a cursor that is left out of the first", `json = merge({ limit = page.size }, page.cursor == null ? {} : { after = page.cursor })
pagination "cursor" {
  next = "next"
  size = 2
}`, byCursor, cursor,
			[]string{`{"limit":2}`, "{\"after\":\"2<&\\\"e\u0301\",\"limit\":2}", "{\"after\":\"4<&\\\"e\u0301\",\"limit\":2}"}},
		{"a number in the query, the size in the body", `json = { limit = page.size, skip = page.offset }
pagination "page" {
  param = "p"
  size  = 2
}`, func(body map[string]json.RawMessage) int { return number(body["skip"]) }, none,
			[]string{`p=1{"limit":2,"skip":0}`, `p=2{"limit":2,"skip":2}`, `p=3{"limit":2,"skip":4}`, `p=4{"limit":2,"skip":5}`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &asked{start: test.start, rest: test.rest}
			body, ctx := parse(t, fmt.Sprintf("url = %q\nmethod = \"POST\"\ndecode \"json\" { items = \"data\" }\n%s", serve(t, a.ServeHTTP), test.block))
			s, diags := newShared().Decode(body, ctx, "")
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			first := fetch(t, s, nil)
			first.want(t, numbered(5, 2)...)
			if diff := cmp.Diff(test.bodies, a.bodies); diff != "" {
				t.Errorf("bodies (-want +got):\n%s", diff)
			}
			if again := fetch(t, s, first.Outcome.Next); again.Err != nil || !again.Outcome.NotModified {
				t.Errorf("the same pages again: %+v %v", again.Outcome, again.Err)
			}
			if all := slices.Concat(test.bodies, test.bodies); !slices.Equal(a.bodies, all) {
				t.Errorf("the second fetch asked otherwise: %q", a.bodies[len(test.bodies):])
			}
		})
	}
}

// TestAFilterInAText asks as OData does: the time and the pages stand inside larger values of the query.
func TestAFilterInAText(t *testing.T) {
	var asked []string
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		query := r.URL.Query()
		asked = append(asked, query.Encode())
		w.Header().Set("Date", "Sat, 21 Nov 2026 12:00:00 GMT")
		switch {
		case query.Get("$filter") != "" && query.Get("$range") == "0-1":
			fmt.Fprint(w, `{"value":[{"id":2,"changed":"2026-11-21T11:00:00Z"}]}`)
		case query.Get("$range") == "0-1":
			fmt.Fprint(w, `{"value":[{"id":1,"changed":"2026-11-21T09:00:00Z"},{"id":2,"changed":"2026-11-21T10:00:00Z"}]}`)
		default:
			fmt.Fprint(w, `{"value":[]}`)
		}
	})
	s := source(t, newShared(), fmt.Sprintf(`url = "%s/Orders?$format=json"
query = {
  "$filter" = since.value == null ? null : "Changed ge datetimeoffset'${since.value}' & more"
  "$range"  = "${page.offset}-${page.offset + page.size - 1}"
}
decode "json" { items = "value" }
pagination "offset" { size = 2 }
since {
  value   = "changed"
  overlap = "1h"
}`, address))
	first := fetch(t, s, nil)
	first.want(t, `1.1 {"id":1,"changed":"2026-11-21T09:00:00Z"}`, `1.2 {"id":2,"changed":"2026-11-21T10:00:00Z"}`)
	if second := fetch(t, s, first.Outcome.Next); second.Err != nil || !second.Outcome.Incremental || len(second.Records) != 1 {
		t.Fatalf("%+v %v %q", second.Outcome, second.Err, second.Records)
	}
	want := []string{
		"%24format=json&%24range=0-1", "%24format=json&%24range=2-3",
		"%24filter=Changed+ge+datetimeoffset%272026-11-21T09%3A00%3A00Z%27+%26+more&%24format=json&%24range=0-1",
		"%24filter=Changed+ge+datetimeoffset%272026-11-21T09%3A00%3A00Z%27+%26+more&%24format=json&%24range=1-2",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q\nwant %q", asked, want)
	}
}

// TestATimeInABody: of a POST, with what initial says for everything.
func TestATimeInABody(t *testing.T) {
	var asked []string
	s := source(t, newShared(), fmt.Sprintf(`url = %q
method = "POST"
json = { jql = since.value == null ? "order by id" : "updated >= '${since.value}'" }
since {
  value   = "at"
  initial = "2026-01-01"
  overlap = "0s"
}`, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		content, _ := io.ReadAll(r.Body)
		asked = append(asked, string(content))
		fmt.Fprint(w, `[{"id":1,"at":"2026-03-04"}]`)
	})))
	first := fetch(t, s, nil)
	first.want(t, `1.1 {"id":1,"at":"2026-03-04"}`)
	if second := fetch(t, s, first.Outcome.Next); second.Err != nil || !second.Outcome.Incremental {
		t.Errorf("%+v %v", second.Outcome, second.Err)
	}
	if want := []string{`{"jql":"updated >= '2026-01-01'"}`, `{"jql":"updated >= '2026-03-04'"}`}; !slices.Equal(asked, want) {
		t.Errorf("asked %q\nwant %q", asked, want)
	}
}

// TestLinksWithATotal: the total of a listing that is paged by links, as GitLab declares it.
func TestLinksWithATotal(t *testing.T) {
	total := "3"
	s := source(t, newShared(), fmt.Sprintf("url = %q\npagination \"link\" { total_header = \"X-Total\" }", serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("X-Total", total)
		if r.URL.Query().Get("page") == "2" {
			fmt.Fprint(w, `[{"id":3}]`)
			return
		}
		w.Header().Set("Link", `<?page=2>; rel="next"`)
		fmt.Fprint(w, `[{"id":1},{"id":2}]`)
	})))
	first := fetch(t, s, nil)
	first.want(t, `1.1 {"id":1}`, `1.2 {"id":2}`, `2.1 {"id":3}`)
	if again := fetch(t, s, first.Outcome.Next); again.Err != nil || !again.Outcome.NotModified {
		t.Errorf("the same again: %+v %v", again.Outcome, again.Err)
	}
	total = "4"
	fetch(t, s, first.Outcome.Next).wantError(t, `page 2: 3 records came, but "X-Total" declares 4`)
}

func TestABodyThatDoesNotMoveIsACircle(t *testing.T) {
	a := &asked{start: func(map[string]json.RawMessage) int { return 0 }, rest: func(int) string { return `,"next":"x"` }}
	s := source(t, newShared(), fmt.Sprintf(`url = %q
method = "POST"
json = { after = page.cursor == null ? "x" : page.cursor }
decode "json" { items = "data" }
pagination "cursor" { next = "next" }`, serve(t, a.ServeHTTP)))
	fetch(t, s, nil).wantError(t, "source.http: page 1: leads back to a page that was already read")
}

func TestACursorThatATextWouldChangeIsRefused(t *testing.T) {
	a := &asked{start: func(map[string]json.RawMessage) int { return 0 }, rest: func(int) string { return `,"next":"e\u0301"` }}
	s := source(t, newShared(), fmt.Sprintf(`url = %q
method = "POST"
body = "after=%%{ if page.cursor != null }${page.cursor}%%{ endif }"
decode "json" { items = "data" }
pagination "cursor" { next = "next" }`, serve(t, a.ServeHTTP)))
	fetch(t, s, nil).wantError(t, "source.http: page 1: bridge.hcl:3: body: the cursor is not in Unicode's composed form")
}

func TestTheIdentityDoesNotDependOnPages(t *testing.T) {
	identity := func(rest string) string {
		return source(t, newShared(), "url = \"http://x\"\nmethod = \"POST\"\n"+rest).Identity()
	}
	body := "json = { q = \"open\", page = page.number, from = page.offset, size = page.size }\n"
	want := identity(body + `pagination "page" { size = 10 }`)
	for _, other := range []string{
		body + "pagination \"page\" {\n  size = 20\n  start = 0\n}",
		body + "pagination \"offset\" {\n  size = 5\n  start = 7\n}",
	} {
		if got := identity(other); got != want {
			t.Errorf("%s is %s, want %s", other, got, want)
		}
	}
	if got := identity(strings.Replace(body, "open", "paid", 1) + `pagination "page" { size = 10 }`); got == want {
		t.Error("another question is the same source")
	}
	for _, body := range []string{`json = { key = SECRET, n = [SECRET] }`, `body = "<key>${SECRET}</key>"`, `json = { after = page.cursor, key = SECRET }
pagination "cursor" {}`} {
		if a, b := identity(strings.ReplaceAll(body, "SECRET", "secret.token")), identity(strings.ReplaceAll(body, "SECRET", "secret.other")); a != b {
			t.Errorf("a rotated secret is another source in %s: %s, %s", body, a, b)
		}
	}
	if identity(`body = secret.token`) == identity(`body = secret.other`) {
		t.Error("the text of another file is the same source")
	}
}

func TestASecretOfALaterPageDoesNotShow(t *testing.T) {
	s := source(t, newShared(), fmt.Sprintf(`url = %q
method = "POST"
json = { after = page.cursor, key = page.number > 1 ? "Bearer ${secret.token}" : "none" }
decode "json" { items = "data" }
pagination "cursor" { next = "next" }`, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"after":null`) {
			fmt.Fprint(w, `{"data":[{"id":1}],"next":"x"}`)
			return
		}
		fmt.Fprintf(w, `no: %s`, body)
	})))
	fetch(t, s, nil).wantError(t, "page 2: the body is not valid JSON", "(secret)")
}

func TestTotalsInHeaders(t *testing.T) {
	o := &orders{n: 5, cap: 2, decorated: func(w nethttp.ResponseWriter, _ *nethttp.Request, _, _ int) string {
		w.Header().Set("X-WP-Total", "5")
		w.Header().Set("X-WP-TotalPages", "3")
		return ""
	}}
	s := source(t, newShared(), fmt.Sprintf(`url = %q
decode "json" { items = "data" }
pagination "page" {
  total_header = "x-wp-total"
  pages_header = "X-WP-TotalPages"
}`, serve(t, o.ServeHTTP)))
	first := fetch(t, s, nil)
	first.want(t, numbered(5, 2)...)
	if len(o.requests) != 3 {
		t.Errorf("asked %d times, although 3 pages are declared: %q", len(o.requests), o.requests)
	}
	if again := fetch(t, s, first.Outcome.Next); again.Err != nil || !again.Outcome.NotModified {
		t.Errorf("the same again: %+v %v", again.Outcome, again.Err)
	}
	// The same bytes, but another page after them.
	o.n = 6
	fetch(t, s, first.Outcome.Next).wantError(t, `page 3: 6 records came, but "x-wp-total" declares 5`)
	o.decorated = func(w nethttp.ResponseWriter, _ *nethttp.Request, _, _ int) string {
		w.Header().Set("X-WP-Total", "7")
		w.Header().Set("X-WP-TotalPages", "4")
		return ""
	}
	o.n = 7
	fetch(t, s, first.Outcome.Next).want(t, numbered(7, 2)...)
}

func TestDeclaredHeaderMustBeThere(t *testing.T) {
	o := &orders{n: 1, cap: 2, decorated: func(w nethttp.ResponseWriter, r *nethttp.Request, _, _ int) string {
		w.Header().Set("X-Total", r.Header.Get("X-Say"))
		return ""
	}}
	address := serve(t, o.ServeHTTP)
	for say, want := range map[string]string{"": `total_header "X-Total" is missing in the answer`, "many": `total_header "X-Total" is "many", not a whole number`} {
		s := source(t, newShared(), fmt.Sprintf("url = %q\nheaders = { X-Say = %q }\ndecode \"json\" { items = \"data\" }\npagination \"offset\" { total_header = \"X-Total\" }", address, say))
		fetch(t, s, nil).wantError(t, "source.http: page 1: "+want)
	}
}
