package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
)

// filter collects the conditions of a query with their arguments.
type filter struct {
	conditions []string
	args       []any
}

func (f *filter) add(condition string, args ...any) {
	f.conditions = append(f.conditions, condition)
	f.args = append(f.args, args...)
}

// times restricts to events told from since on and before until.
func (f *filter) times(since, until time.Time) {
	if !since.IsZero() {
		f.add("event.time >= ?", millis(since))
	}
	if !until.IsZero() {
		f.add("event.time < ?", millis(until))
	}
}

// job restricts to events of the job that has that name now, or told under that name.
func (f *filter) job(name string) {
	if name != "" {
		f.add("(event.name = ? OR event.job = (SELECT number FROM job WHERE job.name = ?))", name, name)
	}
}

func (f *filter) event(id string) {
	if id != "" {
		f.add("event.id = ?", parseEventID(id))
	}
}

func (f *filter) String() string {
	if len(f.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(f.conditions, " AND ")
}

const queryLimit = 100

// page says how much of what is found a query wants: the newest, or, following on, the next.
func page(column string, after int64, limit int) (order string, n int, reverse bool) {
	if limit <= 0 {
		limit = queryLimit
	}
	if after > 0 {
		return " ORDER BY " + column + " LIMIT ?", limit, false
	}
	return " ORDER BY " + column + " DESC LIMIT ?", limit, true
}

// Events returns events by number, the newest Limit of those that match; with After, the first Limit above it, so that
// who follows misses none.
func (db *DB) Events(ctx context.Context, q bridge.EventQuery) ([]bridge.EventRow, error) {
	var f filter
	f.event(q.ID)
	f.job(q.Job)
	if q.Key != "" {
		f.add("event.key = ?", q.Key)
	}
	if q.Type != "" {
		f.add("type = ?", q.Type)
	}
	f.times(q.Since, q.Until)
	if q.After > 0 {
		f.add("number > ?", q.After)
	}
	columns := eventColumns
	if q.Bodies {
		columns += bodyColumns
	}
	order, limit, reverse := page("number", q.After, q.Limit)
	var events []bridge.EventRow
	err := db.read(ctx, func(c *conn) error {
		return c.queryOnce("SELECT "+columns+" FROM event"+f.String()+order, func(r row) error {
			e, err := readEvent(r, 0, q.Bodies)
			events = append(events, e)
			return err
		}, append(f.args, limit)...)
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if reverse {
		slices.Reverse(events)
	}
	return events, nil
}

const (
	deliveryColumns = `delivery.id, coalesce(destination.name, ''), delivery.state, due, ended, made, format, version, replay,
		coalesce(n, 0), at, took, status, error, answer, `
	deliveryWidth = 15
	deliveryFrom  = ` FROM delivery JOIN event ON event.number = delivery.event
		LEFT JOIN destination ON destination.number = delivery.destination
		LEFT JOIN attempt ON attempt.delivery = delivery.id AND attempt.n = delivery.made`
)

func readDelivery(r row, bodies bool) (bridge.DeliveryRow, error) {
	e, err := readEvent(r, deliveryWidth, bodies)
	d := bridge.DeliveryRow{
		ID: r.int(0), Destination: r.text(1), State: wordOf(states, r.int(2)), Due: moment(r.int(3)), Ended: moment(r.int(4)),
		Attempts: int(r.int(5)), Format: r.text(6), Version: int(r.int(7)), Replay: r.int(8) == 1, Event: e.Event,
	}
	if r.int(9) > 0 {
		d.Last = readAttempt(r, 9)
	}
	return d, err
}

func readAttempt(r row, i int) bridge.Attempt {
	return bridge.Attempt{
		Number: int(r.int(i)), At: moment(r.int(i + 1)), Took: time.Duration(r.int(i + 2)), Status: int(r.int(i + 3)),
		Error: r.text(i + 4), Answer: r.text(i + 5),
	}
}

// Deliveries returns deliveries by id, the newest Limit of those that match; with After, the first Limit above it.
func (db *DB) Deliveries(ctx context.Context, q bridge.DeliveryQuery) ([]bridge.DeliveryRow, error) {
	var f filter
	if q.ID > 0 {
		f.add("delivery.id = ?", q.ID)
	}
	f.event(q.Event)
	f.job(q.Job)
	if q.Destination != "" {
		f.add("delivery.destination = (SELECT number FROM destination WHERE name = ?)", q.Destination)
	}
	if q.State != "" {
		state, err := numberOf(states, q.State)
		if err != nil {
			return nil, fmt.Errorf("read deliveries: %w", err)
		}
		f.add(fmt.Sprintf("delivery.state = %d", state)) // not an argument, so that the partial indexes are seen to fit
	}
	f.times(q.Since, q.Until)
	if q.After > 0 {
		f.add("delivery.id > ?", q.After)
	}
	if !q.ChangedIn.IsZero() {
		f.add("delivery.changed >= ?", millis(q.ChangedIn))
	}
	order, limit, reverse := page("delivery.id", q.After, q.Limit)
	var found []bridge.DeliveryRow
	err := db.read(ctx, func(c *conn) error {
		return c.queryOnce("SELECT "+deliveryColumns+eventColumns+deliveryFrom+f.String()+order, func(r row) error {
			d, err := readDelivery(r, false)
			found = append(found, d)
			return err
		}, append(f.args, limit)...)
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	if reverse {
		slices.Reverse(found)
	}
	return found, nil
}

// Delivery returns one delivery, its event with bodies, and its attempts that are still kept. bridge.ErrNotFound where
// there is none of that id.
func (db *DB) Delivery(ctx context.Context, id int64) (found bridge.DeliveryRow, attempts []bridge.Attempt, err error) {
	err = db.read(ctx, func(c *conn) error {
		there := false
		err := c.query("SELECT "+deliveryColumns+eventColumns+bodyColumns+deliveryFrom+" WHERE delivery.id = ?", func(r row) (err error) {
			there = true
			found, err = readDelivery(r, true)
			return err
		}, id)
		if err == nil && !there {
			err = fmt.Errorf("%w; see: hookbridge deliveries", bridge.ErrNotFound)
		}
		if err != nil {
			return err
		}
		return c.query("SELECT n, at, took, status, error, answer FROM attempt WHERE delivery = ? ORDER BY n", func(r row) error {
			attempts = append(attempts, readAttempt(r, 0))
			return nil
		}, id)
	})
	if err != nil {
		return bridge.DeliveryRow{}, nil, fmt.Errorf("read delivery %d: %w", id, err)
	}
	return found, attempts, nil
}
