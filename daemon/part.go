package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/diff"
)

// part is what a webhook means to one job.
type part struct {
	job    *job
	began  int64 // of the run that the record was fetched by; 0: it came by itself
	moved  int64 // the commit that last wrote the row, as it was read
	step   step
	change bool // step is to be written
	key    string
	intent bridge.IntentKind // empty: the effect is in this commit
	join   int64             // what does for it, if intent is a poll and that is still open; 0: nothing
	turned []string          // paths of what the record adds to its row or takes from it
	commit bridge.Chunk      // what the step is committed with
}

// part works out what a webhook means to one job; nil: nothing. One that has waited for the baseline lines up behind
// nobody.
func (d *Daemon) part(ctx context.Context, j *job, event configs.InboundEvent, waited bool) (*part, error) {
	c := j.cfg.Watchdog
	if c == nil {
		return nil, &webhookError{errors.New("the job has no watchdog any more")}
	}
	wanted, err := c.Match(event)
	if err != nil {
		return nil, &webhookError{err}
	}
	if !wanted {
		return nil, nil
	}
	j.mu.Lock()
	state, targets := j.state, j.targets
	waits := !j.ready() || !waited && len(j.intents.apply) > 0
	p := &part{job: j, join: j.joinable()}
	j.mu.Unlock()
	switch {
	case c.OnEvent == onPoll:
		p.intent = bridge.IntentPoll
		return p, nil
	case c.OnEvent == onLookup:
		p.intent = bridge.IntentLookup
		if _, err := j.cfg.Lookup.URL(event); err != nil {
			return nil, &webhookError{err}
		}
		return p, nil
	}
	record, err := c.Record(event)
	if err != nil {
		return nil, &webhookError{err}
	}
	deleted, err := c.Deleted(event)
	if err != nil {
		return nil, &webhookError{err}
	}
	if waits {
		p.intent = bridge.IntentApply // acted on after the baseline's last chunk, and in its order
		return p, nil
	}
	if j.watch.signals() {
		p.intent = bridge.IntentPoll
		p.key, err = j.keyOf(record)
		return p, err
	}
	if deleted {
		return p, d.compareGone(ctx, p, &state, targets, record)
	}
	return p, d.compareOne(ctx, p, &state, targets, record, bridge.Webhook)
}

// compareOne compares one record, which did not come by a run, with its row. p says what is to be written.
func (d *Daemon) compareOne(ctx context.Context, p *part, state *bridge.JobState, targets []bridge.Target, record json.RawMessage, origin bridge.Origin) error {
	j := p.job
	eye, err := j.eye()
	if err != nil {
		return err
	}
	if p.key, err = j.keyOf(record); err != nil {
		return err
	}
	row, found, err := d.lookAt(ctx, p, state)
	if err != nil {
		return err
	}
	old, err := rulesBefore(state)
	if err != nil {
		return err
	}
	p.step = step{key: p.key, body: record, entry: bridge.IndexEntry{ID: row.ID, Key: diff.HashKey(p.key),
		Raw: diff.HashBody(record), Canon: eye.rules.Fingerprint(record, p.key)}}
	change := bridge.Change{Op: bridge.Created, Key: p.key, After: record}
	if found {
		switch {
		case eye.rules.Fingerprint(row.Body, p.key) == p.step.entry.Canon:
			return nil // the snapshot knows
		case eye.version != nil && eye.version.Newer(row.Body, record):
			return nil // late: something newer was taken already
		case old != nil && old.Equal(row.Body, record):
			p.change, p.step.why = true, whyEdit
			p.targets(state, targets)
			return nil
		}
		change.Op, change.Before = bridge.Updated, row.Body
		for _, f := range eye.rules.Fields(row.Body, record) {
			change.Changed = append(change.Changed, f.Pointer)
			p.turns(f)
		}
	}
	p.change = true
	p.targets(state, targets)
	return p.tell(change, origin)
}

// compareGone is compareOne for a record that its system says is gone.
func (d *Daemon) compareGone(ctx context.Context, p *part, state *bridge.JobState, targets []bridge.Target, record json.RawMessage) error {
	eye, err := p.job.eye()
	if err != nil {
		return err
	}
	if p.key, err = p.job.keyOf(record); err != nil {
		return err
	}
	row, found, err := d.lookAt(ctx, p, state)
	if err != nil || !found || eye.version != nil && eye.version.Newer(row.Body, record) {
		return err
	}
	p.step = step{key: p.key, delete: true, before: row.Body, entry: bridge.IndexEntry{ID: row.ID}}
	p.change = true
	p.targets(state, targets)
	return p.tell(bridge.Change{Op: bridge.Deleted, Key: p.key, Before: row.Body}, bridge.Webhook)
}

// keyOf is the key of a record that did not come by a run.
func (j *job) keyOf(record json.RawMessage) (string, error) {
	eye, err := j.eye()
	if err != nil {
		return "", err
	}
	key, err := eye.key.Of(record)
	if err != nil {
		return "", &webhookError{err}
	}
	return key, nil
}

// lookAt reads the row of the part's key, and notes which commit wrote it.
func (d *Daemon) lookAt(ctx context.Context, p *part, state *bridge.JobState) (bridge.Row, bool, error) {
	row, moved, found, err := d.store.RowByKey(ctx, state.Number, p.key)
	if err != nil {
		return row, false, fmt.Errorf("read record %q: %w", p.key, err)
	}
	p.moved = moved
	return row, found, nil
}

// targets notes what the part's chunk is committed with.
func (p *part) targets(state *bridge.JobState, targets []bridge.Target) {
	p.commit = bridge.Chunk{Job: state.Number, Began: p.began, RulesNumber: state.RulesNumber, First: true, Identity: state.Identity, Targets: targets}
}

func (p *part) tell(c bridge.Change, origin bridge.Origin) error {
	s := survey{cfg: p.job.cfg, origin: origin}
	if err := s.tell(&p.step, c); err != nil {
		return &webhookError{err}
	}
	if e := p.step.event; e != nil {
		e.Job, e.JobNumber, e.Origin = p.job.cfg.Name, p.commit.Job, origin
	}
	return nil
}

func (p *part) chunk() *bridge.Chunk {
	chunk := p.commit
	if p.step.delete {
		chunk.Deletes = []bridge.Delete{{ID: p.step.entry.ID, Key: p.key, Moved: p.moved, Event: p.step.event}}
	} else {
		chunk.Puts = []bridge.Put{{Entry: p.step.entry, Key: p.key, Body: p.step.body, Moved: p.moved, Event: p.step.event}}
	}
	return &chunk
}
