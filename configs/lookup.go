package configs

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// Lookup is a lookup block: where the record is fetched that a webhook only names. It is safe for concurrent use.
type Lookup struct {
	Record string // path of the record in the answer; empty: the whole of it

	url  *question
	ctx  *hcl.EvalContext
	asks func(url string) error // of the job's source
}

// URL is the address of the record that a webhook is about. It may carry a secret: print it through bridge.Redact. What
// a template takes from the webhook is escaped, so that an id can never lead to another place than the template says.
// Errors name the line of the expression, and never hold the webhook.
func (l *Lookup) URL(e InboundEvent) (string, error) {
	subject, err := inboundValue(l.url.need, e)
	if err != nil {
		return "", err
	}
	text, err := l.text(l.url.with(l.ctx, subject))
	if err != nil {
		return "", err
	}
	if err := l.check(text); err != nil {
		return "", failure(l.url.expr, err.Error())
	}
	return text, nil
}

func (l *Lookup) text(ctx *hcl.EvalContext) (string, error) {
	return attr.Address{Expr: l.url.expr, Root: "event", Of: "webhook"}.Text(func(expr hcl.Expression) (cty.Value, error) { return evaluate(expr, ctx) })
}

// check says why an address is none to look a record up at.
func (l *Lookup) check(text string) error {
	if err := checkLookup(text); err != nil {
		return err
	}
	if err := l.asks(text); err != nil {
		return fmt.Errorf("url %w", err)
	}
	return nil
}

func checkLookup(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("url is not a URL; what comes from a webhook may need urlencode(…)")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("url is not a whole http or https URL")
	case u.Fragment != "":
		return errors.New("url has a # in it, and what follows it is never sent")
	}
	for name := range strings.SplitSeq(u.Path, "/") {
		if name == "." || name == ".." {
			return errors.New("url leads upwards, which no record's does")
		}
	}
	return nil
}

func (t *template) lookup(r *attr.Reader, i instance, j *Job) *Lookup {
	b := r.Block("lookup", 0)
	wanted := j.Watchdog != nil && j.Watchdog.OnEvent == "lookup"
	switch {
	case b == nil && wanted && len(r.Blocks("lookup")) == 0:
		r.Errorf(t.block.Body.MissingItemRange(), "Missing lookup block", `on_event = "lookup" fetches the record that a webhook names: lookup { url = … } is required in job %q.`, t.block.Labels[0])
		return nil
	case b == nil:
		return nil
	case !wanted && j.Watchdog == nil:
		r.Errorf(b.DefRange(), "Block without effect", `Only webhooks make the bridge look a record up. Add a watchdog with on_event = "lookup", or remove the block.`)
	case !wanted:
		r.Errorf(b.DefRange(), "Block without effect", `With on_event = %q no record is looked up. Remove the block, or write on_event = "lookup".`, j.Watchdog.OnEvent)
	case j.Source != nil && !looks(j.Source):
		r.Errorf(b.DefRange(), "Nothing to look up with", `A source %q has no single records to look up. Use on_event = "apply" or "poll".`, j.SourceKind)
	}
	c := r.Child(b, "lookup")
	l := &Lookup{Record: recordPath(c), ctx: t.scope}
	q := ask(c, "url", "event", inboundParts)
	if q == nil {
		c.Required("url")
		return nil
	}
	if t.looked == nil {
		t.looked = q
	}
	if l.url = t.looked; l.url.uses("each") {
		l.ctx = i.ctx
	}
	if !wanted || c.Failed() || j.Source == nil || !looks(j.Source) {
		return l
	}
	l.asks = j.Source.(bridge.Looker).Asks
	l.try(c, unknownInbound(j.Watchdog.Receiver))
	return l
}

func looks(s bridge.Source) bool {
	_, ok := s.(bridge.Looker)
	return ok
}

// origin is how a URL begins whose origin is all there.
var origin = regexp.MustCompile(`^https?://[^/?#]+[/?#]`)

// try finds what is no URL whatever the webhook.
func (l *Lookup) try(c *attr.Reader, event cty.Value) {
	const summary = `Invalid value for "url"`
	rng := l.url.expr.Range()
	v, diags := attr.Eval(l.url.expr, l.url.with(l.ctx, event))
	if diags.HasErrors() {
		c.Add(diags)
		return
	}
	v, _ = v.UnmarkDeep()
	switch {
	case v.IsNull() || v.Type() != cty.String && v.Type() != cty.DynamicPseudoType:
		c.Errorf(rng, summary, "A url is a string.")
	case v.IsKnown():
		if err := l.check(v.AsString()); err != nil {
			c.Errorf(rng, summary, "%s.", capital(err.Error()))
		} else {
			c.Warnf(rng, "The same for every webhook", "Nothing of the webhook is in the url, so the same record is looked up each time. Put its id there: ${event.body.id}.")
		}
	case v.Type() == cty.String:
		prefix := v.Range().StringPrefix()
		if host := origin.FindString(prefix); host != "" {
			if err := l.asks(host[:len(host)-1]); err != nil {
				c.Errorf(rng, summary, "The url %s.", err)
			}
			return
		}
		for _, scheme := range []string{"http://", "https://"} {
			if n := min(len(prefix), len(scheme)); prefix[:n] == scheme[:n] {
				return
			}
		}
		c.Errorf(rng, summary, "A url begins with http:// or https://, such as https://legacy.example.com/orders/${event.body.id}.")
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// recordPath reads where the record stands in an answer.
func recordPath(c *attr.Reader) string {
	text := c.String("record", "")
	if text == "" || text == "@this" {
		return ""
	}
	if err := checkPlace(text); err != nil {
		c.Errorf(c.Range("record"), "Invalid path", "%q is not a path: %s.", text, err)
	}
	return text
}

// checkPlace holds a path to dotted names: what is asked for is one place.
func checkPlace(text string) error {
	if _, err := segments(text); err != nil {
		return err
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case strings.IndexByte("*#?|@[]{}!", c) >= 0:
			return fmt.Errorf(`it may only hold dotted names; write \\%c for a name that has %c in it`, c, c)
		}
	}
	return nil
}
