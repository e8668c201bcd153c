package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
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
