package csv_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/csv"
)

func read(t *testing.T, block string) (decode.Format, string) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r := attr.NewReader(file.Body, nil, `decode "csv"`)
	format := csv.Read(r)
	var b strings.Builder
	for _, d := range r.Done() {
		fmt.Fprintf(&b, "%d: %s; %s\n", d.Subject.Start.Line, d.Summary, d.Detail)
	}
	return format, b.String()
}

func TestRead(t *testing.T) {
	for _, test := range []struct{ name, block, identity, table, want string }{
		{"nothing", ``, "rows", "a,b\n1,2\n", `{"a":"1","b":"2"}`},
		{"everything", `
			delimiter = ";"
			quote     = "'"
			comment   = "#"
			header    = false
			names     = ["x", "größe"]
			charset   = "Windows-1252"
		`, `rows delimiter=';' quote='\'' comment='#' headless names=["x" "größe"]`, "#\n'a;';\xf6\n", `{"x":"a;","größe":"ö"}`},
		{"tabs without quotes", "delimiter = \"\\t\"\nquote = \"\"", `rows delimiter='\t' unquoted`, "a\tb\n\"\t'\n", `{"a":"\"","b":"'"}`},
		{"names of a header", `names = ["x"]`, `rows names=["x"]`, "a\n1\n", `{"x":"1"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			format, problems := read(t, test.block)
			if problems != "" {
				t.Fatal(problems)
			}
			if got := format.Identity(); got != test.identity {
				t.Errorf("identity is %s, want %s", got, test.identity)
			}
			if got := split(strings.NewReader(test.table), format, decode.Options{}); got != test.want+"\n" {
				t.Errorf("%s", got)
			}
		})
	}
}

func TestReadNotesEveryMistake(t *testing.T) {
	for block, want := range map[string]string{
		`delimiter = "::"`:               `1: Invalid character; delimiter is one ASCII character, such as "," or ";" or "|" or "\t"; "::" is not.`,
		`delimiter = "§"`:                `1: Invalid character; delimiter is one ASCII character, such as "," or ";" or "|" or "\t"; "§" is not.`,
		`delimiter = "\n"`:               `1: Invalid character; delimiter is one ASCII character, such as "," or ";" or "|" or "\t"; "\n" is not.`,
		`delimiter = ""`:                 `1: No delimiter; A delimiter is one character, such as "," or ";" or "\t".`,
		`delimiter = "\""`:               `1: The same character twice; delimiter and quote are both '"'; they must differ.`,
		`comment = ","`:                  `1: The same character twice; comment and delimiter are both ','; they must differ.`,
		"quote = \"'\"\ncomment = \"'\"": `2: The same character twice; comment and quote are both '\''; they must differ.`,
		`names = ["a", "", "a"]`:         "1: Empty name; A column needs a name.\n1: The same name twice; There is already a column \"a\".",
		`charset = "klingon"`:            `1: Unknown charset; there is no charset "klingon"; names are those of IANA, such as utf-8, utf-16le, windows-1252 or iso-8859-15.`,
		`header = "maybe"`:               `1: Invalid value for "header"; "header" is true or false, not a string.`,
		`delimeter = ";"`:                `1: Unsupported argument; An argument named "delimeter" is not expected here. Did you mean "delimiter"?`,
	} {
		if _, got := read(t, block); got != want+"\n" {
			t.Errorf("%s (-want +got):\n%s", block, cmp.Diff(want+"\n", got))
		}
	}
}
