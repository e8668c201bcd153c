package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hookbridge/bridge"
)

// dogs holds what watchdogs remember until the next flush: the last of each job.
type dogs struct {
	mu     sync.Mutex
	states map[int64][]byte
	lazy   bool // Run is running and flushes
}

func (d *dogs) snapshot() map[int64][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.states)
}

// set replaces and never changes a state: a flush under way may be reading it.
func (d *dogs) set(job int64, state []byte) (lazy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.states == nil {
		d.states = make(map[int64][]byte)
	}
	d.states[job] = bytes.Clone(state)
	return d.lazy
}

func (d *dogs) forget(written map[int64][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for job, state := range written {
		if bytes.Equal(d.states[job], state) {
			delete(d.states, job)
		}
	}
}

func (d *dogs) drop(job int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.states, job)
}

// SaveWatchdog keeps what the watchdog of a job remembers. It is written within a few seconds, together with those of
// other jobs; the last one of a job wins.
func (db *DB) SaveWatchdog(job int64, state []byte) {
	if db.dogs.set(job, state) {
		return
	}
	if err := db.flushWatchdogs(context.Background()); err != nil {
		db.log.Warn("what a watchdog remembers is not written yet", "job", job, "error", err)
	}
}

// Watchdog returns what was saved last; nil where nothing was.
func (db *DB) Watchdog(ctx context.Context, job int64) (state []byte, err error) {
	queued, waits := db.dogs.snapshot()[job] // before the table: what is no longer queued has been written
	if waits {
		return queued, nil
	}
	err = db.read(ctx, func(c *conn) error {
		_, err := c.first("SELECT state FROM watchdog WHERE job = ?", func(r row) { state = r.blob(0) }, job)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read watchdog of job %d: %w", job, err)
	}
	return state, nil
}

// flushWatchdogs writes the queued states, in pieces.
func (db *DB) flushWatchdogs(ctx context.Context) error {
	for left := len(db.dogs.snapshot()); left > 0; {
		err := db.transact(ctx, func(t *tx) error {
			queued := db.dogs.snapshot() // now, because a transition may just have gone beyond what was queued
			written := make(map[int64][]byte)
			for job, state := range queued {
				if len(written) == 100 {
					break
				}
				if err := t.saveWatchdog(job, state); err != nil {
					return err
				}
				written[job] = state
			}
			left = len(queued) - len(written)
			t.after = append(t.after, func() { db.dogs.forget(written) })
			return nil
		})
		if err != nil {
			return fmt.Errorf("write watchdogs: %w", err)
		}
	}
	return nil
}

// saveWatchdog passes over a job that is gone.
func (t *tx) saveWatchdog(job int64, state []byte) error {
	_, err := t.exec(`INSERT INTO watchdog (job, state) SELECT number, ?1 FROM job WHERE number = ?2 AND name IS NOT NULL
		ON CONFLICT (job) DO UPDATE SET state = excluded.state`, blob(state), job)
	return err
}

// RecordTransitions writes what a watchdog has come to believe, with what it remembers from then on, and tells it where
// event is not nil, all in one commit: a change of state is never told and forgotten, or the other way round.
func (db *DB) RecordTransitions(ctx context.Context, job int64, state []byte, transitions []bridge.Transition, event *bridge.Event, targets []bridge.Target) error {
	err := db.transact(ctx, func(t *tx) error {
		if _, err := t.job(job); err != nil {
			return err
		}
		db.dogs.drop(job) // what waits is older
		if err := t.saveWatchdog(job, state); err != nil {
			return err
		}
		for _, tr := range transitions {
			if _, err := t.exec("INSERT INTO transition (job, at, before, after, why, missed) VALUES (?, ?, ?, ?, ?, ?)",
				job, millis(tr.At), tr.From, tr.To, tr.Why, tr.Missed); err != nil {
				return err
			}
		}
		if event == nil {
			return nil
		}
		own, err := t.job(0)
		if err != nil {
			return err
		}
		w := teller{tx: t, job: own, targets: targets}
		return w.tell(event)
	})
	if err != nil {
		return fmt.Errorf("record transitions of job %d: %w", job, err)
	}
	return nil
}

// Transitions returns the newest limit of a job's, newest last; 0: 100.
func (db *DB) Transitions(ctx context.Context, job int64, limit int) ([]bridge.Transition, error) {
	if limit <= 0 {
		limit = queryLimit
	}
	var found []bridge.Transition
	err := db.read(ctx, func(c *conn) error {
		found = nil
		return c.query("SELECT at, before, after, why, missed FROM transition WHERE job = ? ORDER BY id DESC LIMIT ?", func(r row) error {
			found = append(found, bridge.Transition{At: moment(r.int(0)), From: r.text(1), To: r.text(2), Why: r.text(3), Missed: r.int(4)})
			return nil
		}, job, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("read transitions of job %d: %w", job, err)
	}
	slices.Reverse(found)
	return found, nil
}
