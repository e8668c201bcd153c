package daemon

import (
	"container/heap"
	"context"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/watchdog"
)

const (
	clockStep = 5 * time.Second // the longest the schedule sleeps without looking at the clock
	clockJump = time.Second     // wall and monotonic time that drift further apart than this have jumped

	failuresToTell = 3 // failed runs in a row before the job backs off and bridge.job.failing is told
	maxBackoff     = 5 * time.Minute
	confirmAfter   = 60 * time.Second // a run that leaves pending absences looks again at the latest after this ...
	confirmFloor   = time.Second      // ... and never sooner
)

// tick is one of the times that a job waits for: its schedule's next, its reconciliation's next.
type tick struct {
	job    *job
	origin bridge.Origin // of the run it leads to
	times  *configs.Schedule
	due    time.Time
	place  int  // in the agenda, from 1; 0: not in it
	over   bool // its job was retired: it is planned no more
}

// agenda is the heap of all ticks. Cron expressions are only asked for the next time: cron's own runner sorts every
// entry at each wake and starts a goroutine per firing.
type agenda []*tick

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, k int) bool { return a[i].due.Before(a[k].due) }
func (a agenda) Swap(i, k int)      { a[i], a[k] = a[k], a[i]; a[i].place, a[k].place = i+1, k+1 }
func (a *agenda) Push(x any)        { t := x.(*tick); *a = append(*a, t); t.place = len(*a) }
func (a *agenda) Pop() any {
	old := *a
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	t.place = 0
	return t
}

// plan sets when a tick comes next; the zero time takes it off the agenda.
func (d *Daemon) plan(t *tick, due time.Time) {
	d.agendaMu.Lock()
	if t.over {
		due = time.Time{}
	}
	switch {
	case due.IsZero() && t.place > 0:
		heap.Remove(&d.agenda, t.place-1)
	case due.IsZero():
	case t.place > 0:
		t.due = due
		heap.Fix(&d.agenda, t.place-1)
	default:
		t.due = due
		heap.Push(&d.agenda, t)
	}
	first := len(d.agenda) > 0 && d.agenda[0] == t
	d.agendaMu.Unlock()
	if first {
		select {
		case d.rethink <- struct{}{}:
		default:
		}
	}
}

// dueAt is when a tick comes next; zero when it does not.
func (d *Daemon) dueAt(t *tick) time.Time {
	d.agendaMu.Lock()
	defer d.agendaMu.Unlock()
	if t.place == 0 {
		return time.Time{}
	}
	return t.due
}

// schedule runs ticks until ctx ends.
func (d *Daemon) schedule(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-d.rethink:
		}
		now := time.Now()
		if jump := now.Round(0).Sub(last.Round(0)) - now.Sub(last); jump > clockJump || jump < -clockJump {
			d.log.Warn("the clock has jumped; the schedule begins again from here", "by", jump.Round(time.Millisecond))
			d.replan(now)
		}
		last = now
		timer.Reset(min(d.tick(now), clockStep))
	}
}

// tick starts everything that is due and returns how long nothing will be.
func (d *Daemon) tick(now time.Time) time.Duration {
	wall := now.Round(0) // cron speaks of wall time
	for {
		d.agendaMu.Lock()
		if len(d.agenda) == 0 {
			d.agendaMu.Unlock()
			return clockStep
		}
		t := d.agenda[0]
		due := t.due
		d.agendaMu.Unlock()
		if wait := due.Sub(wall); wait > 0 {
			return wait
		}
		if t.times == nil { // the watchdog's
			d.plan(t, time.Time{})
			d.consult(t.job.watch)
			continue
		}
		d.plan(t, t.following(due, wall))
		if !t.job.cfg.RunOnce && wall.Sub(due) > max(t.interval(), clockStep) {
			continue // missed = "skip": too late for this tick
		}
		d.onTick(t, due, now)
	}
}

// interval is the time between two firings, as it is now.
func (t *tick) interval() time.Duration {
	if t == &t.job.schedule {
		return t.job.interval()
	}
	return t.times.Interval()
}

// following is the tick after now. An interval keeps the beat of the tick it counts from, however late that was.
func (t *tick) following(last, now time.Time) time.Time {
	if !t.times.Every {
		return t.times.Next(now.Add(-t.job.splay)).Add(t.job.splay)
	}
	interval := t.interval()
	if last.After(now) { // the clock was set back
		return now.Add(interval)
	}
	return now.Add(interval - now.Sub(last)%interval)
}

