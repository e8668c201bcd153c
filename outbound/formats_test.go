package outbound

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-github/v74/github"
	"github.com/stripe/stripe-go/v82/webhook"
	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/signature"
)

// sent delivers over HTTP and returns what the receiver got.
func sent(t *testing.T, destination Destination, change func(*bridge.Delivery)) (*http.Request, []byte) {
	t.Helper()
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	destination.URL = server.URL + "/hooks?tenant=7"
	destination.Allow = networks("127.0.0.0/8", "::1/128")
	l := newSender(t, destination, nil).try(t.Context(), change)
	server.Close()
	if l.verdict != bridge.Delivered {
		t.Fatalf("got %v: %s", l.verdict, l.attempt.Error)
	}
	got.URL, _ = url.Parse(destination.URL)
	got.Body = io.NopCloser(bytes.NewReader(body))
	return got, body
}

// TestEveryDialectSigns: what a destination sends in a dialect is accepted by whoever verifies that dialect, with the
// address as the receiver knows it; a second secret of ours changes nothing.
func TestEveryDialectSigns(t *testing.T) {
	secrets := map[string][]string{
		"standard": nil, "svix": nil, "gitlab": nil,
		"basic": {"me:open sesame"}, "bearer": {"open-sesame"}, "token": {"open-sesame"}, "gitlab-token": {"open-sesame"},
		"adyen":    {"73686f702d736563726574"},
		"sendgrid": {"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrQ2x1ykrVQHa8/6KgHhLiGKTKPEXuNFaJbcf9AdwvlmhRANCAARkqbwa6BzfEsSb2xXf6bkJGHsGSeNRIgygT2i41axh0JwJDYM3adCGS3YLO84IrqA0dmqXurdXo/0AQC8jeFvA"},
		"hmac":     {"open sesame", "another"},
	}
	axes := signature.HMAC{Sign: "{id}/{ts}/{url}/{body}", Header: "X-Sig", Separator: ",", Time: signature.Timestamp{Header: "X-Time"}, ID: signature.Identity{Header: "X-Id"}}
	for _, name := range append(signature.Names(), "hmac") {
		t.Run(name, func(t *testing.T) {
			destination := Destination{Number: 1, Name: "shop", Signature: name}
			dialect, _ := signature.Find(name)
			if name == "hmac" {
				destination.HMAC = axes
				var err error
				if dialect, err = signature.NewHMAC(axes); err != nil {
					t.Fatal(err)
				}
			}
			texts, special := secrets[name]
			switch {
			case special && texts == nil:
				destination.Secrets = []bridge.Secret{signature.NewSecret(), signature.NewSecret()}
			case !special:
				texts = []string{"open sesame"}
			}
			for _, text := range texts {
				destination.Secrets = append(destination.Secrets, bridge.NewSecret(text))
			}
			if !dialect.Signs() {
				destination.URL = "https://shop.example.com/"
				if _, err := New(nil, Options{}).plan(destination); err == nil || !strings.Contains(err.Error(), "cannot sign") {
					t.Errorf("got %v, want a refusal", err)
				}
				return
			}
			r, body := sent(t, destination, nil)
			keys, err := dialect.Keys(destination.Secrets)
			if err != nil {
				t.Fatal(err)
			}
			request := signature.Request{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: body}
			if _, err := dialect.Verify(keys, request, time.Now()); err != nil {
				t.Errorf("%v: %v", err, r.Header)
			}
			if r.Header.Get("Webhook-Id") != sample().ID || r.Header.Get("Webhook-Timestamp") == "" {
				t.Errorf("the event's own headers are gone: %v", r.Header)
			}
		})
	}
}

