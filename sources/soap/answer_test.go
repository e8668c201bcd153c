package soap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/xml"
)

func answers(t testing.TB, items string) format {
	t.Helper()
	path, err := xml.ParsePath(items)
	if err != nil {
		t.Fatal(err)
	}
	return format{Format: xml.Format{Items: path}, version: versions["1.1"]}
}

// FuzzAnswer: whatever a service sends, what is emitted is JSON, an answer that is taken is an envelope without a fault, and
// it does not matter in which pieces it comes.
func FuzzAnswer(f *testing.F) {
	const head = `<s:Envelope xmlns:s="urn:s"><s:Body>`
	for _, seed := range []string{
		head + `<order id="1"><n>x</n></order></s:Body></s:Envelope>`, head + `<s:Fault><faultcode>a:b</faultcode><faultstring>c</faultstring></s:Fault></s:Body></s:Envelope>`,
		head + `<s:Fault><s:Code><s:Value>a</s:Value></s:Code></s:Fault><order/></s:Body></s:Envelope>`, `<order/>`, head, `<s:Envelope/>`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		a := answers(t, "//order")
		split := func(r io.Reader) (records []string, err error) {
			_, err = a.Split(r, decode.Options{Fields: []decode.Path{{"//next"}}, Record: 1 << 16}, func(raw []byte, _ int) error {
				records = append(records, string(raw))
				return nil
			})
			return records, err
		}
		records, err := split(bytes.NewReader(answer))
		for _, record := range records {
			if !json.Valid([]byte(record)) {
				t.Errorf("emitted %q", record)
			}
		}
		if err == nil && (!bytes.Contains(answer, []byte("Envelope")) || !bytes.Contains(answer, []byte("Body"))) && answer[0] == '<' && !bytes.Contains(answer, []byte("encoding")) {
			t.Errorf("took %q for an envelope", answer)
		}
		if refused := a.explain("", answer); (refused != nil) != errors.As(err, new(*decode.RefusedError)) && len(answer) < 1<<16 {
			t.Errorf("%v is explained as %v", err, refused)
		}
		again, err2 := split(iotest.HalfReader(bytes.NewReader(answer)))
		if fmt.Sprint(again) != fmt.Sprint(records) || (err == nil) != (err2 == nil) {
			t.Errorf("in one piece %q %v, in many %q %v", records, err, again, err2)
		}
	})
}

// BenchmarkAnswer cuts the records out of a page. of-bare is its speed as a share of that of the XML decoder alone, in the
// same run, so what it costs to look for faults.
func BenchmarkAnswer(b *testing.B) {
	var page bytes.Buffer
	page.WriteString(`<s:Envelope xmlns:s="urn:s"><s:Body><orders>`)
	for i := range 20_000 {
		fmt.Fprintf(&page, `<order id="%d"><status>open</status><total>%d.50</total><note>%s</note></order>`, i, i, strings.Repeat("x", 300))
	}
	page.WriteString(`</orders></s:Body></s:Envelope>`)
	emit := func([]byte, int) error { return nil }
	run := func(f decode.Format) time.Duration {
		started := time.Now()
		if envelope, err := f.Split(bytes.NewReader(page.Bytes()), decode.Options{}, emit); err != nil || envelope.Items != 20_000 {
			b.Fatal(envelope, err)
		}
		return time.Since(started)
	}
	ours := answers(b, "//order")
	var whole, bare time.Duration
	b.SetBytes(int64(page.Len()))
	b.ReportAllocs()
	for b.Loop() {
		whole += run(ours)
		b.StopTimer()
		bare += run(ours.Format)
		b.StartTimer()
	}
	b.ReportMetric(bare.Seconds()/whole.Seconds(), "of-bare")
}

// BenchmarkSecure puts a digest into an envelope of 10 KB, as each try does.
func BenchmarkSecure(b *testing.B) {
	v := versions["1.1"]
	envelope, err := v.envelope("<a>"+strings.Repeat("<b>text</b>", 900)+"</a>", "")
	if err != nil {
		b.Fatal(err)
	}
	token := &usernameToken{username: "bridge", digest: true}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.secure(envelope, token); err != nil {
			b.Fatal(err)
		}
	}
}
