// Package sqlite keeps a bridge's state in one SQLite file: snapshots, events, deliveries. One goroutine writes, in
// group commits synced to disk; a few connections read beside it. ../DESIGN.md says what that guarantees and costs.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookbridge/bridge"
)

// Options of Open. The zero value is useful.
type Options struct {
	Logger  *slog.Logger // nil: discards
	Command string       // what this process is, for whoever finds the store locked by it

	// Fault is for tests of crash safety. It is called before every statement of a write transaction and before its
	// COMMIT, with the name of the point. An error ends the store as kill -9 would: the transaction is never
	// committed, nothing else ever is, and the files have to be opened again.
	Fault func(point string) error
	// MaxPages caps the database file, for tests of a full disk. 0: no cap.
	MaxPages int64
}

// DB is a store. Its methods may be called from several goroutines at a time.
type DB struct {
	path     string
	log      *slog.Logger
	fault    func(string) error
	lock     *os.File
	readOnly bool

	writer  *conn // owned by the writer goroutine
	queue   chan *request
	closing sync.RWMutex // write-held by Close; read-held while a request is being queued
	closed  bool
	done    chan struct{} // closed when the writer goroutine has ended
	dead    atomic.Pointer[error]

	readers    pool // for whatever takes its time
	hasty      pool // for what is on the way of a delivery
	readerOpts url.Values

	clock   clock // last numbers given out; owned by the writer goroutine, but for commits
	lanes   lanes
	backlog atomic.Int64
	epoch   time.Time
	runs    runs
	pending pending
	dogs    dogs
	wal     wal
}

// pool holds idle connections for reading. nil stands for one not yet opened; closed, the store is.
type pool chan *conn

const (
	readersMax = 5
	hastyMax   = 2
)

var (
	errReadOnly = errors.New("the store is open for reading only; this needs the daemon, or the store's lock")
	errClosed   = errors.New("the store is closed")
)

// Open opens the store at path and takes its lock, creating or migrating it where needed. The file and everything
// beside it is readable by its owner only. Errors: *LockedError where another process has the store, bridge.ErrFull.
func Open(ctx context.Context, path string, o Options) (_ *DB, err error) {
	db := &DB{path: path, log: o.Logger, fault: o.Fault}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if db.lock, err = takeLock(path, o.Command); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = db.release() // what stood in the way says more
		}
	}()
	if err := refuseVanished(path); err != nil {
		return nil, err
	}
	if err := refuseStrangeWAL(path); err != nil {
		return nil, err
	}
	if err := createFile(path); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db.writer, err = dial(path, url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_busy_timeout": {"5000"}, "_cache_size": {"-32768"},
	})
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err := db.prepare(o.MaxPages); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	db.openReaders(url.Values{"_query_only": {"true"}, "_busy_timeout": {"5000"}, "_cache_size": {"-4096"}})
	db.runs.active = make(map[int64][]activeRun)
	db.pending.rows = make(map[int64]*runRow)
	db.wal.wake = make(chan struct{}, 1)
	db.queue = make(chan *request, 1024)
	db.done = make(chan struct{})
	go db.write()
	if err := db.resumeForgetting(ctx); err != nil {
		_ = db.stop()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return db, nil
}

// prepare brings a store that nobody else has open into the state a new process starts from.
func (db *DB) prepare(maxPages int64) error {
	c := db.writer
	// Checkpoints are made off the commit path, see wal.go.
	if err := c.script(fmt.Sprintf("PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = %d; PRAGMA temp_store = MEMORY", walKeep)); err != nil {
		return err
	}
	if maxPages > 0 {
		if err := c.script("PRAGMA max_page_count = " + strconv.FormatInt(maxPages, 10)); err != nil {
			return err
		}
	}
	if err := migrate(c); err != nil {
		return err
	}
	marked, copied, err := vouched(c, db.path)
	if err != nil {
		return err
	}
	if err := db.beginEpoch(c, copied); err != nil {
		return err
	}
	if !marked { // last: without it, the epoch would be begun again
		if err := mark(c, db.path); err != nil {
			return err
		}
	}
	// Tombstones guard the runs of a process, and those ended with it.
	if n, err := c.number("SELECT count(*) FROM tombstone"); err != nil {
		return err
	} else if n > 0 {
		if _, err := c.exec("DELETE FROM tombstone"); err != nil {
			return err
		}
	}
	if err := db.clock.load(c); err != nil {
		return err
	}
	db.runs.commits = db.clock.commits
	db.lanes = make(lanes)
	if err := db.lanes.load(c); err != nil {
		return err
	}
	backlog, err := c.number("SELECT coalesce(sum(backlog), 0) FROM destination")
	db.backlog.Store(backlog)
	return err
}

