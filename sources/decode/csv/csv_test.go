package csv_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/charset"
	"github.com/hookbridge/bridge/sources/decode/csv"
)

// split shows everything a split found, in lines: records, error.
func split(r io.Reader, f decode.Format, o decode.Options) string {
	var b strings.Builder
	items := 0
	envelope, err := f.Split(r, o, func(raw []byte, item int) error {
		fmt.Fprintf(&b, "%s\n", raw)
		if items++; items != item {
			fmt.Fprintf(&b, "is numbered %d\n", item)
		}
		return nil
	})
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	if envelope.Items != items {
		fmt.Fprintf(&b, "%d items\n", envelope.Items)
	}
	return b.String()
}

// everyWay splits a table as a stream and byte by byte: the result must be the same.
func everyWay(t *testing.T, table string, f decode.Format, o decode.Options, want string) {
	t.Helper()
	for name, r := range map[string]io.Reader{
		"stream":       strings.NewReader(table),
		"byte by byte": iotest.OneByteReader(strings.NewReader(table)),
		"data and EOF": iotest.DataErrReader(strings.NewReader(table)),
	} {
		if diff := cmp.Diff(want, split(r, f, o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestSpectrum reads the tables of csv-spectrum. Its own answer to location_coordinates has another telephone number than
// its table; the one here has that of the table.
func TestSpectrum(t *testing.T) {
	tables, err := filepath.Glob("../../../testdata/csv/*.csv")
	if err != nil || len(tables) != 12 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	for _, path := range tables {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".csv"), func(t *testing.T) {
			table, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(path, ".csv") + ".ndjson")
			if err != nil {
				t.Fatal(err)
			}
			everyWay(t, string(table), csv.Format{}, decode.Options{}, string(want))
		})
	}
}

func lookup(t *testing.T, name string) charset.Charset {
	t.Helper()
	c, err := charset.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTables(t *testing.T) {
	plain := csv.Format{}
	semicolon := csv.Format{Delimiter: ';'}
	for _, test := range []struct {
		name, table string
		f           csv.Format
		want        string
	}{
		{"cells stay the text they are", "id,n,x,b\n0012,1e5, x ,TRUE\n9007199254740993,1.0,\t,\n", plain, `{"id":"0012","n":"1e5","x":" x ","b":"TRUE"}` + "\n" + `{"id":"9007199254740993","n":"1.0","x":"\t","b":""}` + "\n"},
		{"what JSON escapes", "a\n\"x\"\"\\\x00\x1f\t\u2028</\"\n", plain, `{"a":"x\"\\\u0000\u001f\t` + "\u2028" + `</"}` + "\n"},
		{"names are escaped, too", "a\"b,\"c\nd\"\n1,2\n", plain, `{"a\"b":"1","c\nd":"2"}` + "\n"},
		{"semicolons", "a;b\n1,5;2\n", semicolon, `{"a":"1,5","b":"2"}` + "\n"},
		{"tabs", "a\tb\n1\t\"x\ty\"\n", csv.Format{Delimiter: '\t'}, `{"a":"1","b":"x\ty"}` + "\n"},
		{"other quotes", "a,b\n'it''s, 5\"',\"x\n", csv.Format{Quote: '\''}, `{"a":"it's, 5\"","b":"\"x"}` + "\n"},
		{"no quotes", "a|b\n\"5 inch|6\" pipe\n", csv.Format{Delimiter: '|', Unquoted: true}, `{"a":"\"5 inch","b":"6\" pipe"}` + "\n"},
		{"quotes in the middle", "a,b\n5\" pipe,x \"y, z\"\n", plain, "error: the body is not valid CSV (at line 2, column 3): the row has more than 2 cells\n"},
		{"comments", "# a report\na,b\n# x\n1,#2\n#", csv.Format{Comment: '#'}, `{"a":"1","b":"#2"}` + "\n"},
		{"only a header", "a,b\n", plain, ""},
		{"only a header, without a line end", "a,b", plain, ""},
		{"empty lines", "\n\r\na,b\r\n\n1,2\n\n\r\n3,4\n\n", plain, `{"a":"1","b":"2"}` + "\n" + `{"a":"3","b":"4"}` + "\n"},
		{"one column", "a\n\"\"\n x\n", plain, `{"a":""}` + "\n" + `{"a":" x"}` + "\n"},
		{"the last cell is empty", "a,b\n1,", plain, `{"a":"1","b":""}` + "\n"},
		{"line ends of both kinds", "a,b\n1,2\r\n3,4\n5,6\r", plain, `{"a":"1","b":"2"}` + "\n" + `{"a":"3","b":"4"}` + "\n" + `{"a":"5","b":"6"}` + "\n"},
		{"line ends within cells", "a\n\"1\n2\r3\r\n\"\r\n", plain, `{"a":"1\n2\r3\r\n"}` + "\n"},
		{"no header", "1,2\n3,4\n", csv.Format{Headless: true}, `{"1":"1","2":"2"}` + "\n" + `{"1":"3","2":"4"}` + "\n"},
		{"no header, but names", "1,2\n", csv.Format{Headless: true, Names: []string{"a \"x\"", "ä"}}, `{"a \"x\"":"1","ä":"2"}` + "\n"},
		{"names instead of the header", "x,x\n1,2\n", csv.Format{Names: []string{"a", "b"}}, `{"a":"1","b":"2"}` + "\n"},

		{"byte order mark", "\xef\xbb\xbf\"a\",b\n1,2\n", plain, `{"a":"1","b":"2"}` + "\n"},
		{"UTF-16 by its mark", "\xff\xfea\x00;\x00b\x00\n\x001\x00;\x00\xf6\x00", semicolon, `{"a":"1","b":"ö"}` + "\n"},
		{"windows-1252 after a mark of UTF-8", "\xef\xbb\xbfa\n\x80 \xf6\n", csv.Format{Charset: lookup(t, "windows-1252")}, `{"a":"€ ö"}` + "\n"},

		{"nothing", "", plain, "error: the body is empty\n"},
		{"a mark alone", "\xef\xbb\xbf", plain, "error: the body is empty\n"},
		{"line ends alone", "\n\r\n", plain, "error: the body is empty\n"},
		{"nothing, and no header", "\n", csv.Format{Headless: true}, "error: the body is empty\n"},
		{"comments alone", "#\n#", csv.Format{Comment: '#'}, "error: the body is empty\n"},
		{"a name twice", "a,b,a\n", plain, "error: the body is not valid CSV (at line 1, column 3): the header names two columns \"a\"; write names = [ … ] for all of them\n"},
		{"a name is empty", "a,\"\",c\n", plain, "error: the body is not valid CSV (at line 1, column 2): the header names no column here; write names = [ … ] for all of them\n"},
		{"the header ends with a delimiter", "\na,\n1,2\n", plain, "error: the body is not valid CSV (at line 2, column 2): the header names no column here; write names = [ … ] for all of them\n"},
		{"another number of names", "a,b\n1,2\n", csv.Format{Names: []string{"a"}}, "error: the body is not valid CSV (at line 1, column 2): the header has 2 columns, but names has 1\n"},
		{"more cells", "a,b\n1,2\n1,\"x\ny\",3\n", plain, `{"a":"1","b":"2"}` + "\nerror: the body is not valid CSV (at line 4, column 3): the row has more than 2 cells\n"},
		{"fewer cells", "a,b,c\n\"x\ny\",2\n1,2,3\n", plain, "error: the body is not valid CSV (at line 2, column 3): the row has 2 of 3 cells\n"},
		{"cut short between cells", "a,b,c\n1,2,3\n4,5", plain, `{"a":"1","b":"2","c":"3"}` + "\nerror: the body is not valid CSV (at line 3, column 3): the row has 2 of 3 cells; perhaps the text is cut short\n"},
		{"cut short within quotes", "a,b\n1,2\n3,\"4\n\n", plain, `{"a":"1","b":"2"}` + "\nerror: the body ends in the middle of a value (at line 3, column 2)\n"},
		{"fewer cells than names", "1\n", csv.Format{Headless: true, Names: []string{"a", "b"}}, "error: the body is not valid CSV (at line 1, column 2): the row has 1 of 2 cells\n"},
		{"fewer cells than in the first row", "1,2\n1\n", csv.Format{Headless: true}, `{"1":"1","2":"2"}` + "\nerror: the body is not valid CSV (at line 2, column 2): the row has 1 of 2 cells\n"},
		{"more cells than in the first row", "1\n1,2\n", csv.Format{Headless: true}, `{"1":"1"}` + "\nerror: the body is not valid CSV (at line 2, column 2): the row has more than 1 cells\n"},
		{"something after the closing quote", "a,b\n1,\"x\ny\"z\n", plain, "error: the body is not valid CSV (at line 3, column 2): something follows after the closing quote of the cell; a quote within one is doubled\n"},
		{"line ends of old Macs", "a,b\r1,2\r", plain, "error: the body is not valid CSV (at line 1, column 2): a carriage return stands alone; lines end with LF or CR LF, and a cell with line ends of its own is quoted\n"},
		{"line ends of old Macs, after quotes", "\"a\",\"b\"\r1,2\r", plain, "error: the body is not valid CSV (at line 1, column 2): a carriage return stands alone; lines end with LF or CR LF, and a cell with line ends of its own is quoted\n"},
		{"not UTF-8", "a,b\n1,2\n3,K\xf6ln\n", plain, `{"a":"1","b":"2"}` + "\nerror: the body is not valid CSV (at line 3, column 2): the cell has bytes that are not utf-8; another charset is named so: charset = \"windows-1252\"\n"},
		{"not UTF-8 in the header", "a,\"\xf6\"\n", plain, "error: the body is not valid CSV (at line 1, column 2): the cell has bytes that are not utf-8; another charset is named so: charset = \"windows-1252\"\n"},
		{"not ASCII", "a\n\xf6\n", csv.Format{Charset: lookup(t, "us-ascii")}, "error: the body is not valid CSV (at line 2, column 1): the cell has bytes that are not us-ascii; another charset is named by charset = …\n"},
		{"half a character at the end", "a\xff\xfe"[1:] + "a\x00\n\x001\x00\x3d\xd8", plain, "error: the body is not valid CSV (at line 2, column 1): the cell has bytes that are not utf-16le; another charset is named by charset = …\n"},
		{"UTF-16 that nobody knows of", "a\x00,\x00b\x00\n\x001\x00", plain, "error: the body is not valid CSV (at line 1, column 1): the header has a NUL in it; perhaps the text is UTF-16: write charset = \"utf-16le\"\n"},
		{"a web page in one line", " <!DOCTYPE html><html><body>Please log in</body></html>\n", plain, "error: the body is not valid CSV (at line 1, column 1): it begins like a web page, XML or JSON, not like a header\n"},
		{"an error in JSON", `{"error":"expired","code":7}`, plain, "error: the body is not valid CSV (at line 1, column 1): it begins like a web page, XML or JSON, not like a header\n"},
		{"an empty array", `[]`, plain, "error: the body is not valid CSV (at line 1, column 1): it begins like a web page, XML or JSON, not like a header\n"},
		{"names in brackets", "[id],[name]\n1,2\n", plain, `{"[id]":"1","[name]":"2"}` + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) { everyWay(t, test.table, test.f, decode.Options{}, test.want) })
	}
}

func TestATableWithoutRowsHasToFit(t *testing.T) {
	fits := func(row []byte) error {
		if string(row) != `{"nr":"-","a \"b\"":"-"}` {
			return fmt.Errorf("not %s", row)
		}
		return nil
	}
	for _, test := range []struct{ name, table, want string }{
		{"as it should be", "nr,a \"b\"\n", ""},
		{"another header", "\nsorry\n", "error: the body is not valid CSV (at line 2, column 1): there are no rows, and the header does not fit: not {\"sorry\":\"-\"}\n"},
		{"rows are judged by themselves", "sorry\n1\n", `{"sorry":"1"}` + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) { everyWay(t, test.table, csv.Format{}, decode.Options{Fits: fits}, test.want) })
	}
}

