package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func inboundCommand(a *app) *cobra.Command {
	group := &cobra.Command{
		Use:   "inbound",
		Short: "The webhooks that receivers took in, and what became of them",
		Args:  cobra.ArbitraryArgs,
		RunE:  helpOrUnknown,
	}
	group.AddCommand(inboundListCommand(a), inboundShowCommand(a), inboundReplayCommand(a))
	return group
}

func inboundListCommand(a *app) *cobra.Command {
	var query bridge.InboundQuery
	var state string
	c := &cobra.Command{
		Use:   "list",
		Short: "List inbound webhooks, newest last",
		Long: `List inbound webhooks, newest last: received (what follows from it is not over yet), applied, ignored (no job wanted
it) or failed. Those whose signature was refused are not kept: status counts them.
--json: an array of {id, receiver, delivery_id, at, state, reason, method, path, query, headers, body}; with -f one such object
a line, as webhooks come. Bodies come with --bodies.`,
		Args: between(0, 0, ""),
	}
	flags := c.Flags()
	flags.StringVar(&query.Receiver, "receiver", "", "of this `RECEIVER`")
	flags.StringVar(&state, "state", "", "received, applied, ignored or failed")
	flags.BoolVar(&query.Bodies, "bodies", false, "with the body, where --json is given")
	list[daemon.InboundView]{
		noun: "webhooks", limit: &query.Limit, since: &query.Since, until: &query.Until,
		check: func(cmd *cobra.Command) error {
			switch query.State = bridge.InboundState(state); query.State {
			case "", bridge.InboundReceived, bridge.InboundApplied, bridge.InboundIgnored, bridge.InboundFailed:
				return nil
			}
			return wrongCall(cmd, "--state %q is not a state; choose received, applied, ignored or failed", state)
		},
		rows: func(ctx context.Context, control daemon.Control) ([]daemon.InboundView, error) {
			return control.Inbounds(ctx, query)
		},
		table: a.inboundTable,
		line:  a.inboundLine,
		advance: func(printed []daemon.InboundView, _ time.Time) {
			for _, w := range printed {
				query.After = max(query.After, w.ID)
			}
		},
	}.flags(a, c, "go on with new ones as they come", "webhooks")
	_ = c.RegisterFlagCompletionFunc("receiver", a.names(receiverNames)) // fails only for a flag that is not there
	return c
}

func inboundShowCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show one webhook: its headers and body as they came, and what became of it",
		Long: `Show one webhook: its headers and body as they came, and what became of it. What authenticates the sender is not
kept, and of the query only the names are.
--json: what inbound list --json prints, with the body.`,
		Args: between(1, 1, "the number of a webhook"),
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := inboundNumbers(cmd, args)
		if err != nil {
			return err
		}
		return action(func(ctx context.Context, _ []string) error { return a.showInbound(ctx, ids[0]) })(cmd, args)
	}
	return c
}

func inboundReplayCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "replay ID...",
		Short: "Act on stored webhooks once more",
		Long: `Act on stored webhooks once more, as if they had just come: after the configuration was mended for one that failed,
for example. An old one never undoes what is newer where the job has a version; where it has none, the record in it counts
as the newest until the next poll.
The running daemon does it; where none runs it is done here. Exit code 1 where one failed (again).
--json: what inbound list --json prints, one object a line.`,
		Args: between(1, -1, "the number of a webhook"),
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := inboundNumbers(cmd, args)
		if err != nil {
			return err
		}
		return action(func(ctx context.Context, _ []string) error { return a.replayInbounds(ctx, ids) })(cmd, args)
	}
	return c
}

func inboundNumbers(cmd *cobra.Command, args []string) ([]int64, error) {
	ids := make([]int64, len(args))
	for i, text := range args {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id <= 0 {
			return nil, wrongCall(cmd, "webhook %q is not a number; list them: hookbridge inbound list", text)
		}
		ids[i] = id
	}
	return ids, nil
}

