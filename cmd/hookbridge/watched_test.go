package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
	"github.com/hookbridge/bridge/inbound"
	"github.com/hookbridge/bridge/watchdog"
)

func TestStatusExplainsWatchdogs(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	s := daemon.Status{Running: true, Jobs: []daemon.JobStatus{
		{Name: "orders", Watchdog: &watchdog.Status{State: watchdog.Listening, Since: now.Add(-3 * time.Hour), Last: now.Add(-42 * time.Minute),
			Webhooks: 1204, Missed: 2, Probe: now.Add(19 * time.Minute), Audit: now.Add(8 * time.Hour), Words: "last event 42 min ago"}},
		{Name: "plain"},
		{Name: "silent", Watchdog: &watchdog.Status{State: watchdog.Unproven, Words: "no event yet", Warning: "check\x1b the sender"}},
		{Name: "resting", State: "paused", Watchdog: &watchdog.Status{State: watchdog.Listening, Since: now, Last: now, Probe: now, Audit: now, Words: "probing"}},
		{Name: "gone", History: []bridge.Transition{{From: "listening", To: "probing", At: now.Add(-2 * time.Hour), Why: "a"},
			{From: "probing", To: "fallback", At: now.Add(-time.Minute), Why: "3 changes found"}}},
	}}
	want := `
WATCHDOG  STATE      SINCE     LAST WEBHOOK  WEBHOOKS  MISSED  NEXT PROBE  NEXT AUDIT
orders    listening  3h ago    42m ago           1204       2  in 19m      in 8h
  last event 42 min ago
silent    unproven   -         never                0       0  -           -
  no event yet
  warning: check\x1b the sender
resting   listening  just now  just now             0       0  -           -
  the job is paused: webhooks are taken, and nothing is polled
gone      fallback   60s ago   -                    -       -  -           -
  when it was last written down: 3 changes found
`
	var out bytes.Buffer
	(&app{stdout: &out}).watchdogs(s, now)
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("watchdogs (-want +got):\n%s", diff)
	}
	out.Reset()
	(&app{stdout: &out}).watchdogs(daemon.Status{Jobs: []daemon.JobStatus{{Name: "plain"}}}, now)
	if out.Len() > 0 {
		t.Errorf("without watchdogs: %q", &out)
	}
}

func TestStatusCountsWhatReceiversDid(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	some := []inbound.Status{
		{Receiver: "pings"},
		{Receiver: "shop", Accepted: 310, Duplicates: 4, Failed: 1, Refused: map[string]int64{"stale": 2, "missing": 1}, Last: now.Add(-42 * time.Minute)},
	}
	const table = `RECEIVER  ADDRESS    ACCEPTED  DUPLICATES  FAILED  REFUSED  LAST
pings     /in/pings         0           0       0        0  never
shop      /in/shop        310           4       1        3  42m ago
  refused: missing 1, stale 2
  could not be decoded: hookbridge inbound list --state failed --receiver shop
`
	for _, c := range []struct {
		status daemon.Status
		want   string
	}{
		{daemon.Status{}, ""},
		{daemon.Status{Running: true, Listening: "127.0.0.1:8484", Receivers: some}, "\nwebhooks come in at 127.0.0.1:8484\n" + table},
		{daemon.Status{Running: true, Receivers: some}, "\nwebhooks cannot come in: nothing listens for them; start anew: hookbridge run\n" + table},
	} {
		var out bytes.Buffer
		(&app{stdout: &out}).receiverTable(c.status, now)
		if diff := cmp.Diff(c.want, out.String()); diff != "" {
			t.Errorf("receivers (-want +got):\n%s", diff)
		}
	}
}

func TestReconcileReportsByKind(t *testing.T) {
	a := &app{}
	for want, r := range map[string]bridge.RunReport{
		"nothing was missed; compared in 5ms":                                                                          {},
		"nothing was missed; 7 records compared in 5ms":                                                                {Seen: 7},
		"1 change had been missed and is told now: 0 created, 0 updated, 1 deleted in 5ms":                             {Deleted: 1},
		"3 changes had been missed and are told now: 1 created, 2 updated, 0 deleted; 7 records compared in 5ms":       {Created: 1, Updated: 2, Seen: 7},
		"7 records taken in silently as the baseline in 5ms; from now on changes are told":                             {Seen: 7, Silent: 7, Outcome: bridge.RunBaseline},
		"7 records taken in silently in 5ms; some moved while they were read, so the baseline waits for a second poll": {Seen: 7, Silent: 7, Pending: 1, Open: "b", Outcome: bridge.RunBaseline},
	} {
		r.Took = 5 * time.Millisecond
		if got := a.reconcileWords(r); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