// OpenReadOnly opens the store at path for reading, beside a daemon or without one. Methods that write return an
// error. bridge.ErrNotFound where there is no store.
func OpenReadOnly(ctx context.Context, path string) (*DB, error) {
	if err := refuseVanished(path); err != nil {
		return nil, err
	}
	if empty, err := emptyFile(path); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	} else if empty {
		return nil, fmt.Errorf("open store: there is none at %s; it is created by: hookbridge run: %w", path, bridge.ErrNotFound)
	}
	if err := refuseStrangeWAL(path); err != nil {
		return nil, err
	}
	db := &DB{path: path, log: slog.New(slog.DiscardHandler), readOnly: true}
	db.pending.rows = make(map[int64]*runRow)
	options := url.Values{"mode": {"ro"}, "_query_only": {"true"}, "_busy_timeout": {"5000"}}
	db.openReaders(options)
	err := db.read(ctx, currentVersion)
	if err != nil && isCantOpen(err) && !exists(path+"-wal") {
		// The folder cannot be written, so SQLite cannot make the shared memory it reads a WAL database with. There
		// being no WAL, nothing is missed by doing without.
		db.closeReaders()
		options.Set("immutable", "1")
		db.openReaders(options)
		err = db.read(ctx, currentVersion)
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return db, nil
}

// Close ends the writer after everything queued, flushes the run rows, and releases the lock.
func (db *DB) Close() error {
	if !db.readOnly {
		return db.stop()
	}
	db.closing.Lock()
	defer db.closing.Unlock()
	if !db.closed {
		db.closed = true
		db.closeReaders()
	}
	return nil
}

func (db *DB) stop() error {
	flushed := db.flushRuns(context.Background())
	if flushed == nil {
		flushed = db.flushWatchdogs(context.Background())
	}
	if errors.Is(flushed, errClosed) {
		return nil
	}
	db.closing.Lock()
	if db.closed {
		db.closing.Unlock()
		return nil
	}
	db.closed = true
	close(db.queue)
	db.closing.Unlock()
	<-db.done
	db.closeReaders()
	if dead := db.dead.Load(); dead != nil {
		flushed = nil // it died on purpose and has said so
	}
	return errors.Join(flushed, db.release())
}

// release gives back what Open took, in the order that leaves nobody else with half of it.
func (db *DB) release() error {
	var err error
	if db.writer != nil {
		err = db.writer.close() // the last connection: checkpoints and removes the WAL
	}
	if db.lock != nil {
		_ = db.lock.Truncate(0)
		err = errors.Join(err, db.lock.Close())
	}
	return err
}

func (db *DB) openReaders(options url.Values) {
	db.readerOpts = options
	db.readers, db.hasty = make(pool, readersMax), make(pool, hastyMax)
	for range readersMax {
		db.readers <- nil
	}
	for range hastyMax {
		db.hasty <- nil
	}
}

// closeReaders waits for reads under way.
func (db *DB) closeReaders() {
	for _, p := range []pool{db.readers, db.hasty} {
		for range cap(p) {
			if c := <-p; c != nil {
				_ = c.close()
			}
		}
		close(p)
	}
}

// read runs fn on a connection of its own, in one transaction: all it reads is of one moment.
func (db *DB) read(ctx context.Context, fn func(*conn) error) error {
	return db.readFrom(ctx, db.readers, fn)
}

func (db *DB) readFrom(ctx context.Context, p pool, fn func(*conn) error) (err error) {
	var c *conn
	var open bool
	select {
	case c, open = <-p:
		if !open {
			return errClosed
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { p <- c }()
	if c == nil {
		if c, err = dial(db.path, db.readerOpts); err != nil {
			return err
		}
	}
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	defer func() {
		if _, ended := c.exec("COMMIT"); err == nil {
			err = ended
		}
	}()
	return fn(c)
}

// Backlog returns the number of deliveries that are neither delivered nor dead, over all destinations.
func (db *DB) Backlog() int64 { return db.backlog.Load() }

func millis(t time.Time) int64 { return t.UnixMilli() }

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
