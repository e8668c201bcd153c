package login

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzChallenge: whatever a server asks for, it is answered in one line of a header or refused with a reason.
func FuzzChallenge(f *testing.F) {
	for _, seed := range []string{
		`Digest realm="r", nonce="n", qop="auth"`, `Basic realm="a, b", Digest nonce=n, realm="x\"y"`, `Digest nonce="\`, `Digest nonce="n", algorithm=-sess`,
		`Digest nonce="n", algorithm=SHA-256-sess, qop=auth-int`, `Negotiate`, `,,`, `Digest nonce="n", userhash=true, algorithm=MD5, qop="auth , x"`, "Digest nonce=\"\x00\r\n\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range challenges([]string{text}) {
			if strings.TrimSpace(c) == "" {
				t.Errorf("an empty challenge in %q", text)
			}
		}
		challenge, session, err := findChallenge([]string{text})
		if (err == nil) != (challenge != nil) {
			t.Fatalf("%v, %v", challenge, err)
		}
		if err != nil {
			return
		}
		d := &digest{username: "me", challenge: challenge, session: session, cnonce: "c"}
		req, _ := http.NewRequest("GET", "http://x/", nil)
		if err := d.sign(req); err != nil {
			t.Fatalf("a challenge that was taken cannot be answered: %v", err)
		}
		if got := req.Header.Get("Authorization"); strings.ContainsAny(got, "\r\n\x00") || len(got) > 16*maxChallenge {
			t.Errorf("%q is answered by %q", text, got)
		}
	})
}

// FuzzPage: a field that is found stands in the page.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{loginPage, `<input name=a value=b`, `<INPUT TYPE=password>`, `<!-- <input name=a> -->`, `<script><input name=a value=b></script>`, "<input\x00name=a>"} {
		f.Add([]byte(seed), "a")
	}
	f.Fuzz(func(t *testing.T, page []byte, name string) {
		if _, found := hiddenField(page, name); found && !strings.Contains(strings.ToLower(string(page)), "input") {
			t.Errorf("%q was found in %q", name, page)
		}
		if asksForPassword(page); isPage(page) && !bytes.Contains(page, []byte("<")) {
			t.Errorf("%q is a web page", page)
		}
	})
}

const loginPage = `<form><input type="hidden" name="a" value="1 &amp; 2"><input name=b value='"'/><INPUT TYPE="PASSWORD" name=c></form>`

func TestFieldsOfAPage(t *testing.T) {
	for page, want := range map[string]string{
		loginPage:                                "1 & 2",
		`<input name="b" value="1">`:             "",
		`<!-- <input name="a" value="1"> -->`:    "",
		`<textarea name="a" value="1">`:          "",
		`<input name="a"><input name=a value=1>`: "",
	} {
		if got, _ := hiddenField([]byte(page), "a"); got != want {
			t.Errorf("%s: %q, want %q", page, got, want)
		}
	}
	if !asksForPassword([]byte(loginPage)) || asksForPassword([]byte(`<input type=text name=password>`)) {
		t.Error("a field for a password is one of type password")
	}
}

func TestWhatBeginsLikeAPage(t *testing.T) {
	for start, want := range map[string]bool{
		"<!DOCTYPE html><p>": true, "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"x\">": true, "\n<HTML lang=en>": true, "<!-- x --><head>": true, "<form method=post>": true,
		"": false, "[1]": false, "{\"a\": \"<html>\"}": false, "<rss><title>": false, "<?xml version=\"1.0\"?><orders>": false, "id;name\n1;<html>": false, "<!DOCTYPE svg>": false,
	} {
		if got := isPage([]byte(start)); got != want {
			t.Errorf("%q: %t, want %t", start, got, want)
		}
	}
}

func TestChallengesOfAHeader(t *testing.T) {
	for header, want := range map[string][]string{
		`Basic realm="a, b"`: {`Basic realm="a, b"`},
		`Negotiate, Basic realm="x", charset="UTF-8" , Digest nonce="a\",b", qop="auth, auth-int"`: {`Negotiate`, `Basic realm="x", charset="UTF-8"`, `Digest nonce="a\",b", qop="auth, auth-int"`},
		`Bearer realm = "x"`: {`Bearer realm = "x"`},
		`, ,`:                nil,
		``:                   nil,
	} {
		if got := challenges([]string{header}); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}
