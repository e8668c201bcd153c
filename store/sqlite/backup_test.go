package sqlite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

// restore puts a copy in the place of the store at file, as docs/operations.md tells people to.
func restore(t *testing.T, file, copied string) {
	t.Helper()
	text := must[[]byte](t)(os.ReadFile(copied))
	for _, name := range []string{file + "-wal", file + "-shm"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestABackupHoldsOneMomentOfAStoreInUse(t *testing.T) {
	file := path(t)
	b := setUp(t, open(t, file))
	b.create(false, "1", "2", "3")
	b.settle(bridge.Delivered, b.due(1)...)
	reader := must[*sqlite.DB](t)(sqlite.OpenReadOnly(t.Context(), file))
	defer reader.Close()

	copied := filepath.Join(t.TempDir(), "new folder?%41", "copy.db")
	wrote := false
	err := reader.Backup(t.Context(), copied, func(int, int) {
		if !wrote {
			b.create(false, "4") // while it is being copied
			wrote = true
		}
	})
	if err != nil || !wrote {
		t.Fatal(wrote, err)
	}
	files := must[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(copied)))
	if len(files) != 1 || must[fs.FileInfo](t)(files[0].Info()).Mode().Perm() != 0o600 {
		t.Errorf("a backup left %v", files)
	}
	if err := reader.Backup(t.Context(), copied, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a backup went over another: %v", err)
	}
	held := must[*sqlite.DB](t)(sqlite.OpenReadOnly(t.Context(), copied))
	defer held.Close()
	if state := must[bridge.JobState](t)(held.Job(t.Context(), "orders")); state.Sequence != 3 || state.Records != 3 {
		t.Errorf("the copy has %d events and %d records", state.Sequence, state.Records)
	}
	if problems, err := held.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestABackupThatIsCutShortLeavesNothing(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	b.create(true, "1")
	copied := filepath.Join(t.TempDir(), "copy.db")
	ctx, cancel := context.WithCancelCause(t.Context())
	broken := errors.New("enough")
	if err := b.Backup(ctx, copied, func(int, int) { cancel(broken) }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if files := must[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(copied))); len(files) != 0 {
		t.Errorf("it left %v", files)
	}
	if err := b.Backup(t.Context(), copied, nil); err != nil {
		t.Error(err)
	}
}

func TestARestoredCopyBeginsAnEpoch(t *testing.T) {
	file := path(t)
	db := open(t, file)
	b := setUp(t, db)
	b.create(false, "1", "2")
	checkpoint := bridge.Checkpoint(`"etag"`)
	db.RecordRun(b.job.Number, bridge.RunReport{Outcome: bridge.RunChanged, LastEnded: time.Now()}, &checkpoint)
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := db.Backup(t.Context(), copied, nil); err != nil {
		t.Fatal(err)
	}
	if !db.Epoch().IsZero() {
		t.Errorf("a store that was copied began an epoch at %v", db.Epoch())
	}
	b.create(false, "3", "4", "5") // told, and not in the copy
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	var last bridge.JobState
	for range 2 { // the same copy may be needed twice
		restore(t, file, copied)
		began := time.Now().Truncate(time.Millisecond)
		db = must[*sqlite.DB](t)(sqlite.Open(t.Context(), file, sqlite.Options{}))
		if db.Epoch().Before(began) {
			t.Errorf("the epoch began at %v, which is before %v", db.Epoch(), began)
		}
		b = setUp(t, db)
		if b.job.Checkpoint != nil {
			t.Errorf("the checkpoint %s outlived a restore", b.job.Checkpoint)
		}
		if b.job.Sequence <= last.Sequence || b.job.Sequence < 5 {
			t.Errorf("sequences go on from %d, after %d", b.job.Sequence, last.Sequence)
		}
		b.create(false, "6")
		b.sound()
		last = must[bridge.JobState](t)(db.Job(t.Context(), "orders"))
		epoch := db.Epoch()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = must[*sqlite.DB](t)(sqlite.Open(t.Context(), file, sqlite.Options{}))
		if !db.Epoch().Equal(epoch) {
			t.Errorf("the epoch that began at %v began again at %v", epoch, db.Epoch())
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}

	// Copied by other means: the marker that is missing tells.
	if err := os.Remove(file + ".marker"); err != nil {
		t.Fatal(err)
	}
	b = setUp(t, open(t, file))
	if b.job.Sequence <= last.Sequence {
		t.Errorf("sequences go on from %d, after %d", b.job.Sequence, last.Sequence)
	}
}

func TestACopyBesideTheLogOfAnotherIsRefused(t *testing.T) {
	file := path(t)
	b := setUp(t, open(t, file))
	b.create(true, "1")
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := b.Backup(t.Context(), copied, nil); err != nil {
		t.Fatal(err)
	}
	b.create(true, "2")
	log := must[[]byte](t)(os.ReadFile(file + "-wal"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	restore(t, file, copied)
	if err := os.WriteFile(file+"-wal", log, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), file, sqlite.Options{})
	_, readErr := sqlite.OpenReadOnly(t.Context(), file)
	for _, err := range []error{err, readErr} {
		if err == nil || !strings.Contains(err.Error(), "remove "+file+"-wal") {
			t.Errorf("opened: %v", err)
		}
	}
	if after := must[[]byte](t)(os.ReadFile(file + "-wal")); len(after) != len(log) {
		t.Errorf("the log has %d bytes left of %d", len(after), len(log))
	}
	if err := os.Remove(file + "-wal"); err != nil {
		t.Fatal(err)
	}
	setUp(t, open(t, file)).sound()
}
