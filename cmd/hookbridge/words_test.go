package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDurationsAreSaidAsPeopleSayThem(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "<1ms",
		4 * time.Millisecond:    "4ms",
		120 * time.Millisecond:  "0.12s",
		-3 * time.Second:        "3.00s",
		45 * time.Second:        "45s",
		3 * time.Minute:         "3m",
		time.Hour - time.Second: "60m",
		26 * time.Hour:          "26h",
		5 * 24 * time.Hour:      "5d",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestMomentsAreSaidFromNow(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{ago(time.Time{}, now), "never"},
		{ago(now.Add(time.Minute), now), "just now"},
		{ago(now.Add(-3*time.Second), now), "3s ago"},
		{ago(now.Add(-3*time.Hour), now), "3h ago"},
		{ahead(time.Time{}, now), "-"},
		{ahead(now.Add(-time.Hour), now), "now"},
		{ahead(now.Add(27*time.Second), now), "in 27s"},
		{size(17), "17 B"},
		{size(1536), "1.5 KiB"},
		{size(5 << 40), "5.0 TiB"},
		{count(1, "delivery"), "1 delivery"},
		{count(0, "delivery"), "0 deliveries"},
		{count(2, "record"), "2 records"},
		{cut("abcdef", 4), "abc…"},
		{cut("äöü", 3), "äöü"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTextFromOutsideCannotDriveTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"1001":               "1001",
		"Gdańsk → 日本":        "Gdańsk → 日本",
		"\x1b[2J\x1b]0;x\a":  `\x1b[2J\x1b]0;x\a`,
		"a\nb\tc":            `a\nb\tc`,
		"\u202egnp.exe":      `\u202egnp.exe`,
		"\u009b31m":          `\u009b31m`,
		"broken \xff\xfe ok": `broken \xff\xfe ok`,
		"\ufffd":             "\ufffd",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLogLinesCannotDriveTheTerminal(t *testing.T) {
	var b strings.Builder
	a := &app{stderr: &b, err: paint{on: true}}
	a.logger(slog.LevelInfo).Error("poll failed", "key", "\x1b[2Jgone", "error", errors.New("answer \x1b]0;title\a"), "quoted", `a \x1b[2J`)
	if got := b.String(); strings.Contains(got, "\x1b[2J") || strings.Contains(got, "\x1b]0") || !strings.Contains(got, `[2Jgone`) {
		t.Errorf("the log line is %q", got)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m")
	f.Add("\u202e\xff\x00")
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		if strings.ContainsFunc(got, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) {
			t.Errorf("printable(%q) = %q still holds control characters", s, got)
		}
		if again := printable(got); again != got {
			t.Errorf("printable(%q) = %q, and again %q", s, got, again)
		}
	})
}

func TestTimesOfFilters(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"90m":                       now.Add(-90 * time.Minute),
		"7d":                        now.AddDate(0, 0, -7),
		"2026-11-20":                time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"2026-11-20 08:30":          time.Date(2026, 11, 20, 8, 30, 0, 0, time.UTC),
		"2026-11-20T08:30:00+02:00": time.Date(2026, 11, 20, 6, 30, 0, 0, time.UTC),
	} {
		got, err := moment(text, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("moment(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-5m", "-3d", "3dd", "yesterday", "2026-13-01", "12", "1e9d"} {
		if got, err := moment(text, now); err == nil {
			t.Errorf("moment(%q) = %v, want an error", text, got)
		}
	}
}

func TestTablesAlignWhateverTheColours(t *testing.T) {
	on := paint{on: true, terminal: -1}
	table := table{head: []string{"JOB", "STATE", "N"}, right: map[int]bool{2: true}}
	table.add(plain("orders"), cell{"idle", on.green}, plain("7"))
	table.note(plain("a long remark that must not widen the first column"))
	table.add(plain("änderungen"), cell{"backing-off", on.red}, plain("1234"))
	draw := func(p paint) string {
		var b strings.Builder
		table.write(&b, p)
		return b.String()
	}
	want := "" +
		"JOB         STATE           N\n" +
		"orders      idle            7\n" +
		"  a long remark that must not widen the first column\n" +
		"änderungen  backing-off  1234\n"
	plain := strings.NewReplacer("\x1b[0m", "", "\x1b[1m", "", "\x1b[31m", "", "\x1b[32m", "")
	if diff := cmp.Diff(want, plain.Replace(draw(on))); diff != "" {
		t.Errorf("without its colours the table differs (-want +got):\n%s", diff)
	}
	if !strings.Contains(draw(on), "\x1b[32midle\x1b[0m") {
		t.Error("the table has no colours")
	}
}
