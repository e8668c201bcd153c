package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hookbridge/bridge"
)

// runs is what P8 is judged by: which runs are under way, and which commits each has made itself. Runs live and die
// with the process, so it is all in memory.
type runs struct {
	// moving is held by a transaction that writes rows of a snapshot until it has ended, and by BeginRun for a moment:
	// a run begins either before such a commit or after it, and then sees it.
	moving  sync.Mutex
	commits int64 // last number given out; unlike a clock's it never goes back. Guarded by moving

	mu         sync.Mutex
	active     map[int64][]activeRun // by job; hardly ever more than one
	tombstones map[int64]bool        // jobs that may have some
}

type activeRun struct {
	began int64
	own   map[int64]bool // numbers of its commits; most runs have none
	left  bool           // it has left a row alone
}

// BeginRun notes that a run of the job begins and returns the number its chunks carry as Began: what other commits
// write from now on, they leave alone. Every run that begins has to end, see EndRun.
func (db *DB) BeginRun(ctx context.Context, job int64) (int64, error) {
	if db.readOnly {
		return 0, errReadOnly
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	db.runs.moving.Lock()
	defer db.runs.moving.Unlock()
	db.runs.mu.Lock()
	defer db.runs.mu.Unlock()
	db.runs.commits++
	began := db.runs.commits
	db.runs.active[job] = append(db.runs.active[job], activeRun{began: began})
	return began, nil
}

// EndRun notes that a run has ended, well or not.
func (db *DB) EndRun(job, began int64) {
	oldest, stale := db.runs.end(job, began)
	for stale {
		var n int64
		err := db.transact(context.Background(), func(t *tx) (err error) {
			n, err = t.exec(`DELETE FROM tombstone WHERE job = ?1 AND key IN
				(SELECT key FROM tombstone WHERE job = ?1 AND moved < ?2 LIMIT 5000)`, job, oldest)
			return err
		})
		if err != nil {
			db.log.Warn("tombstones are kept until the next run ends", "job", job, "error", err)
			return
		}
		stale = n > 0
	}
}

// end forgets a run and tells where the oldest one left began, and whether there are tombstones to look at.
func (r *runs) end(job, began int64) (oldest int64, stale bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	others := slices.DeleteFunc(r.active[job], func(run activeRun) bool { return run.began == began })
	if len(others) > 0 {
		r.active[job] = others
		return others[0].began, r.tombstones[job] // in the order in which they began
	}
	oldest = 1<<63 - 1
	delete(r.active, job)
	stale = r.tombstones[job]
	delete(r.tombstones, job)
	return oldest, stale
}

// run is the one of a job that began there, nil where it has ended. The caller holds mu for as long as it looks at it.
func (r *runs) run(job, began int64) *activeRun {
	runs := r.active[job]
	for i := range runs {
		if runs[i].began == began {
			return &runs[i]
		}
	}
	return nil
}

// own notes a commit as made by the run that began there.
func (r *runs) own(job, began, commit int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run := r.run(job, began); run != nil {
		if run.own == nil {
			run.own = make(map[int64]bool)
		}
		run.own[commit] = true
	}
}

// newer reports whether a row that was last written by that commit has moved on since the run began.
func (r *runs) newer(job, began, commit int64) bool {
	if commit <= began {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	run := r.run(job, began)
	return run == nil || !run.own[commit]
}

// others reports whether the job has a run under way besides the one that began there; if so, deletions leave
// tombstones.
func (r *runs) others(job, began int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range r.active[job] {
		if other.began != began {
			if r.tombstones == nil {
				r.tombstones = make(map[int64]bool)
			}
			r.tombstones[job] = true
			return true
		}
	}
	return false
}

// leave notes that the run has left a row alone.
func (r *runs) leave(job, began int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run := r.run(job, began); run != nil {
		run.left = true
	}
}

func (r *runs) left(job, began int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := r.run(job, began)
	return run != nil && run.left
}

func (r *runs) buried(job int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tombstones[job]
}

// pending holds run rows until the next flush: the last of each job.
type pending struct {
	mu   sync.Mutex
	rows map[int64]*runRow
	lazy bool // Run is running and flushes
}

type runRow struct {
	report     bridge.RunReport
	checkpoint bridge.Checkpoint
	set        bool // the checkpoint is to be written
}

func (r *runRow) overlay(state *bridge.JobState) {
	if r == nil {
		return
	}
	state.LastRun = r.report
	if r.set {
		state.Checkpoint = r.checkpoint
	}
}

func (p *pending) snapshot() map[int64]*runRow {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.rows)
}

// some returns up to n rows, and how many others there are.
func (p *pending) some(n int) (rows map[int64]*runRow, left int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rows = make(map[int64]*runRow, min(n, len(p.rows)))
	for job, r := range p.rows {
		if len(rows) == n {
			break
		}
		rows[job] = r
	}
	return rows, len(p.rows) - len(rows)
}

// clearCheckpoint drops a checkpoint that waits to be written, because what is about to be committed goes beyond it.
// Rows are replaced and never changed: a flush under way may be reading them.
func (p *pending) clearCheckpoint(job int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.rows[job]; r != nil && r.set {
		p.rows[job] = &runRow{report: r.report}
	}
}

// RecordRun keeps how the last run of a job went. It is written within a few seconds, together with those of other
// jobs; the last one of a job wins. A checkpoint that is not nil is set with it.
func (db *DB) RecordRun(job int64, report bridge.RunReport, checkpoint *bridge.Checkpoint) {
	row := &runRow{report: report}
	if checkpoint != nil {
		row.checkpoint, row.set = *checkpoint, true
	}
	db.pending.mu.Lock()
	if before := db.pending.rows[job]; before != nil && !row.set {
		row.checkpoint, row.set = before.checkpoint, before.set
	}
	db.pending.rows[job] = row
	lazy := db.pending.lazy
	db.pending.mu.Unlock()
	if lazy {
		return
	}
	if err := db.flushRuns(context.Background()); err != nil {
		db.log.Warn("the last run is not written yet", "job", job, "error", err)
	}
}

// flushRuns writes the queued run rows, in pieces.
func (db *DB) flushRuns(ctx context.Context) error {
	for {
		left := 0
		err := db.transact(ctx, func(t *tx) error {
			var written map[int64]*runRow
			written, left = db.pending.some(1000)
			for number, r := range written {
				if err := t.saveRun(number, r); err != nil {
					return err
				}
			}
			t.after = append(t.after, func() { db.pending.forget(written) })
			return nil
		})
		if err != nil {
			return fmt.Errorf("write last runs: %w", err)
		}
		if left == 0 {
			return nil
		}
	}
}

func (t *tx) saveRun(job int64, r *runRow) error {
	report, err := json.Marshal(r.report)
	if err != nil {
		return err
	}
	if r.set {
		_, err = t.exec("UPDATE run SET report = ?, checkpoint = ? WHERE job = ?", string(report), []byte(r.checkpoint), job)
	} else {
		_, err = t.exec("UPDATE run SET report = ? WHERE job = ?", string(report), job)
	}
	return err
}

func (p *pending) forget(written map[int64]*runRow) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for job, r := range written {
		if p.rows[job] == r {
			delete(p.rows, job)
		}
	}
}

func (p *pending) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.rows) > 0
}

func (p *pending) drop(job int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.rows, job)
}
