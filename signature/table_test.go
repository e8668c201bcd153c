package signature

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

const (
	shop        = "shop-secret"
	order       = `{"id":1}`
	curvePublic = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZKm8Gugc3xLEm9sV3+m5CRh7BknjUSIMoE9ouNWsYdCcCQ2DN2nQhkt2CzvOCK6gNHZql7q3V6P9AEAvI3hbwA=="
	curveSecret = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrQ2x1ykrVQHa8/6KgHhLiGKTKPEXuNFaJbcf9AdwvlmhRANCAARkqbwa6BzfEsSb2xXf6bkJGHsGSeNRIgygT2i41axh0JwJDYM3adCGS3YLO84IrqA0dmqXurdXo/0AQC8jeFvA"
	wrongCurve  = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSJ/AKG630/vZl1iRM4EzRnSCGn1ro/6JcqVv2Ry1e5GhRANCAATke32sYOkME/Q698u0Y8dymD8RubusbFinJ1Xsw5RNR2eHJqbtYEed4cf6EB5TMblOTvUDoppNB+W8jvcewxSw"
	otherCurve  = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE2H/BkqKmujMy9iAg6PCqu4eCenpZyejyqjv2rd/NjvfgGppGtG714RgaiQjWy4JFDsgZsXIPp0HW6cBuQm1Iryi+wcJaMqEBEEoycFqtMkAB67zsoQuy/urb4xlGaS8u" // P-384
	slackBody   = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)

func find(t testing.TB, name string) Dialect {
	t.Helper()
	d, ok := Find(name)
	if !ok {
		t.Fatalf("there is no dialect %s", name)
	}
	return d
}

func keysOf(t testing.TB, d Dialect, secrets ...string) []Key {
	t.Helper()
	hidden := make([]bridge.Secret, len(secrets))
	for i, s := range secrets {
		hidden[i] = bridge.NewSecret(s)
	}
	keys, err := d.Keys(hidden)
	if err != nil {
		t.Fatalf("%s: %v", d.Name(), err)
	}
	return keys
}

// request is what a receiver gets of a message that was sent with these headers.
func request(m Message, headers []Header) Request {
	r := Request{Method: m.Method, URL: m.URL, Header: http.Header{}, Body: m.Body}
	for _, h := range headers {
		r.Header.Add(h.Name, h.Value)
	}
	return r
}

