package sqlite

import (
	"context"
	"fmt"

	"github.com/hookbridge/bridge"
)

// OpenDestination returns the destination of that name, beginning one where there is none.
func (db *DB) OpenDestination(ctx context.Context, name string) (bridge.DestinationInfo, error) {
	err := db.transact(ctx, func(t *tx) error {
		if name == "" {
			return fmt.Errorf("a destination needs a name")
		}
		_, err := t.exec("INSERT INTO destination (name, since) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, millis(t.now))
		return err
	})
	var found []bridge.DestinationInfo
	if err == nil {
		found, err = db.readDestinations(ctx, "name = ?", name)
	}
	if err != nil {
		return bridge.DestinationInfo{}, fmt.Errorf("open destination %q: %w", name, err)
	}
	if len(found) == 0 {
		return bridge.DestinationInfo{}, notFound("destination", name)
	}
	return found[0], nil
}

// Destinations returns every destination of the store by name, those that are no longer configured included.
func (db *DB) Destinations(ctx context.Context) ([]bridge.DestinationInfo, error) {
	found, err := db.readDestinations(ctx, "name IS NOT NULL ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("read destinations: %w", err)
	}
	return found, nil
}

func (db *DB) readDestinations(ctx context.Context, where string, args ...any) ([]bridge.DestinationInfo, error) {
	var found []bridge.DestinationInfo
	err := db.read(ctx, func(c *conn) error {
		return c.query(`SELECT number, name, state, reason, since, backlog, dead,
				(SELECT due FROM delivery WHERE destination = number AND delivery.state = 1 ORDER BY due LIMIT 1)
			FROM destination WHERE `+where, func(r row) error {
			found = append(found, bridge.DestinationInfo{
				Number: r.int(0), Name: r.text(1), State: wordOf(destStates, r.int(2)), Reason: r.text(3),
				Since: moment(r.int(4)), Backlog: r.int(5), Dead: r.int(6), Next: moment(r.int(7)),
			})
			return nil
		}, args...)
	})
	return found, err
}

// SetDestination says whether deliveries to a destination move. Orphaned is never stored.
func (db *DB) SetDestination(ctx context.Context, number int64, state bridge.DestinationState, reason string) error {
	n, err := numberOf(destStates, state)
	if err == nil {
		err = db.transact(ctx, func(t *tx) error {
			changed, err := t.exec("UPDATE destination SET state = ?, reason = ?, since = ? WHERE number = ? AND name IS NOT NULL",
				n, clip(reason, errorMax), millis(t.now), number)
			if err == nil && changed == 0 {
				err = bridge.ErrNotFound
			}
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("set destination number %d %s: %w", number, state, err)
	}
	return nil
}

// destination refuses one that is not there or being forgotten: what is sent there would be lost.
func (t *tx) destination(number int64) error {
	c := t.counts(number)
	if c.there {
		return nil
	}
	n, err := t.number("SELECT count(*) FROM destination WHERE number = ? AND name IS NOT NULL", number)
	if err == nil && n == 0 {
		err = fmt.Errorf("destination number %d: %w", number, bridge.ErrNotFound)
	}
	c.there = err == nil
	return err
}
