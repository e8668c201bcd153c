package json_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
)

func format(lines bool, items decode.Path) decode.Format {
	if lines {
		return json.Lines{}
	}
	return json.Format{Items: items}
}

// split shows everything a split found, in lines: records, fields, error.
func split(r io.Reader, lines bool, items string, o decode.Options) string {
	path, err := decode.ParsePath(items)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	envelope, err := format(lines, path).Split(r, o, func(raw []byte, item int) error {
		fmt.Fprintf(&b, "%d %s\n", item, raw)
		return nil
	})
	for i, field := range envelope.Fields {
		if field.Kind != 0 {
			fmt.Fprintf(&b, "%s = %c %s\n", o.Fields[i], byte(field.Kind), []byte(field.Raw))
		}
	}
	if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	return b.String()
}

// everyWay splits a document as a buffer, as a stream and byte by byte: the result must be the same.
func everyWay(t *testing.T, lines bool, items, document string, o decode.Options, want string) {
	t.Helper()
	for name, r := range map[string]io.Reader{
		"buffer":       bytes.NewBufferString(document),
		"stream":       strings.NewReader(document),
		"byte by byte": iotest.OneByteReader(strings.NewReader(document)),
		"data and EOF": iotest.DataErrReader(strings.NewReader(document)),
	} {
		if diff := cmp.Diff(want, split(r, lines, items, o)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func paths(t testing.TB, texts ...string) (all []decode.Path) {
	for _, text := range texts {
		path, err := decode.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, path)
	}
	return all
}

func TestJSON(t *testing.T) {
	for _, test := range []struct {
		name, items, document string
		fields                []string
		want                  string
	}{
		{"the body is the array", "@this", ` [ {"id":1} ,{ "id" : 2 }] `, nil, "1 {\"id\":1}\n2 { \"id\" : 2 }\n"},
		{"an empty array", "", `[]`, nil, ""},
		{"records as sent", "", `[{"id":9007199254740993,"x":1.0E+2,"s":"\u00e9"}]`, nil, "1 {\"id\":9007199254740993,\"x\":1.0E+2,\"s\":\"\\u00e9\"}\n"},
		{"records need not be objects", "", `[1,"a",null,[2]]`, nil, "1 1\n2 \"a\"\n3 null\n4 [2]\n"},
		{"byte order mark", "", "\xef\xbb\xbf[1]", nil, "1 1\n"},
		{"items by path", "data.orders", `{"x":[9],"data":{"y":{"orders":[8]},"orders":[1,2]},"orders":[7]}`, nil, "1 1\n2 2\n"},
		{"names with dots", `a\.b.c`, `{"a":{"b":{"c":[9]}},"a.b":{"c":[1]}}`, nil, "1 1\n"},
		{"fields before and after the records", "data", `{"a":{"total":3},"data":[1],"next":"x\"y","more":true,"z":{"more":false}}`,
			[]string{"a.total", "next", "more", "absent", "a.absent"}, "1 1\na.total = 0 3\nnext = \" \"x\\\"y\"\nmore = t true\n"},
		{"a field within what holds the records", "a.data", `{"a":{"data":[1],"n":null}}`, []string{"a.n", "a"}, "1 1\na.n = n null\na = { \n"},
		{"a field that is no scalar", "data", `{"next":[1],"data":[]}`, []string{"next"}, "next = [ \n"},

		{"nothing", "", "", nil, "error: the body is empty\n"},
		{"blanks", "", " \n", nil, "error: the body is empty\n"},
		{"mark alone", "", "\xef\xbb\xbf", nil, "error: the body is empty\n"},
		{"items missing", "data.orders", `{"data":{"order":[]}}`, nil, "error: items path \"data.orders\" is missing\n"},
		{"items missing in an array", "data", `[1]`, nil, "error: items path \"data\" is missing: the body is an array, which items = \"@this\" takes\n"},
		{"items behind a scalar", "data.orders", `{"data":"x"}`, nil, "error: items path \"data.orders\" is missing\n"},
		{"items null", "data", `{"data":null}`, nil, "error: items path \"data\" is null, not an array\n"},
		{"items an object", "data", `{"data":{"1":{}}}`, nil, "error: items path \"data\" is an object, not an array\n"},
		{"the body is an object", "", `{"error":"no"}`, nil, "error: the body is an object, not an array; items names the path to the array\n"},
		{"a page of HTML", "data", "<html>", nil, "error: the body is not valid JSON (at byte 0): invalid character '<' at start of value\n"},
		{"cut short in a record", "data", `{"data":[{"id":1},{"id":2`, nil, "1 {\"id\":1}\nerror: the body ends in the middle of a value (at byte 25)\n"},
		{"cut short between records", "", `[{"id":1},{"id":2}`, nil, "1 {\"id\":1}\n2 {\"id\":2}\nerror: the body ends in the middle of a value (at byte 18)\n"},
		{"cut short after the records", "data", `{"data":[1]`, nil, "1 1\nerror: the body ends in the middle of a value (at byte 11)\n"},
		{"something follows", "", `[1] [2]`, nil, "1 1\nerror: the body is not valid JSON (at byte 5): something follows after the end of the document\n"},
		{"rubbish follows", "", `[1]x`, nil, "1 1\nerror: the body is not valid JSON (at byte 3): invalid character 'x' at start of value\n"},
		{"a name twice in a record", "", `[{"a":1,"b":{"c":1,"c":2}}]`, nil, "error: the body is not valid JSON (at byte 19, in \"/0/b/c\"): duplicate object member name\n"},
		{"the items twice", "data", `{"data":[1],"data":[2]}`, nil, "1 1\nerror: the body is not valid JSON (at byte 12, in \"/data\"): duplicate object member name\n"},
		{"a name twice beside the records", "data", `{"data":[1],"x":{"y":1,"y":2}}`, nil, "1 1\nerror: the body is not valid JSON (at byte 23, in \"/x/y\"): duplicate object member name\n"},
		{"invalid UTF-8", "", "[{\"a\":\"\xff\"}]", nil, "error: the body is not valid JSON (at byte 7, in \"/0/a\"): invalid UTF-8\n"},
		{"a trailing comma", "", `[1,]`, nil, "1 1\nerror: the body is not valid JSON (at byte 2): invalid character ',' at start of value\n"},
		{"NaN", "", `[NaN]`, nil, "error: the body is not valid JSON (at byte 1, in \"/0\"): invalid character 'N' at start of value\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			everyWay(t, false, test.items, test.document, decode.Options{Fields: paths(t, test.fields...)}, test.want)
		})
	}
}

func TestJSONKeepsWhatStandsBesideTheRecords(t *testing.T) {
	for _, test := range []struct {
		name, document string
		fields         []string
		want           string
	}{
		{"objects and arrays", `{"errors":[{"a":1}, 2],"data":{"orders":[1],"meta":{"x":{"y":"z"}}}}`, []string{"errors", "data.meta"}, "1 1\nerrors = [ [{\"a\":1}, 2]\ndata.meta = { {\"x\":{\"y\":\"z\"}}\n"},
		{"a value within another that is kept", `{"data":{"orders":[],"meta":{"x":{"y":"z"},"n":null}}}`, []string{"data.meta.x.y", "data.meta", "data.meta.absent", "data.meta.n"}, "data.meta.x.y = \" \"z\"\ndata.meta = { {\"x\":{\"y\":\"z\"},\"n\":null}\ndata.meta.n = n null\n"},
		{"not what the records are in", `{"data":{"orders":[1],"next":"x"}}`, []string{"data", "data.next"}, "1 1\ndata = { \ndata.next = \" \"x\"\n"},
		{"nor the records", `{"data":{"orders":[1]}}`, []string{"data.orders"}, "1 1\n"},
		{"what is in the place of the records", `{"data":{"orders":{"code":17}},"error":{"text":"no"}}`, []string{"data.orders", "data.orders.code", "error"}, "data.orders = { {\"code\":17}\ndata.orders.code = 0 17\nerror = { {\"text\":\"no\"}\nerror: items path \"data.orders\" is an object, not an array\n"},
		{"why there are no records", `{"data":null,"error":{"text":"no"}}`, []string{"error"}, "error = { {\"text\":\"no\"}\nerror: items path \"data.orders\" is missing\n"},
		{"a name twice", `{"error":{"a":1,"a":2},"data":{"orders":[]}}`, []string{"error"}, "error: the body is not valid JSON (at byte 16, in \"/error/a\"): duplicate object member name\n"},
		{"too much", `{"error":["` + strings.Repeat("x", 100) + `"],"data":{"orders":[]}}`, []string{"error"}, "error: the body has a value of more than 100 bytes at \"error\"\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			everyWay(t, false, "data.orders", test.document, decode.Options{Fields: paths(t, test.fields...), Containers: 100}, test.want)
		})
	}
}

