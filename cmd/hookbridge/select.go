package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// moment reads a point in time: a duration before now (90m, 2h30m, 7d), a date, or RFC 3339.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && text == fmt.Sprintf("%dd", days) && days >= 0 {
		return now.AddDate(0, 0, -days), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", text)
}

// period is what --since and --until give.
type period struct{ since, until string }

func (p *period) flags(c *cobra.Command, what string) {
	c.Flags().StringVar(&p.since, "since", "", what+" from this `TIME` on: 90m or 7d before now, 2026-01-31, or RFC 3339")
	c.Flags().StringVar(&p.until, "until", "", what+" up to this `TIME`")
}

func (p *period) read(c *cobra.Command, now time.Time) (since, until time.Time, err error) {
	if since, err = moment(p.since, now); err != nil {
		return since, until, wrongCall(c, "--since %s; write 90m, 7d, 2026-01-31 or 2026-01-31T12:00:00Z", err)
	}
	if until, err = moment(p.until, now); err != nil {
		return since, until, wrongCall(c, "--until %s; write 90m, 7d, 2026-01-31 or 2026-01-31T12:00:00Z", err)
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return since, until, wrongCall(c, "--since is not before --until")
	}
	return since, until, nil
}
