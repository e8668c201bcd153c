// Package graphql reads records from GraphQL servers over HTTP: a query with its variables, page after page of a
// connection, where an error in an answer fails the fetch even if data came with it.
package graphql

import (
	"errors"
	"maps"
	nethttp "net/http"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
	"github.com/hookbridge/bridge/sources/http"
	"github.com/zclconf/go-cty/cty"
)

// Kind decodes the blocks of sources "graphql". What the sources of Shared know of hosts holds for them, too.
type Kind struct{ Shared *http.Shared }

// Decode reads the block of a source "graphql". Requests are POST with a JSON body, as "GraphQL over HTTP" describes them.
// Files that the block names are relative to dir.
func (k Kind) Decode(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	r := attr.NewReader(body, ctx, `source "graphql"`)
	q := readQuery(r)
	f := q.format(r)
	return k.Shared.Source(r, dir, http.Plan{
		Kind:        "graphql",
		URL:         address.Read(r, "url"),
		Method:      nethttp.MethodPost,
		Header:      nethttp.Header{"Content-Type": {"application/json"}},
		Format:      f,
		Asks:        q.text,
		Paginations: []string{"relay", "cursor", "offset", "page"},
		Payload: http.ReadPayload(r, "variables", func(v cty.Value, at http.Page) ([]byte, error) {
			return q.request(v, at)
		}, nil),
		Explain: explain,
	})
}

// request is the body of a request: the query and its variables, with the cursor among them where the pagination wants
// it there.
func (q *query) request(v cty.Value, at http.Page) ([]byte, error) {
	variables := map[string]cty.Value{}
	if v != cty.NilVal && !v.IsNull() {
		plain, _ := v.Unmark()
		if t := plain.Type(); !t.IsObjectType() && !t.IsMapType() {
			return nil, errors.New("an object is required: { NAME = … }")
		}
		maps.Copy(variables, plain.AsValueMap())
	}
	if at.Variable != "" {
		if _, twice := variables[at.Variable]; twice {
			return nil, errors.New("the pagination sets " + at.Variable + " as well; write it in one place")
		}
		variables[at.Variable] = cty.NullVal(cty.String)
		if at.Cursor != "" {
			variables[at.Variable] = attr.Text(at.Cursor)
		}
	}
	if err := q.check(variables); err != nil {
		return nil, err
	}
	return attr.MarshalJSON(cty.ObjectVal(map[string]cty.Value{"query": attr.Text(q.text), "variables": cty.ObjectVal(variables)}))
}

// format is how the records stand in an answer: in the list at items, each as it is or, with node, that member of it.
type format struct {
	json.Format
	node  decode.Path
	query *query
}

// Misses is, in a sentence, where a path leads to what the query does not ask for; empty: nowhere. Of what stands beside
// the data nothing is known.
func (f format) Misses(path decode.Path) string {
	if f.query == nil || len(path) == 0 || path[0] != "data" {
		return ""
	}
	return f.query.misses(path[1:])
}