// onTick queues a scheduled run, or counts the tick as missed where a run still goes.
func (d *Daemon) onTick(t *tick, due, now time.Time) {
	j := t.job
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.retired || j.state.Paused {
		return
	}
	if interval := j.interval(); !j.stalled && j.running && now.Sub(j.ended) > 3*interval {
		j.stalled = true
		d.stalled(j)
	}
	reason := watchdog.None
	if j.watch != nil && t == &j.schedule {
		if reason = j.watch.scheduled(); reason == watchdog.None && j.intents.open() == 0 && !j.outlook.confirm && j.state.LastRun.Pending == 0 {
			if !j.running {
				j.ended = now // nothing was due, so nothing is overdue
			}
			return // webhooks tell: the schedule rests
		}
	}
	if j.current != nil {
		if t == &j.reconcile { // not to be missed: it follows
			d.requestLocked(j, t.origin)
			return
		}
		j.state.LastRun.Missed++
		return
	}
	if backlog := d.store.Backlog(); backlog >= d.config().Bridge.Retain.Backlog {
		if j.waiting == "" {
			d.log.Error("job waits: the backlog of undelivered events is at its cap", "job", j.cfg.Name, "backlog", backlog,
				"hint", "see hookbridge status; mend or forget the destination, or raise retain.backlog")
		}
		j.waiting = "backlog"
		if t == &j.reconcile { // not to be missed: as soon as there is room
			d.plan(t, now.Round(0).Add(clockStep))
		}
		return
	}
	j.waiting = ""
	j.current = newTurn(j, t.origin)
	j.current.tick, j.current.reason = due, reason
	if reason != watchdog.None {
		j.current.origin = originOf(reason)
	}
	d.pool.add(j.current)
}

// request asks for one more run: the one that is queued, or one that follows the run in progress.
func (d *Daemon) request(j *job, origin bridge.Origin) *turn {
	j.mu.Lock()
	defer j.mu.Unlock()
	return d.requestLocked(j, origin)
}

func (d *Daemon) requestLocked(j *job, origin bridge.Origin) *turn {
	switch {
	case j.current == nil:
		j.current = newTurn(j, origin)
		d.pool.add(j.current)
		return j.current
	case !j.running:
		j.current.origin = stronger(j.current.origin, origin)
		return j.current
	case j.after == nil:
		j.after = newTurn(j, origin)
	default:
		j.after.origin = stronger(j.after.origin, origin)
	}
	return j.after
}

// stronger is the origin of a run that two have asked for: one that must look at everything does for both, and what
// somebody asked for by hand is told as such.
func stronger(a, b bridge.Origin) bridge.Origin {
	for _, o := range []bridge.Origin{bridge.Reconcile, bridge.Manual} {
		if a == o || b == o {
			return o
		}
	}
	return a
}

// work is one turn on a pool goroutine.
func (d *Daemon) work(t *turn, l *leash) {
	j := t.job
	l.renew(d.runs)
	ctx := l.ctx
	j.mu.Lock()
	j.running, j.cancel = true, l.cancel
	if j.retired {
		l.cancel(errRetired)
	}
	origin, reason := t.origin, t.reason
	intents := j.intents.newest // what came until now is seen by a run whose first request follows
	j.reading = intents
	j.mu.Unlock()

	if err := j.acquire(ctx); err == nil {
		d.watchBegan(j, reason)
		t.report = d.run(ctx, j, origin)
		j.release()
		d.watchEnded(j, t.report)
	} else {
		t.report = bridge.RunReport{Outcome: bridge.RunDropped, Origin: origin, Error: err.Error()}
	}
	d.ranJob(j, t.report)
	if t.report.Outcome != bridge.RunFailed && t.report.Outcome != bridge.RunDropped {
		d.satisfied(j, intents)
	} else {
		d.unsatisfied(j)
	}

	j.mu.Lock()
	j.running, j.cancel, j.reading = false, nil, 0
	j.current, j.after = j.after, nil
	if j.current != nil {
		if d.runs.Err() != nil {
			j.current.report = t.report
			close(j.current.done)
			j.current = nil
		} else {
			d.pool.add(j.current)
		}
	}
	j.mu.Unlock()
	close(t.done)
}

