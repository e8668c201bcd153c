package configs_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/outbound"
	"github.com/hookbridge/bridge/signature"
)

// TestWordsAreThoseOfTheRooms: the language knows the dialects and formats that there are, and no others.
func TestWordsAreThoseOfTheRooms(t *testing.T) {
	sorted := func(words []string) []string { return slices.Sorted(slices.Values(words)) }
	if diff := cmp.Diff(sorted(signature.Names()), sorted(configs.Dialects)); diff != "" {
		t.Errorf("dialects (-signature +configs):\n%s", diff)
	}
	if diff := cmp.Diff(sorted(outbound.Formats()), sorted(configs.Formats)); diff != "" {
		t.Errorf("formats (-outbound +configs):\n%s", diff)
	}
	for _, name := range configs.Dialects {
		d, _ := signature.Find(name)
		if got := (configs.Verify{Dialect: name}).SignsURL(); got != d.NeedsURL() {
			t.Errorf("%s: signs the address: got %v", name, got)
		}
		_, err := load(t, signing(name, ""), configs.Options{Environ: environ("SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")})
		if (err == nil) != d.Signs() {
			t.Errorf("%s: signs: %v, and loads with: %s", name, d.Signs(), rendered(err))
		}
	}
}

func signing(name, more string) string {
	return `destination "d" {
  url       = "https://example.com/hooks"
  secrets   = [env("SECRET")]
  signature = "` + name + `"
` + more + `}
`
}

func TestHMACOfADestination(t *testing.T) {
	c := mustLoad(t, signing("hmac", `
  format = "cloudevents-binary"
  hmac {
    algorithm  = "sha512"
    key        = "hex"
    key_prefix = "key_"
    sign       = "{ts}.{body}"
    header     = "X-Signature"
    prefix     = "v1="
    separator  = ","
    encoding   = "base64"
    time {
      part   = "t="
      format = "ms"
    }
    id {
      header = "X-Id"
    }
  }
`), configs.Options{Environ: environ("SECRET=key_73686f70")})
	d := c.Destinations[0]
	want := &configs.HMAC{
		Algorithm: "sha512", Key: "hex", KeyPrefix: "key_", Sign: "{ts}.{body}", Header: "X-Signature", Prefix: "v1=", Separator: ",", Encoding: "base64",
		Time: configs.HMACTime{Part: "t=", Format: "ms", Tolerance: 5 * time.Minute}, ID: configs.HMACID{Header: "X-Id"},
	}
	if diff := cmp.Diff(want, d.HMAC); diff != "" || d.Signature != "hmac" || d.Format != "cloudevents-binary" {
		t.Errorf("got %s, %s (-want +got):\n%s", d.Signature, d.Format, diff)
	}
}

// TestSignRule: what the part that signs refuses is found while the file is loaded, with the line of the destination.
func TestSignRule(t *testing.T) {
	var asked []string
	rules := configs.Rules{Sign: func(d *configs.Destination) error {
		asked = append(asked, d.Signature)
		if d.Signature == "adyen" {
			return errors.New("secret 1: the secret is not hex")
		}
		return nil
	}}
	options := configs.Options{Environ: environ("SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Rules: rules}
	_, err := load(t, signing("adyen", ""), options)
	if text := rendered(err); !strings.Contains(text, "secret 1: the secret is not hex.") || !strings.Contains(text, "line 1") {
		t.Errorf("got %s", text)
	}
	mustLoad(t, signing("stripe", ""), options)
	mustLoad(t, strings.ReplaceAll(signing("none", ""), "secrets ", "# "), options)
	if diff := cmp.Diff([]string{"adyen", "stripe"}, asked); diff != "" {
		t.Errorf("asked about (-want +got):\n%s", diff)
	}
}
