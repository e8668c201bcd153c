package configs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when a job is due.
//
// A cron expression is met by the clock on the wall of its zone: CRON_TZ=… in front of it, or else the local one. Where
// that clock is put forward, times it skips do not come (02:30 in spring); where it is put back, times it shows twice
// come twice (01:30 in autumn). Intervals (@every) know no wall.
type Schedule struct {
	Text  string
	Every bool // an interval, not a time of day

	next     cron.Schedule
	interval time.Duration
}

// Next is the first firing after t.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.Every {
		return t.Add(s.interval)
	}
	return s.next.Next(t.In(time.Local)).In(t.Location())
}

// Interval is the time between two firings: exact for @every, otherwise the shortest gap within a week of firings.
func (s *Schedule) Interval() time.Duration { return s.interval }

var cronParser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// ParseSchedule reads 5 or 6 cron fields, optionally after CRON_TZ=Zone; @every with a duration of whole seconds; or
// @hourly, @daily, @weekly, @monthly, @yearly. What would never fire is an error.
func ParseSchedule(text string) (*Schedule, error) {
	spec := strings.TrimSpace(text)
	if spec == "" {
		return nil, errors.New(`it is empty; write "@every 30s", or five cron fields such as "*/5 * * * *"`)
	}
	if zone, rest, ok := zone(spec); ok {
		if rest == "" {
			return nil, errors.New(`there is only a time zone; put the schedule behind it: "CRON_TZ=Europe/Berlin 0 3 * * *"`)
		}
		if zone == "" {
			return nil, errors.New(`the time zone is empty; write one such as "CRON_TZ=Europe/Berlin 0 3 * * *"`)
		}
		if _, err := time.LoadLocation(zone); err != nil {
			return nil, fmt.Errorf("the time zone %q is not known; write one such as Europe/Berlin or UTC", zone)
		}
		if strings.HasPrefix(rest, "@every") {
			return nil, errors.New("an interval has no time zone; remove it")
		}
		spec = "CRON_TZ=" + zone + " " + rest
	}
	if rest, ok := strings.CutPrefix(spec, "@every"); ok {
		return every(text, strings.TrimSpace(rest))
	}
	next, err := cronParser.Parse(spec)
	if err != nil {
		return nil, fmt.Errorf(`%w; write five cron fields (minute hour day month weekday), six with seconds in front, or "@every 30s"`, err)
	}
	// From a fixed day: what a file means does not depend on when it is read. A leap day is less than five years off,
	// which is as far as cron looks.
	first := next.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.Local))
	if first.IsZero() {
		return nil, errors.New("it never fires: there is no such day")
	}
	return &Schedule{Text: text, next: next, interval: shortest(next, first)}, nil
}

// zone splits TZ=… or CRON_TZ=… off a schedule.
func zone(spec string) (zone, rest string, ok bool) {
	after, ok := strings.CutPrefix(spec, "CRON_TZ=")
	if !ok {
		if after, ok = strings.CutPrefix(spec, "TZ="); !ok {
			return "", spec, false
		}
	}
	zone, rest, _ = strings.Cut(after, " ")
	return zone, strings.TrimSpace(rest), true
}

func every(text, interval string) (*Schedule, error) {
	d, err := time.ParseDuration(interval)
	switch {
	case err != nil:
		return nil, fmt.Errorf(`%q is not a duration; write "@every 30s", "@every 5m" or "@every 1h30m"`, interval)
	case d < time.Second:
		return nil, errors.New("an interval is at least 1s")
	case d%time.Second != 0:
		return nil, errors.New("an interval is whole seconds")
	}
	return &Schedule{Text: text, Every: true, interval: d}, nil
}

// shortest finds the shortest gap between firings, looking at those of a week and no more than a few hundred.
func shortest(s cron.Schedule, first time.Time) time.Duration {
	gap := time.Duration(0)
	for at, n := first, 0; n < 400 && (n < 2 || at.Sub(first) < 8*24*time.Hour); n++ {
		after := s.Next(at)
		if after.IsZero() {
			break
		}
		if d := after.Sub(at); gap == 0 || d < gap {
			gap = d
		}
		at = after
	}
	if gap == 0 {
		gap = 365 * 24 * time.Hour
	}
	return gap
}
