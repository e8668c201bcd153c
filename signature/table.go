package signature

import (
	"net/url"
	"strings"
	"time"
)

// dialects is the table, ready to be used.
var dialects = compileAll(table)

// table is what the senders of the world sign and how. An id is taken from where the sender repeats it on a redelivery.
var table = []row{
	{name: "standard", secret: standardKey, HMAC: webhook("webhook-")}, // Standard Webhooks 1.0
	{name: "svix", secret: standardKey, HMAC: webhook("svix-")},
	{name: "github", HMAC: HMAC{
		Header: "X-Hub-Signature-256", Prefix: "sha256=",
		ID: Identity{Header: "X-GitHub-Delivery"},
	}},
	{name: "gitea", HMAC: HMAC{
		Header: "X-Gitea-Signature",
		ID:     Identity{Header: "X-Gitea-Delivery"},
	}},
	{name: "forgejo", HMAC: HMAC{
		Header: "X-Forgejo-Signature",
		ID:     Identity{Header: "X-Forgejo-Delivery"},
	}},
	{name: "gitlab", secret: standardKey, HMAC: webhook("webhook-"), note: "of GitLab this is the signing token; for the older secret token use gitlab-token"},
	{name: "gitlab-token", check: checkToken, HMAC: HMAC{
		Algorithm: Token, Header: "X-Gitlab-Token", Encoding: Text,
		ID: Identity{Header: "Idempotency-Key"},
	}},
	{name: "stripe", HMAC: HMAC{ // the key is the text whsec_… itself
		Sign: "{ts}.{body}", Header: "Stripe-Signature", Prefix: "v1=", Separator: ",",
		Time: Timestamp{Part: "t=", Tolerance: DefaultTolerance},
		ID:   Identity{Path: "id"},
	}},
	{name: "slack", HMAC: HMAC{
		Sign: "v0:{ts}:{body}", Header: "X-Slack-Signature", Prefix: "v0=",
		Time: Timestamp{Header: "X-Slack-Request-Timestamp", Tolerance: DefaultTolerance},
		ID:   Identity{Path: "event_id"},
	}},
	{name: "shopify", scope: "X-Shopify-Topic", HMAC: HMAC{
		Header: "X-Shopify-Hmac-SHA256", Encoding: Base64,
		ID: Identity{Header: "X-Shopify-Event-Id"},
	}},
	{name: "bitbucket", HMAC: HMAC{
		Header: "X-Hub-Signature", Prefix: "sha256=",
		ID: Identity{Header: "X-Request-UUID"},
	}},
	{name: "pagerduty", HMAC: HMAC{
		Header: "X-PagerDuty-Signature", Prefix: "v1=", Separator: ",",
		ID: Identity{Path: "event.id"},
	}},
	{name: "paddle", HMAC: HMAC{
		Sign: "{ts}:{body}", Header: "Paddle-Signature", Prefix: "h1=", Separator: ";",
		Time: Timestamp{Part: "ts=", Tolerance: DefaultTolerance},
		ID:   Identity{Path: "event_id"},
	}},
	{name: "linear", HMAC: HMAC{
		Header: "Linear-Signature",
		Time:   Timestamp{Path: "webhookTimestamp", Format: Milliseconds, Tolerance: time.Minute},
		ID:     Identity{Header: "Linear-Delivery"},
	}},
	{name: "typeform", HMAC: HMAC{
		Header: "Typeform-Signature", Prefix: "sha256=", Encoding: Base64,
		ID: Identity{Path: "event_id"},
	}},
	{name: "docusign", HMAC: HMAC{Header: "X-DocuSign-Signature-*", Encoding: Base64}}, // -1, -2 … one for each key
	{name: "intercom", HMAC: HMAC{
		Algorithm: SHA1, Header: "X-Hub-Signature", Prefix: "sha1=",
		ID: Identity{Path: "id"},
	}},
	{name: "zendesk", HMAC: HMAC{
		Sign: "{ts}{body}", Header: "X-Zendesk-Webhook-Signature", Encoding: Base64,
		Time: Timestamp{Header: "X-Zendesk-Webhook-Signature-Timestamp", Format: RFC3339},
		ID:   Identity{Header: "X-Zendesk-Webhook-Invocation-Id"},
	}},
	{name: "hubspot", url: hubspotURL, late: true, HMAC: HMAC{ // v3; v1 and v2 are a bare SHA-256
		Sign: "{method}{url}{body}{ts}", Header: "X-HubSpot-Signature-v3", Encoding: Base64,
		Time: Timestamp{Header: "X-HubSpot-Request-Timestamp", Format: Milliseconds, Tolerance: 300_000 * time.Millisecond},
	}},
	{name: "square", HMAC: HMAC{
		Sign: "{url}{body}", Header: "X-Square-HmacSHA256-Signature", Encoding: Base64,
		ID: Identity{Path: "event_id"},
	}},
	{name: "sendgrid", HMAC: HMAC{
		Algorithm: ECDSA, Key: Base64, Encoding: Base64,
		Sign: "{ts}{body}", Header: "X-Twilio-Email-Event-Webhook-Signature",
		Time: Timestamp{Header: "X-Twilio-Email-Event-Webhook-Timestamp"},
	}},
	{name: "adyen", HMAC: HMAC{Key: Hex, Header: "HmacSignature", Encoding: Base64}},                                              // where the signature is a header
	{name: "basic", check: checkBasic, HMAC: HMAC{Algorithm: Token, Header: "Authorization", Prefix: "Basic ", Encoding: Base64}}, // user:password
	{name: "bearer", check: checkToken, HMAC: HMAC{Algorithm: Token, Header: "Authorization", Prefix: "Bearer ", Encoding: Text}},
	{name: "token", check: checkToken, HMAC: HMAC{Algorithm: Token, Header: "X-Webhook-Token", Encoding: Text}},
}

// webhook is Standard Webhooks with headers of that prefix.
func webhook(prefix string) HMAC {
	return HMAC{
		Sign: "{id}.{ts}.{body}", Header: prefix + "signature", Prefix: "v1,", Separator: " ", Encoding: Base64,
		Time: Timestamp{Header: prefix + "timestamp", Tolerance: DefaultTolerance},
		ID:   Identity{Header: prefix + "id"},
	}
}

func compileAll(rows []row) []Dialect {
	all := make([]Dialect, len(rows))
	for i, r := range rows {
		d, err := r.compile()
		if err != nil {
			panic("signature: row " + r.name + ": " + err.Error()) // a mistake in the table above, found by any test
		}
		all[i] = d
	}
	return all
}

// hubspotURL decodes the few escapes that HubSpot decodes before it signs; the others stay as they are.
func hubspotURL(address string) string {
	if !strings.Contains(address, "%") {
		return address
	}
	var out strings.Builder
	for i := 0; i < len(address); i++ {
		if address[i] == '%' && i+2 < len(address) {
			if plain, err := url.PathUnescape(address[i : i+3]); err == nil && strings.Contains(":/?@!$'()*,;", plain) {
				out.WriteString(plain)
				i += 2
				continue
			}
		}
		out.WriteByte(address[i])
	}
	return out.String()
}
