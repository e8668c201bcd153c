package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/diff"
)

// eye is how a job looks at records: its key and its rules, compiled. It never changes.
type eye struct {
	key     *diff.Key
	rules   *diff.Rules
	version *diff.Version // nil: nothing says which of two bodies is the later
}

func newEye(cfg *configs.Job) (*eye, error) {
	key, err := diff.NewKey(cfg.Key)
	if err != nil {
		return nil, err
	}
	e := &eye{key: key}
	if cfg.Version != "" {
		if e.version, err = diff.NewVersion(cfg.Version); err != nil {
			return nil, err
		}
	}
	e.rules, err = rules(cfg)
	return e, err
}

// rulesBefore are the rules of the last complete run, nil where no edit has changed them since.
func rulesBefore(state *bridge.JobState) (*diff.Rules, error) {
	if state.OldRules == "" || state.OldRules == state.Rules {
		return nil, nil
	}
	old, err := diff.ParseRules(state.OldRules)
	if errors.Is(err, diff.ErrForm) {
		// Of another canonical form they cannot be applied: the identity has changed with it, and the next run takes
		// everything in silently.
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rules of the last complete run: %w", err)
	}
	return old, nil
}

// memory is what a job keeps between runs so that a run costs what changed: the index of its snapshot. It is made at
// the first record and belongs to whoever runs the job.
type memory struct {
	*eye
	index *diff.Index
	old   *diff.Rules // nil outside an edit of the rules
}

func remember(ctx context.Context, store snapshot, eye *eye, state *bridge.JobState) (*memory, error) {
	m := &memory{eye: eye, index: diff.NewIndex(int(state.Records))}
	var err error
	if m.old, err = rulesBefore(state); err != nil {
		return nil, err
	}
	if state.Number == 0 {
		return m, nil
	}
	if err := store.Index(ctx, state.Number, func(e bridge.IndexEntry) error { m.index.Add(e); return nil }); err != nil {
		return nil, fmt.Errorf("load snapshot index: %w", err)
	}
	if err := m.loadAbsences(ctx, store, state.Number); err != nil {
		return nil, err // without them it would forget what is held and what was rejected
	}
	return m, nil
}

func (m *memory) loadAbsences(ctx context.Context, store snapshot, job int64) error {
	absences, err := store.Absences(ctx, job)
	if err != nil {
		return fmt.Errorf("load absences: %w", err)
	}
	m.index.ResetAbsences(absences)
	return nil
}

func rules(cfg *configs.Job) (*diff.Rules, error) {
	return diff.NewRules(diff.Spec{Ignore: cfg.Ignore, Select: cfg.Select, Unordered: cfg.Unordered})
}

// identity names what a snapshot was taken of. A change of it means a new baseline (P9).
func identity(cfg *configs.Job) string {
	h := sha256.New()
	fmt.Fprintf(h, "form %d\n%s\nkey %q\n", diff.Form, cfg.Source.Identity(), cfg.Key)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
