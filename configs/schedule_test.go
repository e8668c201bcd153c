package configs_test

import (
	"testing"
	"time"

	"github.com/hookbridge/bridge/configs"
)

func TestParseScheduleRefusesWhatWouldNotFire(t *testing.T) {
	for _, text := range []string{"", " ", "TZ=0", "CRON_TZ=UTC", "TZ= 0 3 * * *", "CRON_TZ=Mars/Base 0 3 * * *", "0 0 30 2 *",
		"@every 1ms", "@every 0s", "@every -5s", "@every 1500ms", "@every", "CRON_TZ=UTC @every 30s", "* * *", "61 * * * *", "@fortnightly"} {
		if s, err := configs.ParseSchedule(text); err == nil {
			t.Errorf("%q is taken: %+v", text, s)
		}
	}
}

func TestParseScheduleTakesIntervals(t *testing.T) {
	for text, want := range map[string]time.Duration{"@every 1s": time.Second, "@every 90m": 90 * time.Minute, "*/5 * * * *": 5 * time.Minute,
		"*/10 * * * * *": 10 * time.Second, "@hourly": time.Hour, "TZ=UTC 0 3 * * *": 24 * time.Hour, "CRON_TZ=UTC 0 3,4 * * *": time.Hour} {
		s, err := configs.ParseSchedule(text)
		if err != nil || s.Interval() != want {
			t.Errorf("%q: %v, %v; want %s", text, s, err, want)
		}
	}
}

func TestCronFollowsTheClockOnTheWall(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text  string
		from  time.Time
		times []string
	}{
		{"CRON_TZ=America/New_York 30 2 * * *", time.Date(2026, 3, 7, 0, 0, 0, 0, zone), []string{"2026-03-07T02:30:00-05:00", "2026-03-09T02:30:00-04:00"}},
		{"CRON_TZ=America/New_York 30 1 * * *", time.Date(2026, 11, 1, 0, 0, 0, 0, zone), []string{"2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"}},
	} {
		s, err := configs.ParseSchedule(c.text)
		if err != nil {
			t.Fatal(err)
		}
		at := c.from
		for _, want := range c.times {
			if at = s.Next(at); at.Format(time.RFC3339) != want {
				t.Errorf("%s: %s, want %s", c.text, at.Format(time.RFC3339), want)
			}
		}
	}
}
