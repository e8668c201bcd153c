package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/diff"
	"github.com/hookbridge/bridge/watchdog"
)

// acceptTries is how often a webhook is read again because a row it is about moved under it.
const acceptTries = 8

// effects are everything that follows from one webhook: for each job that wants it, rows with their events, or an
// intent. They commit together with the webhook itself (P7).
type effects struct {
	take  bridge.Take
	parts []*part
}

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

// Accept keeps a webhook and everything that follows from it. It is what package inbound calls an Inbox.
func (d *Daemon) Accept(ctx context.Context, w *bridge.Inbound, body json.RawMessage) (duplicate bool, err error) {
	for try := 1; ; try++ {
		e, err := d.effects(ctx, w, body)
		if err != nil {
			return false, err
		}
		duplicate, err := d.takeEffects(ctx, e)
		switch {
		case try == acceptTries:
		case errors.Is(err, bridge.ErrMoved):
			continue
		case errors.Is(err, errRetired): // a reload is replacing the job: the new one is asked
			d.reloading.Lock()
			d.reloading.Unlock() //nolint:staticcheck // its end is waited for
			continue
		}
		return duplicate, err
	}
}

// takeEffects commits a webhook and brings everything in memory up to it.
func (d *Daemon) takeEffects(ctx context.Context, e *effects) (bool, error) {
	for _, p := range e.parts {
		leave, err := p.job.enter(p.change)
		if err != nil {
			return false, err
		}
		defer leave()
	}
	duplicate, done, err := d.store.TakeInbound(ctx, &e.take)
	if err == nil && !duplicate {
		d.took(e, done)
	}
	return duplicate, err
}

// enter frames a commit for the job that is no run's, and what is noted of it in memory. A retired job takes none any
// more, and whoever replaces it waits for those under way. Where the commit writes to the snapshot, no run may meanwhile
// prove that nothing has changed, and none begins to compare that the commit comes before.
func (j *job) enter(writes bool) (leave func(), err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.retired {
		return nil, errRetired
	}
	j.entered.Add(1)
	if !writes {
		return j.entered.Done, nil
	}
	j.applying++
	j.outside++
	if j.noting == nil {
		j.noting = new(sync.WaitGroup)
	}
	noting := j.noting
	noting.Add(1)
	return func() {
		j.mu.Lock()
		j.applying--
		j.mu.Unlock()
		noting.Done()
		j.entered.Done()
	}, nil
}

// effects works out what a webhook means. Its own mistakes are kept with it as a reason; an error is ours.
func (d *Daemon) effects(ctx context.Context, w *bridge.Inbound, body json.RawMessage) (*effects, error) {
	e := &effects{take: bridge.Take{Webhook: w}}
	if w.State == bridge.InboundFailed {
		return e, nil
	}
	event := configs.InboundEvent{Receiver: w.Receiver, ID: w.DeliveryID, Header: w.Header, Body: body}
	var failed []string
	for _, j := range d.watchers(w.Receiver) {
		p, err := d.part(ctx, j, event, false)
		if err != nil {
			var fault *webhookError
			if !errors.As(err, &fault) {
				return e, err
			}
			failed = append(failed, fmt.Sprintf("job %q: %s", j.cfg.Name, fault.err))
			continue
		}
		if p != nil {
			e.parts = append(e.parts, p)
		}
	}
	w.State, w.Reason = bridge.InboundIgnored, "no job wanted it"
	for _, p := range e.parts {
		if p.intent != "" {
			intent := bridge.Intent{Job: p.job.number, Kind: p.intent}
			if p.intent == bridge.IntentPoll {
				intent.Join = p.join
			}
			e.take.Intents = append(e.take.Intents, intent)
			w.State, w.Reason = bridge.InboundReceived, ""
			continue
		}
		if p.change {
			e.take.Chunks = append(e.take.Chunks, p.chunk())
		}
		if w.State != bridge.InboundReceived {
			w.State, w.Reason = bridge.InboundApplied, ""
		}
	}
	if relayed := d.relay(e, w, body); relayed && w.State == bridge.InboundIgnored {
		w.State, w.Reason = bridge.InboundApplied, ""
	}
	if len(failed) > 0 {
		w.State, w.Reason = bridge.InboundFailed, strings.Join(failed, "; ")
	}
	return e, nil
}

