package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
	"github.com/hookbridge/bridge/store/sqlite"
)

// PlanRequest asks what a run of a job would do. Plan reads the configuration file as it stands and the store without
// writing to it, so it works beside a running daemon and shows an edit before it is reloaded.
type PlanRequest struct {
	Options  Options
	Job      string                          // empty: every job
	Trace    func(line string)               // each request and its answer; nil: none
	Change   func(PlanChange) error          // each change, as it is found; nil: none
	Progress func(job string, records int64) // at most ten times a second; nil: none
}

// PlanChange is one line of a plan. It is valid until Change returns.
type PlanChange struct {
	Job    string
	Change bridge.Change
	Fields []FieldChange // updated: field by field
	Type   string        // event type it would have; empty when it is not told
	Told   bool          // false: taken in silently, and Why says why
	Why    string        // baseline, edit, when; pending, held: absent, and not to be deleted by this run
}

// FieldChange is one differing field; Before or After is empty where the field is missing on that side.
type FieldChange struct {
	Pointer       string
	Before, After string // JSON as it stands
}

// PlanReport sums one job up.
type PlanReport struct {
	Job      string           `json:"job"`
	Report   bridge.RunReport `json:"report"`
	Baseline bool             `json:"baseline"`        // the run would take everything in silently
	Guard    string           `json:"guard,omitempty"` // why deletions would be held; empty: they would not
	Warnings []string         `json:"warnings,omitempty"`
	Error    string           `json:"error,omitempty"`
}

// emptySnapshot is what there is before the first run.
type emptySnapshot struct{}

func (emptySnapshot) Index(context.Context, int64, func(bridge.IndexEntry) error) error { return nil }
func (emptySnapshot) Absences(context.Context, int64) ([]bridge.Absence, error)         { return nil, nil }
func (emptySnapshot) Rows(context.Context, int64, []int64, func(bridge.Row) error) error {
	return nil
}

