package signature

import "time"

// dialects is the table, ready to be used.
var dialects = compileAll(table)

// table is what the senders of the world sign and how. An id is taken from where the sender repeats it on a redelivery.
var table = []row{
	{name: "standard", secret: standardKey, HMAC: HMAC{
		Sign: "{id}.{ts}.{body}", Header: "webhook-signature", Prefix: "v1,", Separator: " ", Encoding: Base64,
		Time: Timestamp{Header: "webhook-timestamp", Tolerance: DefaultTolerance}, ID: Identity{Header: "webhook-id"},
	}},
	{name: "github", HMAC: HMAC{
		Header: "X-Hub-Signature-256", Prefix: "sha256=", ID: Identity{Header: "X-GitHub-Delivery"},
	}},
	{name: "stripe", HMAC: HMAC{
		Sign: "{ts}.{body}", Header: "Stripe-Signature", Prefix: "v1=", Separator: ",",
		Time: Timestamp{Part: "t=", Tolerance: 300 * time.Second}, ID: Identity{Path: "id"},
	}},
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
