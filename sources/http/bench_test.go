package http_test

import (
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/hookbridge/bridge"
)

// serveUnchanged answers every conditional request with 304, as cheaply as a server of net/http can.
func serveUnchanged(b *testing.B) string {
	return serve(b, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header()["Etag"] = []string{`"v1"`}
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(nethttp.StatusNotModified)
			return
		}
		fmt.Fprint(w, `[{"id":1}]`)
	})
}

// spread calls poll n times from 64 goroutines.
func spread(n int, poll func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				poll(int(i))
			}
		})
	}
	wg.Wait()
}

// BenchmarkPoll304 polls 10,000 sources of one host that answer 304. of-bare is our rate as a share of that of a bare
// go-retryablehttp client in the same run.
func BenchmarkPoll304(b *testing.B) {
	const jobs = 10_000
	address := serveUnchanged(b)
	shared := newShared()
	polled := make([]bridge.Source, jobs)
	for i := range polled {
		polled[i] = source(b, shared, fmt.Sprintf("url = \"%s/orders/%d\"", address, i))
	}
	none := func(bridge.Record) error { return nil }
	checkpoints := make([]bridge.Checkpoint, jobs)
	spread(jobs, func(i int) {
		outcome, err := polled[i-1].Fetch(b.Context(), bridge.FetchOptions{}, none)
		if err != nil {
			b.Error(err)
		}
		checkpoints[i-1] = outcome.Next
	})
	bare := &retryablehttp.Client{
		HTTPClient: &nethttp.Client{Transport: &nethttp.Transport{
			MaxIdleConns: 1024, MaxIdleConnsPerHost: 128, DialContext: (&net.Dialer{}).DialContext,
		}},
		RetryMax: 2, CheckRetry: retryablehttp.DefaultRetryPolicy, Backoff: retryablehttp.DefaultBackoff,
	}
	var ours, theirs time.Duration
	b.ReportAllocs()
	for b.Loop() {
		started := time.Now()
		spread(jobs, func(i int) {
			outcome, err := polled[i-1].Fetch(b.Context(), bridge.FetchOptions{From: checkpoints[i-1]}, none)
			if err != nil || !outcome.NotModified {
				b.Error(outcome, err)
			}
		})
		ours += time.Since(started)
		b.StopTimer()
		started = time.Now()
		spread(jobs, func(i int) {
			req, err := retryablehttp.NewRequestWithContext(b.Context(), "GET", fmt.Sprintf("%s/orders/%d", address, i-1), nil)
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("If-None-Match", `"v1"`)
			resp, err := bare.Do(req)
			if err != nil || resp.StatusCode != nethttp.StatusNotModified {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
		theirs += time.Since(started)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*jobs/ours.Seconds(), "polls/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-bare")
}

// BenchmarkSourceMemory reports what one source of many holds, checkpoint included.
func BenchmarkSourceMemory(b *testing.B) {
	const jobs = 10_000
	shared := newShared()
	body, ctx := parse(b, `url = "https://api.example.com/v1/orders?status=open"
auth "bearer" { token = secret.token }
pagination "page" { total = "total" }
decode "json" { items = "data.orders" }`)
	var held uint64
	for b.Loop() {
		kept := make([]bridge.Source, jobs)
		before := heap()
		for i := range kept {
			s, diags := shared.Decode(body, ctx, "")
			if diags.HasErrors() {
				b.Fatal(diags)
			}
			kept[i] = s
		}
		held = heap() - before
		runtime.KeepAlive(kept)
	}
	b.ReportMetric(float64(held)/jobs, "bytes/source")
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkFetchLarge streams 60 MB of records over HTTP.
func BenchmarkFetchLarge(b *testing.B) {
	s := source(b, newShared(), fmt.Sprintf("url = %q\ndecode \"json\" { items = \"data\" }", serve(b, large(60_000))))
	b.ReportAllocs()
	for b.Loop() {
		outcome, err := s.Fetch(b.Context(), bridge.FetchOptions{}, func(bridge.Record) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(outcome.Bytes)
	}
}

// BenchmarkPagesInABody reads 200 pages whose requests are an expression evaluated for each, and whose answers are judged
// by one. of-bare is its speed as a share of that of the same pages asked for by a parameter and not judged, in one run.
func BenchmarkPagesInABody(b *testing.B) {
	const pages = 200
	address := serve(b, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"error":null,"total":200,"data":[{"id":1}]}`)
	})
	const rest = "decode \"json\" { items = \"data\" }\npagination \"page\" { total = \"total\" }\n"
	judged := source(b, newShared(), fmt.Sprintf("url = %q\nmethod = \"POST\"\njson = { filter = { status = \"open\" }, page = page.number }\nsuccess = try(body.error, null) == null\n%s", address, rest))
	plain := source(b, newShared(), fmt.Sprintf("url = %q\nmethod = \"POST\"\njson = { filter = { status = \"open\" } }\n%s", address, rest))
	var ours, bare time.Duration
	run := func(s bridge.Source) time.Duration {
		started := time.Now()
		if outcome, err := s.Fetch(b.Context(), bridge.FetchOptions{}, func(bridge.Record) error { return nil }); err != nil || outcome.Pages != pages {
			b.Fatal(outcome, err)
		}
		return time.Since(started)
	}
	b.ReportAllocs()
	for b.Loop() {
		ours += run(judged)
		b.StopTimer()
		bare += run(plain)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*pages/ours.Seconds(), "pages/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-bare")
}
