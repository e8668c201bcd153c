package diff

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/zeebo/xxh3"
)

// order is a record of a usual size: some 500 bytes, a dozen fields.
const order = `{"id":1000001,"status":"awaiting_shipment","customer":{"id":88123,"name":"Ada Lovelace","email":"ada@example.com"},` +
	`"currency":"EUR","total":1249.90,"tax":237.48,"paid":true,"note":null,` +
	`"created_at":"2026-11-20T08:15:30Z","updated_at":"2026-11-21T09:00:00.123Z",` +
	`"lines":[{"sku":"AB-1000","quantity":2,"price":499.95},{"sku":"CD-2000","quantity":1,"price":250.00}],` +
	`"tags":["priority","export","gift"],"warehouse":"Rotterdam, Pier 7, Hall \"North\"","carrier":"postal-service"}`

// orderRewritten is the same order with other white space, key order and numbers, and another status.
const orderRewritten = `{ "carrier": "postal-service", "id": 1000001, "status": "shipped", "customer": {"name": "Ada Lovelace", "id": 88123, "email": "ada@example.com"},` +
	` "currency": "EUR", "total": 1249.9, "tax": 237.48, "paid": true, "note": null,` +
	` "created_at": "2026-11-20T08:15:30Z", "updated_at": "2026-11-21T09:10:00.456Z",` +
	` "lines": [{"quantity": 2, "sku": "AB-1000", "price": 499.950}, {"sku": "CD-2000", "quantity": 1, "price": 250}],` +
	` "tags": ["priority", "export", "gift"], "warehouse": "Rotterdam, Pier 7, Hall \"North\""}`

func BenchmarkFingerprint(b *testing.B) {
	body := []byte(order)
	run := func(name string, rules *Rules) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				rules.Fingerprint(body, "1000001")
			}
		})
	}
	run("all", mustRules(b, Spec{}))
	run("ignore", mustRules(b, Spec{Ignore: []string{"updated_at", "customer.email", "lines.*.price"}}))
	run("select", mustRules(b, Spec{Select: []string{"id", "status", "total"}}))
	run("unordered", mustRules(b, Spec{Unordered: []string{"tags", "lines"}}))

	// What is looked at first: the bytes as they are.
	b.Run("raw", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			xxh3.Hash(body)
		}
	})
	// What it would cost to write the canonical form and hash that.
	b.Run("canonicalize", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		var scratch jsontext.Value
		for b.Loop() {
			scratch = append(scratch[:0], body...)
			if err := scratch.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)); err != nil {
				b.Fatal(err)
			}
			xxh3.Hash(scratch)
		}
	})
	// What it costs to check the syntax alone.
	b.Run("validate", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if !jsontext.Value(body).IsValid() {
				b.Fatal("not valid")
			}
		}
	})
}

func BenchmarkChanged(b *testing.B) {
	before, after := []byte(order), []byte(orderRewritten)
	for name, rules := range map[string]*Rules{
		"all":       mustRules(b, Spec{}),
		"unordered": mustRules(b, Spec{Unordered: []string{"tags", "lines"}}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := rules.Changed(before, after); len(got) != 2 {
					b.Fatalf("changed %q", got)
				}
			}
		})
	}
	b.Run("equal", func(b *testing.B) {
		rules := mustRules(b, Spec{Ignore: []string{"status", "updated_at"}})
		b.ReportAllocs()
		for b.Loop() {
			if !rules.Equal(before, after) {
				b.Fatal("not equal")
			}
		}
	})
}

func BenchmarkKey(b *testing.B) {
	body := []byte(order)
	late := bytes.Replace(body, []byte(`"id":1000001,`), nil, 1)
	late = append(late[:len(late)-1], `,"id":1000001}`...)
	for name, tc := range map[string]struct {
		paths []string
		body  []byte
	}{
		"first":   {[]string{"id"}, body},
		"last":    {[]string{"id"}, late},
		"several": {[]string{"currency", "id"}, body},
	} {
		b.Run(name, func(b *testing.B) {
			key, err := NewKey(tc.paths)
			if err != nil {
				b.Fatal(err)
			}
			var scratch []byte
			b.ReportAllocs()
			for b.Loop() {
				if scratch, err = key.Append(scratch[:0], tc.body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
