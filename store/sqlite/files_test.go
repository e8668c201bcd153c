package sqlite_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"database/sql"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

func TestFilesAreTheOwnersOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new folder?%41", "bridge.db")
	b := setUp(t, open(t, file))
	b.create(false, "1")
	files, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	if err != nil || len(files) < 5 { // database, WAL, shared memory, lock, marker
		t.Fatalf("files %q, error %v", files, err)
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
}

func TestAVanishedStoreIsNotBegunAnew(t *testing.T) {
	file := path(t)
	if err := must[*sqlite.DB](t)(sqlite.Open(t.Context(), file, sqlite.Options{})).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the refusal must not leave anything that lets the second try pass
		if _, err := sqlite.Open(t.Context(), file, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "has vanished") {
			t.Errorf("opened a store that had vanished: %v", err)
		}
	}
	if err := os.Remove(file + ".marker"); err != nil {
		t.Fatal(err)
	}
	open(t, file)
}

func TestAnotherStoreInItsPlaceIsRefused(t *testing.T) {
	file, other := path(t), path(t)
	for _, name := range []string{file, other} {
		if err := must[*sqlite.DB](t)(sqlite.Open(t.Context(), name, sqlite.Options{})).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(other, file); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), file, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "another store") {
		t.Errorf("opened another store under its marker: %v", err)
	}
}

func TestANewerStoreIsRefused(t *testing.T) {
	file := path(t)
	if err := must[*sqlite.DB](t)(sqlite.Open(t.Context(), file, sqlite.Options{})).Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, file, "PRAGMA user_version = 99")
	_, err := sqlite.Open(t.Context(), file, sqlite.Options{})
	_, readErr := sqlite.OpenReadOnly(t.Context(), file)
	for _, err := range []error{err, readErr} {
		if err == nil || !strings.Contains(err.Error(), "newer hookbridge") {
			t.Errorf("opened a store of version 99: %v", err)
		}
	}
}

