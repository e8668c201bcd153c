package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/inbound"
	"github.com/hookbridge/bridge/watchdog"
)

// Lookups are tried again after a wait that doubles from lookupWait to maxBackoff.
const (
	lookupWait    = time.Second
	lookupTimeout = time.Minute
)

// intend notes an intent that was committed, and gets to work on it.
func (d *Daemon) intend(j *job, intent bridge.Intent) {
	j.mu.Lock()
	j.intents.add(intent)
	serving := d.serving.Load()
	look := intent.Kind == bridge.IntentLookup && !j.looking && serving
	if look {
		j.looking = true
	}
	apply := intent.Kind == bridge.IntentApply && !j.applies && j.ready() && serving
	failing := j.state.LastRun.Failures > 0
	j.mu.Unlock()
	select {
	case j.named <- struct{}{}:
	default:
	}
	switch {
	case !serving:
	case intent.Kind == bridge.IntentPoll:
		if !failing || d.dueAt(&j.schedule).IsZero() { // otherwise it is tried again in its time, whoever calls
			d.request(j, bridge.Webhook)
		}
	case look:
		d.pool.beside(func() { d.lookUp(j) })
	case apply:
		d.pool.beside(func() { d.applyWaiting(j) })
	}
}

// joinable is the open intent that does for another webhook that wants a poll: none that the run in progress may be too
// early for. The caller holds mu.
func (j *job) joinable() int64 {
	if n := len(j.intents.poll); n > 0 && j.intents.poll[n-1].ID > j.reading {
		return j.intents.poll[n-1].ID
	}
	return 0
}

// resumeIntents takes up what was acknowledged before this process began.
func (d *Daemon) resumeIntents(j *job) {
	j.mu.Lock()
	open := j.intents
	j.intents = intents{}
	j.mu.Unlock()
	for _, some := range [][]bridge.Intent{open.apply, open.poll, open.lookup} {
		for _, intent := range some {
			d.intend(j, intent)
		}
	}
	if len(open.poll) > 0 {
		d.request(j, bridge.Webhook)
	}
}

// calls reports whether webhooks wait for a poll.
func (j *job) calls() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.intents.poll) > 0
}

// satisfied ends the intents that a run which ended well has fulfilled, and acts on the webhooks that waited for a
// baseline.
func (d *Daemon) satisfied(j *job, until int64) {
	j.mu.Lock()
	done := j.intents.fulfilled(until)
	j.mu.Unlock()
	d.endIntents(j, done, bridge.InboundApplied, "")
	d.applyWaiting(j)
}

// unsatisfied leaves to the newest intent what others before it wait for, too, while runs fail.
func (d *Daemon) unsatisfied(j *job) {
	j.mu.Lock()
	var older []bridge.Intent
	if n := len(j.intents.poll); n > 1 {
		older = j.intents.fulfilled(j.intents.poll[n-1].ID - 1)
	}
	j.mu.Unlock()
	d.endIntents(j, older, bridge.InboundApplied, "the poll that a later webhook waits for does for this one")
}

// applyWaiting acts on the webhooks that waited for a baseline, in the order in which they came. What fails by a fault of
// ours stays, and those behind it, until the next run.
func (d *Daemon) applyWaiting(j *job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.applies {
		return
	}
	j.applies = true
	for done := true; done && len(j.intents.apply) > 0 && j.ready() && !j.retired && d.runs.Err() == nil; {
		next := j.intents.apply[0] // it stays in its place until it is over, for others to line up behind
		j.mu.Unlock()
		done = d.reapply(j, next)
		j.mu.Lock()
		if done {
			j.intents.applied(next.ID)
		}
	}
	j.applies = false
}

// ready reports whether there is a baseline that records can be compared with. The caller holds mu.
func (j *job) ready() bool { return j.state.Baselined && j.state.Identity == j.identity }

func (d *Daemon) endIntents(j *job, intents []bridge.Intent, state bridge.InboundState, reason string) {
	if len(intents) == 0 {
		return
	}
	ids := make([]int64, len(intents))
	for n, i := range intents {
		ids[n] = i.ID
	}
	if err := d.store.EndIntents(context.WithoutCancel(d.runs), ids, state, reason); err != nil {
		d.log.Error("could not note that webhooks were acted on; they will be again", "job", j.cfg.Name, "error", err)
		j.mu.Lock()
		for _, i := range intents {
			j.intents.add(i)
		}
		j.mu.Unlock()
	}
}

