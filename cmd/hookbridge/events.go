package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func eventsCommand(a *app) *cobra.Command {
	var query bridge.EventQuery
	c := &cobra.Command{
		Use:   "events",
		Short: "List events, newest last",
		Long: `List events, newest last.
--json: an array of {number, id, time, type, op, job, key, sequence, origin, changed[], before, after, data}; with -f one such
object a line, as events are told. Bodies come with --bodies.`,
		Args: between(0, 0, ""),
	}
	flags := c.Flags()
	flags.StringVar(&query.Job, "job", "", "of this `JOB`")
	flags.StringVar(&query.Key, "key", "", "of the record with this `KEY`")
	flags.StringVar(&query.Type, "type", "", "of this `TYPE`")
	flags.BoolVar(&query.Bodies, "bodies", false, "with before, after and data, where --json is given")
	list[daemon.EventView]{
		noun: "events", limit: &query.Limit, since: &query.Since, until: &query.Until,
		rows: func(ctx context.Context, control daemon.Control) ([]daemon.EventView, error) {
			return control.Events(ctx, query)
		},
		table: a.eventTable,
		line:  a.eventLine,
		advance: func(printed []daemon.EventView, _ time.Time) {
			for _, e := range printed {
				query.After = max(query.After, e.Number)
			}
		},
	}.flags(a, c, "go on with new ones as they are told", "events")
	c.AddCommand(&cobra.Command{
		Use:   "show ID",
		Short: "Show one event with its bodies and deliveries",
		Long:  "Show one event with its bodies and deliveries.\n--json: what events --json prints, with deliveries[].",
		Args:  between(1, 1, "the id of an event, evt_…"),
		RunE: action(func(ctx context.Context, args []string) error {
			return a.showEvent(ctx, args[0])
		}),
	})
	return c
}

func (a *app) eventTable(events []daemon.EventView) {
	t := table{head: []string{"TIME", "JOB", "SEQ", "TYPE", "KEY", "ID"}, right: map[int]bool{2: true}}
	for _, e := range events {
		t.add(plain(stamp(e.Time)), plain(e.Job), plain(fmt.Sprint(e.Sequence)), cell{e.Type, a.out.op(e.Op)},
			plain(cut(printable(e.Key), 40)), cell{e.ID, a.out.faint})
	}
	t.write(a.stdout, a.out)
}

func (a *app) eventLine(e daemon.EventView) {
	a.printf("%s  %s#%d  %s  %s  %s  %s\n", a.out.faint(e.Time.Local().Format("15:04:05.000")), e.Job, e.Sequence,
		a.out.op(e.Op)(e.Type), a.out.bold(cut(printable(e.Key), 40)), changedWords(e.Changed), a.out.faint(e.ID))
}

// changedWords lists the first few pointers of what changed.
func changedWords(pointers []string) string {
	const most = 3
	if len(pointers) > most {
		return fmt.Sprintf("%s +%d", printable(strings.Join(pointers[:most], " ")), len(pointers)-most)
	}
	return printable(strings.Join(pointers, " "))
}

func (p paint) op(op bridge.Op) func(string) string {
	switch op {
	case bridge.Created:
		return p.green
	case bridge.Updated:
		return p.yellow
	case bridge.Deleted:
		return p.red
	}
	return p.cyan
}

func (a *app) showEvent(ctx context.Context, id string) error {
	return a.withReader(ctx, func(control daemon.Control) error {
		e, err := findEvent(ctx, control, id)
		if err != nil {
			return err
		}
		deliveries, err := control.Deliveries(ctx, bridge.DeliveryQuery{Event: id})
		if err != nil {
			return err
		}
		if a.json {
			return a.document(struct {
				daemon.EventView
				Deliveries []daemon.DeliveryView `json:"deliveries"`
			}{e, append([]daemon.DeliveryView{}, deliveries...)})
		}
		a.printf("%s  %s\n", a.out.bold(e.ID), a.out.op(e.Op)(e.Type))
		a.printf("  time      %s\n  job       %s\n  sequence  %d\n", e.Time.Format(time.RFC3339Nano), e.Job, e.Sequence)
		if e.Key != "" {
			a.printf("  key       %s\n", printable(e.Key))
		}
		a.printf("  origin    %s\n", e.Origin)
		if len(e.Changed) > 0 {
			a.printf("  changed   %s\n", printable(strings.Join(e.Changed, " ")))
		}
		a.body("before", e.Before)
		a.body("after", e.After)
		a.body("data", e.Data)
		if len(deliveries) > 0 {
			a.printf("\n")
			a.deliveryTable(deliveries)
		}
		return nil
	})
}

func findEvent(ctx context.Context, control daemon.Control, id string) (daemon.EventView, error) {
	events, err := control.Events(ctx, bridge.EventQuery{ID: id, Bodies: true, Limit: 1})
	switch {
	case err != nil:
		return daemon.EventView{}, err
	case len(events) == 0:
		return daemon.EventView{}, hinted(fmt.Errorf("there is no event %q", id), "list them: hookbridge events")
	}
	return events[0], nil
}

// body prints a record indented. Numbers and strings stay the text they are.
func (a *app) body(name string, raw json.RawMessage) {
	if len(raw) == 0 {
		return
	}
	var b bytes.Buffer
	if json.Indent(&b, raw, "  ", "  ") != nil {
		b.Reset()
		b.Write(raw)
	}
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	a.printf("\n  %s\n  %s\n", a.out.bold(name), strings.Join(lines, "\n"))
}
