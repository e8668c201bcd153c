package charset_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/hookbridge/bridge/sources/decode/charset"
	"golang.org/x/text/encoding/unicode"
)

func TestDecode(t *testing.T) {
	for _, test := range []struct{ name, written, contentType, text, want, used string }{
		{"nothing is said", "", "", "Köln", "Köln", "utf-8"},
		{"nothing at all", "", "", "", "", "utf-8"},
		{"one byte", "", "", "a", "a", "utf-8"},
		{"content type", "", "text/csv; charset=ISO-8859-15", "K\xf6ln \xa4", "Köln €", "iso-8859-15"},
		{"content type in quotes", "", `text/csv; charset="Windows-1252"`, "\x80", "€", "windows-1252"},
		{"content type without a charset", "", "text/csv; header=present", "ö", "ö", "utf-8"},
		{"content type that is none", "", ";;;", "ö", "ö", "utf-8"},
		{"a mark beats the content type", "", "text/csv; charset=iso-8859-1", "\xef\xbb\xbfö", "ö", "utf-8"},
		{"what is written beats both", "windows-1252", "text/csv; charset=utf-8", "\xef\xbb\xbfK\xf6ln", "Köln", "windows-1252"},
		{"a mark of UTF-16", "", "", "\xff\xfeK\x00\xf6\x00", "Kö", "utf-16le"},
		{"a mark of UTF-16 the other way", "", "", "\xfe\xff\x00K\x00\xf6", "Kö", "utf-16be"},
		{"utf-16 with a mark", "UTF-16", "", "\xfe\xff\x00K", "K", "utf-16be"},
		{"utf-16le without a mark", "utf-16le", "", "K\x00", "K", "utf-16le"},
		{"utf-16be without a mark", "utf-16be", "", "\x00K", "K", "utf-16be"},
		{"a mark of UTF-8 before utf-16le", "utf-16le", "", "\xef\xbb\xbfK\x00", "K", "utf-16le"},
		{"pairs", "utf-16le", "", "\x3d\xd8\x00\xde", "😀", "utf-16le"},
		{"a replacement character that is meant", "utf-16be", "", "\xff\xfd", "\uFFFD", "utf-16be"},
		{"half a pair", "utf-16le", "", "\x3d\xd8a\x00", "\xffa", "utf-16le"},
		{"the other half", "utf-16le", "", "\x00\xdea\x00", "\xffa", "utf-16le"},
		{"half a pair at the end", "utf-16le", "", "a\x00\x3d\xd8", "a\xff", "utf-16le"},
		{"half a unit", "utf-16le", "", "a\x00b", "a\xff", "utf-16le"},
		{"bytes of several", "shift_jis", "", "\x93\xfa\x96\x7b", "日本", "shift_jis"},
		{"bytes of several, cut", "shift_jis", "", "\x93\xfa\x96", "日\xff", "shift_jis"},
		{"bytes of none", "us-ascii", "", "a\xf6b", "a\xffb", "us-ascii"},
		{"a label of browsers", "cp1252", "", "\x80", "€", "cp1252"},
		{"invalid UTF-8 is left to the reader", "", "", "a\xf6", "a\xf6", "utf-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c charset.Charset
			if test.written != "" {
				var err error
				if c, err = charset.Lookup(test.written); err != nil {
					t.Fatal(err)
				}
			}
			for how, r := range map[string]io.Reader{
				"stream": strings.NewReader(test.text), "byte by byte": iotest.OneByteReader(strings.NewReader(test.text)), "data and EOF": iotest.DataErrReader(strings.NewReader(test.text)),
			} {
				in, used, err := c.Decode(r, test.contentType)
				if err != nil {
					t.Fatal(how, err)
				}
				got, err := io.ReadAll(in)
				if string(got) != test.want || used.Name() != test.used || err != nil {
					t.Errorf("%s: %q in %s, %v; want %q in %s", how, got, used.Name(), err, test.want, test.used)
				}
			}
		})
	}
}

