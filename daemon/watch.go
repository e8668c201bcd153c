package daemon

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/watchdog"
)

const (
	watchSave    = time.Minute // how often a watchdog's memory is kept while nothing but webhooks happens
	watchChanges = 100_000     // of one run that its watchdog hears of; beyond, it has seen enough to judge
)

// The watchdog's own events.
const (
	watchdogFallback  = ownPrefix + "watchdog.fallback"
	watchdogRecovered = ownPrefix + "watchdog.recovered"
	watchdogMismatch  = ownPrefix + "watchdog.mismatch"
)

// watch is the watchdog of one job at work: the machine decides, this drives it and keeps what it says.
type watch struct {
	job   *job
	alarm tick // when the machine wants to be asked again; guarded by the agenda's mutex

	mu      sync.Mutex
	machine *watchdog.Machine
	saved   time.Time
}

// newWatch brings a job's watchdog back as it was when it was last kept.
func newWatch(j *job, memory []byte) (*watch, error) {
	c := j.cfg.Watchdog
	var hours *watchdog.Hours
	if c.Expect != "" {
		var err error
		if hours, err = watchdog.ParseHours(c.Expect, time.Local); err != nil {
			return nil, err
		}
	}
	w := &watch{job: j}
	w.alarm = tick{job: j}
	cfg := watchdog.Config{Silence: c.Silence, Min: c.Min, Max: c.Max, Audit: c.Audit, Grace: c.Grace, Expect: hours,
		RecoverAfter: c.RecoverAfter, Signal: c.OnEvent == onPoll, Edition: j.cfg.Digest}
	var err error
	if memory == nil {
		w.machine = watchdog.New(cfg, rand.Float64)
	} else {
		w.machine, err = watchdog.Load(cfg, memory, rand.Float64)
	}
	return w, err
}

// hear says that webhooks reach us from now on, after a time in which they did not.
func (d *Daemon) hear(w *watch) {
	w.mu.Lock()
	w.machine.Hear(time.Now())
	w.mu.Unlock()
	d.consult(w)
}

// consult asks the machine what to do now, and does it: a poll it wants, and everything that its changes of state mean.
func (d *Daemon) consult(w *watch) {
	if w.job.gone() {
		return // its successor has a machine of its own
	}
	now := time.Now()
	w.mu.Lock()
	decision := w.machine.Next(now)
	moved := w.machine.Transitions()
	w.mu.Unlock()
	if len(moved) > 0 {
		d.watchMoved(w, moved)
	}
	if decision.Poll != watchdog.None {
		d.requestFor(w.job, decision.Poll)
	}
	at := decision.At
	if !at.IsZero() {
		at = time.Now().Round(0).Add(at.Sub(now))
	}
	d.plan(&w.alarm, at)
}

// gone reports whether the job was retired.
func (j *job) gone() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.retired
}

// scheduled is what a tick of the job's schedule is at this moment; None while webhooks make it rest.
func (w *watch) scheduled() watchdog.Reason {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.machine.Next(time.Now()).Scheduled
}

// originOf says how a run is told whose reason is the watchdog's.
func originOf(reason watchdog.Reason) bridge.Origin {
	switch reason {
	case watchdog.Probe, watchdog.Audit:
		return bridge.Probe
	case watchdog.Degraded:
		return bridge.Fallback
	case watchdog.Catchup:
		return bridge.Reconcile
	}
	return bridge.Schedule
}

// requestFor asks for a run that the watchdog wants.
func (d *Daemon) requestFor(j *job, reason watchdog.Reason) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.retired || j.state.Paused || j.current != nil && j.current.reason == reason {
		return
	}
	t := d.requestLocked(j, originOf(reason))
	if t.reason == watchdog.None || t.reason == watchdog.Other {
		t.reason = reason
	}
}

// watchBegan and watchEnded frame every run of a watched job.
func (d *Daemon) watchBegan(j *job) {
	if j.watch == nil {
		return
	}
	j.watch.mu.Lock()
	defer j.watch.mu.Unlock()
	j.watch.machine.PollBegan(time.Now())
}

