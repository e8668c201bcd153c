package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/diff"
	"github.com/hookbridge/bridge/watchdog"
)

// survey is one look at a job's source: everything up to, and without, the first commit. A run and a plan are the same
// survey with different sinks.
type survey struct {
	cfg    *configs.Job
	eye    func() (*eye, error)
	state  *bridge.JobState
	store  snapshot
	origin bridge.Origin
	sink   func(step) error // takes what differs, changes first, then deletions
	reset  func()           // drops what sink took: the scan begins again
	// progress hears how many records were read, if not nil.
	progress func(records int64)

	memory   *memory
	silent   bool   // nothing is told: a baseline
	identity string // of the source and key as configured

	report     bridge.RunReport
	outcome    bridge.Outcome
	scan       *diff.Scan // nil when nothing was emitted
	judged     diff.Judgement
	quarantine []bridge.Quarantined
	changes    []watchdog.Change // for the job's watchdog, if it has one
	comparison comparison        // for it, too
	finish     bridge.Finish
	confirm    bool // absences or an empty baseline wait for another look
	known      bool // some record was there before
	fresh      bool // some was not
}

// maxQuarantine bounds what is kept to be looked at; the count is exact.
const maxQuarantine = 100

func (s *survey) look(ctx context.Context) error {
	switch {
	case s.state.Identity != "" && s.state.Identity != s.identity:
		s.silent = true
	case !s.state.Baselined && !s.cfg.Emit:
		s.silent = true
	}
	options := bridge.FetchOptions{From: s.state.Checkpoint}
	if s.memory != nil && s.memory.index.Pending()+s.memory.index.Held() > 0 {
		options.Unconditional = true
	}
	if s.silent || s.origin == bridge.Reconcile {
		options.From = nil // no validators, no hash, no watermark: everything is compared
	}
	err := s.fetch(ctx, options, nil)
	if moved, ok := errors.AsType[*diff.MovedError](err); ok {
		s.reset()
		s.quarantine, s.changes, s.report.Bad, s.report.Stale, s.known, s.fresh = nil, nil, 0, 0, false, false
		err = s.fetch(ctx, bridge.FetchOptions{}, moved)
	}
	if err != nil {
		return err
	}
	s.report.Pages, s.report.Bytes = s.outcome.Pages, s.outcome.Bytes
	s.report.Gap = s.outcome.Window && s.fresh && !s.known && !s.silent && s.state.Records > 0
	if s.outcome.NotModified {
		s.report.Complete, s.report.Stable = true, true
		return s.unchanged(ctx)
	}
	return s.ended(ctx)
}

func (s *survey) fetch(ctx context.Context, options bridge.FetchOptions, reread *diff.MovedError) error {
	s.scan = nil
	options.Fits = func(row []byte) error {
		err := s.load(ctx)
		if err == nil {
			_, err = s.memory.key.Of(row)
		}
		return err
	}
	if !s.silent && s.origin != bridge.Reconcile {
		options.Known = func(listing json.RawMessage) bool {
			return (s.scan != nil || s.begin(ctx, reread) == nil) && s.scan.Known(listing)
		}
	}
	outcome, err := s.cfg.Source.Fetch(ctx, options, func(r bridge.Record) error {
		if s.scan == nil {
			if err := s.begin(ctx, reread); err != nil {
				return err
			}
		}
		return s.record(r)
	})
	if err != nil {
		return err
	}
	s.outcome = outcome
	if s.scan != nil {
		return s.scan.End()
	}
	return nil
}

func (s *survey) begin(ctx context.Context, reread *diff.MovedError) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	old := s.memory.old
	if s.silent {
		old = nil
	}
	var row bridge.Row
	stored := func(id int64) (bridge.Row, error) {
		row = bridge.Row{}
		err := s.store.Rows(ctx, s.state.Number, []int64{id}, func(r bridge.Row) error { row = r; return nil })
		if err == nil && row.ID == 0 {
			err = fmt.Errorf("row %d of the snapshot: %w", id, bridge.ErrNotFound)
		}
		return row, err
	}
	s.comparison.begin(s.memory.index)
	s.scan = diff.NewScan(s.memory.index, s.memory.key, s.memory.rules, old, stored, reread)
	return nil
}

