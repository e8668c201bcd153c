package configs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/net/http/httpguts"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// Verify is a verify block: how webhooks prove where they come from.
type Verify struct {
	Dialect string          // a name of Dialects, or "hmac"
	Secrets []bridge.Secret // any of them may have signed
	Header  string          // of the dialect "token": the header that holds the secret; empty: the dialect's own
	HMAC    *HMAC           // of the dialect "hmac", otherwise nil
	Range   hcl.Range       // of the block's header
}

// HMAC is a dialect by its axes, for those that the table of dialects does not know. What is empty is left to the
// defaults of the package that signs and verifies.
type HMAC struct {
	Algorithm string // sha1, sha256, sha512, ed25519 or ecdsa
	Key       string // how a secret is written: text, hex or base64
	KeyPrefix string // of a secret, taken off before it is decoded
	Sign      string // what is signed: literals, {id}, {ts}, {body}, {url}, {method}
	Header    string // of the signature; one that ends with * stands for all that begin like it
	Prefix    string // of each signature
	Separator string // between the signatures of a list
	Encoding  string // of a signature: hex or base64
	Time      HMACTime
	ID        HMACID
}

// HMACTime is where the time of signing stands: in one of three places, or nowhere.
type HMACTime struct {
	Header    string        // a header of its own
	Part      string        // prefix of a part of the signature header
	Path      string        // dotted names in a JSON body
	Format    string        // s, ms or rfc3339
	Tolerance time.Duration // both ways; 0: not compared
}

// HMACID is where the sender's id of a delivery stands.
type HMACID struct {
	Header string
	Path   string // dotted names in a JSON body
}

// Dialects are the names a verify block can have, beside "hmac".
var Dialects = []string{
	"standard", "svix", "github", "gitea", "forgejo", "gitlab", "gitlab-token", "stripe", "slack", "shopify", "bitbucket",
	"pagerduty", "paddle", "linear", "typeform", "docusign", "intercom", "zendesk", "hubspot", "square", "sendgrid", "adyen",
	"basic", "bearer", "token",
}

// addressed are the dialects that sign the address they send to.
var addressed = []string{"hubspot", "square"}

// signsURL reports whether the address is part of what is signed, so that public_url must say what it is.
func (v Verify) signsURL() bool {
	return slices.Contains(addressed, v.Dialect) || v.HMAC != nil && strings.Contains(v.HMAC.Sign, "{url}")
}

func (l *loading) verify(r *attr.Reader, receiver *hclsyntax.Block) Verify {
	b := r.Block("verify", 1)
	if b == nil {
		if len(r.Blocks("verify")) == 0 {
			r.Errorf(receiver.Body.MissingItemRange(), "Missing verify block",
				`A receiver says how its webhooks are verified: verify "standard" { secrets = [ … ] } is required in receiver %q.`, receiver.Labels[0])
		}
		return Verify{}
	}
	v := Verify{Dialect: b.Labels[0], Range: b.DefRange()}
	c := r.Child(b, fmt.Sprintf("verify %q", v.Dialect))
	before := c.Errors()
	switch v.Dialect {
	case "none":
		c.Errorf(b.LabelRanges[0], "Webhooks are not verified", `Whoever knows the address of receiver %q could change what is taken for true. Where the sender cannot sign, have it send a secret: verify "token" or verify "bearer".`, receiver.Labels[0])
		c.Expr("secrets")
		return v
	case "hmac":
		v.HMAC = readHMAC(c)
	case "token":
		v.Header = headerName(c, "header", false)
	}
	if v.HMAC == nil && !slices.Contains(Dialects, v.Dialect) {
		hint := ""
		if near := attr.Suggest(v.Dialect, append([]string{"hmac"}, Dialects...)); near != "" {
			hint = fmt.Sprintf(" Did you mean %q?", near)
		}
		c.Errorf(b.LabelRanges[0], "Unknown dialect", `This version of hookbridge knows no dialect %q. There is %s; "hmac" for others of their kind.%s`, v.Dialect, quoted(Dialects), hint)
		c.Expr("secrets")
		return v
	}
	v.Secrets = verifySecrets(c)
	if v.signsURL() && !l.public {
		c.Errorf(b.LabelRanges[0], "Missing public_url", `The sender signs the address that it sends to, which has to be known: bridge { public_url = "https://…" }.`)
	}
	if l.options.Rules.Verify != nil && c.Errors() == before {
		if err := l.options.Rules.Verify(v); err != nil {
			c.Errorf(b.DefRange(), "Cannot verify webhooks", "%s.", strings.TrimSuffix(err.Error(), "."))
		}
	}
	return v
}

// readHMAC reads the axes of a dialect.
func readHMAC(r *attr.Reader) *HMAC {
	h := &HMAC{
		Algorithm: r.Word("algorithm", "sha256", "sha256", "sha1", "sha512", "ed25519", "ecdsa"),
		Key:       r.Word("key", "text", "text", "hex", "base64"),
		KeyPrefix: r.String("key_prefix", ""),
		Sign:      r.String("sign", "{body}"),
		Header:    headerName(r, "header", true),
		Prefix:    r.String("prefix", ""),
		Separator: r.String("separator", ""),
		Encoding:  r.Word("encoding", "hex", "hex", "base64"),
	}
	if b := r.Block("time", 0); b != nil {
		c := r.Child(b, "time")
		h.Time = HMACTime{
			Header: headerName(c, "header", false), Part: c.String("part", ""), Path: fieldPath(c, "path"),
			Format: c.Word("format", "s", "s", "ms", "rfc3339"), Tolerance: c.Duration("tolerance", 5*time.Minute, 0),
		}
		onePlace(c, b, "The time of signing stands in one place: write header, part or path.", h.Time.Header, h.Time.Part, h.Time.Path)
	}
	if b := r.Block("id", 0); b != nil {
		c := r.Child(b, "id")
		h.ID = HMACID{Header: headerName(c, "header", false), Path: fieldPath(c, "path")}
		onePlace(c, b, "The id of a delivery stands in one place: write header or path.", h.ID.Header, h.ID.Path)
	}
	return h
}

func onePlace(r *attr.Reader, b *hclsyntax.Block, text string, places ...string) {
	if len(slices.DeleteFunc(places, func(p string) bool { return p == "" })) != 1 && !r.Failed() {
		r.Errorf(b.DefRange(), fmt.Sprintf("Invalid %s block", b.Type), "%s", text)
	}
}

// headerName reads the name of a header; glob allows one that ends with *, and has it required.
func headerName(r *attr.Reader, name string, glob bool) string {
	read := func() string { return r.String(name, "") }
	if glob {
		read = func() string { return r.Required(name) }
	}
	header := read()
	plain := header
	if glob {
		plain = strings.TrimSuffix(header, "*")
	}
	if header != "" && !httpguts.ValidHeaderFieldName(plain) {
		r.Errorf(r.Range(name), fmt.Sprintf("Invalid value for %q", name), "%q cannot be the name of a header.", header)
	}
	return header
}

// fieldPath reads a path that leads to one value.
func fieldPath(r *attr.Reader, name string) string {
	text := r.String(name, "")
	if text == "" {
		return ""
	}
	if err := checkPath(text, true); err != nil {
		r.Errorf(r.Range(name), "Invalid path", "%q is not a path: %s.", text, err)
	}
	return text
}
