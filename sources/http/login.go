package http

import (
	nethttp "net/http"
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
	"golang.org/x/net/http/httpguts"
	"golang.org/x/oauth2/clientcredentials"
)

// auth reads the auth block; nil without one.
func (s *Shared) auth(r *attr.Reader, _ string) login {
	block := r.Block("auth", 1)
	if block == nil {
		return nil
	}
	kinds := []string{"basic", "bearer", "header", "query", "oauth2"}
	kind := block.Labels[0]
	c := r.Child(block, `auth "`+kind+`"`)
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
	switch kind {
	case "digest", "ntlm", "sigv4", "session", "mtls", "hmac":
		r.Errorf(block.LabelRanges[0], "Not supported by this version yet", "This version of hookbridge cannot log in by %q yet. There is: %s.", kind, strings.Join(kinds, ", "))
	default:
		hint := ""
		if near := attr.Suggest(kind, kinds); near != "" {
			hint = ` Did you mean "` + near + `"?`
		}
		r.Errorf(block.LabelRanges[0], "Unknown login", "There is no auth %q.%s There is: %s.", kind, hint, strings.Join(kinds, ", "))
	}
	for name := range block.Body.Attributes {
		c.Expr(name)
	}
	return nil
}
