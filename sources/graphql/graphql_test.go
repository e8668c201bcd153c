package graphql_test

import (
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/graphql"
	"github.com/hookbridge/bridge/sources/http"
	"github.com/zclconf/go-cty/cty"
)

// decode reads the inside of a block; secret.token is a secret.
func decode(t testing.TB, block string) (bridge.Source, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"secret": cty.ObjectVal(map[string]cty.Value{"token": attr.Secret("S3CRET-TOKEN")})}}
	return graphql.Kind{Shared: http.NewShared(nil, "", nil)}.Decode(file.Body, ctx, t.TempDir())
}

func source(t testing.TB, block string) bridge.Source {
	t.Helper()
	s, diags := decode(t, block)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// fetch shows everything a fetch brought, in lines.
func fetch(t testing.TB, s bridge.Source, from bridge.Checkpoint) (string, bridge.Outcome) {
	t.Helper()
	var b strings.Builder
	outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{From: from}, func(r bridge.Record) error {
		fmt.Fprintf(&b, "%d.%d %s\n", r.Page, r.Item, r.Body)
		return nil
	})
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
		if outcome.Complete || outcome.NotModified {
			t.Errorf("a failed fetch says it is complete: %+v", outcome)
		}
	} else if !outcome.Complete {
		t.Errorf("the fetch is not complete: %+v", outcome)
	}
	return b.String(), outcome
}

