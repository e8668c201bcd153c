package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/hookbridge/bridge"
)

// replayStep is how many deliveries one commit sends again.
const replayStep = 500

// Replay makes what was delivered or died ready again, under the same ids, now and outside the order of its lane, and
// returns how many deliveries that were. With Missing, it makes deliveries to Targets[0] of events that it never had one
// of. It commits in steps: what an error or a crash leaves is found by asking again.
func (db *DB) Replay(ctx context.Context, q bridge.ReplayQuery) (int64, error) {
	var f filter
	f.event(q.Event)
	f.job(q.Job)
	f.times(q.Since, q.Until)
	var sql string
	var apply func(*tx, int64) (int64, error)
	if q.Missing {
		if q.Destination == "" || len(q.Targets) == 0 {
			return 0, errors.New("replay missing: it needs one destination")
		}
		target := q.Targets[0]
		f.add("NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.number AND delivery.destination = ?)", target.Destination)
		f.add("event.number > ? AND event.number <= ?")
		sql = "SELECT event.number FROM event" + f.String() + " ORDER BY event.number LIMIT ?"
		apply = func(t *tx, event int64) (int64, error) { return t.deliverMissing(event, target) }
	} else {
		if q.Destination != "" {
			f.add("destination = (SELECT number FROM destination WHERE name = ?)", q.Destination)
		}
		if q.Dead {
			f.add("delivery.state = 3")
		} else {
			f.add("delivery.state IN (2, 3)")
		}
		f.add("delivery.id > ? AND delivery.id <= ?")
		sql = "SELECT delivery.id FROM delivery JOIN event ON event.number = delivery.event" + f.String() + " ORDER BY delivery.id LIMIT ?"
		apply = (*tx).again
	}
	n, err := db.replay(ctx, q.Missing, sql, f.args, apply)
	if err != nil {
		return n, fmt.Errorf("replay: %w", err)
	}
	return n, nil
}

// replay applies to each id that sql finds, up to the youngest there is now: what is told or settled meanwhile is not
// meant.
func (db *DB) replay(ctx context.Context, events bool, sql string, args []any, apply func(*tx, int64) (int64, error)) (total int64, err error) {
	var last int64
	err = db.read(ctx, func(c *conn) (err error) {
		if events {
			last, err = c.number("SELECT max(number) FROM event")
		} else {
			last, err = c.number("SELECT max(id) FROM delivery")
		}
		return err
	})
	for after := int64(0); err == nil; {
		var ids []int64
		err = db.read(ctx, func(c *conn) error {
			ids = nil
			all := append(append([]any{}, args...), after, last, replayStep)
			return c.queryOnce(sql, func(r row) error {
				ids = append(ids, r.int(0))
				return nil
			}, all...)
		})
		if err != nil || len(ids) == 0 {
			break
		}
		after = ids[len(ids)-1]
		var changed int64
		err = db.transact(ctx, func(t *tx) error {
			changed = 0
			for _, id := range ids {
				n, err := apply(t, id)
				if err != nil {
					return err
				}
				changed += n
			}
			return nil
		})
		if err == nil {
			total += changed
		}
	}
	return total, err
}

// again makes a delivery that is over ready once more. Its attempts go on being numbered, its schedule begins anew.
func (t *tx) again(id int64) (int64, error) {
	var destination, state int64
	found, err := t.first("SELECT destination, state FROM delivery WHERE id = ?", func(r row) { destination, state = r.int(0), r.int(1) }, id)
	if err != nil || !found || state < delivered {
		return 0, err
	}
	t.count(destination, 1, 0)
	if state == dead {
		t.count(destination, 0, -1)
	}
	now := millis(t.now)
	return t.exec("UPDATE delivery SET state = 1, replay = 1, tries = 0, due = ?, ended = NULL, changed = ? WHERE id = ?", now, now, id)
}

func (t *tx) deliverMissing(event int64, target bridge.Target) (int64, error) {
	if err := t.destination(target.Destination); err != nil {
		return 0, err
	}
	now := millis(t.now)
	n, err := t.exec(`INSERT INTO delivery (id, event, destination, lane, state, due, changed, replay, format, version)
		SELECT ?1, number, ?2, ?1, 1, ?3, ?3, 1, ?4, ?5 FROM event WHERE number = ?6
		ON CONFLICT (event, destination) DO NOTHING`,
		t.clock.deliveries+1, target.Destination, now, target.Format, target.FormatVersion, event)
	if err != nil || n == 0 {
		return 0, err
	}
	t.clock.deliveries++
	t.count(target.Destination, 1, 0)
	return n, nil
}
