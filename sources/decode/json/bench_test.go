package json_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge/sources/decode"
)

// document is n records of about 500 bytes within an envelope.
func document(n int, lines bool) []byte {
	var b bytes.Buffer
	if !lines {
		b.WriteString(`{"meta":{"total":1},"data":[`)
	}
	for i := range n {
		if i > 0 && !lines {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, `{"id":%d,"number":"A-%07d","status":"open","total":%d.50,"currency":"EUR","customer":{"id":%d,"name":"Customer \"%d\"","address":{"street":"Lindenstraße 12","city":"Köln","zip":"50667"}},"lines":[{"sku":"X-100","quantity":3,"price":12.90},{"sku":"Y-200","quantity":1,"price":99.00}],"tags":["web","express"],"note":"Please ring twice; the bell at the door is broken, and the dog is friendly to people who know it well.","updated_at":"2026-11-02T08:15:30Z"}`,
			i, i, i, i%1000, i)
		if lines {
			b.WriteByte('\n')
		}
	}
	if !lines {
		b.WriteString(`],"next":null}`)
	}
	return b.Bytes()
}

// stream hides that a reader is a buffer in memory.
type stream struct{ r *bytes.Reader }

func (s stream) Read(p []byte) (int, error) { return s.r.Read(p) }

// bare splits with jsontext alone: no caps, no envelope, no emit.
func bare(r io.Reader) error {
	decoder := jsontext.NewDecoder(r)
	for {
		token, err := decoder.ReadToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if token.Kind() != '[' {
			continue
		}
		for decoder.PeekKind() != ']' {
			if _, err := decoder.ReadValue(); err != nil {
				return err
			}
		}
	}
}

// BenchmarkSplit splits 50 MB as a stream. x-bare is the time taken, as a multiple of jsontext alone in the same run.
func BenchmarkSplit(b *testing.B) {
	for _, lines := range []bool{false, true} {
		b.Run(map[bool]string{false: "json", true: "ndjson"}[lines], func(b *testing.B) {
			data := document(100_000, lines)
			format := format(lines, paths(b, "data")[0])
			o := decode.Options{Fields: paths(b, "meta.total", "next")}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var ours, theirs time.Duration
			for b.Loop() {
				started := time.Now()
				envelope, err := format.Split(stream{bytes.NewReader(data)}, o, func([]byte, int) error { return nil })
				if err != nil || envelope.Items != 100_000 {
					b.Fatal(envelope.Items, err)
				}
				ours += time.Since(started)
				b.StopTimer()
				started = time.Now()
				if err := bare(stream{bytes.NewReader(data)}); err != nil {
					b.Fatal(err)
				}
				theirs += time.Since(started)
				b.StartTimer()
			}
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-bare")
		})
	}
}
