package daemon

import (
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/watchdog"
)

const (
	failuresToTell = 3 // failed runs in a row before the job backs off and bridge.job.failing is told
	maxBackoff     = 5 * time.Minute
	confirmAfter   = 60 * time.Second // a run that leaves pending absences looks again at the latest after this ...
	confirmFloor   = time.Second      // ... and never sooner
)

// turn is one run to come, or in progress, that somebody may wait for.
type turn struct {
	job    *job
	origin bridge.Origin
	reason watchdog.Reason // what the watchdog makes of it; empty: nothing
	tick   time.Time       // it was due; zero when somebody asked for it
	done   chan struct{}   // closed when report stands
	report bridge.RunReport
}

func newTurn(j *job, origin bridge.Origin) *turn {
	return &turn{job: j, origin: origin, done: make(chan struct{})}
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
	origin := t.origin
	intents := j.intents.newest // what came until now is seen by a run whose first request follows
	j.reading = intents
	j.mu.Unlock()

	if err := j.acquire(ctx); err == nil {
		d.watchBegan(j)
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