func TestGitHubLibraryReadsGitHub(t *testing.T) {
	destination := Destination{Number: 1, Name: "shop", Signature: "github", Secrets: []bridge.Secret{bridge.NewSecret("It's a Secret to Everybody")}}
	r, _ := sent(t, destination, func(d *bridge.Delivery) { d.Format = FormatGitHub })
	payload, err := github.ValidatePayload(r, []byte("It's a Secret to Everybody"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := github.ParseWebHook(github.WebHookType(r), payload)
	if err != nil {
		t.Fatal(err)
	}
	dispatch, ok := parsed.(*github.RepositoryDispatchEvent)
	if !ok || dispatch.GetAction() != "orders.updated" || github.DeliveryID(r) != sample().ID {
		t.Fatalf("got %T %v, delivery %q", parsed, parsed, github.DeliveryID(r))
	}
	var data struct {
		Key   string
		After json.RawMessage
	}
	if err := json.Unmarshal(dispatch.ClientPayload, &data); err != nil || data.Key != "1001" || string(data.After) != string(sample().After) {
		t.Errorf("got %s, %v", dispatch.ClientPayload, err)
	}
}

func TestStripeLibraryReadsStripe(t *testing.T) {
	current, old := signature.NewSecret(), signature.NewSecret()
	destination := Destination{Number: 1, Name: "shop", Signature: "stripe", Secrets: []bridge.Secret{current, old}}
	for _, secret := range destination.Secrets {
		r, body := sent(t, destination, func(d *bridge.Delivery) { d.Format = FormatStripe })
		event, err := webhook.ConstructEventWithOptions(body, r.Header.Get("Stripe-Signature"), secret.Reveal(), webhook.ConstructEventOptions{
			IgnoreAPIVersionMismatch: true, // an API version is Stripe's, and we have none
		})
		if err != nil {
			t.Fatal(err)
		}
		if event.ID != sample().ID || event.Type != "orders.updated" || event.Created != sample().Time.Unix() || string(event.Data.Raw) != string(sample().After) {
			t.Errorf("got %+v", event)
		}
		if diff := cmp.Diff(map[string]any{"status": "<open> & ä/"}, event.Data.PreviousAttributes); diff != "" {
			t.Errorf("previous attributes (-want +got):\n%s", diff)
		}
	}
}

// TestStripeObject: whatever a record is, Stripe's library finds an object.
func TestStripeObject(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*bridge.Event)
		object string
		before string // previous attributes; empty: none
	}{
		{"created", func(e *bridge.Event) { e.Op, e.Before, e.Changed = bridge.Created, nil, nil }, string(sample().After), ""},
		{"deleted", func(e *bridge.Event) { e.Op, e.After, e.Changed = bridge.Deleted, nil, nil }, string(sample().Before), ""},
		{"data", func(e *bridge.Event) { e.Data = json.RawMessage(`{"a":1}`) }, `{"a":1}`, ""},
		{"an array", func(e *bridge.Event) {
			e.Before, e.After, e.Changed = json.RawMessage(`[1]`), json.RawMessage(`[2]`), []string{"/0"}
		}, `{"value":[2]}`, ""},
		{"no record", func(e *bridge.Event) { *e = bridge.Event{ID: "evt_1", Type: "bridge.job.failing"} }, `{"value":null}`, ""},
		{"odd names", func(e *bridge.Event) {
			e.Before = json.RawMessage(`{"a/b~":1.50,"ü\"":[ 1 ],"same":0,"":2}`)
			e.Changed = []string{"/a~1b~0/x", "/a~1b~0/y", "/ü\"", "/", "/new"}
		}, string(sample().After), `{"a/b~":1.50,"ü\"":[ 1 ],"":2}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := sample()
			c.change(&e)
			_, body, err := Body(&e, FormatStripe, Version)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Data struct {
					Object   json.RawMessage `json:"object"`
					Previous json.RawMessage `json:"previous_attributes"`
				} `json:"data"`
			}
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if string(got.Data.Object) != c.object || string(got.Data.Previous) != c.before {
				t.Errorf("got %s and %s, want %s and %s", got.Data.Object, got.Data.Previous, c.object, c.before)
			}
		})
	}
}

// cloudEventName is what CloudEvents 1.0 allows as the name of an attribute.
var cloudEventName = regexp.MustCompile(`^[a-z0-9]{1,20}$`)

func checkCloudEvent(t *testing.T, attributes map[string]string, e bridge.Event) {
	t.Helper()
	want := map[string]string{
		"specversion": "1.0", "id": e.ID, "source": "/hookbridge/orders/eu%20%C3%A4", "type": e.Type, "subject": e.Key,
		"time": "2026-11-20T12:00:00.123Z", "sequence": "0000000000000000042", "origin": "schedule",
	}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	for name := range attributes {
		if !cloudEventName.MatchString(name) {
			t.Errorf("attribute %q has a name that CloudEvents forbids", name)
		}
	}
	if source, err := url.Parse(attributes["source"]); err != nil || source.Path != "/hookbridge/"+e.Job {
		t.Errorf("the source is no URI reference of the job: %s", attributes["source"])
	}
}

func odd(d *bridge.Delivery) {
	d.Event.Job, d.Event.Key = "orders/eu ä", `["eu","ä 100%"]`
}

// TestCloudEventsStructured reads a structured event by hand, by the specification's JSON format.
func TestCloudEventsStructured(t *testing.T) {
	destination := Destination{Number: 1, Name: "shop", Secrets: []bridge.Secret{signature.NewSecret()}}
	var e bridge.Event
	r, body := sent(t, destination, func(d *bridge.Delivery) { d.Format = FormatCloudEvents; odd(d); e = d.Event })
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/cloudevents+json" || parameters["charset"] != "utf-8" && parameters["charset"] != "UTF-8" {
		t.Errorf("got content type %q", r.Header.Get("Content-Type"))
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Ce-") {
			t.Errorf("header %s belongs to the binary form", name)
		}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	attributes := map[string]string{}
	for name, raw := range members {
		var text string
		if name == "data" || name == "datacontenttype" {
			continue
		}
		if err := json.Unmarshal(raw, &text); err != nil {
			t.Errorf("%s is not text: %s", name, raw)
		}
		attributes[name] = text
	}
	checkCloudEvent(t, attributes, e)
	var data struct{ After json.RawMessage }
	if err := json.Unmarshal(members["data"], &data); err != nil || string(data.After) != string(e.After) {
		t.Errorf("got data %s", members["data"])
	}
	if string(members["datacontenttype"]) != `"application/json"` {
		t.Errorf("got datacontenttype %s", members["datacontenttype"])
	}
}

// TestCloudEventsBinary reads a binary event by hand, by the specification's HTTP binding.
func TestCloudEventsBinary(t *testing.T) {
	destination := Destination{Number: 1, Name: "shop", Secrets: []bridge.Secret{signature.NewSecret()}}
	var e bridge.Event
	r, body := sent(t, destination, func(d *bridge.Delivery) {
		d.Format = FormatBinary
		odd(d)
		d.Event.Data = json.RawMessage(`{"id":"1001"}`)
		e = d.Event
	})
	attributes := map[string]string{}
	for name, values := range r.Header {
		attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok {
			continue
		}
		if strings.ContainsFunc(values[0], func(c rune) bool { return c <= ' ' || c > '~' || c == '"' }) {
			t.Errorf("%s: %q is not percent-encoded", name, values[0])
		}
		value, err := url.PathUnescape(values[0]) // the one decoding of percent-encoding there is
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		attributes[attribute] = value
	}
	if _, ok := attributes["datacontenttype"]; ok {
		t.Error("the content type is the header's, and stands nowhere else")
	}
	// escaped once as a URI reference, and once as a header
	if attributes["source"] != "/hookbridge/orders/eu%20%C3%A4" {
		t.Errorf("got source %q", attributes["source"])
	}
	checkCloudEvent(t, attributes, e)
	if r.Header.Get("Content-Type") != "application/json" || string(body) != `{"id":"1001"}` || r.Header.Get("Hookbridge-Job") != "orders/eu%20%C3%A4" {
		t.Errorf("got %s and %s", r.Header.Get("Content-Type"), body)
	}
}

// TestFormatsAreJSON: whatever an event holds, every format's body is JSON, twice the same, and holds the record's bytes.
func TestFormatsAreJSON(t *testing.T) {
	values := []string{`{"n":9007199254740993}`, `10.50`, `"<&>\u2028"`, "{\"a\" : 1,\n \"a\":2}", `-0.0e+00`, `[]`, `null`, ` {"a":{"b":[1]}} `}
	rapid.Check(t, func(t *rapid.T) {
		e := sample()
		e.Type, e.Key, e.Job = rapid.String().Draw(t, "type"), rapid.String().Draw(t, "key"), rapid.String().Draw(t, "job")
		e.Before = json.RawMessage(rapid.SampledFrom(values).Draw(t, "before"))
		e.After = json.RawMessage(rapid.SampledFrom(values).Draw(t, "after"))
		e.Changed = rapid.SliceOf(rapid.SampledFrom([]string{"", "/", "/a", "/a/b", "/n", "/a~1", "no pointer"})).Draw(t, "changed")
		for _, format := range Formats() {
			_, body, err := Body(&e, format, Version)
			if err != nil || !json.Valid(body) || !bytes.Contains(body, e.After) {
				t.Fatalf("%s: %v: %s", format, err, body)
			}
			if _, again, _ := Body(&e, format, Version); !bytes.Equal(body, again) {
				t.Fatalf("%s: first %s, then %s", format, body, again)
			}
		}
	})
}

func TestDestinationRefusesWhatCannotSign(t *testing.T) {
	whsec := signature.NewSecret()
	_, public, err := signature.NewPair()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*Destination)
		want   string
	}{
		{"a dialect nobody knows", func(d *Destination) { d.Signature = "githup" }, `signature "githup" is not known; use one of standard, svix`},
		{"hmac without a header", func(d *Destination) { d.Signature = "hmac" }, "header is required"},
		{"another form of secret", func(d *Destination) { d.Signature, d.Secrets = "adyen", []bridge.Secret{whsec} }, "not hex"},
		{"a public key", func(d *Destination) { d.Secrets = []bridge.Secret{bridge.NewSecret(public)} }, "no secret to sign with"},
		{"a short secret", func(d *Destination) { d.Secrets = []bridge.Secret{bridge.NewSecret("whsec_c2hvcnQ=")} }, "this one has 5"},
		{"no secret", func(d *Destination) { d.Signature, d.Secrets = "github", nil }, "no secret to sign with"},
		{"a header of the dialect", func(d *Destination) {
			d.Signature, d.Secrets = "bearer", []bridge.Secret{bridge.NewSecret("x")}
			d.Headers = []Header{{"authorization", bridge.NewSecret("Bearer y")}}
		}, "bridge's own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Destination{Number: 1, Name: "shop", URL: "https://shop.example.com/", Secrets: []bridge.Secret{whsec}}
			c.change(&d)
			if _, err := New(nil, Options{}).plan(d); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestSignaturesAreNotShown: what is shown of a request in any dialect holds neither secret nor signature.
func TestSignaturesAreNotShown(t *testing.T) {
	for name, secret := range map[string]string{"basic": "me:open sesame", "bearer": "open-sesame", "stripe": "open sesame", "slack": "open sesame", "docusign": "open sesame"} {
		p, err := New(nil, Options{}).plan(Destination{Number: 1, Name: "shop", URL: "https://shop.example.com/", Signature: name, Secrets: []bridge.Secret{bridge.NewSecret(secret)}})
		if err != nil {
			t.Fatal(err)
		}
		shown, err := p.show(&bridge.Delivery{Event: sample(), Format: FormatStandard, FormatVersion: Version}, "hookbridge/test")
		if err != nil {
			t.Fatal(err)
		}
		dialect, _ := signature.Find(name)
		hides := 0
		for _, h := range shown.Headers {
			if strings.Contains(h[1], secret) || strings.Contains(h[1], base64.StdEncoding.EncodeToString([]byte(secret))) {
				t.Errorf("%s: shows %v", name, h)
			}
			if dialect.Carries(h[0]) && h[1] == hidden {
				hides++
			}
		}
		if hides != 1 || name == "slack" && !slices.Contains(shown.Headers, [2]string{"x-slack-request-timestamp", "(time of the attempt)"}) {
			t.Errorf("%s: got %v", name, shown.Headers)
		}
		if answer := p.scrub("you sent " + secret + " or " + base64.StdEncoding.EncodeToString([]byte(secret))); name == "basic" && strings.Contains(answer, "open") || strings.Contains(answer, secret) {
			t.Errorf("%s: kept %q", name, answer)
		}
	}
}
