package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/hookbridge/bridge/configs/attr"
)

// sigv4 signs every sending with AWS Signature Version 4.
type sigv4 struct {
	fixed
	signer          *v4.Signer
	credentials     aws.Credentials
	region, service string
}

func readSigV4(c *attr.Reader, _ Door) Login {
	return sigv4{
		credentials: aws.Credentials{
			AccessKeyID: c.Required("access_key"), SecretAccessKey: c.RequiredSecret("secret_key").Reveal(), SessionToken: c.Secret("session_token").Reveal(),
		},
		region: c.Required("region"), service: c.Required("service"),
		signer: v4.NewSigner(),
	}
}

func (sigv4) Kind() string { return "sigv4" }

func (l sigv4) Apply(_ context.Context, req *http.Request) error {
	signLater(req, l)
	return nil
}

func (l sigv4) sign(req *http.Request) error { return l.signAt(req, time.Now()) }

// signAt signs the address, the body, the content type and what AWS itself wants signed. Other headers are left out:
// proxies change them.
func (l sigv4) signAt(req *http.Request, now time.Time) error {
	if _, err := url.ParseQuery(req.URL.RawQuery); err != nil { // which the signer would pass over
		return errors.New(`the query of the address cannot be signed, because it holds a ";" or a "%" that stands for nothing; write them %3B and %25`)
	}
	body, err := content(req)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	s3 := strings.HasPrefix(l.service, "s3")
	if s3 { // which alone wants it
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	signed, address := *req, *req.URL
	if !s3 { // to all others empty segments and dots are none; sent is what was written
		address = *req.URL.JoinPath()
	}
	signed.URL, signed.Header, signed.ContentLength = &address, http.Header{}, 0
	for name, values := range req.Header {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-") {
			signed.Header[name] = values
		}
	}
	plain := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s3 }
	if err := l.signer.SignHTTP(req.Context(), l.credentials, &signed, hash, l.service, l.region, now, plain); err != nil {
		return err
	}
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		if value := signed.Header.Get(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	req.URL.RawQuery, req.Host = signed.URL.RawQuery, signed.Host // as they were signed
	return nil
}
