package json_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/json"
)

func TestOneCaps(t *testing.T) {
	body := `{"a":{"b":"` + strings.Repeat("x", 80) + `"}}`
	exact := decode.Options{Record: int64(len(body)), Depth: 2}
	got, err := json.One(iotest.OneByteReader(strings.NewReader(body)), decode.Path{"a"}, exact)
	if err != nil || string(got) != body[len(`{"a":`):len(body)-1] {
		t.Errorf("%s, %v", got, err)
	}
	for _, o := range []decode.Options{{Record: exact.Record - 1}, {Depth: 1}} {
		if limit := (*decode.LimitError)(nil); !errors.As(one(body, o), &limit) {
			t.Errorf("%+v: %v", o, one(body, o))
		}
	}
	broken := errors.New("broken")
	if _, err := json.One(io.MultiReader(strings.NewReader("{}"), iotest.ErrReader(broken)), nil, decode.Options{}); !errors.Is(err, broken) {
		t.Errorf("the reader's error became %v", err)
	}
	if err := one(" \n", decode.Options{}); !errors.Is(err, decode.ErrEmpty) {
		t.Errorf("nothing: %v", err)
	}
	var syntax *decode.SyntaxError
	if err := one(`{"a":`, decode.Options{}); !errors.As(err, &syntax) || !syntax.Truncated() {
		t.Errorf("cut short: %v", err)
	}
	if err := one(`{"a":{"b":1,"b":2}}`, decode.Options{}); !errors.As(err, &syntax) || syntax.Pointer != "/a/b" {
		t.Errorf("a name twice: %+v", syntax)
	}
}

func one(body string, o decode.Options) error {
	_, err := json.One(strings.NewReader(body), decode.Path{"a"}, o)
	return err
}

// FuzzOne: what is cut out is an object, stands in the document as it is, and is what encoding/json finds there, too.
func FuzzOne(f *testing.F) {
	for _, seed := range []string{`{"a":{"b":{"id":1}}}`, `{"a":{}}`, ` {"x":[{"a":1}], "a" : {"b":{ } } } `, `{"\u0061":{"b":{}}}`, `{"a":{"b":{}},"a":1}`, `[]`, `{"a":null}`, "\xef\xbb\xbf{\"a\":{\"b\":{}}}", `{"a":{"b":{}}}{}`} {
		f.Add([]byte(seed), "a", "b")
	}
	f.Fuzz(func(t *testing.T, body []byte, first, second string) {
		for _, path := range []decode.Path{nil, {first}, {first, second}} {
			got, err := json.One(bytes.NewReader(body), path, decode.Options{})
			if err != nil {
				if got != nil {
					t.Errorf("an error, and %s", got)
				}
				continue
			}
			if !stdjson.Valid(got) || got[0] != '{' || !bytes.Contains(body, got) {
				t.Errorf("%q at %q of %q", got, path, body)
			}
			want := stdjson.RawMessage(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
			for _, name := range path {
				var object map[string]stdjson.RawMessage
				if err := stdjson.Unmarshal(want, &object); err != nil {
					t.Fatalf("%q was found at %q of %q, which encoding/json cannot read: %v", got, path, body, err)
				}
				want = object[name]
			}
			if !bytes.Equal(bytes.TrimSpace(want), got) {
				t.Errorf("%q at %q of %q, want %q", got, path, body, want)
			}
		}
	})
}
