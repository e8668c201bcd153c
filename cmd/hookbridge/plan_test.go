package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func TestPlanLinesFitTheTerminal(t *testing.T) {
	var b strings.Builder
	p := planner{app: &app{stdout: &b}, progress: &progress{}, width: 72}
	long := json.RawMessage(`{"text":"` + strings.Repeat("long ", 100) + `"}`)
	for _, c := range []daemon.PlanChange{
		{Job: "orders", Told: true, Change: bridge.Change{Op: bridge.Created, Key: "1", After: long}},
		{Job: "orders", Why: "held", Change: bridge.Change{Op: bridge.Deleted, Key: strings.Repeat("k", 30), Before: long}},
		{Job: "orders", Told: true, Change: bridge.Change{Op: bridge.Updated, Key: "\x1b[2J"}, Fields: []daemon.FieldChange{
			{Pointer: "/text", Before: string(long), After: string(long)},
			{Pointer: "/a/very/long/pointer/into", After: string(long)},
		}},
	} {
		if err := p.change(c); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > p.width {
			t.Errorf("%d columns in %q", n, line)
		}
		if strings.Contains(line, "\x1b") {
			t.Errorf("an escape sequence in %q", line)
		}
	}
	if got := strings.Count(b.String(), "\n"); got != 6 {
		t.Errorf("%d lines:\n%s", got, b.String())
	}
}

func TestPlanSumsUpInWords(t *testing.T) {
	report := func(change func(*daemon.PlanReport)) daemon.PlanReport {
		r := daemon.PlanReport{Job: "orders", Report: bridge.RunReport{Seen: 10}}
		change(&r)
		return r
	}
	failed := report(func(r *daemon.PlanReport) { r.Error = "no answer"; r.Report.Seen = 0 })
	for _, c := range []struct {
		reports []daemon.PlanReport
		want    string
		code    int
	}{
		{nil, "Plan: no changes.\n", exitDone},
		{[]daemon.PlanReport{report(func(*daemon.PlanReport) {})}, "Plan: no changes (10 records compared).\n", exitDone},
		{[]daemon.PlanReport{report(func(r *daemon.PlanReport) { r.Report.Created, r.Report.Deleted = 1, 2 })},
			"Plan: 1 to create, 0 to update, 2 to delete (10 records compared).\n", exitDone},
		{[]daemon.PlanReport{report(func(r *daemon.PlanReport) { r.Baseline = true; r.Report.Silent = 10 })},
			"orders: the first poll would take in 10 records silently, as the baseline; changes after it are told\n" +
				"Plan: nothing to tell yet (10 records compared).\n", exitDone},
		{[]daemon.PlanReport{report(func(r *daemon.PlanReport) { r.Report.Held = 7; r.Guard = "all would vanish" })},
			"orders: held: all would vanish\nPlan: 0 to create, 0 to update, 0 to delete, 7 held (10 records compared).\n", exitDone},
		{[]daemon.PlanReport{report(func(r *daemon.PlanReport) { r.Report.Pending = 1 })},
			"orders: 1 record absent, deleted once another complete poll confirms it\nPlan: no changes yet, 1 pending (10 records compared).\n", exitDone},
		{[]daemon.PlanReport{failed}, "orders: error: no answer\nPlan: nothing could be compared, 1 job failed.\n", exitFailed},
		{[]daemon.PlanReport{failed, report(func(*daemon.PlanReport) {})},
			"orders: error: no answer\nPlan: no changes (10 records compared), 1 job failed.\n", exitFailed},
	} {
		var b strings.Builder
		p := planner{app: &app{stdout: &b}, progress: &progress{}}
		code := p.app.conclude(p.conclude(c.reports))
		if diff := cmp.Diff(c.want, b.String()); diff != "" || code != c.code {
			t.Errorf("exit code %d, want %d; (-want +got):\n%s", code, c.code, diff)
		}
	}
}