// webhookError is a webhook that cannot be applied: its own fault, or the configuration's.
type webhookError struct{ err error }

func (e *webhookError) Error() string { return e.err.Error() }
func (e *webhookError) Unwrap() error { return e.err }

// watchers are the jobs whose watchdog listens to a receiver.
func (d *Daemon) watchers(receiver string) []*job {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byReceiver[receiver]
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

// took brings everything in memory up to what was committed.
func (d *Daemon) took(e *effects, done []bridge.Committed) {
	n := 0
	for _, p := range e.parts {
		j := p.job
		if p.change {
			j.note(p, done[n])
			n++
			d.wake(p.commit.Targets)
		}
		for _, intent := range e.take.Intents {
			if intent.Job == j.number && p.intent == intent.Kind && intent.ID != intent.Join {
				d.intend(j, intent)
			}
		}
		if j.watch != nil {
			d.toldBy(j.watch, watchdog.Webhook{Key: p.key})
		}
	}
	d.wake(e.take.Targets)
}

// note remembers a row that was written outside a run, for the index to be brought up to at the next one.
func (j *job) note(p *part, done bridge.Committed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Checkpoint = nil
	entry := p.step.entry
	if !p.step.delete {
		entry.ID = done.IDs[0]
	}
	j.notes = append(j.notes, noted{entry: entry, gone: p.step.delete, commit: done.Number, turned: p.turned})
	if len(j.notes) > maxNotes {
		for _, n := range j.notes {
			j.lost = max(j.lost, n.commit)
		}
		j.notes = nil
	}
}

// maxNotes bounds what is remembered between two runs; beyond, the index is loaded again.
const maxNotes = 100_000

// noted is a row that was written outside a run.
type noted struct {
	entry  bridge.IndexEntry
	gone   bool
	commit int64
	turned []string // as in part
}

// catchUp brings the index up to everything that was written outside runs before the run that began at this number,
// and to nothing later, which that run leaves alone. Commits are noted in any order, and some after the run began; so
// those under way are waited for. The caller owns the job. It returns what to compare job.outside with at the end.
func (j *job) catchUp(began int64) (outside int) {
	j.mu.Lock()
	outside = j.outside
	if noting := j.noting; noting != nil {
		j.noting = nil
		j.mu.Unlock()
		noting.Wait()
		j.mu.Lock()
	}
	slices.SortFunc(j.notes, func(a, b noted) int { return cmp.Compare(a.commit, b.commit) })
	n, _ := slices.BinarySearchFunc(j.notes, began+1, func(n noted, began int64) int { return cmp.Compare(n.commit, began) })
	notes := j.notes[:n]
	j.notes = slices.Clone(j.notes[n:])
	if len(j.notes) > 0 {
		outside = -1 // somebody has written since
	}
	j.bring(notes)
	lost := j.lost > 0
	if j.lost <= began {
		j.lost = 0
	}
	j.mu.Unlock()
	if j.memory == nil {
		return outside
	}
	if lost {
		j.memory, j.absent = nil, 1
		return outside
	}
	index := j.memory.index
	for _, n := range notes {
		slot := index.Slot(n.entry.ID)
		switch {
		case n.gone && slot >= 0:
			index.Remove(slot)
		case n.gone:
		case slot >= 0:
			index.Store(slot, n.entry)
		case n.entry.ID > index.Last():
			index.Add(n.entry)
		default:
			j.memory, j.absent = nil, 1 // out of order: loaded again
			return outside
		}
	}
	return outside
}

// relay adds the forwarding of a webhook that its receiver asks for.
func (d *Daemon) relay(e *effects, w *bridge.Inbound, body json.RawMessage) bool {
	d.mu.Lock()
	targets := d.relays[w.Receiver]
	d.mu.Unlock()
	if len(targets) == 0 {
		return false
	}
	e.take.Event = &bridge.Event{Job: "in/" + w.Receiver, Type: strings.ReplaceAll(w.Receiver, "-", "_") + ".received",
		Key: w.DeliveryID, Origin: bridge.Webhook, Time: time.Now(), Data: body}
	e.take.Targets = targets
	return true
}
