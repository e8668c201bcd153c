package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// backupStep is how many pages are copied between two looks at the context.
const backupStep = 1024

// Backup writes a consistent copy of the store to a new file at path, beside whatever else goes on: one file without a WAL,
// readable by its owner only, there whole or not at all. It is marked as a copy, so that a store it is restored to begins a
// new epoch. progress, unless nil, is called with the pages that are left and those there are. Errors: fs.ErrExist,
// bridge.ErrFull.
func (db *DB) Backup(ctx context.Context, path string, progress func(left, pages int)) error {
	if exists(path) {
		return fmt.Errorf("write backup: %s: %w; name another file, or remove that one", path, fs.ErrExist)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	half := path + ".new"
	for _, name := range []string{half, half + "-wal", half + "-shm", half + "-journal"} { // of one that was cut short
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("write backup: %w", err)
		}
	}
	err := createFile(half)
	if err == nil {
		// One read transaction for all of it: a writer does not make the copy begin again.
		err = db.read(ctx, func(from *conn) error { return from.copyTo(ctx, half, progress) })
	}
	if err == nil {
		err = os.Rename(half, path)
	}
	if err != nil {
		_ = os.Remove(half)
		return fmt.Errorf("write backup %s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

// copyTo copies what the connection's transaction sees to the empty file at path.
func (c *conn) copyTo(ctx context.Context, path string, progress func(left, pages int)) (err error) {
	if _, err := c.number("SELECT count(*) FROM meta"); err != nil { // from now on the transaction sees one moment
		return err
	}
	to, err := dial(path, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	backup, err := to.raw.Backup("main", c.raw, "main")
	if err != nil {
		return explain(err)
	}
	for done := false; !done && err == nil; {
		if done, err = backup.Step(backupStep); err == nil {
			err = context.Cause(ctx)
		}
		if progress != nil {
			progress(backup.Remaining(), backup.PageCount())
		}
	}
	if err = errors.Join(explain(err), backup.Finish()); err != nil {
		return err
	}
	// No WAL: a copy is one file, and told by that from a database that was in use.
	if err := to.script("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL"); err != nil {
		return err
	}
	if _, err := to.exec("INSERT OR REPLACE INTO meta VALUES ('copied', ?)", time.Now().UTC().Format(time.RFC3339)); err != nil {
		return err
	}
	return to.query("PRAGMA quick_check", func(r row) error {
		if text := r.text(0); text != "ok" {
			return fmt.Errorf("the store is damaged: %s; see: hookbridge status --deep", text)
		}
		return context.Cause(ctx)
	})
}

// Epoch is when the store's epoch began: the time at which it was first opened after it had been restored from a copy. What
// was told after the copy had been made is not in it. Zero: it never was restored.
func (db *DB) Epoch() time.Time { return db.epoch }

// beginEpoch begins a new epoch where the store is a copy that was put here. What jobs remember of their sources' answers
// goes, because the snapshot is older than it may be, and sequences go on from the time, which is beyond whatever was told
// since the copy was made, as long as a job tells less than a thousand events a second over its life: a receiver that
// ignores what is older than what it has would otherwise ignore what is new.
func (db *DB) beginEpoch(c *conn, copied bool) error {
	if copied {
		now := time.Now()
		if err := c.script(fmt.Sprintf(`BEGIN IMMEDIATE;
			UPDATE job SET pruned = pruned + max(0, %[1]d - sequence), sequence = max(sequence, %[1]d);
			UPDATE run SET checkpoint = NULL;
			DELETE FROM meta WHERE name = 'copied';
			INSERT OR REPLACE INTO meta VALUES ('epoch', '%[1]d');
			COMMIT`, millis(now))); err != nil {
			if !c.raw.AutoCommit() {
				_ = c.script("ROLLBACK")
			}
			return fmt.Errorf("begin an epoch: %w", err)
		}
		db.log.Warn("the store was restored from a copy: sequences go on from the time, and every job is compared with its whole source")
	}
	began, err := c.number("SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE name = 'epoch'")
	db.epoch = moment(began)
	return err
}

// refuseStrangeWAL refuses a copy that lies beside the WAL of the database it replaced, of which SQLite would believe that
// it is the copy's own. The two bytes in the header that say how a database is written are 2 with a WAL.
func refuseStrangeWAL(path string) error {
	wal, err := os.Stat(path + "-wal")
	if err != nil || wal.Size() == 0 {
		return nil //nolint:nilerr // no WAL is no fault
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, 20)
	if _, err := f.ReadAt(header, 0); err != nil || header[18] != 1 {
		return nil //nolint:nilerr // what is no database is found out by SQLite
	}
	return fmt.Errorf("open store: %s is a copy that was put beside the write-ahead log of another; remove %[1]s-wal and %[1]s-shm, then start again", path)
}
