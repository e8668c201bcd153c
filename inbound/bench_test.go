package inbound_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/inbound"
	"github.com/hookbridge/bridge/store/sqlite"
)

const burst = 10_000

// shop is an inbox over a real store: a webhook is a signal, or a record that is compared and told.
type shop struct {
	*sqlite.DB
	job     bridge.JobState
	targets []bridge.Target
	apply   bool
}

func openShop(tb testing.TB, apply bool) *shop {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), filepath.Join(tb.TempDir(), "bridge.db"), sqlite.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, db.Close()); err != nil {
			tb.Error(err)
		}
	})
	s := &shop{DB: db, apply: apply}
	dest, err := db.OpenDestination(tb.Context(), "crm")
	if err == nil {
		s.job, err = db.OpenJob(tb.Context(), "orders", "", "")
	}
	if err != nil {
		tb.Fatal(err)
	}
	s.targets = []bridge.Target{{Destination: dest.Number, Format: "standard", FormatVersion: 1, Ordered: true}}
	return s
}

func (s *shop) Accept(ctx context.Context, w *bridge.Inbound, body json.RawMessage) (bool, error) {
	for {
		duplicate, err := s.take(ctx, w, body)
		if !errors.Is(err, bridge.ErrMoved) {
			return duplicate, err
		}
	}
}

func (s *shop) take(ctx context.Context, w *bridge.Inbound, body json.RawMessage) (bool, error) {
	take := &bridge.Take{Webhook: w}
	switch {
	case w.State == bridge.InboundFailed:
	case !s.apply:
		take.Intents = []bridge.Intent{{Job: s.job.Number, Kind: bridge.IntentPoll}}
	default:
		var record struct{ ID string }
		if err := json.Unmarshal(body, &record); err != nil {
			return false, err
		}
		row, moved, found, err := s.RowByKey(ctx, s.job.Number, record.ID)
		if err != nil {
			return false, err
		}
		event := &bridge.Event{Type: "orders.created", Key: record.ID, Op: bridge.Created, Origin: bridge.Webhook, After: body}
		if found {
			event.Type, event.Op, event.Before = "orders.updated", bridge.Updated, row.Body
		}
		take.Chunks = []*bridge.Chunk{{
			Job: s.job.Number, RulesNumber: s.job.RulesNumber, First: true, Targets: s.targets,
			Puts: []bridge.Put{{Entry: bridge.IndexEntry{ID: row.ID, Key: xxh3.HashString(record.ID), Raw: xxh3.Hash(body)},
				Key: record.ID, Body: body, Event: event, Moved: moved}},
		}}
	}
	duplicate, _, err := s.TakeInbound(ctx, take)
	return duplicate, err
}

// baseline takes in records silently until ctx ends, as the first run of a job with a million of them does, and
// returns how many.
func (s *shop) baseline(ctx context.Context, tb testing.TB) (records int64) {
	job, err := s.OpenJob(tb.Context(), "customers", "", "")
	if err != nil {
		tb.Error(err)
		return 0
	}
	began, err := s.BeginRun(tb.Context(), job.Number)
	if err != nil {
		tb.Error(err)
		return 0
	}
	defer s.EndRun(job.Number, began)
	body := []byte(`{"text":"` + strings.Repeat("x", 480) + `"}`)
	for ctx.Err() == nil && records < 1_000_000 {
		chunk := &bridge.Chunk{Job: job.Number, Began: began, RulesNumber: job.RulesNumber, First: records == 0}
		for range 1000 {
			records++
			key := fmt.Sprintf("key %09d", records)
			chunk.Puts = append(chunk.Puts, bridge.Put{Key: key, Body: body, Entry: bridge.IndexEntry{Key: xxh3.HashString(key), Raw: uint64(records)}})
		}
		if _, err := s.Commit(tb.Context(), chunk); err != nil {
			tb.Error(err)
			return records
		}
	}
	return records
}

// BenchmarkBurst sends 10,000 signed webhooks of 1 KB over real HTTP to a synced store, from the same process, and
// looks for each of them afterwards.
func BenchmarkBurst(b *testing.B) {
	for _, connections := range []int{64, 256} {
		for _, mode := range []string{"poll", "apply"} {
			for _, beside := range []string{"alone", "beside-a-baseline"} {
				b.Run(fmt.Sprintf("%s/%s/connections=%d", mode, beside, connections), func(b *testing.B) {
					benchmarkBurst(b, mode == "apply", beside != "alone", connections)
				})
			}
		}
	}
}

func benchmarkBurst(b *testing.B, apply, busy bool, connections int) {
	s := openShop(b, apply)
	r := orders(b)
	_, web := serve(b, s, inbound.Options{}, r)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var took []time.Duration
	records, background := int64(0), time.Duration(0)
	for n := range b.N {
		b.StopTimer()
		requests := make([]*http.Request, burst)
		for i := range requests {
			requests[i] = signed(b, web.URL, r, fmt.Sprintf("msg_%d_%d", n, i), fmt.Sprintf(`{"id":"%d","text":%q}`, i, strings.Repeat("x", 1000)))
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
		var baseline sync.WaitGroup
		if busy {
			baseline.Go(func() {
				began := time.Now()
				records += s.baseline(ctx, b)
				background += time.Since(began)
			})
		}
		b.StartTimer()
		took = append(took, sendAll(b, client, requests, connections)...)
		b.StopTimer()
		cancel()
		baseline.Wait()
	}
	kept, err := s.Inbounds(b.Context(), bridge.InboundQuery{Limit: 1 << 30})
	if err != nil || len(kept) != b.N*burst {
		b.Fatalf("%d of %d webhooks were kept, error %v", len(kept), b.N*burst, err)
	}
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[int(float64(len(took)-1)*q)].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(at(1), "max-ms")
	b.ReportMetric(float64(b.N*burst)/b.Elapsed().Seconds(), "webhooks/s")
	if busy {
		b.ReportMetric(float64(records)/background.Seconds(), "records/s-beside")
	}
}

// sendAll sends all requests and returns how long each answer took.
func sendAll(b *testing.B, client *http.Client, requests []*http.Request, connections int) []time.Duration {
	took := make([]time.Duration, len(requests))
	var next atomic.Int64
	var senders sync.WaitGroup
	for range connections {
		senders.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				began := time.Now()
				response, err := client.Do(requests[i])
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				took[i] = time.Since(began)
				if response.StatusCode != http.StatusOK {
					b.Errorf("webhook %d is answered %d", i, response.StatusCode)
				}
			}
		})
	}
	senders.Wait()
	return took
}
