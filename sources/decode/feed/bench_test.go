package feed_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/feed"
	"github.com/mmcdole/gofeed"
)

// long is a feed that nobody holds: its entries are written as they are read.
type long struct {
	entries, written int
	next             []byte
	ended            bool
}

func (l *long) Read(p []byte) (int, error) {
	if l.written == 0 {
		l.next = append(l.next, `<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Orders</title>`...)
	}
	if len(l.next) == 0 && l.ended {
		return 0, io.EOF
	}
	for len(l.next) < 8<<10 && l.written < l.entries {
		l.written++
		l.next = fmt.Appendf(l.next, `<item><title>Order %d</title><link>https://example.com/orders/%d</link><guid>%d</guid><pubDate>Mon, 02 Nov 2026 08:15:30 +0100</pubDate><description><![CDATA[Please ring <b>twice</b>; the bell at the door is broken, and the dog is friendly.]]></description><dc:creator>Ada</dc:creator><category>web</category></item>`+"\n", l.written, l.written, l.written)
	}
	if l.written == l.entries && !l.ended {
		l.ended = true
		l.next = append(l.next, `</channel></rss>`...)
	}
	n := copy(p, l.next)
	l.next = l.next[:copy(l.next, l.next[n:])]
	return n, nil
}

// peak splits a feed and tells by how much more the heap held while it did than before: after a collection, because what
// earlier tests have left to be collected is not the decoder's.
func peak(t testing.TB, entries int) (most int64) {
	before := live()
	t.Helper()
	envelope, err := feed.Format{}.Split(&long{entries: entries}, decode.Options{}, func(_ []byte, item int) error {
		if item%2000 == 0 {
			most = max(most, live()-before)
		}
		return nil
	})
	if err != nil || envelope.Items != entries {
		t.Fatalf("%d of %d entries, error %v", envelope.Items, entries, err)
	}
	return most
}

func live() int64 {
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc)
}

func TestAFeedStaysSmall(t *testing.T) {
	if most := peak(t, 27_000); most > 2<<20 {
		t.Errorf("a feed of 8 MiB held %d KiB", most>>10)
	}
}

// BenchmarkSplit splits a feed of 1,000 entries. x-bare is the time taken, as a multiple of gofeed alone in the same run:
// gofeed reads one entry at a time, after the document was read for where they are, and the records are written.
func BenchmarkSplit(b *testing.B) {
	data, err := io.ReadAll(&long{entries: 1000})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var ours, theirs time.Duration
	for b.Loop() {
		started := time.Now()
		envelope, err := feed.Format{}.Split(bytes.NewReader(data), decode.Options{}, func([]byte, int) error { return nil })
		if err != nil || envelope.Items != 1000 {
			b.Fatal(envelope.Items, err)
		}
		ours += time.Since(started)
		b.StopTimer()
		started = time.Now()
		if _, err := gofeed.NewParser().Parse(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
		theirs += time.Since(started)
		b.StartTimer()
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-bare")
}

// BenchmarkLong splits a feed of 64 MB and tells by how much the heap grew.
func BenchmarkLong(b *testing.B) {
	b.SetBytes(64 << 20)
	var most int64
	for b.Loop() {
		most = peak(b, 213_000)
	}
	b.ReportMetric(float64(most)/(1<<20), "MiB-held")
}
