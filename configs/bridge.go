package configs

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

const hour = time.Hour

// bridge reads the one bridge block, or none.
func (l *loading) bridge(blocks []*hclsyntax.Block) {
	body := &hclsyntax.Body{}
	for i, b := range blocks {
		switch {
		case len(b.Labels) > 0:
			l.add(hcl.Diagnostics{problem(hcl.DiagError, b.LabelRanges[0].Ptr(), "Wrong number of labels", "The bridge block has no name: bridge { … }.")})
		case i > 0:
			l.add(hcl.Diagnostics{problem(hcl.DiagError, b.DefRange().Ptr(), "Duplicate bridge block",
				"There is one bridge block, and it stands at %s:%d.", blocks[0].DefRange().Filename, blocks[0].DefRange().Start.Line)})
			continue
		}
		if i == 0 {
			body = b.Body
		}
	}
	r := attr.NewReader(body, l.scope, "the bridge block")
	r.OtherVersion("admin_token")
	l.config.Bridge.Store = l.store(r)
	l.config.Bridge.Alerts = l.targets(r, "alerts")
	retain := r.Child(r.Block("retain", 0), "retain")
	l.config.Bridge.Retain = bridge.Retention{
		Events:   retain.Duration("events", 720*hour, time.Minute),
		Attempts: retain.Duration("attempts", 168*hour, time.Minute),
		Dead:     retain.Duration("dead", 2160*hour, time.Minute),
		Backlog:  int64(retain.Int("backlog", 5_000_000, 1, math.MaxInt32)),
	}
	l.listeners(r)
	l.add(r.Done())
}

func (l *loading) store(r *attr.Reader) string {
	text := r.String("store", "sqlite:bridge.db")
	scheme, path, ok := strings.Cut(text, ":")
	rng := r.Range("store")
	const summary = `Invalid value for "store"`
	switch {
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		r.Errorf(rng, "Not supported by this version yet", `A PostgreSQL store belongs to the language, but this version of hookbridge does not do it yet. Use "sqlite:bridge.db".`)
	case !ok || scheme != "sqlite":
		r.Errorf(rng, summary, `A store is written "sqlite:" and the path of its file, such as "sqlite:bridge.db".`)
	case path == "" || strings.HasSuffix(path, "/") || path == ":memory:":
		r.Errorf(rng, summary, `The path of a file follows "sqlite:", such as "sqlite:bridge.db".`)
	case strings.ContainsAny(path, "?#%\x00"):
		r.Errorf(rng, summary, `The path of the store must not have any of the characters ?, # and %% in it.`)
	}
	path = strings.TrimPrefix(path, "//")
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.config.Dir, path)
	}
	return filepath.Clean(path)
}

// moved reads where the state of jobs has gone.
func (l *loading) moved(blocks []*hclsyntax.Block) {
	instances, origins := map[string]bool{}, map[string]hcl.Range{}
	for _, j := range l.config.Jobs {
		instances[j.Name] = true
	}
	for _, b := range blocks {
		r := attr.NewReader(b.Body, l.scope, "the moved block")
		r.Labels(b, 0)
		m := Move{From: l.jobName(r, "from"), To: l.jobName(r, "to")}
		if m.From != "" && m.To != "" {
			l.checkMove(r, m, instances, origins)
			l.config.Moved = append(l.config.Moved, m)
		}
		l.add(r.Done())
	}
}

func (l *loading) checkMove(r *attr.Reader, m Move, instances map[string]bool, origins map[string]hcl.Range) {
	const summary = "Invalid move"
	first, twice := origins[m.From]
	origins[m.From] = r.Range("from")
	_, whole := l.names.jobs[m.From]
	label, _, single := strings.Cut(m.To, "/")
	_, known := l.names.jobs[label]
	switch {
	case m.From == m.To:
		r.Errorf(r.Range("to"), summary, "It moves job.%s to itself.", m.From)
	case twice:
		r.Errorf(r.Range("from"), summary, "job.%s is moved already, at %s:%d.", m.From, first.Filename, first.Start.Line)
	case instances[m.From], whole && strings.SplitN(m.To, "/", 2)[0] != m.From:
		r.Errorf(r.Range("from"), summary, "There still is a job %q, so its state cannot be moved away. Remove the job, or this block.", m.From)
	case !known:
		hint := ""
		if near := attr.Suggest(label, keys(l.names.jobs)); near != "" {
			hint = fmt.Sprintf(" Did you mean %q?", "job."+near)
		}
		r.Errorf(r.Range("to"), summary, "There is no job %q to move to.%s", label, hint)
	case single && !instances[m.To] && !r.Failed() && !l.diags.HasErrors():
		r.Errorf(r.Range("to"), summary, "The job %q has no instance %q.", label, m.To)
	}
}

// jobName reads job.NAME or job.NAME/KEY.
func (l *loading) jobName(r *attr.Reader, name string) string {
	text := r.Required(name)
	if text == "" {
		return ""
	}
	job, ok := strings.CutPrefix(text, "job.")
	label, key, instance := strings.Cut(job, "/")
	if !ok || !labelForm.MatchString(label) || instance && !keyForm.MatchString(key) {
		r.Errorf(r.Range(name), fmt.Sprintf("Invalid value for %q", name), `A job is named in quotes: "job.orders", or "job.orders/eu" for one instance.`)
		return ""
	}
	return job
}
