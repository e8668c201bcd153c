package attr_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge/configs/attr"
)

func expression(t *testing.T, text string) hcl.Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(text), "test.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return expr
}

// needOf is what an expression names of body.
func needOf(t *testing.T, text string) *attr.Need {
	n := &attr.Need{}
	for _, v := range expression(t, text).Variables() {
		n.Reach(v)
	}
	return n
}

// TestNeedConvertsNoMoreThanIsNamed: names that nobody asks for are passed over, even if they could not be converted.
func TestNeedConvertsNoMoreThanIsNamed(t *testing.T) {
	const document = `{"a":{"b":1,"c":[1,{"x":9007199254740993}],"other":1e999999999},"d":"e\u0301","other":1e999999999}`
	for text, want := range map[string]string{
		`body.a.b`:             `{"a":{"b":1}}`,
		`body["a"].c[1].x`:     `{"a":{"c":[1,{"x":9007199254740993}]}}`,
		`[body.d, body.a.b]`:   "{\"a\":{\"b\":1},\"d\":\"e\u0301\"}",
		`body.none.x`:          `{}`,
		`[body.a.c, body.a.b]`: `{"a":{"b":1,"c":[1,{"x":9007199254740993}]}}`,
	} {
		v, err := needOf(t, text).JSON([]byte(document))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := attr.MarshalJSON(v); err != nil || string(got) != want {
			t.Errorf("%s needs %s (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{`body`, `body.a`} {
		if v, err := needOf(t, text).JSON([]byte(document)); err == nil {
			t.Errorf("%s: a number beyond reckoning is %#v", text, v)
		}
	}
	if n := needOf(t, `[body.a.b, body.a]`); !slices.Equal(n.Names(), []string{"a"}) || !n.Of("a").Whole() || n.Of("z") != nil || !n.Of("a").Of("z").Whole() {
		t.Errorf("%v", n)
	}
	header := http.Header{"X-One": {"1", "2"}, "X-Two": {"3"}}
	for text, want := range map[string]string{`body["x-ONE"]`: `{"x-ONE":"1, 2"}`, `body.none`: `{"none":null}`, `body`: `{"X-One":"1, 2","X-Two":"3"}`} {
		if got, err := attr.MarshalJSON(needOf(t, text).Header(header)); err != nil || string(got) != want {
			t.Errorf("%s needs %s (%v), want %s", text, got, err, want)
		}
	}
}

// TestConcealKnowsEverySecret of an expression, also of what is not evaluated, and what its parts make of them.
func TestConcealKnowsEverySecret(t *testing.T) {
	for text, want := range map[string][]string{
		`page.number > 1 ? "Bearer ${var.password}" : "none"`: {"Bearer " + password, password},
		`{ a = [var.password], b = page.cursor }`:             {password},
		`[for s in var.secrets : "x-${s}-${page.number}"]`:    {password, "battery\n"},
		`"${var.region}-${page.number}"`:                      nil,
	} {
		r := reader(t, "x = "+text)
		r.Conceal(r.Expr("x"))
		got := r.Known()
		for _, secret := range want {
			if !slices.Contains(got, secret) {
				t.Errorf("%s: %q is not known among %q", text, secret, got)
			}
		}
		if want == nil && len(got) > 0 {
			t.Errorf("%s: %q are no secrets", text, got)
		}
	}
}

// TestRevealKeepsTheText: what is no mark of secrecy stays, so that every character is written as it was.
func TestRevealKeepsTheText(t *testing.T) {
	const text = "e\u0301"
	v := cty.ObjectVal(map[string]cty.Value{"secret": attr.Secret(password), "list": cty.TupleVal([]cty.Value{attr.Text(text), attr.Secret("x")})})
	if _, err := attr.MarshalJSON(v); err == nil {
		t.Error("a secret was written")
	}
	if got, err := attr.MarshalJSON(attr.Reveal(v)); err != nil || string(got) != `{"list":["`+text+`","x"],"secret":"`+password+`"}` {
		t.Errorf("%s %v", got, err)
	}
}
