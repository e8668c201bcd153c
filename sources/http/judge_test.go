package http

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	nethttp "net/http"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
	"github.com/zclconf/go-cty/cty/function"
)

// FuzzSuccess: whatever stands beside the records, an answer is refused if and only if encoding/json finds the error, too.
func FuzzSuccess(f *testing.F) {
	for _, seed := range []string{
		`{"data":[],"meta":{"error":null}}`, `{"data":[1],"meta":{"error":{"a":[1e400,"\u0065\u0301"]}}}`, `{"meta":{},"data":[]}`, `{"meta":[1],"data":[]}`,
		`{"data":{},"meta":{"error":9007199254740993}}`, `{"data":[],"meta":{"error":` + "\"\xff\"" + `}}`, `{"data":[],"meta":{"error":[[[[]]]]},"meta ":1}`,
	} {
		f.Add([]byte(seed))
	}
	file, diags := hclsyntax.ParseConfig([]byte(`success = !can(body.meta.error)`), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	format := json.Format{Items: decode.Path{"data"}}
	r := attr.NewReader(file.Body, &hcl.EvalContext{Functions: map[string]function.Function{"can": tryfunc.CanFunc}}, "a source")
	judged := &fetch{Source: &Source{success: readSuccess(r, format)}}
	if diags := r.Done(); diags.HasErrors() {
		f.Fatal(diags)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := judged.success
		envelope, err := format.Split(bytes.NewReader(body), decode.Options{Fields: s.paths, Containers: s.containers()}, func([]byte, int) error { return nil })
		if _, ok := errors.AsType[*decode.ItemsError](err); err != nil && !ok {
			return // not read to its end
		}
		verdict := judged.judge(&nethttp.Response{StatusCode: 200}, envelope, err)
		var top, meta map[string]stdjson.RawMessage
		_ = stdjson.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &top)
		_ = stdjson.Unmarshal(top["meta"], &meta)
		if _, there := meta["error"]; there != (verdict != nil) && len(body) > 0 {
			t.Errorf("%s: there is an error: %t, and the verdict is %v", body, there, verdict)
		}
	})
}