// TestDialectVectors holds the table against signatures that somebody else made: the vendors where they publish one,
// Python's hmac and the openssl command for the others.
func TestDialectVectors(t *testing.T) {
	at := time.Unix(1614265330, 0)
	vectors := []struct {
		dialect, secret string
		message         Message
		want            []Header
		id              string // of the delivery, as verified
	}{
		{"standard", secretV1, Message{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", At: at, Body: []byte(`{"test": 2432232314}`)}, []Header{
			{"Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek"}, {"Webhook-Timestamp", "1614265330"},
			{"Webhook-Signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}, "msg_p5jXN8AQM9LWM0D4loKWxJek"},
		{"svix", secretV1, Message{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", At: at, Body: []byte(`{"test": 2432232314}`)}, []Header{
			{"Svix-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek"}, {"Svix-Timestamp", "1614265330"},
			{"Svix-Signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}, "msg_p5jXN8AQM9LWM0D4loKWxJek"},
		{"gitlab", privateV3, Message{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", At: at, Body: []byte(`{"test": 2432232314}`)}, []Header{
			{"Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek"}, {"Webhook-Timestamp", "1614265330"},
			{"Webhook-Signature", "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="}}, "msg_p5jXN8AQM9LWM0D4loKWxJek"},
		{"github", "It's a Secret to Everybody", Message{ID: "72d3162e", Body: []byte("Hello, World!")}, []Header{
			{"X-Github-Delivery", "72d3162e"},
			{"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}}, "72d3162e"},
		{"gitea", shop, Message{ID: "f6266f16", Body: []byte(order)}, []Header{
			{"X-Gitea-Delivery", "f6266f16"},
			{"X-Gitea-Signature", "a655bc546aaad270cc204843a9a34d5bdf5ab1d502cbb108a8b655710c2d019d"}}, "f6266f16"},
		{"forgejo", shop, Message{ID: "f6266f16", Body: []byte(order)}, []Header{
			{"X-Forgejo-Delivery", "f6266f16"},
			{"X-Forgejo-Signature", "a655bc546aaad270cc204843a9a34d5bdf5ab1d502cbb108a8b655710c2d019d"}}, "f6266f16"},
		{"gitlab-token", shop, Message{ID: "f6266f16", Body: []byte(order)}, []Header{
			{"Idempotency-Key", "f6266f16"}, {"X-Gitlab-Token", shop}}, "f6266f16"},
		{"stripe", shop, Message{At: at, Body: []byte(order)}, []Header{
			{"Stripe-Signature", "t=1614265330,v1=3b850a80f36a83cc5d3c9e4871e8775f659a15b6dfc68373dfde1aa0f2108747"}}, "1"},
		{"slack", "8f742231b10e8888abcd99yyyzzz85a5", Message{At: time.Unix(1531420618, 0), Body: []byte(slackBody)}, []Header{
			{"X-Slack-Request-Timestamp", "1531420618"},
			{"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"}}, ""},
		{"shopify", shop, Message{ID: "b54557e4", Body: []byte(order)}, []Header{
			{"X-Shopify-Event-Id", "b54557e4"},
			{"X-Shopify-Hmac-Sha256", "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0="}}, "b54557e4"},
		{"bitbucket", shop, Message{ID: "f6266f16", Body: []byte(order)}, []Header{
			{"X-Request-Uuid", "f6266f16"},
			{"X-Hub-Signature", "sha256=a655bc546aaad270cc204843a9a34d5bdf5ab1d502cbb108a8b655710c2d019d"}}, "f6266f16"},
		{"pagerduty", shop, Message{Body: []byte(order)}, []Header{
			{"X-Pagerduty-Signature", "v1=a655bc546aaad270cc204843a9a34d5bdf5ab1d502cbb108a8b655710c2d019d"}}, ""},
		{"paddle", shop, Message{At: at, Body: []byte(order)}, []Header{
			{"Paddle-Signature", "ts=1614265330;h1=caf1b25474e0f7e2c2eaed2f1a11ae7b576b324dea3514662a2d98ef3b5c6444"}}, ""},
		{"typeform", shop, Message{Body: []byte(order)}, []Header{
			{"Typeform-Signature", "sha256=plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0="}}, ""},
		{"docusign", shop, Message{Body: []byte(order)}, []Header{
			{"X-Docusign-Signature-1", "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0="}}, ""},
		{"intercom", shop, Message{Body: []byte(order)}, []Header{
			{"X-Hub-Signature", "sha1=23eb32731fe55ac6c45ae49464df448fbb87e7e3"}}, "1"},
		{"zendesk", shop, Message{ID: "01F1", At: time.Date(2021, 2, 25, 15, 2, 10, 0, time.UTC), Body: []byte(order)}, []Header{
			{"X-Zendesk-Webhook-Invocation-Id", "01F1"}, {"X-Zendesk-Webhook-Signature-Timestamp", "2021-02-25T15:02:10Z"},
			{"X-Zendesk-Webhook-Signature", "i75NZht6/Xo3VbVhmZlCuAyYp5WH46+ijZ66GuiPUns="}}, "01F1"},
		{"hubspot", shop, Message{At: at, Method: "POST", URL: "https://www.example.com/webhook_uri", Body: []byte(order)}, []Header{
			{"X-Hubspot-Request-Timestamp", "1614265330000"},
			{"X-Hubspot-Signature-V3", "G5bxECXMFGu9H84SYu29fH1Ea+Zml8MduTJIKphAhTA="}}, ""},
		{"hubspot", shop, Message{At: at, Method: "POST", URL: "https://www.example.com/in/crm?q=a%3Ab%2cc%20d", Body: []byte(order)}, []Header{
			{"X-Hubspot-Request-Timestamp", "1614265330000"},
			{"X-Hubspot-Signature-V3", "zMWpcvNqW2lC/PcKQauEy848Z5CZ3D03K6mv99TVPws="}}, ""},
		{"square", "signature-key", Message{URL: "https://webhook.site/webhooks", Body: []byte(`{"data":{"type":"webhooks","id":"fake_id"}}`)}, []Header{
			{"X-Square-Hmacsha256-Signature", "W3FlCNk5IA3ZQ2LHTWoajvzfaDu/OwY2tNHIHC3IUOA="}}, ""},
		{"adyen", "73686f702d736563726574", Message{Body: []byte(order)}, []Header{
			{"Hmacsignature", "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0="}}, ""},
		{"basic", "bridge:open sesame", Message{Body: []byte(order)}, []Header{{"Authorization", "Basic YnJpZGdlOm9wZW4gc2VzYW1l"}}, ""},
		{"bearer", shop, Message{Body: []byte(order)}, []Header{{"Authorization", "Bearer shop-secret"}}, ""},
		{"token", shop, Message{Body: []byte(order)}, []Header{{"X-Webhook-Token", shop}}, ""},
	}
	for _, v := range vectors {
		t.Run(v.dialect, func(t *testing.T) {
			d := find(t, v.dialect)
			keys := keysOf(t, d, v.secret)
			got, err := d.Sign(keys, v.message)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.want, got); diff != "" {
				t.Errorf("sign (-want +got):\n%s", diff)
			}
			verified, err := d.Verify(keys, request(v.message, v.want), v.message.At)
			if err != nil || verified.ID != v.id {
				t.Errorf("verify: got id %q and %v, want id %q", verified.ID, err, v.id)
			}
			if stamped := d.row.Time != (Timestamp{Format: Seconds}); stamped && !verified.At.Equal(v.message.At) {
				t.Errorf("got %s, want %s", verified.At, v.message.At)
			}
		})
	}
}

// TestSendGridVector: ECDSA signs differently each time, so that only verification has a vector (made by openssl).
func TestSendGridVector(t *testing.T) {
	d := find(t, "sendgrid")
	r := request(Message{Body: []byte(order)}, []Header{
		{"X-Twilio-Email-Event-Webhook-Timestamp", "1614265330"},
		{"X-Twilio-Email-Event-Webhook-Signature", "MEUCIQDcVD7PF74q1zC28zq0EXewOBZ9pUBS9Zm6UrSpl64eGQIgZZGU15vIThK7dhW38ngjLci9gDn/ZYGvBAgQCVUfFLI="},
	})
	for _, secret := range []string{curvePublic, curveSecret} {
		if _, err := d.Verify(keysOf(t, d, secret), r, time.Now()); err != nil {
			t.Error(err)
		}
	}
}

// TestLinearVector: its time stands in the body, so that the vector's body is refused for want of one, and only then.
func TestLinearVector(t *testing.T) {
	d := find(t, "linear")
	r := request(Message{Body: []byte(order)}, []Header{{"Linear-Signature", "a655bc546aaad270cc204843a9a34d5bdf5ab1d502cbb108a8b655710c2d019d"}})
	if _, err := d.Verify(keysOf(t, d, shop), r, time.Now()); cause(err) != Missing || !strings.Contains(err.Error(), "webhookTimestamp") {
		t.Errorf("got %v, want the time of the body missing", err)
	}
	if d.Signs() {
		t.Error("linear cannot sign: a signature never touches the body")
	}
	if _, err := d.Sign(keysOf(t, d, shop), Message{}); err == nil {
		t.Error("signed")
	}
}

func TestFind(t *testing.T) {
	for _, name := range Names() {
		if d, ok := Find(name); !ok || d.Name() != name || len(d.Headers()) == 0 {
			t.Errorf("got %q %v, want %q", d.Name(), ok, name)
		}
	}
	if _, ok := Find("Standard"); ok {
		t.Error("names are exact")
	}
	if _, ok := Find("hmac"); ok {
		t.Error("hmac has no row; its axes are given")
	}
	if d := find(t, "stripe"); d.NeedsURL() || !find(t, "square").NeedsURL() || !find(t, "hubspot").NeedsURL() {
		t.Error("square and hubspot sign the address, stripe does not")
	}
}

// TestTolerances: how far clocks may be apart is part of the table, and the other tests take it from there.
func TestTolerances(t *testing.T) {
	special := map[string]time.Duration{"linear": time.Minute}
	for _, name := range []string{"standard", "svix", "gitlab", "stripe", "slack", "paddle", "hubspot"} {
		special[name] = 5 * time.Minute
	}
	for _, name := range Names() {
		if got := find(t, name).row.Time.Tolerance; got != special[name] {
			t.Errorf("%s: got %s, want %s", name, got, special[name])
		}
	}
}

func TestCarries(t *testing.T) {
	for _, c := range []struct {
		dialect, header string
		want            bool
	}{
		{"docusign", "x-docusign-signature-7", true},
		{"docusign", "x-docusign-signature", false},
		{"bearer", "authorization", true},
		{"gitlab-token", "X-Gitlab-Token", true},
		{"standard", "webhook-id", false},
	} {
		if got := find(t, c.dialect).Carries(c.header); got != c.want {
			t.Errorf("%s, %s: got %v", c.dialect, c.header, got)
		}
	}
	if diff := cmp.Diff([]string{"Webhook-Signature", "Webhook-Timestamp", "Webhook-Id"}, Standard.Headers()); diff != "" {
		t.Error(diff)
	}
}

// TestShopifyIDs: one event of Shopify comes under several topics, and none of them is a repetition of another.
func TestShopifyIDs(t *testing.T) {
	d := find(t, "shopify")
	keys := keysOf(t, d, shop)
	m := Message{ID: "b54557e4", Body: []byte(order)}
	headers, err := d.Sign(keys, m)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, topic := range []string{"orders/updated", "orders/paid", "orders/paid"} {
		r := request(m, headers)
		r.Header.Set("X-Shopify-Topic", topic)
		v, err := d.Verify(keys, r, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		seen[v.ID] = true
	}
	if len(seen) != 2 {
		t.Errorf("got ids %v, want one for each topic", seen)
	}
}

func TestZeroDialect(t *testing.T) {
	var d Dialect
	if _, err := d.Verify(nil, Request{}, time.Now()); cause(err) != Misconfigured {
		t.Errorf("got %v", err)
	}
	if _, err := d.Keys([]bridge.Secret{bridge.NewSecret(shop)}); err == nil {
		t.Error("keys without a dialect")
	}
	if _, err := d.Sign(nil, Message{}); err == nil {
		t.Error("signed without a dialect")
	}
	if d.Name() != "" || d.Signs() || d.NeedsURL() || d.Carries("authorization") || d.Headers() != nil {
		t.Error("the zero dialect does something")
	}
}
