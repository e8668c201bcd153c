package graphql

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
)

func connection() format {
	return format{Format: json.Format{Items: decode.Path{"data", "a", "edges"}}, node: decode.Path{"node"}}
}

// FuzzAnswer: whatever a server sends, what is emitted is JSON, an answer that is taken has no errors, and it does not
// matter in which pieces it comes.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"a":{"edges":[{"node":{"id":1}},{"node":null}],"p":{"more":true}}}}`, `{"errors":[{"message":"m","path":["a",0],"extensions":{"code":7}}]}`,
		`{"data":{"a":{"edges":[{"node":1}]}},"errors":{}}`, `{"errors":[],"data":{"a":{"edges":[1]}}}`, `{"errors":[{"message":1}]}`, `[]`, `{`,
	} {
		f.Add([]byte(seed))
	}
	split := func(r io.Reader) (records []string, err error) {
		_, err = connection().Split(r, decode.Options{Fields: []decode.Path{{"data", "a", "p", "more"}}}, func(raw []byte, _ int) error {
			records = append(records, string(raw))
			return nil
		})
		return records, err
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		records, err := split(bytes.NewReader(answer))
		for _, record := range records {
			if !stdjson.Valid([]byte(record)) {
				t.Errorf("emitted %q", record)
			}
		}
		var taken struct{ Errors stdjson.RawMessage }
		if err == nil && stdjson.Unmarshal(bytes.TrimPrefix(answer, []byte("\xef\xbb\xbf")), &taken) == nil {
			if text := strings.TrimSpace(string(taken.Errors)); len(text) > 0 && text != "null" && text[0] != '[' {
				t.Errorf("took an answer with errors %s", text)
			}
		}
		again, err2 := split(iotest.HalfReader(bytes.NewReader(answer)))
		if fmt.Sprint(again) != fmt.Sprint(records) || (err == nil) != (err2 == nil) {
			t.Errorf("in one piece %q %v, in many %q %v", records, err, again, err2)
		}
		_ = explain("", answer)
	})
}

// BenchmarkNodes cuts the nodes out of a page of edges. of-bare is its speed as a share of that of the JSON decoder alone,
// in the same run, which emits the edges.
func BenchmarkNodes(b *testing.B) {
	var page bytes.Buffer
	page.WriteString(`{"data":{"a":{"edges":[`)
	for i := range 20_000 {
		if i > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"cursor":"c%d","node":{"id":"order-%d","status":"open","total":"%d.50","customer":{"name":"Customer %d","city":"Bremen"},"note":%q}}`, i, i, i, i, strings.Repeat("x", 300))
	}
	page.WriteString(`]}}}`)
	emit := func([]byte, int) error { return nil }
	var ours, bare time.Duration
	run := func(f decode.Format) time.Duration {
		started := time.Now()
		if envelope, err := f.Split(bytes.NewReader(page.Bytes()), decode.Options{}, emit); err != nil || envelope.Items != 20_000 {
			b.Fatal(envelope, err)
		}
		return time.Since(started)
	}
	b.SetBytes(int64(page.Len()))
	b.ReportAllocs()
	for b.Loop() {
		ours += run(connection())
		b.StopTimer()
		bare += run(connection().Format)
		b.StartTimer()
	}
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-bare")
}
