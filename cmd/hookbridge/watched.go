package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hookbridge/bridge/daemon"
	"github.com/hookbridge/bridge/watchdog"
)

// watchdogs says of every watched job where it stands with its webhooks, why it waits and until when. Where no daemon
// runs there is only what was last written down.
func (a *app) watchdogs(s daemon.Status, now time.Time) {
	t := table{head: []string{"WATCHDOG", "STATE", "SINCE", "LAST WEBHOOK", "WEBHOOKS", "MISSED", "NEXT PROBE", "NEXT AUDIT"}, right: map[int]bool{4: true, 5: true}}
	for _, j := range s.Jobs {
		w := j.Watchdog
		if w == nil {
			if n := len(j.History); n > 0 {
				last := j.History[n-1]
				t.add(plain(j.Name), a.watchdogCell(watchdog.State(last.To)), plain(ago(last.At, now)), plain("-"), plain("-"), plain("-"), plain("-"), plain("-"))
				t.note(plain("when it was last written down: " + printable(last.Why)))
			}
			continue
		}
		since := "-"
		if !w.Since.IsZero() {
			since = ago(w.Since, now)
		}
		missed := plain(fmt.Sprint(w.Missed))
		if w.Missed > 0 {
			missed.paint = a.out.yellow
		}
		probe, audit, words := ahead(w.Probe, now), ahead(w.Audit, now), printable(w.Words)
		if j.State == "paused" {
			probe, audit, words = "-", "-", "the job is paused: webhooks are taken, and nothing is polled"
		}
		t.add(plain(j.Name), a.watchdogCell(w.State), plain(since), plain(ago(w.Last, now)), plain(fmt.Sprint(w.Webhooks)), missed,
			plain(probe), plain(audit))
		t.note(plain(words))
		if w.Warning != "" {
			t.note(cell{"warning: " + printable(w.Warning), a.out.yellow})
		}
	}
	if len(t.rows) > 0 {
		a.printf("\n")
		t.write(a.stdout, a.out)
	}
}

func (a *app) watchdogCell(state watchdog.State) cell {
	return cell{string(state), a.out.watchdog(state)}
}

func (p paint) watchdog(state watchdog.State) func(string) string {
	switch state {
	case watchdog.Listening:
		return p.green
	case watchdog.Fallback:
		return p.red
	case watchdog.Probing, watchdog.Recovering:
		return p.yellow
	}
	return func(s string) string { return s }
}

// receiverTable says where webhooks come in and what became of them since the daemon began.
func (a *app) receiverTable(s daemon.Status, now time.Time) {
	if s.Listening != "" {
		a.printf("\nwebhooks come in at %s\n", a.out.bold(s.Listening))
	}
	if len(s.Receivers) == 0 {
		return
	}
	if s.Listening == "" {
		a.printf("\n%s\n", a.out.yellow("webhooks cannot come in: nothing listens for them; start anew: hookbridge run"))
	}
	t := table{head: []string{"RECEIVER", "ADDRESS", "ACCEPTED", "DUPLICATES", "FAILED", "REFUSED", "LAST"}, right: map[int]bool{2: true, 3: true, 4: true, 5: true}}
	for _, r := range s.Receivers {
		refused, reasons := int64(0), []string{}
		for _, reason := range slices.Sorted(maps.Keys(r.Refused)) {
			refused += r.Refused[reason]
			reasons = append(reasons, fmt.Sprintf("%s %d", printable(reason), r.Refused[reason]))
		}
		failed, turned := plain(fmt.Sprint(r.Failed)), plain(fmt.Sprint(refused))
		if r.Failed > 0 {
			failed.paint = a.out.red
		}
		if refused > 0 {
			turned.paint = a.out.yellow
		}
		t.add(plain(r.Receiver), plain("/in/"+r.Receiver), plain(fmt.Sprint(r.Accepted)), plain(fmt.Sprint(r.Duplicates)), failed, turned, plain(ago(r.Last, now)))
		if refused > 0 {
			t.note(plain("refused: " + strings.Join(reasons, ", ")))
		}
		if r.Failed > 0 {
			t.note(plain("could not be decoded: hookbridge inbound list --state failed --receiver " + r.Receiver))
		}
	}
	t.write(a.stdout, a.out)
}
