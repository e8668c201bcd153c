package daemon

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

// inProcess answers requests without a network, so that time can be simulated around it.
type inProcess struct {
	mu     sync.Mutex
	answer func(n int) (status int, header http.Header, body string, took time.Duration)
	at     []time.Time
}

func (p *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.at = append(p.at, time.Now())
	status, header, body, took := p.answer(len(p.at))
	p.mu.Unlock()
	select {
	case <-time.After(took):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/json")
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		ContentLength: int64(len(body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, nil
}

// since lists when requests came, counted from a moment.
func (p *inProcess) since(t0 time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, at := range p.at {
		out = append(out, at.Sub(t0).Round(time.Second).String())
	}
	return out
}

func fine(int) (int, http.Header, string, time.Duration) { return 200, nil, `[{"id":1}]`, 0 }

// simulate opens a daemon over p inside a bubble and runs its schedule for a while; the network side of Run stays out.
func simulate(t *testing.T, b *bench, p http.RoundTripper, length time.Duration, and func(d *Daemon)) {
	t.Helper()
	d, err := Open(context.Background(), Options{Path: b.path, Transport: p})
	if err != nil {
		t.Fatal(err)
	}
	d.serving.Store(true)
	for _, j := range d.allJobs() {
		j.splay = 0
		d.start(j, time.Now())
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); d.schedule(ctx) }()
	time.Sleep(length) // simulated
	synctest.Wait()
	if and != nil {
		and(d)
	}
	cancel()
	<-ended
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func jobEvery(schedule, extra string) string {
	return strings.NewReplacer("@every 1h", schedule).Replace(config("http://legacy.test", "http://127.0.0.1:1", extra))
}

func TestScheduleTicksOnTheInterval(t *testing.T) {
	b := newBench(t, jobEvery("@every 10s", ""))
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{answer: fine}
		t0 := time.Now()
		simulate(t, b, p, 35*time.Second, nil)
		if d := cmp.Diff([]string{"0s", "10s", "20s", "30s"}, p.since(t0)); d != "" {
			t.Errorf("polls (-want +got):\n%s", d)
		}
	})
}

func TestTickThatFindsItsJobRunningIsSkippedAndCounted(t *testing.T) {
	b := newBench(t, jobEvery("@every 10s", ""))
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{answer: func(int) (int, http.Header, string, time.Duration) { return 200, nil, `[{"id":1}]`, 25 * time.Second }}
		t0 := time.Now()
		simulate(t, b, p, 65*time.Second, func(d *Daemon) {
			j, _ := d.job("orders")
			if j.state.LastRun.Missed != 4 {
				t.Errorf("%d ticks counted as missed, want 4", j.state.LastRun.Missed)
			}
		})
		if d := cmp.Diff([]string{"0s", "30s", "1m0s"}, p.since(t0)); d != "" {
			t.Errorf("polls (-want +got):\n%s", d)
		}
	})
}

// A run that hangs is told of while it still goes; that it fails in the end is not the recovery.
func TestAJobThatHangsRecoversWithARunThatEndsWell(t *testing.T) {
	b := newBench(t, jobEvery("@every 10s", ""))
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{}
		p.answer = func(n int) (int, http.Header, string, time.Duration) {
			switch n {
			case 1:
				return 500, nil, "no", 55 * time.Second
			case 2, 3, 4:
				return 500, nil, "no", 0
			}
			return fine(n)
		}
		t0 := time.Now()
		simulate(t, b, p, 3*time.Minute, func(d *Daemon) {
			if diff := cmp.Diff([]string{"bridge.job.failing job/orders 40s", "bridge.job.recovered job/orders 1m40s"}, alertsTold(t, d, t0)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	})
}

// alertsTold lists the bridge's own events, with when they were told.
func alertsTold(t *testing.T, d *Daemon, t0 time.Time) []string {
	t.Helper()
	events, err := d.Events(context.Background(), bridge.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		told = append(told, e.Type+" "+e.Key+" "+e.Time.Sub(t0.UTC()).Round(time.Second).String())
	}
	return told
}

func TestFailingJobBacksOffTellsAndRecovers(t *testing.T) {
	b := newBench(t, jobEvery("@every 10s", ""))
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{}
		p.answer = func(n int) (int, http.Header, string, time.Duration) {
			if n <= 7 {
				return 500, nil, "no", 0
			}
			return fine(n)
		}
		t0 := time.Now()
		simulate(t, b, p, 6*time.Minute, func(d *Daemon) {
			want := []string{"bridge.job.failing job/orders 20s", "bridge.job.recovered job/orders 4m30s"}
			if d := cmp.Diff(want, alertsTold(t, d, t0)); d != "" {
				t.Errorf("told (-want +got):\n%s", d)
			}
		})
		// Three failures keep the schedule, then 20 s, 40 s, 80 s and the limit of ten intervals.
		want := []string{"0s", "10s", "20s", "30s", "50s", "1m30s", "2m50s", "4m30s"}
		if d := cmp.Diff(want, p.since(t0)[:8]); d != "" {
			t.Errorf("polls (-want +got):\n%s", d)
		}
	})
}