func (d *Daemon) watchEnded(j *job, report bridge.RunReport) {
	w := j.watch
	if w == nil {
		return
	}
	j.mu.Lock()
	changes, shapes, retryAt, baselined := j.outlook.changes, j.outlook.shapes, j.outlook.retryAt, j.state.Baselined
	j.outlook.changes, j.outlook.shapes = nil, nil
	j.mu.Unlock()
	result := watchdog.PollResult{
		Failed:     report.Outcome == bridge.RunFailed || report.Outcome == bridge.RunDropped,
		RetryAt:    retryAt,
		Complete:   report.Complete,
		Gaps:       report.Bad > 0,
		Silent:     report.Outcome == bridge.RunBaseline,
		Absent:     report.Pending > 0,
		NoBaseline: !baselined,
		Changes:    changes,
	}
	w.mu.Lock()
	if shapes != nil {
		w.machine.Compared(time.Now(), *shapes)
	}
	w.machine.PollEnded(time.Now(), result)
	w.mu.Unlock()
	d.consult(w)
	d.keepWatch(w)
}

// toldBy lets the machine know of webhooks that have taken effect.
func (d *Daemon) toldBy(w *watch, hook watchdog.Webhook) {
	w.mu.Lock()
	w.machine.Webhook(time.Now(), hook)
	save := time.Since(w.saved) > watchSave
	w.mu.Unlock()
	d.consult(w)
	if save {
		d.keepWatch(w)
	}
}

// keepWatch writes the machine's memory down, with the next batch of run rows.
func (d *Daemon) keepWatch(w *watch) {
	if w.job.gone() {
		return
	}
	w.mu.Lock()
	memory, err := json.Marshal(w.machine)
	w.saved = time.Now()
	w.mu.Unlock()
	if err != nil {
		d.log.Error("could not keep the watchdog's memory", "job", w.job.cfg.Name, "error", err)
		return
	}
	d.store.SaveWatchdog(w.job.number, memory)
}

// watchMoved keeps changes of state, and apart from them what was found out about shapes, which leaves the state as it is.
func (d *Daemon) watchMoved(w *watch, moved []watchdog.Transition) {
	for len(moved) > 0 {
		n := 1
		for n < len(moved) && moved[0].From != moved[0].To && moved[n].From != moved[n].To {
			n++
		}
		d.keepMoved(w, moved[:n])
		moved = moved[n:]
	}
}

// keepMoved keeps transitions with what the machine remembers from then on: a log line and a row of history each, and an
// event where somebody has to know.
func (d *Daemon) keepMoved(w *watch, moved []watchdog.Transition) {
	name := w.job.cfg.Name
	var rows []bridge.Transition
	var kind string
	var last watchdog.Transition
	for _, t := range moved {
		d.log.Info("watchdog", "job", name, "from", t.From, "to", t.To, "why", t.Why, "missed", t.Missed)
		rows = append(rows, bridge.Transition{From: string(t.From), To: string(t.To), At: t.At, Why: t.Why, Missed: int64(t.Missed)})
		switch {
		case t.From == t.To:
			kind, last = watchdogMismatch, t
			d.log.Warn("webhooks and polls write records differently", "job", name, "paths", w.shapes().Differ,
				"hint", "mend the watchdog's record, or name the paths in ignore; until the job is edited webhooks only make it poll")
		case t.To == watchdog.Fallback:
			kind, last = watchdogFallback, t
		case t.To == watchdog.Listening && t.From != watchdog.Probing:
			kind, last = watchdogRecovered, t
		}
	}
	w.mu.Lock()
	memory, err := json.Marshal(w.machine)
	w.saved = time.Now()
	w.mu.Unlock()
	if err != nil {
		d.log.Error("could not keep the watchdog's memory", "job", name, "error", err)
		return
	}
	var event *bridge.Event
	var targets []bridge.Target
	switch kind {
	case "":
	case watchdogMismatch:
		event, targets = d.ownEvent(kind, "job/"+name, bridge.Probe, map[string]any{"job": name, "paths": w.shapes().Differ, "why": last.Why})
	default:
		event, targets = d.ownEvent(kind, "job/"+name, bridge.Probe,
			map[string]any{"job": name, "from": last.From, "to": last.To, "why": last.Why, "missed": last.Missed})
	}
	if err := d.store.RecordTransitions(context.WithoutCancel(d.runs), w.job.number, memory, rows, event, targets); err != nil {
		d.log.Error("could not keep the watchdog's history", "job", name, "error", err)
		return
	}
	d.wake(targets)
}

// status of a watchdog for people and programs.
func (w *watch) status() *watchdog.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.machine.Status(time.Now())
	return &s
}