func TestPagesAreNoTablesWithoutAHeader(t *testing.T) {
	for _, table := range []string{"<html>\n<body>\n", " <!DOCTYPE html>\n<p>\n", "<?xml version=\"1.0\"?>\n<error/>\n", "<HTML"} {
		everyWay(t, table, csv.Format{Headless: true}, decode.Options{}, "error: the body is not valid CSV (at line 1, column 1): it begins like a web page or XML, not like a table\n")
	}
	everyWay(t, "<b>1</b>\n<html>\n", csv.Format{Headless: true}, decode.Options{}, `{"1":"<b>1</b>"}`+"\n"+`{"1":"<html>"}`+"\n")
}

func TestTheCharsetOfTheContentType(t *testing.T) {
	everyWay(t, "a\n\xe4\n", csv.Format{}, decode.Options{ContentType: "text/csv; charset=ISO-8859-1"}, `{"a":"ä"}`+"\n")
	everyWay(t, "a\n\xe4\n", csv.Format{Charset: lookup(t, "koi8-r")}, decode.Options{ContentType: "text/csv; charset=utf-8"}, `{"a":"Д"}`+"\n")
	everyWay(t, "a\n", csv.Format{}, decode.Options{ContentType: "text/csv; charset=x"}, "error: the content type names a charset that is not known: there is no charset \"x\"; names are those of IANA, such as utf-8, utf-16le, windows-1252 or iso-8859-15; write charset = … to say what it is\n")
}

