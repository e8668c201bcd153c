package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/store/sqlite"
)

// P3: a store that was restored from a copy compares its jobs with their sources at once, however slow their schedules are
// and whatever the sources say of what has changed, and numbers events beyond those that the copy does not know.
func TestARestoredStoreCatchesUpAtOnce(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	source.etag, source.lies = true, true
	b := newBench(t, config(source.URL, sink.URL, ""))
	file, copied := filepath.Join(filepath.Dir(b.path), "bridge.db"), filepath.Join(t.TempDir(), "copy.db")

	d := b.open()
	stop := serve(t, d)
	poll(t, d, "orders")
	if _, err := Backup(t.Context(), Options{Path: b.path}, copied, nil); err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"2", "3", "4"} {
		source.set(`{"id":1,"v":` + v + `}`)
		if _, err := d.Reconcile(t.Context(), "orders"); err != nil {
			t.Fatal(err)
		}
	}
	before := sink.wait(3)
	stop()
	source.set(`{"id":1,"v":5}`, `{"id":2,"v":1}`)

	for _, name := range []string{file + "-wal", file + "-shm"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := os.Rename(copied, file); err != nil {
		t.Fatal(err)
	}
	d = b.open()
	stop = serve(t, d)
	for _, e := range sink.wait(5)[3:] {
		if e.Origin != string(bridge.Reconcile) || e.Sequence <= before[2].Sequence {
			t.Errorf("after the restore: %+v; want it reconciled, with a sequence beyond %d", e, before[2].Sequence)
		}
		if want := `{"id":1,"v":1}`; e.Key == "1" && string(e.Before) != want {
			t.Errorf("changed from %s, want %s as in the copy", e.Before, want)
		}
	}
	stop()

	hits := source.polls()
	d = b.open() // once is enough
	stop = serve(t, d)
	stop()
	if again := source.polls() - hits; again != 0 {
		t.Errorf("%d polls at the next start, which is not after a restore", again)
	}
	store, err := sqlite.OpenReadOnly(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if problems, err := store.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
