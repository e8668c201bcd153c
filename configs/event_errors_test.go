package configs_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
)

// TestEventErrorsNameTheLineAndNotTheRecord judges changes that the expressions were not written for.
func TestEventErrorsNameTheLineAndNotTheRecord(t *testing.T) {
	private := json.RawMessage(`{"name":"hunter2","n":1,"list":["hunter2"],"big":` + strings.Repeat("9", 5000) + `,"huge":1e999999999999,"deep":` +
		strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`)
	for _, c := range []struct{ name, event, after, want string }{
		{"when is text", `when = change.op == "updated" ? change.after.name : true`, "", "bridge.hcl:17: when is neither true nor false"},
		{"when is null", `when = change.op == "updated" ? try(change.after.gone, null) : true`, "", "bridge.hcl:17: when is neither true nor false"},
		{"when fails", `when = change.op == "updated" ? change.after.gone : true`, "", `bridge.hcl:17: unsupported attribute: This object does not have an attribute named "gone"`},
		{"when reckons with text", `when = change.op == "updated" ? change.after.name > 1 : true`, "", "bridge.hcl:17: invalid operand: "},
		{"type is a number", `type = change.after.n`, "", "bridge.hcl:17: type is not a string"},
		{"type is null", `type = try(change.after.gone, null)`, "", "bridge.hcl:17: type is not a string"},
		{"type has spaces", `type = "order ${change.after.n}"`, "", "bridge.hcl:17: an event type is made of letters"},
		{"type is ours", `type = "${"bridge"}.${change.after.n}"`, "", `bridge.hcl:17: event types that begin with "bridge." are the bridge's own`},
		{"type is long", `type = join("", [for i in range(200) : change.after.n])`, "", "bridge.hcl:17: an event type has at most 128 characters"},
		{"data fails", `data = { a = change.after.gone }`, "", `bridge.hcl:17: unsupported attribute: `},
		{"data of a list", `data = change.after.list[7]`, "", `bridge.hcl:17: invalid index: `},
		{"a function of what it cannot use", `data = tonumber(change.after.n == 1 ? "x" : "1")`, "", `bridge.hcl:17: invalid function argument: `},
		{"data by env within for", `data = [for x in change.after.list : env("SECRET")]`, "", "bridge.hcl:17: an event cannot hold a secret"},
		{"an unset variable within for", `data = [for x in change.after.list : env("UNSET")]`, "", `bridge.hcl:17: environment variable not set: There is no UNSET in the environment`},
		{"a number too long", `data = change.after.big`, "", "change.after: a number of 5000 characters is too long to reckon with"},
		{"a number too large", `data = change.after.huge`, "", "change.after: a number is too large to reckon with"},
		{"a record too deep", `data = change.after.deep`, "", "change.after: it nests deeper than 512 levels"},
		{"no JSON", `data = change.after.a`, `{"a":`, "change.after: it is not valid JSON"},
		{"no JSON behind what is needed", `data = change.after.a`, `{"a":1,"hunter2"}`, "change.after: it is not valid JSON"},
		{"no JSON in a list", `data = change.after.a`, `{"a":[1,`, "change.after: it is not valid JSON"},
		{"no record", `data = change.after.a`, `null`, "bridge.hcl:17: attempt to get attribute from null value: "},
	} {
		if !strings.HasPrefix(c.event, "when") {
			c.event += "\nwhen = change.op == \"updated\""
		}
		e := mustLoad(t, job("event {\n"+c.event+"\n}"), configs.Options{}).Jobs[0].Event
		after := private
		if c.after != "" {
			after = json.RawMessage(c.after)
		}
		told, err := e.Eval(bridge.Change{Op: bridge.Updated, Key: "7", Before: after, After: after}, bridge.Manual)
		switch {
		case err == nil:
			t.Errorf("%s: %+v", c.name, told)
		case !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		case strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the record is shown: %v", c.name, err)
		case strings.HasSuffix(err.Error(), ".") || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: not one line as errors are written: %q", c.name, err)
		}
	}
}

// TestEventDataKeepsTheBytesOfText uses letters that have two forms in Unicode, of which cty knows one.
func TestEventDataKeepsTheBytesOfText(t *testing.T) {
	const apart, composed = "Zoe\u0308", "Zo\u00eb"
	c := bridge.Change{Op: bridge.Updated, Key: apart, After: json.RawMessage(`{"name":"` + apart + `","list":["` + apart + `"],"n":1}`), Changed: []string{"/" + apart}}
	for _, e := range []struct{ data, want string }{
		{`change.after.name`, `"` + apart + `"`},
		{`{ key = change.key, name = try(change.after.name, null), list = change.after.list }`, `{"key":"` + apart + `","list":["` + apart + `"],"name":"` + apart + `"}`},
		{`change.after`, `{"list":["` + apart + `"],"n":1,"name":"` + apart + `"}`},
		{`change.changed`, `["/` + apart + `"]`},
		{`change.after.n == 1 ? change.after.name : "none"`, `"` + apart + `"`},
		{`[for x in change.after.list : x if x != ""]`, `["` + apart + `"]`},
		{`change.after.name == "` + composed + `"`, `true`},
		{`change.after.name == "x" ? 1 : 2`, `2`},
		{`"${change.after.name}!"`, `"` + composed + `!"`},
		{`upper(change.after.name)`, `"ZO\u00cb"`},
	} {
		told, err := mustLoad(t, job("event {\nwhen = change.op == \"updated\" && change.key != \"\"\ndata = "+e.data+"\n}"), configs.Options{}).Jobs[0].Event.Eval(c, bridge.Manual)
		want := strings.ReplaceAll(e.want, `\u00cb`, "\u00cb")
		if err != nil || string(told.Data) != want {
			t.Errorf("%s: %+q, %v, want %+q", e.data, told.Data, err, want)
		}
	}
}

func TestANilEventTellsEverything(t *testing.T) {
	var e *configs.Event
	if told, err := e.Eval(bridge.Change{Op: bridge.Created}, bridge.Manual); err != nil || !told.Tell || told.Type != "" || told.Data != nil {
		t.Errorf("%+v, %v", told, err)
	}
}