func TestCaps(t *testing.T) {
	long := strings.Repeat("x", 90)
	o := decode.Options{Record: 100}
	everyWay(t, "a,b\n1,"+long[:84]+"\n", csv.Format{}, o, fmt.Sprintf(`{"a":"1","b":"%s"}`+"\n", long[:84])) // 100 bytes
	everyWay(t, "a,b\n1,2\n1,"+long[:85]+"\n", csv.Format{}, o, `{"a":"1","b":"2"}`+"\nerror: record 2 is larger than 100 bytes\n")
	everyWay(t, "a,b\n1,\""+long+long, csv.Format{}, o, "error: record 1 is larger than 100 bytes\n")
	everyWay(t, strings.Repeat("x", 2<<20), csv.Format{}, decode.Options{}, "error: the body has a header that is larger than 1 MiB\n")
	everyWay(t, strings.Repeat(",", 20_000)+"\n", csv.Format{Names: []string{"a"}}, decode.Options{}, "error: the body has more than 16384 columns\n")
	everyWay(t, strings.Repeat(",", 20_000)+"\n", csv.Format{Headless: true}, decode.Options{}, "error: the body has more than 16384 columns\n")
}

// endless repeats a text for as long as anybody reads.
type endless struct {
	head, text string
	read       int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && e.read < len(e.head) {
		p[n] = e.head[e.read]
		e.read++
		n++
	}
	for n < len(p) {
		p[n] = e.text[(e.read-len(e.head))%len(e.text)]
		e.read++
		n++
	}
	return n, nil
}

