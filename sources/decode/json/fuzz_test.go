package json_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
)

// placeless takes off in which value an error happened: names before it may have been overwritten in the decoder's buffer
// by the time it is asked, and whether they are depends on how the bytes arrive.
func placeless(shown string) string { return place.ReplaceAllString(shown, "") }

var place = regexp.MustCompile(`, in "(?:[^"\\]|\\.)*"`)

// FuzzJSON: what the splitter takes is what encoding/json takes for valid, record by record, and it does not matter how
// the bytes arrive.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[{"id":1},{"id":2}]`, `{"data":{"orders":[1,2]},"next":"x","more":false}`, `{"next":{"a":1},"data":{"orders":[]}}`,
		`[{"a":{"b":[[[1.5e3,null,true]]]}}] `, "\xef\xbb\xbf[\"\\ud83d\\ude00\"]", `[1`, `[1]]`, `{"a":1,"a":2}`, "[\"\xff\"]",
	} {
		f.Add([]byte(seed), "data.orders")
		f.Add([]byte(seed), "@this")
	}
	f.Fuzz(func(t *testing.T, document []byte, items string) {
		if _, err := decode.ParsePath(items); err != nil {
			t.Skip()
		}
		o := decode.Options{Fields: paths(t, "next", "more", "data.total", "next.a", "data"), Containers: 64, Depth: 20, Record: 1 << 16}
		whole := split(bytes.NewBuffer(bytes.Clone(document)), false, items, o)
		if pieces := split(iotest.HalfReader(bytes.NewReader(document)), false, items, o); placeless(pieces) != placeless(whole) && !strings.Contains(whole, "surrogate") && !strings.Contains(whole, "escape") {
			t.Errorf("in one piece:\n%s\nin many:\n%s", whole, pieces)
		}
		path, _ := decode.ParsePath(items)
		var records []stdjson.RawMessage
		_, err := json.Format{Items: path}.Split(bytes.NewReader(document), o, func(raw []byte, _ int) error {
			records = append(records, bytes.Clone(raw))
			return nil
		})
		for _, record := range records {
			if !stdjson.Valid(record) {
				t.Errorf("emitted %q, which is not JSON", record)
			}
		}
		body := bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))
		switch {
		case err == nil && !stdjson.Valid(body):
			t.Errorf("took a document that is not JSON: %q", document)
		case err == nil && len(path) == 0:
			var want []stdjson.RawMessage
			if err := stdjson.Unmarshal(body, &want); err != nil || len(want) != len(records) {
				t.Fatalf("%d records, encoding/json finds %d (%v)", len(records), len(want), err)
			}
			for i := range want {
				if !bytes.Equal(want[i], records[i]) {
					t.Errorf("record %d is %q, encoding/json finds %q", i+1, records[i], want[i])
				}
			}
		case err != nil && len(path) == 0:
			if _, ok := errors.AsType[*decode.SyntaxError](err); ok && jsontext.Value(body).IsValid() {
				t.Errorf("%v, but the document is valid", err)
			}
		}
	})
}

// FuzzNDJSON: every line that is not blank is one record, and the split is that of encoding/stdjson.
func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{"", "1\n2", "{\"a\":1}\r\n\n[2]\n", "\xef\xbb\xbf{}\n", "{\n}", "1 2\n", "\"\xff\"\n", "{\"a\":1,\"a\":2}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var records [][]byte
		_, err := json.Lines{}.Split(iotest.HalfReader(bytes.NewReader(document)), decode.Options{}, func(raw []byte, item int) error {
			if records = append(records, bytes.Clone(raw)); len(records) != item {
				t.Errorf("record %d is numbered %d", len(records), item)
			}
			return nil
		})
		at, valid := 0, true
		for line := range bytes.Lines(bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))) {
			if line = bytes.Trim(line, " \t\r\n"); len(line) == 0 {
				continue
			}
			if valid = jsontext.Value(line).IsValid(); !valid {
				break
			}
			if at >= len(records) || !bytes.Equal(records[at], line) {
				t.Fatalf("line %q is missing among %q", line, records)
			}
			at++
		}
		if valid != (err == nil) || at != len(records) {
			t.Errorf("%d of %d lines, error %v, want one: %t", len(records), at, err, !valid)
		}
	})
}
