package login_test

import (
	stdhmac "crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"sync"
	"testing"
)

// posts are the kinds of source that speak HTTP, each with an answer to its request and what it carries of it.
var posts = map[string]struct{ block, answer string }{
	"http": {"method = \"POST\"\njson = { a = 1 }", `[{"id":"1"}]`},
	"graphql": {"query = \"query { orders { edges { node { id } } } }\"\nitems = \"data.orders.edges\"\nnode = \"node\"",
		`{"data":{"orders":{"edges":[{"node":{"id":"1"}}]}}}`},
	"soap": {"action = \"urn:list\"\nversion = \"1.1\"\nbody = \"<List/>\"\nitems = \"//order\"\nsecurity \"username_token\" {\nusername = \"me\"\npassword = secret.other\ntype = \"digest\"\n}",
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><order><id>1</id></order></s:Body></s:Envelope>`},
}

// Every login works for every kind, over connections that want a certificate, with the body that was really sent: that of
// SOAP's security is another one each time it is made. The first request of each is in vain, so that all is made twice.
func TestEveryLoginServesEveryKind(t *testing.T) {
	ours := newAuthority(t, "Our CA")
	for kind, post := range posts {
		for _, auth := range []string{"basic", "digest", "oauth2", "session", "hmac", "sigv4"} {
			t.Run(kind+" "+auth, func(t *testing.T) {
				digest := &digestServer{algorithm: "SHA-256", qop: "auth"}
				var mu sync.Mutex
				failed := false
				inner := willing(func(w nethttp.ResponseWriter, r *nethttp.Request) {
					body, _ := io.ReadAll(r.Body)
					if len(r.TLS.PeerCertificates) != 1 || len(body) == 0 || r.ContentLength != int64(len(body)) {
						t.Errorf("certificates %d, length %d, body %q", len(r.TLS.PeerCertificates), r.ContentLength, body)
					}
					if auth == "hmac" {
						sum := sha256.Sum256(body)
						mac := stdhmac.New(sha256.New, []byte("S3CRET-TOKEN"))
						fmt.Fprintf(mac, "%x", sum)
						if want := fmt.Sprintf("%x", mac.Sum(nil)); r.Header.Get("X-Signature") != want {
							t.Errorf("the signature is not that of the body %s", body)
						}
					}
					if auth == "sigv4" {
						sum := sha256.Sum256(body)
						if r.Header.Get("X-Amz-Content-Sha256") != fmt.Sprintf("%x", sum) {
							t.Errorf("the hash is not that of the body %s", body)
						}
					}
					mu.Lock()
					defer mu.Unlock()
					if !failed {
						failed = true
						w.WriteHeader(nethttp.StatusServiceUnavailable)
						return
					}
					w.Header().Set("Content-Type", map[string]string{"soap": "text/xml"}[kind])
					fmt.Fprint(w, post.answer)
				})
				server := guarded(t, ours, nil, true)
				server.Config.Handler = nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
					if auth != "digest" || digest.admit(w, r) {
						inner(w, r)
					}
				})
				h := newHouse(t)
				write(t, h.dir, "ca", ours.certificate, ours.key)
				certificate, key := ours.sign(t, "me", nil)
				write(t, h.dir, "me", certificate, key)
				text := block(auth, server.URL, post.block+"\ntls {\nca_file = \"ca.pem\"\ncert_file = \"me.pem\"\nkey_file = \"me.key\"\n}")
				switch auth {
				case "digest":
					text = strings.Replace(text, `username = "me"`, `username = "bridge"`, 1)
				case "hmac":
					text = strings.Replace(text, `header = "X-Signature"`, "header = \"X-Signature\"\nsign = \"{body_sha256}\"", 1)
				}
				h.want(t, h.kind(t, kind, text), `{"id":"1"}`)
			})
		}
	}
}
