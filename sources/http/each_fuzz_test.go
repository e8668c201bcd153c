package http

import (
	"net/url"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// FuzzDetailAddress: whatever a list says, its details are asked for where the template says, or not at all.
func FuzzDetailAddress(f *testing.F) {
	file, diags := hclsyntax.ParseConfig([]byte("url = \"https://api.example.com/list\"\neach {\n url = \"https://api.example.com/orders/${record.id}/full?as=${record.id}\"\n}"), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	decoded, diags := NewShared(nil, "", nil).Decode(file.Body, &hcl.EvalContext{}, "")
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	s := decoded.(*Source)
	for _, seed := range []string{`{"id":1}`, `{"id":"a/b"}`, `{"id":".."}`, `{"id":"%2e%2e"}`, `{"id":"?x#y"}`, `{"id":"@evil.example.com/"}`, `{"id":null}`, `{"id":1e400}`, `[]`, `{"id":"\u0000"}`, `{"id":{}}`, `{"id":"a","id":"b"}`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, listing []byte) {
		text, err := s.each.of(listing)
		if err != nil {
			return
		}
		target, err := s.target("detail", text)
		if err != nil {
			return
		}
		steps := strings.Split(target.EscapedPath(), "/")
		if target.Host != "api.example.com" || target.User != nil || len(steps) != 4 || steps[1] != "orders" || steps[3] != "full" || steps[2] == "" {
			t.Fatalf("%q leads to %s", listing, target)
		}
		query, err := url.ParseQuery(target.RawQuery)
		id, _ := url.PathUnescape(steps[2])
		if err != nil || len(query) != 1 || query.Get("as") != id {
			t.Fatalf("%q asks for %s: %v", listing, target.RawQuery, err)
		}
	})
}
