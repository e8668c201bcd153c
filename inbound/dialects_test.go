package inbound_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/inbound"
	"github.com/hookbridge/bridge/signature"
)

// sender is somebody who sends in a dialect.
type sender struct {
	receiver inbound.Receiver
	signs    signature.Dialect
	keys     []signature.Key
	strange  []signature.Key // of somebody else
	token    bool            // only says who sends, and nothing about what
	urls     bool
	times    bool // and is compared to our clock
}

const (
	curve      = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrQ2x1ykrVQHa8/6KgHhLiGKTKPEXuNFaJbcf9AdwvlmhRANCAARkqbwa6BzfEsSb2xXf6bkJGHsGSeNRIgygT2i41axh0JwJDYM3adCGS3YLO84IrqA0dmqXurdXo/0AQC8jeFvA"
	otherCurve = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSJ/AKG630/vZl1iRM4EzRnSCGn1ro/6JcqVv2Ry1e5GhRANCAATke32sYOkME/Q698u0Y8dymD8RubusbFinJ1Xsw5RNR2eHJqbtYEed4cf6EB5TMblOTvUDoppNB+W8jvcewxSw"
)

// senders are one for each dialect of the table, and a generic one.
func senders(t *testing.T) []sender {
	t.Helper()
	secrets := map[string][2]string{
		"standard": {secret, "whsec_plJ3nmyCDGBKInavdOK15jsl"}, "svix": {secret, "whsec_plJ3nmyCDGBKInavdOK15jsl"},
		"gitlab": {secret, "whsec_plJ3nmyCDGBKInavdOK15jsl"}, "adyen": {"73686f702d736563726574", "73686f702d736563726578"},
		"basic": {"me:shop-secret", "me:shop-secrex"}, "sendgrid": {curve, otherCurve},
	}
	var all []sender
	add := func(name string, receives, signs signature.Dialect) {
		pair, special := secrets[name]
		if !special {
			pair = [2]string{"shop-secret", "shop-secrex"}
		}
		s := sender{signs: signs}
		var err error
		if s.keys, err = receives.Keys([]bridge.Secret{bridge.NewSecret(pair[0])}); err != nil {
			t.Fatal(err)
		}
		if s.strange, err = receives.Keys([]bridge.Secret{bridge.NewSecret(pair[1])}); err != nil {
			t.Fatal(err)
		}
		s.receiver = inbound.Receiver{Name: "orders", Dialect: receives, Keys: s.keys, PublicURL: "https://bridge.example.com"}
		s.token = slices.Contains([]string{"gitlab-token", "basic", "bearer", "token"}, name)
		s.urls = receives.NeedsURL()
		s.times = slices.Contains([]string{"standard", "svix", "gitlab", "stripe", "slack", "paddle", "linear", "hubspot", "generic"}, name)
		all = append(all, s)
	}
	for _, name := range signature.Names() {
		d, _ := signature.Find(name)
		signs := d
		if name == "linear" { // whose time stands in the body, which is ours here
			var err error
			if signs, err = signature.NewHMAC(signature.HMAC{Header: "Linear-Signature"}); err != nil {
				t.Fatal(err)
			}
		}
		add(name, d, signs)
	}
	generic, err := signature.NewHMAC(signature.HMAC{
		Sign: "{method}{url}{id}{ts}{body}", Header: "X-Sig", Separator: ",", Prefix: "v=", Time: signature.Timestamp{Part: "t=", Tolerance: time.Minute},
		ID: signature.Identity{Header: "X-Id"},
	})
	if err != nil {
		t.Fatal(err)
	}
	add("generic", generic, generic)
	return all
}

