package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func replayCommand(a *app) *cobra.Command {
	var query bridge.ReplayQuery
	var when period
	c := &cobra.Command{
		Use:   "replay [EVENT...]",
		Short: "Send events again, under the same ids",
		Long: `Send events again: the same ids, the same bytes, marked with hookbridge-replay: 1 because they stand outside the
order. Name events, or select them; what still waits for its turn is left alone. With --missing a destination
gets what it never had a delivery for, such as the events from before it was configured.
--json: {count}.`,
		Example: `  hookbridge replay evt_0198…                         one event, to every destination it went to
  hookbridge replay --dead --destination warehouse     all dead letters of a destination
  hookbridge replay --job orders --since 2h            what orders told in the last two hours
  hookbridge replay --missing --destination warehouse  what it never got`,
		Args: between(0, -1, ""),
	}
	flags := c.Flags()
	flags.StringVar(&query.Job, "job", "", "events of this `JOB`")
	flags.StringVar(&query.Destination, "destination", "", "only to this `DESTINATION`")
	flags.BoolVar(&query.Dead, "dead", false, "dead letters only")
	flags.BoolVar(&query.Missing, "missing", false, "what the destination never had a delivery for")
	when.flags(c, "events")
	c.RunE = func(cmd *cobra.Command, events []string) (err error) {
		if query.Since, query.Until, err = when.read(cmd, time.Now()); err != nil {
			return err
		}
		switch {
		case len(events) == 0 && !selects(query):
			return wrongCall(cmd, "replay needs something to select: events, --job, --destination, --since, --until, --dead or --missing")
		case query.Missing && query.Destination == "":
			return wrongCall(cmd, "--missing needs --destination")
		case query.Missing && query.Dead:
			return wrongCall(cmd, "--missing and --dead exclude each other: what is missing never died")
		}
		return action(func(ctx context.Context, _ []string) error { return a.replay(ctx, query, events) })(cmd, events)
	}
	return c
}

func (a *app) replay(ctx context.Context, query bridge.ReplayQuery, events []string) error {
	if len(events) == 0 {
		events = []string{""}
	}
	return a.withWriter(ctx, func(control daemon.Control) error {
		var sum daemon.Count
		for _, event := range events {
			query.Event = event
			n, err := control.Replay(ctx, query)
			if err == nil && n.Count == 0 && event != "" {
				_, err = findEvent(ctx, control, event)
			}
			if err != nil {
				return err
			}
			sum.Count += n.Count
		}
		switch {
		case a.json:
			return a.document(sum)
		case sum.Count == 0:
			a.printf("nothing to send again\n")
		default:
			a.printf("%s to be sent again\n", count(sum.Count, "delivery"))
		}
		if _, here := control.(*daemon.Daemon); here && sum.Count > 0 {
			a.notef("no daemon is running: they wait for hookbridge run\n")
		}
		return nil
	})
}

// selects reports whether a query restricts anything; without that a slip of the hand would send everything again.
func selects(q bridge.ReplayQuery) bool {
	return q.Job != "" || q.Destination != "" || !q.Since.IsZero() || !q.Until.IsZero() || q.Dead || q.Missing
}
