package login_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadNotesEveryMistake(t *testing.T) {
	for _, test := range []struct{ name, block, want string }{
		{"ntlm is of later", "auth \"ntlm\" {\n username = \"x\"\n}", `2: The auth "ntlm" belongs to the language, but this version of hookbridge does not have it yet.`},
		{"misspelt", "auth \"digset\" {\n}", `2: There is no auth "digset". Did you mean "digest"?`},
		{"basic with a colon", "auth \"basic\" {\n username = \"a:b\"\n password = \"x\"\n}", `3: A username of this login has no colon in it`},
		{"bearer in two lines", "auth \"bearer\" {\n token = \"a\\nb\"\n}", `3: The token holds characters that a header cannot carry`},
		{"a header of ours", "auth \"header\" {\n name = \"host\"\n value = \"x\"\n}", `3: The header "host" is set by hookbridge itself`},
		{"hmac in a header of ours", "auth \"hmac\" {\n secret = \"x\"\n header = \"Content-Length\"\n}", `4: The header "Content-Length" is set by hookbridge itself`},
		{"hmac with a header of ours", "auth \"hmac\" {\n secret = \"x\"\n header = \"X\"\n headers = { Host = \"x\" }\n}", `5: The header "Host" is set by hookbridge itself`},
		{"a session with a header of ours", "auth \"session\" {\n url = \"http://x/login\"\n form = { a = 1 }\n headers = { Connection = 1 }\n}", `5: The header "Connection" is set by hookbridge itself`},
		{"digest without a password", "auth \"digest\" {\n username = \"x\"\n}", `2: The argument "password" is required in auth "digest"`},
		{"digest with a line break", "auth \"digest\" {\n username = \"x\\ny\"\n password = \"x\"\n}", `3: The username holds characters that a header cannot carry.`},
		{"oauth2 without a secret", "auth \"oauth2\" {\n token_url = \"http://x\"\n client_id = \"x\"\n}", `2: The argument "client_secret" is required`},
		{"an empty refresh token", "auth \"oauth2\" {\n token_url = \"http://x\"\n client_id = \"x\"\n refresh_token = \"\"\n}", `5: refresh_token is empty; log in to the provider once by hand`},
		{"nothing to keep", "auth \"oauth2\" {\n token_url = \"http://x\"\n client_id = \"x\"\n client_secret = \"x\"\n token_file = \"x\"\n}", `6: token_file keeps the refresh token`},
		{"no folder to keep it in", "auth \"oauth2\" {\n token_url = \"http://x\"\n client_id = \"x\"\n refresh_token = \"x\"\n token_file = \"no/x\"\n}", `6: The folder of token_file does not exist`},
		{"a folder to keep it in", "auth \"oauth2\" {\n token_url = \"http://x\"\n client_id = \"x\"\n refresh_token = \"x\"\n token_file = \".\"\n}", `6: token_file names what is no file`},
		{"a parameter of ours", "auth \"oauth2\" {\n token_url = \"http://x\"\n client_id = \"x\"\n client_secret = \"x\"\n params = { scope = \"x\" }\n}", `6: The parameter "scope" is set by hookbridge itself`},
		{"no token endpoint", "auth \"oauth2\" {\n token_url = \"x\"\n client_id = \"x\"\n client_secret = \"x\"\n}", `3: token_url must begin with http:// or https://.`},
		{"a session of nothing", "auth \"session\" {\n url = \"http://x/login\"\n}", `2: Write either form = { … } or json = { … }`},
		{"a session of both", "auth \"session\" {\n url = \"http://x/login\"\n form = { a = 1 }\n json = {}\n}", `5: Write either form = { … } or json = { … }`},
		{"a session elsewhere", "auth \"session\" {\n url = \"http://y/login\"\n form = { a = 1 }\n}", `3: url is at http://y:80, but cookies are sent to the source's own origin only, which is http://x:80.`},
		{"a page elsewhere", "auth \"session\" {\n url = \"http://x/login\"\n page = \"https://x\"\n csrf = \"t\"\n form = { a = 1 }\n}", `4: page is at https://x:443`},
		{"a page for nothing", "auth \"session\" {\n url = \"http://x/login\"\n page = \"http://x\"\n form = { a = 1 }\n}", `4: page is where the field named by csrf stands`},
		{"a field for JSON", "auth \"session\" {\n url = \"http://x/login\"\n csrf = \"t\"\n json = {}\n}", `4: csrf takes over a field of a form`},
		{"a header HTTP cannot carry", "auth \"session\" {\n url = \"http://x/login\"\n form = { a = 1 }\n headers = { \"a b\" = 1 }\n}", `5: The header "a b" has a name or a value`},
		{"hmac without a header", "auth \"hmac\" {\n secret = \"x\"\n}", `2: The argument "header" is required in auth "hmac"`},
		{"hmac with another algorithm", "auth \"hmac\" {\n secret = \"x\"\n header = \"X\"\n algorithm = \"sha-256\"\n}", `5: "sha-256" is not a choice for "algorithm": there is "sha256", "sha1" and "sha512". Did you mean "sha256"?`},
		{"hmac with half a key", "auth \"hmac\" {\n secret = \"abc\"\n header = \"X\"\n key = \"hex\"\n}", `3: The secret is not written as key says`},
		{"hmac of an unknown place", "auth \"hmac\" {\n secret = \"x\"\n header = \"X\"\n sign = \"{methd}\"\n}", `5: A place in braces is not known here. Did you mean {method}?`},
		{"hmac of half a place", "auth \"hmac\" {\n secret = \"x\"\n header = \"X\"\n sign = \"{method\"\n}", `5: A place in braces is not known here. There is {body}, {body_sha256}, {host}, {id}, {method}, {path}, {query}, {ts}, {url}; a brace itself is written {{.`},
		{"hmac of itself", "auth \"hmac\" {\n secret = \"x\"\n header = \"X\"\n sign = \"{signature}\"\n}", `5: A place in braces is not known here.`},
		{"hmac without a signature", "auth \"hmac\" {\n secret = \"x\"\n header = \"X\"\n value = \"{ts}\"\n}", `5: value is what the header is sent with; put {signature} into it.`},
		{"hmac twice in a header", "auth \"hmac\" {\n secret = \"x\"\n header = \"X\"\n headers = { x = \"1\" }\n}", `5: The header "x" is the one of the signature.`},
		{"hmac of a body in a header", "auth \"hmac\" {\n secret = \"x\"\n header = \"X\"\n headers = { Y = \"{body}\" }\n}", `5: The header "Y" cannot hold a body; {body_sha256} is its hash.`},
		{"hmac at another time", "auth \"hmac\" {\n secret = \"x\"\n header = \"X\"\n time { format = \"iso\" }\n}", `5: "iso" is not a choice for "format"`},
		{"sigv4 without a region", "auth \"sigv4\" {\n access_key = \"x\"\n secret_key = \"x\"\n service = \"x\"\n}", `2: The argument "region" is required in auth "sigv4"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, diags := newHouse(t).decode(t, "url = \"http://x\"\n"+test.block)
			if s != nil || len(diags) != 1 {
				t.Fatalf("got %v and %v, want one diagnostic", s, diags)
			}
			if got := fmt.Sprintf("%d: %s", diags[0].Subject.Start.Line, diags[0].Detail); !strings.HasPrefix(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestATokenFileThatOthersCanReadIsAWarning(t *testing.T) {
	h := newHouse(t)
	if err := os.WriteFile(filepath.Join(h.dir, "oauth.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, diags := h.decode(t, fmt.Sprintf(refreshBlock, "http://x", `token_file = "oauth.json"`))
	if s == nil || len(diags) != 1 || !strings.Contains(diags[0].Detail, "type: chmod 600 oauth.json") {
		t.Errorf("got %v", diags)
	}
}
