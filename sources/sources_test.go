package sources_test

import (
	"database/sql"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
)

func body(t *testing.T, text string) hcl.Body {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(text), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return file.Body
}

func TestEveryKindReadsTheSameRecords(t *testing.T) {
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if !strings.HasPrefix(r.UserAgent(), "hookbridge/test") {
			t.Errorf("user agent %q", r.UserAgent())
		}
		if r.URL.Path == "/graphql" {
			fmt.Fprint(w, `{"data":{"orders":[{"id":1}]}}`)
			return
		}
		if r.URL.Path == "/soap" {
			fmt.Fprint(w, `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><orders><order id="1"/></orders></s:Body></s:Envelope>`)
			return
		}
		fmt.Fprint(w, `[{"id":1}]`)
	}))
	defer server.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(`[{"id":1}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", filepath.Join(dir, "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`create table a (id integer); insert into a values (1)`); err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{
		"exec":    "command = [\"echo\", \"[{\\\"id\\\":1}]\"]\ndecode \"json\" {}",
		"file":    `path = "a.json"`,
		"graphql": fmt.Sprintf("url = \"%s/graphql\"\nquery = \"{ orders { id } }\"\nitems = \"data.orders\"", server.URL),
		"http":    fmt.Sprintf("url = %q", server.URL),
		"soap":    fmt.Sprintf("url = \"%s/soap\"\nversion = \"1.2\"\nbody = \"<ListOrders/>\"\nitems = \"//order\"", server.URL),
		"sql":     "driver = \"sqlite\"\ndsn = \"a.db\"\nquery = \"select * from a\"",
	}
	table := sources.New(sources.Runtime{UserAgent: "hookbridge/test"})
	for kind, block := range blocks { // kinds that need a server of their own are tested beside it
		source, diags := table.Decode(kind, body(t, block), nil, dir)
		if diags.HasErrors() {
			t.Fatalf("%s: %v", kind, diags)
		}
		var traced, records []string
		ctx := sources.WithTrace(t.Context(), func(line string) { traced = append(traced, line) })
		outcome, err := source.Fetch(ctx, bridge.FetchOptions{}, func(r bridge.Record) error {
			records = append(records, string(r.Body))
			return nil
		})
		if err != nil || !outcome.Complete || fmt.Sprint(records) != map[string]string{"soap": `[{"@id":"1"}]`}[kind] && fmt.Sprint(records) != `[{"id":1}]` || len(traced) != 1 {
			t.Errorf("%s: %v %+v %v %v", kind, records, outcome, err, traced)
		}
		if !strings.HasPrefix(source.Identity(), kind+" ") {
			t.Errorf("%s: identity %s", kind, source.Identity())
		}
	}
}

func TestUnknownKinds(t *testing.T) {
	table := sources.New(sources.Runtime{})
	there := "There is: " + strings.Join(table.Kinds(), ", ") + "."
	for kind, want := range map[string]string{
		"htpp": `There is no source "htpp". Did you mean "http"? ` + there,
		"":     `There is no source "".`,
	} {
		source, diags := table.Decode(kind, body(t, ""), nil, "")
		if source != nil || len(diags) != 1 || !strings.HasPrefix(diags[0].Detail, want) {
			t.Errorf("%q: %v %v, want %s", kind, source, diags, want)
		}
	}
}
