package xml_test

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/xml"
)

func TestReadMistakes(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"order", `"/order" goes from the root on, "//order" takes every such element`},
		{"orders.order", `"/orders/order" goes from the root on, "//order" takes every such element`},
		{"@this", "begins with no slash"},
		{"", "begins with no slash"},
		{"/", "has an empty name"},
		{"//", "has an empty name"},
		{"///a", "has an empty name"},
		{"//a/", "has an empty name"},
		{"/a//b", "has an empty name"},
		{"//n:order", `names are local, so write "order"`},
		{"//order/@id", "names an attribute; records are elements"},
		{"//*", `is more than names: "*" is none`},
		{"//order[1]", `is more than names: "order[1]" is none`},
		{"//a | //b", "is more than names"},
		{"//text()", "is more than names"},
		{"//..", "is more than names"},
		{"//1a", "is more than names"},
		{"//a b", "is more than names"},
		{strings.Repeat("/a", 33), "path has too many names"},
	} {
		if path, err := xml.ParsePath(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q is %q, %v; want %s", test.text, path, err, test.want)
		}
	}
	for _, text := range []string{"//order", "//a/b", "/root/a/b", "//größe", "/a.b/c-d_2"} {
		if path, err := xml.ParsePath(text); err != nil || path.String() != text {
			t.Errorf("%q is %q, %v", text, path, err)
		}
	}
}

func TestTheBlockIsReadWithEveryMistake(t *testing.T) {
	read := func(block string) (decode.Format, string) {
		parsed, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		r := attr.NewReader(parsed.Body, nil, `decode "xml"`)
		f := xml.Read(r)
		var b strings.Builder
		for _, d := range r.Done() {
			fmt.Fprintf(&b, "%d: %s %s\n", d.Subject.Start.Line, d.Summary, d.Detail)
		}
		return f, b.String()
	}
	for block, want := range map[string]string{
		``:                       `"items"`,
		`items = "orders.order"`: `1: Invalid path path "orders.order" begins with no slash; "/orders/order" goes`,
		`items = "//o[1]"`:       `Records are found by local names: "//order" at any depth`,
		"items = \"//o\"\narrays = [\"a\", \"b..c\"]":                    `2: Invalid path path "b..c" has an empty name. Arrays are named by dotted local names`,
		"items = \"//o\"\narrays = [\"@this\"]":                          `2: Invalid path "@this" names no element.`,
		"items = \"//o\"\narrays = [\"//line\"]":                         `2: Invalid path "//line" names no element.`,
		"items = \"//o\"\narrays = [" + strings.Repeat(`"a",`, 65) + "]": `2: Too many arrays At most 64 elements can be named.`,
		"items = \"//o\"\ncharset = \"klingon\"":                         `2: Unknown charset there is no charset "klingon"`,
		"items = \"//o\"\narray = [\"a\"]":                               `Did you mean "arrays"?`,
	} {
		if _, got := read(block); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %s", block, got, want)
		}
	}
	f, problems := read("items = \"//o\"\narrays = [\"l.m\", \"t\"]\ncharset = \"windows-1252\"")
	if problems != "" || f.Identity() != "xml //o [l.m] [t]" || f.Window() || !f.Enveloped() {
		t.Errorf("%s %s", f.Identity(), problems)
	}
	if got := split(strings.NewReader("<o><t>\x80</t></o>"), f.(xml.Format), decode.Options{}); got != "1 {\"t\":[\"€\"]}\n" {
		t.Error(got)
	}
}

func TestTheDocumentedExampleIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../../docs/decoders/xml.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, rest, _ := strings.Cut(string(page), "```"+language+"\n")
		text, _, found := strings.Cut(rest, "```")
		if !found {
			t.Fatalf("no block in %s", language)
		}
		return text
	}
	var want bytes.Buffer
	if err := stdjson.Compact(&want, []byte(block("json"))); err != nil {
		t.Fatal(err)
	}
	everyWay(t, block("xml"), format(t, "//order", "lines.line"), decode.Options{}, "1 "+want.String()+"\n")
}

func TestOverlaps(t *testing.T) {
	for _, test := range []struct {
		items, path string
		want        bool
	}{
		{"/a/b/c", "a.b.c", true}, {"/a/b/c", "a.b.c.d", true}, {"/a/b/c", "a.b", true}, {"/a/b/c", "a", true}, {"/a/b/c", "a.b.d", false}, {"/a/b/c", "//c", false},
		{"/a/b/c", "//a/b/c", false}, {"//c", "a.b.c", true}, {"//c", "a.b.c.d", true}, {"//c", "a.b", false}, {"//c", "//c", true}, {"//b/c", "a.b.c", true}, {"//b/c", "a.c", false},
	} {
		items, err := xml.ParsePath(test.items)
		if err != nil {
			t.Fatal(err)
		}
		path, err := decode.ParsePath(test.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := (xml.Format{Items: items}).Overlaps(path); got != test.want {
			t.Errorf("records at %s and %s: %t", test.items, test.path, got)
		}
	}
}
