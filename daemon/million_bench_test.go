package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookbridge/bridge"
)

// The benchmarks of this file poll a listing of a million records of about 500 bytes over HTTP. The system that serves
// it is a process of its own, so that the peak RSS reported is the bridge's. Each poll stands beside the mere streaming
// and splitting (jsontext) of the same body in the same run: x-split is the ratio of the two. HOOKBRIDGE_BENCH_RECORDS
// makes it another number of records.

const benchServer = "HOOKBRIDGE_BENCH_SERVER"

func benchRecords() int {
	if n, err := strconv.Atoi(os.Getenv("HOOKBRIDGE_BENCH_RECORDS")); err == nil {
		return n
	}
	return 1_000_000
}

// listing writes n records in one of the spellings that the benchmarks tell apart.
func listing(w io.Writer, n int, variant string) {
	out := bufio.NewWriterSize(w, 1<<20)
	defer out.Flush()
	var b []byte
	separator := ","
	if variant == "spaced" { // the same records between other bytes
		separator = ",\n"
	}
	_ = out.WriteByte('[')
	for i := range n {
		if i > 0 {
			_, _ = out.WriteString(separator)
		}
		status := "open"
		if variant == "changed" && i%100 == 0 {
			status = "shipped"
		}
		id, total := strconv.Itoa(1_000_000+i), strconv.Itoa(i%1000)
		b = b[:0]
		if variant == "rewritten" { // other order, other white space, other numbers' spelling; the same records
			b = append(b, `{ "status": "`+status+`", "id": `+id+`, "total": `+total+`.50, "currency": "EUR", `...)
		} else {
			b = append(b, `{"id":`+id+`,"status":"`+status+`","total":`+total+`.5,"currency":"EUR",`...)
		}
		b = append(b, `"customer":{"id":`+total+`,"name":"Müller & Söhne GmbH `+total+`","city":"Castrop-Rauxel","vip":false},`...)
		b = append(b, `"lines":[{"sku":"A-`+total+`","quantity":3,"price":10.25},{"sku":"B-`+id+`","quantity":1,"price":99.9}],`...)
		b = append(b, `"note":"`...)
		b = append(b, strings.Repeat("deliver to the back door, ring twice. ", 5)...)
		b = append(b, `","created":"2026-01-01T00:00:00Z","tags":["x","y"],"weight":null}`...)
		_, _ = out.Write(b)
	}
	_ = out.WriteByte(']')
}

// serveListing is the legacy system of the benchmarks, in its own process.
func serveListing() {
	n, _ := strconv.Atoi(os.Getenv(benchServer))
	bodies := map[string][]byte{}
	mux := http.NewServeMux()
	current := "plain"
	mux.HandleFunc("POST /now/{variant}", func(_ http.ResponseWriter, r *http.Request) {
		current = r.PathValue("variant")
		if _, ok := bodies[current]; !ok && current != "etag" {
			var b strings.Builder
			listing(&b, n, current)
			bodies[current] = []byte(b.String())
		}
	})
	mux.HandleFunc("GET /records", func(w http.ResponseWriter, r *http.Request) {
		name := current
		if name == "etag" {
			name = "plain"
			w.Header().Set("ETag", `"plain"`)
			if r.Header.Get("If-None-Match") == `"plain"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(bodies[name])))
		_, _ = w.Write(bodies[name])
	})
	sink := newSink()
	mux.HandleFunc("POST /sink", sink.take)
	mux.HandleFunc("POST /sink/{n}", sink.wait)
	mux.HandleFunc("GET /tagged/{n}", func(w http.ResponseWriter, r *http.Request) {
		tag := `"` + r.PathValue("n") + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"id":1,"status":"open"},{"id":2,"status":"open"}]`)
	})
	listener, err := listenLoopback()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("http://" + listener.Addr().String())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }() // ends with its parent
	_ = http.Serve(listener, mux)                                    //nolint:gosec // on loopback, for one client
}

// startBenchServer starts the legacy system and returns its URL.
func startBenchServer(tb testing.TB, records int) string {
	tb.Helper()
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), benchServer+"="+strconv.Itoa(records))
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = stdin.Close(); _ = server.Wait() })
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// million is a bridge with a baseline of the plain listing.
type million struct {
	*Daemon
	tb  testing.TB
	url string
	at  string
}

