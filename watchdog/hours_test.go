package watchdog

import (
	"strings"
	"testing"
	"time"
)

func TestHours(t *testing.T) {
	tests := []struct {
		hours   string
		in, out []string // local to the zone named last
		zone    string
	}{
		{"Mon-Fri 07:00-19:00 Europe/Berlin", []string{"2026-03-02 07:00", "2026-03-06 18:59"}, []string{"2026-03-02 06:59", "2026-03-02 19:00", "2026-03-07 12:00", "2026-03-01 12:00"}, "Europe/Berlin"},
		{"mon-fri 07:00-19:00", []string{"2026-03-02 07:00"}, []string{"2026-03-02 06:59"}, "Asia/Tokyo"},
		{"Sat-Mon 22:00-06:00 UTC", []string{"2026-03-07 22:00", "2026-03-08 05:59", "2026-03-10 03:00"}, []string{"2026-03-07 03:00", "2026-03-10 06:00", "2026-03-10 23:00"}, "UTC"},
		{"Mon, Wed 09:00-17:00 America/New_York", []string{"2026-03-02 09:00", "2026-03-04 16:59"}, []string{"2026-03-03 12:00", "2026-03-02 17:00"}, "America/New_York"},
		{"08:00-12:00, 13:00-24:00 Europe/Paris", []string{"2026-03-08 08:00", "2026-03-08 23:59"}, []string{"2026-03-08 12:30", "2026-03-08 00:00"}, "Europe/Paris"},
		{"Mon Europe/Berlin", []string{"2026-03-02 00:00", "2026-03-02 23:59"}, []string{"2026-03-03 00:00", "2026-03-01 23:59"}, "Europe/Berlin"},
		{"Mon-Fri 07:00-19:00 Europe/Berlin, Sat 09:00-12:00", []string{"2026-03-07 09:00"}, []string{"2026-03-07 12:00"}, "Europe/Berlin"},
		{"Mon 09:00-17:00 Europe/Berlin, Mon 09:00-17:00 America/New_York", []string{"2026-03-02 04:00", "2026-03-02 09:00", "2026-03-02 16:00"}, []string{"2026-03-02 17:00", "2026-03-02 01:00"}, "America/New_York"},
		{"Sun 02:00-03:00 Europe/Berlin", []string{"2026-10-25 02:30"}, []string{"2026-03-29 03:00", "2026-03-29 01:59"}, "Europe/Berlin"},
	}
	for _, test := range tests {
		hours, err := ParseHours(test.hours, zone(t, "Asia/Tokyo"))
		if err != nil {
			t.Errorf("%s: %v", test.hours, err)
			continue
		}
		for i, text := range append(test.in, test.out...) {
			at, err := time.ParseInLocation("2006-01-02 15:04", text, zone(t, test.zone))
			if err != nil {
				t.Fatal(err)
			}
			if got := hours.Contains(at); got != (i < len(test.in)) {
				t.Errorf("%s: contains %s: %v", test.hours, text, got)
			}
		}
		if hours.String() != test.hours {
			t.Errorf("prints %q, was %q", hours, test.hours)
		}
	}
}

func TestHoursRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "empty",
		"Mon-Fri 07:00-19:00,":          "part 2 is empty",
		"Mon-Fry 07:00-19:00":           "did not expect \"Mon-Fry\"",
		"Mon-Fri 7:00-19:00":            "\"7:00\" is not a time of day",
		"Mon-Fri 07:00-25:00":           "\"25:00\" is not a time of day",
		"Mon-Fri 07:00-24:01":           "\"24:01\" is not a time of day",
		"Mon-Fri 07:60-19:00":           "\"07:60\" is not a time of day",
		"Mon-Fri 07:00":                 "07:00-19:00",
		"Mon-Fri 07:00-07:00":           "00:00-24:00",
		"Mon-Fri 07:00-19:00 Mars/Olym": "Mars/Olym",
		"Mon-Fri 07:00-19:00 Local":     "Local",
		"Europe/Berlin 07:00-19:00":     "did not expect",
		"07:00-19:00 08:00-09:00":       "did not expect",
		"Mon-Fri ../../etc/passwd":      "neither",
	} {
		_, err := ParseHours(text, time.UTC)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestExpectedTimePassesByTheClockOnTheWall measures 24 hours of two-hour nights through both changes of summer time.
func TestExpectedTimePassesByTheClockOnTheWall(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	hours, err := ParseHours("01:00-04:00", berlin)
	if err != nil {
		t.Fatal(err)
	}
	c := calendar{zone: berlin, hours: hours}
	for _, test := range []struct {
		from string
		want time.Duration // that the night of three hours on the clock lasts
	}{{"2026-03-28 12:00", 2 * time.Hour}, {"2026-10-24 12:00", 4 * time.Hour}, {"2026-06-01 12:00", 3 * time.Hour}} {
		from, err := time.ParseInLocation("2006-01-02 15:04", test.from, berlin)
		if err != nil {
			t.Fatal(err)
		}
		last := c.expectedAfter(from, test.want)
		if local := last.In(berlin).Format("15:04"); local != "04:00" {
			t.Errorf("night after %s: %v of it end at %s, want 04:00", test.from, test.want, local)
		}
		if next := c.expectedAfter(from, test.want+time.Minute).In(berlin).Format("15:04"); next != "01:01" {
			t.Errorf("a minute more: %s, want 01:01 of the next night", next)
		}
	}
}

// TestCellsCoverTimeWithoutGapsOrJumps walks two years of zones with odd offsets and odd changes of the clock.
func TestCellsCoverTimeWithoutGapsOrJumps(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "Pacific/Apia"} {
		place := zone(t, name)
		hours, err := ParseHours("Mon-Fri 07:20-19:45 Europe/Berlin, Sat 23:30-01:15 Asia/Kathmandu", time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		c := calendar{zone: place, hours: hours}
		at := time.Date(2011, 12, 20, 3, 17, 11, 13, time.UTC)
		for end := at.AddDate(1, 6, 0); at.Before(end); {
			cell := c.cell(at)
			if !cell.end.After(at) || cell.end.Sub(at) > time.Hour {
				t.Fatalf("%s: cell at %v ends at %v", name, at, cell.end)
			}
			for _, inside := range []time.Time{at, at.Add(cell.end.Sub(at) / 2), cell.end.Add(-1)} {
				local := inside.In(place)
				if hours.Contains(inside) != cell.expected || int(local.Weekday())*24+local.Hour() != cell.hour {
					t.Fatalf("%s: cell at %v does not hold at %v", name, at, inside)
				}
			}
			at = cell.end
		}
	}
}

func FuzzParseHours(f *testing.F) {
	for _, seed := range []string{example, "Mon, Wed 09:00-17:00", "08:00-12:00, 13:00-24:00 Europe/Paris", "Sat-Mon 22:00-06:00 UTC", "Mon UTC,Tue"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		hours, err := ParseHours(text, time.UTC)
		if err != nil {
			if hours != nil {
				t.Fatal("both hours and an error")
			}
			return
		}
		again, err := ParseHours(hours.String(), time.UTC)
		if err != nil {
			t.Fatalf("%q prints as %q: %v", text, hours, err)
		}
		expected := false
		for at := time.Date(2026, 3, 22, 0, 0, 0, 0, time.UTC); at.Day() < 31; at = hours.edge(at) {
			expected = expected || hours.Contains(at)
			if hours.Contains(at) != again.Contains(at) {
				t.Fatalf("%q and %q differ at %v", text, hours, at)
			}
			if !hours.edge(at).After(at) {
				t.Fatalf("%q stands still at %v", text, at)
			}
		}
		if !expected {
			t.Fatalf("%q never expects anything", text)
		}
	})
}
