package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func statusCommand(a *app) *cobra.Command {
	var request daemon.StatusRequest
	c := &cobra.Command{
		Use:   "status",
		Short: "Jobs, watchdogs, receivers, destinations and holds at a glance",
		Long: `Jobs, watchdogs, receivers, destinations and holds at a glance, from the running daemon or, where none runs, from its
store. Of a watched job it says in words why it waits and until when.
--deep also checks the store itself; exit code 1 where something is wrong with it.
--json: {running, version, pid, since, config, config_error, store, store_bytes, backlog, backlog_cap, jobs[] {name, state,
schedule, baselined, last_run, next_run, records, pending, held, quarantine[], watchdog {state, since, silence_ns, last_webhook,
webhooks, missed, next_probe, next_audit, explanation, warning}, watchdog_history[] {from, to, at, why, missed}},
destinations[] {name, state, reason, backlog, dead, next_attempt}, holds[] {id, job, since, rows, total}, listening,
receivers[] {receiver, accepted, duplicates, failed, refused, last}, warnings[], deep {ok, problems[], took_ns}}; last_run
is what poll --json prints, refused counts by reason, and watchdog is there while the daemon runs.`,
		Args: between(0, 0, ""),
		RunE: action(func(ctx context.Context, _ []string) error {
			return a.withReader(ctx, func(control daemon.Control) error {
				stop := func() {}
				if request.Deep {
					stop = a.ticking("checking the store")
				}
				s, err := control.Status(ctx, request)
				stop()
				if err != nil {
					return err
				}
				if a.json {
					err = a.document(s)
				} else {
					a.printStatus(s, time.Now())
				}
				if err == nil && s.Deep != nil && !s.Deep.OK {
					return exitError(exitFailed)
				}
				return err
			})
		}),
	}
	c.Flags().BoolVar(&request.Deep, "deep", false, "check the store too; takes a while where it is big")
	return c
}

func (a *app) printStatus(s daemon.Status, now time.Time) {
	if s.Running {
		a.printf("%s, version %s, pid %d, up %s\n", a.out.green("running"), s.Version, s.PID, coarse(now.Sub(s.Since)))
	} else {
		a.printf("%s; this is what the store holds. start it: hookbridge run\n", a.out.yellow("no daemon is running"))
	}
	a.printf("config  %s\nstore   %s (%s)\n", printable(s.Config), printable(s.Store), size(s.StoreBytes))
	if s.ConfigError != "" {
		a.printf("%s the configuration was not reloaded, the old one is in force: %s\n", a.out.red("error:"), printable(s.ConfigError))
	}
	for _, w := range s.Warnings {
		a.printf("%s %s\n", a.out.yellow("warning:"), printable(w))
	}
	a.printf("\n")
	a.jobTable(s, now)
	a.watchdogs(s, now)
	a.receiverTable(s, now)
	a.printf("\n")
	a.destinationTable(s, now)
	if s.BacklogCap > 0 && s.Backlog >= s.BacklogCap {
		a.printf("%s the backlog of %d has reached its cap: jobs wait until deliveries move\n", a.out.red("error:"), s.Backlog)
	}
	for i, h := range s.Holds {
		if i == 0 {
			a.printf("\n%s\n", a.out.bold("HELD"))
		}
		a.printf("%s: %d of %s vanished %s\n", h.Job, h.Rows, count(h.Total, "record"), ago(h.Since, now))
		a.printf("  delete them: %s\n", a.out.cyan(fmt.Sprintf("hookbridge approve %s %d", h.Job, h.ID)))
		a.printf("  keep them:   %s\n", a.out.cyan(fmt.Sprintf("hookbridge approve %s %d --reject", h.Job, h.ID)))
	}
	if s.Deep != nil {
		a.deepWords(s.Deep)
	}
}

