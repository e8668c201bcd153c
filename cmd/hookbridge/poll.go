package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func pollCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "poll JOB",
		Short: "Run a job once, now",
		Long: `Run a job once, now, and wait for its end. The running daemon does it; where none runs it is done here, and
what is to be delivered waits for hookbridge run. Exit code 1 where the run failed.
--json: {at, took_ns, origin, outcome, error, pages, bytes, seen, created, updated, deleted, silent, skipped, left_alone, bad,
stale, pending, held, gap, complete, stable, open, failures, ticks_missed, last_ended, last_reconciled}.`,
		Args:              between(1, 1, "the name of a job"),
		ValidArgsFunction: first(a.names(jobNames)),
		RunE: action(func(ctx context.Context, args []string) error {
			return a.withWriter(ctx, func(control daemon.Control) error {
				stop := a.ticking("polling " + args[0])
				report, err := control.Poll(ctx, args[0])
				stop()
				if err != nil {
					return err
				}
				return a.tellRun(args[0], "poll", report, a.runWords(report), control)
			})
		}),
	}
}

// tellRun reports a run that somebody asked for by a command, in the words of that command.
func (a *app) tellRun(job, command string, r bridge.RunReport, words string, control daemon.Control) error {
	if a.json {
		if err := a.document(r); err != nil {
			return err
		}
		if r.Outcome == bridge.RunFailed || r.Outcome == bridge.RunDropped {
			return exitError(exitFailed)
		}
		return nil
	}
	switch r.Outcome {
	case bridge.RunFailed:
		return hinted(fmt.Errorf("job %q: %s", job, r.Error), "see each request: hookbridge plan %s --trace", job)
	case bridge.RunDropped:
		return hinted(fmt.Errorf("job %q: the run was dropped: %s", job, r.Error), "once more: hookbridge "+command+" %s", job)
	}
	a.printf("%s: %s\n", job, words)
	for _, remark := range runRemarks(job, r) {
		a.printf("  %s\n", remark)
	}
	if _, here := control.(*daemon.Daemon); here && r.Created+r.Updated+r.Deleted > 0 {
		a.notef("no daemon is running: deliveries wait for hookbridge run\n")
	}
	return nil
}

// runWords says in one phrase what a run that ended well did.
func (a *app) runWords(r bridge.RunReport) string {
	took := span(r.Took)
	switch {
	case r.Open != "":
		return fmt.Sprintf("%s taken in silently in %s; some moved while they were read, so the baseline waits for a second poll", count(r.Seen, "record"), took)
	case r.Outcome == bridge.RunBaseline:
		return fmt.Sprintf("%s taken in silently as the baseline in %s; from now on changes are told", count(r.Seen, "record"), took)
	case r.Outcome == bridge.RunUnchanged && r.Seen == 0 && r.Silent == 0:
		return "unchanged in " + took
	case r.Outcome == bridge.RunUnchanged:
		return fmt.Sprintf("unchanged, %s in %s", count(r.Seen, "record"), took)
	}
	text := tally(a.out, "created", r.Created, "updated", r.Updated, "deleted", r.Deleted)
	if r.Seen > 0 { // none are counted where the answer proved to be the last one again
		text += " of " + count(r.Seen, "record")
	}
	return text + " in " + took
}

// tally is three numbers with their words, coloured where there is something to see.
func tally(p paint, created string, c int64, updated string, u int64, deleted string, d int64) string {
	part := func(tint func(string) string, n int64, word string) string {
		if n == 0 {
			tint = p.faint
		}
		return tint(fmt.Sprintf("%d %s", n, word))
	}
	return part(p.green, c, created) + ", " + part(p.yellow, u, updated) + ", " + part(p.red, d, deleted)
}

// runRemarks says what a run left open, each with what to do.
func runRemarks(job string, r bridge.RunReport) []string {
	var out []string
	say := func(n int64, format string, args ...any) {
		if n > 0 {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	say(r.Pending, "%s absent, deleted once another complete poll confirms it", count(r.Pending, "record"))
	say(r.Held, "%s held for a person: hookbridge approve %s (or --reject)", count(r.Held, "deletion"), job)
	say(r.Bad, "%s in quarantine: hookbridge status", count(r.Bad, "bad record"))
	if r.Outcome != bridge.RunBaseline {
		say(r.Silent, "%s taken in silently after an edit of the job", count(r.Silent, "record"))
	}
	say(r.Skipped, "%s not told: the event's when is false", count(r.Skipped, "change"))
	say(r.Left, "%s left alone: something newer had moved them", count(r.Left, "record"))
	say(r.Stale, "%s passed over: an older copy than the one that is known", count(r.Stale, "record"))
	if r.Gap {
		out = append(out, "nothing of the last window is left, so records may have come and gone unseen: poll more often")
	}
	if !r.Complete && r.Outcome == bridge.RunChanged {
		out = append(out, "the scan was not complete, so nothing counts as absent")
	}
	return out
}

// ticking shows on a terminal that something takes its time.
func (a *app) ticking(what string) (stop func()) {
	p := a.progress()
	if !p.on {
		return func() {}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for began := time.Now(); wait(ctx, time.Second) == nil; {
			p.show("%s … %s", what, coarse(time.Since(began)))
		}
	}()
	return func() {
		cancel(errors.New("done"))
		<-done
		p.clear()
	}
}
