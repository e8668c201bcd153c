package http_test

import (
	"context"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/http"
	"github.com/zclconf/go-cty/cty"
)

// parse reads the inside of a source block; secret.NAME is a secret of that name's text in capitals.
func parse(t testing.TB, block string) (hcl.Body, *hcl.EvalContext) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return file.Body, &hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{"secret": cty.ObjectVal(map[string]cty.Value{
		"token": attr.Secret("S3CRET-TOKEN"), "other": attr.Secret("0THER+/SECRET"),
	})}}
}

// source decodes a block that must be right.
func source(t testing.TB, shared *http.Shared, block string) bridge.Source {
	t.Helper()
	body, ctx := parse(t, block)
	s, diags := shared.Decode(body, ctx, t.TempDir())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

func newShared() *http.Shared { return http.NewShared(nil, "", nil) }

// serve answers with handler and returns the server's address.
func serve(t testing.TB, handler nethttp.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// fetched is everything a fetch showed.
type fetched struct {
	Records []string // page.item body
	Outcome bridge.Outcome
	Err     error
}

func fetch(t testing.TB, s bridge.Source, from bridge.Checkpoint) fetched {
	t.Helper()
	return fetchWith(t.Context(), s, bridge.FetchOptions{From: from})
}

func fetchWith(ctx context.Context, s bridge.Source, options bridge.FetchOptions) fetched {
	var f fetched
	f.Outcome, f.Err = s.Fetch(ctx, options, func(r bridge.Record) error {
		f.Records = append(f.Records, fmt.Sprintf("%d.%d %s", r.Page, r.Item, r.Body))
		return nil
	})
	return f
}

// want fails unless the fetch was complete and showed exactly these records.
func (f fetched) want(t testing.TB, records ...string) {
	t.Helper()
	if f.Err != nil {
		t.Fatalf("fetch: %v", f.Err)
	}
	if !f.Outcome.Complete {
		t.Errorf("the fetch is not complete: %+v", f.Outcome)
	}
	if diff := cmp.Diff(records, f.Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// wantError fails unless the fetch failed with all of these in its text, and without any secret.
func (f fetched) wantError(t testing.TB, texts ...string) {
	t.Helper()
	if f.Err == nil {
		t.Fatalf("the fetch went well, want an error with %q; got %+v %q", texts, f.Outcome, f.Records)
	}
	if f.Outcome.Complete || f.Outcome.NotModified {
		t.Errorf("a failed fetch says it is complete: %+v", f.Outcome)
	}
	for _, text := range texts {
		if !strings.Contains(f.Err.Error(), text) {
			t.Errorf("error lacks %q:\n%v", text, f.Err)
		}
	}
	for _, secret := range []string{"S3CRET", "0THER"} {
		if strings.Contains(f.Err.Error(), secret) {
			t.Errorf("error holds a secret: %v", f.Err)
		}
	}
}

func TestAHostInCapitalsIsTheSame(t *testing.T) {
	one, other := source(t, newShared(), `url = "https://API.Example.com/Orders"`), source(t, newShared(), `url = "https://api.example.com/Orders"`)
	if a, b := one.(*http.Source).Identity(), other.(*http.Source).Identity(); a != b {
		t.Errorf("%s is another source than %s", a, b)
	}
}

// A secret may be longer than what is kept of an answer to be shown.
func TestTheBeginningOfASecretIsNotShown(t *testing.T) {
	token := strings.Repeat("0123456789abcdef", 600)
	for _, status := range []int{nethttp.StatusOK, nethttp.StatusBadRequest} {
		address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "you sent %s", r.Header.Get("Authorization"))
		})
		got := fetch(t, source(t, newShared(), fmt.Sprintf("url = %q\nretries = 0\nauth \"bearer\" {\n token = %q\n}", address, token)), nil)
		got.wantError(t, `"you sent Bearer (secret)"`)
		if strings.Contains(got.Err.Error(), "0123") {
			t.Errorf("status %d: %v", status, got.Err)
		}
	}
}
