package configs

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

var keyForm = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// manyMistakes is how many broken instances of one job are read before the rest is left: they say the same.
const manyMistakes = 10

func (l *loading) jobs(blocks []*hclsyntax.Block) {
	for _, b := range blocks {
		if !declared(l.names.jobs, b) {
			continue
		}
		t := &template{loading: l, block: b, schedules: map[string]*Schedule{}}
		for _, i := range t.instances() {
			before := len(l.diags.Errs())
			j := t.instantiate(i)
			if j != nil && !i.draft {
				l.config.Jobs = append(l.config.Jobs, j)
			}
			if len(l.diags.Errs()) > before {
				if t.broken++; t.broken >= manyMistakes {
					break
				}
			}
		}
	}
}

// template is a job block, which becomes one job or, with for_each, several. What its instances have in common they
// share in memory.
type template struct {
	*loading
	block     *hclsyntax.Block
	schedules map[string]*Schedule
	first     *Job
	events    *eventTemplate
	watched   *watched
	looked    *question
	digest    *digest
	broken    int
}

// instance is one value of for_each; its key is empty where there is no for_each.
type instance struct {
	key   string
	ctx   *hcl.EvalContext
	draft bool // stands for instances that are not known, and is read only for the mistakes in it
}

func (t *template) instances() []instance {
	a := t.block.Body.Attributes["for_each"]
	if a == nil {
		return []instance{{ctx: t.scope}}
	}
	const summary = "Invalid for_each"
	refuse := func(format string, args ...any) []instance {
		t.add(hcl.Diagnostics{problem(hcl.DiagError, a.Expr.Range().Ptr(), summary, format, args...)})
		return t.draft()
	}
	v, diags := attr.Eval(a.Expr, t.scope)
	t.add(diags)
	switch {
	case diags.HasErrors() || v == cty.NilVal:
		return t.draft()
	case attr.IsSecret(v):
		return refuse("for_each must not be secret, as its keys become part of the names of jobs.")
	case !v.IsWhollyKnown():
		t.add(hcl.Diagnostics{problem(hcl.DiagError, a.Expr.Range().Ptr(), attr.NotKnown, "The value of for_each cannot be known when the configuration is loaded.")})
		return t.draft()
	case v.IsNull():
		return refuse("for_each is null. Give it a set of strings or a map.")
	}
	ty := v.Type()
	switch {
	case ty.IsTupleType() || ty.IsListType():
		return refuse("for_each takes a set of strings or a map, not a list: write toset([ … ]).")
	case !ty.IsSetType() && !ty.IsMapType() && !ty.IsObjectType():
		return refuse("for_each takes a set of strings or a map.")
	case v.LengthInt() == 0:
		t.add(hcl.Diagnostics{problem(hcl.DiagWarning, a.Expr.Range().Ptr(), "No instances", "for_each is empty, so the job %q runs nowhere.", t.block.Labels[0])})
		return nil
	}
	all := make([]instance, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if ty.IsSetType() {
			k = e
		}
		if k.Type() != cty.String || k.IsNull() {
			return refuse("for_each takes a set of strings or a map. The elements of this set are no strings.")
		}
		key := k.AsString()
		if !keyForm.MatchString(key) || len(key) > maxName {
			return refuse(`The key %s cannot be part of the name of a job: it is made of letters, digits, "_", "." and "-", %d at most.`, strconv.Quote(key), maxName)
		}
		ctx := t.scope.NewChild()
		ctx.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": k, "value": e})}
		all = append(all, instance{key: key, ctx: ctx})
	}
	return all
}

// draft is what is read of a job whose for_each is wrong, so that its other mistakes are found in the same pass.
func (t *template) draft() []instance {
	ctx := t.scope.NewChild()
	ctx.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.UnknownVal(cty.String), "value": cty.DynamicVal})}
	return []instance{{ctx: ctx, draft: true}}
}

func (t *template) instantiate(i instance) *Job {
	label := t.block.Labels[0]
	j := &Job{Name: label, Label: label, Range: t.block.DefRange()}
	if i.key != "" {
		j.Name += "/" + i.key
	}
	r := attr.NewReader(t.block.Body, i.ctx, fmt.Sprintf("job %q", label))
	r.Expr("for_each")
	t.read(r, j)
	j.Event = t.event(r, i)
	j.Source, j.SourceKind = t.source(r, i)
	t.watch(r, i, j)
	diags := r.Done()
	t.add(diags)
	if diags.HasErrors() || j.Source == nil {
		return nil
	}
	j.Digest = t.digestOf(i)
	t.share(j)
	return j
}

func (t *template) read(r *attr.Reader, j *Job) {
	j.Schedule = t.schedule(r, "schedule")
	j.Adaptive = adaptive(r, j.Schedule)
	j.Timeout = r.Duration("timeout", 2*time.Minute, time.Second)
	j.RunOnce = r.Word("missed", "run_once", "run_once", "skip") == "run_once"
	j.Deliver = t.deliver(r)
	j.Key = paths(r, "key", true)
	j.Ignore = paths(r, "ignore", false)
	j.Select = paths(r, "select", false)
	j.Unordered = paths(r, "unordered", false)
	j.Emit = r.Word("initial", "baseline", "baseline", "emit") == "emit"
	j.Quarantine = r.Word("on_bad_record", "fail", "fail", "quarantine") == "quarantine"
	if r.Has("ignore") && r.Has("select") {
		r.Errorf(r.Range("select"), "Conflicting arguments", "select names all that counts, so there is nothing left to ignore. Remove one of the two.")
	}
	if !r.Has("key") {
		r.Required("key")
	}
	deletes := r.Child(r.Block("deletes", 0), "deletes")
	j.Deletes = Deletes{
		Confirm: deletes.Int("confirm", 2, 1, 1000),
		Max:     share(deletes, "max", 0.2),
		MaxRows: deletes.Int("max_rows", 50, 0, 1<<31-1),
	}
}