func (a *app) inboundTable(webhooks []daemon.InboundView) {
	t := table{head: []string{"ID", "TIME", "RECEIVER", "STATE", "DELIVERY", "REASON"}, right: map[int]bool{0: true}}
	for _, w := range webhooks {
		t.add(plain(fmt.Sprint(w.ID)), plain(stamp(w.At)), plain(w.Receiver), a.inboundCell(w.State),
			plain(orDash(cut(printable(w.DeliveryID), 40))), plain(orDash(cut(printable(w.Reason), 100))))
	}
	t.write(a.stdout, a.out)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func (a *app) inboundCell(state bridge.InboundState) cell {
	switch state {
	case bridge.InboundApplied:
		return cell{string(state), a.out.green}
	case bridge.InboundFailed:
		return cell{string(state), a.out.red}
	case bridge.InboundReceived:
		return cell{string(state), a.out.yellow}
	}
	return plain(string(state))
}

func (a *app) inboundLine(w daemon.InboundView) {
	line := fmt.Sprintf("%s  %d  %s  %s  %s  %s", a.out.faint(w.At.Local().Format("15:04:05.000")), w.ID, w.Receiver,
		a.inboundCell(w.State).coloured(), a.out.faint(cut(printable(w.DeliveryID), 40)), cut(printable(w.Reason), 200))
	a.printf("%s\n", strings.TrimRight(line, " "))
}

func (a *app) showInbound(ctx context.Context, id int64) error {
	return a.withReader(ctx, func(control daemon.Control) error {
		w, err := control.Inbound(ctx, id)
		if err != nil {
			return err
		}
		if a.json {
			return a.document(w)
		}
		a.printf("%s  %s  by %s\n", a.out.bold(fmt.Sprintf("webhook %d", w.ID)), a.inboundCell(w.State).coloured(), w.Receiver)
		a.printf("  time      %s\n", w.At.Format(time.RFC3339Nano))
		if w.DeliveryID != "" {
			a.printf("  delivery  %s\n", printable(w.DeliveryID))
		}
		if w.Reason != "" {
			a.printf("  reason    %s\n", printable(w.Reason))
		}
		if w.State == bridge.InboundFailed {
			a.printf("  act on it once more: %s\n", a.out.cyan(fmt.Sprintf("hookbridge inbound replay %d", w.ID)))
		}
		query := ""
		if w.Query != "" {
			query = "?" + w.Query
		}
		a.printf("\n  %s %s\n", w.Method, printable(w.Path+query))
		for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
			for _, value := range w.Headers[name] {
				a.printf("  %s: %s\n", printable(strings.ToLower(name)), printable(value))
			}
		}
		a.printf("\n")
		for line := range strings.Lines(w.Body) {
			a.printf("  %s\n", printable(strings.TrimRight(line, "\r\n")))
		}
		return nil
	})
}

func (a *app) replayInbounds(ctx context.Context, ids []int64) error {
	return a.withWriter(ctx, func(control daemon.Control) error {
		failed, waits := false, false
		for _, id := range ids {
			w, err := control.ReplayInbound(ctx, id)
			if err != nil {
				return err
			}
			failed, waits = failed || w.State == bridge.InboundFailed, waits || w.State == bridge.InboundReceived
			switch {
			case a.json:
				if err := a.line(w); err != nil {
					return err
				}
			case w.Reason != "":
				a.printf("webhook %d: %s: %s\n", w.ID, a.inboundCell(w.State).coloured(), printable(w.Reason))
			default:
				a.printf("webhook %d: %s\n", w.ID, a.inboundCell(w.State).coloured())
			}
		}
		if _, here := control.(*daemon.Daemon); here {
			a.notef("no daemon is running: what follows waits for hookbridge run\n")
		} else if waits {
			a.notef("received: a poll or a look-up follows; see it with: hookbridge inbound list\n")
		}
		if failed {
			return exitError(exitFailed)
		}
		return nil
	})
}