func TestNoCellFillsMemory(t *testing.T) {
	for name, source := range map[string]*endless{
		"a header without end":        {text: "x"},
		"a quoted name":               {head: `"`, text: "x\n"},
		"names without end":           {text: "x,"},
		"a cell without end":          {head: "a\n", text: "x"},
		"a quoted cell":               {head: "a\n\"", text: "x,\n"},
		"a cell of what JSON escapes": {head: "a\n\"", text: "\x01"},
		"a cell of doubled quotes":    {head: "a\n\"", text: `""`},
		"delimiters":                  {head: "a\n", text: ","},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := csv.Format{}.Split(source, decode.Options{Record: 1 << 20}, func([]byte, int) error { return nil })
			_, large := errors.AsType[*decode.LimitError](err)
			_, syntax := errors.AsType[*decode.SyntaxError](err)
			if !large && !syntax {
				t.Errorf("got %v, want a *LimitError or a *SyntaxError", err)
			}
			if source.read > 2<<20 {
				t.Errorf("read %d bytes of a record that may have 1 MiB", source.read)
			}
		})
	}
}

func TestErrorsOfOthersComeThrough(t *testing.T) {
	mine := errors.New("mine")
	table := "a,\"b\r\n\"\r\n1,\"2\"\"\"\r\n#\r\n"
	for n := range len(table) + 1 {
		_, err := csv.Format{Comment: '#'}.Split(io.MultiReader(strings.NewReader(table[:n]), iotest.ErrReader(mine)), decode.Options{}, func([]byte, int) error { return nil })
		if err != mine {
			t.Errorf("the reader's error after %q came back as %v", table[:n], err)
		}
	}
	_, err := csv.Format{}.Split(strings.NewReader(table), decode.Options{}, func([]byte, int) error { return mine })
	if err != mine {
		t.Errorf("emit's error came back as %v", err)
	}
	// An error that only wraps the end of a file is not the end.
	wrapped := fmt.Errorf("connection lost: %w", io.EOF)
	if _, err := (csv.Format{}).Split(io.MultiReader(strings.NewReader("a\n1\n"), iotest.ErrReader(wrapped)), decode.Options{}, func([]byte, int) error { return nil }); err != wrapped {
		t.Errorf("%v came back as %v", wrapped, err)
	}
}
