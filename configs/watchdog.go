package configs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// Watchdog is a watchdog block: which webhooks tell of a job's records, and how long their silence is trusted. Its
// methods are safe for concurrent use; their errors name the line of an expression, and never hold a webhook.
type Watchdog struct {
	Receiver     string
	OnEvent      string        // apply, poll or lookup
	Silence      time.Duration // 0: learned
	Min, Max     time.Duration // of the window
	Audit        time.Duration // mean time between random polls
	Grace        time.Duration
	Expect       string // hours, as the watchdog reads them; empty: always
	RecoverAfter int

	asks *watched
	ctx  *hcl.EvalContext // functions, var, local and each
}

// watched is what the watchdogs of all instances of a job ask of webhooks and changes.
type watched struct {
	when, record, deleted, expects *question
	steps                          []step // of record, where it is cut
	isCut                          bool
	usesEach                       bool
}

// questions are none in the zero value, which asks nothing.
func (w *Watchdog) questions() watched {
	if w.asks == nil {
		return watched{}
	}
	return *w.asks
}

// Match reports whether a webhook is about this job.
func (w *Watchdog) Match(e InboundEvent) (bool, error) { return w.inbound(w.questions().when, e, true) }

// Deleted reports whether a webhook tells that its record is gone.
func (w *Watchdog) Deleted(e InboundEvent) (bool, error) {
	return w.inbound(w.questions().deleted, e, false)
}

func (w *Watchdog) inbound(q *question, e InboundEvent, otherwise bool) (bool, error) {
	if q == nil {
		return otherwise, nil
	}
	subject, err := inboundValue(q.need, e)
	if err != nil {
		return false, err
	}
	return q.truth(w.ctx, subject)
}

// Expects reports whether a webhook should have told of a change.
func (w *Watchdog) Expects(c bridge.Change, origin bridge.Origin) (bool, error) {
	q := w.questions().expects
	if q == nil {
		return true, nil
	}
	subject, err := changeValue(q.need, c, origin)
	if err != nil {
		return false, err
	}
	return q.truth(w.ctx, subject)
}

// Record is the record in a webhook, a JSON object. What the configuration names as a plain way into the body is cut
// from it byte for byte, and everything else evaluated.
func (w *Watchdog) Record(e InboundEvent) (json.RawMessage, error) {
	asks := w.questions()
	if asks.record == nil {
		return nil, fmt.Errorf("on_event = %q has no record", w.OnEvent)
	}
	raw, err := asks.recordOf(e, w.ctx)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 || raw[0] != '{' {
		return nil, failure(asks.record.expr, "record is no object in this webhook; narrow when, or mend the path")
	}
	return raw, nil
}

func (w watched) recordOf(e InboundEvent, ctx *hcl.EvalContext) (json.RawMessage, error) {
	if w.isCut {
		raw, found, err := cut(e.Body, w.steps)
		if err == nil && !found {
			err = failure(w.record.expr, "this webhook has nothing there; narrow when, or mend the path of record")
		}
		return raw, err
	}
	subject, err := inboundValue(w.record.need, e)
	if err != nil {
		return nil, err
	}
	v, err := result(w.record.expr, w.record.with(ctx, subject))
	if err != nil {
		return nil, err
	}
	raw, err := attr.MarshalJSON(v)
	if err != nil {
		return nil, failure(w.record.expr, "record cannot be written as JSON: "+err.Error())
	}
	return raw, nil
}

// watch reads what a job has of webhooks: watchdog, lookup, version and reconcile.
func (t *template) watch(r *attr.Reader, i instance, j *Job) {
	j.Version = fieldPath(r, "version")
	if r.Has("version") && j.Version == "" && !r.Failed() {
		r.Errorf(r.Range("version"), "Invalid path", "The version is the path of a field that only ever grows.")
	}
	j.Watchdog = t.watchdog(r, i, j)
	j.Lookup = t.lookup(r, i, j)
	j.Reconcile = t.reconcile(r, j)
}

func (t *template) reconcile(r *attr.Reader, j *Job) *Schedule {
	if r.Has("reconcile") {
		return t.schedule(r, "reconcile")
	}
	if j.Watchdog == nil && !t.incremental() {
		return nil
	}
	daily, _ := every("@every 24h", "24h")
	return daily
}

// incremental reports whether the source is asked for no more than what has changed. Every kind that can says so by a
// block of this name.
func (t *template) incremental() bool {
	return slices.ContainsFunc(t.block.Body.Blocks, func(b *hclsyntax.Block) bool {
		return b.Type == "source" && slices.ContainsFunc(b.Body.Blocks, func(b *hclsyntax.Block) bool { return b.Type == "since" })
	})
}

