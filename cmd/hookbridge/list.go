package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/daemon"
)

// followLimit is how many rows one look of a follower takes at most.
const followLimit = 10_000

// list is a command that prints rows of the store, newest last, and with -f goes on with those that come.
type list[Row any] struct {
	noun         string // of the rows
	limit        *int   // of the query, like the two times
	since, until *time.Time
	check        func(*cobra.Command) error // of the command's own flags; nil: there is nothing to check

	rows  func(context.Context, daemon.Control) ([]Row, error)
	table func([]Row)
	line  func(Row) // as it is followed

	told    func(Row) bool                       // a follower has printed it; nil: no row comes twice
	advance func(printed []Row, began time.Time) // moves the query behind a look that began then
}

// flags are those that all lists have. follow says what -f goes on with, dated what the times are of.
func (l list[Row]) flags(a *app, c *cobra.Command, follow, dated string) {
	var following bool
	var when period
	c.Flags().BoolVarP(&following, "follow", "f", false, follow)
	c.Flags().IntVar(l.limit, "limit", 100, "the newest `N`")
	when.flags(c, dated)
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if *l.since, *l.until, err = when.read(cmd, time.Now()); err != nil {
			return err
		}
		if *l.limit < 1 {
			return wrongCall(cmd, "--limit needs a number from 1")
		}
		if l.check != nil {
			if err := l.check(cmd); err != nil {
				return err
			}
		}
		return action(func(ctx context.Context, _ []string) error {
			if following {
				return l.follow(ctx, a)
			}
			return l.print(ctx, a)
		})(cmd, args)
	}
}

func (l list[Row]) print(ctx context.Context, a *app) error {
	return a.withReader(ctx, func(control daemon.Control) error {
		rows, err := l.rows(ctx, control)
		switch {
		case err != nil:
			return err
		case a.json:
			return a.document(append([]Row{}, rows...))
		case len(rows) == 0:
			a.notef("no %s\n", l.noun)
		default:
			l.table(rows)
		}
		return nil
	})
}

func (l list[Row]) follow(ctx context.Context, a *app) error {
	return a.follow(ctx, func(control daemon.Control) error {
		began := time.Now()
		rows, err := l.rows(ctx, control)
		if err != nil {
			return err
		}
		for _, row := range rows {
			switch {
			case l.told != nil && l.told(row):
			case a.json:
				if err := a.line(row); err != nil {
					return err
				}
			default:
				l.line(row)
			}
		}
		l.advance(rows, began)
		*l.limit = followLimit
		return nil
	})
}
