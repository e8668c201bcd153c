package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/hookbridge/bridge"
)

// quarantineMax bounds what is kept of a source gone bad; the run's report has the full count.
const quarantineMax = 1000

// Commit applies a chunk of a run: rows, events and deliveries together, on disk when it returns. Rows that something
// else has moved on since chunk.Began are left alone, and their events not told (P8). The ID, Sequence and Time of the
// events told are written back. Errors: bridge.ErrNotFound where the job is gone, bridge.ErrFull; either way nothing
// of the chunk was applied.
func (db *DB) Commit(ctx context.Context, chunk *bridge.Chunk) (bridge.Committed, error) {
	if chunk.First || chunk.Finish != nil {
		db.pending.clearCheckpoint(chunk.Job)
	}
	var done bridge.Committed
	var start time.Time
	err := db.transact(ctx, func(t *tx) error {
		start = time.Now()
		var err error
		done, err = t.applyChunk(chunk)
		return err
	})
	if err != nil {
		return bridge.Committed{}, fmt.Errorf("commit chunk of job %d: %w", chunk.Job, err)
	}
	done.Took = time.Since(start)
	return done, nil
}

func (t *tx) applyChunk(chunk *bridge.Chunk) (bridge.Committed, error) {
	done := bridge.Committed{IDs: make([]int64, len(chunk.Puts)), Gone: make([]bool, len(chunk.Deletes))}
	j, err := t.job(chunk.Job)
	if err != nil {
		return done, err
	}
	w := chunkWriter{tx: t, job: j, chunk: chunk, done: &done, commit: t.nextCommit(), teller: teller{tx: t, job: j, targets: chunk.Targets}}
	if err := w.apply(); err != nil {
		return done, err
	}
	done.Told, done.Sequence, done.Number, done.Left = w.told, j.sequence, w.commit, w.left
	return done, nil
}

// nextCommit gives the chunk its number. From here on until the end of the transaction no run begins.
func (t *tx) nextCommit() int64 {
	r := &t.db.runs
	if !t.moved {
		t.moved = true
		r.moving.Lock()
	}
	r.commits++
	t.clock.commits = r.commits
	return r.commits
}

type chunkWriter struct {
	*tx
	job    *job
	chunk  *bridge.Chunk
	done   *bridge.Committed
	commit int64
	left   bool // a row was left alone
	teller
}

func (w *chunkWriter) apply() error {
	w.db.runs.own(w.job.number, w.chunk.Began, w.commit)
	if w.chunk.First {
		if err := w.first(); err != nil {
			return err
		}
	}
	for i := range w.chunk.Puts {
		put := &w.chunk.Puts[i]
		id, err := w.put(put)
		if err != nil {
			return err
		}
		w.done.IDs[i] = id
		if id != 0 && put.Event != nil {
			if err := w.tell(put.Event); err != nil {
				return err
			}
		}
	}
	if err := w.absences(); err != nil {
		return err
	}
	if err := w.deletes(); err != nil {
		return err
	}
	if w.left {
		w.db.runs.leave(w.job.number, w.chunk.Began)
	} else if w.chunk.Intent != 0 {
		if err := w.endIntent(w.chunk.Intent, applied, ""); err != nil {
			return err
		}
	}
	if w.chunk.Finish != nil {
		return w.finish()
	}
	return nil
}

func (w *chunkWriter) first() error {
	if w.job.identity == "" && w.chunk.Identity != "" {
		w.job.identity, w.job.changed = w.chunk.Identity, true
	}
	_, err := w.exec("UPDATE run SET checkpoint = NULL WHERE job = ? AND checkpoint IS NOT NULL", w.job.number)
	return err
}

// check refuses an id that is not of this job: a mix-up must not reach another job's rows.
func (w *chunkWriter) check(id int64) error {
	if from, to := span(w.job.number); id < from || id >= to {
		return fmt.Errorf("row %d is not of job %q", id, w.job.name)
	}
	return nil
}

func (w *chunkWriter) put(p *bridge.Put) (int64, error) {
	if p.Entry.ID == 0 {
		return w.create(p)
	}
	if err := w.check(p.Entry.ID); err != nil {
		return 0, err
	}
	e := p.Entry
	mark := markOf(e, e.ID, w.chunk.RulesNumber)
	if p.Body == nil { // the row itself does not move, so its number stays
		ok, err := w.untouched(e.ID, func(until int64) (int64, error) {
			return w.exec("UPDATE record SET mark = ? WHERE id = ? AND moved <= ?", mark, e.ID, until)
		})
		return idIf(ok, e.ID), err
	}
	ok, err := w.untouched(e.ID, func(until int64) (int64, error) {
		return w.exec("UPDATE record SET mark = ?, moved = ? WHERE id = ? AND moved <= ?", mark, w.commit, e.ID, until)
	})
	if err != nil || !ok {
		return 0, err
	}
	_, err = w.exec("UPDATE body SET body = ? WHERE id = ?", p.Body, e.ID)
	return e.ID, err
}

func idIf(ok bool, id int64) int64 {
	if ok {
		return id
	}
	return 0
}

// untouched runs a statement on a row unless the row has moved on since the run began. The statement is given the
// number of the last commit it may overwrite, and returns how many rows it changed; hardly ever is a second look needed.
func (w *chunkWriter) untouched(id int64, statement func(until int64) (int64, error)) (bool, error) {
	n, err := statement(w.chunk.Began)
	if err != nil || n > 0 {
		return n > 0, err
	}
	var moved int64
	found, err := w.tx.first("SELECT moved FROM record WHERE id = ?", func(r row) { moved = r.int(0) }, id)
	if err != nil || !found || w.db.runs.newer(w.job.number, w.chunk.Began, moved) {
		w.left = true
		return false, err
	}
	n, err = statement(moved)
	return n > 0, err
}

