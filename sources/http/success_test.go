package http_test

import (
	"fmt"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hookbridge/bridge"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are those of the language that these tests use.
var functions = map[string]function.Function{
	"can": tryfunc.CanFunc, "try": tryfunc.TryFunc, "merge": stdlib.MergeFunc, "length": stdlib.LengthFunc, "coalesce": stdlib.CoalesceFunc,
}

// judging is a source whose answers are judged.
func judging(t *testing.T, address, success, rest string) bridge.Source {
	t.Helper()
	body, ctx := parse(t, fmt.Sprintf("url = %q\nsuccess = %s\ndecode \"json\" { items = \"data.orders\" }\n%s", address, success, rest))
	s, diags := newShared().Decode(body, ctx, "")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

func TestSuccessJudgesWhatStandsBesideTheRecords(t *testing.T) {
	for _, test := range []struct {
		name, success, body string
		want                string // of the error; empty: none
	}{
		{"nothing is wrong", `!can(body.error)`, `{"data":{"orders":[{"id":1}]}}`, ""},
		{"an error before the records", `!can(body.error)`, `{"error":{"code":17},"data":{"orders":[{"id":1}]}}`, `source.http: bridge.hcl:2: success is false: body.error is {"code":17}`},
		{"an error after the records", `!can(body.error)`, `{"data":{"orders":[{"id":1}]},"error":"no"}`, `success is false: body.error is "no"`},
		{"an error that is null is there", `!can(body.error)`, `{"error":null,"data":{"orders":[]}}`, `success is false: body.error is null`},
		{"a null that is allowed", `try(body.error, null) == null`, `{"error":null,"data":{"orders":[{"id":1}]}}`, ""},
		{"none where one is allowed", `try(body.error, null) == null`, `{"data":{"orders":[{"id":1}]}}`, ""},
		{"an error instead of the records", `!can(body.error)`, `{"error":{"code":17},"data":null}`, `success is false: body.error is {"code":17}`},
		{"an error in the place of the records", `body.ok`, `{"ok":false,"data":{"orders":{"why":"no"}}}`, `success is false: body.ok is false`},
		{"no records and no error", `!can(body.error)`, `{"data":{"order":[]}}`, `items path "data.orders" is missing (status 200`},
		{"no records, and a judgement that fails", `body.ok`, `{"data":{"order":[]}}`, `items path "data.orders" is missing (status 200`},
		{"a name within", `body.status.code == 0`, `{"status":{"code":0,"x":[1]},"data":{"orders":[{"id":1}]}}`, ""},
		{"a name within that differs", `body.status.code == 0`, `{"status":{"code":7},"data":{"orders":[{"id":1}]}}`, `success is false: body.status.code is 7`},
		{"a name beside the records", `body.data.state == "full"`, `{"data":{"state":"part","orders":[{"id":1}]}}`, `success is false: body.data.state is "part"`},
		{"a list", `length(body.errors) == 0`, `{"errors":[],"data":{"orders":[{"id":1}]}}`, ""},
		{"every name that was looked at", `body["is ok"] == "yes" && length(body.errors) == 1`, `{"errors":[{"m":"x"}],"data":{"orders":[]}}`, `success cannot be told: The given key does not identify an element in this collection value: body["is ok"] is missing, body.errors is [{"m":"x"}]`},
		{"every digit", `body.id == 9007199254740993`, `{"id":9007199254740992,"data":{"orders":[]}}`, `body.id is 9007199254740992`},
		{"neither true nor false", `body.ok`, `{"ok":"maybe","data":{"orders":[]}}`, `success is neither true nor false: body.ok is "maybe"`},
		{"null is neither", `body.ok`, `{"ok":null,"data":{"orders":[]}}`, `success is neither true nor false: body.ok is null`},
		{"true in quotes is true", `body.ok`, `{"ok":"true","data":{"orders":[{"id":1}]}}`, ""},
		{"a missing name", `body.ok`, `{"data":{"orders":[]}}`, `success cannot be told: This object does not have an attribute named "ok": body.ok is missing`},
		{"an index", `body.states[0].ok && body.states[1] == null`, `{"states":[{"ok":false},null],"data":{"orders":[]}}`, `body.states[0].ok is false, body.states[1] is null`},
		{"the status", `response.status == 200`, `{"data":{"orders":[{"id":1}]}}`, ""},
		{"a header", `response.headers["x-state"] == "full"`, `{"data":{"orders":[{"id":1}]}}`, `success is false: response.headers["x-state"] is "part"`},
		{"a header that is not there", `response.headers["X-Other"] == null`, `{"data":{"orders":[{"id":1}]}}`, ""},
		{"a session", `response.headers["Set-Cookie"] == null`, `{"data":{"orders":[]}}`, `success is false: response.headers["Set-Cookie"] is not shown`},
		{"every header", `can(response.headers) && !body.ok`, `{"ok":true,"data":{"orders":[]}}`, `success is false: response.headers is not shown, body.ok is true`},
		{"a secret", `body.echo != secret.token`, `{"echo":"S3CRET-TOKEN","data":{"orders":[]}}`, `success is false: body.echo is "(secret)"`},
		{"a long value", `!can(body.error)`, `{"error":"` + strings.Repeat("long ", 100) + `","data":{"orders":[]}}`, strings.Repeat("long ", 39) + "long…"},
		{"a value of absurd size", `!can(body.error)`, `{"error":["` + strings.Repeat("x", 2<<20) + `"],"data":{"orders":[]}}`, `the body has a value of more than 1 MiB at "error"`},
		{"a broken body", `!can(body.error)`, `{"error":"no","data":{"orders":[]`, `the body ends in the middle of a value`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := fetch(t, judging(t, serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				w.Header().Set("X-State", "part")
				w.Header().Set("Set-Cookie", "session=S3CRET")
				fmt.Fprint(w, test.body)
			}), test.success, ""), nil)
			if test.want == "" {
				got.want(t, `1.1 {"id":1}`)
			} else {
				got.wantError(t, test.want)
			}
		})
	}
}

