package configs_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
)

// hidden is a secret that would fit nowhere but where a secret belongs.
const hidden = "hunter2-hunter2 hunter2"

// TestMistakesWithSecretsShowNone puts a secret where something else belongs, by each way there is to have one, and looks
// for it in everything that is printed.
func TestMistakesWithSecretsShowNone(t *testing.T) {
	ways := map[string]string{
		"environment": `env("HIDDEN")`, "file": `file("hidden")`,
		"variable": `var.hidden`, "local": `local.hidden`, "element": `local.nested.list[0]`, "part": `"a${env("HIDDEN")}b"`, "function": `upper(env("HIDDEN"))`,
	}
	mistakes := map[string]string{
		"argument":          `timeout = %s`,
		"word":              `missed = %s`,
		"path":              `ignore = [%s]`,
		"path alone":        `unordered = "..${%s}"`,
		"number":            "deletes {\n confirm = %s\n}",
		"share":             "deletes {\n max = %s\n}",
		"for_each":          `for_each = toset([%s])`,
		"for_each's keys":   `for_each = { (%s) = 1 }`,
		"list":              `select = %s`,
		"member":            `select = local.nested[%s]`,
		"index":             `select = ["a"][%s]`,
		"attribute":         `select = { a = 1 }[%s]`,
		"conditional":       `select = %s ? "a" : "b"`,
		"operator":          `select = -%s`,
		"sum":               `select = 1 + %s`,
		"comparison":        `select = %s < 1`,
		"splat":             `select = %s.x`,
		"for":               `select = [for x in %s : x]`,
		"two keys":          `select = { for x in ["a", "b"] : (%s) => x }`,
		"tonumber":          `select = tonumber(%s)`,
		"tobool":            `select = tobool(%s)`,
		"jsondecode":        `select = jsondecode(%s)`,
		"csvdecode":         `select = csvdecode("a,a\n${%s}")`,
		"parseint":          `select = parseint(%s, 10)`,
		"regex":             `select = regex(%s, "a")`,
		"regex's text":      `select = regex("^never$", %s)`,
		"timeadd":           `select = timeadd(%s, "1s")`,
		"formatdate":        `select = formatdate("YYYY", %s)`,
		"format":            `select = format("%%d", %s)`,
		"format's form":     `select = format("%%d ${%s}", "x")`,
		"base64decode":      `select = base64decode(%s)`,
		"lookup":            `select = lookup({ a = 1 }, %s)`,
		"zipmap":            `select = zipmap([%s], [])`,
		"merge":             `select = merge(%s)`,
		"element":           `select = element(%s, 0)`,
		"concat":            `select = concat(%s, [])`,
		"file":              `select = file(%s)`,
		"env":               `select = env(%s)`,
		"expansion":         `select = max(%s...)`,
		"no function":       `select = nothing(%s)`,
		"no name":           `select = [%s, nothing.at.all]`,
		"event type":        "event {\n type = %s\n}",
		"event type's part": "event {\n type = \"a.${%s}.${change.nothing}\"\n}",
		"event when":        "event {\n when = %s\n}",
		"event data":        "event {\n data = { a = %s }\n}",
		"event for":         "event {\n data = [for x in change.after.all : tonumber(%s)]\n when = 1\n}",
		"unknown":           `nothing = %s`,
		"unknown block":     "nothing {\n a = %s\n}",
		"second source":     "source \"file\" {\n path = %s\n}",
	}
	places := map[string]string{
		"url": `url = %s`, "method": "url = \"https://example.com\"\n method = %s", "query": "url = \"https://example.com\"\n query = %s",
		"headers": "url = \"https://example.com\"\n headers = { \"a b\" = %s }\n max_pages = %[1]s",
		"rate":    "url = \"https://example.com\"\n rate = %s\n max_body = %[1]s\n success = %[1]s",
		"json":    "url = \"https://example.com\"\n json = { a = %s }\n retries = %[1]s",
		"auth":    "url = \"https://example.com\"\n auth \"bearer\" {\n tokn = %s\n}",
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hidden"), []byte(hidden), 0o600); err != nil {
		t.Fatal(err)
	}
	declared := "variable \"hidden\" {\n  sensitive = true\n}\nlocals {\n  hidden = \"x ${var.hidden}\"\n  nested = { list = [env(\"HIDDEN\")] }\n}\n"
	check := func(name, src string) {
		t.Helper()
		file := filepath.Join(dir, "bridge.hcl")
		if err := os.WriteFile(file, []byte(declared+src), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := configs.Load(file, configs.Options{Environ: environ("SECRET="+secret, "HIDDEN="+hidden), Vars: map[string]string{"hidden": hidden}, Sources: sources.New(sources.Runtime{})})
		if err == nil {
			t.Errorf("%s is no mistake: %v", name, c.Warnings.Lines())
			return
		}
		shown := rendered(err) + err.Error()
		for _, form := range []string{"hunter2", "HUNTER2", url.QueryEscape(hidden), base64.StdEncoding.EncodeToString([]byte(hidden)), "panic", "goroutine"} {
			if strings.Contains(shown, form) {
				t.Errorf("%s shows a secret:\n%s", name, shown)
			}
		}
	}
	for way, expr := range ways {
		for what, written := range map[string]string{"schedule": `"@every 30s"`, "key": `"id"`, "address": `"https://example.com/hooks"`, "destination": "destination.d",
			"signing secret": `env("SECRET")`} {
			check(what+" by "+way, strings.Replace(job(""), written, expr, 1))
		}
		for what, form := range mistakes {
			check(what+" by "+way, job(fmt.Sprintf(form, expr)))
		}
		for what, form := range places {
			check(what+" by "+way, strings.Replace(job(""), `url = "https://legacy.example.com/orders"`, fmt.Sprintf(form, expr)+"\n missing = 1", 1))
		}
	}
}

// TestSecretsWrittenInTheFileAreBlottedOut breaks lines that hold a secret, and looks for it in the lines that are shown.
func TestSecretsWrittenInTheFileAreBlottedOut(t *testing.T) {
	for _, c := range []struct{ old, broken, shown string }{
		{`[env("SECRET")]`, `["whsec_hunter2hunter2"]`, `["******`},
		{`[env("SECRET")]`, `["whsec_${"hunter2"}"]`, `["******${"*******"}"]`},
		{`[env("SECRET")]`, `[env("UNSET", "hunter2")]`, `env("UNSET", "*******")`},
		{`[env("SECRET")]`, `{ a = "hunter2" }`, `{ a = "*******" }`},
		{`[env("SECRET")]`, "[<<EOT\nhunter2\nEOT\n]", ``},
		{`[env("SECRET")]`, "[env(\"SECRET\")]\n headers = { Authorization = \"Bearer hunter2\\n\" }", `Authorization = "`},
		{`[env("SECRET")]`, "[env(\"SECRET\")]\n headers = { \"X-Api-Key\" = \"hunter2\\n\" }", `"X-Api-Key" = "`},
		{`[env("SECRET")]`, "[env(\"SECRET\")]\n password = \"hunter2\"", `password = "*******"`},
		{`decode "json" {`, "auth \"basic\" {\n username = 1\n password = [\"hunter2\"]\n }\n decode \"json\" {", `password = ["*******"]`},
		{`decode "json" {`, "auth \"header\" {\n name = \"X\"\n value = [\"hunter2\"]\n }\n decode \"json\" {", `value = ["*******"]`},
		{`decode "json" {`, "auth \"oauth2\" {\n token_url = \"https://example.com\"\n client_id = \"b\"\n client_secret = [\"hunter2\"]\n }\n decode \"json\" {", `client_secret = ["*******"]`},
		{`destination "d"`, "variable \"password\" {\n defalt = 1\n default = [\"hunter2\"].x\n}\ndestination \"d\"", `default = ["*******"].x`},
		{`destination "d"`, "variable \"v\" {\n sensitive = true\n default = [\"hunter2\"].x\n}\ndestination \"d\"", `default = ["*******"].x`},
		{`destination "d"`, "locals {\n api_token = [\"hunter2\"].x\n}\ndestination \"d\"", `api_token = ["*******"].x`},
	} {
		src := strings.Replace(job(""), c.old, c.broken, 1)
		_, err := load(t, src, configs.Options{})
		if err == nil {
			t.Errorf("%s is no mistake", c.broken)
			continue
		}
		shown := rendered(err) + err.Error()
		if strings.Contains(shown, "hunter2") || !strings.Contains(shown, c.shown) {
			t.Errorf("%s: want %s to be shown:\n%s", c.broken, c.shown, shown)
		}
	}
}