func TestJSONRefusesLoneSurrogates(t *testing.T) {
	got := split(strings.NewReader(`[{"a":"\ud800\u0041"}]`), false, "", decode.Options{})
	if want := `error: the body is not valid JSON (at byte 7, in "/0/a"): invalid surrogate pair`; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNDJSON(t *testing.T) {
	for _, test := range []struct{ name, document, want string }{
		{"lines", "{\"id\":1}\n{\"id\":2}\n", "1 {\"id\":1}\n2 {\"id\":2}\n"},
		{"blank lines, carriage returns, no last break", "\xef\xbb\xbf{\"id\":1}\r\n\n  \t\n {\"id\":2} ", "1 {\"id\":1}\n2 {\"id\":2}\n"},
		{"nothing", "", ""},
		{"the last line is cut short", "{\"id\":1}\n\n{\"id\":", "1 {\"id\":1}\nerror: the body ends in the middle of a value (at line 3, byte 6 of the line, in \"/id\")\n"},
		{"two values on a line", "1 2\n", "error: the body is not valid JSON (at line 1, byte 1 of the line): something follows after the value of the line\n"},
		{"a name twice", "1\n{\"a\":1,\"a\":2}\n", "1 1\nerror: the body is not valid JSON (at line 2, byte 7 of the line, in \"/a\"): duplicate object member name\n"},
		{"invalid UTF-8", "\"\xff\"\n", "error: the body is not valid JSON (at line 1, byte 1 of the line): invalid UTF-8\n"},
		{"a value over two lines", "{\"a\":\n1}\n", "error: the body ends in the middle of a value (at line 1, byte 5 of the line, in \"/a\")\n"},
	} {
		t.Run(test.name, func(t *testing.T) { everyWay(t, true, "", test.document, decode.Options{}, test.want) })
	}
}

func TestCaps(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2) }
	long := `{"a":"` + strings.Repeat("x", 10000) + `"}`
	for _, test := range []struct {
		name, items, document string
		o                     decode.Options
		want                  string
	}{
		{"as deep as allowed", "", "[" + deep(128) + "]", decode.Options{}, "1 " + deep(128) + "\n"},
		{"a level too deep", "", "[1," + deep(130) + "]", decode.Options{}, "1 1\nerror: record 2 is nested deeper than 128 levels\n"},
		{"brackets in strings do not count", "", `[{"a":"[[[{{{\"[["}]`, decode.Options{Depth: 1}, `1 {"a":"[[[{{{\"[["}` + "\n"},
		{"hostile nesting", "", strings.Repeat("[", 1<<20), decode.Options{}, "error: the body is not valid JSON (at byte 10000, in \"" + strings.Repeat("/0", 60) + "…\"): exceeded max depth\n"},
		{"hostile nesting beside the records", "data", `{"x":` + strings.Repeat("[", 1<<20), decode.Options{}, "error: the body is nested deeper than 128 levels\n"},
		{"as long as allowed", "", "[" + long + "]", decode.Options{Record: int64(len(long))}, "1 " + long + "\n"},
		{"a byte too long", "", "[" + long + "]", decode.Options{Record: int64(len(long)) - 1}, "error: record 1 is larger than 9.772 KiB\n"},
		{"much too long", "", "[1," + strings.Repeat(" ", 20000) + long + "]", decode.Options{Record: 100}, "1 1\nerror: record 2 is larger than 100 bytes\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []io.Reader{bytes.NewBufferString(test.document), strings.NewReader(test.document)} {
				if test.name == "much too long" && fmt.Sprintf("%T", r) == "*bytes.Buffer" {
					continue // a buffer is in memory already; blanks in it cost nothing
				}
				if diff := cmp.Diff(test.want, split(r, false, test.items, test.o)); diff != "" {
					t.Errorf("%T (-want +got):\n%s", r, diff)
				}
			}
		})
	}
	t.Run("a cursor too long", func(t *testing.T) {
		everyWay(t, false, "data", `{"next":"`+strings.Repeat("x", 70<<10)+`","data":[]}`, decode.Options{Fields: paths(t, "next")}, "error: the body has a value of more than 64 KiB at \"next\"\n")
	})
	t.Run("a line too long", func(t *testing.T) {
		everyWay(t, true, "", "1\n"+long+"\n", decode.Options{Record: 100}, "1 1\nerror: record 2 is larger than 100 bytes\n")
	})
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

