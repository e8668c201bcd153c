package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func planCommand(a *app) *cobra.Command {
	p := planner{app: a}
	var trace, exitCode bool
	c := &cobra.Command{
		Use:   "plan [JOB]",
		Short: "Fetch and compare for real, commit nothing, show what would be told",
		Long: `Fetch and compare for real, commit nothing and print what a run would tell:
  + created   ~ updated, field by field   - deleted
It reads the configuration as it stands in the file, so an edit can be judged before a running daemon takes it up.
--json prints one object a line: {"change": …} for each change, then {"plan": …} for each job. Fields are
change {job, op, key, type, told, why, fields[] {pointer, before, after}, before, after} and
plan {job, report, baseline, guard, warnings[], error}; report is what poll --json prints.`,
		Args:              between(0, 1, ""),
		ValidArgsFunction: first(a.names(jobNames)),
		RunE: action(func(ctx context.Context, args []string) error {
			p.progress, p.width = a.progress(), a.out.width()
			request := daemon.PlanRequest{Options: a.options(silent), Change: p.change, Progress: p.fetched}
			if len(args) == 1 {
				request.Job = args[0]
			}
			if trace {
				request.Trace = p.trace
			}
			reports, err := daemon.Plan(ctx, request)
			p.progress.clear()
			if err != nil {
				return err
			}
			if err := p.conclude(reports); err != nil {
				return err
			}
			if exitCode && p.total > 0 {
				return exitError(exitChanges)
			}
			return nil
		}),
	}
	flags := c.Flags()
	flags.BoolVar(&trace, "trace", false, "print each request and its answer to stderr")
	flags.IntVar(&p.limit, "limit", 100, "print at most `N` changes of each job; 0: all")
	flags.BoolVar(&exitCode, "exit-code", false, "exit 3 where there are changes, 0 where there are none")
	return c
}

// planner prints a plan while it is made.
type planner struct {
	*app
	progress *progress
	limit    int
	width    int
	// reconcile: what differs is spoken of as what was missed.
	reconcile bool

	job    string // whose changes are being printed
	shown  int    // of them
	hidden int    // of them, beyond the limit
	total  int    // changes of all jobs
}

