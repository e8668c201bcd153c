package sources_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
)

const graphqlToken = "g-very-secret"

// mutate sends a mutation to the server, as any client would.
func mutate(t *testing.T, address, mutation string) {
	t.Helper()
	content, err := json.Marshal(map[string]string{"query": mutation})
	if err != nil {
		t.Fatal(err)
	}
	req, err := nethttp.NewRequestWithContext(t.Context(), nethttp.MethodPost, address, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+graphqlToken)
	resp, err := nethttp.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || bytes.Contains(answer, []byte("errors")) {
		t.Fatalf("%s: %d %s", mutation, resp.StatusCode, answer)
	}
}

// read decodes a block, which must be right, and fetches it once.
func read(t *testing.T, kind, block string, from bridge.Checkpoint) (bridge.Outcome, []string, error) {
	t.Helper()
	source, diags := sources.New(sources.Runtime{}).Decode(kind, body(t, block), nil, t.TempDir())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var records []string
	outcome, err := source.Fetch(t.Context(), bridge.FetchOptions{From: from}, func(r bridge.Record) error {
		records = append(records, fmt.Sprintf("%d.%d %s", r.Page, r.Item, r.Body))
		return nil
	})
	return outcome, records, err
}

// TestGraphQLServer reads the reference implementation, page by page, until one record cannot be told.
func TestGraphQLServer(t *testing.T) {
	address := startNode(t, "graphql-http", "graphql.js", graphqlToken)
	connection := func(token, rest string) string {
		return fmt.Sprintf(`
url   = %q
query = "query Q($status: String, $after: String) { orders(first: 3, after: $after, status: $status) { edges { node { id status customer { name } } } pageInfo { hasNextPage endCursor } totalCount } }"
items = "data.orders.edges"
node  = "node"
auth "bearer" {
  token = %q
}
%s`, address, token, rest)
	}
	relay := "pagination \"relay\" {\n  path = \"data.orders.pageInfo\"\n  variable = \"after\"\n}\n"
	record := func(page, item, n int, status string) string {
		return fmt.Sprintf(`%d.%d {"id":"order-%d","status":"%s","customer":{"name":"Customer \"order-%d\" & Söhne"}}`, page, item, n, status, n)
	}
	var want []string
	for i := range 7 {
		want = append(want, record(i/3+1, i%3+1, i+1, "open"))
	}

	first, records, err := read(t, "graphql", connection(graphqlToken, relay), nil)
	if err != nil || !first.Complete || !first.Stable || first.Pages != 3 || strings.Join(records, "\n") != strings.Join(want, "\n") {
		t.Fatalf("%+v %v\n%s", first, err, strings.Join(records, "\n"))
	}
	again, records, err := read(t, "graphql", connection(graphqlToken, relay), first.Next)
	if err != nil || !again.NotModified || len(records) > 0 {
		t.Errorf("the same again: %+v %v %v", again, records, err)
	}
	_, records, err = read(t, "graphql", connection(graphqlToken, "variables = { status = \"open\", after = page.cursor }\nsuccess = body.data.orders.totalCount == 7\npagination \"cursor\" {\n  next = \"data.orders.pageInfo.endCursor\"\n  more = \"data.orders.pageInfo.hasNextPage\"\n}\n"), nil)
	if err != nil || strings.Join(records, "\n") != strings.Join(want, "\n") {
		t.Errorf("a cursor in the variables: %v\n%s", err, strings.Join(records, "\n"))
	}

	mutate(t, address, `mutation { add(status: "paid", broken: false) }`)
	more, records, err := read(t, "graphql", connection(graphqlToken, relay), first.Next)
	if err != nil || !more.Complete || more.NotModified || strings.Join(records, "\n") != strings.Join(append(want, record(3, 2, 8, "paid")), "\n") {
		t.Errorf("after an order was added: %+v %v\n%s", more, err, strings.Join(records, "\n"))
	}
	_, records, err = read(t, "graphql", connection(graphqlToken, "variables = { status = \"paid\" }\n"+relay), nil)
	if err != nil || strings.Join(records, "\n") != record(1, 1, 8, "paid") {
		t.Errorf("only the paid ones: %v\n%s", err, strings.Join(records, "\n"))
	}

	mutate(t, address, `mutation { add(status: "open", broken: true) }`)
	for name, test := range map[string]struct{ token, rest, want string }{
		"partial data":     {graphqlToken, relay, `source.graphql: page 3: the answer has errors: "no customer for order-9" (at orders.edges.2.node.customer) (status 200, application/graphql-response+json`},
		"a refused login":  {"another-secret", relay, `source.graphql: page 1: answered 401 Unauthorized, "who is asking?" (UNAUTHENTICATED): the login was refused; check auth "bearer"`},
		"a wrong variable": {graphqlToken, "variables = { status = [1] }\n" + relay, `source.graphql: page 1: the answer has errors: "Variable \"$status\" got invalid value [1]; String cannot represent a non string value: [1]" (status 200`},
	} {
		outcome, _, err := read(t, "graphql", connection(test.token, test.rest), first.Next)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), test.token) || outcome.Complete || outcome.NotModified {
			t.Errorf("%s: %+v\ngot  %v\nwant %s", name, outcome, err, test.want)
		}
	}

	_, _, err = read(t, "graphql", fmt.Sprintf("url = %q\nquery = \"{ orders(first: 3) { nodes { id } } }\"\nitems = \"data.orders.nodes\"\nauth \"bearer\" { token = %q }", address, graphqlToken), nil)
	if want := `source.graphql: answered 400 Bad Request, "Cannot query field \"nodes\" on type \"OrderConnection\". Did you mean \"edges\"?"`; err == nil || err.Error() != want {
		t.Errorf("a field that is not there:\ngot  %v\nwant %s", err, want)
	}
}
