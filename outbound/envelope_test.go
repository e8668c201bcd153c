package outbound

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

var update = flag.Bool("update", false, "write the goldens of testdata/wire")

func sample() bridge.Event {
	return bridge.Event{
		ID: "evt_0199c0de-3f2a-7c11-8a5e-2b1f6d9c4e70", Job: "orders/eu", JobNumber: 7, Sequence: 42, Type: "orders.updated", Key: "1001",
		Op: bridge.Updated, Time: time.Date(2026, 11, 20, 13, 0, 0, 123_999_999, time.FixedZone("", 3600)), Origin: bridge.Schedule,
		Before:  json.RawMessage(`{"id": 1001, "price":10.50, "n":9007199254740993,"status":"<open> & \u00e4\/"}`),
		After:   json.RawMessage(`{"id": 1001, "price":10.5, "n":9007199254740993,"status":"<paid> & ä\/"}`),
		Changed: []string{"/status", "/lines/0/quantity"},
	}
}

func TestWire(t *testing.T) {
	fixed := bridge.NewSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	older := bridge.NewSecret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	delivery := func(change func(*bridge.Delivery)) bridge.Delivery {
		d := bridge.Delivery{ID: 1, Destination: 1, Event: sample(), Format: FormatStandard, FormatVersion: Version}
		if change != nil {
			change(&d)
		}
		return d
	}
	destination := Destination{Number: 1, Name: "shop", URL: "https://shop.example.com/hooks?tenant=7", Secrets: []bridge.Secret{fixed}}
	cases := []struct {
		name        string
		destination func(*Destination)
		delivery    bridge.Delivery
	}{
		{"updated", nil, delivery(nil)},
		{"created", nil, delivery(func(d *bridge.Delivery) {
			d.Event.Op, d.Event.Type, d.Event.Before, d.Event.Changed = bridge.Created, "orders.created", nil, nil
		})},
		{"deleted", nil, delivery(func(d *bridge.Delivery) {
			d.Event.Op, d.Event.Type, d.Event.After, d.Event.Changed = bridge.Deleted, "orders.deleted", nil, nil
		})},
		{"data", nil, delivery(func(d *bridge.Delivery) {
			d.Event.Data, d.Event.Key = json.RawMessage(`{"id":"1001","was":null}`), `["eu","ä 100%"]`
		})},
		{"bridge", nil, delivery(func(d *bridge.Delivery) {
			d.Event = bridge.Event{ID: "evt_0199c0de-3f2a-7c11-8a5e-2b1f6d9c4e71", Job: "bridge", Sequence: 3, Type: "bridge.delivery.dead",
				Key: "shop", Time: d.Event.Time, Data: json.RawMessage(`{"destination":"shop","count":1}`)}
		})},
		{"raw", nil, delivery(func(d *bridge.Delivery) { d.Format = FormatRaw })},
		{"raw-deleted", nil, delivery(func(d *bridge.Delivery) {
			d.Format, d.Event.Op, d.Event.Type, d.Event.After, d.Event.Changed = FormatRaw, bridge.Deleted, "orders.deleted", nil, nil
		})},
		{"replay", nil, delivery(func(d *bridge.Delivery) { d.Replay = true })},
		{"two-secrets", func(d *Destination) { d.Secrets = append(d.Secrets, older) }, delivery(nil)},
		{"unsigned", func(d *Destination) { d.Signature, d.Secrets = "none", nil }, delivery(nil)},
		{"cloudevents", nil, delivery(func(d *bridge.Delivery) { d.Format = FormatCloudEvents })},
		{"cloudevents-binary", nil, delivery(func(d *bridge.Delivery) { d.Format, d.Event.Key = FormatBinary, `["eu","ä 100%"]` })},
		{"github", func(d *Destination) { d.Signature = "github" }, delivery(func(d *bridge.Delivery) { d.Format = FormatGitHub })},
		{"stripe", func(d *Destination) { d.Signature, d.Secrets = "stripe", append(d.Secrets, older) }, delivery(func(d *bridge.Delivery) { d.Format = FormatStripe })},
		{"slack-signature", func(d *Destination) { d.Signature = "slack" }, delivery(nil)},
		{"hubspot-signature", func(d *Destination) { d.Signature = "hubspot" }, delivery(nil)},
		{"docusign-signature", func(d *Destination) { d.Signature, d.Secrets = "docusign", append(d.Secrets, older) }, delivery(nil)},
		{"basic", func(d *Destination) {
			d.Signature, d.Secrets = "basic", []bridge.Secret{bridge.NewSecret("bridge:open sesame")}
		}, delivery(nil)},
		{"own-headers", func(d *Destination) {
			d.Headers = []Header{{"x-team", bridge.NewSecret("erp")}, {"Host", bridge.NewSecret("inner.example.com")}}
		}, delivery(nil)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			destination := destination
			if c.destination != nil {
				c.destination(&destination)
			}
			p, err := New(nil, Options{}).plan(destination)
			if err != nil {
				t.Fatal(err)
			}
			request, err := p.request(&c.delivery, time.Unix(1795180000, 0), "hookbridge/1.0")
			if err != nil {
				t.Fatal(err)
			}
			body, err := request.BodyBytes()
			if err != nil {
				t.Fatal(err)
			}
			request.Body = http.NoBody
			if len(body) > 0 {
				request.Body = readCloser{bytes.NewReader(body)}
			}
			var wire bytes.Buffer
			if err := request.Write(&wire); err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(wire.String(), "\r\n", "\n") + "\n"
			if !json.Valid(body) {
				t.Errorf("the body is not JSON: %s", body)
			}
			golden := filepath.Join("..", "testdata", "wire", c.name+".http")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// TestBodyKeepsSourceBytes: whatever an event holds, the envelope is JSON, its text fields survive, and the source's
// own bytes stand in it untouched.
func TestBodyKeepsSourceBytes(t *testing.T) {
	values := []string{`{"n":9007199254740993}`, `10.50`, `"<&>\u2028"`, "{\"a\" : 1,\n \"a\":2}", `-0.0e+00`, `[]`, `null`}
	rapid.Check(t, func(t *rapid.T) {
		e := sample()
		e.Type, e.Key = rapid.String().Draw(t, "type"), rapid.String().Draw(t, "key")
		e.Before = json.RawMessage(rapid.SampledFrom(values).Draw(t, "before"))
		e.After = json.RawMessage(rapid.SampledFrom(values).Draw(t, "after"))
		e.Changed = rapid.SliceOf(rapid.String()).Draw(t, "changed")
		_, body, err := Body(&e, FormatStandard, Version)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Type, Timestamp string
			Data            struct {
				Job, Key, Origin string
				Sequence         int64
				Changed          []string
				Before, After    json.RawMessage
			}
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		want := got
		want.Type, want.Timestamp, want.Data.Job, want.Data.Key = e.Type, "2026-11-20T12:00:00.123Z", "orders/eu", e.Key
		want.Data.Origin, want.Data.Sequence, want.Data.Changed = "schedule", 42, e.Changed
		want.Data.Before, want.Data.After = e.Before, e.After
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

func TestBodySurvivesTextThatIsNotUTF8(t *testing.T) {
	e := sample()
	e.Key = "a\xffb"
	_, body, err := Body(&e, FormatStandard, Version)
	if err != nil || !json.Valid(body) || !bytes.Contains(body, []byte("a\uFFFDb")) {
		t.Errorf("got %s, %v", body, err)
	}
}

func TestBodyRefusesWhatItDoesNotKnow(t *testing.T) {
	e := sample()
	for _, c := range []struct {
		format  string
		version int
	}{{"xml", 1}, {"", 1}, {FormatStandard, 0}, {FormatStandard, 2}, {FormatRaw, 2}} {
		if _, body, err := Body(&e, c.format, c.version); err == nil {
			t.Errorf("%q version %d: got %s, want an error", c.format, c.version, body)
		}
	}
}

func TestRawWithoutRecord(t *testing.T) {
	for _, c := range []struct{ data, want string }{{`{"a":1}`, `{"a":1}`}, {"", "null"}} {
		e := bridge.Event{}
		if c.data != "" {
			e.Data = json.RawMessage(c.data)
		}
		if _, body, err := Body(&e, FormatRaw, Version); err != nil || string(body) != c.want {
			t.Errorf("got %s %v, want %s", body, err, c.want)
		}
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "1001": "1001", `a b"c%d`: "a%20b%22c%25d", "Euro €": "Euro%20%E2%82%AC", "line\r\nx: y": "line%0D%0Ax:%20y",
		"~!\x7f\x00": "~!%7F%00", `["eu","1"]`: `[%22eu%22,%221%22]`,
	} {
		if got := escape(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
