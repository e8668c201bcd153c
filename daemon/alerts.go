package daemon

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/outbound"
)

// The bridge's own events. Each is told once per subject and change of state.
const (
	ownPrefix           = "bridge."
	jobFailing          = ownPrefix + "job.failing"
	jobRecovered        = ownPrefix + "job.recovered"
	jobGap              = ownPrefix + "job.gap"
	deletionsHeld       = ownPrefix + "deletions.held"
	deliveryDead        = ownPrefix + "delivery.dead"
	destinationDisabled = ownPrefix + "destination.disabled"
)

// announce commits an event of the bridge's own, for the destinations named in alerts. It never holds up its caller's
// work: what cannot be written is logged.
func (d *Daemon) announce(kind, subject string, origin bridge.Origin, data map[string]any) {
	event, targets := d.ownEvent(kind, subject, origin, data)
	if err := d.store.Announce(context.WithoutCancel(d.runs), event, targets); err != nil {
		d.log.Error("could not write an alert", "type", kind, "subject", subject, "error", err)
		return
	}
	d.wake(targets)
}

// ownEvent makes an event of the bridge's own, and says where such events go.
func (d *Daemon) ownEvent(kind, subject string, origin bridge.Origin, data map[string]any) (*bridge.Event, []bridge.Target) {
	text, err := json.Marshal(data)
	if err != nil {
		text = []byte("{}") // nothing that is told here fails to encode
		d.log.Error("an alert goes out without its data", "type", kind, "subject", subject, "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return &bridge.Event{Job: "bridge", Type: kind, Key: subject, Origin: origin, Data: text}, d.alerts
}

// wake lets the dispatcher know of deliveries that were committed.
func (d *Daemon) wake(targets []bridge.Target) {
	for _, t := range targets {
		d.dispatcher.Wake(t.Destination)
	}
}

// tellRun tells of what has changed about a job with this run.
func (d *Daemon) tellRun(j *job, report bridge.RunReport) {
	j.mu.Lock()
	told := j.told
	now := told
	switch {
	case report.Outcome != bridge.RunFailed:
		now.failing = false
	case report.Failures >= failuresToTell:
		now.failing = true
	}
	now.held = report.Held
	j.told = now
	j.mu.Unlock()
	if now.failing && !told.failing {
		d.announce(jobFailing, j.subject(), report.Origin, map[string]any{"job": j.cfg.Name, "failures": report.Failures, "error": report.Error})
	}
	if !now.failing && told.failing {
		d.log.Info("job has recovered", "job", j.cfg.Name)
		d.announce(jobRecovered, j.subject(), report.Origin, map[string]any{"job": j.cfg.Name})
	}
	if report.Gap && report.Outcome == bridge.RunChanged {
		d.log.Warn("nothing of the last window is left, so records may have come and gone unseen", "job", j.cfg.Name, "records", report.Seen,
			"hint", "poll more often than the window moves")
		d.announce(jobGap, j.subject(), report.Origin, map[string]any{"job": j.cfg.Name, "records": report.Seen})
	}
	if now.held > told.held {
		d.log.Warn("deletions are held", "job", j.cfg.Name, "held", report.Held, "records", j.records(),
			"hint", "look with: hookbridge plan "+j.cfg.Name+"; then: hookbridge approve "+j.cfg.Name+" (or --reject)")
		d.announce(deletionsHeld, j.subject(), report.Origin, map[string]any{"job": j.cfg.Name, "held": report.Held, "records": j.records()})
	}
}

// told is what has been told of a job, so that nothing is told twice.
type told struct {
	failing bool // so many failed runs in a row, or no run that ended in three intervals
	held    int64
}

func (j *job) records() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state.Records
}

// subject is how alerts name the job.
func (j *job) subject() string { return "job/" + j.cfg.Name }

// stalled tells that a job's run does not end. The caller holds j.mu.
func (d *Daemon) stalled(j *job) {
	since := j.ended.UTC()
	d.log.Error("no run of the job has ended in three intervals", "job", j.cfg.Name, "since", since.Round(time.Second),
		"hint", "the source is slow or hangs; lower the job's timeout or poll less often")
	if !j.told.failing {
		j.told.failing = true
		data := map[string]any{"job": j.cfg.Name, "failures": j.state.LastRun.Failures, "error": "no run has ended since " + since.Format(time.RFC3339)}
		d.pool.beside(func() { d.announce(jobFailing, j.subject(), bridge.Schedule, data) })
	}
}

func (d *Daemon) logRun(j *job, r bridge.RunReport) {
	level := slog.LevelInfo
	unchanged := r.Outcome == bridge.RunUnchanged && r.Bad == 0
	if unchanged {
		level = slog.LevelDebug
	}
	if !d.log.Enabled(d.runs, level) {
		return
	}
	attributes := []any{"job", j.cfg.Name, "outcome", r.Outcome, "origin", r.Origin, "took", r.Took.Round(time.Millisecond)}
	if unchanged {
		d.log.Debug("polled", attributes...)
		return
	}
	attributes = append(attributes, "seen", r.Seen, "created", r.Created, "updated", r.Updated, "deleted", r.Deleted)
	for _, extra := range []struct {
		name  string
		value int64
	}{{"silent", r.Silent}, {"skipped", r.Skipped}, {"left_alone", r.Left}, {"quarantined", r.Bad}, {"pending", r.Pending}, {"held", r.Held}} {
		if extra.value > 0 {
			attributes = append(attributes, extra.name, extra.value)
		}
	}
	d.log.Info("polled", attributes...)
}

// logFailure logs the first of a row of equal failures, and every one that differs.
func (d *Daemon) logFailure(j *job, r bridge.RunReport) {
	j.mu.Lock()
	same := r.Failures > 1 && j.logged == r.Error
	j.logged = r.Error
	hint := "try: hookbridge plan " + j.cfg.Name + " --trace"
	if j.outlook.full {
		hint = "make room where the store is: shorten retain, or forget what was removed"
	}
	j.mu.Unlock()
	if same {
		d.log.Debug("poll failed again", "job", j.cfg.Name, "failures", r.Failures, "error", r.Error)
		return
	}
	d.log.Error("poll failed", "job", j.cfg.Name, "failures", r.Failures, "error", r.Error, "hint", hint)
}

// checkClock warns when the source's clock and ours differ.
func (d *Daemon) checkClock(j *job, date time.Time) {
	if date.IsZero() {
		return
	}
	off := time.Since(date).Round(time.Second)
	skewed := off > time.Minute || off < -time.Minute
	j.mu.Lock()
	tell := skewed && !j.skewed
	j.skewed = skewed
	j.mu.Unlock()
	if tell {
		d.log.Warn("the source's clock and ours differ", "job", j.cfg.Name, "by", off, "hint", "check NTP on both machines")
	}
}

// notice hears of dead letters and disabled destinations. Alerts about alerts are not told.
func (d *Daemon) notice(n outbound.Notice) {
	own := strings.HasPrefix(n.Type, ownPrefix)
	switch n.Verdict {
	case bridge.Dead:
		d.log.Error("dead letter", "destination", n.Name, "event", n.Event, "job", n.Job, "key", n.Key, "reason", n.Reason,
			"hint", "see hookbridge deliveries show; then: hookbridge replay "+n.Event)
		if own {
			return
		}
		if d.firstDead(n.Destination) {
			d.announce(deliveryDead, "destination/"+n.Name, bridge.Schedule, map[string]any{"destination": n.Name, "event": n.Event,
				"type": n.Type, "job": n.Job, "key": n.Key, "reason": n.Reason, "dead": d.deadLetters(n.Destination)})
		}
	case bridge.Disable:
		d.log.Error("the receiver has disabled the destination; its events are held", "destination", n.Name, "reason", n.Reason,
			"hint", "hookbridge resume destination."+n.Name)
		if !own {
			d.announce(destinationDisabled, "destination/"+n.Name, bridge.Schedule, map[string]any{"destination": n.Name, "reason": n.Reason})
		}
	}
}

// deadTellEvery keeps a destination that refuses everything from an alert per event.
const deadTellEvery = time.Hour

func (d *Daemon) firstDead(destination int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if last, ok := d.deadTold[destination]; ok && time.Since(last) < deadTellEvery {
		return false
	}
	d.deadTold[destination] = time.Now()
	return true
}

func (d *Daemon) deadLetters(destination int64) int64 {
	infos, err := d.store.Destinations(context.WithoutCancel(d.runs))
	if err != nil {
		return 0
	}
	for _, info := range infos {
		if info.Number == destination {
			return info.Dead
		}
	}
	return 0
}