func TestNoValueFillsMemory(t *testing.T) {
	for name, head := range map[string]string{
		"a record": `[{"a":"`, "a string beside the records": `{"x":"`, "an object beside the records": `{"x":{"a":"`, "a name": `{"`, "blanks": `[1,`,
	} {
		t.Run(name, func(t *testing.T) {
			text := "x"
			if name == "blanks" {
				text = " "
			}
			source := &endless{head: head, text: text}
			items := paths(t, "data")[0][:min(1, strings.Count(head, "{\"x\"")+strings.Count(head, `{"`))]
			_, err := json.Format{Items: items}.Split(source, decode.Options{Record: 1 << 20}, func([]byte, int) error { return nil })
			if _, ok := errors.AsType[*decode.LimitError](err); !ok {
				t.Errorf("got %v, want a *LimitError", err)
			}
			if source.read > 2<<20 {
				t.Errorf("read %d bytes of a value that may have 1 MiB", source.read)
			}
		})
	}
	t.Run("names beside the records", func(t *testing.T) {
		r, w := io.Pipe()
		go func() {
			_, err := io.WriteString(w, "{")
			for i := 0; err == nil; i++ {
				_, err = fmt.Fprintf(w, `"name-%d":1,`, i)
			}
		}()
		defer r.Close()
		_, err := json.Format{Items: paths(t, "data")[0]}.Split(r, decode.Options{}, nil)
		if _, ok := errors.AsType[*decode.LimitError](err); !ok {
			t.Errorf("got %v, want a *LimitError", err)
		}
	})
}