// ranJob logs a run, tells of failure and recovery, and sets the next tick where the schedule alone does not.
func (d *Daemon) ranJob(j *job, report bridge.RunReport) {
	if report.Outcome == bridge.RunDropped {
		return
	}
	now := time.Now()
	next := d.dueAt(&j.schedule)
	j.mu.Lock()
	outlook := j.outlook
	j.mu.Unlock()
	switch {
	case report.Outcome != bridge.RunFailed:
		d.logRun(j, report)
		next = d.adapt(j, &report, next)
		if outlook.confirm && !next.IsZero() {
			if soon := now.Add(confirmAfter); soon.Before(next) {
				next = soon
			}
			if floor := now.Add(confirmFloor); next.Before(floor) {
				next = floor
			}
			d.plan(&j.schedule, next.Round(0))
		}
		j.mu.Lock()
		follow := outlook.follow && !j.followed // once; after that the next tick
		j.followed = follow
		j.mu.Unlock()
		if follow {
			d.request(j, report.Origin)
		}
	case d.runs.Err() != nil || next.IsZero():
	default:
		d.logFailure(j, report)
		if !outlook.retryAt.IsZero() {
			if outlook.retryAt.After(next) {
				next = outlook.retryAt
			}
		} else if wait := backoff(j.interval(), report.Failures); wait > 0 {
			if later := now.Add(wait); later.After(next) {
				next = later
			}
		}
		if soon := now.Add(min(lookupWait<<min(report.Failures, 16), maxBackoff)); j.calls() && soon.Before(next) && !soon.Before(outlook.retryAt) {
			next = soon // webhooks wait, and would not wait for a schedule that is slow because of them
		}
		d.plan(&j.schedule, next.Round(0))
	}
	d.tellRun(j, report)
}

// backoff is how long a job waits after so many failed runs in a row: three keep the schedule, then the wait doubles to
// at most ten intervals or five minutes, whichever is less.
func backoff(interval time.Duration, failures int64) time.Duration {
	if failures <= failuresToTell || interval >= maxBackoff {
		return 0
	}
	limit := min(10*interval, maxBackoff)
	wait := interval
	for range failures - failuresToTell {
		if wait *= 2; wait >= limit {
			return limit
		}
	}
	return wait
}

// firstTick is when a job that was just opened runs first: at once without a baseline or when a run is overdue and
// missed = "run_once"; @every counts from the last run.
func (j *job) firstTick(state *bridge.JobState, now time.Time) time.Time {
	wall := now.Round(0)
	last := state.LastRun.Began
	if !state.Baselined || last.IsZero() {
		return wall.Add(j.splay / 10)
	}
	due, latest := j.schedule.following(last, last), j.schedule.following(last, wall) // a clock that was set back must not make the job wait longer than one step
	switch {
	case due.After(latest):
		return latest
	case due.After(wall):
		return due
	case j.cfg.RunOnce:
		return wall.Add(j.splay / 10)
	default:
		return latest
	}
}

// firstReconcile is when a job that was just opened is compared with its whole source first.
func (j *job) firstReconcile(state *bridge.JobState, now time.Time) time.Time {
	if j.reconcile.times == nil {
		return time.Time{}
	}
	wall := now.Round(0)
	last := state.LastRun.LastReconciled
	if last.IsZero() || last.After(wall) {
		return j.reconcile.following(wall, wall)
	}
	if due := j.reconcile.following(last, last); due.After(wall) {
		return due
	}
	return wall.Add(j.splay)
}

// replan gives every job its next tick anew after the clock has jumped: what is overdue runs once, and nothing waits
// longer than one step of its schedule.
func (d *Daemon) replan(now time.Time) {
	wall := now.Round(0)
	for _, j := range d.allJobs() {
		for _, t := range []*tick{&j.schedule, &j.reconcile} {
			due := d.dueAt(t)
			if due.IsZero() {
				continue
			}
			if next := t.following(wall, wall); due.After(next) {
				d.plan(t, next)
			}
		}
		if j.watch != nil && d.listening.Load() != nil {
			d.hear(j.watch) // what silence meant before is not known
		}
	}
}
