package diff

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

func TestKey(t *testing.T) {
	for name, tc := range map[string]struct {
		paths []string
		body  string
		want  string
	}{
		"text":              {[]string{"id"}, `{"id":"a b"}`, `a b`},
		"escapes":           {[]string{"id"}, `{"id":"\u0041\n\ud83d\ude00\/"}`, "A\n😀/"},
		"number":            {[]string{"id"}, `{"id": 1001 }`, `1001`},
		"number as written": {[]string{"id"}, `{"id":1.50e0}`, `1.50e0`},
		"large number":      {[]string{"id"}, `{"id":9007199254740993}`, `9007199254740993`},
		"true":              {[]string{"id"}, `{"id":true}`, `true`},
		"below":             {[]string{"meta.id"}, `{"id":1,"meta":{"id":2}}`, `2`},
		"element":           {[]string{"0"}, `["x",1]`, `x`},
		"name with a dot":   {[]string{`a\.b`}, `{"a":{"b":1},"a.b":2}`, `2`},
		"escaped name":      {[]string{"id"}, `{"\u0069d":7}`, `7`},
		"attribute":         {[]string{"@id"}, `{"@id":"7"}`, `7`},
		"text beside it":    {[]string{"name.#text"}, `{"name":{"#text":"x"}}`, `x`},
		"several":           {[]string{"region", "id"}, `{"id":1,"region":"eu"}`, `["eu",1]`},
		"several, types":    {[]string{"a", "b", "c"}, `{"a":"1","b":1.0,"c":false}`, `["1",1.0,false]`},
		"several, escapes":  {[]string{"a", "b"}, `{"a":"\u0041\"\u003c","b":"é\t"}`, `["A\"<","é\t"]`},
		"not a language":    {[]string{"@this"}, `{"@this":1}`, `1`},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := NewKey(tc.paths)
			if err != nil {
				t.Fatalf("NewKey: %v", err)
			}
			got, err := key.Of([]byte(tc.body))
			if err != nil || got != tc.want {
				t.Errorf("Of = %q, %v; want %q", got, err, tc.want)
			}
			appended, err := key.Append([]byte("x"), []byte(tc.body))
			if err != nil || string(appended) != "x"+tc.want {
				t.Errorf("Append = %q, %v; want %q", appended, err, "x"+tc.want)
			}
		})
	}
}

func TestNoKey(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"missing":      {`{"id":1,"a":{"b":2,"x\ny":0}}`, `key "a.c" is missing; there is "b", "x\ny"`},
		"far away":     {`{"id":1,"b":2}`, `key "a.c" is missing; there is "id", "b"`},
		"many beside":  {`{"id":1,"a":{"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"` + strings.Repeat("ü", 41) + `":1,"9":1}}`, `"7", "` + strings.Repeat("ü", 40) + `…", …`},
		"scalar above": {`{"id":1,"a":2}`, `key "a.c" is missing`},
		"nothing":      {`{"id":1,"a":{}}`, `key "a.c" is missing`},
		"null":         {`{"id":1,"a":{"c":null}}`, `key "a.c" is null`},
		"object":       {`{"id":1,"a":{"c":{}}}`, `key "a.c" is an object`},
		"array":        {`{"id":1,"a":{"c":[1]}}`, `key "a.c" is an array`},
		"empty":        {`{"id":1,"a":{"c":""}}`, `key "a.c" is an empty string`},
		"scalar":       {`5`, `is missing`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, paths := range [][]string{{"a.c"}, {"id", "a.c"}} {
				key, err := NewKey(paths)
				if err != nil {
					t.Fatalf("NewKey: %v", err)
				}
				got, err := key.Of([]byte(tc.body))
				if err == nil || !strings.Contains(err.Error(), tc.want) || got != "" {
					t.Errorf("%q: Of = %q, %v; want an error with %q", paths, got, err, tc.want)
				}
				if dst, err := key.Append([]byte("x"), []byte(tc.body)); err == nil || string(dst) != "x" {
					t.Errorf("%q: Append = %q, %v; want an error and nothing appended", paths, dst, err)
				}
			}
		})
	}
}

