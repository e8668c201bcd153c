package json_test

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"github.com/hookbridge/bridge/sources/decode"
)

// endlessly repeats the records of a document until there are so many bytes.
type endlessly struct {
	head, record, tail []byte
	left               int64
	at                 io.Reader
	ended              bool
}

func (e *endlessly) Read(p []byte) (int, error) {
	for {
		if e.at == nil {
			e.at = bytes.NewReader(e.head)
		}
		n, err := e.at.Read(p)
		if n > 0 || err != io.EOF {
			e.left -= int64(n)
			return n, nil
		}
		switch {
		case e.ended:
			return 0, io.EOF
		case e.left <= 0:
			e.ended, e.at = true, bytes.NewReader(e.tail)
		default:
			e.at = bytes.NewReader(e.record)
		}
	}
}

// held splits so many bytes of a document and returns by how much more the heap held at one of its records than before:
// what is held, after a collection, because what earlier tests have left to be collected is not the decoder's.
func held(tb testing.TB, lines bool, size int64) (most int64) {
	one := document(1, true)
	record := append(bytes.TrimSpace(one), '\n')
	in := &endlessly{head: record, record: record, left: size}
	if !lines {
		in.head = append([]byte(`{"meta":{"total":1},"data":[`), record...)
		in.record, in.tail = append([]byte{','}, record...), []byte(`]}`)
	}
	before := live()
	_, err := format(lines, paths(tb, "data")[0]).Split(in, decode.Options{}, func(_ []byte, item int) error {
		if item%50_000 == 0 {
			most = max(most, live()-before)
		}
		return nil
	})
	if err != nil || !in.ended {
		tb.Fatal(err)
	}
	return most
}

func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkGigabyte splits 1 GiB that is made while it is read, and tells by how much the heap grew.
func BenchmarkGigabyte(b *testing.B) {
	for _, lines := range []bool{false, true} {
		b.Run(map[bool]string{false: "json", true: "ndjson"}[lines], func(b *testing.B) {
			b.SetBytes(1 << 30)
			var most int64
			for b.Loop() {
				most = max(most, held(b, lines, 1<<30))
			}
			b.ReportMetric(float64(most)/(1<<20), "MiB-held")
		})
	}
}

func TestALargeDocumentStaysSmall(t *testing.T) {
	for _, lines := range []bool{false, true} {
		if most := held(t, lines, 64<<20); most > 2<<20 {
			t.Errorf("lines %t: %d bytes held for a document of 64 MiB", lines, most)
		}
	}
}
