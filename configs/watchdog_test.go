package configs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/text/unicode/norm"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
)

// watched is a configuration whose one job listens to a receiver, with so much in its watchdog, and so much in the job.
func watched(watchdog, inJob string) string {
	return `
receiver "in" {
  verify "github" {
    secrets = [env("SECRET")]
  }
}
` + job(`
version = "v"
watchdog {
  receiver = receiver.in
`+watchdog+`
}
`+inJob)
}

const webhookBody = `{"id":7,"kind":"order","order":{"id":12345678901234567890,"n":10.50, "t":"\u00e4"},` +
	`"list":[1,{"id":1e2}],"empty":null,"odd.name":{"a b":{"x":1}},` +
	`"twice":{"n":2},"twice":{"n":3},"composed":"` + "e\u0301" + `"}`

func webhook() configs.InboundEvent {
	return configs.InboundEvent{Receiver: "in", ID: "d1", Body: json.RawMessage(webhookBody),
		Header: http.Header{"X-Event": {"order.deleted"}, "X-List": {"a", "b"}}}
}

func TestWatchdogDefaults(t *testing.T) {
	c := mustLoad(t, watched(`record = event.body.order`, ""), configs.Options{})
	got := c.Jobs[0]
	want := &configs.Watchdog{Receiver: "in", OnEvent: "apply", Min: 5 * time.Minute, Max: 4 * time.Hour, Audit: 24 * time.Hour,
		Grace: 5 * time.Minute, RecoverAfter: 2}
	if diff := cmp.Diff(want, got.Watchdog, cmpopts.IgnoreUnexported(configs.Watchdog{})); diff != "" {
		t.Errorf("watchdog (-want +got):\n%s", diff)
	}
	if got.Version != "v" || got.Lookup != nil || got.Reconcile == nil || got.Reconcile.Interval() != 24*time.Hour {
		t.Errorf("version %q, lookup %v, reconcile %+v", got.Version, got.Lookup, got.Reconcile)
	}
	if plain := mustLoad(t, job(""), configs.Options{}).Jobs[0]; plain.Reconcile != nil || plain.Watchdog != nil {
		t.Errorf("without a watchdog: %+v", plain)
	}
	since := strings.Replace(job(""), "decode ", "since {\nparam = \"s\"\nvalue = \"t\"\n}\ndecode ", 1)
	if s := mustLoad(t, since, configs.Options{}).Jobs[0].Reconcile; s == nil || s.Text != "@every 24h" {
		t.Errorf("an incremental job reconciles %+v", s)
	}
	own := strings.Replace(since, "schedule =", "reconcile = \"0 3 * * *\"\nschedule =", 1)
	if s := mustLoad(t, own, configs.Options{}).Jobs[0].Reconcile; s == nil || s.Text != "0 3 * * *" {
		t.Errorf("with a schedule of its own: %+v", s)
	}
	r := c.Receiver("in")
	if r == nil || c.Receiver("out") != nil || r.Decode != "json" || r.MaxBody != 2<<20 || r.Dedup != 72*time.Hour || r.Rate != 0 ||
		r.Allow != nil || r.Deliver != nil || r.Verify.Dialect != "github" || r.Verify.Secrets[0].Reveal() != secret {
		t.Errorf("receiver: %+v", r)
	}
}

func TestWatchdogAsksTheWebhook(t *testing.T) {
	for _, c := range []struct{ when, want string }{
		{`event.headers["X-Event"] == "order.deleted"`, "true"},
		{`event.headers["x-event"] == "order.deleted"`, "true"},
		{`event.headers.x-EVENT == "order.deleted"`, "true"},
		{`event.headers["X-Missing"] != "ping"`, "true"},
		{`event.headers["X-Missing"] == "ping"`, "false"},
		{`event.headers["X-List"] == "a, b"`, "true"},
		{`contains(keys(event.headers), "X-Event")`, "true"},
		{`event.receiver == "in" && event.id == "d1"`, "true"},
		{`event.body.kind == "order" && event.body.list[1].id == 100`, "true"},
		{`try(event.body.gone, null) == null`, "true"},
		{`event.body.empty == null`, "true"},
		{`event.headers["X-Event"] != env("SECRET")`, "true"},
		{`startswith(event.headers["X-Event"], "order.") && endswith(event.headers["X-Event"], ".deleted")`, "true"},
		{`startswith(event.headers["X-Missing"], "order.")`, "false"},
		{`strcontains(event.body.kind, "rd") && !strcontains(event.body.kind, "x")`, "true"},
		{`event.body.gone == 1`, "error: bridge.hcl"},
		{`event.body.kind`, "error: bridge.hcl"},
		{`event.body.empty`, "error: bridge.hcl"},
	} {
		src := watched("record = event.body.order\nwhen = "+c.when+"\ndeleted = "+c.when, "")
		w := mustLoad(t, src, configs.Options{}).Jobs[0].Watchdog
		for _, asked := range []func(configs.InboundEvent) (bool, error){w.Match, w.Deleted} {
			got, err := asked(webhook())
			if text, ok := strings.CutPrefix(c.want, "error: "); ok {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("%s: %t, %v", c.when, got, err)
				}
			} else if err != nil || fmt.Sprint(got) != c.want {
				t.Errorf("%s = %t, %v, want %s", c.when, got, err, c.want)
			}
		}
	}
	for _, w := range []*configs.Watchdog{mustLoad(t, watched("record = event.body.order", ""), configs.Options{}).Jobs[0].Watchdog, {}} {
		matches, err1 := w.Match(webhook())
		deleted, err2 := w.Deleted(webhook())
		expected, err3 := w.Expects(bridge.Change{}, bridge.Manual)
		if !matches || deleted || !expected || err1 != nil || err2 != nil || err3 != nil {
			t.Errorf("by default: %t, %v; %t, %v; %t, %v", matches, err1, deleted, err2, expected, err3)
		}
	}
}