func TestRetryAfterBeatsBackoff(t *testing.T) {
	b := newBench(t, jobEvery("@every 10s", ""))
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{}
		p.answer = func(n int) (int, http.Header, string, time.Duration) {
			if n == 1 {
				return 429, http.Header{"Retry-After": {"47"}}, "", 0
			}
			return fine(n)
		}
		t0 := time.Now()
		simulate(t, b, p, time.Minute, nil)
		if d := cmp.Diff([]string{"0s", "47s", "57s"}, p.since(t0)); d != "" {
			t.Errorf("polls (-want +got):\n%s", d)
		}
	})
}

func TestPendingAbsencesBringTheirOwnPoll(t *testing.T) {
	b := newBench(t, jobEvery("@every 1h", ""))
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{}
		p.answer = func(n int) (int, http.Header, string, time.Duration) {
			if n == 1 {
				return 200, nil, `[{"id":1},{"id":2}]`, 0
			}
			return fine(n)
		}
		t0 := time.Now()
		simulate(t, b, p, 2*time.Hour, func(d *Daemon) {
			events, err := d.Events(context.Background(), bridge.EventQuery{})
			if err != nil || len(events) != 1 || events[0].Type != "orders.deleted" {
				t.Errorf("events: %+v, %v; want one deletion", events, err)
			}
		})
		if d := cmp.Diff([]string{"0s", "1h0m0s", "1h1m0s"}, p.since(t0)[:3]); d != "" {
			t.Errorf("polls (-want +got):\n%s", d)
		}
	})
}

func TestMissedRunsAreMadeUpForOnceOrSkipped(t *testing.T) {
	for _, tc := range []struct {
		missed string
		want   []string
	}{
		{"run_once", []string{"0s", "10m0s", "20m0s"}},
		{"skip", []string{"5m0s", "15m0s", "25m0s"}},
	} {
		t.Run(tc.missed, func(t *testing.T) {
			b := newBench(t, jobEvery("@every 10m", fmt.Sprintf("missed = %q", tc.missed)))
			synctest.Test(t, func(t *testing.T) {
				p := &inProcess{answer: fine}
				simulate(t, b, p, time.Second, nil)
				time.Sleep(34*time.Minute + 59*time.Second) // nobody runs
				p = &inProcess{answer: fine}
				t0 := time.Now()
				simulate(t, b, p, 26*time.Minute, nil)
				if d := cmp.Diff(tc.want, p.since(t0)); d != "" {
					t.Errorf("polls after the pause (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	var got []string
	for failures := int64(1); failures <= 8; failures++ {
		got = append(got, fmt.Sprint(backoff(30*time.Second, failures), " ", backoff(5*time.Second, failures), " ", backoff(time.Hour, failures)))
	}
	want := []string{"0s 0s 0s", "0s 0s 0s", "0s 0s 0s", "1m0s 10s 0s", "2m0s 20s 0s", "4m0s 40s 0s", "5m0s 50s 0s", "5m0s 50s 0s"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("waits (-want +got):\n%s", d)
	}
}

func TestManualRunsCollapse(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1}`), newReceiver(t)
	d := newBench(t, config(source.URL, sink.URL, "")).open()
	defer d.Close()
	source.block = make(chan struct{})
	j, err := d.job("orders")
	if err != nil {
		t.Fatal(err)
	}
	first := d.request(j, bridge.Manual)
	for { // until it runs
		j.mu.Lock()
		running := j.running
		j.mu.Unlock()
		if running {
			break
		}
	}
	var turns []*turn
	for range 5 {
		turns = append(turns, d.request(j, bridge.Manual))
	}
	if slices.Contains(turns, first) || len(slices.Compact(turns)) != 1 {
		t.Errorf("five requests during a run are not one run that follows it")
	}
	close(source.block)
	<-turns[0].done
	if source.polls() != 2 {
		t.Errorf("%d polls, want 2", source.polls())
	}
}
