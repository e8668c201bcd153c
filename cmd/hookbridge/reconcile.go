package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func reconcileCommand(a *app) *cobra.Command {
	p := planner{app: a, reconcile: true}
	var dry, exitCode bool
	c := &cobra.Command{
		Use:   "reconcile JOB",
		Short: "Compare a job with its whole source, and tell what webhooks and polls have missed",
		Long: `Compare a job with its whole source, whatever the source says of what has changed since when, and tell what webhooks
and incremental polls have missed; each such event has the origin reconcile. With --dry-run it only lists what it would
tell and commits nothing. It reads what plan reads: the configuration as it stands in the file.
The running daemon does it; where none runs it is done here. Exit code 1 where the comparison failed.
--json: what poll --json prints; with --dry-run what plan --json prints.`,
		Example: `  hookbridge reconcile orders --dry-run     what is missing here, record by record
  hookbridge reconcile orders               tell it
  hookbridge reconcile orders --exit-code   for a monitor: 3 where something had been missed`,
		Args:              between(1, 1, "the name of a job"),
		ValidArgsFunction: first(a.names(jobNames)),
		RunE: action(func(ctx context.Context, args []string) error {
			missed, err := int64(0), error(nil)
			if dry {
				missed, err = a.reconcileDry(ctx, &p, args[0])
			} else {
				missed, err = a.reconcile(ctx, args[0])
			}
			if err == nil && exitCode && missed > 0 {
				return exitError(exitChanges)
			}
			return err
		}),
	}
	flags := c.Flags()
	flags.BoolVar(&dry, "dry-run", false, "list what was missed, and commit nothing")
	flags.IntVar(&p.limit, "limit", 100, "with --dry-run: print at most `N` changes; 0: all")
	flags.BoolVar(&exitCode, "exit-code", false, "exit 3 where something was missed, 0 where nothing was")
	return c
}

func (a *app) reconcileDry(ctx context.Context, p *planner, job string) (int64, error) {
	p.progress, p.width = a.progress(), a.out.width()
	reports, err := daemon.Plan(ctx, daemon.PlanRequest{Options: a.options(silent), Job: job, Change: p.change, Progress: p.fetched})
	p.progress.clear()
	if err != nil {
		return 0, err
	}
	if err := p.conclude(reports); err != nil {
		return 0, err
	}
	missed := int64(0)
	for _, r := range reports {
		if !r.Baseline {
			missed += r.Report.Created + r.Report.Updated + r.Report.Deleted + r.Report.Held
		}
	}
	return missed, nil
}

func (a *app) reconcile(ctx context.Context, job string) (missed int64, err error) {
	err = a.withWriter(ctx, func(control daemon.Control) error {
		stop := a.ticking("comparing " + job + " with its whole source")
		r, err := control.Reconcile(ctx, job)
		stop()
		if err != nil {
			return err
		}
		missed = r.Created + r.Updated + r.Deleted
		return a.tellRun(job, "reconcile", r, a.reconcileWords(r), control)
	})
	return missed, err
}

// reconcileWords says by kind what a comparison found that nothing had told.
func (a *app) reconcileWords(r bridge.RunReport) string {
	missed := r.Created + r.Updated + r.Deleted
	switch {
	case r.Outcome == bridge.RunBaseline:
		return a.runWords(r)
	case missed == 0 && r.Seen == 0:
		return "nothing was missed; compared in " + span(r.Took)
	case missed == 0:
		return fmt.Sprintf("nothing was missed; %s compared in %s", count(r.Seen, "record"), span(r.Took))
	}
	text := fmt.Sprintf("%s had been missed and %s told now: ", count(missed, "change"), isAre(missed))
	text += tally(a.out, "created", r.Created, "updated", r.Updated, "deleted", r.Deleted)
	if r.Seen > 0 {
		text += "; " + count(r.Seen, "record") + " compared"
	}
	return text + " in " + span(r.Took)
}

func isAre(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
