package configs_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
)

// BenchmarkLoadInstances loads a job with 10,000 instances, written out as a list, and reports what one of them takes of
// memory for as long as the configuration is in use.
func BenchmarkLoadInstances(b *testing.B) {
	const n = 10_000
	var keys strings.Builder
	for i := range n {
		fmt.Fprintf(&keys, "\"r%d\",", i)
	}
	src := strings.Replace(job("for_each = toset(["+keys.String()+"])"), "example.com/orders", "example.com/${each.key}/orders", 1)
	var before, after runtime.MemStats
	var kept *configs.Config
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		kept = mustLoad(b, src, configs.Options{})
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.StartTimer()
	}
	if len(kept.Jobs) != n {
		b.Fatalf("%d jobs", len(kept.Jobs))
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/job")
}

// BenchmarkEventEval judges an update of a record of 2 KiB.
func BenchmarkEventEval(b *testing.B) {
	record := func(status string) json.RawMessage {
		var lines []string
		for i := range 24 {
			lines = append(lines, fmt.Sprintf(`{"sku":"A-%d","quantity":%d,"price":10.50,"note":"two boxes, fragile"}`, i, i))
		}
		return json.RawMessage(fmt.Sprintf(`{"id":1001,"status":%q,"customer":{"id":7,"name":"Ada"},"lines":[%s],"updated_at":"2026-11-20T12:00:00Z"}`, status, strings.Join(lines, ",")))
	}
	update := bridge.Change{Op: bridge.Updated, Key: "1001", Changed: []string{"/status"}, Before: record("open"), After: record("paid")}
	for _, c := range []struct{ name, event string }{
		{"when", `when = change.op != "updated" || contains(change.changed, "/status")`},
		{"type", `type = "order.${change.op}"`},
		{"data", "data = {\n id = change.key\n status = try(change.after.status, null)\n was = try(change.before.status, null)\n}"},
		{"all", "type = \"order.${change.op}\"\n when = change.op != \"updated\" || contains(change.changed, \"/status\")\n data = {\n id = change.key\n status = try(change.after.status, null)\n was = try(change.before.status, null)\n}"},
		{"whole", "data = { before = change.before, after = change.after }"},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := mustLoad(b, job("event {\n"+c.event+"\n}"), configs.Options{}).Jobs[0].Event
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval(update, bridge.Manual); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
