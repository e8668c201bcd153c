package login

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/hookbridge/bridge/sources/address"
)

// signer makes credentials that hold for one sending only, because they cover its address, its time or a count.
type signer interface {
	// sign puts them on a request, whose header and address are its own to change.
	sign(req *http.Request) error
}

type signingKey struct{}

type signing struct {
	by     signer
	origin string
}

// signLater makes Sign sign the request, its quick retries and the redirects it follows, each by itself.
func signLater(req *http.Request, by signer) {
	ctx := context.WithValue(req.Context(), signingKey{}, signing{by, address.Origin(req.URL)})
	*req = *req.WithContext(ctx)
}

// Sign is called by a transport for everything it is about to send. It returns the request, or a signed copy where the
// login of its source wants that. What goes to another origin is never signed.
func Sign(req *http.Request) (*http.Request, error) {
	s, ok := req.Context().Value(signingKey{}).(signing)
	if !ok || address.Origin(req.URL) != s.origin {
		return req, nil
	}
	signed := req.Clone(req.Context())
	return signed, s.by.sign(signed)
}

// content is the body of a request, which is then sent just as it was read, also where a connection turns out to be dead and
// another one is taken: some bodies are made anew each time.
func content(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody || req.GetBody == nil {
		return nil, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	read, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	_ = req.Body.Close()
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(read)), nil }
	req.ContentLength = int64(len(read))
	req.Body, err = req.GetBody()
	return read, err
}
