package stamp

import (
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-21T02:03:04Z":                "2026-11-21T02:03:04Z",
		"2026-11-21T02:03:04.120Z":            "2026-11-21T02:03:04.12Z",
		"2026-11-21t02:03:04z":                "2026-11-21T02:03:04Z",
		"2026-11-21T02:03:04+02:00":           "2026-11-21T00:03:04Z",
		"2026-11-21T02:03:04.123456789-05:30": "2026-11-21T07:33:04.123456789Z",
		"2026-11-21T02:03:04.5+0200":          "2026-11-21T00:03:04.5Z",
		"2026-11-21T02:03:04+02":              "2026-11-21T00:03:04Z",
		"2026-11-21 02:03:04 +0200":           "2026-11-21T00:03:04Z",
		"2026-11-21 02:03:04 UTC":             "2026-11-21T02:03:04Z",
		"2026-11-21 02:03:04,250":             "2026-11-21T02:03:04.25Z",
		"2026-11-21 02:03:04":                 "2026-11-21T02:03:04Z",
		"2026-11-21T02:03":                    "2026-11-21T02:03:00Z",
		"2026-11-21":                          "2026-11-21T00:00:00Z",
		"1795226584":                          "2026-11-21T02:03:04Z",
		"1795226584.25":                       "2026-11-21T02:03:04.25Z",
		"1795226584123":                       "2026-11-21T02:03:04.123Z",
		"1795226584123.5":                     "2026-11-21T02:03:04.1235Z",
		"1795226584123456":                    "2026-11-21T02:03:04.123456Z",
		"1795226584123456789":                 "2026-11-21T02:03:04.123456789Z",
		"0":                                   "1970-01-01T00:00:00Z",
	} {
		s, ok := Read(text)
		if got := s.At.UTC().Format(time.RFC3339Nano); !ok || got != want {
			t.Errorf("%q is %s (%t), want %s", text, got, ok, want)
		}
		if got := s.Spell(s.At); got != text {
			t.Errorf("%q is written as %q", text, got)
		}
	}
	for _, text := range []string{
		"", "x", "now", "-1", "+1", "1.", ".5", "1e9", "0x10", "1_000", "1.0000000001", "99999999999999999999",
		"2026-11", "2026-13-01", "2026-02-30", "2026-11-21T", "2026-11-21T2", "2026-11-21X02:03", "2026-11-21T25:00:00Z", "2026-11-21T02:03:60Z",
		"2026-11-21T02:03:04.Z", "2026-11-21T02:03:04.1234567890Z", "2026-11-21T02:03:04 ", "2026-11-21T02:03:04+2", "2026-11-21T02:03:04+99:00", "2026-11-21T02:03:04CET",
		"21.11.2026", "11/21/2026", "Sat, 21 Nov 2026 02:03:04 GMT",
	} {
		if s, ok := Read(text); ok {
			t.Errorf("%q is read as %s", text, s.At)
		}
	}
}

// What is asked for may be earlier than the time it stands for, by less than one step of its spelling, but never later.
func TestStampIsSpelledAlikeAndNeverLater(t *testing.T) {
	at := time.Date(2026, 11, 21, 23, 59, 59, 987654321, time.UTC)
	for like, want := range map[string]string{
		"2020-01-31":                    "2026-11-21",
		"2020-01-31T12:00Z":             "2026-11-21T23:59Z",
		"2020-01-31T12:00:00Z":          "2026-11-21T23:59:59Z",
		"2020-01-31T12:00:00.0000Z":     "2026-11-21T23:59:59.9876Z",
		"2020-01-31T12:00:00+02:00":     "2026-11-22T01:59:59+02:00",
		"2020-01-31 12:00:00,000 -0130": "2026-11-21 22:29:59,987 -0130",
		"1577836800":                    "1795305599",
		"1577836800.00":                 "1795305599.98",
		"1577836800000":                 "1795305599987",
		"1577836800000.0":               "1795305599987.6",
		"1577836800000000":              "1795305599987654",
		"1577836800000000000":           "1795305599987654321",
	} {
		s, ok := Read(like)
		if got := s.Spell(at); !ok || got != want {
			t.Errorf("like %q it is %q, want %q", like, got, want)
		}
	}
	seconds, _ := Read("1577836800")
	if got := seconds.Spell(time.Unix(-5, 0)); got != "0" {
		t.Errorf("a time before 1970 is written as %q", got)
	}
}

// FuzzStamp: whatever is read as a time is written again as a time that is not later, and earlier by less than a day.
func FuzzStamp(f *testing.F) {
	for _, seed := range []string{"2026-11-21T02:03:04.123+02:00", "2026-11-21", "2026-11-21 02:03", "1795226584", "1795226584123.5", "0", "9223372036854775807", "9999-12-31T23:59:59-12:00"} {
		f.Add(seed, int64(1795226584), int64(123456789))
	}
	f.Fuzz(func(t *testing.T, text string, seconds, nanos int64) {
		s, ok := Read(text)
		if !ok || seconds < 0 || seconds > 9e9 || nanos < 0 || nanos > 999999999 {
			return
		}
		at := time.Unix(seconds, nanos)
		again, ok := Read(s.Spell(at))
		if s.Layout == "" && again.unit != s.unit {
			return // a number so small, or so large, that it counts in something else
		}
		if late := again.At.Sub(at); !ok || late > 0 || late <= -24*time.Hour {
			t.Errorf("like %q, %s is %q: %s", text, at.UTC(), s.Spell(at), again.At.UTC())
		}
	})
}
