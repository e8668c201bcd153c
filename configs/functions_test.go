package configs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
)

// TestFunctions evaluates expressions in an event's data.
func TestFunctions(t *testing.T) {
	for expr, want := range map[string]string{
		`toset(["b", "a", "b"])`:                  `["a","b"]`,
		`toset([2, 1, 2])`:                        `[1,2]`,
		`toset(["a", 1, true])`:                   `["1","a","true"]`,
		`length(toset(["a", null]))`:              `2`,
		`toset([])`:                               `[]`,
		`toset(tolist(["a"]))`:                    `["a"]`,
		`tolist(["a", 1])`:                        `["a","1"]`,
		`tolist([["a"], ["b"]])`:                  `[["a"],["b"]]`,
		`[tolist(toset(["b", "a"])), tolist([])]`: `[["a","b"],[]]`,
		`can(toset([["a"], "b"]))`:                `false`,
		`can(tolist("a"))`:                        `false`,
		`toset(null) == null`:                     `true`,
		`tomap({ a = 1 })`:                        `{"a":1}`,
		`tonumber("9007199254740993")`:            `9007199254740993`,
		`length("Zoë")`:                           `3`,
		`[length([1, 2]), length({ a = 1 }), length(toset(["a", "a"]))]`: `[2,1,1]`,
		`can(length(1))`: `false`,
		`[startswith("orders", "or"), startswith("orders", "x"), endswith("orders", "ers"), endswith("", "x")]`: `[true,false,true,false]`,
		`[base64encode("a"), base64decode("YQ=="), can(base64decode("?")), can(base64decode("/w=="))]`:          `["YQ==","a",false,false]`,
		`xmlescape("a<b>&\"'é")`:               `"a&lt;b&gt;&amp;&#34;&#39;é"`,
		`urlencode("a b/ä&=")`:                 `"a+b%2F%C3%A4%26%3D"`,
		`sha256("")`:                           `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`,
		`jsondecode("{\"a\":[1,\"x\",null]}")`: `{"a":[1,"x",null]}`,
		`jsonencode({ a = 1 })`:                `"{\"a\":1}"`,
		`merge({ a = 1 }, { b = 2 })`:          `{"a":1,"b":2}`,
		`lookup({ a = "x" }, "b", "y")`:        `"y"`,
		`try(change.nothing.at.all, "else")`:   `error`,
		`join(",", sort(["b", "a"]))`:          `"a,b"`,
		`upper(null)`:                          `error`,
		`nothing()`:                            `error`,
		`max()`:                                `error`,
	} {
		config, err := load(t, job("event {\ndata = "+expr+"\n}"), configs.Options{})
		if err != nil {
			if want != "error" {
				t.Errorf("%s: %v", expr, err)
			}
			continue
		}
		told, err := config.Jobs[0].Event.Eval(bridge.Change{Op: bridge.Created}, bridge.Manual)
		if err != nil || string(told.Data) != want {
			t.Errorf("%s = %s, %v, want %s", expr, told.Data, err, want)
		}
	}
}

func TestWhatFunctionsMakeOfSecretsIsSecret(t *testing.T) {
	for _, expr := range []string{`toset([env("SECRET"), "b"])`, `tolist(["a", env("SECRET")])[0]`, `upper(env("SECRET"))`} {
		if _, err := load(t, job(fmt.Sprintf("event {\ndata = %s\n}", expr)), configs.Options{}); err == nil || !strings.Contains(err.Error(), "An event cannot hold a secret") {
			t.Errorf("%s: %v", expr, err)
		}
	}
}