func (w *chunkWriter) create(p *bridge.Put) (int64, error) {
	if w.db.runs.buried(w.job.number) {
		moved, err := w.number("SELECT moved FROM tombstone WHERE job = ? AND key = ?", w.job.number, p.Key)
		if err != nil || w.db.runs.newer(w.job.number, w.chunk.Began, moved) {
			w.left = true
			return 0, err
		}
	}
	from, to := span(w.job.number)
	id := from + w.job.lastRow + 1
	if id >= to {
		return 0, fmt.Errorf("job %q has used up its row numbers; start anew with: hookbridge forget job.%s", w.job.name, w.job.name)
	}
	n, err := w.exec("INSERT INTO record (id, key, mark, moved) VALUES (?, ?, ?, ?) ON CONFLICT (job, key) DO NOTHING",
		id, p.Key, markOf(p.Entry, id, w.chunk.RulesNumber), w.commit)
	if err != nil || n == 0 { // somebody else has created it
		w.left = true
		return 0, err
	}
	body := p.Body
	if body == nil {
		body = []byte{}
	}
	if _, err := w.exec("INSERT INTO body VALUES (?, ?)", id, body); err != nil {
		return 0, err
	}
	w.job.lastRow++
	w.job.records++
	w.job.changed = true
	return id, nil
}

func (w *chunkWriter) deletes() error {
	bury := len(w.chunk.Deletes) > 0 && w.db.runs.others(w.job.number, w.chunk.Began)
	for i := range w.chunk.Deletes {
		d := &w.chunk.Deletes[i]
		if err := w.check(d.ID); err != nil {
			return err
		}
		ok, err := w.untouched(d.ID, func(until int64) (int64, error) {
			return w.exec("DELETE FROM record WHERE id = ? AND moved <= ?", d.ID, until)
		})
		if err != nil {
			return err
		}
		w.done.Gone[i] = ok
		if !ok {
			continue
		}
		if _, err := w.exec("DELETE FROM body WHERE id = ?", d.ID); err != nil {
			return err
		}
		if bury {
			if _, err := w.exec("INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?)", w.job.number, d.Key, w.commit); err != nil {
				return err
			}
		}
		w.job.records--
		w.job.changed = true
		if d.Event != nil {
			if err := w.tell(d.Event); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *chunkWriter) absences() error {
	var open int64 // the job's hold, once asked for
	for _, a := range w.chunk.Absences {
		if err := w.check(a.ID); err != nil {
			return err
		}
		hold, stable := a.Hold, a.Stable
		if a.Scans <= 0 {
			hold, stable = 0, 0
		}
		if hold < 0 {
			if open == 0 {
				var err error
				if open, err = w.openHold(); err != nil {
					return err
				}
			}
			hold = open
		}
		_, err := w.untouched(a.ID, func(until int64) (int64, error) {
			return w.exec("UPDATE record SET absent = ?, stable = ?, hold = ?, moved = ? WHERE id = ? AND moved <= ?",
				a.Scans, stable, hold, w.commit, a.ID, until)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// openHold returns the job's hold. One that nobody waits in any more is over: what is held now is another matter, with
// an id of its own.
func (w *chunkWriter) openHold() (int64, error) {
	if err := w.endHold(); err != nil {
		return 0, err
	}
	id, err := w.number("SELECT id FROM hold WHERE job = ?", w.job.number)
	if err != nil {
		return 0, err
	}
	if id != 0 {
		_, err = w.exec("UPDATE hold SET total = ? WHERE id = ?", w.job.records, id)
		return id, err
	}
	w.clock.holds++
	_, err = w.exec("INSERT INTO hold VALUES (?, ?, ?, ?)", w.clock.holds, w.job.number, millis(w.now), w.job.records)
	return w.clock.holds, err
}

func (w *chunkWriter) endHold() error {
	_, err := w.exec(`DELETE FROM hold WHERE job = ? AND NOT EXISTS
		(SELECT 1 FROM record WHERE record.job = hold.job AND record.hold = hold.id AND absent <> 0)`, w.job.number)
	return err
}

func (w *chunkWriter) finish() error {
	f := w.chunk.Finish
	checkpoint := []byte(f.Checkpoint)
	// The rules were edited under the run: what it proved, it proved under the rules before.
	edited := w.chunk.RulesNumber != w.job.rulesNumber
	if edited || w.left || w.db.runs.left(w.job.number, w.chunk.Began) {
		checkpoint = nil // rows were left alone, in this chunk or before: nothing may be taken as unchanged (P8)
	}
	if f.Complete {
		w.job.identity = w.chunk.Identity
		if !edited {
			w.job.oldRules = w.job.rules
		}
	}
	w.job.baselined, w.job.empty, w.job.changed = f.Baselined, f.Empty, true
	if _, err := w.exec("UPDATE run SET checkpoint = ? WHERE job = ?", checkpoint, w.job.number); err != nil {
		return err
	}
	if err := w.endHold(); err != nil {
		return err
	}
	if _, err := w.exec("DELETE FROM quarantine WHERE job = ?", w.job.number); err != nil {
		return err
	}
	for n, q := range w.chunk.Quarantine[:min(len(w.chunk.Quarantine), quarantineMax)] {
		if _, err := w.exec("INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?)",
			w.job.number, n+1, q.Key, q.Page, q.Item, q.Reason, q.Body); err != nil {
			return err
		}
	}
	return nil
}