func newMillion(tb testing.TB, records int) *million {
	tb.Helper()
	url := startBenchServer(tb, records)
	m := &million{tb: tb, url: url, at: filepath.Join(tb.TempDir(), "bridge.hcl")}
	if err := os.WriteFile(m.at, []byte(config(m.url, m.url+"/sink", "")), 0o600); err != nil {
		tb.Fatal(err)
	}
	m.open()
	tb.Cleanup(func() { _ = m.Close() })
	m.now("plain")
	if got := m.poll(); got.Silent != int64(records) {
		tb.Fatalf("baseline took %d records, want %d", got.Silent, records)
	}
	return m
}

func (m *million) open() {
	m.tb.Helper()
	d, err := Open(context.Background(), Options{Path: m.at})
	if err != nil {
		m.tb.Fatal(err)
	}
	m.Daemon = d
}

func (m *million) now(variant string) {
	m.tb.Helper()
	answer, err := http.Post(m.url+"/now/"+variant, "", nil)
	if err != nil {
		m.tb.Fatal(err)
	}
	_ = answer.Body.Close()
}

func (m *million) poll() bridge.RunReport {
	m.tb.Helper()
	report, err := m.Poll(context.Background(), "orders")
	if err != nil || report.Error != "" {
		m.tb.Fatal(err, report.Error)
	}
	return report
}

// split streams the listing and cuts it into records, and does nothing else.
func (m *million) split() time.Duration {
	m.tb.Helper()
	began := time.Now()
	answer, err := http.Get(m.url + "/records")
	if err != nil {
		m.tb.Fatal(err)
	}
	defer answer.Body.Close()
	decoder := jsontext.NewDecoder(bufio.NewReaderSize(answer.Body, 256<<10))
	if _, err := decoder.ReadToken(); err != nil {
		m.tb.Fatal(err)
	}
	for decoder.PeekKind() != ']' {
		if _, err := decoder.ReadValue(); err != nil {
			m.tb.Fatal(err)
		}
	}
	return time.Since(began)
}

func BenchmarkMillion(b *testing.B) {
	m := newMillion(b, benchRecords())
	for _, tc := range []struct {
		name     string
		variants []string // in turn, so that every poll finds the difference the case is about
		updated  float64  // part of the records
	}{
		{"a-304", []string{"etag"}, 0},
		{"b-same-bytes", []string{"plain"}, 0},
		{"c-all-rewritten", []string{"rewritten", "plain"}, 0},
		{"d-raw-identical", []string{"spaced", "plain"}, 0},
		{"e-1pc-changed", []string{"changed", "plain"}, .01},
	} {
		b.Run(tc.name, func(b *testing.B) {
			m.now("plain")
			m.poll()
			if tc.name == "a-304" {
				m.now("etag")
				m.poll()
			}
			written := storeBytes(m.storePath)
			var split, polled time.Duration
			var rss int64
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				b.StopTimer()
				m.now(tc.variants[i%len(tc.variants)])
				split += m.split()
				debug.FreeOSMemory()
				resetPeak()
				b.StartTimer()
				began := time.Now()
				report := m.poll()
				polled += time.Since(began)
				rss = max(rss, peakRSS())
				if want := int64(tc.updated * float64(benchRecords())); report.Updated != want || report.Silent+report.Created+report.Deleted > 0 {
					b.Fatalf("poll: %+v, want %d updated and nothing else", report, want)
				}
			}
			b.StopTimer()
			if tc.updated == 0 && storeBytes(m.storePath) > written+64<<10 {
				b.Errorf("%d bytes were written though nothing changed", storeBytes(m.storePath)-written)
			}
			b.ReportMetric(polled.Seconds()/split.Seconds(), "x-split")
			b.ReportMetric(split.Seconds()/float64(b.N), "split-s/op")
			b.ReportMetric(float64(rss)/(1<<20), "peak-RSS-MB")
		})
	}
	b.Run("start", func(b *testing.B) {
		m.now("plain")
		for range b.N {
			b.StopTimer()
			if err := m.Close(); err != nil {
				b.Fatal(err)
			}
			debug.FreeOSMemory()
			resetPeak()
			b.StartTimer()
			m.open()
			j := m.jobs["orders"]
			eye, err := j.eye()
			if err != nil {
				b.Fatal(err)
			}
			memory, err := remember(context.Background(), m.store, eye, &j.state)
			if err != nil {
				b.Fatal(err)
			}
			j.memory = memory
		}
		b.ReportMetric(float64(peakRSS())/(1<<20), "peak-RSS-MB")
	})
}

// resetPeak makes the kernel begin the peak RSS of this process anew.
func resetPeak() {
	if runtime.GOOS == "linux" {
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	}
}

// peakRSS is the most memory this process has held since resetPeak, in bytes; 0 where the system does not say.
func peakRSS() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
