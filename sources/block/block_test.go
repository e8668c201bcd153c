package block_test

import (
	"testing"

	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/csv"
	"github.com/hookbridge/bridge/sources/decode/json"
)

func TestByName(t *testing.T) {
	for name, want := range map[string]decode.Format{
		"orders.json": json.Format{}, "a/b.ndjson": json.Lines{}, "b.jsonl": json.Lines{}, "drops/*.csv": csv.Format{},
		"ORDERS.CSV": csv.Format{}, "orders.csv.gz": csv.Format{}, "Orders.Csv.GZ": csv.Format{},
		"orders": nil, "csv": nil, "orders.gz": nil, "orders.csv.zip": nil, "orders.csv.gz.gz": nil, "": nil,
	} {
		got := block.ByName(name)
		if (got == nil) != (want == nil) || got != nil && got.Identity() != want.Identity() {
			t.Errorf("%q is read as %v, want %v", name, got, want)
		}
	}
}
