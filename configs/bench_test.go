package configs_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

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
