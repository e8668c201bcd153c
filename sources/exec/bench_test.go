//go:build unix

package exec_test

import (
	osexec "os/exec"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
)

// BenchmarkFetch reads a million lines. x-bare is the time taken as a multiple of that of the same program and the same
// decoder with os/exec alone between them.
func BenchmarkFetch(b *testing.B) {
	s := source(b, b.TempDir(), "command = [\"seq\", \"10000000\", \"10999999\"]\ndecode \"ndjson\" {}")
	b.SetBytes(9_000_000)
	b.ReportAllocs()
	var ours, theirs time.Duration
	for b.Loop() {
		started := time.Now()
		records := 0
		if _, err := s.Fetch(b.Context(), bridge.FetchOptions{}, func(bridge.Record) error { records++; return nil }); err != nil || records != 1_000_000 {
			b.Fatal(records, err)
		}
		ours += time.Since(started)
		b.StopTimer()
		started = time.Now()
		cmd := osexec.Command("seq", "10000000", "10999999")
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		if _, err := (json.Lines{}).Split(out, decode.Options{}, func([]byte, int) error { return nil }); err != nil {
			b.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		theirs += time.Since(started)
		b.StartTimer()
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-bare")
}