// request is a good one, unless change is.
func (s sender) request(t *testing.T, base string, at time.Time, keys []signature.Key) *http.Request {
	t.Helper()
	body := fmt.Sprintf(`{"id":"1","event_id":"1","event":{"id":"1"},"webhookTimestamp":%d}`, at.UnixMilli())
	headers, err := s.signs.Sign(keys, signature.Message{ID: "1", At: at, Method: http.MethodPost,
		URL: "https://bridge.example.com/in/orders?shop=7", Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/in/orders?shop=7", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		request.Header.Add(h.Name, h.Value)
	}
	return request
}

// header is the name the signature travels under.
func (s sender) header(r *http.Request) string {
	for name := range r.Header {
		if s.receiver.Dialect.Carries(name) {
			return name
		}
	}
	return ""
}

func TestEveryDialectFromDoorToDoor(t *testing.T) {
	rows := 0
	for _, s := range senders(t) {
		t.Run(s.receiver.Dialect.Name(), func(t *testing.T) {
			var d desk
			_, web := serve(t, &d, inbound.Options{}, s.receiver)
			if status, text, _ := send(t, s.request(t, web.URL, time.Now(), s.keys)); status != http.StatusOK || d.count() != 1 {
				t.Fatalf("a good request is answered %d %q", status, text)
			}
			if d.taken[0].Header.Get("Authorization") != "" || d.taken[0].Header.Get(s.header(s.request(t, web.URL, time.Now(), s.keys))) != "" {
				t.Errorf("what authenticates was kept: %v", d.taken[0].Header)
			}
			spoil := func(change func(value string) string) func(*http.Request) {
				return func(r *http.Request) { r.Header.Set(s.header(r), change(r.Header.Get(s.header(r)))) }
			}
			for name, tc := range map[string]struct {
				does   bool
				at     time.Duration
				keys   []signature.Key
				change func(*http.Request)
			}{
				"nothing":           {true, 0, s.keys, func(r *http.Request) { r.Header = http.Header{} }},
				"no signature":      {true, 0, s.keys, func(r *http.Request) { r.Header.Del(s.header(r)) }},
				"an empty one":      {true, 0, s.keys, spoil(func(string) string { return "" })},
				"a truncated one":   {true, 0, s.keys, spoil(func(v string) string { return v[:len(v)-1] })},
				"half of one":       {true, 0, s.keys, spoil(func(v string) string { return v[:len(v)/2] })},
				"a longer one":      {true, 0, s.keys, spoil(func(v string) string { return v + "0" })},
				"a huge one":        {true, 0, s.keys, spoil(func(v string) string { return strings.Repeat(v, 1+(9<<10)/len(v)) })},
				"somebody else's":   {true, 0, s.strange, func(*http.Request) {}},
				"another body":      {!s.token, 0, s.keys, func(r *http.Request) { fill(r, strings.Replace(body(t, r), `"1"`, `"2"`, 1)) }},
				"no body":           {!s.token, 0, s.keys, func(r *http.Request) { fill(r, "") }},
				"another address":   {s.urls, 0, s.keys, func(r *http.Request) { r.URL.RawQuery = "shop=8" }},
				"an hour too late":  {s.times, -time.Hour, s.keys, func(*http.Request) {}},
				"an hour too early": {s.times && s.receiver.Dialect.Name() != "hubspot", time.Hour, s.keys, func(*http.Request) {}},
			} {
				if !tc.does {
					continue
				}
				rows++
				r := s.request(t, web.URL, time.Now().Add(tc.at), tc.keys)
				tc.change(r)
				if status, text, _ := send(t, r); status != http.StatusUnauthorized || d.count() != 1 {
					t.Errorf("%s is answered %d %q", name, status, text)
				}
			}
			// The Host is the caller's to choose, so it must not matter.
			r := s.request(t, web.URL, time.Now(), s.keys)
			r.Host = "elsewhere.example.com"
			if status, text, _ := send(t, r); status != http.StatusOK {
				t.Errorf("with another Host: %d %q", status, text)
			}
		})
	}
	if rows < 240 {
		t.Errorf("only %d refusals were tried", rows)
	}
}

func body(t *testing.T, r *http.Request) string {
	t.Helper()
	copied, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	buffer := make([]byte, 4<<10)
	for {
		n, err := copied.Read(buffer)
		text.Write(buffer[:n])
		if err != nil {
			return text.String()
		}
	}
}

func TestAReceiverCanBeOpen(t *testing.T) {
	var d desk
	_, web := serve(t, &d, inbound.Options{}, inbound.Receiver{Name: "orders", Open: true})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, web.URL+"/in/orders", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if status, text, _ := send(t, request); status != http.StatusOK || d.taken[0].DeliveryID != "" || !d.taken[0].Until.IsZero() {
		t.Errorf("answer %d %q, kept %+v", status, text, d.taken)
	}
}

func TestSetNamesEveryMistakeAndChangesNothing(t *testing.T) {
	square, keys := dialect(t, "square", "key")
	s, web := serve(t, &desk{}, inbound.Options{}, orders(t))
	good := orders(t)
	err := s.Set([]inbound.Receiver{
		{Name: "a/b", Open: true},
		{Name: "unverified"},
		{Name: "keyless", Dialect: square, PublicURL: "https://bridge.example.com"},
		{Name: "homeless", Dialect: square, Keys: keys},
		{Name: "both", Dialect: square, Keys: keys, PublicURL: "https://bridge.example.com", Open: true},
		{Name: "odd", Open: true, PublicURL: "bridge.example.com", Decode: "yaml", Rate: -1, Dedup: -1, MaxBody: 1 << 40},
		good, good,
	}, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`"a/b" cannot be the name of a receiver`, `receiver "unverified": nothing says how its webhooks are verified`,
		`receiver "keyless": there is no secret`, `receiver "homeless": dialect "square" signs the address`,
		`receiver "both": it verifies nothing`, `public_url is not an address`, `decode "yaml" is not known`, `rate must be positive`,
		`dedup -1ns is negative`, `max_body is`, `receiver orders is there twice`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from %v", want, err)
		}
	}
	if status, _, _ := send(t, signed(t, web.URL, good, "msg_1", `{}`)); status != http.StatusOK {
		t.Errorf("the receiver from before is answered %d", status)
	}
	if err := s.Set(nil, nil); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := send(t, signed(t, web.URL, good, "msg_1", `{}`)); status != http.StatusNotFound {
		t.Errorf("a receiver that was removed answers %d", status)
	}
}
