package login

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/hookbridge/bridge"
)

// The example of RFC 7616, section 3.9.1.
func TestDigestOfTheRFC(t *testing.T) {
	for algorithm, want := range map[string]string{
		"SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
		"MD5":     "8ca523f5e9506fed4657c9700eebdbec",
	} {
		challenge, _, err := findChallenge([]string{`Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=` + algorithm +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`})
		if err != nil {
			t.Fatal(err)
		}
		d := &digest{username: "Mufasa", password: bridge.NewSecret("Circle of Life"), challenge: challenge, cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"}
		req, _ := http.NewRequest("GET", "http://www.example.org/dir/index.html", nil)
		if err := d.sign(req); err != nil {
			t.Fatal(err)
		}
		if got := req.Header.Get("Authorization"); !strings.Contains(got, `response="`+want+`"`) {
			t.Errorf("%s: %s", algorithm, got)
		}
	}
}

// Cases of AWS's test suite for Signature Version 4, by their names there.
func TestSigV4OfAWS(t *testing.T) {
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	l := sigv4{
		credentials: aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
		region:      "us-east-1", service: "service", signer: v4.NewSigner(),
	}
	for _, test := range []struct{ name, method, url, kind, body, signed, want string }{
		{"get-vanilla", "GET", "/", "", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", "", "", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"get-vanilla-empty-query-key", "GET", "/?Param1=value1", "", "", "host;x-amz-date", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
		{"get-vanilla-query-unreserved", "GET", "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "", "host;x-amz-date", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
		{"get-unreserved", "GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "", "host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{"post-vanilla", "POST", "/", "", "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"post-vanilla-query", "POST", "/?Param1=value1", "", "", "host;x-amz-date", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
		{"get-vanilla-query-order-encoded", "GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "", "", "host;x-amz-date", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
		{"get-vanilla-utf8-query", "GET", "/?ሴ=bar", "", "", "host;x-amz-date", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
		{"get-relative-normalized", "GET", "/example/..", "", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-relative-relative-normalized", "GET", "/example1/example2/../..", "", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slash-dot-slash-normalized", "GET", "/./", "", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slash-pointless-dot-normalized", "GET", "/./example", "", "", "host;x-amz-date", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
		{"get-slash-normalized", "GET", "//", "", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slashes-normalized", "GET", "//example//", "", "", "host;x-amz-date", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
		{"post-x-www-form-urlencoded", "POST", "/", "application/x-www-form-urlencoded", "Param1=value1", "content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	} {
		req, err := http.NewRequest(test.method, "https://example.amazonaws.com"+test.url, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip") // is not signed
		if test.kind != "" {
			req.Header.Set("Content-Type", test.kind)
		}
		sent := req.URL.EscapedPath()
		if err := l.signAt(req, at); err != nil {
			t.Fatal(err)
		}
		if got, _, _ := strings.Cut(req.URL.RequestURI(), "?"); got != sent {
			t.Errorf("%s: the path is sent as %s", test.name, got)
		}
		want := "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + test.signed + ", Signature=" + test.want
		if got := req.Header.Get("Authorization"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, want)
		}
	}
}

// A parameter that the signer cannot read is not left out in silence: the source would answer something else.
func TestSigV4OfAQueryThatCannotBeSigned(t *testing.T) {
	l := sigv4{service: "service", signer: v4.NewSigner()}
	for _, query := range []string{"filter=a;b", "share=100%", "a=%zz&b=1"} {
		req, err := http.NewRequest("GET", "https://example.amazonaws.com/?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.signAt(req, time.Now()); err == nil || req.URL.RawQuery != query || req.Header.Get("Authorization") != "" {
			t.Errorf("%s: signed %s with %v", query, req.URL, err)
		}
	}
}

// Examples of AWS's documentation: of IAM, and of S3, which wants the hash of the body in a header and its path as it is.
func TestSigV4OfAWSServices(t *testing.T) {
	for _, test := range []struct{ service, url, kind, key, secret, at, signed, want string }{
		{"iam", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", "application/x-www-form-urlencoded; charset=utf-8", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830T123600Z",
			"content-type;host;x-amz-date", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
		{"s3", "https://examplebucket.s3.amazonaws.com/?lifecycle", "", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524T000000Z",
			"host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"s3", "https://examplebucket.s3.amazonaws.com:443/?max-keys=2&prefix=J", "", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524T000000Z",
			"host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	} {
		l := sigv4{credentials: aws.Credentials{AccessKeyID: test.key, SecretAccessKey: test.secret}, region: "us-east-1", service: test.service, signer: v4.NewSigner()}
		at, err := time.Parse("20060102T150405Z", test.at)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest("GET", test.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.kind != "" {
			req.Header.Set("Content-Type", test.kind)
		}
		if err := l.signAt(req, at); err != nil {
			t.Fatal(err)
		}
		want := "SignedHeaders=" + test.signed + ", Signature=" + test.want
		if got := req.Header.Get("Authorization"); !strings.HasSuffix(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", test.url, got, want)
		}
		if strings.Contains(req.Host, ":") {
			t.Errorf("%s is sent to %s, which is not what was signed", test.url, req.Host)
		}
	}
}

// What is signed is what is sent, again and again, although the body would be another one each time.
func TestASignedBodyStaysWhatItIs(t *testing.T) {
	made := 0
	req, err := http.NewRequest("POST", "https://x", strings.NewReader("body 0"))
	if err != nil {
		t.Fatal(err)
	}
	req.GetBody = func() (io.ReadCloser, error) {
		made++
		return io.NopCloser(strings.NewReader(fmt.Sprint("body ", made))), nil
	}
	signed, err := content(req)
	if err != nil || string(signed) != "body 1" {
		t.Fatalf("%s, %v", signed, err)
	}
	for _, again := range []func() (io.ReadCloser, error){func() (io.ReadCloser, error) { return req.Body, nil }, req.GetBody, req.GetBody} {
		body, err := again()
		if err != nil {
			t.Fatal(err)
		}
		if sent, err := io.ReadAll(body); err != nil || string(sent) != "body 1" {
			t.Errorf("sent %s, %v", sent, err)
		}
	}
}
