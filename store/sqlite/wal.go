package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"
)

// A passive checkpoint copies the WAL into the database beside the writer, but the WAL begins anew only once everything
// is copied, which a busy writer never lets happen. So the writer copies the rest itself as soon as that is little; and
// beyond walCut however much it is, or a WAL of hundreds of megabytes would be the price. All in pages of 4 KiB.
const (
	walPassive = 1024
	walRest    = 256
	walCut     = 8192
	walStep    = 1024
	walWait    = 20 // ms that readers still at an old page are waited for

	// What the file may keep once the WAL has begun anew: overwriting is cheaper than growing again.
	walKeep = walCut * 4096
)

type wal struct {
	lazy  atomic.Bool   // Run is running and makes passive checkpoints
	wake  chan struct{} // of one: the WAL has grown
	retry int64         // size to try again at, a reader having been in the way; owned by the writer goroutine
}

// grown is called by the writer goroutine after every batch.
func (w *wal) grown(c *conn) error {
	var busy, pages, copied int64
	if _, err := c.first("PRAGMA wal_checkpoint(NOOP)", func(r row) { pages, copied = r.int(1), r.int(2) }); err != nil {
		return err
	}
	if pages < walPassive {
		w.retry = 0
		return nil
	}
	lazy := w.lazy.Load()
	if lazy {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	if pages < w.retry || lazy && pages < walCut && pages-copied > walRest {
		return nil
	}
	err := c.script(fmt.Sprintf("PRAGMA busy_timeout = %d", walWait))
	if err == nil {
		_, err = c.first("PRAGMA wal_checkpoint(RESTART)", func(r row) { busy = r.int(0) })
	}
	if busy != 0 || err != nil {
		w.retry = pages + walStep
	}
	if restored := c.script("PRAGMA busy_timeout = 5000"); err == nil {
		err = restored
	}
	return err
}

// flushEvery is how long what is batched may wait. Under ten thousand jobs that find nothing it is the writer's only work.
const flushEvery = 3 * time.Second

// Run writes what can wait and checkpoints the WAL, until ctx ends. A store works without it; run rows are then written
// one by one, and it is the writer that checkpoints.
func (db *DB) Run(ctx context.Context) error {
	if db.readOnly {
		return errReadOnly
	}
	checkpoints, err := dial(db.path, url.Values{"_synchronous": {"FULL"}})
	if err != nil {
		return fmt.Errorf("run store: %w", err)
	}
	defer checkpoints.close()
	db.setLazy(true)
	defer db.setLazy(false)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	copying := trouble{log: db.log, begins: "checkpoint of the store failed; it will be tried again", ends: "checkpoints of the store are made again"}
	runs := trouble{log: db.log, begins: "last runs are not written yet; they will be tried again", ends: "last runs are written again"}
	dogs := trouble{log: db.log, begins: "what watchdogs remember is not written yet; it will be tried again", ends: "what watchdogs remember is written again"}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-db.wal.wake:
			_, err := checkpoints.number("PRAGMA wal_checkpoint(PASSIVE)")
			copying.note(err)
		case <-tick.C:
			if db.pending.any() {
				runs.note(db.flushRuns(context.WithoutCancel(ctx)))
			}
			dogs.note(db.flushWatchdogs(context.WithoutCancel(ctx)))
		}
	}
}

// trouble is what fails again and again while its cause lasts: said when it begins and when it is over.
type trouble struct {
	log          *slog.Logger
	begins, ends string
	lasts        bool
}

func (t *trouble) note(err error) {
	switch {
	case err != nil && !t.lasts:
		t.log.Warn(t.begins, "error", err)
	case err == nil && t.lasts:
		t.log.Info(t.ends)
	}
	t.lasts = err != nil
}

func (db *DB) setLazy(lazy bool) {
	db.pending.mu.Lock()
	db.pending.lazy = lazy
	db.pending.mu.Unlock()
	db.dogs.mu.Lock()
	db.dogs.lazy = lazy
	db.dogs.mu.Unlock()
	db.wal.lazy.Store(lazy)
}
