package http

import (
	nethttp "net/http"

	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/block"
	"golang.org/x/net/http/httpguts"
	"golang.org/x/oauth2/clientcredentials"
)

// auth reads the auth block; nil without one.
func (s *Shared) auth(r *attr.Reader) login {
	b := r.Block("auth", 1)
	kinds := []string{"basic", "bearer", "header", "query", "oauth2"}
	if b == nil || !block.Choice(r, b, "auth", kinds, "digest", "ntlm", "sigv4", "session", "mtls", "hmac") {
		return nil
	}
	kind := b.Labels[0]
	c := r.Child(b, `auth "`+kind+`"`)
	switch kind {
	case "basic":
		return basic{c.Required("username"), c.Secret("password")}
	case "bearer":
		return bearer{c.RequiredSecret("token")}
	case "header":
		h := inHeader{c.Required("name"), c.RequiredSecret("value")}
		if h.name != "" && !httpguts.ValidHeaderFieldName(h.name) {
			c.Errorf(c.Range("name"), "Invalid header", "%q is not the name of a header.", h.name)
		}
		if !httpguts.ValidHeaderFieldValue(h.value.Reveal()) {
			c.Errorf(c.Range("value"), "Invalid header", "The value holds characters that a header cannot carry.")
		}
		return h
	case "query":
		return inQuery{c.Required("name"), c.RequiredSecret("value")}
	case "oauth2":
		endpoint := address(c, "token_url")
		config := clientcredentials.Config{
			ClientID: c.Required("client_id"), ClientSecret: c.RequiredSecret("client_secret").Reveal(), Scopes: c.Strings("scopes"),
		}
		if endpoint == nil {
			return nil
		}
		config.TokenURL = endpoint.String()
		client := &nethttp.Client{Transport: &gate{next: s.transport, shared: s}, CheckRedirect: redirectPolicy(false)}
		return s.oauth(config, client, s.host(endpoint), origin(endpoint))
	}
	return nil
}
