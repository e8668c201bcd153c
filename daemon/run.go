package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/diff"
)

const (
	chunkBytes = 4 << 20               // of bodies in one commit
	chunkHold  = 40 * time.Millisecond // what a commit may take before the next one is made smaller
	chunkMin   = 16
	chunkMax   = 4096
)

// run is one poll of a job, from its first request to its last commit. The caller owns the job.
func (d *Daemon) run(ctx context.Context, j *job, origin bridge.Origin) bridge.RunReport {
	began := time.Now()
	r := &run{daemon: d, job: j, limit: 256}
	r.survey = survey{cfg: j.cfg, eye: j.eye, state: &r.began, store: d.store, origin: origin, identity: j.identity}
	r.report.Began, r.report.Origin = began.UTC(), origin
	err := r.do(ctx)
	r.report.Took = time.Since(began)
	if r.survey.memory != nil {
		j.memory = r.survey.memory
	}
	if r.broken || err != nil && r.committed {
		j.memory = nil // loaded again: what the store holds is not what we think it holds
		j.absent = 1   // not known; one needless unconditional fetch at worst
	}
	return r.conclude(err)
}

// run is the committing half of a poll.
type run struct {
	survey
	daemon    *Daemon
	job       *job
	began     bridge.JobState // the job's state when the run began
	limit     int             // rows in the next commit
	outside   int             // job.outside when it began; -1: not alone since
	committed bool
	broken    bool // the index no longer mirrors the store
	outlook   outlook
}

func (r *run) do(ctx context.Context) error {
	j, d := r.job, r.daemon
	began, err := d.store.BeginRun(ctx, j.number)
	if err != nil {
		return err
	}
	defer d.store.EndRun(j.number, began)
	r.outside = j.catchUp(began)
	r.memory = j.memory
	if j.watch != nil {
		r.comparison = comparison{brought: j.brought, known: j.watch.shapes}
	}
	j.mu.Lock()
	r.began = j.state // what was written before the run began has taken back what an earlier one proved
	j.mu.Unlock()
	if j.pending() > 0 { // absences count even when nothing is emitted
		if err := r.load(ctx); err != nil {
			return err
		}
	}
	spool := newSpool(d.spoolDir)
	defer spool.close()
	r.sink, r.reset = spool.add, spool.reset

	fetch, cancel := context.WithTimeoutCause(ctx, j.cfg.Timeout, timeoutError(j.cfg.Timeout))
	defer cancel()
	if err := r.look(fetch); err != nil {
		var busy *bridge.BusyError
		if errors.As(err, &busy) {
			r.outlook.retryAt = busy.RetryAt
		}
		if cause := context.Cause(fetch); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return err
	}
	d.checkClock(j, r.outcome.Date)
	if !r.writes(spool) {
		return nil
	}
	return r.commit(ctx, spool, began)
}

// timeoutError ends a fetch that took longer than its job allows.
type timeoutError time.Duration

func (e timeoutError) Error() string { return fmt.Sprintf("timeout of %s passed", time.Duration(e)) }

// writes reports whether the survey found anything that a commit must keep.
func (r *run) writes(spool *spool) bool {
	return spool.steps > 0 || r.newlyBad() || len(r.judged.Counted)+len(r.judged.Holds) > 0 || r.scan != nil && len(r.scan.Returned()) > 0 ||
		r.finish.Baselined != r.state.Baselined || r.finish.Empty != r.state.Empty ||
		r.finish.Complete && (r.state.OldRules != r.state.Rules || r.state.Identity != r.identity)
}

// newlyBad reports whether the quarantine differs from the one that is stored.
func (r *run) newlyBad() bool {
	return !slices.EqualFunc(r.quarantine, r.job.bad, func(a, b bridge.Quarantined) bool {
		return a.Key == b.Key && a.Page == b.Page && a.Item == b.Item && a.Reason == b.Reason
	})
}

