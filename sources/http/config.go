package http

import (
	"maps"
	nethttp "net/http"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/archive"
	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode/json"
	"github.com/zclconf/go-cty/cty"
)

// Decode reads the block of a source "http". Files it names are relative to dir.
func (s *Shared) Decode(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	r := attr.NewReader(body, ctx, `source "http"`)
	p := Plan{Kind: "http", Paginations: []string{byPage, byOffset, byCursor, byLink, byNext}, Header: nethttp.Header{}, inQuery: true}
	p.Method = r.Word("method", "GET", "GET", "POST")
	p.URL = address.Read(r, "url")
	if query := ReadPayload(r, "query", parameters, nil); query.moves() {
		p.query = query
	} else if p.URL != nil {
		query := r.StringMap("query")
		for _, name := range slices.Sorted(maps.Keys(query)) {
			p.URL = address.With(p.URL, name, query[name])
		}
	}
	if p.Format = block.Format(r); p.Format == nil {
		p.Format = json.Format{}
	}
	p.carries(r)
	reading := s.read(r, dir, &p)
	reading.members = archive.Pattern(r)
	reading.each = children(r, p.URL)
	src, diags := reading.open()
	if src == nil {
		return nil, diags
	}
	return src, diags
}

// carries reads what a request carries: body or json.
func (p *Plan) carries(r *attr.Reader) {
	body, object := r.Has("body"), r.Has("json")
	if object {
		p.Header.Set("Content-Type", "application/json")
	}
	name := "body"
	switch {
	case body && object:
		r.Errorf(r.Range("json"), "Two bodies", "Write either body or json, not both.")
		return
	case object:
		name = "json"
		p.Payload = ReadPayload(r, name, func(v cty.Value, _ Page) ([]byte, error) { return attr.MarshalJSON(v) }, nil)
	case body:
		p.Payload = ReadPayload(r, name, func(v cty.Value, at Page) ([]byte, error) {
			text, err := PlainText(v, at)
			return []byte(text), err
		}, nil)
	default:
		return
	}
	if p.Method != nethttp.MethodPost {
		r.Errorf(r.Range(name), "A body without POST", `Only a POST request has a body; add method = "POST".`)
	}
}
