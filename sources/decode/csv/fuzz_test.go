package csv_test

import (
	"bytes"
	stdcsv "encoding/csv"
	stdjson "encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/charset"
	"github.com/hookbridge/bridge/sources/decode/csv"
)

// FuzzCSV: cells are those that encoding/csv finds, but for the CR LF within them that it turns into LF, and what is
// refused is either refused there, too, or for a reason it does not know. It does not matter how the bytes arrive.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a,b\r\n\"x\r\ny\",\"\"\"\"\r\n", "a\n\n\"\"\n", "a,b\n1\n", "a,a\n", "a;b\n5\" x;\"y\"z\n", "\xef\xbb\xbfa\n\xff\n", "#x\na\n\"", "a\r1\r", "\"a\"x\n", "a\n\"\r\r\n\"",
	} {
		f.Add([]byte(seed), byte(','), byte(0))
		f.Add([]byte(strings.SplitAfter(seed, "\n")[0]), byte(','), byte(0))
		f.Add([]byte(seed), byte(';'), byte('#'))
	}
	f.Fuzz(func(t *testing.T, table []byte, delimiter, comment byte) {
		if delimiter >= 0x80 || comment >= 0x80 || strings.IndexByte("\"\r\n\x00", delimiter) >= 0 || strings.IndexByte("\"\r\n", comment) >= 0 || delimiter == comment {
			return
		}
		if bytes.HasPrefix(table, []byte("\xff\xfe")) || bytes.HasPrefix(table, []byte("\xfe\xff")) {
			return // UTF-16 is for another target
		}
		format, o := csv.Format{Delimiter: delimiter, Comment: comment}, decode.Options{Record: 1 << 16}
		whole := split(bytes.NewReader(table), format, o)
		if pieces := split(iotest.OneByteReader(bytes.NewReader(table)), format, o); pieces != whole {
			t.Fatalf("in one piece:\n%s\nin many:\n%s", whole, pieces)
		}
		var got [][]string
		var names []string
		o.Fits = func(row []byte) error {
			if !jsontext.Value(row).IsValid() || row[0] != '{' {
				t.Fatalf("%q is no row", row)
			}
			return nil
		}
		_, err := format.Split(bytes.NewReader(table), o, func(raw []byte, _ int) error {
			if !jsontext.Value(raw).IsValid() {
				t.Fatalf("emitted %q, which is not JSON", raw)
			}
			members, cells := ordered(t, raw)
			names, got = members, append(got, cells)
			return nil
		})
		body := bytes.TrimPrefix(table, []byte("\xef\xbb\xbf"))
		read := func(lazy bool) ([][]string, error) {
			r := stdcsv.NewReader(bytes.NewReader(body))
			r.Comma, r.Comment, r.FieldsPerRecord, r.LazyQuotes = rune(delimiter), rune(comment), -1, lazy
			return r.ReadAll()
		}
		if err == nil && len(got) > 0 {
			want, wantErr := read(true)
			for _, row := range append([][]string{names}, got...) {
				for i := range row {
					row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
				}
			}
			if diff := cmp.Diff(want, append([][]string{names}, got...)); diff != "" || wantErr != nil {
				t.Fatalf("encoding/csv says %v (-want +got):\n%s", wantErr, diff)
			}
		}
		if _, ok := errors.AsType[*decode.SyntaxError](err); !ok {
			return
		}
		rows, strict := read(false)
		if strict != nil || !utf8.Valid(body) || bytes.ContainsRune(bytes.ReplaceAll(body, []byte("\r\n"), nil), '\r') {
			return
		}
		seen := map[string]bool{}
		for i, name := range rows[0] {
			if name == "" || seen[name] || strings.Contains(name, "\x00") || i == 0 && strings.ContainsAny(name, "<{[") {
				return
			}
			seen[name] = true
		}
		for _, row := range rows {
			if len(row) != len(rows[0]) {
				return
			}
		}
		t.Errorf("%v, but encoding/csv reads %q", err, rows)
	})
}

// ordered takes an object of strings apart.
func ordered(t *testing.T, raw []byte) (names, values []string) {
	d := stdjson.NewDecoder(bytes.NewReader(raw))
	for i := 0; ; i++ {
		token, err := d.Token()
		if err == io.EOF {
			return names, values
		}
		if err != nil {
			t.Fatal(err)
		}
		switch text, ok := token.(string); {
		case !ok:
			i = 0
		case i%2 == 1:
			names = append(names, text)
		default:
			values = append(values, text)
		}
	}
}

// FuzzFormats: whatever the format and the charset, what comes out are JSON objects of strings, all with the same names, and
// it does not matter how the bytes arrive.
func FuzzFormats(f *testing.F) {
	for _, seed := range []string{"a;b\n'1;';2\r\n#x\n3;\"4\"\n", "\xff\xfea\x00;\x00b\x00\n\x001\x00;\x00\x3d\xd8\n\x00", "\xef\xbb\xbfa\t\x80\n1\t\x81\n"} {
		f.Add([]byte(seed), byte(';'), byte('\''), byte('#'), true, uint8(0), "windows-1252")
		f.Add([]byte(seed), byte('\t'), byte(0), byte(0), false, uint8(2), "")
		f.Add([]byte(seed), byte(','), byte('"'), byte('"'), false, uint8(1), "shift_jis")
	}
	f.Fuzz(func(t *testing.T, table []byte, delimiter, quote, comment byte, headless bool, names uint8, label string) {
		format := csv.Format{Delimiter: delimiter & 0x7f, Quote: quote & 0x7f, Unquoted: quote == 0, Comment: comment & 0x7f, Headless: headless}
		format.Names = []string{"x", "\"y\"", "\\u0000ä"}[:names%4]
		format.Charset, _ = charset.Lookup(label)
		o := decode.Options{Record: 1 << 16}
		whole := split(bytes.NewReader(table), format, o)
		if pieces := split(iotest.OneByteReader(bytes.NewReader(table)), format, o); pieces != whole {
			t.Fatalf("in one piece:\n%s\nin many:\n%s", whole, pieces)
		}
		var first []string
		_, _ = format.Split(bytes.NewReader(table), o, func(raw []byte, _ int) error {
			if !jsontext.Value(raw).IsValid() {
				t.Fatalf("emitted %q, which is not JSON", raw)
			}
			names, cells := ordered(t, raw)
			if first == nil {
				first = names
			}
			if diff := cmp.Diff(first, names); diff != "" || len(cells) != len(names) {
				t.Errorf("record %s has other names:\n%s", raw, diff)
			}
			return nil
		})
	})
}