// commit writes the run chunk by chunk: changes, then absences, then deletions, and what the run proved with the last.
func (r *run) commit(ctx context.Context, spool *spool, began int64) error {
	r.committed = true
	chunk := r.chunk(began)
	chunk.First = true
	var puts, deletes []step
	bytes := 0
	flush := func() error {
		err := r.apply(ctx, chunk, puts, deletes)
		chunk, puts, deletes, bytes = r.chunk(began), puts[:0], deletes[:0], 0
		return err
	}
	room := func() error {
		if len(chunk.Puts)+len(chunk.Absences)+len(chunk.Deletes) < r.limit && bytes < chunkBytes {
			return nil
		}
		return flush()
	}
	absences := r.absences()
	count := func() error {
		for _, a := range absences {
			if err := room(); err != nil {
				return err
			}
			chunk.Absences = append(chunk.Absences, a)
		}
		absences = nil
		return nil
	}
	if err := spool.each(func(t step) error {
		if t.delete {
			if err := count(); err != nil { // absences stand between the changes and the deletions
				return err
			}
		} else if r.scan.Suspect(t.slot) {
			return nil
		}
		if err := room(); err != nil {
			return err
		}
		bytes += len(t.body)
		if t.event != nil {
			bytes += len(t.event.Before)
		}
		if t.delete {
			deletes = append(deletes, t)
			chunk.Deletes = append(chunk.Deletes, bridge.Delete{ID: t.entry.ID, Key: t.key, Event: r.event(t)})
			return nil
		}
		puts = append(puts, t)
		chunk.Puts = append(chunk.Puts, bridge.Put{Entry: t.entry, Key: t.key, Body: t.body, Event: r.event(t)})
		return nil
	}); err != nil {
		return err
	}
	if err := count(); err != nil {
		return err
	}
	if r.report.Left > 0 {
		r.finish.Checkpoint = nil
	}
	chunk.Finish, chunk.Quarantine = &r.finish, r.quarantine
	if err := flush(); err != nil {
		return err
	}
	r.job.bad = r.quarantine
	if len(r.judged.Holds) > 0 {
		return r.memory.loadAbsences(ctx, r.store, r.state.Number) // the store has numbered the hold
	}
	return nil
}

func (r *run) chunk(began int64) *bridge.Chunk {
	return &bridge.Chunk{Job: r.state.Number, Began: began, RulesNumber: r.state.RulesNumber, Identity: r.identity, Targets: r.targets()}
}

func (r *run) targets() []bridge.Target {
	r.job.mu.Lock()
	defer r.job.mu.Unlock()
	return r.job.targets
}

func (r *run) event(t step) *bridge.Event {
	e := t.event
	if e != nil {
		e.Job, e.JobNumber, e.Origin = r.cfg.Name, r.state.Number, r.origin
	}
	return e
}

// absences lists every count that the commit has to change.
func (r *run) absences() []bridge.Absence {
	out := r.judged.Counted
	for _, id := range r.judged.Holds {
		a := r.memory.index.Absence(id)
		a.Scans, a.Hold = a.Scans+1, -1
		out = append(out, a)
	}
	if r.scan != nil {
		for _, a := range r.scan.Returned() {
			if a.Scans < 0 && !r.report.Complete {
				continue // a rejected deletion counts again only after a complete poll has shown the record
			}
			out = append(out, bridge.Absence{ID: a.ID})
		}
	}
	return out
}

// apply commits one chunk and brings the index up to it.
func (r *run) apply(ctx context.Context, chunk *bridge.Chunk, puts, deletes []step) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	done, err := r.job.commit(ctx, r.daemon.store, chunk, r.outside)
	if err != nil {
		return err
	}
	if done.Left {
		r.broken = true
	}
	index := r.memory.index
	for i, t := range puts {
		switch {
		case done.IDs[i] == 0:
			r.report.Left++
			r.broken = true
			continue
		case t.event == nil:
			r.silently(t)
		case t.event.Op == bridge.Created:
			r.report.Created++
		default:
			r.report.Updated++
		}
		t.entry.ID = done.IDs[i]
		index.Store(t.slot, t.entry)
	}
	for _, a := range chunk.Absences {
		if a.Hold >= 0 {
			index.SetAbsence(a)
		}
	}
	for i, t := range deletes {
		if !done.Gone[i] {
			r.report.Left++
			r.broken = true
			continue
		}
		if t.event == nil {
			r.silently(t)
		} else {
			r.report.Deleted++
		}
		index.Remove(t.slot)
	}
	if done.Told > 0 {
		r.daemon.wake(chunk.Targets)
	}
	switch {
	case done.Took > chunkHold:
		r.limit = max(r.limit/2, chunkMin)
	case done.Took < chunkHold/2 && len(puts)+len(deletes)+len(chunk.Absences) >= r.limit:
		r.limit = min(r.limit*2, chunkMax)
	}
	return nil
}

