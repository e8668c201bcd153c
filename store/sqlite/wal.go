package sqlite

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"time"
)

// A passive checkpoint copies the WAL into the database beside the writer, but cannot make it shorter while the writer
// appends. So beyond walCut the writer itself does, with little left to copy by then. A reader that is still at it makes
// it wait a moment, and then try again after walStep more.
const (
	walPassive = 4 << 20
	walCut     = 32 << 20
	walStep    = 4 << 20
	walWait    = 20 * time.Millisecond
)

type wal struct {
	path  string
	lazy  atomic.Bool   // Run is running and makes passive checkpoints
	wake  chan struct{} // of one: the WAL has grown
	retry int64         // size to try again at, a reader having been in the way; owned by the writer goroutine
}

// grown is called by the writer goroutine after every batch.
func (w *wal) grown(c *conn) error {
	info, err := os.Stat(w.path)
	if err != nil || info.Size() < walPassive {
		return nil
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	size, cut := info.Size(), int64(walPassive)
	if w.lazy.Load() {
		cut = walCut
	}
	if size < max(cut, w.retry) {
		return nil
	}
	var busy int64
	err = c.script(fmt.Sprintf("PRAGMA busy_timeout = %d", walWait.Milliseconds()))
	if err == nil {
		_, err = c.first("PRAGMA wal_checkpoint(TRUNCATE)", func(r row) { busy = r.int(0) })
	}
	w.retry = 0
	if busy != 0 || err != nil {
		w.retry = size + walStep
	}
	if restored := c.script("PRAGMA busy_timeout = 5000"); err == nil {
		err = restored
	}
	return err
}

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
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-db.wal.wake:
			if _, err := checkpoints.number("PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
				db.log.Warn("checkpoint of the store failed; it will be tried again", "error", err)
			}
		case <-tick.C:
			if !db.pending.any() {
				continue
			}
			if err := db.flushRuns(context.WithoutCancel(ctx)); err != nil {
				db.log.Warn("last runs are not written yet", "error", err)
			}
		}
	}
}

func (db *DB) setLazy(lazy bool) {
	db.pending.mu.Lock()
	db.pending.lazy = lazy
	db.pending.mu.Unlock()
	db.wal.lazy.Store(lazy)
}
