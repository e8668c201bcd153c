package http

import (
	"testing"
	"time"

	"github.com/hookbridge/bridge/sources/stamp"
)

func FuzzWatermark(f *testing.F) {
	w := &since{param: "s", path: "u"}
	f.Add([]byte(w.remember(stamp.Stamp{Text: "2026-11-21"})))
	f.Add([]byte(markVersion))
	f.Fuzz(func(t *testing.T, from []byte) {
		mark, ok := w.recall(from)
		if !ok {
			return
		}
		if again, ok := w.recall(w.remember(mark)); !ok || again.Text != mark.Text || !again.At.Equal(mark.At) {
			t.Errorf("%+v became %+v", mark, again)
		}
	})
}

// BenchmarkObserve is what a watermark costs per record.
func BenchmarkObserve(b *testing.B) {
	record := []byte(`{"id":4711,"status":"open","customer":{"name":"A. Customer","city":"Berlin"},"lines":[{"sku":"a","quantity":1},{"sku":"b","quantity":2}],"updated_at":"2026-11-21T02:03:04.123Z"}`)
	t := tide{limit: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.ReportAllocs()
	b.SetBytes(int64(len(record)))
	for b.Loop() {
		t.observe(record, "updated_at")
	}
}