func TestRecordIsCutFromTheBytesOfAWebhook(t *testing.T) {
	for _, c := range []struct{ record, want string }{
		{`event.body.order`, `{"id":12345678901234567890,"n":10.50, "t":"\u00e4"}`},
		{`(event.body.order)`, `{"id":12345678901234567890,"n":10.50, "t":"\u00e4"}`},
		{`event.body["odd.name"]["a b"]`, `{"x":1}`},
		{`event.body.list[1]`, `{"id":1e2}`},
		{`event.body`, webhookBody},
		{`{ id = event.body.order.id, n = event.body.order.n, kind = event.body.kind }`, `{"id":12345678901234567890,"kind":"order","n":10.5}`},
		{`merge(event.body.order, { at = event.headers["X-Event"] })`, `{"at":"order.deleted","id":12345678901234567890,"n":10.5,"t":"ä"}`},
		{`event.body.twice`, `{"n":3}`},
		{`merge(event.body.twice, {})`, `{"n":3}`},
		{`{ t = event.body.composed }`, "{\"t\":\"e\u0301\"}"},
		{`event.body.gone`, "error"},
		{`event.body.list[2]`, "error"},
		{`event.body.list.name`, "error"},
		{`event.body.kind`, "error"},
		{`event.body.kind.deeper`, "error"},
		{`event.body.empty`, "error"},
		{`event.body.list`, "error"},
		{`merge(event.body.gone, {})`, "error"},
	} {
		w := mustLoad(t, watched("record = "+c.record, ""), configs.Options{}).Jobs[0].Watchdog
		got, err := w.Record(webhook())
		if c.want == "error" {
			if err == nil || !strings.Contains(err.Error(), "bridge.hcl:") || strings.Contains(err.Error(), "12345678901234567890") {
				t.Errorf("%s: %s, %v", c.record, got, err)
			}
			continue
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%s:\n got %s, %v\nwant %s", c.record, got, err, c.want)
		}
	}
}

func TestRecordOfABrokenBodyIsAnError(t *testing.T) {
	for _, record := range []string{"event.body.order", "merge(event.body.order, {})", "event.body.list[3]"} {
		w := mustLoad(t, watched("record = "+record, ""), configs.Options{}).Jobs[0].Watchdog
		for _, body := range []string{"", `{`, `{"order":{`, `{"list":[1,`, `{"a"`, `[`, `{"a":}`, `null`, `7`} {
			if got, err := w.Record(configs.InboundEvent{Body: json.RawMessage(body)}); err == nil {
				t.Errorf("%s of %q: %s", record, body, got)
			}
		}
	}
}

func TestWatchdogExpects(t *testing.T) {
	w := mustLoad(t, watched("record = event.body\nexpects = change.op != \"deleted\" && change.origin != \"manual\"", ""), configs.Options{}).Jobs[0].Watchdog
	for _, c := range []struct {
		op     bridge.Op
		origin bridge.Origin
		want   bool
	}{{bridge.Created, bridge.Schedule, true}, {bridge.Deleted, bridge.Schedule, false}, {bridge.Updated, bridge.Manual, false}} {
		if got, err := w.Expects(bridge.Change{Op: c.op, Key: "1"}, c.origin); got != c.want || err != nil {
			t.Errorf("%s by %s: %t, %v", c.op, c.origin, got, err)
		}
	}
	w = mustLoad(t, watched("record = event.body", ""), configs.Options{}).Jobs[0].Watchdog
	if got, err := w.Expects(bridge.Change{Op: bridge.Deleted}, bridge.Schedule); !got || err != nil {
		t.Errorf("by default: %t, %v", got, err)
	}
}

