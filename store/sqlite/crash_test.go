package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

// bench is a store with one job and one destination.
type bench struct {
	*sqlite.DB
	t       testing.TB
	job     bridge.JobState
	dest    bridge.DestinationInfo
	targets []bridge.Target
}

func setUp(t testing.TB, db *sqlite.DB) *bench {
	t.Helper()
	b := &bench{DB: db, t: t}
	b.job = must[bridge.JobState](t)(db.OpenJob(t.Context(), "orders", "digest", "rules"))
	b.dest = must[bridge.DestinationInfo](t)(db.OpenDestination(t.Context(), "crm"))
	b.targets = []bridge.Target{{Destination: b.dest.Number, Format: "standard", FormatVersion: 1, Ordered: true}}
	return b
}

// create commits new records in a run of its own, silently where quiet.
func (b *bench) create(quiet bool, keys ...string) []int64 {
	b.t.Helper()
	began := must[int64](b.t)(b.BeginRun(b.t.Context(), b.job.Number))
	defer b.EndRun(b.job.Number, began)
	chunk := b.chunk(began)
	for _, key := range keys {
		put := created(key, `{"id":"`+key+`"}`)
		if quiet {
			put.Event = nil
		}
		chunk.Puts = append(chunk.Puts, put)
	}
	return must[bridge.Committed](b.t)(b.Commit(b.t.Context(), chunk)).IDs
}

func (b *bench) chunk(began int64) *bridge.Chunk {
	return &bridge.Chunk{Job: b.job.Number, Began: began, RulesNumber: b.job.RulesNumber, Targets: b.targets}
}