func (s *survey) load(ctx context.Context) error {
	if s.memory != nil {
		return nil
	}
	eye, err := s.eye()
	if err != nil {
		return err
	}
	m, err := remember(ctx, s.store, eye, s.state)
	s.memory = m
	return err
}

func (s *survey) record(r bridge.Record) error {
	f, err := s.scan.Add(r)
	if s.progress != nil {
		s.progress(s.scan.Records())
	}
	if bad, ok := errors.AsType[*diff.BadRecordError](err); ok {
		if !s.cfg.Quarantine {
			return fmt.Errorf("bad record: %w", bad)
		}
		s.report.Bad++
		if len(s.quarantine) < maxQuarantine {
			reason := bad.Reason
			if bad.File != "" {
				reason = bad.File + ": " + reason
			}
			s.quarantine = append(s.quarantine, bridge.Quarantined{Key: bad.Key, Page: bad.Page, Item: bad.Item, Reason: reason, Body: excerpt(r)})
		}
		return nil
	}
	if err != nil {
		return err
	}
	if f.Verdict == diff.New {
		s.fresh = true
	} else {
		s.known = true
	}
	t := step{slot: f.Slot, entry: f.Entry, key: f.Key}
	change := bridge.Change{Key: f.Key, After: r.Body}
	switch f.Verdict {
	case diff.Same:
		if r.Body != nil {
			s.comparison.shown(s.memory, f.Slot, nil, r.Body)
		}
		return nil
	case diff.Renewed: // the fingerprint alone; nobody has to see that
		t.why = whyEdit
		return s.sink(t)
	case diff.Quiet:
		t.body, t.before, t.why = r.Body, f.Before, whyEdit
		return s.sink(t)
	case diff.New:
		change.Op = bridge.Created
	case diff.Changed:
		if v := s.memory.version; v != nil && v.Newer(f.Before, r.Body) {
			s.report.Stale++ // of a copy that lags behind
			return nil
		}
		s.comparison.shown(s.memory, f.Slot, f.Before, r.Body)
		change.Op, change.Before, change.Changed = bridge.Updated, f.Before, f.Fields
		t.before = f.Before
	}
	t.body = r.Body
	if err := s.tell(&t, change); err != nil {
		return err
	}
	return s.sink(t)
}

// excerpt is how a bad record begins: the listing of one whose detail cannot be had.
func excerpt(r bridge.Record) []byte {
	shown := r.Body
	if shown == nil {
		shown = r.Listing
	}
	return bytes.Clone(shown[:min(len(shown), 512)])
}

// tell decides whether and how a change is told.
func (s *survey) tell(t *step, c bridge.Change) error {
	if s.silent {
		t.why = whyBaseline
		return nil
	}
	if err := s.noteChange(t, c); err != nil {
		return err
	}
	told, err := s.cfg.Event.Eval(c, s.origin)
	if err != nil {
		return fmt.Errorf("event of record %q: %w", c.Key, err)
	}
	t.event = &bridge.Event{Op: c.Op, Type: told.Type, Key: c.Key, Before: c.Before, After: c.After, Changed: c.Changed, Data: told.Data}
	if !told.Tell {
		t.event, t.why = nil, whyWhen
	} else if told.Type == "" {
		t.event.Type = strings.ReplaceAll(s.cfg.Label, "-", "_") + "." + string(c.Op)
	}
	return nil
}

// noteChange lets the watchdog hear of a change that a run has found.
func (s *survey) noteChange(t *step, c bridge.Change) error {
	w := s.cfg.Watchdog
	if w == nil || s.memory == nil || len(s.changes) >= watchChanges {
		return nil
	}
	expected, err := w.Expects(c, s.origin)
	if err != nil {
		return fmt.Errorf("watchdog, record %q: %w", c.Key, err)
	}
	heard := watchdog.Change{Key: c.Key, Deleted: c.Op == bridge.Deleted, Expected: expected}
	if heard.Deleted {
		heard.Scans = s.memory.index.Absence(t.entry.ID).Scans + 1
	}
	s.changes = append(s.changes, heard)
	return nil
}