func TestTextsWhoseCharsetIsNotClear(t *testing.T) {
	for _, test := range []struct{ name, written, contentType, text, want string }{
		{"utf-16 without a mark", "utf-16", "", "K\x00", `write charset = "utf-16le" or "utf-16be"`},
		{"the other mark", "utf-16be", "", "\xff\xfeK\x00", "begins with the byte order mark of utf-16le, but its charset is said to be utf-16be"},
		{"a content type that nobody knows", "", "text/csv; charset=klingon", "a", `the content type names a charset that is not known: there is no charset "klingon"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := charset.Charset{}
			if test.written != "" {
				c, _ = charset.Lookup(test.written)
			}
			if _, _, err := c.Decode(strings.NewReader(test.text), test.contentType); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	for _, name := range []string{"klingon", "utf-7", "hz-gb-2312x", "", "iso-2022-kr"} {
		if c, err := charset.Lookup(name); err == nil {
			t.Errorf("there is a charset %q: %v", name, c.Name())
		}
	}
}

func TestErrorsOfTheReaderComeThrough(t *testing.T) {
	mine := errors.New("mine")
	for _, name := range []string{"utf-8", "utf-16le", "windows-1252", "shift_jis"} {
		c, err := charset.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 8 {
			in, _, err := c.Decode(io.MultiReader(strings.NewReader("abcdefgh"[:n]), iotest.ErrReader(mine)), "")
			if err == nil {
				_, err = io.ReadAll(in)
			}
			if err != mine {
				t.Errorf("%s after %d bytes: %v", name, n, err)
			}
		}
		in, _, err := c.Decode(io.MultiReader(strings.NewReader("abcdef"), idle{}), "")
		if err == nil {
			_, err = io.ReadAll(in)
		}
		if err != io.ErrNoProgress {
			t.Errorf("%s: a reader without progress: %v", name, err)
		}
	}
}

// idle has nothing to say and never ends.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// FuzzDecode: UTF-16 comes out as x/text reads it where that is without fault, no charset invents a replacement character,
// and it does not matter how the bytes arrive.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"utf-8", "utf-16", "utf-16le", "windows-1252", "shift_jis", "gb18030", "iso-2022-jp"} {
		f.Add(name, []byte("\xff\xfea\x00\x3d\xd8\x00\xde"))
		f.Add(name, []byte("\xef\xbb\xbfa\xf6\x96\x1b$B"))
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		c, err := charset.Lookup(name)
		if err != nil {
			return
		}
		read := func(r io.Reader) ([]byte, charset.Charset, error) {
			in, used, err := c.Decode(r, "")
			if err != nil {
				return nil, used, err
			}
			out, err := io.ReadAll(in)
			return out, used, err
		}
		whole, used, err := read(bytes.NewReader(text))
		pieces, _, err2 := read(iotest.OneByteReader(bytes.NewReader(text)))
		if !bytes.Equal(whole, pieces) || (err == nil) != (err2 == nil) {
			t.Fatalf("%q, %v in one piece; %q, %v in many", whole, err, pieces, err2)
		}
		if err != nil {
			return
		}
		switch used.Name() {
		case "utf-8":
		case "utf-16le", "utf-16be":
			order := unicode.LittleEndian
			if used.Name() == "utf-16be" {
				order = unicode.BigEndian
			}
			for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
				if bytes.HasPrefix(text, []byte(mark)) {
					text = text[len(mark):]
					break
				}
			}
			want, err := unicode.UTF16(order, unicode.IgnoreBOM).NewDecoder().Bytes(text)
			if err != nil || !bytes.Equal(bytes.ToValidUTF8(whole, []byte("\uFFFD")), want) && !bytes.Contains(whole, []byte("\xff\xff")) {
				t.Errorf("%q is %q, x/text reads %q, %v", text, whole, want, err)
			}
		default:
			if bytes.Contains(whole, []byte("\uFFFD")) || !utf8.Valid(bytes.ReplaceAll(whole, []byte{0xff}, nil)) {
				t.Errorf("%q in %s is %q", text, used.Name(), whole)
			}
		}
	})
}