func TestLookupURL(t *testing.T) {
	for _, c := range []struct{ url, body, want string }{
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{"id":7}`, "https://legacy.example.com/orders/7"},
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{"id":12345678901234567890}`, "https://legacy.example.com/orders/12345678901234567890"},
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{"id":"a/b?c#d%2e"}`, "https://legacy.example.com/orders/a%2Fb%3Fc%23d%252e"},
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{"id":"7/../../admin"}`, "error"},
		{`"https://legacy.example.com/orders?id=${event.body.id}&x=1"`, `{"id":"a&b=c"}`, "https://legacy.example.com/orders?id=a%26b%3Dc&x=1"},
		{`"https://legacy.example.com/orders/${urlencode(event.body.id)}"`, `{"id":"a b"}`, "https://legacy.example.com/orders/a+b"},
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{"id":"e\u0301"}`, "https://legacy.example.com/orders/e%CC%81"},
		{`"${event.body.self}"`, `{"self":"https://legacy.example.com/orders/7"}`, "https://legacy.example.com/orders/7"},
		{`event.body.self`, `{"self":"https://legacy.example.com/orders/7"}`, "https://legacy.example.com/orders/7"},
		{`"https://legacy.example.com/${event.headers["x-id"]}"`, `{}`, "https://legacy.example.com/h"},
		{`"https://legacy.example.com/orders/${event.body.id}?key=${env("SECRET")}"`, `{"id":7}`, "https://legacy.example.com/orders/7?key=" + secret},
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{"id":""}`, "error"},
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{"id":".."}`, "error"},
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{"id":null}`, "error"},
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{"id":{"a":1}}`, "error"},
		{`"https://legacy.example.com/orders/${event.body.id}"`, `{}`, "error"},
		{`event.body.self`, `{"self":"https://legacy.example.com/a/../b"}`, "error"},
		{`event.body.self`, `{"self":"https://legacy.example.com/a#b"}`, "error"},
		{`event.body.self`, `{"self":"/orders/7"}`, "error"},
		{`event.body.self`, `{"self":"https://elsewhere.example.com/orders/7"}`, "error"},
		{`event.body.self`, `{"self":"http://legacy.example.com/orders/7"}`, "error"},
		{`event.body.self`, `{"self":"file:///etc/passwd"}`, "error"},
		{`format("https://legacy.example.com/%s", event.body.id)`, `{"id":"\u0000"}`, "error"},
	} {
		src := watched(`on_event = "lookup"`, "lookup {\nurl = "+c.url+"\nrecord = \"data.order\"\n}")
		l := mustLoad(t, src, configs.Options{}).Jobs[0].Lookup
		if l.Record != "data.order" {
			t.Errorf("record = %q", l.Record)
		}
		got, err := l.URL(configs.InboundEvent{Header: http.Header{"X-Id": {"h"}}, Body: json.RawMessage(c.body)})
		if c.want == "error" {
			if err == nil || !strings.Contains(err.Error(), "bridge.hcl:") {
				t.Errorf("%s of %s: %s, %v", c.url, c.body, got, err)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s of %s:\n got %s, %v\nwant %s", c.url, c.body, got, err, c.want)
		}
	}
}

// FuzzWebhook: whatever a body is, what is cut from it is part of it, and what is evaluated says the same.
func FuzzWebhook(f *testing.F) {
	w := mustLoad(f, watched(`record = event.body.order`, ""), configs.Options{}).Jobs[0].Watchdog
	e := mustLoad(f, watched(`record = merge(event.body.order, {})`, ""), configs.Options{}).Jobs[0].Watchdog
	l := mustLoad(f, watched(`on_event = "lookup"`, "lookup {\nurl = \"https://legacy.example.com/orders/${event.body.id}\"\n}"), configs.Options{}).Jobs[0].Lookup
	for _, body := range []string{webhookBody, `{"id":"../x","order":{"a":1,"a":2}}`, `{"order":{"a":1},"order":{"a":2}}`, `{"order":{"a":[{}]},"order":7}`, `[`, `{"order":{"\ud800":1}}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		cut, err := w.Record(configs.InboundEvent{Body: body})
		if err == nil && (!bytes.Contains(body, cut) || cut[0] != '{') {
			t.Fatalf("%s is cut from %s", cut, body)
		}
		made, failed := e.Record(configs.InboundEvent{Body: body})
		if err == nil && failed == nil {
			var a, b any
			if json.Unmarshal(cut, &a) == nil && json.Unmarshal(made, &b) == nil && !cmp.Equal(a, b) {
				// Expressions put text into NFC, where one may find that two names are the same.
				if text, _ := json.Marshal(a); norm.NFC.IsNormal(text) {
					t.Fatalf("%s is cut, %s is made", cut, made)
				}
			}
		}
		if address, err := l.URL(configs.InboundEvent{Body: body}); err == nil {
			u, err := url.Parse(address)
			if err != nil || u.Host != "legacy.example.com" || !strings.HasPrefix(u.Path, "/orders/") || u.RawQuery != "" || strings.Count(u.EscapedPath(), "/") != 2 {
				t.Fatalf("%s leads to %s", body, address)
			}
		}
	})
}
