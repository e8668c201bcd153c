package csv_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/csv"
)

// The table in the documentation becomes the records that stand below it.
func TestDocumentedTable(t *testing.T) {
	page, err := os.ReadFile("../../../docs/decoders/csv.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```csv\n(.*?)```\n\n```ndjson\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 1 {
		t.Fatalf("found %d tables with records", len(blocks))
	}
	everyWay(t, string(blocks[0][1]), csv.Format{}, decode.Options{}, string(blocks[0][2]))
}
