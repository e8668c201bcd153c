package http_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	nethttp "net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
)

func gzipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

func TestCompression(t *testing.T) {
	good := gzipped(`[{"id":1}]`)
	damaged := bytes.Clone(good)
	damaged[len(damaged)-6] ^= 1 // the checksum
	for _, test := range []struct {
		name, encoding string
		body           []byte
		want           string // error
	}{
		{"gzip", "gzip", good, ""},
		{"gzip in two members", "gzip", append(gzipped(`[{"id"`), gzipped(`:1}]`)...), ""},
		{"cut short", "gzip", good[:len(good)-3], "source.http: the answer was cut short after 10 bytes"},
		{"damaged", "gzip", damaged, "gzip: invalid checksum"},
		{"not gzip at all", "gzip", []byte(`[{"id":1}]`), "the answer says it is gzip but is not"},
		{"something else", "br", good, `the answer is encoded as "br", which was not asked for`},
		{"rubbish after it", "gzip", append(bytes.Clone(good), "xxxxxxxxxxxx"...), "gzip: invalid header"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := source(t, newShared(), fmt.Sprintf("url = %q", serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				if got := r.Header.Get("Accept-Encoding"); got != "gzip" {
					t.Errorf("Accept-Encoding: %s", got)
				}
				w.Header().Set("Content-Encoding", test.encoding)
				_, _ = w.Write(test.body)
			})))
			for range 2 { // the second with a pooled inflater
				got := fetch(t, s, nil)
				if test.want != "" {
					got.wantError(t, test.want)
					continue
				}
				got.want(t, `1.1 {"id":1}`)
				if got.Outcome.Bytes != 10 {
					t.Errorf("%d bytes, want the 10 decompressed ones", got.Outcome.Bytes)
				}
			}
		})
	}
}

// A gzip bomb: twenty kilobytes that become twenty megabytes.
func TestBodiesAreCappedDecompressed(t *testing.T) {
	bomb := gzipped("[" + strings.Repeat(" ", 20<<20) + "]")
	for name, size := range map[string]int{"a small cap": 1000, "a large cap": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			s := source(t, newShared(), fmt.Sprintf("max_body = %d\nurl = %q", size, serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(bomb)
			})))
			got := fetch(t, s, nil)
			got.wantError(t, "source.http: the answer is larger than max_body (")
			if got.Outcome.Bytes > int64(size)+1<<20 {
				t.Errorf("read %d bytes although %d are allowed", got.Outcome.Bytes, size)
			}
		})
	}
}

func TestABodyOfExactlyTheCapIsRead(t *testing.T) {
	s := source(t, newShared(), fmt.Sprintf("max_body = 3\nurl = %q", serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) { fmt.Fprint(w, "[1]") })))
	fetch(t, s, nil).want(t, "1.1 1")
}

// large answers with n records of 1000 bytes, in one body.
func large(n int) nethttp.HandlerFunc {
	filler := strings.Repeat("x", 980)
	return func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		fmt.Fprint(w, `{"data":[`)
		for i := range n {
			if i > 0 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"id":%7d,"x":"%s"}`, i, filler)
		}
		fmt.Fprint(w, `]}`)
	}
}

func TestLargeBodiesAreStreamed(t *testing.T) {
	const records = 20_000 // 20 MB
	s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"json\" { items = \"data\" }", serve(t, large(records))))
	var peak uint64
	count := 0
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error {
		if count++; count%5_000 == 0 {
			runtime.GC()
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
		return nil
	})
	if err != nil || count != records || !outcome.Complete {
		t.Fatalf("%d records, %+v, %v", count, outcome, err)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("a body of %d MB held %d MB", outcome.Bytes>>20, grown>>20)
	}
	// Too large to be compared before it is parsed: the next fetch shows its records again.
	again, err := s.Fetch(t.Context(), bridge.FetchOptions{From: outcome.Next}, func(bridge.Record) error { count++; return nil })
	if err != nil || again.NotModified || count != 2*records {
		t.Errorf("again: %d records, %+v, %v", count, again, err)
	}
}

func TestALargeBodyAfterUnchangedPages(t *testing.T) {
	grow := false
	s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"json\" { items = \"data\" }\npagination \"page\" {}", serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch page := r.URL.Query().Get("page"); {
		case page == "1":
			fmt.Fprint(w, `{"data":[1]}`)
		case page == "2" && grow:
			large(1000)(w, r)
		default:
			fmt.Fprint(w, `{"data":[]}`)
		}
	})))
	first := fetch(t, s, nil)
	first.want(t, "1.1 1")
	grow = true
	if got := fetch(t, s, first.Outcome.Next); got.Err != nil || len(got.Records) != 1001 || got.Outcome.NotModified {
		t.Errorf("%d records, %+v, %v", len(got.Records), got.Outcome, got.Err)
	}
}

func TestRequestAsConfigured(t *testing.T) {
	var got *nethttp.Request
	var body string
	s := source(t, newShared(), fmt.Sprintf(`
		url     = "%s/search?b=2"
		method  = "POST"
		query   = { a = 1, c = true }
		headers = { X-Team = "erp", Accept = "text/json" }
		json    = { from = 9007199254740993, tags = ["x"] }
	`, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		data, _ := io.ReadAll(r.Body)
		got, body = r, string(data)
		w.Header().Set("ETag", `"x"`)
		fmt.Fprint(w, "[1]")
	})))
	first := fetch(t, s, nil)
	first.want(t, "1.1 1")
	if got.Method != "POST" || got.URL.RequestURI() != "/search?b=2&a=1&c=true" || body != `{"from":9007199254740993,"tags":["x"]}` {
		t.Errorf("%s %s %s", got.Method, got.URL, body)
	}
	for name, want := range map[string]string{"X-Team": "erp", "Accept": "text/json", "Content-Type": "application/json", "User-Agent": "hookbridge"} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	// A validator says something about a GET only; the same bytes are the same bytes.
	if again := fetch(t, s, first.Outcome.Next); !again.Outcome.NotModified || got.Header.Get("If-None-Match") != "" {
		t.Errorf("%+v after If-None-Match: %s", again.Outcome, got.Header.Get("If-None-Match"))
	}
	fetchWith(t.Context(), s, bridge.FetchOptions{Unconditional: true}).want(t, "1.1 1")
	if got.Header.Get("Cache-Control") != "no-cache" {
		t.Error("an unconditional fetch may be answered by a cache")
	}
}

func TestDateOfTheFirstAnswer(t *testing.T) {
	s := source(t, newShared(), fmt.Sprintf("url = %q", serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Date", "Sat, 21 Nov 2026 12:00:00 GMT")
		fmt.Fprint(w, "[1]")
	})))
	if got := fetch(t, s, nil).Outcome.Date.Format("2006-01-02 15:04:05"); got != "2026-11-21 12:00:00" {
		t.Errorf("date is %s", got)
	}
}