func serve(t testing.TB, handler nethttp.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

const orders = `
query = "query Q($after: String) { orders(after: $after) { edges { node { id } } pageInfo { hasNextPage endCursor } } }"
items = "data.orders.edges"
node  = "node"
pagination "relay" {
  path     = "data.orders.pageInfo"
  variable = "after"
}
`

func TestAnswers(t *testing.T) {
	const well = `"data":{"orders":{"edges":[{"node":{"id":1}}],"pageInfo":{"hasNextPage":false,"endCursor":"x"}}}`
	for _, test := range []struct {
		name   string
		status int
		answer string
		want   string
	}{
		{"records", 200, `{` + well + `}`, "1.1 {\"id\":1}\n"},
		{"a node as it was sent", 200, `{"data":{"orders":{"edges":[{"cursor":"c", "node": { "id" : 9007199254740993, "x":1.0E+2 } }],"pageInfo":{"hasNextPage":false}}}}`, "1.1 { \"id\" : 9007199254740993, \"x\":1.0E+2 }\n"},
		{"no errors, said twice", 200, `{"errors":null,` + well + `}`, "1.1 {\"id\":1}\n"},
		{"an empty list of errors", 200, `{` + well + `,"errors":[]}`, "1.1 {\"id\":1}\n"},
		{"an empty list of errors, written with room", 200, `{"errors":[
 ],` + well + `}`, "1.1 {\"id\":1}\n"},
		{"none", 200, `{"data":{"orders":{"edges":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}`, ""},
		{"a node that is null", 200, `{"data":{"orders":{"edges":[{"node":null}],"pageInfo":{"hasNextPage":false}}}}`, "1.1 null\n"},
		{"errors without data", 200, `{"errors":[{"message":"no"}]}`, "error: source.graphql: page 1: the answer has errors: \"no\" (status 200, application/json, 29 bytes)\n"},
		{"errors and null", 200, `{"data":null,"errors":[{"message":"one","path":["orders",0,"id"]},{"message":"two","extensions":{"code":"X"}}]}`, "error: source.graphql: page 1: the answer has errors: \"one\" (at orders.0.id); \"two\" (X) (status 200, application/json, 111 bytes)\n"},
		{"errors and a null on the way", 200, `{"data":{"orders":{"edges":null}},"errors":[{"message":"one"}]}`, "error: source.graphql: page 1: the answer has errors: \"one\" (status 200, application/json, 63 bytes)\n"},
		{"errors and records", 200, `{` + well + `,"errors":[{"message":"half of it"}]}`, "1.1 {\"id\":1}\nerror: source.graphql: page 1: the answer has errors: \"half of it\" (status 200, application/json, 134 bytes)\n"},
		{"asked too often", 200, `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}`, "error: source.graphql: page 1: the answer has errors: \"Throttled\" (THROTTLED); poll less often or set rate (status 200, application/json, 70 bytes)\n"},
		{"asked too often, the code as a type", 200, `{"errors":[{"message":"slow","type":"RATE_LIMITED"}]}`, "error: source.graphql: page 1: the answer has errors: \"slow\" (RATE_LIMITED); poll less often or set rate (status 200, application/json, 53 bytes)\n"},
		{"not logged in", 200, `{"errors":[{"message":"who?","extensions":{"code":"UNAUTHENTICATED"}}],"data":null}`, "error: source.graphql: page 1: the answer has errors: \"who?\" (UNAUTHENTICATED); check auth (status 200, application/json, 83 bytes)\n"},
		{"errors as nobody writes them", 200, `{"errors":{"x":"S3CRET-TOKEN"}}`, "error: source.graphql: page 1: the answer has errors: {\"x\":\"(secret)\"} (status 200, application/json, 31 bytes)\n"},
		{"no data", 200, `{"data":null}`, "error: source.graphql: page 1: items path \"data.orders.edges\" is missing (status 200, application/json, 13 bytes), begins with \"{\\\"data\\\":null}\"\n"},
		{"an edge without a node", 200, `{"data":{"orders":{"edges":[{"node":{}},{"nod":{}}]}}}`, "1.1 {}\nerror: source.graphql: page 1: record 2: record path \"node\" is missing (status 200, application/json, 54 bytes), begins with \"{\\\"data\\\":{\\\"orders\\\":{\\\"edges\\\":[{\\\"node\\\":{}},{\\\"nod\\\":{}}]}}}\"\n"},
		{"more without a cursor", 200, `{"data":{"orders":{"edges":[{"node":{"id":1}}],"pageInfo":{"hasNextPage":true,"endCursor":null}}}}`, "1.1 {\"id\":1}\nerror: source.graphql: page 1: says that more follows (\"data.orders.pageInfo.hasNextPage\" is true) but has no cursor\n"},
		{"no page information", 200, `{"data":{"orders":{"edges":[{"node":{"id":1}}]}}}`, "1.1 {\"id\":1}\nerror: source.graphql: page 1: more path \"data.orders.pageInfo.hasNextPage\" is missing (status 200, application/json, 49 bytes)\n"},
		{"the same cursor again", 200, `{"data":{"orders":{"edges":[{"node":{"id":1}}],"pageInfo":{"hasNextPage":true,"endCursor":"x"}}}}`, "1.1 {\"id\":1}\n2.1 {\"id\":1}\nerror: source.graphql: page 2: leads back to a page that was already read: the paging goes in circles\n"},
		{"cut short", 200, `{"data":{"orders":{"edges":[{"node":{"id":1}}`, "1.1 {\"id\":1}\nerror: source.graphql: page 1: the body ends in the middle of a value (at byte 45) (status 200, application/json, 45 bytes), begins with \"{\\\"data\\\":{\\\"orders\\\":{\\\"edges\\\":[{\\\"node\\\":{\\\"id\\\":1}}\"\n"},
		{"a web page", 200, `<html>`, "error: source.graphql: page 1: the body is not valid JSON (at byte 0): invalid character '<' at start of value (status 200, application/json, 6 bytes); the answer is a web page, perhaps a login: check auth and url\n"},
		{"an error status with its reason", 400, `{"errors":[{"message":"Cannot query S3CRET-TOKEN"}]}`, "error: source.graphql: page 1: answered 400 Bad Request, \"Cannot query (secret)\"\n"},
		{"an error status without one", 404, `{"message":"no"}`, "error: source.graphql: page 1: answered 404 Not Found, and says \"{\\\"message\\\":\\\"no\\\"}\": check url; where that is how pages beyond the last are answered, declare total, pages or more\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := source(t, fmt.Sprintf("url = %q\nretries = 0\nheaders = { X-Key = secret.token }\n%s", serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.answer)
			}), orders))
			got, _ := fetch(t, s, nil)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// asked is what a request holds.