func TestBadKeyPaths(t *testing.T) {
	for name, tc := range map[string]struct {
		paths []string
		want  string
	}{
		"none":          {nil, "no path"},
		"empty":         {[]string{""}, `path "": empty`},
		"wildcard":      {[]string{"id", "lines.*.id"}, `path "lines.*.id": a key is one value`},
		"count":         {[]string{"lines.#"}, `path "lines.#": a key is one value`},
		"half wildcard": {[]string{"i*"}, `* stands for a whole name`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewKey(tc.paths); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// A name is a name, whatever it would mean in a query language.
func TestKeyPathsAreNames(t *testing.T) {
	names := []string{"a", "b", "a.b", "*", "#", "@this", "@pretty", "!x", "{a", "[0]", "?", "a|b", "..", "\\", "a*", ":1",
		"#(a=1)", "~", "é", "<>", "\"", " ", "%", "a#b", "=", "@", "`"}
	rapid.Check(t, func(t *rapid.T) {
		path := make(pattern, rapid.IntRange(1, 3).Draw(t, "length"))
		for i := range path {
			path[i] = new(rapid.SampledFrom(names).Draw(t, "step"))
		}
		key, err := NewKey([]string{path.String()})
		if err != nil {
			t.Fatalf("NewKey(%q): %v", path, err)
		}
		var tree any = rapid.SampledFrom([]any{"x", "é\n😀", true, power{12, -1}}).Draw(t, "scalar")
		for i := len(path) - 1; i >= 0; i-- {
			members := map[string]any{}
			for _, other := range rapid.SliceOfN(rapid.SampledFrom(names), 0, 6).Draw(t, "others") {
				members[other] = rapid.SampledFrom([]any{"other", map[string]any{"a": "other"}, []any{"other"}}).Draw(t, "value")
			}
			members[*path[i]] = tree
			tree = members
		}
		body := drawText(t, tree)
		there := decode(t, body)
		for _, name := range path {
			there = there.(map[string]any)[*name]
		}
		want := ""
		switch there := there.(type) {
		case string:
			want = there
		case json.Number:
			want = there.String()
		case bool:
			want = "true"
		}
		if got, err := key.Of(body); err != nil || got != want {
			t.Errorf("%s in %s: %q, %v; want %q", path, body, got, err, want)
		}
	})
}

// A key never depends on how the record is laid out, and no bytes make it panic.
func FuzzKey(f *testing.F) {
	f.Add("id", []byte(order))
	f.Add("customer.name", []byte(order))
	f.Add(`a\.b`, []byte(`{"a.b":"\ud83d\ude00","a":1e5}`))
	f.Add("0.@this", []byte(`[{"@this":true},[[[`))
	f.Add("a", []byte(`{"a":"`))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		one, err := NewKey([]string{path})
		if err != nil {
			return
		}
		two, err := NewKey([]string{path, path})
		if err != nil {
			t.Fatalf("NewKey takes %q once only: %v", path, err)
		}
		key, err := one.Of(body)
		if err == nil && key == "" {
			t.Errorf("%q in %q: empty key", path, body)
		}
		both, errBoth := two.Of(body)
		if !jsontext.Value(body).IsValid() {
			return
		}
		if (err == nil) != (errBoth == nil) {
			t.Errorf("%q in %q: once %v, twice %v", path, body, err, errBoth)
		}
		if err == nil && !json.Valid([]byte(both)) {
			t.Errorf("%q in %q: key %q is not JSON", path, body, both)
		}
		compact := jsontext.Value(bytes.Clone(body))
		if err := compact.Compact(); err != nil {
			t.Fatalf("compact %q: %v", body, err)
		}
		if again, errAgain := one.Of(compact); again != key || (err == nil) != (errAgain == nil) {
			t.Errorf("%q in %q: %q, %v; compacted %q, %v", path, body, key, err, again, errAgain)
		}
	})
}