// Plan fetches and diffs for real and commits nothing. An error is one of loading; what went wrong in a job's own run
// stands in its report.
func Plan(ctx context.Context, request PlanRequest) ([]PlanReport, error) {
	cfg, err := load(request.Options, newSources(request.Options))
	if err != nil {
		return nil, err
	}
	jobs := cfg.Jobs
	if request.Job != "" {
		j := cfg.Job(request.Job)
		if j == nil {
			var names []string
			for _, j := range cfg.Jobs {
				names = append(names, j.Name)
			}
			return nil, fmt.Errorf("job %q is %w in %s; there are: %s", request.Job, bridge.ErrNotFound, cfg.Path, list(names))
		}
		jobs = []*configs.Job{j}
	}
	var store Reading
	switch db, err := sqlite.OpenReadOnly(ctx, cfg.Bridge.Store); {
	case err == nil:
		store = db
		defer store.Close()
	case !errors.Is(err, bridge.ErrNotFound):
		return nil, err
	}
	if request.Trace != nil {
		ctx = sources.WithTrace(ctx, request.Trace)
	}
	var reports []PlanReport
	for _, j := range jobs {
		report, err := planJob(ctx, request, store, j)
		if err != nil {
			return reports, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

func planJob(ctx context.Context, request PlanRequest, store Reading, cfg *configs.Job) (PlanReport, error) {
	out := PlanReport{Job: cfg.Name}
	state, base, err := planState(ctx, store, cfg)
	if err != nil {
		return out, err
	}
	s := survey{cfg: cfg, eye: func() (*eye, error) { return newEye(cfg) }, state: &state, store: base, origin: bridge.Manual, identity: identity(cfg)}
	s.report.Began, s.report.Origin = time.Now().UTC(), bridge.Manual
	if err := s.load(ctx); err != nil {
		return out, err
	}
	s.reset = func() { s.report.Created, s.report.Updated, s.report.Silent, s.report.Skipped = 0, 0, 0, 0 }
	var refused error // by the caller's Change: not the run's fault
	s.sink = func(t step) error {
		if !t.delete && t.body == nil {
			return nil // a fingerprint renewed after an edit
		}
		s.tally(t)
		if request.Change == nil {
			return nil
		}
		refused = request.Change(planned(cfg.Name, &s, t))
		return refused
	}
	if request.Progress != nil {
		s.progress = throttle(func(n int64) { request.Progress(cfg.Name, n) })
	}
	fetch, cancel := context.WithTimeoutCause(ctx, cfg.Timeout, timeoutError(cfg.Timeout))
	defer cancel()
	err = s.look(fetch)
	s.report.Took = time.Since(s.report.Began)
	if refused != nil {
		return out, refused
	}
	out.Baseline, out.Guard = s.silent, s.judged.Guard
	s.report.Pending, s.report.Held = int64(s.memory.index.Pending()), int64(s.memory.index.Held())
	if err != nil {
		s.report.Outcome, s.report.Error, out.Error = bridge.RunFailed, err.Error(), err.Error()
		out.Report = s.report
		return out, ctx.Err()
	}
	if err := s.planAbsences(ctx, request); err != nil {
		return out, err
	}
	switch {
	case s.silent:
		s.report.Outcome = bridge.RunBaseline
	case s.report.Created+s.report.Updated+s.report.Deleted > 0:
		s.report.Outcome = bridge.RunChanged
	default:
		s.report.Outcome = bridge.RunUnchanged
	}
	out.Report, out.Warnings = s.report, s.warnings()
	return out, nil
}

// planState is the state a run would start from: what the store holds, and the edit that opening the job would make.
func planState(ctx context.Context, store Reading, cfg *configs.Job) (bridge.JobState, snapshot, error) {
	if store == nil {
		return bridge.JobState{Name: cfg.Name}, emptySnapshot{}, nil
	}
	state, err := store.Job(ctx, cfg.Name)
	if errors.Is(err, bridge.ErrNotFound) {
		return bridge.JobState{Name: cfg.Name}, emptySnapshot{}, nil
	}
	if err != nil {
		return state, nil, err
	}
	r, err := rules(cfg)
	if err != nil {
		return state, nil, err
	}
	var base snapshot = store
	if text := r.String(); text != state.Rules {
		state.Rules, base = text, edited{store}
	}
	state.Checkpoint = nil // a plan shows what the source has now, whatever it says about change
	return state, base, nil
}

// edited is a snapshot whose fingerprints were taken under other rules.
type edited struct{ Reading }

func (e edited) Index(ctx context.Context, job int64, add func(bridge.IndexEntry) error) error {
	return e.Reading.Index(ctx, job, func(entry bridge.IndexEntry) error {
		entry.Canon = 0
		return add(entry)
	})
}

// planned is a step as a plan shows it.
func planned(job string, s *survey, t step) PlanChange {
	c := PlanChange{Job: job, Told: t.event != nil, Why: t.why, Change: bridge.Change{Key: t.key}}
	switch {
	case t.delete:
		c.Change.Op, c.Change.Before = bridge.Deleted, t.before
	case t.before == nil:
		c.Change.Op, c.Change.After = bridge.Created, t.body
	default:
		c.Change.Op, c.Change.Before, c.Change.After = bridge.Updated, t.before, t.body
		for _, f := range s.memory.rules.Fields(t.before, t.body) {
			c.Fields = append(c.Fields, FieldChange{Pointer: f.Pointer, Before: string(f.Before), After: string(f.After)})
			c.Change.Changed = append(c.Change.Changed, f.Pointer)
		}
	}
	if t.event != nil {
		c.Type = t.event.Type
	}
	return c
}

// planAbsences shows what is absent and stays for now.
func (s *survey) planAbsences(ctx context.Context, request PlanRequest) error {
	why := map[int64]string{}
	for _, a := range s.judged.Counted {
		why[a.ID] = "pending"
	}
	for _, id := range s.judged.Holds {
		why[id] = "held"
	}
	s.report.Pending, s.report.Held = int64(len(s.judged.Counted)), s.report.Held+int64(len(s.judged.Holds))
	if request.Change == nil || len(why) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(why))
	for id := range why {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return s.store.Rows(ctx, s.state.Number, ids, func(row bridge.Row) error {
		return request.Change(PlanChange{Job: s.cfg.Name, Why: why[row.ID], Change: bridge.Change{Op: bridge.Deleted, Key: row.Key, Before: row.Body}})
	})
}

// tally counts a step as a run would.
func (s *survey) tally(t step) {
	switch {
	case t.event == nil && t.why == whyWhen:
		s.report.Skipped++
	case t.event == nil:
		s.report.Silent++
	case t.delete:
		s.report.Deleted++
	case t.event.Op == bridge.Created:
		s.report.Created++
	default:
		s.report.Updated++
	}
}

func (s *survey) warnings() []string {
	var out []string
	for _, q := range s.quarantine {
		out = append(out, fmt.Sprintf("quarantined: page %d, item %d: %s", q.Page, q.Item, q.Reason))
	}
	if !s.report.Stable && s.scan != nil {
		text := "items moved between pages while reading; this run would delete nothing"
		if s.report.Open != "" {
			text = "items moved between pages while reading; the new baseline waits for a second poll"
		}
		out = append(out, text)
	}
	if s.finish.Empty {
		out = append(out, "the source is empty; the baseline waits for a second poll that agrees")
	}
	return out
}

func throttle(f func(int64)) func(int64) {
	var last time.Time
	return func(n int64) {
		if now := time.Now(); now.Sub(last) >= 100*time.Millisecond {
			last = now
			f(n)
		}
	}
}