func (b *bench) due(limit int) []bridge.Delivery {
	b.t.Helper()
	due, _, err := b.Due(b.t.Context(), b.dest.Number, time.Now().Add(time.Hour), limit, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return due
}

func (b *bench) settle(verdict bridge.Verdict, deliveries ...bridge.Delivery) {
	b.t.Helper()
	var batch []bridge.Settlement
	for _, d := range deliveries {
		batch = append(batch, bridge.Settlement{Delivery: d.ID, Destination: d.Destination, Verdict: verdict,
			RetryAt: time.Now(), Attempt: bridge.Attempt{At: time.Now(), Status: 200}})
	}
	if err := b.Settle(b.t.Context(), batch); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) sound() {
	b.t.Helper()
	problems, err := b.Check(b.t.Context())
	if err != nil || len(problems) > 0 {
		b.t.Errorf("the store has problems %q, error %v", problems, err)
	}
}

// A copy of the files taken at any statement is what a power cut at that statement leaves: the chunk is in it whole or
// not at all, and the chunk before it is there.
func TestAPowerCutAtAnyStatementLeavesWholeChunks(t *testing.T) {
	dir := t.TempDir()
	live := filepath.Join(dir, "live", "bridge.db")
	armed, taken := false, 0
	db, err := sqlite.Open(t.Context(), live, sqlite.Options{Fault: func(point string) error {
		if armed {
			taken++
			copyStore(t, live, filepath.Join(dir, fmt.Sprint(taken), "bridge.db"))
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b := setUp(t, db)
	b.create(false, "1", "2")
	armed = true
	b.create(false, "3", "4", "5")
	armed = false
	if taken < 10 {
		t.Fatalf("only %d points in a commit", taken)
	}
	for n := 1; n <= taken; n++ {
		cut := open(t, filepath.Join(dir, fmt.Sprint(n), "bridge.db"))
		b := &bench{DB: cut, t: t, dest: b.dest}
		b.sound()
		events := must[[]bridge.EventRow](t)(cut.Events(t.Context(), bridge.EventQuery{}))
		state := must[bridge.JobState](t)(cut.Job(t.Context(), "orders"))
		if len(events) != 2 || state.Records != 2 || state.Sequence != 2 || len(b.due(10)) != 2 || cut.Backlog() != 2 {
			t.Errorf("cut %d: %d events, %d records, sequence %d", n, len(events), state.Records, state.Sequence)
		}
	}
	if got := must[bridge.JobState](t)(db.Job(t.Context(), "orders")).Records; got != 5 {
		t.Errorf("%d records where nothing was cut, want 5", got)
	}
}

func copyStore(t testing.TB, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Error(err)
	}
	for _, end := range []string{"", "-wal", ".marker"} {
		text, err := os.ReadFile(from + end)
		if err == nil {
			err = os.WriteFile(to+end, text, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func TestAFullDiskChangesNothingAndPasses(t *testing.T) {
	file := path(t)
	db, err := sqlite.Open(t.Context(), file, sqlite.Options{MaxPages: 120})
	if err != nil {
		t.Fatal(err)
	}
	b := setUp(t, db)
	b.create(false, "1")
	big := strings.Repeat("x", 8<<10)
	var before bridge.JobState
	for n := 0; ; n++ {
		before = must[bridge.JobState](t)(db.Job(t.Context(), "orders"))
		began := must[int64](t)(db.BeginRun(t.Context(), b.job.Number))
		chunk := b.chunk(began)
		for i := range 4 {
			chunk.Puts = append(chunk.Puts, created(fmt.Sprint("big", n, i), big))
		}
		_, err := db.Commit(t.Context(), chunk)
		db.EndRun(b.job.Number, began)
		if errors.Is(err, bridge.ErrFull) {
			break
		}
		if err != nil || n > 100 {
			t.Fatalf("commit %d: %v, want bridge.ErrFull in the end", n, err)
		}
	}
	after := must[bridge.JobState](t)(db.Job(t.Context(), "orders"))
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("a commit without space changed the job (-before +after):\n%s", diff)
	}
	b.sound()
	b.settle(bridge.Delivered, b.due(1)...) // delivery goes on
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wide := &bench{DB: open(t, file), t: t, job: b.job, dest: b.dest, targets: b.targets}
	wide.create(false, "with space again")
	wide.sound()
}

func TestAFailureInABatchIsItsOwn(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	began := must[int64](t)(b.BeginRun(t.Context(), b.job.Number))
	defer b.EndRun(b.job.Number, began)
	failures := make(chan error, 40)
	for i := range 40 {
		go func() {
			chunk := b.chunk(began)
			chunk.Puts = []bridge.Put{created(fmt.Sprint(i), `{}`)}
			if i%4 == 0 {
				chunk.Targets = []bridge.Target{{Destination: 99}}
			}
			_, err := b.Commit(t.Context(), chunk)
			failures <- err
		}()
	}
	failed := 0
	for range 40 {
		if err := <-failures; errors.Is(err, bridge.ErrNotFound) {
			failed++
		} else if err != nil {
			t.Error(err)
		}
	}
	state := must[bridge.JobState](t)(b.Job(t.Context(), "orders"))
	if failed != 10 || state.Records != 30 || state.Sequence != 30 || b.Backlog() != 30 {
		t.Errorf("%d failed; job has %d records and told %d events, backlog %d", failed, state.Records, state.Sequence, b.Backlog())
	}
	b.sound()
}

// TestHolder is not a test: it is run by the next one in a process of its own, which is then killed.
func TestHolder(t *testing.T) {
	file := os.Getenv("HOLD_STORE")
	if file == "" {
		t.Skip("run by TestALockNamesItsHolderAndDiesWithIt")
	}
	db, err := sqlite.Open(t.Context(), file, sqlite.Options{Command: "hookbridge run --config a.hcl"})
	if err != nil {
		t.Fatal(err)
	}
	b := setUp(t, db)
	b.create(false, "1")
	fmt.Println("ready")
	for i := 2; ; i++ {
		b.create(false, fmt.Sprint(i))
	}
}

func TestALockNamesItsHolderAndDiesWithIt(t *testing.T) {
	file := path(t)
	holder := exec.Command(os.Args[0], "-test.run=^TestHolder$", "-test.v")
	holder.Env = append(os.Environ(), "HOLD_STORE="+file)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	seen, buffer := "", make([]byte, 100)
	for !strings.Contains(seen, "ready") {
		n, err := out.Read(buffer)
		if seen += string(buffer[:n]); err != nil {
			t.Fatalf("holder ended: %s", seen)
		}
	}
	_, err = sqlite.Open(t.Context(), file, sqlite.Options{})
	var locked *sqlite.LockedError
	if !errors.As(err, &locked) || locked.PID != holder.Process.Pid || locked.Command != "hookbridge run --config a.hcl" || time.Since(locked.Since) > time.Hour {
		t.Errorf("opened while locked by %d: %v", holder.Process.Pid, err)
	}
	beside, err := sqlite.OpenReadOnly(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if events, err := beside.Events(t.Context(), bridge.EventQuery{}); err != nil || len(events) == 0 {
		t.Errorf("read beside the writer %d events, error %v", len(events), err)
	}
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed
	b := &bench{DB: open(t, file), t: t}
	b.sound()
	state := must[bridge.JobState](t)(b.Job(t.Context(), "orders"))
	if state.Records == 0 || state.Records != state.Sequence || state.Records != b.Backlog() {
		t.Errorf("after kill -9: %d records, %d events, backlog %d", state.Records, state.Sequence, b.Backlog())
	}
}

func TestWhatCannotBeWrittenForLongIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		db, err := sqlite.Open(t.Context(), path(t), sqlite.Options{MaxPages: 120, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		b := setUp(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- db.Run(ctx) }()
		synctest.Wait()
		large := strings.Repeat("x", 1<<20)
		db.RecordRun(b.job.Number, bridge.RunReport{Error: large}, nil)
		db.SaveWatchdog(b.job.Number, []byte(large))
		time.Sleep(61 * time.Second)
		db.RecordRun(b.job.Number, bridge.RunReport{Error: "small"}, nil)
		db.SaveWatchdog(b.job.Number, []byte("small"))
		time.Sleep(61 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		var said []string
		for line := range strings.Lines(log.String()) {
			_, text, _ := strings.Cut(line, "msg=\"")
			text, _, _ = strings.Cut(text, "\"")
			said = append(said, text)
		}
		want := []string{
			"last runs are not written yet; they will be tried again", "what watchdogs remember is not written yet; it will be tried again",
			"last runs are written again", "what watchdogs remember is written again",
		}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
		if got := must[bridge.JobState](t)(db.Job(t.Context(), "orders")).LastRun.Error; got != "small" {
			t.Errorf("the last run says %.20q", got)
		}
	})
}