func (t *template) watchdog(r *attr.Reader, i instance, j *Job) *Watchdog {
	b := r.Block("watchdog", 0)
	if b == nil {
		return nil
	}
	c := r.Child(b, "watchdog")
	w := &Watchdog{
		Receiver:     t.receiver(c, "receiver"),
		OnEvent:      c.Word("on_event", "apply", "apply", "poll", "lookup"),
		Min:          c.Duration("min", 5*time.Minute, time.Second),
		Max:          c.Duration("max", 4*hour, time.Second),
		Audit:        c.Duration("audit", 24*hour, time.Minute),
		Grace:        c.Duration("grace", 5*time.Minute, time.Second),
		RecoverAfter: c.Int("recover_after", 2, 1, 1000),
		Expect:       t.hours(c),
		ctx:          t.scope,
	}
	if w.Max < w.Min {
		c.Errorf(c.Range("max"), `Invalid value for "max"`, "The window grows from min (%s) to max, so max cannot be shorter (%s).", attr.Brief(w.Min), attr.Brief(w.Max))
	}
	w.Silence = silence(c, w)
	w.asks = t.asked(c)
	if w.asks.usesEach {
		w.ctx = i.ctx
	}
	t.checkWatchdog(c, w, j)
	event := unknownInbound(w.Receiver)
	w.asks.when.tryTruth(c, w.ctx, event)
	w.asks.deleted.tryTruth(c, w.ctx, event)
	for _, op := range []bridge.Op{bridge.Created, bridge.Updated, bridge.Deleted} {
		w.asks.expects.tryTruth(c, w.ctx, unknownChange(op))
	}
	w.asks.tryRecord(c, w.ctx, event)
	return w
}

// asked are the questions of the block, which are the same for every instance.
func (t *template) asked(c *attr.Reader) *watched {
	if t.watched != nil {
		for _, name := range []string{"when", "record", "deleted", "expects"} {
			c.Expr(name)
		}
		return t.watched
	}
	w := &watched{
		when:    ask(c, "when", "event", inboundParts),
		record:  ask(c, "record", "event", inboundParts),
		deleted: ask(c, "deleted", "event", inboundParts),
		expects: ask(c, "expects", "change", parts),
	}
	if w.record != nil {
		w.steps, w.isCut = stepsOf(w.record.expr)
	}
	for _, q := range []*question{w.when, w.record, w.deleted, w.expects} {
		w.usesEach = w.usesEach || q.uses("each")
	}
	t.watched = w
	return w
}

func (t *template) checkWatchdog(c *attr.Reader, w *Watchdog, j *Job) {
	const needless = "Argument without effect"
	switch {
	case w.OnEvent == "apply" && w.asks.record == nil:
		c.Required("record")
	case w.OnEvent != "apply" && w.asks.record != nil:
		c.Errorf(c.Range("record"), needless, "With on_event = %q nothing is taken from a webhook. Remove record, or write on_event = \"apply\".", w.OnEvent)
	}
	if w.OnEvent != "apply" && w.asks.deleted != nil {
		c.Errorf(c.Range("deleted"), needless, "With on_event = %q a deletion is what the source says it is. Remove deleted, or write on_event = \"apply\".", w.OnEvent)
	}
	if w.OnEvent == "apply" && j.Version == "" {
		c.Warnf(c.Range("record"), "Records without a version", "Webhooks that come late or out of order are taken for the newest, until the next poll. If a field only ever grows, name it in the job: version = %q.", "updated_at")
	}
}

// silence reads the window: "auto", which is 0, or a duration between min and max.
func silence(c *attr.Reader, w *Watchdog) time.Duration {
	if !c.Has("silence") {
		return 0
	}
	if v, _ := c.Value("silence").Unmark(); v != cty.NilVal && v.Type() == cty.String && v.AsString() == "auto" {
		return 0
	}
	before := c.Errors()
	d := c.Duration("silence", 0, time.Second)
	const summary = `Invalid value for "silence"`
	switch {
	case c.Errors() > before || d == 0:
	case d < w.Min:
		c.Errorf(c.Range("silence"), summary, "Silence is a verdict after %s at the earliest. Write min = %q too, or a longer silence.", attr.Brief(w.Min), attr.Brief(d))
	case d > w.Max:
		c.Errorf(c.Range("silence"), summary, "Silence is a verdict after %s at the latest. Write max = %q too, or a shorter silence.", attr.Brief(w.Max), attr.Brief(d))
	}
	return d
}

func (t *template) hours(c *attr.Reader) string {
	text := strings.TrimSpace(c.String("expect", ""))
	switch {
	case text == "" && c.Has("expect") && !c.Failed():
		c.Errorf(c.Range("expect"), "Invalid hours", `Write hours such as "Mon-Fri 07:00-19:00 Europe/Berlin", or leave them out.`)
	case text != "" && t.options.Rules.Hours != nil:
		if err := t.options.Rules.Hours(text); err != nil {
			c.Errorf(c.Range("expect"), "Invalid hours", "%s.", strings.TrimSuffix(err.Error(), "."))
		}
	}
	return text
}

func (w *watched) tryRecord(c *attr.Reader, ctx *hcl.EvalContext, event cty.Value) {
	if w.record == nil || c.Failed() {
		return
	}
	const summary = `Invalid value for "record"`
	v, diags := attr.Eval(w.record.expr, w.record.with(ctx, event))
	switch {
	case diags.HasErrors():
		c.Add(diags)
	case attr.IsSecret(v):
		c.Errorf(w.record.expr.Range(), summary, "A record cannot hold a secret.")
	default:
		if t := v.Type(); v.IsNull() || t != cty.DynamicPseudoType && !t.IsObjectType() && !t.IsMapType() {
			c.Errorf(w.record.expr.Range(), summary, "A record is an object, such as event.body.order.")
		}
	}
}
