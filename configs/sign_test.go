package configs_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/outbound"
	"github.com/hookbridge/bridge/signature"
)

// TestFormatsAndSignaturesAreThoseThatSend: the language takes the formats that there are, and the dialects that sign.
func TestFormatsAndSignaturesAreThoseThatSend(t *testing.T) {
	sorted := func(words []string) []string { return slices.Sorted(slices.Values(words)) }
	if diff := cmp.Diff(sorted(outbound.Formats()), sorted(configs.Formats)); diff != "" {
		t.Errorf("formats (-outbound +configs):\n%s", diff)
	}
	for _, name := range configs.Dialects {
		d, _ := signature.Find(name)
		_, err := load(t, signing(name, ""), configs.Options{})
		if (err == nil) != d.Signs() {
			t.Errorf("%s: signs: %v, and loads with: %v", name, d.Signs(), err)
		}
	}
}

// TestEveryDialectIsDocumented: the table of the documentation has a row for each.
func TestEveryDialectIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/signatures.md")
	if err != nil {
		t.Fatal(err)
	}
	formats, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(signature.Names(), "hmac") {
		if !strings.Contains(string(page), "\n| `"+name+"` | ") {
			t.Errorf("docs/signatures.md has no row for %s", name)
		}
		if d, ok := signature.Find(name); ok && !strings.Contains(string(page), strings.ToLower(strings.TrimSuffix(d.Headers()[0], "*"))) {
			t.Errorf("docs/signatures.md does not name the header of %s", name)
		}
	}
	for _, name := range outbound.Formats() {
		if !strings.Contains(string(formats), "\n| `"+name+"` | ") {
			t.Errorf("docs/events.md has no row for %s", name)
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