// execute reaches around the store.
func execute(t testing.TB, file, statement string) {
	t.Helper()
	raw := must[*sql.DB](t)(sql.Open("sqlite3", file))
	defer raw.Close()
	if _, err := raw.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func TestReadingNeedsNoDaemonAndWritesNothing(t *testing.T) {
	ctx := t.Context()
	file := path(t)
	if _, err := sqlite.OpenReadOnly(ctx, file); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("read a store that is not there: %v", err)
	}
	b := setUp(t, must[*sqlite.DB](t)(sqlite.Open(ctx, file, sqlite.Options{})))
	b.create(false, "1", "2")
	left := filepath.Join(t.TempDir(), "bridge.db")
	copyStore(t, file, left) // as kill -9 leaves it: with a WAL, without the memory shared by its readers
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"closed": file, "killed": left} {
		db, err := sqlite.OpenReadOnly(ctx, file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		state := must[bridge.JobState](t)(db.Job(ctx, "orders"))
		rows := 0
		err = db.Index(ctx, state.Number, func(bridge.IndexEntry) error { rows++; return nil })
		if err != nil || rows != 2 {
			t.Errorf("%s: read %d rows, error %v", name, rows, err)
		}
		if _, err := db.Commit(ctx, b.chunk(0)); err == nil {
			t.Errorf("%s: committed to a store opened for reading", name)
		}
		if _, err := db.BeginRun(ctx, state.Number); err == nil {
			t.Errorf("%s: began a run in a store opened for reading", name)
		}
		for range 2 {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestReader is not a test: it is run by the next one in a process of its own, which may not write anywhere near.
func TestReader(t *testing.T) {
	file := os.Getenv("READ_STORE")
	if file == "" {
		t.Skip("run by TestAFolderThatCannotBeWrittenIsReadAllTheSame")
	}
	db, err := sqlite.OpenReadOnly(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // more than there are connections
		if jobs, err := db.Jobs(t.Context()); err != nil || len(jobs) != 1 {
			t.Fatalf("read jobs %v, error %v", jobs, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestAFolderThatCannotBeWrittenIsReadAllTheSame(t *testing.T) {
	file := path(t)
	b := setUp(t, must[*sqlite.DB](t)(sqlite.Open(t.Context(), file, sqlite.Options{})))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "reader")
	text := must[[]byte](t)(os.ReadFile(os.Args[0]))
	if err := errors.Join(os.WriteFile(program, text, 0o755), os.Chmod(file, 0o644), os.Chmod(filepath.Dir(file), 0o555)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Dir(file), 0o755) })
	reader := exec.Command(program, "-test.run=^TestReader$")
	reader.Env, reader.Dir = append(os.Environ(), "READ_STORE="+file), "/"
	if os.Geteuid() == 0 { // root may write anywhere
		if err := os.Chmod(filepath.Dir(filepath.Dir(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		reader.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if out, err := reader.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	db := must[*sqlite.DB](t)(sqlite.Open(t.Context(), path(t), sqlite.Options{}))
	for range 2 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.OpenJob(t.Context(), "orders", "", ""); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("wrote to a closed store: %v", err)
	}
	if _, err := db.Jobs(t.Context()); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("read from a closed store: %v", err)
	}
}

func TestACancelledCallerChangesNothing(t *testing.T) {
	db := open(t, path(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.OpenJob(ctx, "orders", "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want cancelled", err)
	}
	if jobs := must[[]bridge.JobState](t)(db.Jobs(t.Context())); len(jobs) > 0 {
		t.Errorf("jobs %v", jobs)
	}
}

func TestWithoutCgoTheBuildFailsAndSaysWhy(t *testing.T) {
	if testing.Short() {
		t.Skip("builds")
	}
	build := exec.Command("go", "vet", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "hookbridge_needs_cgo__install_gcc") {
		t.Errorf("built without cgo: %v\n%s", err, out)
	}
}

func TestCheckFindsWhatDoesNotFit(t *testing.T) {
	for name, damage := range map[string]struct{ statement, want string }{
		"counter of records":    {"UPDATE job SET records = 7 WHERE name = 'orders'", "counts 7 records"},
		"row without body":      {"DELETE FROM body WHERE id = (SELECT min(id) FROM body)", "has no body"},
		"body without row":      {"INSERT INTO body VALUES (5, x'00')", "has no row"},
		"lost event":            {"DELETE FROM event WHERE sequence = 1", "has told 2 events"},
		"delivery of no event":  {"DELETE FROM event WHERE sequence = 1", "refers to a row of event"},
		"lane without a head":   {"DELETE FROM delivery WHERE state = 1", "nothing is before it"},
		"counter of deliveries": {"UPDATE destination SET backlog = 9", "counts 9 deliveries"},
		"counter of dead":       {"UPDATE destination SET dead = 9", "counts 9 dead"},
		"hold that is not":      {"UPDATE record SET absent = 1, hold = 3", "waits in hold 3"},
		"clock set back":        {"UPDATE clock SET events = 0", "the clock does not know"},
		"attempt too many":      {"INSERT INTO attempt VALUES (1, 4, 0, 0, 0, '', '')", "has an attempt 4"},
		"unknown job":           {"INSERT INTO record (id, key, mark, moved) VALUES (900 << 40, '', zeroblob(40), 0)", "job number 900"},
		"row beyond the last":   {"UPDATE job SET last_row = 1 WHERE name = 'orders'", "beyond its job's last"},
		"mark of another":       {"UPDATE record SET mark = zeroblob(40) WHERE id = (SELECT min(id) FROM record)", "has the mark of row 0000000000000000"},
		"commit to come":        {"UPDATE clock SET commits = 0", "after the last"},
	} {
		t.Run(name, func(t *testing.T) {
			file := path(t)
			b := setUp(t, must[*sqlite.DB](t)(sqlite.Open(t.Context(), file, sqlite.Options{})))
			began := must[int64](t)(b.BeginRun(t.Context(), b.job.Number))
			chunk := b.chunk(began)
			chunk.Puts = []bridge.Put{created("1", "{}"), created("2", "{}")}
			chunk.Puts[1].Event.Key = "1" // in one lane
			must[bridge.Committed](t)(b.Commit(t.Context(), chunk))
			b.sound()
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			execute(t, file, damage.statement)
			problems := must[[]string](t)(open(t, file).Check(t.Context()))
			if !strings.Contains(strings.Join(problems, "\n"), damage.want) {
				t.Errorf("problems %q, want one with %q", problems, damage.want)
			}
		})
	}
}

func TestTheSchemaRefusesWhatCannotBe(t *testing.T) {
	file := path(t)
	b := setUp(t, must[*sqlite.DB](t)(sqlite.Open(t.Context(), file, sqlite.Options{})))
	b.create(false, "1")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	raw := must[*sql.DB](t)(sql.Open("sqlite3", file))
	defer raw.Close()
	for _, statement := range []string{
		"UPDATE delivery SET due = NULL",
		"UPDATE delivery SET state = 2",
		"UPDATE delivery SET state = 4, due = NULL",
		"UPDATE delivery SET state = 0, due = NULL",
		"UPDATE delivery SET lane = 5",
		"UPDATE delivery SET lane = 0, hash = NULL",
		"UPDATE delivery SET tries = 1",
		"INSERT INTO delivery SELECT 2, 9, destination, hash, lane, state, due, ended, changed, tries, made, replay, format, version FROM delivery",
		"INSERT INTO delivery SELECT 2, event, destination, NULL, 2, state, due, ended, changed, tries, made, replay, format, version FROM delivery",
		"UPDATE event SET sequence = 0",
		"UPDATE event SET id = x'00'",
		"UPDATE record SET hold = 1",
		"UPDATE record SET absent = -2",
		"INSERT INTO record (id, key, mark, moved) SELECT id + 1, key, mark, 0 FROM record",
		"UPDATE record SET mark = zeroblob(39)",
		"UPDATE destination SET backlog = -1",
	} {
		if _, err := raw.Exec(statement); err == nil {
			t.Errorf("taken: %s", statement)
		}
	}
}
