package daemon

import (
	"context"
	"errors"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
)

// interrupted is a snapshot with one row whose deletion is held; the first reading of absences is cut short.
type interrupted struct {
	emptySnapshot
	asked int
}

func (s *interrupted) Index(_ context.Context, _ int64, add func(bridge.IndexEntry) error) error {
	return add(bridge.IndexEntry{ID: 1, Key: 1, Raw: 1, Canon: 1})
}

func (s *interrupted) Absences(context.Context, int64) ([]bridge.Absence, error) {
	if s.asked++; s.asked == 1 {
		return nil, context.DeadlineExceeded
	}
	return []bridge.Absence{{ID: 1, Scans: 2, Hold: 1}}, nil
}

func TestMemoryIsLoadedWholeOrNotAtAll(t *testing.T) {
	cfg := &configs.Job{Key: []string{"id"}}
	s := survey{cfg: cfg, eye: func() (*eye, error) { return newEye(cfg) }, state: &bridge.JobState{Number: 1}, store: &interrupted{}}
	if err := s.load(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("load: %v, want that it was cut short", err)
	}
	if s.memory != nil {
		t.Fatal("a memory without its absences was kept")
	}
	if err := s.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if held := s.memory.index.Held(); held != 1 {
		t.Errorf("%d deletions are held, want 1", held)
	}
}
