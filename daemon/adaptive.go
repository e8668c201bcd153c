package daemon

import (
	"time"

	"github.com/hookbridge/bridge"
)

// adapt changes the interval of a job that lets it follow what its source does, after a run of its schedule, and returns
// when the next is due: the tick that was planned before, where nothing has changed.
func (d *Daemon) adapt(j *job, report *bridge.RunReport, next time.Time) time.Time {
	a := j.cfg.Adaptive
	scheduled := report.Origin == bridge.Schedule || report.Origin == bridge.Fallback
	if a == nil || next.IsZero() || !scheduled || report.Outcome == bridge.RunBaseline {
		return next
	}
	before := j.interval()
	after := a.After(before, report.Outcome == bridge.RunChanged)
	if after == before {
		return next
	}
	j.pace.Store(int64(after))
	if next = next.Add(after - before); next.Before(time.Now()) {
		next = time.Now()
	}
	d.plan(&j.schedule, next.Round(0))
	return next
}
