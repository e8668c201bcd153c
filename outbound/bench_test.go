package outbound_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/outbound"
)

// The yardstick: what a program costs that does nothing but sign a body it holds and post it, with the same library,
// the same number of connections and the same receiver, in the same run.

const (
	benchWorkers = 64
	benchEvents  = 20_000
	benchBody    = 600 // of the record; the envelope makes it about 1 KB
)

// counter is a receiver that reads and says 204.
type counter struct {
	n    atomic.Int64
	want int64
	done chan struct{}
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusNoContent)
	if c.n.Add(1) == c.want {
		close(c.done)
	}
}

func (c *counter) expect(n int) { c.n.Store(0); c.want, c.done = int64(n), make(chan struct{}) }

// bare posts n bodies and returns the rate.
func bare(b *testing.B, url string, body []byte, n int) float64 {
	transport := &http.Transport{MaxIdleConnsPerHost: benchWorkers, DialContext: (&net.Dialer{}).DialContext}
	defer transport.CloseIdleConnections()
	client := &retryablehttp.Client{HTTPClient: &http.Client{Transport: transport}, RetryMax: 2, CheckRetry: retryablehttp.DefaultRetryPolicy, Backoff: retryablehttp.DefaultBackoff}
	var next atomic.Int64
	var workers sync.WaitGroup
	began := time.Now()
	for range benchWorkers {
		workers.Go(func() {
			for next.Add(1) <= int64(n) {
				at := strconv.FormatInt(time.Now().Unix(), 10)
				mac := hmac.New(sha256.New, []byte("0123456789abcdef01234567"))
				mac.Write([]byte("evt_1." + at + "."))
				mac.Write(body)
				request, err := retryablehttp.NewRequest(http.MethodPost, url, body)
				if err != nil {
					b.Error(err)
					return
				}
				request.Header.Set("Content-Type", "application/json")
				request.Header.Set("webhook-id", "evt_1")
				request.Header.Set("webhook-timestamp", at)
				request.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
				response, err := client.Do(request)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		})
	}
	workers.Wait()
	return float64(n) / time.Since(began).Seconds()
}

func benchBodyOf(b *testing.B) []byte {
	record := bytes.Repeat([]byte("x"), benchBody)
	e := bridge.Event{ID: "evt_1", Type: "orders.created", Job: "orders", Key: "1001", After: fmt.Appendf(nil, `{"id":1,"pad":"%s"}`, record)}
	_, body, err := outbound.Body(&e, outbound.FormatStandard, outbound.Version)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

func keys(n, lanes int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strconv.Itoa(i % lanes)
	}
	return out
}

// BenchmarkDrain drains a committed backlog: every key its own lane, and twenty lanes per connection.
func BenchmarkDrain(b *testing.B) {
	for _, lanes := range []int{benchEvents, 20 * benchWorkers} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			compare(b, func(h *house, destinations []int64, _ func()) {
				for chunk := range slices.Chunk(keys(benchEvents, lanes), 1000) {
					h.commit(benchBody, destinations, chunk...)
				}
			}, func(_ *house, _ []int64, run func()) { run() })
		})
	}
}

// BenchmarkCommitToArrival commits events in the chunks of a run while they are being delivered.
func BenchmarkCommitToArrival(b *testing.B) {
	all := keys(benchEvents, benchEvents)
	compare(b, func(_ *house, _ []int64, run func()) { run() }, func(h *house, destinations []int64, _ func()) {
		for chunk := range slices.Chunk(all, 500) {
			h.commit(benchBody, destinations, chunk...)
			h.d.Wake(destinations...)
		}
	})
}

// compare measures from the beginning of work until all events have arrived and are settled, beside the yardstick. One
// of before and work runs the dispatcher.
func compare(b *testing.B, before, work func(h *house, destinations []int64, run func())) {
	receiver := &counter{}
	server := httptest.NewServer(receiver)
	defer server.Close()
	body := benchBodyOf(b)
	var ours, theirs []float64
	for b.Loop() {
		b.StopTimer()
		receiver.expect(benchEvents)
		theirs = append(theirs, bare(b, server.URL, body, benchEvents))
		h := open(b)
		destinations := h.numbers("shop")
		run := func() { h.run(outbound.Destination{Name: "shop", URL: server.URL, Concurrency: benchWorkers}) }
		receiver.expect(benchEvents)
		before(h, destinations, run)
		b.StartTimer()
		began := time.Now()
		work(h, destinations, run)
		<-receiver.done
		h.wait(func() bool { return h.db.Backlog() == 0 })
		ours = append(ours, benchEvents/time.Since(began).Seconds())
		b.StopTimer()
		h.halt(false)
		b.StartTimer()
	}
	report(b, ours, theirs)
}

func report(b *testing.B, ours, theirs []float64) {
	b.ReportMetric(median(ours), "events/s")
	b.ReportMetric(median(theirs), "bare/s")
	ratios := make([]float64, len(ours)) // of neighbours in time: other programs slow both
	for i := range ours {
		ratios[i] = ours[i] / theirs[i]
	}
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(0, "ns/op")
}

func median[T float64 | time.Duration](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// BenchmarkLatency commits one event at a time, 200 a second, and measures from before its commit to its arrival, and
// beside it from after its commit: the difference is the disk's.
func BenchmarkLatency(b *testing.B) {
	const rate, events = 200, 1000
	arrived := make(chan time.Time, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
		arrived <- at
	}))
	defer server.Close()
	h := open(b)
	destinations := h.numbers("shop")
	h.run(outbound.Destination{Name: "shop", URL: server.URL, Concurrency: benchWorkers})
	var took, sent []time.Duration
	for b.Loop() {
		tick := time.NewTicker(time.Second / rate)
		for i := range events {
			<-tick.C
			began := time.Now()
			h.commit(benchBody, destinations, strconv.Itoa(i))
			committed := time.Now()
			h.d.Wake(destinations...)
			at := <-arrived
			took, sent = append(took, at.Sub(began)), append(sent, at.Sub(committed))
		}
		tick.Stop()
	}
	h.halt(false)
	for name, values := range map[string][]time.Duration{"": took, "sent-": sent} {
		slices.Sort(values)
		b.ReportMetric(float64(values[len(values)/2].Microseconds())/1000, name+"p50-ms")
		b.ReportMetric(float64(values[len(values)*99/100].Microseconds())/1000, name+"p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}
