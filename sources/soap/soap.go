// Package soap reads records from SOAP services, 1.1 and 1.2, over HTTP: an envelope with its action, page after page by
// what the body says, with WS-Security where it is wanted. A fault fails the fetch, whatever its status.
package soap

import (
	nethttp "net/http"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/address"
	"github.com/hookbridge/bridge/sources/decode/xml"
	"github.com/hookbridge/bridge/sources/http"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/net/http/httpguts"
)

// Kind decodes the blocks of sources "soap". What the sources of Shared know of hosts holds for them, too.
type Kind struct{ Shared *http.Shared }

// Decode reads the block of a source "soap". Requests are POST with an envelope, as SOAP 1.1 (section 6) and SOAP 1.2
// part 2 (section 7) bind them to HTTP. Files that the block names are relative to dir.
func (k Kind) Decode(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	r := attr.NewReader(body, ctx, `source "soap"`)
	v := versions[r.Word("version", "1.1", "1.1", "1.2")]
	action := r.String("action", "")
	if !httpguts.ValidHeaderFieldValue(action) || strings.ContainsAny(action, `"\`) {
		r.Errorf(r.Range("action"), "Invalid action", "An action is a URI, which has no quotes, backslashes or control characters in it.")
	}
	if !r.Has("body") {
		r.Required("body")
	}
	token := readSecurity(r)
	p := http.Plan{
		Kind:        "soap",
		URL:         address.Read(r, "url"),
		Method:      nethttp.MethodPost,
		Header:      v.header(action),
		Paginations: []string{"cursor", "offset", "page"},
		Payload: http.ReadPayload(r, "body", func(value cty.Value, at http.Page) ([]byte, error) {
			if value == cty.NilVal {
				return nil, nil // missing, which is noted
			}
			text, err := http.PlainText(value, at)
			if err != nil {
				return nil, err
			}
			envelope, err := v.envelope(text, at.Cursor)
			if err == nil && token != nil {
				_, err = v.secure(envelope, token) // as it will be each time
			}
			return envelope, err
		}, escape),
		Admits:       "a security block, or auth for HTTP's own login",
		FaultsAre500: true,
	}
	if f, ok := xml.Read(r).(xml.Format); ok {
		answer := format{Format: f, version: v}
		p.Format, p.Explain = answer, answer.explain
	}
	if token != nil {
		p.Seal = func(envelope []byte) ([]byte, error) { return v.secure(envelope, token) }
	}
	return k.Shared.Source(r, dir, p)
}

// version is one of the two SOAPs.
type version struct {
	name      string
	namespace string
	accept    string
}

var versions = map[string]*version{
	"1.1": {name: "1.1", namespace: "http://schemas.xmlsoap.org/soap/envelope/", accept: "text/xml"},
	"1.2": {name: "1.2", namespace: "http://www.w3.org/2003/05/soap-envelope", accept: "application/soap+xml, text/xml;q=0.5"},
}

// header says what is asked for: in a header of its own, or as a parameter of the content type.
func (v *version) header(action string) nethttp.Header {
	if v.name == "1.1" {
		// SOAPAction is spelt as the standard spells it: some of those who read it do not know that case means nothing.
		return nethttp.Header{"Content-Type": {"text/xml; charset=utf-8"}, "SOAPAction": {`"` + action + `"`}} //nolint:staticcheck // see above
	}
	content := "application/soap+xml; charset=utf-8"
	if action != "" {
		content += `; action="` + action + `"`
	}
	return nethttp.Header{"Content-Type": {content}}
}