// reapply acts on a webhook that came before the job's baseline was taken, and reports whether that is over.
func (d *Daemon) reapply(j *job, intent bridge.Intent) bool {
	ctx := context.WithoutCancel(d.runs)
	state, reason := bridge.InboundApplied, ""
	err := d.applyKept(ctx, j, intent)
	var fault *webhookError
	switch {
	case err == nil:
	case errors.Is(err, errOnlySignal):
		intent.Kind = bridge.IntentPoll
		d.intend(j, intent)
		return true
	case errors.As(err, &fault) || errors.Is(err, bridge.ErrNotFound):
		state, reason = bridge.InboundFailed, err.Error()
		d.log.Error("a webhook that waited for the baseline cannot be applied", "job", j.cfg.Name, "inbound", intent.Inbound, "error", err)
	default: // our own fault, and the webhook was acknowledged
		d.log.Warn("a webhook that waited for the baseline could not be applied; the next run tries again", "job", j.cfg.Name,
			"inbound", intent.Inbound, "error", err)
		return false
	}
	if err := d.store.EndIntents(ctx, []int64{intent.ID}, state, reason); err != nil {
		d.log.Error("could not note that a webhook was acted on", "job", j.cfg.Name, "inbound", intent.Inbound, "error", err)
		return false
	}
	return true
}

// errOnlySignal is a webhook that was kept to be applied, and is only to make its job poll by now.
var errOnlySignal = errors.New("the job's webhooks are only signals")

// applyKept applies a stored webhook to one job. The intent ends in the same commit, so that it acts once.
func (d *Daemon) applyKept(ctx context.Context, j *job, intent bridge.Intent) error {
	event, err := d.kept(ctx, intent.Inbound)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		began, err := d.store.BeginRun(ctx, j.number)
		if err != nil {
			return err
		}
		p, err := d.part(ctx, j, event, true)
		if err == nil && p != nil && p.intent == bridge.IntentApply {
			err = errors.New("the job has no baseline again")
		}
		if err == nil && p != nil && p.intent == bridge.IntentPoll {
			err = errOnlySignal
		}
		if err == nil && p != nil && p.change {
			p.commit.Began, p.commit.Intent = began, intent.ID
			err = d.commitPart(ctx, p)
		}
		d.store.EndRun(j.number, began)
		if !errors.Is(err, bridge.ErrMoved) || try == acceptTries {
			return err
		}
	}
}

// commitPart writes what one record that did not come by a run means, on its own.
func (d *Daemon) commitPart(ctx context.Context, p *part) error {
	j := p.job
	leave, err := j.enter(true)
	if err != nil {
		return err
	}
	defer leave()
	done, err := d.store.Commit(ctx, p.chunk())
	if err != nil {
		return err
	}
	if p.step.delete && !done.Gone[0] || !p.step.delete && done.IDs[0] == 0 {
		return bridge.ErrMoved
	}
	j.note(p, done)
	d.wake(p.commit.Targets)
	return nil
}

// kept reads a stored webhook as expressions see it.
func (d *Daemon) kept(ctx context.Context, id int64) (configs.InboundEvent, error) {
	w, err := d.store.Inbound(ctx, id)
	if err != nil {
		return configs.InboundEvent{}, err
	}
	receiver, ok := d.inbound.Receiver(w.Receiver)
	if !ok {
		return configs.InboundEvent{}, &webhookError{fmt.Errorf("receiver %q is no longer configured", w.Receiver)}
	}
	body, err := inbound.Body(&w, receiver.Decode)
	if err != nil {
		err = &webhookError{err}
	}
	return configs.InboundEvent{Receiver: w.Receiver, ID: w.DeliveryID, Header: w.Header, Body: body}, err
}

