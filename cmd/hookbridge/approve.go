package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/daemon"
)

func approveCommand(a *app) *cobra.Command {
	var reject bool
	c := &cobra.Command{
		Use:   "approve JOB [HOLD]",
		Short: "Release or reject held deletions",
		Long: `Release the deletions of a job that were held because too many records vanished at once: what the last
complete poll still lacked is deleted and told. With --reject the records are kept, and their absence counts again only
after a complete poll has shown them. HOLD is the number hookbridge status shows. Exit code 1 where nothing is held.
--json: {deleted, kept}.`,
		Args:              between(1, 2, "the name of a job"),
		ValidArgsFunction: first(a.names(jobNames)),
	}
	c.Flags().BoolVar(&reject, "reject", false, "keep the records instead")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		request := daemon.ApproveRequest{Job: args[0], Reject: reject}
		if len(args) == 2 {
			hold, err := strconv.ParseInt(strings.TrimPrefix(args[1], "#"), 10, 64)
			if err != nil || hold <= 0 {
				return wrongCall(cmd, "hold %q is not a number", args[1])
			}
			request.Hold = hold
		}
		return action(func(ctx context.Context, _ []string) error { return a.approve(ctx, request) })(cmd, args)
	}
	return c
}

func (a *app) approve(ctx context.Context, request daemon.ApproveRequest) error {
	return a.withWriter(ctx, func(control daemon.Control) error {
		report, err := control.Approve(ctx, request)
		switch {
		case err != nil:
			return err
		case report.Deleted == 0 && report.Kept == 0:
			return hinted(fmt.Errorf("job %q: nothing is held", request.Job), "see what is: hookbridge status")
		case a.json:
			return a.document(report)
		case request.Reject:
			a.printf("%s: %s kept; absence counts again once a complete poll has shown them\n", request.Job, count(report.Kept, "record"))
		default:
			a.printf("%s: %s deleted and told\n", request.Job, count(report.Deleted, "record"))
		}
		return nil
	})
}
