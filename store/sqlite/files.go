package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// LockedError means that another process has the store open.
type LockedError struct {
	Path    string
	PID     int // 0: not known
	Since   time.Time
	Command string
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	if e.Command != "" {
		who += " (" + e.Command + ")"
	}
	if !e.Since.IsZero() {
		who += " since " + e.Since.Format(time.RFC3339)
	}
	return fmt.Sprintf("store %s is in use by %s; stop it first, or set another bridge.store", e.Path, who)
}

// takeLock locks the file beside the store. The lock belongs to the open file, so the kernel gives it up with the
// process, however that ends. The file stays: removing it would let two processes lock two files of one name.
func takeLock(path, command string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	if err := flock(f); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, readLock(path, f)
		}
		return nil, fmt.Errorf("lock store %s: %w", path, err)
	}
	text := fmt.Sprintf("%d\n%s\n%s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339), command)
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(text), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock store %s: %w", path, err)
	}
	return f, nil
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// readLock tells who has the lock. Its holder may not have written its name yet: then the holder stays unnamed.
func readLock(path string, f *os.File) error {
	locked := &LockedError{Path: path}
	text, _ := io.ReadAll(io.LimitReader(f, 4096))
	lines := strings.SplitN(string(text), "\n", 4)
	if len(lines) >= 3 {
		locked.PID, _ = strconv.Atoi(lines[0])
		locked.Since, _ = time.Parse(time.RFC3339, lines[1])
		locked.Command = lines[2]
	}
	return locked
}

// refuseVanished refuses to begin a new store where there has been one. A path that was mistyped, a volume that is not
// mounted, a file somebody removed: each would otherwise end in a silent new baseline, and whatever changed meanwhile
// would never be told.
func refuseVanished(path string) error {
	empty, err := emptyFile(path)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if !empty || !exists(path+".marker") {
		return nil
	}
	return fmt.Errorf("open store: %s has vanished, though %s.marker says that it was there; restore a backup, or remove the marker to begin anew", path, path)
}

// vouched compares the marker beside the store with the store. It reports whether there is one, and whether the store is a
// copy that was put here: one that says so itself, or one without a marker, as of a copy made by other means.
func vouched(c *conn, path string) (marked, copied bool, err error) {
	var id string
	var jobs bool
	err = c.query("SELECT name, value, (SELECT count(*) > 1 FROM job) FROM meta WHERE name IN ('id', 'copied')", func(r row) error {
		if jobs = r.int(2) == 1; r.text(0) == "id" {
			id = r.text(1)
		} else {
			copied = true
		}
		return nil
	})
	if err != nil {
		return false, false, err
	}
	marker := path + ".marker"
	text, err := os.ReadFile(marker)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, false, err
	}
	switch strings.TrimSpace(string(text)) {
	case id:
		return true, copied, nil
	case "":
		return false, copied || jobs, nil
	}
	return false, false, fmt.Errorf("this is another store than the one %s was written for; put that one back, or remove the marker to go on with this one", marker)
}

// mark writes the marker beside the store.
func mark(c *conn, path string) error {
	var id string
	if _, err := c.first("SELECT value FROM meta WHERE name = 'id'", func(r row) { id = r.text(0) }); err != nil {
		return err
	}
	return writeFile(path+".marker", id+"\n")
}

// writeFile writes a small file so that it is there whole, also after a power cut, or not at all.
func writeFile(path, text string) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes what was renamed in a folder outlive a power cut.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// createFile makes the database file where there is none, so that SQLite finds it with the right mode and gives the
// same to the files beside it. A file that is there keeps its owner's choice.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// emptyFile reports whether there is no database at path: no file, or an empty one without a WAL.
func emptyFile(path string) (bool, error) {
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if err == nil && info.IsDir() {
			return false, fmt.Errorf("%s is a folder", name)
		}
		if err == nil && info.Size() > 0 {
			return false, nil
		}
	}
	return true, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isCantOpen(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrCantOpen || e.Code == sqlite3.ErrReadonly)
}
