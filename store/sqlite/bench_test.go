package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"golang.org/x/sys/unix"
)

var kilobyte = []byte(`{"text":"` + strings.Repeat("x", 1000) + `"}`)

// running is a store with its background work going, as in a daemon.
func running(b *testing.B) *bench {
	b.Helper()
	db := open(b, path(b))
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return setUp(b, db)
}

func quantile(took []time.Duration, q float64) time.Duration {
	slices.Sort(took)
	return took[int(float64(len(took)-1)*q)]
}

// bare measures fdatasync of 4 KiB appended to a file beside the store.
func bare(b *testing.B, dir string) (p50 time.Duration, rate float64) {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	var took []time.Duration
	start := time.Now()
	for range 2000 {
		at := time.Now()
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(at))
	}
	return quantile(took, 0.5), 2000 / time.Since(start).Seconds()
}

// BenchmarkGroupCommit: 64 producers commit one record of 1 KB each at a time, beside bare fdatasyncs.
func BenchmarkGroupCommit(b *testing.B) {
	for _, events := range []bool{false, true} {
		b.Run(fmt.Sprintf("events=%v", events), func(b *testing.B) {
			s := running(b)
			sync1, rate := bare(b, b.TempDir())
			began := must[int64](b)(s.BeginRun(b.Context(), s.job.Number))
			defer s.EndRun(s.job.Number, began)
			took := make([]time.Duration, b.N)
			var wg sync.WaitGroup
			next := make(chan int, 64)
			b.ResetTimer()
			for range 64 {
				wg.Go(func() {
					for i := range next {
						put := bridge.Put{Key: fmt.Sprintf("key %09d", i), Body: kilobyte, Entry: bridge.IndexEntry{Key: uint64(i), Raw: uint64(i)}}
						chunk := &bridge.Chunk{Job: s.job.Number, Began: began, RulesNumber: 1}
						if events {
							put.Event = &bridge.Event{Type: "orders.created", Key: put.Key, Op: bridge.Created, Origin: bridge.Schedule, After: kilobyte}
							chunk.Targets = s.targets
						}
						chunk.Puts = []bridge.Put{put}
						at := time.Now()
						if _, err := s.Commit(b.Context(), chunk); err != nil {
							b.Error(err)
						}
						took[i] = time.Since(at)
					}
				})
			}
			for i := range b.N {
				next <- i
			}
			close(next)
			wg.Wait()
			b.StopTimer()
			commits := float64(b.N) / b.Elapsed().Seconds()
			p99 := quantile(took, 0.99)
			after, rateAfter := bare(b, b.TempDir())
			sync1, rate = (sync1+after)/2, (rate+rateAfter)/2 // disks are shared, and moods change
			b.ReportMetric(commits, "commits/s")
			b.ReportMetric(rate, "fdatasyncs/s")
			b.ReportMetric(commits/rate, "x-fdatasync-rate")
			b.ReportMetric(float64(p99)/float64(sync1), "p99/fdatasync")
			b.ReportMetric(float64(p99.Microseconds()), "p99-µs")
		})
	}
}

// fill takes in n records of 500 B silently, as a baseline does, and reports the longest a chunk held the writer.
func fill(b *testing.B, s *bench, n int) (longest time.Duration) {
	b.Helper()
	body := kilobyte[:500]
	began := must[int64](b)(s.BeginRun(b.Context(), s.job.Number))
	defer s.EndRun(s.job.Number, began)
	for at := 0; at < n; at += 1000 {
		chunk := &bridge.Chunk{Job: s.job.Number, Began: began, RulesNumber: 1, First: at == 0}
		for i := at; i < min(at+1000, n); i++ {
			chunk.Puts = append(chunk.Puts, bridge.Put{
				Key: fmt.Sprintf("key %09d", i), Body: body,
				Entry: bridge.IndexEntry{Key: uint64(i) * 0x9e3779b97f4a7c15, Raw: uint64(i) * 0xc2b2ae3d27d4eb4f, Canon: uint64(i) * 0x165667b19e3779f9},
			})
		}
		done := must[bridge.Committed](b)(s.Commit(b.Context(), chunk))
		longest = max(longest, done.Took)
	}
	return longest
}

// BenchmarkBaseline: chunks of 1000 records.
func BenchmarkBaseline(b *testing.B) {
	const records = 100_000
	for range b.N {
		b.StopTimer()
		s := running(b)
		b.StartTimer()
		longest := fill(b, s, records)
		b.ReportMetric(float64(longest.Microseconds())/1000, "longest-hold-ms")
	}
	b.ReportMetric(float64(records*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkIndex loads a million rows.
func BenchmarkIndex(b *testing.B) {
	records := 1_000_000
	if testing.Short() {
		records = 100_000
	}
	s := running(b)
	fill(b, s, records)
	b.ResetTimer()
	for range b.N {
		n := 0
		if err := s.Index(b.Context(), s.job.Number, func(bridge.IndexEntry) error { n++; return nil }); err != nil || n != records {
			b.Fatalf("%d rows, error %v", n, err)
		}
	}
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkRows reads bodies of a hundredth of the rows, side by side and scattered.
func BenchmarkRows(b *testing.B) {
	const records = 200_000
	s := running(b)
	fill(b, s, records)
	first := s.job.Number<<40 + 1
	for name, stride := range map[string]int64{"consecutive": 1, "scattered": 97} {
		var ids []int64
		for i := range int64(records / 100) {
			ids = append(ids, first+i*stride)
		}
		b.Run(name, func(b *testing.B) {
			for range b.N {
				n := 0
				if err := s.Rows(b.Context(), s.job.Number, ids, func(bridge.Row) error { n++; return nil }); err != nil || n != len(ids) {
					b.Fatalf("%d rows, error %v", n, err)
				}
			}
			b.ReportMetric(float64(len(ids)*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkDrain reads and settles a committed backlog of events of 1 KB, in batches of 256.
func BenchmarkDrain(b *testing.B) {
	s := running(b)
	var keys []string
	began := must[int64](b)(s.BeginRun(b.Context(), s.job.Number))
	for i := range b.N {
		keys = append(keys, fmt.Sprint("key ", i))
		if len(keys) == 1000 || i == b.N-1 {
			chunk := s.chunk(began)
			for _, key := range keys {
				chunk.Puts = append(chunk.Puts, created(key, string(kilobyte)))
			}
			must[bridge.Committed](b)(s.Commit(b.Context(), chunk))
			keys = keys[:0]
		}
	}
	s.EndRun(s.job.Number, began)
	var reading, settling time.Duration
	b.ResetTimer()
	for left := b.N; left > 0; {
		at := time.Now()
		due := s.due(256)
		reading += time.Since(at)
		at = time.Now()
		s.settle(bridge.Delivered, due...)
		settling += time.Since(at)
		left -= len(due)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(reading.Microseconds())/float64(b.N), "µs/read")
	b.ReportMetric(float64(settling.Microseconds())/float64(b.N), "µs/settle")
}

// BenchmarkRecordRun: the rows of ten thousand jobs that found nothing.
func BenchmarkRecordRun(b *testing.B) {
	s := running(b)
	var numbers []int64
	for i := range 1000 {
		numbers = append(numbers, must[bridge.JobState](b)(s.OpenJob(b.Context(), fmt.Sprint("job ", i), "", "")).Number)
	}
	b.ResetTimer()
	for i := range b.N {
		s.RecordRun(numbers[i%len(numbers)], bridge.RunReport{Seen: int64(i), Outcome: bridge.RunUnchanged}, nil)
	}
}