// plannedChange is a line of plan --json.
type plannedChange struct {
	Job    string          `json:"job"`
	Op     bridge.Op       `json:"op"`
	Key    string          `json:"key"`
	Type   string          `json:"type,omitempty"`
	Told   bool            `json:"told"`
	Why    string          `json:"why,omitempty"` // it is not told
	Fields []plannedField  `json:"fields,omitempty"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

type plannedField struct {
	Pointer string          `json:"pointer"`
	Before  json.RawMessage `json:"before,omitempty"` // absent: the field was not there
	After   json.RawMessage `json:"after,omitempty"`  // absent: the field is gone
}

func (p *planner) fetched(job string, records int64) {
	p.progress.show("%s: %s fetched …", job, count(records, "record"))
}

func (p *planner) trace(line string) {
	p.progress.clear()
	p.notef("%s\n", p.err.faint(printable(line)))
}

func (p *planner) change(c daemon.PlanChange) error {
	p.total++
	if p.json {
		return p.changeJSON(c)
	}
	if c.Job != p.job {
		p.endJob()
		p.job = c.Job
		p.progress.clear()
		p.printf("%s\n", p.out.bold(c.Job))
	}
	if p.limit > 0 && p.shown >= p.limit {
		p.hidden++
		return nil
	}
	p.shown++
	p.progress.clear()
	key, why := cut(printable(c.Change.Key), 60), whyWords(c)
	sign, body := "~", json.RawMessage(nil)
	switch c.Change.Op {
	case bridge.Created:
		sign, body = "+", c.Change.After
	case bridge.Deleted:
		sign, body = "-", c.Change.Before
	}
	room := p.width - utf8.RuneCountInString(key+why) - 6
	if room < 12 {
		body = nil // a few characters would say nothing
	}
	line := fmt.Sprintf("  %s %s%s  %s", p.out.op(c.Change.Op)(sign), p.out.bold(key), p.out.faint(why),
		p.out.faint(cut(printable(string(body)), room)))
	p.printf("%s\n", strings.TrimRight(line, " "))
	p.fields(c.Fields)
	return nil
}

// whyWords says why a change would not be told. A baseline is said once, at the end, not for every record.
func whyWords(c daemon.PlanChange) string {
	switch {
	case c.Told || c.Why == "baseline":
		return ""
	case c.Why == "edit":
		return " (silent: the job was edited)"
	case c.Why == "when":
		return " (not told: the event's when is false)"
	case c.Why == "pending":
		return " (pending: not confirmed yet)"
	case c.Why == "held":
		return " (held until approved)"
	}
	return " (" + printable(c.Why) + ")"
}

func (p *planner) fields(fields []daemon.FieldChange) {
	const widest = 40
	column := 0
	for _, f := range fields {
		column = max(column, min(utf8.RuneCountInString(printable(f.Pointer)), widest))
	}
	value := max((p.width-column-14)/2, 16)
	for _, f := range fields {
		pointer := printable(f.Pointer)
		pointer += strings.Repeat(" ", max(column-utf8.RuneCountInString(pointer), 0))
		before, after := cut(printable(f.Before), value), cut(printable(f.After), value)
		switch {
		case f.Before == "":
			p.printf("      %s %s  %s\n", p.out.green("+"), pointer, after)
		case f.After == "":
			p.printf("      %s %s  %s\n", p.out.red("-"), pointer, before)
		default:
			p.printf("      %s %s  %s → %s\n", p.out.yellow("~"), pointer, p.out.faint(before), after)
		}
	}
}

func (p *planner) changeJSON(c daemon.PlanChange) error {
	line := plannedChange{Job: c.Job, Op: c.Change.Op, Key: c.Change.Key, Type: c.Type, Told: c.Told, Why: c.Why,
		Before: c.Change.Before, After: c.Change.After}
	for _, f := range c.Fields {
		line.Fields = append(line.Fields, plannedField{f.Pointer, json.RawMessage(f.Before), json.RawMessage(f.After)})
	}
	return p.line(map[string]plannedChange{"change": line})
}

// endJob says how many changes of the job were not printed.
func (p *planner) endJob() {
	if p.hidden > 0 {
		p.progress.clear()
		p.printf("  … and %d more; print them all with --limit 0\n", p.hidden)
	}
	if p.job != "" {
		p.printf("\n")
	}
	p.job, p.shown, p.hidden = "", 0, 0
}

// conclude sums up: a line for each job that has something to say, then all of them together.
func (p *planner) conclude(reports []daemon.PlanReport) error {
	p.endJob()
	var sum planSum
	for _, r := range reports {
		sum.add(r)
		if p.json {
			if err := p.line(map[string]daemon.PlanReport{"plan": r}); err != nil {
				return err
			}
			continue
		}
		if remarks := p.remarks(r); len(remarks) > 0 {
			p.printf("%s: %s\n", p.out.bold(r.Job), strings.Join(remarks, "\n  "))
		}
	}
	if !p.json {
		p.printf("%s\n", p.sumWords(sum))
	}
	if sum.failed > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// remarks is what there is to say about a job beyond its counts.
func (p *planner) remarks(r daemon.PlanReport) []string {
	var out []string
	if r.Error != "" {
		out = append(out, p.out.red("error: ")+printable(r.Error))
	}
	if r.Baseline && r.Error == "" {
		out = append(out, fmt.Sprintf("the first poll would take in %s silently, as the baseline; changes after it are told", count(r.Report.Seen, "record")))
	}
	if r.Guard != "" {
		out = append(out, p.out.yellow("held: ")+printable(r.Guard))
	}
	if r.Error == "" {
		if n := r.Report.Pending; n > 0 {
			out = append(out, fmt.Sprintf("%s absent, deleted once another complete poll confirms it", count(n, "record")))
		}
		if n := r.Report.Silent; n > 0 && !r.Baseline {
			out = append(out, fmt.Sprintf("%s taken in silently, because the job was edited", count(n, "record")))
		}
		if n := r.Report.Skipped; n > 0 {
			out = append(out, fmt.Sprintf("%s not told: the event's when is false", count(n, "change")))
		}
		if n := r.Report.Bad; n > 0 {
			out = append(out, fmt.Sprintf("%s would go into quarantine", count(n, "bad record")))
		}
	}
	for _, w := range r.Warnings {
		out = append(out, p.out.yellow("warning: ")+printable(w))
	}
	return out
}

type planSum struct {
	jobs, failed, baselines                           int
	created, updated, deleted, held, pending, records int64
}

func (s *planSum) add(r daemon.PlanReport) {
	s.jobs++
	if r.Error != "" {
		s.failed++
		return
	}
	s.records += r.Report.Seen
	if r.Baseline {
		s.baselines++
		return
	}
	s.created += r.Report.Created
	s.updated += r.Report.Updated
	s.deleted += r.Report.Deleted
	s.pending += r.Report.Pending
	s.held += r.Report.Held
}

func (p *planner) sumWords(s planSum) string {
	title, created, updated, deleted, none := "Plan:", "to create", "to update", "to delete", "no changes"
	if p.reconcile {
		title, created, updated, deleted, none = "Missed:", "created", "updated", "deleted", "nothing"
	}
	text := p.out.bold(title) + " "
	switch changes := s.created + s.updated + s.deleted + s.held; {
	case changes > 0:
		text += tally(p.out, created, s.created, updated, s.updated, deleted, s.deleted)
		if s.held > 0 {
			text += ", " + p.out.yellow(fmt.Sprintf("%d held", s.held))
		}
	case s.pending > 0:
		text += none + " yet"
	case s.baselines > 0 && s.baselines == s.jobs:
		text += "nothing to tell yet"
	case s.failed == s.jobs && s.jobs > 0:
		text += p.out.red("nothing could be compared")
	default:
		text += none
	}
	if s.pending > 0 {
		text += ", " + p.out.faint(fmt.Sprintf("%d pending", s.pending))
	}
	if s.records > 0 {
		text += " (" + count(s.records, "record") + " compared)"
	}
	if s.failed > 0 {
		text += ", " + p.out.red(count(s.failed, "job")+" failed")
	}
	return text + "."
}
