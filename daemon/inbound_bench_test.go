package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
)

const (
	inboundBurst   = 10_000
	inboundSenders = 64
)

// BenchmarkInboundBurst sends ten thousand webhooks over HTTP, on 64 connections, to a whole daemon that applies each:
// verified, compared, committed and synced to disk before it is answered. All must have been kept and told afterwards.
// p50, p99 and max are of the answers; baselined-while is the part of the burst that fell into the commits of a million
// records (HOOKBRIDGE_BENCH_RECORDS makes it another number), which a second job takes in meanwhile.
func BenchmarkInboundBurst(b *testing.B) {
	for _, tc := range []struct {
		name string
		busy bool
	}{{"quiet", false}, {"during-a-baseline", true}} {
		b.Run(tc.name, func(b *testing.B) {
			records := 1
			if tc.busy {
				records = benchRecords()
			}
			url := startBenchServer(b, records)
			if response, err := http.Post(url+"/now/plain", "", nil); err != nil {
				b.Fatal(err)
			} else {
				_ = response.Body.Close()
			}
			var took []time.Duration
			var during int
			for range b.N {
				b.StopTimer()
				one := newBurst(b, url, tc.busy)
				if tc.busy {
					one.waitRecord("bulk", "1000000")
				}
				b.StartTimer()
				answers, within := one.send()
				b.StopTimer()
				took, during = append(took, answers...), during+within
				one.check()
				one.end()
				b.StartTimer()
			}
			b.StopTimer()
			slices.Sort(took)
			at := func(part float64) float64 {
				return float64(took[int(part*float64(len(took)-1))]) / float64(time.Millisecond)
			}
			b.ReportMetric(at(.5), "p50-ms")
			b.ReportMetric(at(.99), "p99-ms")
			b.ReportMetric(at(1), "max-ms")
			b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "webhooks/s")
			if tc.busy {
				b.ReportMetric(float64(during)/float64(len(took)), "baselined-while")
			}
		})
	}
}

// running is a daemon under a burst.
type running struct {
	*Daemon
	b     *testing.B
	stop  context.CancelFunc
	ended chan error
	at    string // where it listens
}

func newBurst(b *testing.B, url string, busy bool) *running {
	b.Helper()
	text := watched(url, url+"/sink", "on_event = \"apply\"\nrecord = event.body", `version = "v"`)
	text = "bridge {\n  inbound = \"127.0.0.1:0\"\n}\n" + strings.Replace(text, "/records", "/tagged/1", 1)
	if busy {
		text += fmt.Sprintf(`
job "bulk" {
  schedule = "@every 1h"
  deliver  = [destination.receiver]
  source "http" {
    url = "%s/records"
  }
  key = "id"
}
`, url)
	}
	path := filepath.Join(b.TempDir(), "bridge.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	d, err := Open(context.Background(), Options{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Daemon: d, b: b, stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- d.Run(ctx, ctx) }()
	r.waitRecord("orders", "1")
	r.until("the receiver", func() bool {
		at := d.listening.Load()
		if at != nil {
			r.at = *at
		}
		return at != nil
	})
	return r
}

// until waits for something that the daemon does by itself.
func (r *running) until(what string, done func() bool) {
	r.b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case err := <-r.ended:
			r.b.Fatalf("the daemon has ended before %s was there: %v", what, err)
		case <-tick.C:
		}
	}
}

// waitRecord waits until a job's snapshot has a record.
func (r *running) waitRecord(name, key string) {
	r.b.Helper()
	j, err := r.job(name)
	if err != nil {
		r.b.Fatal(err)
	}
	r.until("record "+key, func() bool {
		_, _, found, err := r.store.RowByKey(context.Background(), j.number, key)
		if err != nil {
			r.b.Fatal(err)
		}
		return found
	})
}

// send sends the burst and returns how long each answer took, and how many were sent while the other job's baseline
// was being committed.
func (r *running) send() (took []time.Duration, during int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: inboundSenders, MaxIdleConnsPerHost: inboundSenders}}
	defer client.CloseIdleConnections()
	took = make([]time.Duration, inboundBurst)
	bulk, _ := r.job("bulk")
	var next, within atomic.Int64
	var senders sync.WaitGroup
	for range inboundSenders {
		senders.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= inboundBurst {
					return
				}
				if bulk != nil && !bulk.baselined() {
					within.Add(1)
				}
				request, err := signedHook(fmt.Sprint("b", n), fmt.Sprintf(`{"id":%d,"v":1,"status":"open","note":"over HTTP"}`, 100+n))
				if err != nil {
					r.b.Error(err)
					return
				}
				request.RequestURI, request.URL.Scheme, request.URL.Host, request.Host = "", "http", r.at, r.at
				began := time.Now()
				response, err := client.Do(request)
				if err != nil {
					r.b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				took[n] = time.Since(began)
				if response.StatusCode/100 != 2 {
					r.b.Errorf("webhook %d was answered %d", n, response.StatusCode)
				}
			}
		})
	}
	senders.Wait()
	return took, int(within.Load())
}

func (j *job) baselined() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state.Baselined
}

// check looks for every webhook of the burst, and for what it told.
func (r *running) check() {
	r.b.Helper()
	applied, err := r.store.Inbounds(context.Background(), bridge.InboundQuery{State: bridge.InboundApplied, Limit: 1 << 20})
	if err != nil || len(applied) != inboundBurst {
		r.b.Errorf("%d webhooks were applied, %v; want %d", len(applied), err, inboundBurst)
	}
	told, err := r.store.Events(context.Background(), bridge.EventQuery{Job: "orders", Limit: 1 << 20})
	if err != nil {
		r.b.Fatal(err)
	}
	keys := map[string]bool{}
	for _, e := range told {
		keys[e.Key] = true
	}
	if len(keys) != inboundBurst || len(told) != inboundBurst {
		r.b.Errorf("%d events of %d records; want %d of each", len(told), len(keys), inboundBurst)
	}
	if status, err := r.Status(context.Background(), StatusRequest{Deep: true}); err != nil || !status.Deep.OK {
		r.b.Errorf("the store: %+v, %v", status.Deep, err)
	}
}

func (r *running) end() {
	r.stop()
	if err := errors.Join(<-r.ended, r.Close()); err != nil {
		r.b.Error(err)
	}
}
