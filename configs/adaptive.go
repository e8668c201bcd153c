package configs

import (
	"time"

	"github.com/hookbridge/bridge/configs/attr"
)

// Adaptive lets the interval of a job follow what its source does: shorter after changes, longer while there are none.
type Adaptive struct{ Min, Max time.Duration }

// adaptive reads the block of that name; nil without one. The interval of the schedule, which must have one, is what the
// job begins with.
func adaptive(r *attr.Reader, schedule *Schedule) *Adaptive {
	b := r.Block("adaptive", 0)
	if b == nil {
		return nil
	}
	c := r.Child(b, "adaptive")
	before := r.Errors()
	for _, name := range []string{"min", "max"} {
		if !c.Has(name) {
			c.Required(name)
		}
	}
	a := &Adaptive{Min: c.Duration("min", time.Second, time.Second), Max: c.Duration("max", time.Hour, time.Second)}
	if r.Errors() > before || schedule == nil {
		return nil
	}
	switch {
	case !schedule.Every:
		c.Errorf(b.DefRange(), "No interval to adapt", `Times of day cannot be adapted: write schedule = "@every 1m", which is what the job begins with, or remove adaptive.`)
	case a.Min > schedule.Interval():
		c.Errorf(c.Range("min"), "Conflicting intervals", "min is more than the %s of schedule, which is what the job begins with.", schedule.Interval())
	case a.Max < schedule.Interval():
		c.Errorf(c.Range("max"), "Conflicting intervals", "max is less than the %s of schedule, which is what the job begins with.", schedule.Interval())
	}
	return a
}

// After is the interval that follows one of d: half of it where the run found changes, half as long again where it
// found none, within the bounds.
func (a *Adaptive) After(d time.Duration, changed bool) time.Duration {
	if changed {
		return max(d/2, a.Min)
	}
	return min(d+d/2, a.Max)
}