type asked struct {
	Query     string
	Variables map[string]any
}

// TestRequests holds what is sent to "GraphQL over HTTP": method, content type, query and variables, and nothing else.
func TestRequests(t *testing.T) {
	var seen []asked
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		var a asked
		content, _ := io.ReadAll(r.Body)
		d := json.NewDecoder(strings.NewReader(string(content)))
		d.DisallowUnknownFields()
		if err := d.Decode(&a); err != nil || r.Method != nethttp.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Accept") != "application/graphql-response+json, application/json;q=0.9" {
			t.Errorf("%s %v: %s %v", r.Method, r.Header, content, err)
		}
		seen = append(seen, a)
		n := len(seen)
		fmt.Fprintf(w, `{"data":{"orders":{"edges":[{"node":{"id":%d}}],"pageInfo":{"hasNextPage":%t,"endCursor":"c%d \"é"}}}}`, n, n%3 != 0, n)
	})
	s := source(t, fmt.Sprintf("url = %q\n%s", address, strings.Replace(orders, "($after: String)", "($after: String, $since: Int, $key: String)", 1)+"variables = { since = 9007199254740993, key = secret.token }\n"))
	got, first := fetch(t, s, nil)
	if want := "1.1 {\"id\":1}\n2.1 {\"id\":2}\n3.1 {\"id\":3}\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var cursors []any
	for _, a := range seen {
		cursors = append(cursors, a.Variables["after"])
		if a.Variables["key"] != "S3CRET-TOKEN" || !strings.HasPrefix(a.Query, "query Q(") {
			t.Errorf("asked %+v", a)
		}
	}
	if diff := cmp.Diff([]any{nil, `c1 "é`, `c2 "é`}, cursors); diff != "" {
		t.Errorf("cursors (-want +got):\n%s", diff)
	}
	if strings.Contains(s.Identity()+fmt.Sprintf("%v %+v %#v", s, s, s), "S3CRET") {
		t.Errorf("the identity holds a secret: %#v", s)
	}
	if _, ok := s.(bridge.Looker); ok {
		t.Error("it looks up records by address, which GraphQL has none for")
	}
	if len(first.Next) == 0 {
		t.Error("nothing to compare the next fetch with")
	}
}

// TestOnlyWhatChanged: the watermark goes where the variables say.
func TestOnlyWhatChanged(t *testing.T) {
	var seen []any
	s := source(t, fmt.Sprintf(`url = %q
query = "query Q($since: String) { a(since: $since) { id updatedAt } }"
variables = { since = since.value }
items = "data.a"
since {
  value   = "updatedAt"
  overlap = "1m"
}`, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		var a asked
		_ = json.NewDecoder(r.Body).Decode(&a)
		seen = append(seen, a.Variables["since"])
		fmt.Fprint(w, `{"data":{"a":[{"id":1,"updatedAt":"2026-03-04T05:06:07Z"}]}}`)
	})))
	_, first := fetch(t, s, nil)
	var records int
	outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{From: first.Next}, func(bridge.Record) error { records++; return nil })
	if err != nil || !outcome.Incremental || outcome.Complete || records != 1 {
		t.Errorf("%+v %v, %d records", outcome, err, records)
	}
	if diff := cmp.Diff([]any{nil, "2026-03-04T05:05:07Z"}, seen); diff != "" {
		t.Errorf("asked since (-want +got):\n%s", diff)
	}
}

