package signature

import (
	"bytes"
	"encoding/base64"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-github/v74/github"
	official "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripe "github.com/stripe/stripe-go/v82/webhook"
	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

// TestOfficialLibraryAgrees has the official Go library check ours and ours check it, on random messages.
func TestOfficialLibraryAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := SecretPrefix + base64.StdEncoding.EncodeToString(rapid.SliceOfN(rapid.Byte(), MinSecret, MaxSecret).Draw(t, "secret"))
		k, err := ParseSecret(bridge.NewSecret(secret))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := official.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		id := rapid.StringMatching(`[!-~]{1,40}`).Draw(t, "id")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		at := time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "at"), 0)

		ours := sign([]Key{k}, id, at, body)
		if err := theirs.VerifyIgnoringTimestamp(body, headers(id, at.Unix(), ours)); err != nil {
			t.Fatalf("theirs refuses ours: %v", err)
		}
		signed, err := theirs.Sign(id, at, body)
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify([]Key{k}, headers(id, at.Unix(), signed), body, at); err != nil {
			t.Fatalf("ours refuses theirs: %v", err)
		}
	})
}

// TestStripeLibraryAgrees does the same with Stripe's.
func TestStripeLibraryAgrees(t *testing.T) {
	d := find(t, "stripe")
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`whsec_[!-~]{1,40}`).Draw(t, "secret")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		at := time.Unix(rapid.Int64Range(0, 1<<35).Draw(t, "at"), 0)
		keys, err := d.Keys([]bridge.Secret{bridge.NewSecret("an old one"), bridge.NewSecret(secret)})
		if err != nil {
			t.Fatal(err)
		}

		ours, err := d.Sign(keys, Message{At: at, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		if err := stripe.ValidatePayloadIgnoringTolerance(body, ours[0].Value, secret); err != nil {
			t.Fatalf("theirs refuses ours: %v: %s", err, ours[0].Value)
		}
		theirs := stripe.GenerateTestSignedPayload(&stripe.UnsignedPayload{Payload: body, Secret: secret, Timestamp: at})
		r := request(Message{Body: body}, []Header{{"Stripe-Signature", theirs.Header}})
		if _, err := d.Verify(keys, r, at); err != nil {
			t.Fatalf("ours refuses theirs: %v: %s", err, theirs.Header)
		}
	})
}

// TestGitHubLibraryAgrees has go-github check ours. It cannot sign.
func TestGitHubLibraryAgrees(t *testing.T) {
	d := find(t, "github")
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[!-~]{1,60}`).Draw(t, "secret")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		keys, err := d.Keys([]bridge.Secret{bridge.NewSecret(secret)})
		if err != nil {
			t.Fatal(err)
		}
		ours, err := d.Sign(keys, Message{ID: "72d3162e", Body: body})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for _, h := range ours {
			r.Header.Set(h.Name, h.Value)
		}
		payload, err := github.ValidatePayload(r, []byte(secret))
		if err != nil || !bytes.Equal(payload, body) {
			t.Fatalf("theirs refuses ours: %v", err)
		}
		if got := github.DeliveryID(r); got != "72d3162e" {
			t.Fatalf("theirs reads the id %q", got)
		}
	})
}
