package daemon

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/tidwall/gjson"
	"github.com/zeebo/xxh3"

	"github.com/hookbridge/bridge"
)

// sink counts what is posted to it and lets somebody wait for a number of posts.
type sink struct {
	mu    sync.Mutex
	more  *sync.Cond
	taken int
}

func newSink() *sink {
	s := &sink{}
	s.more = sync.NewCond(&s.mu)
	return s
}

func (s *sink) take(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	s.taken++
	s.mu.Unlock()
	s.more.Broadcast()
}

// wait answers when n posts have been taken since the last wait.
func (s *sink) wait(_ http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.PathValue("n"))
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.taken < n {
		s.more.Wait()
	}
	s.taken = 0
}

// bareClient is go-retryablehttp as a careful user sets it up.
func bareClient(connections int) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.Logger = nil
	c.HTTPClient = &http.Client{Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections}}
	return c
}

// BenchmarkFleet polls ten thousand jobs whose source answers 304. polls/s stands beside the same conditional requests
// made by a bare client with as many connections; KB/job is all memory a job costs after its baseline, goroutines
// included; lag is from a tick to the beginning of its run at a thousand ticks a second. What a poll costs this process,
// and a bare one, stands there too: unlike rates, these hardly move with whatever else the machine does.
func BenchmarkFleet(b *testing.B) {
	const jobs = 10_000
	url := startBenchServer(b, 1)
	path := filepath.Join(b.TempDir(), "bridge.hcl")
	if err := os.WriteFile(path, fmt.Appendf(nil, `
destination "receiver" {
  url     = "%s/sink"
  secrets = [%q]
  allow   = ["127.0.0.0/8"]
}

job "fleet" {
  for_each = toset([for pair in setproduct(range(100), range(100)) : tostring(100 * pair[0] + pair[1])])
  schedule = "@every 10s"
  deliver  = [destination.receiver]
  source "http" {
    url = "%s/tagged/${each.key}"
  }
  key = "id"
}
`, url, testSecret, url), 0o600); err != nil {
		b.Fatal(err)
	}
	before := inUse()
	d, err := Open(context.Background(), Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	background, cancel := context.WithCancel(context.Background())
	flushed := make(chan error, 1)
	go func() { flushed <- d.store.Run(background) }() // run rows in batches, as in a daemon
	defer func() { cancel(); <-flushed }()
	all := d.allJobs()
	ask := func(jobs []*job) []*turn {
		turns := make([]*turn, len(jobs))
		for i, j := range jobs {
			turns[i] = d.request(j, bridge.Manual)
		}
		return turns
	}
	wait := func(turns []*turn) {
		for _, t := range turns {
			if <-t.done; t.report.Error != "" {
				b.Fatal(t.report.Error)
			}
		}
	}
	// rounds keeps one half of the jobs queued while the other ends, so that the pool never runs dry.
	rounds := func(n int) {
		one, other := all[:len(all)/2], all[len(all)/2:]
		waiting := ask(one)
		for range 2*n - 1 {
			one, other = other, one
			next := ask(one)
			wait(waiting)
			waiting = next
		}
		wait(waiting)
	}
	rounds(2) // baselines, and what follows them
	perJob := float64(inUse()-before) / jobs / 1024

	b.Run("saturated", func(b *testing.B) {
		before := spent()
		bare := benchBarePolls(b, url, jobs)
		after := spent()
		b.ResetTimer()
		began := time.Now()
		rounds(b.N)
		rate := float64(b.N*jobs) / time.Since(began).Seconds()
		spent().since(after).report(b, b.N*jobs, "")
		after.since(before).report(b, barePolls*jobs, "bare-")
		b.ReportMetric(rate, "polls/s")
		b.ReportMetric(rate/bare, "x-bare")
		b.ReportMetric(perJob, "KB/job")
	})
	b.Run("lag", func(b *testing.B) {
		for range b.N {
			lags := fleetLags(d, all, 15*time.Second)
			slices.Sort(lags)
			b.ReportMetric(float64(len(lags))/15, "ticks/s")
			b.ReportMetric(float64(lags[len(lags)/2].Microseconds())/1000, "p50-lag-ms")
			b.ReportMetric(float64(lags[len(lags)*99/100].Microseconds())/1000, "p99-lag-ms")
		}
	})
}

// fleetLags runs the schedule for a while and returns how late each run began.
func fleetLags(d *Daemon, all []*job, length time.Duration) []time.Duration {
	var mu sync.Mutex
	var lags []time.Duration
	work := d.pool.run
	d.pool.run = func(t *turn, l *leash) {
		if !t.tick.IsZero() {
			mu.Lock()
			lags = append(lags, time.Now().Round(0).Sub(t.tick))
			mu.Unlock()
		}
		work(t, l)
	}
	now := time.Now().Round(0)
	for i, j := range all { // spread as a fleet that has run for a while
		d.plan(&j.schedule, now.Add(time.Second+10*time.Second*time.Duration(i)/time.Duration(len(all))))
	}
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	d.schedule(ctx)
	for _, j := range all {
		d.plan(&j.schedule, time.Time{})
	}
	d.pool.wait()
	d.pool.run = work
	return lags
}

// spending is what this process has used: processor time, and memory asked for.
type spending struct {
	cpu           time.Duration
	allocs, bytes uint64
}

func spent() spending {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return spending{time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), m.Mallocs, m.TotalAlloc}
}