// silently counts a row that was written without an event.
func (r *run) silently(t step) {
	if t.why == whyWhen {
		r.report.Skipped++
	} else {
		r.report.Silent++
	}
}

// conclude brings the job's state up to how the run ended and has it recorded.
func (r *run) conclude(err error) bridge.RunReport {
	d, j := r.daemon, r.job
	j.mu.Lock()
	defer j.mu.Unlock()
	last := j.state.LastRun
	r.outlook.changes = r.changes
	defer func() { j.outlook = r.outlook }()
	r.report.Failures, r.report.Missed, r.report.LastEnded, r.report.LastReconciled = 0, last.Missed, last.LastEnded, last.LastReconciled
	if index := r.index(); index != nil {
		if err != nil || !r.report.Stable {
			index.Compact() // of what was seen and not stored
		}
		r.report.Pending, r.report.Held = int64(index.Pending()), int64(index.Held())
		j.state.Records = int64(index.Len())
	} else if j.absent > 0 { // otherwise there are none, whatever a report says that a crash has outrun
		r.report.Pending, r.report.Held = last.Pending, last.Held
	}
	if errors.Is(err, errRetired) || j.retired {
		r.report.Outcome, r.report.Error = bridge.RunDropped, errRetired.Error()
		return r.report
	}
	if err != nil && r.committed {
		j.state.Checkpoint = nil
	}
	if err != nil && d.stopping(err) { // cut short by our own end: that says nothing of the source
		r.report.Outcome, r.report.Error, r.report.Failures = bridge.RunDropped, errStopping.Error(), last.Failures
		return r.report
	}
	if r.outlook.full = errors.Is(err, bridge.ErrFull); r.outlook.full {
		err = fmt.Errorf("%w; what is missing follows by itself once there is space", err)
	}
	if err != nil {
		r.report.Outcome, r.report.Error, r.report.Failures, r.report.Open = bridge.RunFailed, err.Error(), last.Failures+1, last.Open
		j.state.LastRun = r.report
		d.store.RecordRun(j.state.Number, r.report, nil)
		return r.report
	}
	switch {
	case r.silent && !r.finish.Empty:
		r.report.Outcome = bridge.RunBaseline
	case r.report.Created+r.report.Updated+r.report.Deleted+r.report.Silent+r.report.Skipped > 0:
		r.report.Outcome = bridge.RunChanged
	default:
		r.report.Outcome = bridge.RunUnchanged
	}
	ended := time.Now()
	r.report.LastEnded = ended.UTC()
	// The first complete look at a source is as good as a comparison with it.
	if r.report.Complete && (r.origin == bridge.Reconcile || last.LastReconciled.IsZero() && !r.outcome.NotModified) {
		r.report.LastReconciled = r.report.Began
	}
	j.ended, j.stalled = ended, false
	r.outlook.shapes = j.compared(&r.comparison, r.report.Complete)
	r.outlook.confirm = r.confirm || r.report.Pending > 0
	r.remember(j)
	j.state.LastRun = r.report
	return r.report
}

// index is nil while the job has none in memory.
func (r *run) index() *diff.Index {
	if r.job.memory == nil {
		return nil
	}
	return r.job.memory.index
}

// remember notes in the job's state what the last chunk, or the want of one, left in the store.
func (r *run) remember(j *job) {
	d, f := r.daemon, &r.finish
	var checkpoint *bridge.Checkpoint
	switch {
	case r.report.Left > 0: // rows moved on under us: nothing may be taken as unchanged
		f.Checkpoint, r.outlook.follow = nil, true
		checkpoint = &f.Checkpoint
	case !j.alone(r.outside):
		f.Checkpoint = nil
		checkpoint = &f.Checkpoint
	case !r.committed && string(f.Checkpoint) != string(j.state.Checkpoint):
		checkpoint = &f.Checkpoint // kept with the batched row: an older one is still true of this snapshot
	}
	d.store.RecordRun(j.state.Number, r.report, checkpoint)
	j.state.Checkpoint = f.Checkpoint
	if !r.committed {
		return
	}
	j.state.Baselined, j.state.Empty = f.Baselined, f.Empty
	if j.state.Identity == "" {
		j.state.Identity = r.identity
	}
	if f.Complete {
		j.state.Identity, j.state.OldRules = r.identity, j.state.Rules
		if j.memory != nil {
			j.memory.old = nil
		}
	}
}