// TestSuccessJudgesEveryPage: the first is well, the second is not, and what it says of paging no longer matters.
func TestSuccessJudgesEveryPage(t *testing.T) {
	s := judging(t, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Query().Get("page") == "1" {
			fmt.Fprint(w, `{"data":{"orders":[{"id":1}],"total":2},"warnings":[]}`)
			return
		}
		fmt.Fprint(w, `{"data":{"orders":[]},"warnings":["shard 2 is down"]}`)
	}), `length(body.warnings) == 0`, `pagination "page" { total = "data.total" }`)
	fetch(t, s, nil).wantError(t, `source.http: page 2: bridge.hcl:2: success is false: body.warnings is ["shard 2 is down"]`)
}

// TestSuccessOfAnUnchangedAnswer: the same bytes and a 304 were judged before, but a header may be another.
func TestSuccessOfAnUnchangedAnswer(t *testing.T) {
	var state atomic.Value
	state.Store("full")
	handler := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("X-State", state.Load().(string))
		if r.URL.Path == "/etag" {
			if w.Header().Set("ETag", `"1"`); r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(nethttp.StatusNotModified)
				return
			}
		}
		fmt.Fprint(w, `{"data":{"orders":[{"id":1}]},"ok":true}`)
	}
	address := serve(t, handler)
	for path, success := range map[string]string{"/": `body.ok`, "/etag": `body.ok && response.headers["X-State"] == "full"`} {
		s := judging(t, address+path, success, "")
		first := fetch(t, s, nil)
		first.want(t, `1.1 {"id":1}`)
		if again := fetch(t, s, first.Outcome.Next); again.Err != nil || !again.Outcome.NotModified || len(again.Records) > 0 {
			t.Errorf("%s: the same again: %+v %v", path, again.Outcome, again.Err)
		}
	}
	s := judging(t, address, `response.headers["X-State"] == "full"`, "")
	first := fetch(t, s, nil)
	if again := fetch(t, s, first.Outcome.Next); again.Err != nil || !again.Outcome.NotModified {
		t.Errorf("the same again: %+v %v", again.Outcome, again.Err)
	}
	state.Store("part")
	fetch(t, s, first.Outcome.Next).wantError(t, `success is false: response.headers["X-State"] is "part"`)
}