// lookUp fetches, one after the other, the records that webhooks have named, until none is left. What fails is tried
// again for as long as it takes, because the webhook was acknowledged; but behind the others, so that a record its
// system cannot show holds nobody up.
func (d *Daemon) lookUp(j *job) {
	wait, failed, logged := lookupWait, 0, ""
	for {
		j.mu.Lock()
		open := len(j.intents.lookup)
		if open == 0 || j.retired || d.runs.Err() != nil {
			j.looking = false
			j.mu.Unlock()
			if open == 0 && logged != "" {
				d.log.Info("no look-up waits any more", "job", j.cfg.Name)
			}
			return
		}
		next := j.intents.lookup[0]
		j.intents.lookup = j.intents.lookup[1:]
		j.mu.Unlock()
		err := d.lookUpOne(j, &next)
		var fault *webhookError
		switch {
		case err == nil:
			wait, failed = lookupWait, 0
			d.endIntents(j, []bridge.Intent{next}, bridge.InboundApplied, "")
			continue
		case errors.As(err, &fault) || errors.Is(err, bridge.ErrNotFound):
			d.log.Error("a webhook names a record that cannot be looked up", "job", j.cfg.Name, "inbound", next.Inbound, "error", err)
			d.endIntents(j, []bridge.Intent{next}, bridge.InboundFailed, err.Error())
			continue
		}
		level := slog.LevelWarn
		if logged == err.Error() { // the first of equal ones is enough
			level = slog.LevelDebug
		}
		logged = err.Error()
		d.log.Log(d.runs, level, "look-up failed; it will be tried again", "job", j.cfg.Name, "inbound", next.Inbound, "error", err)
		j.mu.Lock()
		j.intents.lookup = append(j.intents.lookup, next)
		j.mu.Unlock()
		if failed++; failed < open {
			continue
		}
		failed = 0 // none of them can be looked up now
		select {
		case <-time.After(wait):
			wait = min(2*wait, maxBackoff)
		case <-j.named:
		case <-d.runs.Done():
		}
	}
}

func (d *Daemon) lookUpOne(j *job, intent *bridge.Intent) error {
	ctx, cancel := context.WithTimeoutCause(d.runs, lookupTimeout, timeoutError(lookupTimeout))
	defer cancel()
	event, err := d.kept(ctx, intent.Inbound)
	if err != nil {
		return err
	}
	if j.cfg.Lookup == nil {
		return &webhookError{errors.New("the job looks nothing up any more")}
	}
	url, err := j.cfg.Lookup.URL(event)
	if err != nil {
		return &webhookError{err}
	}
	looker, ok := j.cfg.Source.(bridge.Looker)
	if !ok {
		return &webhookError{errors.New("the job's source cannot be asked for one record")}
	}
	for try := 1; ; try++ {
		j.mu.Lock()
		state, targets := j.state, j.targets
		j.mu.Unlock()
		if !state.Baselined || state.Identity != j.identity {
			return errors.New("the job has no baseline yet")
		}
		began, err := d.store.BeginRun(ctx, state.Number) // before the request: what moves meanwhile is newer
		if err != nil {
			return err
		}
		p := &part{job: j, began: began}
		err = d.lookUpPart(ctx, p, looker, &state, targets, url)
		if err == nil && p.change {
			err = d.commitPart(ctx, p)
		}
		d.store.EndRun(state.Number, began)
		if errors.Is(err, bridge.ErrMoved) && try < acceptTries {
			continue
		}
		if err == nil && j.watch != nil && p.key != "" {
			j.watch.mu.Lock()
			j.watch.machine.Told(time.Now(), intent.At, p.key)
			j.watch.mu.Unlock()
			d.consult(j.watch)
		}
		return err
	}
}

func (d *Daemon) lookUpPart(ctx context.Context, p *part, looker bridge.Looker, state *bridge.JobState, targets []bridge.Target, url string) error {
	record, found, err := looker.Lookup(ctx, url, p.job.cfg.Lookup.Record)
	if err != nil {
		return err
	}
	if !found {
		return d.lookedInVain(p, url)
	}
	return d.compareOne(ctx, p, state, targets, record, bridge.Webhook)
}

// lookedInVain is a record that its system no longer has. One answer is one absence, and an absence alone proves
// nothing (P6): the polls that follow decide.
func (d *Daemon) lookedInVain(p *part, url string) error {
	d.log.Info("a record that a webhook named is not there; polls will tell", "job", p.job.cfg.Name, "url", bridge.Redact(url))
	if p.job.watch != nil {
		d.requestFor(p.job, watchdog.Other)
		return nil
	}
	d.request(p.job, bridge.Webhook)
	return nil
}
