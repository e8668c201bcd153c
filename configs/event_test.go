package configs_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
)

func job(body string) string {
	return `
destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
job "big-orders" {
  schedule = "@every 30s"
  deliver  = [destination.d]
  source "http" {
    url = "https://legacy.example.com/orders"
    decode "json" {
      items = "@this"
    }
  }
  key = "id"
` + body + "\n}\n"
}

func TestEventEval(t *testing.T) {
	update := bridge.Change{Op: bridge.Updated, Key: "7", Changed: []string{"/n"},
		Before: json.RawMessage(`{"n":1,"deep":{"a":[1,{"b":"x"}]}}`), After: json.RawMessage(`{"n":9007199254740993,"m":10.50,"deep":{"a":[2]}}`)}
	for _, c := range []struct{ event, want string }{
		{``, `true big_orders.updated `},
		{`event { type = "fixed" }`, `true fixed `},
		{`event { type = "order.${change.op}" }`, `true order.updated `},
		{`event { when = contains(change.changed, "/m") }`, `false  `},
		{`event { data = { n = try(change.after.n, null), m = try(change.after.m, null), x = try(change.after.x, null), b = try(change.before.deep.a[1].b, null) } }`,
			`true big_orders.updated {"b":"x","m":10.5,"n":9007199254740993,"x":null}`},
		{`event { data = change.before }`, `true big_orders.updated {"deep":{"a":[1,{"b":"x"}]},"n":1}`},
		{`event { data = [change.op, change.key, change.origin, change.changed] }`, `true big_orders.updated ["updated","7","manual",["/n"]]`},
		{"event {\n when = change.op == \"updated\" ? change.after.gone : true\n}", `error`},
		{"event {\n when = change.op == \"updated\" ? change.after.n : true\n}", `error`},
		{`event { type = try(change.after.n, "x") }`, `error`},
	} {
		e := mustLoad(t, job(c.event), configs.Options{}).Jobs[0].Event
		if c.want == "error" {
			if told, err := e.Eval(update, bridge.Manual); err == nil || !strings.Contains(err.Error(), "bridge.hcl:") {
				t.Errorf("%s: %+v, %v", c.event, told, err)
			}
			continue
		}
		told, err := e.Eval(update, bridge.Manual)
		if got := fmt.Sprintf("%t %s %s", told.Tell, told.Type, told.Data); err != nil || got != c.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", c.event, got, err, c.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(configs.Starter))
	f.Add([]byte(job(`event { data = { a = try(change.after.x, env("SECRET")) } }`)))
	f.Add([]byte("locals {\n a = local.a\n}\n"))
	f.Add([]byte(watched("record = event.body.a[0][\"b\"]\nexpect = \"Mon-Fri 07:00-19:00 UTC\"\nsilence = \"auto\"\nwhen = event.headers[\"X\"] == env(\"SECRET\")", "")))
	f.Add([]byte(watched("on_event = \"lookup\"", "lookup {\n url = \"https://x.example.com/${event.body.id}\"\n}")))
	f.Add([]byte("receiver \"r\" {\n verify \"hmac\" {\n header = \"X-*\"\n sign = \"{ts}{url}\"\n secrets = [env(\"SECRET\")]\n time {\n part = \"t=\"\n }\n }\n}\nbridge {\n listen = \":1\"\n tls {}\n}\n"))
	table := sources.New(sources.Runtime{})
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := load(t, string(src), configs.Options{Sources: table})
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err != nil && strings.Contains(rendered(err)+err.Error(), secret) && !strings.Contains(string(src), secret) {
			t.Fatalf("a secret is shown: %v", err)
		}
	})
}