func (a *app) jobTable(s daemon.Status, now time.Time) {
	t := table{head: []string{"JOB", "STATE", "LAST RUN", "NEXT", "RECORDS", "PENDING", "HELD"}, right: map[int]bool{4: true, 5: true, 6: true}}
	for _, j := range s.Jobs {
		next := ahead(j.NextRun, now)
		switch {
		case !s.Running:
			next = "-"
		case j.Watchdog != nil && j.NextRun.IsZero() && j.State == "idle":
			next = "rests" // while webhooks come
		}
		t.add(plain(j.Name), cell{j.State, a.jobPaint(j.State)}, a.lastRun(j, now), plain(next),
			plain(fmt.Sprint(j.Records)), plain(fmt.Sprint(j.Pending)), plain(fmt.Sprint(j.Held)))
		if j.LastRun != nil && j.LastRun.Error != "" {
			t.note(cell{printable(j.LastRun.Error), a.out.red})
		}
		if j.LastRun != nil && j.LastRun.Outcome != bridge.RunFailed && !j.Baselined && j.State != "running" {
			t.note(plain("no baseline yet: that the source is empty is believed when a second poll agrees"))
		}
		switch j.State {
		case "orphaned":
			t.note(plain("no longer configured; end its state: hookbridge forget job." + j.Name))
		case "paused":
			t.note(plain("go on with: hookbridge resume job." + j.Name))
		case "backlog":
			t.note(plain("waits until deliveries have moved: the backlog has reached its cap"))
		}
		for i, q := range j.Quarantine {
			if i == 5 {
				t.note(plain(fmt.Sprintf("and %d more bad records; all of them: hookbridge status --json", len(j.Quarantine)-i)))
				break
			}
			t.note(cell{fmt.Sprintf("bad record: page %d, item %d: %s", q.Page, q.Item, printable(q.Reason)), a.out.yellow})
		}
	}
	t.write(a.stdout, a.out)
}

func (a *app) jobPaint(state string) func(string) string {
	switch state {
	case "running":
		return a.out.green
	case "backing-off", "backlog":
		return a.out.red
	case "paused", "orphaned":
		return a.out.yellow
	}
	return nil
}

func (a *app) lastRun(j daemon.JobStatus, now time.Time) cell {
	if j.LastRun == nil {
		return plain("never")
	}
	r := j.LastRun
	text := fmt.Sprintf("%s %s", r.Outcome, ago(r.Began.Add(r.Took), now))
	switch {
	case r.Outcome == bridge.RunFailed && r.Failures > 1:
		return cell{fmt.Sprintf("%s (%d in a row)", text, r.Failures), a.out.red}
	case r.Outcome == bridge.RunFailed:
		return cell{text, a.out.red}
	case r.Outcome == bridge.RunChanged:
		return plain(fmt.Sprintf("%s (+%d ~%d -%d)", text, r.Created, r.Updated, r.Deleted))
	}
	return plain(text)
}

func (a *app) destinationTable(s daemon.Status, now time.Time) {
	t := table{head: []string{"DESTINATION", "STATE", "BACKLOG", "DEAD", "NEXT ATTEMPT"}, right: map[int]bool{2: true, 3: true}}
	for _, d := range s.Destinations {
		state, dead := cell{string(d.State), nil}, plain(fmt.Sprint(d.Dead))
		if d.State != bridge.Active {
			state.paint = a.out.yellow
		}
		if d.State == bridge.Disabled {
			state.paint = a.out.red
		}
		if d.Dead > 0 {
			dead.paint = a.out.red
		}
		next := "-"
		if d.Backlog > 0 && d.State == bridge.Active && s.Running {
			next = ahead(d.NextAttempt, now)
		}
		t.add(plain(d.Name), state, plain(fmt.Sprint(d.Backlog)), dead, plain(next))
		if d.Reason != "" {
			t.note(plain(printable(d.Reason)))
		}
		switch d.State {
		case bridge.Paused, bridge.Disabled:
			t.note(plain("go on with: hookbridge resume destination." + d.Name))
		case bridge.Orphaned:
			t.note(plain("no longer configured; drop what it holds: hookbridge forget destination." + d.Name))
		}
		if d.Dead > 0 && d.State != bridge.Orphaned {
			t.note(plain("send its dead letters again: hookbridge replay --dead --destination " + d.Name))
		}
	}
	t.write(a.stdout, a.out)
}

func (a *app) deepWords(d *daemon.DeepStatus) {
	if d.OK {
		a.printf("\nstore checked in %s: %s\n", span(d.Took), a.out.green("ok"))
		return
	}
	a.printf("\nstore checked in %s: %s\n", span(d.Took), a.out.red(count(len(d.Problems), "problem")))
	for _, p := range d.Problems {
		a.printf("  %s\n", printable(p))
	}
	a.printf("  stop the daemon, copy the store away before anything else, then put back a backup\n")
}
