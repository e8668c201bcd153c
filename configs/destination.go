package configs

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/net/http/httpguts"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// retrySchedule is the default: ten attempts over a little more than three days.
var retrySchedule = []time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
	5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

func (l *loading) destinations(blocks []*hclsyntax.Block) {
	for _, b := range blocks {
		if !declared(l.names.destinations, b) {
			continue
		}
		r := attr.NewReader(b.Body, l.scope, fmt.Sprintf("destination %q", b.Labels[0]))
		d := &Destination{Name: b.Labels[0], Range: b.DefRange()}
		before := r.Errors()
		readDestination(r, d)
		if check := l.options.Rules.Sign; check != nil && r.Errors() == before && d.Signature != "none" {
			if err := check(d); err != nil {
				r.Errorf(d.Range, "Cannot sign events", "%s.", strings.TrimSuffix(err.Error(), "."))
			}
		}
		l.add(r.Done())
		l.config.Destinations = append(l.config.Destinations, d)
	}
}

func readDestination(r *attr.Reader, d *Destination) {
	d.Signature = readSignature(r)
	if b := r.Block("hmac", 0); b != nil {
		c := r.Child(b, "hmac")
		d.HMAC = readHMAC(c)
		if d.Signature != "hmac" {
			c.Errorf(b.DefRange(), "Unused block", `The block says how to sign with signature = "hmac", and this destination signs with %q. Remove one of them.`, d.Signature)
		}
	} else if d.Signature == "hmac" {
		r.Errorf(r.Range("signature"), "Missing hmac block", `What is signed and how stands in a block: hmac { header = "…" } is required with signature = "hmac".`)
	}
	d.Format = r.Word("format", "standard", Formats...)
	d.Ordered = r.Word("order", "key", "key", "none") == "key"
	d.Concurrency = r.Int("concurrency", 16, 1, 1000)
	d.Rate = r.Rate("rate")
	d.Timeout = r.Duration("timeout", 15*time.Second, 100*time.Millisecond)
	d.Allow = networks(r, "allow")
	d.URL = r.Required("url")
	if d.URL != "" {
		checkURL(r, d)
	}
	d.Secrets = signingSecrets(r, d.Signature)
	d.Headers = headers(r, "headers")
	retry := r.Child(r.Block("retry", 0), "retry")
	d.Retry = retry.Durations("schedule", retrySchedule, 0)
	if n := len(d.Retry); n < 1 || n > 50 {
		retry.Errorf(retry.Range("schedule"), `Invalid value for "schedule"`, "A schedule has 1 to 50 waits, one before each attempt; this one has %d.", n)
	}
}

// Formats are the bodies that a destination can have.
var Formats = []string{"standard", "cloudevents", "cloudevents-binary", "raw", "github", "stripe"}

// readSignature reads how events are signed. A dialect whose time of signing stands in the body only verifies.
func readSignature(r *attr.Reader) string {
	const body = "linear"
	if r.String("signature", "") == body {
		r.Errorf(r.Range("signature"), `Invalid value for "signature"`,
			"Events cannot be signed as %q: the time of signing would have to stand in the body, which a signature never touches. Use another.", body)
		return "standard"
	}
	names := slices.DeleteFunc(slices.Clone(Dialects), func(name string) bool { return name == body })
	return r.Word("signature", "standard", append(names, "hmac", "none")...)
}

// checkURL refuses what cannot be delivered to, and warns of what people did not mean. Its words leave the URL out,
// which may hold a secret.
func checkURL(r *attr.Reader, d *Destination) {
	rng := r.Range("url")
	const summary = `Invalid value for "url"`
	u, err := url.Parse(d.URL)
	switch {
	case err != nil:
		r.Errorf(rng, summary, "This is not a URL. Write one such as https://example.com/hooks.")
		return
	case u.Scheme != "http" && u.Scheme != "https":
		r.Errorf(rng, summary, "A destination is an http or https URL, such as https://example.com/hooks.")
		return
	case u.Hostname() == "":
		r.Errorf(rng, summary, "The URL names no host. Write one such as https://example.com/hooks.")
		return
	case u.Fragment != "":
		r.Errorf(rng, summary, "What follows the # of a URL is never sent. Remove it.")
		return
	}
	addr, private := privateHost(u.Hostname())
	if u.Scheme == "http" && !private {
		r.Warnf(rng, "Plain http", "Events travel to %s in the clear. Use https, if the receiver can.", u.Hostname())
	}
	if addr.IsValid() && private && !slices.ContainsFunc(d.Allow, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		r.Warnf(rng, "Private network", "Deliveries to %s will be refused: it is a private address, and no network in allow holds it. Add: allow = [%q].",
			addr, netip.PrefixFrom(addr, addr.BitLen()))
	}
}

// privateHost reports whether a host is, by all that its name tells, not on the open internet; and its address, where
// the name is one.
func privateHost(host string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap().WithZone("")
		return addr, addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	private := host == "localhost" || !strings.Contains(host, ".")
	for _, suffix := range []string{".localhost", ".local", ".internal", ".lan", ".home.arpa"} {
		private = private || strings.HasSuffix(host, suffix)
	}
	return netip.Addr{}, private
}

