package login

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	lib "github.com/icholy/digest"

	"github.com/hookbridge/bridge"
)

// BenchmarkSign makes the credentials of one request. of-bare is our speed as a share of that of the bare library, which
// signs a request that it may change, in the same run.
func BenchmarkSign(b *testing.B) {
	challenge, _, err := findChallenge([]string{`Digest realm="r", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", qop="auth", algorithm=SHA-256`})
	if err != nil {
		b.Fatal(err)
	}
	credentials, signer := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, v4.NewSigner()
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, bench := range []struct {
		name  string
		login Login
		bare  func(*http.Request) error
	}{
		{"digest", &digest{username: "me", password: bridge.NewSecret("secret"), challenge: challenge, cnonce: "c"}, func(req *http.Request) error {
			c, err := lib.Digest(challenge, lib.Options{Method: req.Method, URI: req.URL.RequestURI(), Username: "me", Password: "secret", Count: 1, Cnonce: "c"})
			if err == nil {
				req.Header.Set("Authorization", c.String())
			}
			return err
		}},
		{"sigv4", sigv4{signer: signer, credentials: credentials, region: "eu-west-1", service: "x"}, func(req *http.Request) error {
			return signer.SignHTTP(req.Context(), credentials, req, empty, "x", "eu-west-1", time.Now())
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			fresh := func(ctx context.Context) *http.Request {
				req, err := http.NewRequestWithContext(ctx, "GET", "https://api.example.com/orders?page=7", nil)
				if err != nil {
					b.Fatal(err)
				}
				req.Header.Set("Accept", "application/json")
				return req
			}
			var theirs time.Duration
			for b.Loop() {
				req := fresh(b.Context())
				if err := bench.login.Apply(b.Context(), req); err != nil {
					b.Fatal(err)
				}
				signed, err := Sign(req)
				if err != nil || !strings.Contains(signed.Header.Get("Authorization"), "=") {
					b.Fatal(err)
				}
			}
			ours := b.Elapsed()
			b.StopTimer()
			started := time.Now()
			for range b.N {
				if err := bench.bare(fresh(b.Context())); err != nil {
					b.Fatal(err)
				}
			}
			theirs = time.Since(started)
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-bare")
		})
	}
}
