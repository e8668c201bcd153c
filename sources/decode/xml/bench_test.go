package xml_test

import (
	stdxml "encoding/xml"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/xml"
)

// export is a document of about size bytes that nobody holds: its records are written as they are read.
type export struct {
	size, read int64
	records    int
	next       []byte
	ended      bool
}

func (e *export) Read(p []byte) (int, error) {
	if len(e.next) == 0 {
		switch {
		case e.ended:
			return 0, io.EOF
		case e.read == 0:
			e.next = append(e.next, "<?xml version=\"1.0\"?>\n<e:export xmlns:e=\"urn:export\" total=\"0\">\n<e:orders>\n"...)
		case e.read >= e.size:
			e.ended = true
			e.next = append(e.next, "</e:orders>\n<next>abc</next>\n</e:export>\n"...)
		}
		for !e.ended && len(e.next) < 32<<10 {
			e.records++
			e.next = fmt.Appendf(e.next, `  <e:order id="%d" status="open">
    <number>A-%07d</number>
    <customer><id>%d</id><name>Customer &quot;%d&quot;</name><address><street>Lindenstraße 12</street><city>Köln</city></address></customer>
    <lines>
      <line><sku>X-100</sku><quantity>3</quantity><price>12.90</price></line>
      <line><sku>Y-200</sku><quantity>1</quantity><price>99.00</price></line>
    </lines>
    <note>Please ring twice; the bell at the door is broken, and the dog is friendly.</note>
  </e:order>
`, e.records, e.records, e.records, e.records%1000)
		}
	}
	n := copy(p, e.next)
	e.next = e.next[:copy(e.next, e.next[n:])]
	e.read += int64(n)
	return n, nil
}

// bare reads the tokens with encoding/xml alone: no records, no caps, no checks.
func bare(r io.Reader) error {
	decoder := stdxml.NewDecoder(r)
	for {
		if _, err := decoder.RawToken(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// peak splits a document and tells by how much more the heap held while it did than before: after a collection, because what
// earlier tests have left to be collected is not the decoder's.
func peak(t testing.TB, size int64) (most int64, records int) {
	t.Helper()
	source := &export{size: size}
	before := live()
	format := xml.Format{Items: items(t, "/export/orders/order")}
	envelope, err := format.Split(source, decode.Options{Fields: []decode.Path{{"//next"}}}, func(_ []byte, item int) error {
		if item%2000 == 0 {
			most = max(most, live()-before)
		}
		return nil
	})
	if err != nil || envelope.Items != source.records || string(envelope.Fields[0].Raw) != `"abc"` {
		t.Fatalf("%d of %d records, next %s, error %v", envelope.Items, source.records, envelope.Fields[0].Raw, err)
	}
	return most, envelope.Items
}

func live() int64 {
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc)
}

func TestXMLStaysSmall(t *testing.T) {
	most, records := peak(t, 12<<20)
	if most > 2<<20 {
		t.Errorf("a document of 12 MiB held %d KiB", most>>10)
	}
	if records < 15_000 {
		t.Errorf("only %d records", records)
	}
}

// BenchmarkSplit splits 32 MiB. x-bare is the time taken, as a multiple of the tokenizer of encoding/xml in the same run.
func BenchmarkSplit(b *testing.B) {
	const size = 32 << 20
	format := xml.Format{Items: items(b, "//order")}
	b.SetBytes(size)
	b.ReportAllocs()
	var ours, theirs time.Duration
	for b.Loop() {
		started := time.Now()
		source := &export{size: size}
		envelope, err := format.Split(source, decode.Options{}, func([]byte, int) error { return nil })
		if err != nil || envelope.Items != source.records {
			b.Fatal(envelope.Items, err)
		}
		ours += time.Since(started)
		b.StopTimer()
		started = time.Now()
		if err := bare(&export{size: size}); err != nil {
			b.Fatal(err)
		}
		theirs += time.Since(started)
		b.StartTimer()
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-bare")
}

// BenchmarkGigabyte splits 1 GiB once and tells by how much the heap grew.
func BenchmarkGigabyte(b *testing.B) {
	const size = 1 << 30
	b.SetBytes(size)
	var most int64
	for b.Loop() {
		most, _ = peak(b, size)
	}
	b.ReportMetric(float64(most)/(1<<20), "MiB-held")
}
