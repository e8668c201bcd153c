package archive_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge/sources/archive"
)

// BenchmarkUnpack reads 50 MB of a table. x-bare is the time taken, as a multiple of the library alone in the same run.
func BenchmarkUnpack(b *testing.B) {
	var table strings.Builder
	for i := 0; table.Len() < 50<<20; i++ {
		fmt.Fprintf(&table, "%d,A-%07d,open,%d.50,EUR,Customer %d,Lindenstraße %d,Köln,2026-11-02T08:%02d:30Z\r\n", i, i*7, i%999, i*31, i%100, i%60)
	}
	for name, test := range map[string]struct {
		content string
		bare    func(r *strings.Reader) (io.Reader, error)
	}{
		"gzip": {gzipped(table.String()), func(r *strings.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		"zip": {zipped(b, "a.csv", table.String()), func(r *strings.Reader) (io.Reader, error) {
			z, err := zip.NewReader(r, r.Size())
			if err != nil {
				return nil, err
			}
			return z.File[0].Open()
		}},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(table.Len()))
			b.ReportAllocs()
			var ours, theirs time.Duration
			for b.Loop() {
				started := time.Now()
				members, err := archive.Open(strings.NewReader(test.content), int64(len(test.content)), "a.csv", archive.Options{})
				if err != nil {
					b.Fatal(err)
				}
				in, err := members[0].Open()
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(new(count), in); err != nil || n != int64(table.Len()) {
					b.Fatal(n, err)
				}
				in.Close()
				ours += time.Since(started)
				b.StopTimer()
				started = time.Now()
				r, err := test.bare(strings.NewReader(test.content))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(new(count), r); err != nil {
					b.Fatal(err)
				}
				theirs += time.Since(started)
				b.StartTimer()
			}
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-bare")
		})
	}
}

// count counts what is written to it.
type count int

func (c *count) Write(p []byte) (int, error) {
	*c += count(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}