func networks(r *attr.Reader, name string) []netip.Prefix {
	var all []netip.Prefix
	r.Each(name, func(rng hcl.Range, v cty.Value) {
		const summary = "Invalid network"
		plain, _ := v.Unmark()
		if plain.IsNull() || plain.Type() != cty.String {
			r.Errorf(rng, summary, `A network is text, such as "10.0.0.0/8".`)
			return
		}
		text := plain.AsString()
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
			return
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			r.Errorf(rng, summary, `This is not a network. Write one such as "10.0.0.0/8", "fd00::/8" or a single address.`)
			return
		}
		all = append(all, p.Masked())
	})
	return all
}

// ours are headers that the bridge or the connection sets.
var ours = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade", "Keep-Alive", "Te"}

func headers(r *attr.Reader, name string) map[string]bridge.Secret {
	given := r.SecretMap(name)
	if given == nil {
		return nil
	}
	canonical := make(map[string]bridge.Secret, len(given))
	written := slices.SortedFunc(maps.Keys(given), func(a, b string) int {
		return r.MemberRange(name, a).Start.Byte - r.MemberRange(name, b).Start.Byte
	})
	for _, key := range written {
		value, k := given[key], http.CanonicalHeaderKey(key)
		lower := strings.ToLower(k)
		rng := r.MemberRange(name, key)
		switch {
		case !httpguts.ValidHeaderFieldName(key):
			r.Errorf(rng, "Invalid header", "%q cannot be the name of a header.", key)
		case !httpguts.ValidHeaderFieldValue(value.Reveal()):
			r.Errorf(rng, "Invalid header", "The value of %s has characters that a header cannot carry, such as a line break.", key)
		case slices.Contains(ours, k) || strings.HasPrefix(lower, "webhook-") || strings.HasPrefix(lower, "hookbridge-"):
			r.Errorf(rng, "Invalid header", "The header %s is set by the bridge itself. Remove it.", key)
		default:
			if _, twice := canonical[k]; twice {
				r.Errorf(rng, "Invalid header", "The header %s is written twice, in different letters.", k)
			}
			canonical[k] = value
		}
	}
	return canonical
}

// signingSecrets reads the secrets and checks their form without ever showing one. Empty ones are dropped, so that a
// second secret can come from a variable that is mostly unset, as long as one remains.
func signingSecrets(r *attr.Reader, signature string) []bridge.Secret {
	webhooks := slices.Contains([]string{"standard", "svix", "gitlab"}, signature) // whose secrets are those of Standard Webhooks
	advice := "Make one with: hookbridge secret new"
	if !webhooks {
		advice = "Agree on one with the receiver."
	}
	if signature == "none" {
		if r.Has("secrets") {
			r.Errorf(r.Range("secrets"), `Invalid value for "secrets"`, `With signature = "none" nothing is signed. Remove the secrets, or the signature.`)
		}
		return nil
	}
	if !r.Has("secrets") {
		if r.Missing("secrets") {
			r.Errorf(r.Range("secrets"), "Missing required argument", `Events are signed: secrets = [env("…")] is required, unless signature = "none". %s`, advice)
		}
		return nil
	}
	var all []bridge.Secret
	var written, wrong int
	names := environmentNames(r.Expr("secrets"))
	before := r.Errors()
	all = r.Secrets("secrets")
	if r.Errors() > before {
		return nil
	}
	written = len(all)
	valid := all[:0]
	for i, s := range all {
		if s.Empty() {
			continue
		}
		if problem := signingProblem(s); webhooks && problem != "" {
			wrong++
			r.Errorf(r.ElementRange("secrets", i), "Invalid secret", "%s. %s", problem, advice)
			continue
		}
		valid = append(valid, s)
	}
	if len(valid) == 0 && wrong == 0 {
		what := "There is no secret in the list."
		if written > 0 {
			what = "The secret is empty."
			if len(names) > 0 {
				what = fmt.Sprintf("The secret is empty: nothing is in the environment variable %s.", strings.Join(names, " or "))
			}
		}
		r.Errorf(r.Range("secrets"), "Empty secret", "%s %s", what, advice)
	}
	return valid
}

// signingProblem says what is wrong with a signing secret (Standard Webhooks, "Signature scheme"), or nothing.
func signingProblem(s bridge.Secret) string {
	text, symmetric := strings.CutPrefix(s.Reveal(), "whsec_")
	if !symmetric {
		var private bool
		if text, private = strings.CutPrefix(s.Reveal(), "whsk_"); !private {
			if strings.HasPrefix(s.Reveal(), "whpk_") {
				return "A secret that starts with whpk_ is a public key, which cannot sign: the one that can starts with whsk_"
			}
			return "A secret starts with whsec_"
		}
	}
	key, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return "What follows the prefix of the secret is not base64"
	case symmetric && (len(key) < 24 || len(key) > 64):
		return fmt.Sprintf("A secret holds 24 to 64 bytes, this one %d", len(key))
	case !symmetric && len(key) != 32 && len(key) != 64:
		return fmt.Sprintf("A key that starts with whsk_ holds 32 or 64 bytes, this one %d", len(key))
	}
	return ""
}

// environmentNames are the variables that an expression reads by env("NAME").
func environmentNames(expr hcl.Expression) []string {
	node, ok := expr.(hclsyntax.Node)
	if !ok {
		return nil
	}
	var all []string
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && call.Name == "env" && len(call.Args) > 0 {
			if v, diags := call.Args[0].Value(nil); !diags.HasErrors() && v.Type() == cty.String && v.IsWhollyKnown() && !v.IsNull() && !v.IsMarked() {
				all = append(all, v.AsString())
			}
		}
		return nil
	})
	return all
}