func (t *template) schedule(r *attr.Reader, name string) *Schedule {
	before := r.Errors()
	text := r.Required(name)
	if text == "" || !open(r, name) || r.Errors() > before {
		return nil
	}
	if s, ok := t.schedules[text]; ok {
		return s
	}
	s, err := ParseSchedule(text)
	if err != nil {
		r.Errorf(r.Range(name), "Invalid schedule", "%q cannot be a schedule: %s.", text, err)
		return nil
	}
	t.schedules[text] = s
	return s
}

func (t *template) deliver(r *attr.Reader) []string {
	if !r.Has("deliver") {
		r.Required("deliver")
		return nil
	}
	before := r.Errors()
	targets := t.targets(r, "deliver")
	if len(targets) == 0 && r.Errors() == before {
		r.Errorf(r.Range("deliver"), "Nowhere to deliver to", "A job delivers to one destination at least: deliver = [destination.NAME].")
	}
	return targets
}

// targets reads a list of destinations.
func (l *loading) targets(r *attr.Reader, name string) []string {
	const summary = "Not a destination"
	v := r.Value(name)
	if v == cty.NilVal {
		return nil
	}
	if v.Type() == referenceType {
		r.Errorf(r.Range(name), summary, "%q is a list: write [ … ] around the destination.", name)
		return nil
	}
	var all []string
	r.Each(name, func(rng hcl.Range, e cty.Value) {
		plain, _ := e.Unmark()
		if plain.IsNull() || plain.Type() != referenceType {
			hint := "Write destination.NAME, without quotes."
			if !plain.IsNull() && plain.Type() == cty.String && !e.IsMarked() {
				text := strings.TrimPrefix(plain.AsString(), "destination.")
				if _, ok := l.names.destinations[text]; !ok {
					text = attr.Suggest(text, keys(l.names.destinations))
				}
				if text != "" {
					hint = fmt.Sprintf("Did you mean destination.%s, without quotes?", text)
				}
			}
			r.Errorf(rng, summary, "%q holds destinations. %s", name, hint)
			return
		}
		target := plain.EncapsulatedValue().(*reference).name
		if slices.Contains(all, target) {
			r.Warnf(rng, "Duplicate destination", "destination.%s is in the list already.", target)
			return
		}
		l.used[target] = true
		all = append(all, target)
	})
	return all
}

func (t *template) source(r *attr.Reader, i instance) (source bridge.Source, kind string) {
	b := r.Block("source", 1)
	if b == nil {
		if r.Missing("source") {
			r.Errorf(t.block.Body.MissingItemRange(), "Missing source", `A job reads from somewhere: source "http" { … } is required in job %q.`, t.block.Labels[0])
		}
		return nil, ""
	}
	kind = b.Labels[0]
	var kinds []string
	if t.options.Sources != nil {
		kinds = t.options.Sources.Kinds()
	}
	if !slices.Contains(kinds, kind) {
		near := attr.Suggest(kind, kinds)
		hint := ""
		if near != "" {
			hint = fmt.Sprintf(" Did you mean %q?", near)
		}
		r.Errorf(b.LabelRanges[0], "Unknown kind of source", "This version of hookbridge knows no source %q. There is %s.%s", kind, quoted(kinds), hint)
		return nil, ""
	}
	source, diags := t.options.Sources.Decode(kind, b.Body, i.ctx, t.config.Dir)
	r.Add(diags)
	if diags.HasErrors() {
		return nil, ""
	}
	return source, kind
}

// share gives an instance the slices of the first where they are the same, which they mostly are.
func (t *template) share(j *Job) {
	if t.first == nil {
		t.first = j
		return
	}
	for _, s := range []struct{ mine, first *[]string }{
		{&j.Deliver, &t.first.Deliver}, {&j.Key, &t.first.Key}, {&j.Ignore, &t.first.Ignore},
		{&j.Select, &t.first.Select}, {&j.Unordered, &t.first.Unordered},
	} {
		if slices.Equal(*s.mine, *s.first) {
			*s.mine = *s.first
		}
	}
	if j.SourceKind == t.first.SourceKind {
		j.SourceKind = t.first.SourceKind
	}
}

// share reads a percentage, as 0 to 1.
func share(r *attr.Reader, name string, def float64) float64 {
	if !r.Has(name) {
		return def
	}
	before := r.Errors()
	text := r.String(name, "")
	if r.Errors() > before || text == "" && !r.Has(name) {
		return def
	}
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || !percent || !(n >= 0 && n <= 100) {
		r.Errorf(r.Range(name), fmt.Sprintf("Invalid value for %q", name), `A share is written "20%%", between "0%%" and "100%%".`)
		return def
	}
	return n / 100
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func quoted(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = strconv.Quote(w)
	}
	if len(all) == 1 {
		return all[0]
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
