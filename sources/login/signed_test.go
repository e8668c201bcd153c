package login_test

import (
	stdhmac "crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// An API that signs as many home-made ones do, written down by hand here.
func TestHMAC(t *testing.T) {
	key, _ := hex.DecodeString("4a656665")
	var stamps, ids []string
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		sum := sha256.Sum256(body)
		at, err := strconv.ParseInt(r.Header.Get("X-Time"), 10, 64)
		if err != nil || time.Since(time.UnixMilli(at)).Abs() > time.Minute {
			t.Errorf("X-Time is %q", r.Header.Get("X-Time"))
		}
		mac := stdhmac.New(sha512.New, key)
		fmt.Fprintf(mac, "%s\n/a%%20b\nx=1&y=%%2F\n%s\n%s\n%s {literal}", r.Method, r.Header.Get("X-Time"), r.Header.Get("X-Nonce"), base64.StdEncoding.EncodeToString(sum[:]))
		want := fmt.Sprintf(`ERP id="bridge", nonce="%s", signature="%s"`, r.Header.Get("X-Nonce"), base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		if got := r.Header.Get("Authorization"); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		if stamps, ids = append(stamps, r.Header.Get("X-Time")), append(ids, r.Header.Get("X-Nonce")); len(ids) == 1 {
			w.WriteHeader(nethttp.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "[%q]", r.Method+" "+string(body))
	})
	h := newHouse(t)
	block := `url = "%s/a%%20b?x=1&y=%%2F"
auth "hmac" {
  secret    = secret.hex
  key       = "hex"
  algorithm = "sha512"
  encoding  = "base64"
  sign      = "{method}\n{path}\n{query}\n{ts}\n{id}\n{body_sha256} {{literal}"
  header    = "authorization"
  value     = "ERP id=\"bridge\", nonce=\"{id}\", signature=\"{signature}\""
  headers   = { X-Time = "{ts}", X-Nonce = "{id}" }
  time { format = "ms" }
}
`
	h.want(t, h.source(t, block, address), `"GET "`)
	h.want(t, h.source(t, block+"method = \"POST\"\nbody = \"the body\"", address), `"POST the body"`)
	slices.Sort(ids)
	if len(ids) != 3 || len(slices.Compact(ids)) != 3 {
		t.Errorf("a quick retry is signed anew, with its own id; got %q", ids)
	}
}

// What a redirect leads to is signed as what it is, and the defaults of the block are as documented.
func TestHMACDefaults(t *testing.T) {
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		mac := stdhmac.New(sha256.New, []byte("S3CRET-TOKEN"))
		empty := sha256.Sum256(nil)
		fmt.Fprintf(mac, "GET\n%s\n%s\n%s\n%x", r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("X-Time"), empty)
		if got, want := r.Header.Get("X-Signature"), hex.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("%s: got %s, want %s", r.URL, got, want)
		}
		if _, err := nethttp.ParseTime(r.Header.Get("X-Time")); err != nil {
			t.Errorf("X-Time is %q", r.Header.Get("X-Time"))
		}
		if r.URL.Path == "/" {
			nethttp.Redirect(w, r, "/moved?to=here", nethttp.StatusTemporaryRedirect)
			return
		}
		fmt.Fprint(w, "[1]")
	})
	h := newHouse(t)
	h.want(t, h.source(t, "url = %q\nauth \"hmac\" {\n secret = secret.token\n header = \"X-Signature\"\n headers = { X-Time = \"{ts}\" }\n time { format = \"http\" }\n}", address+"/"), "1")
}

func TestSigV4(t *testing.T) {
	var dates []string
	address := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		authorization, s3 := r.Header.Get("Authorization"), strings.HasPrefix(r.URL.Path, "/s3")
		service, headers := "execute-api", "content-type;host;x-amz-date;x-amz-security-token"
		if s3 {
			service, headers = "s3", "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token"
		}
		prefix := "AWS4-HMAC-SHA256 Credential=AKID/" + time.Now().UTC().Format("20060102") + "/eu-central-1/" + service + "/aws4_request, SignedHeaders=" + headers + ", Signature="
		if signature, ok := strings.CutPrefix(authorization, prefix); !ok || len(signature) != 64 {
			t.Errorf("got %s, want %s…", authorization, prefix)
		}
		if r.Header.Get("X-Amz-Security-Token") != "0THER+/SECRET" || (r.Header.Get("X-Amz-Content-Sha256") != "") != s3 {
			t.Errorf("headers: %v", r.Header)
		}
		body, _ := io.ReadAll(r.Body)
		dates = append(dates, r.Header.Get("X-Amz-Date"))
		fmt.Fprintf(w, "[%q]", r.URL.RawQuery+" "+string(body))
	})
	h := newHouse(t)
	for _, service := range []string{"execute-api", "s3"} {
		h.want(t, h.source(t, `url = "%s/%[2]s/list?b=2&a=1"
method = "POST"
json   = {}
auth "sigv4" {
  access_key    = "AKID"
  secret_key    = secret.token
  session_token = secret.other
  region        = "eu-central-1"
  service       = "%[2]s"
}`, address, service), `"a=1&b=2 {}"`)
	}
	if len(dates) != 2 || len(dates[0]) != len("20060102T150405Z") {
		t.Errorf("dates %q", dates)
	}
}
