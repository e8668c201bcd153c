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