func TestErrorsOfOthersComeThrough(t *testing.T) {
	mine := errors.New("mine")
	for _, lines := range []bool{false, true} {
		format := format(lines, nil)
		_, err := format.Split(strings.NewReader("[1]"), decode.Options{}, func([]byte, int) error { return mine })
		if err != mine {
			t.Errorf("%T: emit's error came back as %v", format, err)
		}
		_, err = format.Split(io.MultiReader(strings.NewReader("[1,"), iotest.ErrReader(mine)), decode.Options{}, func([]byte, int) error { return nil })
		if err != mine {
			t.Errorf("%T: the reader's error came back as %v", format, err)
		}
	}
}

func TestParsePath(t *testing.T) {
	for text, want := range map[string]string{
		"": "@this", "@this": "@this", "a": "a", "a.b": "a.b", `a\.b.c`: `a\.b.c`, `\@this`: `\@this`, `x\*`: `x\*`, "größe.ä": "größe.ä",
	} {
		path, err := decode.ParsePath(text)
		if err != nil || path.String() != want {
			t.Errorf("ParsePath(%q) = %q, %v; want %q", text, path, err, want)
		}
	}
	for _, text := range []string{".", "a.", ".a", "a..b", "a.#", "*", "a|b", "@values", "a[0]", `a\`, strings.Repeat("a.", 40) + "a"} {
		if path, err := decode.ParsePath(text); err == nil {
			t.Errorf("ParsePath(%q) = %q, want an error", text, path)
		}
	}
}

// idle has nothing to say and never ends.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestAReaderWithoutProgressIsGivenUp(t *testing.T) {
	for _, lines := range []bool{false, true} {
		_, err := format(lines, nil).Split(idle{}, decode.Options{}, nil)
		if !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%T: %v", format, err)
		}
	}
}