// unchanged judges a fetch that proved to be the same as the last complete one.
func (s *survey) unchanged(ctx context.Context) error {
	s.finish = bridge.Finish{Checkpoint: s.outcome.Next, Baselined: s.state.Baselined, Complete: true}
	if s.memory == nil || s.memory.index.Pending() == 0 {
		return nil
	}
	return s.judge(ctx, s.memory.index.Lacking())
}

// ended judges a fetch that was read to its end.
func (s *survey) ended(ctx context.Context) error {
	if s.scan == nil { // an empty answer still has to be compared with the snapshot
		if err := s.begin(ctx, nil); err != nil {
			return err
		}
	}
	s.report.Seen = s.scan.Records()
	s.report.Complete = s.outcome.Complete && s.report.Bad == 0
	s.report.Stable = s.outcome.Stable && s.scan.Stable()
	// A window has shown all it has. A new baseline is what its first run takes in, complete or not, as the very first is.
	whole := s.report.Complete || s.outcome.Window && s.report.Bad == 0 || s.silent
	s.finish = bridge.Finish{Baselined: true, Complete: whole}
	if (s.report.Complete || s.outcome.Incremental && s.report.Bad == 0) && s.report.Stable {
		s.finish.Checkpoint = s.outcome.Next
	}
	if s.silent && s.scan.Records() == 0 && !s.state.Empty {
		// An empty answer is often a system still starting; a second one that agrees is believed.
		s.finish = bridge.Finish{Empty: true, Baselined: s.state.Baselined}
		s.confirm = true
		return nil
	}
	if !s.report.Complete && !s.silent {
		return nil
	}
	var lacking []int64
	s.scan.Unseen(func(_ int, id int64) { lacking = append(lacking, id) })
	if s.silent {
		return s.renew(ctx, lacking)
	}
	return s.judge(ctx, lacking)
}

// renew drops what a new baseline lacks. Where items moved a second look has to agree: what only slipped through must not
// be told as created by the next one.
func (s *survey) renew(ctx context.Context, lacking []int64) error {
	again := s.state.LastRun.Open == s.identity
	s.judged = diff.Renew(s.memory.index, lacking, s.report.Stable, again)
	s.confirm = len(s.judged.Counted) > 0
	if s.confirm && !again {
		s.report.Open = s.identity
		s.finish.Baselined, s.finish.Complete = s.state.Baselined, false
	}
	return s.deletes(ctx, s.judged.Deletes)
}

func (s *survey) judge(ctx context.Context, lacking []int64) error {
	d := s.cfg.Deletes
	s.judged = diff.Policy{Confirm: d.Confirm, Max: d.Max, MaxRows: d.MaxRows}.Judge(s.memory.index, lacking, s.report.Stable)
	s.confirm = len(s.judged.Counted) > 0
	return s.deletes(ctx, s.judged.Deletes)
}

// deletes hands proved deletions to the sink, with their last body.
func (s *survey) deletes(ctx context.Context, ids []int64) error {
	for len(ids) > 0 {
		batch := ids[:min(len(ids), 512)]
		ids = ids[len(batch):]
		err := s.store.Rows(ctx, s.state.Number, batch, func(row bridge.Row) error {
			t := step{slot: s.memory.index.Slot(row.ID), key: row.Key, before: row.Body, delete: true}
			t.entry.ID = row.ID
			if err := s.tell(&t, bridge.Change{Op: bridge.Deleted, Key: row.Key, Before: row.Body}); err != nil {
				return err
			}
			return s.sink(t)
		})
		if err != nil {
			return fmt.Errorf("deleted records: %w", err)
		}
	}
	return nil
}
