package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func deliveriesCommand(a *app) *cobra.Command {
	var query bridge.DeliveryQuery
	var state string
	var seen seenDeliveries
	c := &cobra.Command{
		Use:   "deliveries",
		Short: "List deliveries, newest last",
		Long: `List deliveries, newest last: waiting (behind an earlier one of the same record), ready, delivered or dead.
--json: an array of {id, destination, state, held, event, type, job, key, sequence, attempts, due, ended, status, error,
replay}; with -f one such object a line, whenever a delivery is made or changes.`,
		Args: between(0, 0, ""),
	}
	flags := c.Flags()
	flags.StringVar(&query.Job, "job", "", "of this `JOB`")
	flags.StringVar(&query.Destination, "destination", "", "to this `DESTINATION`")
	flags.StringVar(&query.Event, "event", "", "of the event with this `ID`")
	flags.StringVar(&state, "state", "", "waiting, ready, delivered or dead")
	list[daemon.DeliveryView]{
		noun: "deliveries", limit: &query.Limit, since: &query.Since, until: &query.Until,
		check: func(cmd *cobra.Command) error {
			switch query.State = bridge.DeliveryState(state); query.State {
			case "", bridge.StateWaiting, bridge.StateReady, bridge.StateDelivered, bridge.StateDead:
				return nil
			}
			return wrongCall(cmd, "--state %q is not a state; choose waiting, ready, delivered or dead", state)
		},
		rows: func(ctx context.Context, control daemon.Control) ([]daemon.DeliveryView, error) {
			return control.Deliveries(ctx, query)
		},
		table:   a.deliveryTable,
		line:    a.deliveryLine,
		told:    seen.has,
		advance: func(printed []daemon.DeliveryView, began time.Time) { query.ChangedIn = seen.renew(printed, began) },
	}.flags(a, c, "go on with what is made or changes", "events")
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show one delivery: its attempts, the answers, the request",
		Long: `Show one delivery: its attempts, the answers, and the request without signature and secret headers.
--json: what deliveries --json prints, with tries[] {number, at, took_ns, status, error, answer} and request {method, url,
headers[], body}.`,
		Args: between(1, 1, "the number of a delivery"),
	}
	show.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || id <= 0 {
			if strings.HasPrefix(args[0], "evt_") {
				return &callError{"deliveries are shown by number", "the deliveries of an event: hookbridge deliveries --event " + args[0]}
			}
			return wrongCall(cmd, "delivery %q is not a number", args[0])
		}
		return action(func(ctx context.Context, _ []string) error { return a.showDelivery(ctx, id) })(cmd, args)
	}
	c.AddCommand(show)
	return c
}

func (a *app) deliveryTable(deliveries []daemon.DeliveryView) {
	now := time.Now()
	t := table{head: []string{"ID", "STATE", "DESTINATION", "TYPE", "KEY", "TRIES", "WHEN", "LAST ANSWER"}, right: map[int]bool{0: true, 5: true}}
	for _, d := range deliveries {
		t.add(plain(fmt.Sprint(d.ID)), a.stateCell(d), plain(d.Destination), plain(d.Type), plain(cut(printable(d.Key), 40)),
			plain(fmt.Sprint(d.Attempts)), plain(whenWords(d, now)), plain(answerWords(d)))
	}
	t.write(a.stdout, a.out)
}

func (a *app) stateCell(d daemon.DeliveryView) cell {
	text := string(d.State)
	if d.Replay {
		text += " (replay)"
	}
	if d.Held != "" {
		return cell{text + ", " + d.Held, a.out.yellow}
	}
	switch d.State {
	case bridge.StateDelivered:
		return cell{text, a.out.green}
	case bridge.StateDead:
		return cell{text, a.out.red}
	}
	return plain(text)
}

func whenWords(d daemon.DeliveryView, now time.Time) string {
	switch {
	case !d.Ended.IsZero():
		return ago(d.Ended, now)
	case d.Held == "" && !d.Due.IsZero():
		return ahead(d.Due, now)
	}
	return "-"
}

