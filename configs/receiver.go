package configs

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// Receiver is a receiver block: an address that webhooks are sent to.
type Receiver struct {
	Name    string
	Decode  string         // json, form or xml
	MaxBody int64          // bytes
	Rate    float64        // per second; 0: no limit
	Allow   []netip.Prefix // clients that may send; none: all
	Dedup   time.Duration  // how long the ids of deliveries are remembered
	Deliver []string       // destinations the verified body is relayed to
	Verify  Verify
	Range   hcl.Range // of the block's header
}

// Receiver returns a receiver by its name, or nil.
func (c *Config) Receiver(name string) *Receiver {
	for _, r := range c.Receivers {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// receiverReference is what receiver.NAME evaluates to.
type receiverReference struct{ name string }

var receiverType = cty.Capsule("receiver", reflect.TypeFor[receiverReference]())

func receiverValues(names map[string]hcl.Range) cty.Value {
	values := make(map[string]cty.Value, len(names))
	for name := range names {
		values[name] = cty.CapsuleVal(receiverType, &receiverReference{name})
	}
	return cty.ObjectVal(values)
}

// maxInbound is the largest body a receiver may take: it is held in memory, and more than once.
const maxInbound = 64 << 20

func (l *loading) receivers(blocks []*hclsyntax.Block) {
	for _, b := range blocks {
		if !declared(l.names.receivers, b) {
			continue
		}
		r := attr.NewReader(b.Body, l.scope, fmt.Sprintf("receiver %q", b.Labels[0]))
		in := &Receiver{Name: b.Labels[0], Range: b.DefRange()}
		in.Decode = r.Word("decode", "json", "json", "form", "xml")
		in.MaxBody = r.Size("max_body", 2<<20)
		if in.MaxBody > maxInbound {
			r.Errorf(r.Range("max_body"), `Invalid value for "max_body"`, "A webhook is held in memory, so its body has at most 64MiB.")
		}
		in.Rate = r.Rate("rate")
		in.Allow = networks(r, "allow")
		if r.Has("allow") && len(in.Allow) == 0 && !r.Failed() {
			r.Errorf(r.Range("allow"), `Invalid value for "allow"`, "The list is empty. Name the networks that may send, or leave it out to let all.")
		}
		in.Dedup = r.Duration("dedup", 72*hour, time.Minute)
		in.Deliver = l.targets(r, "deliver")
		in.Verify = l.verify(r, b)
		l.add(r.Done())
		l.config.Receivers = append(l.config.Receivers, in)
	}
}

// receiver reads a reference to a receiver.
func (l *loading) receiver(r *attr.Reader, name string) string {
	if !r.Has(name) {
		r.Required(name)
		return ""
	}
	v := r.Value(name)
	if v == cty.NilVal {
		if expr := r.Expr(name); expr != nil && !r.Failed() {
			r.Errorf(r.Range(name), "Not a receiver", "%q is null. Write receiver.NAME.", name)
		}
		return ""
	}
	plain, _ := v.Unmark()
	if plain.Type() != receiverType {
		hint := "Write receiver.NAME, without quotes."
		if plain.Type() == cty.String && !attr.IsSecret(v) {
			text := strings.TrimPrefix(plain.AsString(), "receiver.")
			if _, ok := l.names.receivers[text]; !ok {
				text = attr.Suggest(text, keys(l.names.receivers))
			}
			if text != "" {
				hint = fmt.Sprintf("Did you mean receiver.%s, without quotes?", text)
			}
		}
		r.Errorf(r.Range(name), "Not a receiver", "%q is a receiver. %s", name, hint)
		return ""
	}
	found := plain.EncapsulatedValue().(*receiverReference).name
	l.heard[found] = true
	return found
}

// verifySecrets reads the secrets that webhooks are verified with. Empty ones are dropped as long as one remains, so
// that the one before last can come from a variable that is mostly unset.
func verifySecrets(r *attr.Reader) []bridge.Secret {
	if !r.Has("secrets") {
		r.Errorf(r.Range("secrets"), "Missing required argument", `Webhooks are verified: secrets = [env("…")] is required, with what the sender signs with.`)
		return nil
	}
	names := environmentNames(r.Expr("secrets"))
	before := r.Errors()
	all := r.Secrets("secrets")
	if r.Errors() > before {
		return nil
	}
	written := len(all)
	all = slices.DeleteFunc(all, bridge.Secret.Empty)
	if len(all) > 0 {
		return all
	}
	what := "There is no secret in the list."
	if written > 0 {
		what = "The secret is empty."
		if len(names) > 0 {
			what = fmt.Sprintf("The secret is empty: nothing is in the environment variable %s.", strings.Join(names, " or "))
		}
	}
	r.Errorf(r.Range("secrets"), "Empty secret", "%s Copy it from where the sender shows it.", what)
	return nil
}
