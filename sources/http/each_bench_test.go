package http_test

import (
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
)

// BenchmarkDetails fetches a list of 1,000 records and the detail of each, 8 at a time. of-bare is our rate as a share of
// that of a bare client of net/http with as many workers in the same run.
func BenchmarkDetails(b *testing.B) {
	const records, workers = 1000, 8
	address := serve(b, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/list" {
			var list strings.Builder
			for i := range records {
				fmt.Fprintf(&list, `,{"id":%d,"v":1}`, i)
			}
			fmt.Fprintf(w, "[%s]", list.String()[1:])
			return
		}
		fmt.Fprintf(w, `{"data":{"id":1,"text":%q}}`, strings.Repeat("x", 500))
	})
	s := source(b, newShared(), fmt.Sprintf(eachBlock, address, fmt.Sprintf("concurrency = %d", workers)))
	client := &nethttp.Client{Transport: &nethttp.Transport{MaxIdleConnsPerHost: workers}}
	defer client.CloseIdleConnections()
	var ours, theirs time.Duration
	b.ReportAllocs()
	for b.Loop() {
		started := time.Now()
		got := 0
		if _, err := s.Fetch(b.Context(), bridge.FetchOptions{}, func(bridge.Record) error { got++; return nil }); err != nil || got != records {
			b.Fatal(got, err)
		}
		ours += time.Since(started)
		b.StopTimer()
		started = time.Now()
		var next atomic.Int64
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for i := next.Add(1); i <= records; i = next.Add(1) {
					req, err := nethttp.NewRequestWithContext(b.Context(), "GET", fmt.Sprintf("%s/orders/%d", address, i), nil)
					if err != nil {
						b.Error(err)
						return
					}
					resp, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
		}
		wg.Wait()
		theirs += time.Since(started)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*records/ours.Seconds(), "details/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-bare")
}