func (s spending) since(before spending) spending {
	return spending{s.cpu - before.cpu, s.allocs - before.allocs, s.bytes - before.bytes}
}

// report tells what each of n polls has cost.
func (s spending) report(b *testing.B, n int, prefix string) {
	b.ReportMetric(float64(s.cpu.Nanoseconds())/1000/float64(n), prefix+"cpu-µs/poll")
	b.ReportMetric(float64(s.allocs)/float64(n), prefix+"allocs/poll")
	b.ReportMetric(float64(s.bytes)/float64(n), prefix+"B/poll")
}

// barePolls is how often the bare client polls each job.
const barePolls = 3

// benchBarePolls is what a bare client reaches: polls a second.
func benchBarePolls(b *testing.B, url string, jobs int) float64 {
	client := bareClient(maxRuns)
	defer client.HTTPClient.CloseIdleConnections()
	var next atomic.Int64
	var wg sync.WaitGroup
	total := int64(barePolls * jobs)
	began := time.Now()
	for range maxRuns {
		wg.Go(func() {
			for n := next.Add(1); n <= total; n = next.Add(1) {
				tag := strconv.FormatInt(n%int64(jobs), 10)
				request, err := retryablehttp.NewRequest(http.MethodGet, url+"/tagged/"+tag, nil)
				if err != nil {
					b.Error(err)
					return
				}
				request.Header.Set("If-None-Match", `"`+tag+`"`)
				answer, err := client.Do(request)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
	}
	wg.Wait()
	return float64(total) / time.Since(began).Seconds()
}

// inUse is the memory that is held after a collection: heap and stacks.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// BenchmarkPollToPost takes a hundred thousand records of which one in a hundred changed, from the poll to the last
// event accepted, beside a bare loop that fetches, splits, looks up and posts the same events in the same run.
func BenchmarkPollToPost(b *testing.B) {
	const records, changed = 100_000, 1_000
	m := newMillion(b, records)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, context.Background()) }()
	defer func() { cancel(); <-ended }()
	m.poll()
	known := map[string]uint64{}
	m.bare(known)
	variants := []string{"changed", "plain"}
	var bare, ours time.Duration
	b.ResetTimer()
	for i := range b.N {
		m.now(variants[i%2])
		began := time.Now()
		if n := m.bare(known); n != changed {
			b.Fatalf("the bare loop posted %d events, want %d", n, changed)
		}
		m.arrived(changed)
		bare += time.Since(began)
		began = time.Now()
		if report := m.poll(); report.Updated != changed {
			b.Fatalf("poll: %+v, want %d updated", report, changed)
		}
		m.arrived(changed)
		ours += time.Since(began)
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/op")
	b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s/op")
	b.ReportMetric(ours.Seconds()/bare.Seconds(), "x-bare")
}

func (m *million) arrived(n int) {
	m.tb.Helper()
	answer, err := http.Post(m.url+"/sink/"+strconv.Itoa(n), "", nil)
	if err != nil {
		m.tb.Fatal(err)
	}
	_ = answer.Body.Close()
}

// bare is a poll without a bridge: no validation beyond the split, no store, no order, no second try.
func (m *million) bare(known map[string]uint64) int {
	m.tb.Helper()
	answer, err := http.Get(m.url + "/records")
	if err != nil {
		m.tb.Fatal(err)
	}
	defer answer.Body.Close()
	decoder := jsontext.NewDecoder(bufio.NewReaderSize(answer.Body, 256<<10))
	if _, err := decoder.ReadToken(); err != nil {
		m.tb.Fatal(err)
	}
	first := len(known) == 0
	var events [][]byte
	for decoder.PeekKind() != ']' {
		body, err := decoder.ReadValue()
		if err != nil {
			m.tb.Fatal(err)
		}
		key, hash := gjson.GetBytes(body, "id").Raw, xxh3.Hash(body)
		if known[key] != hash {
			known[key] = hash
			if !first {
				events = append(events, bytes.Clone(body))
			}
		}
	}
	m.post(events)
	return len(events)
}

// post sends events over 16 connections, signed.
func (m *million) post(events [][]byte) {
	client := bareClient(16)
	defer client.HTTPClient.CloseIdleConnections()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(events)); n = next.Add(1) - 1 {
				mac := hmac.New(sha256.New, []byte(testSecret))
				_, _ = mac.Write(events[n])
				request, err := retryablehttp.NewRequest(http.MethodPost, m.url+"/sink", events[n])
				if err != nil {
					m.tb.Error(err)
					return
				}
				request.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
				answer, err := client.Do(request)
				if err != nil {
					m.tb.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
	}
	wg.Wait()
}
