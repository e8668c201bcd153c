package inbound

import (
	"maps"
	"sync"
	"time"
)

// counts are what a receiver has done. Refusals are logged once, and then once a minute with their number: who is
// refused may come as often as he likes, and a log is not his to fill.
type counts struct {
	mu     sync.Mutex
	done   Status
	logged map[string]logged
}

type logged struct {
	at    time.Time
	since int64 // refusals that were not logged
}

const logEvery = time.Minute

// refused counts a refusal and reports whether it is to be logged, standing for so many more.
func (c *counts) refused(why string, now time.Time) (more int64, log bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done.Refused == nil {
		c.done.Refused = make(map[string]int64)
	}
	c.done.Refused[why]++
	return c.quiet(why, now)
}

// noted reports whether something that is no refusal is to be logged.
func (c *counts) noted(what string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, log := c.quiet(what, now)
	return log
}

func (c *counts) quiet(what string, now time.Time) (more int64, log bool) {
	if c.logged == nil {
		c.logged = make(map[string]logged)
	}
	last := c.logged[what]
	if !last.at.IsZero() && now.Sub(last.at) < logEvery {
		last.since++
		c.logged[what] = last
		return 0, false
	}
	c.logged[what] = logged{at: now}
	return last.since, true
}

func (c *counts) accepted(duplicate, failed bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done.Accepted++
	if duplicate {
		c.done.Duplicates++
	}
	if failed {
		c.done.Failed++
	}
	c.done.Last = now
}

func (c *counts) status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := c.done
	status.Refused = maps.Clone(status.Refused)
	return status
}