func TestDecodeNotesEveryMistake(t *testing.T) {
	const (
		url        = "url = \"http://x\"\n"
		connection = "query = \"query Q($c: String) { a(after: $c) { edges { node { id } } pageInfo { hasNextPage endCursor } } }\"\nitems = \"data.a.edges\"\n"
	)
	for _, test := range []struct{ name, block, want string }{
		{"nothing", ``, `The argument "query" is required in source "graphql"`},
		{"no GraphQL", url + "query = \"{ orders { id }\"\nitems = \"data.orders\"", `2: The query is not GraphQL: line 1 of it: Expected Name, found <EOF>.`},
		{"a mutation", url + "query = \"mutation { add { id } }\"\nitems = \"data.add\"", `2: A mutation is no query: a poll only reads.`},
		{"a subscription", url + "query = \"subscription { added { id } }\"\nitems = \"data.added\"", `2: A subscription is no query: a poll only reads.`},
		{"a mutation behind a query", url + "query = \"query A { a { id } } mutation B { b }\"\nitems = \"data.a\"", `2: The query holds 2 operations; one is asked at each poll.`},
		{"a mutation in a string only", url + "query = \"{ a(x: \\\"mutation { b }\\\") { id } } # mutation\"\nitems = \"data.b\"", `3: The query does not ask for "b". There it asks for a.`},
		{"fragments alone", url + "query = \"fragment F on A { id }\"\nitems = \"data.a\"", `2: The query holds 0 operations`},
		{"records beside the data", url + "query = \"{ a { id } }\"\nitems = \"a\"", `3: The records are in the data of an answer`},
		{"a misspelt path", url + "query = \"{ orders { edges { node { id } } } }\"\nitems = \"data.order.edges\"", `3: The query does not ask for "order". Did you mean "orders"?`},
		{"a misspelt node", url + "query = \"{ orders { edges { node { id } } } }\"\nitems = \"data.orders.edges\"\nnode = \"nod\"", `4: The query does not ask for "nod". Did you mean "node"?`},
		{"a path by the name, not the alias", url + "query = \"{ all: orders { id } }\"\nitems = \"data.orders\"", `3: The query does not ask for "orders". There it asks for all.`},
		{"variables that are none", url + "query = \"{ a { id } }\"\nitems = \"data.a\"\nvariables = \"x\"", `4: variables: an object is required: { NAME = … }.`},
		{"a variable that is not declared", url + "query = \"query Q($status: String) { a(s: $status) { id } }\"\nitems = \"data.a\"\nvariables = { state = 1 }", `4: variables: the query declares no $state; did you mean $status?.`},
		{"a variable that is missing", url + "query = \"query Q($status: String!) { a(s: $status) { id } }\"\nitems = \"data.a\"", `variables: the query needs $status, which is String! and cannot be null`},
		{"a cursor that nothing takes", url + "query = \"{ a { id } }\"\nitems = \"data.a\"\npagination \"relay\" {\n  path = \"data.p\"\n  variable = \"after\"\n}", `variables: the query declares no $after; write it behind its name: query Name($after: String) { … }`},
		{"a cursor twice", url + "query = \"query Q($after: String) { a(s: $after) { id } }\"\nitems = \"data.a\"\nvariables = { after = \"x\" }\npagination \"relay\" {\n  path = \"data.p\"\n  variable = \"after\"\n}", `4: variables: the pagination sets after as well; write it in one place.`},
		{"pages that are all alike", url + "query = \"query Q($after: String) { a(s: $after) { id } }\"\nitems = \"data.a\"\npagination \"relay\" { path = \"data.p\" }", `4: Every page would be asked for with the same request: write variable, the name of the variable that takes the cursor`},
		{"offsets that are all alike", url + "query = \"query Q($o: Int) { a(s: $o) { id } }\"\nitems = \"data.a\"\npagination \"offset\" {}", `4: Every page would be asked for with the same request: refer to page.offset in "variables".`},
		{"a size that nothing takes", url + "query = \"query Q($o: Int) { a(s: $o) { id } }\"\nitems = \"data.a\"\nvariables = { o = page.offset }\npagination \"offset\" { size = 10 }", `5: Nothing asks for so many records: refer to page.size in "variables", or leave it out.`},
		{"a parameter of the query string", url + "query = \"query Q($o: Int) { a(s: $o) { id } }\"\nitems = \"data.a\"\nvariables = { o = page.offset }\npagination \"offset\" { param = \"o\" }", `5: An argument named "param" is not expected here.`},
		{"a time that is told nowhere", url + "query = \"{ a { id } }\"\nitems = \"data.a\"\nsince {\n  value = \"u\"\n}", `4: Everything would be asked for each time: refer to since.value in "variables".`},
		{"a time by a parameter", url + "query = \"query Q($u: String) { a(u: $u) { id } }\"\nitems = \"data.a\"\nvariables = { u = since.value }\nsince {\n  value = \"u\"\n  param = \"u\"\n}", `7: An argument named "param" is not expected here.`},
		{"a time without since", url + "query = \"query Q($u: String) { a(u: $u) { id } }\"\nitems = \"data.a\"\nvariables = { u = since.value }", `4: since.value is the time that a since block finds in the records; add one.`},
		{"a misspelt connection", url + connection + `pagination "relay" {
 path = "data.a.pageinfo"
 variable = "c"
}`, `5: The query does not ask for "pageinfo". Did you mean "pageInfo"?`},
		{"a connection without a cursor", url + strings.Replace(connection, "endCursor", "startCursor", 1) + `pagination "relay" {
 path = "data.a.pageInfo"
 variable = "c"
}`, `5: The query does not ask for "endCursor". There it asks for hasNextPage, startCursor.`},
		{"a misspelt cursor", url + connection + `variables = { c = page.cursor }
pagination "cursor" {
 next = "data.a.pageInfo.endcursor"
}`, `6: The query does not ask for "endcursor". Did you mean "endCursor"?`},
		{"a total that is not asked for", url + connection + `variables = { c = page.offset }
pagination "offset" {
 total = "data.a.total"
}`, `6: The query does not ask for "total". There it asks for edges, pageInfo.`},
		{"success of what is not asked for", url + connection + `success = body.data.state == "OK" || body.extensions.state == "OK"`, `4: The query does not ask for "state". There it asks for a.`},
		{"a cursor that stands nowhere", url + "query = \"query Q($c: String) { a(s: $c) { id } }\"\nitems = \"data.a\"\nvariables = { c = page.cursor }\npagination \"cursor\" {}", `The argument "next" is required in pagination "cursor"`},
		{"pages by link", url + "query = \"{ a { id } }\"\nitems = \"data.a\"\npagination \"link\" {}", `4: There is no pagination "link". There is: relay, cursor, offset, page.`},
		{"a decoder", url + "query = \"{ a { id } }\"\nitems = \"data.a\"\ndecode \"json\" {}", `4: A block of type "decode" is not expected here.`},
		{"success of the records", url + "query = \"{ a { id } }\"\nitems = \"data.a\"\nsuccess = length(body.data.a) > 0", `4: body.data.a is, or holds, the records`},
		{"a body", url + "query = \"{ a { id } }\"\nitems = \"data.a\"\nmethod = \"GET\"", `4: An argument named "method" is not expected here.`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, diags := decode(t, test.block)
			var texts []string
			for _, d := range diags {
				texts = append(texts, fmt.Sprintf("%d: %s", d.Subject.Start.Line, d.Detail))
			}
			got := strings.Join(texts, "\n")
			if s != nil || !strings.Contains(got, test.want) {
				t.Errorf("decoded %v, with\n%s\nwant %s", s, got, test.want)
			}
		})
	}
}

// TestScalarsMayBeObjects: of what is below a field that is asked for as it is nothing is known.
func TestScalarsMayBeObjects(t *testing.T) {
	source(t, `
url   = "http://x"
query = "query Q($n: Int) { report(page: $n) meta }"
items = "data.report.rows"
variables = { n = page.number }
pagination "page" {
  total = "data.meta.total"
}
`)
}

// TestFragmentsAreFollowed: a path through fragments, aliases and fragments that spread themselves.
func TestFragmentsAreFollowed(t *testing.T) {
	source(t, `
url   = "http://x"
query = <<-EOT
  query Q($n: Int! = 5) {
    viewer { ... on User { all: orders(first: $n) { ...Page } } }
  }
  fragment Page on OrderConnection { edges { ...Edge } ...Page }
  fragment Edge on OrderEdge { node { id } }
EOT
items = "data.viewer.all.edges"
node  = "node"
`)
}
