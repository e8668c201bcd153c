package sqlite

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/hookbridge/bridge"
)

// A batch takes no more requests once it has held the writer this long. The requests in it are small by themselves: who
// has much to write sends it in pieces.
const (
	batchTime = 20 * time.Millisecond
	batchMax  = 4096
)

// request is one piece of writing. apply may be called again after its first call was rolled back, so it must set what
// it returns anew each time and touch nothing else; what depends on the commit goes into tx.after.
type request struct {
	apply func(*tx) error
	done  chan error
}

// tx is one write transaction: a batch of requests. It keeps what every request would read and write again (the clock,
// jobs, counters of destinations) and writes it once, before COMMIT.
type tx struct {
	*conn
	db    *DB
	now   time.Time
	clock clock
	jobs  map[int64]*job
	dests map[int64]*counts
	lanes lanes
	moved bool // rows of a snapshot are being written: holds db.runs.moving
	after []func()
}

// counts are changes of a destination's counters.
type counts struct {
	backlog, dead int64
	there         bool // it was looked up, and may be delivered to
}

// transact has fn applied within the next batch and returns after its COMMIT. ctx counts until fn is queued, not after:
// whether a commit happened must not depend on who still listens.
func (db *DB) transact(ctx context.Context, fn func(*tx) error) error {
	r := &request{apply: fn, done: make(chan error, 1)}
	if err := db.enqueue(ctx, r); err != nil {
		return err
	}
	return <-r.done
}

func (db *DB) enqueue(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.readOnly {
		return errReadOnly
	}
	db.closing.RLock()
	defer db.closing.RUnlock()
	if db.closed {
		return errClosed
	}
	select {
	case db.queue <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write is the writer goroutine.
func (db *DB) write() {
	defer close(db.done)
	var batch []*request
	for first := range db.queue {
		batch = db.commitBatch(append(batch[:0], first))
		if err := db.wal.grown(db.writer); err != nil {
			db.log.Warn("checkpoint of the store failed; it will be tried again", "error", err)
		}
	}
}

// commitBatch commits the first request together with whatever is queued by then. Where one of several fails, all are
// rolled back and each is committed alone, so that it fails alone.
func (db *DB) commitBatch(batch []*request) []*request {
	t, err := db.begin()
	for i := 0; err == nil; i++ {
		if i == len(batch) {
			if i == batchMax || time.Since(t.now) > batchTime {
				break
			}
			r := db.queued()
			if r == nil {
				break
			}
			batch = append(batch, r)
		}
		err = batch[i].apply(t)
	}
	if err == nil {
		err = t.commit()
	} else {
		t.rollback()
	}
	if err == nil || len(batch) == 1 || db.dead.Load() != nil {
		db.answer(batch, err)
		return batch
	}
	for _, r := range batch {
		r.done <- db.commitOne(r)
	}
	return batch
}

// queued returns the next request that is there already; nil: none.
func (db *DB) queued() *request {
	for range 2 {
		select {
		case r := <-db.queue:
			return r
		default:
			runtime.Gosched() // those who were answered last may be about to ask again
		}
	}
	return nil
}

func (db *DB) commitOne(r *request) error {
	t, err := db.begin()
	if err != nil {
		return err
	}
	if err := r.apply(t); err != nil {
		t.rollback()
		return err
	}
	return t.commit()
}

func (db *DB) answer(batch []*request, err error) {
	for _, r := range batch {
		r.done <- err
	}
	clear(batch)
}

func (db *DB) begin() (*tx, error) {
	t := &tx{
		conn: db.writer, db: db, now: time.Now(), clock: db.clock,
		jobs: make(map[int64]*job), dests: make(map[int64]*counts), lanes: make(lanes),
	}
	if dead := db.dead.Load(); dead != nil {
		return t, *dead
	}
	_, err := t.conn.exec("BEGIN IMMEDIATE")
	return t, err
}

func (t *tx) commit() error {
	err := t.writeBack()
	if err == nil {
		err = t.fault("COMMIT")
	}
	if err == nil {
		_, err = t.conn.exec("COMMIT")
	}
	if err != nil {
		t.rollback()
		return fmt.Errorf("commit: %w", err)
	}
	t.db.clock = t.clock
	t.db.lanes.keep(t.lanes)
	for _, fn := range t.after {
		fn()
	}
	t.release()
	return nil
}

func (t *tx) rollback() {
	if !t.conn.raw.AutoCommit() { // some errors have ended the transaction already
		_, _ = t.conn.exec("ROLLBACK")
	}
	t.release()
}

func (t *tx) release() {
	if t.moved {
		t.moved = false
		t.db.runs.moving.Unlock()
	}
}

func (t *tx) writeBack() error {
	for _, j := range t.jobs {
		if err := j.save(t); err != nil {
			return err
		}
	}
	var change int64
	for number, c := range t.dests {
		if c.backlog == 0 && c.dead == 0 {
			continue
		}
		change += c.backlog
		if _, err := t.exec("UPDATE destination SET backlog = backlog + ?, dead = dead + ? WHERE number = ?",
			c.backlog, c.dead, number); err != nil {
			return err
		}
	}
	t.after = append(t.after, func() { t.db.backlog.Add(change) })
	if t.clock == t.db.clock {
		return nil
	}
	return t.clock.save(t)
}

func (t *tx) count(destination, backlog, dead int64) {
	c := t.counts(destination)
	c.backlog += backlog
	c.dead += dead
}

func (t *tx) counts(destination int64) *counts {
	c := t.dests[destination]
	if c == nil {
		c = new(counts)
		t.dests[destination] = c
	}
	return c
}

// exec and query shadow those of the connection, so that no statement of a transaction escapes the fault points.
func (t *tx) exec(sql string, args ...any) (int64, error) {
	if err := t.fault(sql); err != nil {
		return 0, err
	}
	return t.conn.exec(sql, args...)
}

func (t *tx) fault(point string) error {
	if t.db.fault == nil {
		return nil
	}
	if dead := t.db.dead.Load(); dead != nil {
		return *dead
	}
	err := t.db.fault(brief(point))
	if err != nil {
		err = fmt.Errorf("the store ended at %q: %w", brief(point), err)
		t.db.dead.Store(&err)
	}
	return err
}

// clock holds the last numbers given out.
type clock struct{ commits, events, deliveries, holds, inbounds, intents int64 }

func (k *clock) load(c *conn) error {
	_, err := c.first("SELECT commits, events, deliveries, holds, inbounds, intents FROM clock", func(r row) {
		*k = clock{r.int(0), r.int(1), r.int(2), r.int(3), r.int(4), r.int(5)}
	})
	return err
}

func (k clock) save(t *tx) error {
	_, err := t.exec("UPDATE clock SET commits = ?, events = ?, deliveries = ?, holds = ?, inbounds = ?, intents = ?",
		k.commits, k.events, k.deliveries, k.holds, k.inbounds, k.intents)
	return err
}

func notFound(kind, name string) error {
	return fmt.Errorf("%s %q: %w; see: hookbridge status", kind, name, bridge.ErrNotFound)
}