func answerWords(d daemon.DeliveryView) string {
	switch {
	case d.Attempts == 0:
		return "-"
	case d.Error != "":
		return cut(printable(d.Error), 80)
	}
	return fmt.Sprint(d.Status)
}

// seenDeliveries is what a follower has printed of each delivery at its last look. Looks overlap, because a commit may
// become visible a moment after its time.
type seenDeliveries map[int64]deliveryMark

type deliveryMark struct {
	state    bridge.DeliveryState
	attempts int
}

func (s *seenDeliveries) has(d daemon.DeliveryView) bool {
	return (*s)[d.ID] == deliveryMark{d.State, d.Attempts}
}

// renew returns since when a delivery must have changed for the next look to care.
func (s *seenDeliveries) renew(printed []daemon.DeliveryView, began time.Time) time.Time {
	const overlap = 2 * time.Second
	*s = make(seenDeliveries, len(printed))
	for _, d := range printed {
		(*s)[d.ID] = deliveryMark{d.State, d.Attempts}
	}
	return began.Add(-overlap)
}

func (a *app) deliveryLine(d daemon.DeliveryView) {
	now := time.Now()
	a.printf("%s  %d  %s  %s  %s#%d  %s  try %d  %s  %s\n", a.out.faint(now.Format("15:04:05.000")), d.ID, a.stateCell(d).coloured(),
		d.Destination, d.Job, d.Sequence, a.out.bold(cut(printable(d.Key), 40)), d.Attempts, answerWords(d), a.out.faint(d.Event))
}

func (a *app) showDelivery(ctx context.Context, id int64) error {
	return a.withReader(ctx, func(control daemon.Control) error {
		d, err := control.Delivery(ctx, id)
		if err != nil {
			return err
		}
		if a.json {
			return a.document(d)
		}
		a.printf("%s  %s  to %s\n", a.out.bold(fmt.Sprintf("delivery %d", d.ID)), a.stateCell(d.DeliveryView).coloured(), d.Destination)
		a.printf("  event     %s\n  type      %s\n  job       %s\n", d.Event, d.Type, d.Job)
		a.printf("  key       %s\n  sequence  %d\n", printable(d.Key), d.Sequence)
		if d.Ended.IsZero() && !d.Due.IsZero() {
			a.printf("  due       %s (%s)\n", stamp(d.Due), ahead(d.Due, time.Now()))
		}
		if len(d.Tries) == 0 {
			a.printf("\n  no attempt yet\n")
		}
		for _, t := range d.Tries {
			a.printf("\n  %s  %s, %s\n", a.out.bold(fmt.Sprintf("attempt %d", t.Number)), stamp(t.At), span(t.Took))
			if t.Status != 0 {
				a.printf("    status  %d\n", t.Status)
			}
			if t.Error != "" {
				a.printf("    error   %s\n", a.out.red(printable(t.Error)))
			}
			if t.Answer != "" {
				a.printf("    answer  %s\n", printable(cut(t.Answer, 400)))
			}
		}
		a.request(d)
		return nil
	})
}

func (a *app) request(d daemon.DeliveryDetail) {
	r := d.Request
	switch {
	case r == nil && d.Held == string(bridge.Orphaned):
		a.printf("\n  the destination is no longer configured, so there is no request to show\n")
		return
	case r == nil:
		a.printf("\n  the request itself is shown while the daemon runs: hookbridge run\n")
		return
	}
	a.printf("\n  %s\n  %s %s\n", a.out.bold("request"), r.Method, printable(r.URL))
	for _, h := range r.Headers {
		a.printf("  %s: %s\n", printable(h[0]), printable(h[1]))
	}
	a.printf("\n")
	for line := range strings.Lines(r.Body) {
		a.printf("  %s\n", printable(strings.TrimRight(line, "\n")))
	}
}
