package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/hookbridge/bridge"
)

// pruneStep is how many things one commit removes.
const pruneStep = 500

// Prune removes what retention no longer keeps: attempts of deliveries that are over, dead letters, events of which
// every delivery was delivered, and webhooks that are over and whose id may act again. What still has to be delivered, or is held, stays however old it is. A retention that
// is not positive keeps for ever. It commits in steps and returns what went, also with an error.
func (db *DB) Prune(ctx context.Context, keep bridge.Retention, now time.Time) (gone bridge.Pruned, err error) {
	if keep.Attempts > 0 {
		gone.Attempts, err = db.pruneAttempts(ctx, now.Add(-keep.Attempts))
	}
	if err == nil && keep.Dead > 0 {
		gone.Dead, err = db.pruneDead(ctx, now.Add(-keep.Dead))
	}
	if err == nil && keep.Events > 0 {
		gone.Events, err = db.pruneEvents(ctx, now.Add(-keep.Events))
	}
	if err == nil && keep.Events > 0 {
		gone.Inbounds, err = db.pruneInbounds(ctx, now.Add(-keep.Events), now)
	}
	if err == nil && keep.Events > 0 {
		err = db.pruneTransitions(ctx, now.Add(-keep.Events))
	}
	if err != nil {
		return gone, fmt.Errorf("prune: %w", err)
	}
	return gone, nil
}

// pair is a place in an index: where the next step goes on.
type pair struct{ a, b int64 }

// prune looks for what to remove with a reader, some at a time, and has it removed by the writer, which looks again.
func (db *DB) prune(ctx context.Context, start pair, sql string, args func(after pair) []any, remove func(*tx, pair) (int64, error)) (total int64, err error) {
	for after := start; ; {
		var found []pair
		err := db.read(ctx, func(c *conn) error {
			found = nil
			return c.query(sql, func(r row) error {
				found = append(found, pair{r.int(0), r.int(1)})
				return nil
			}, args(after)...)
		})
		if err != nil || len(found) == 0 {
			return total, err
		}
		after = found[len(found)-1]
		var gone int64
		err = db.transact(ctx, func(t *tx) error {
			gone = 0
			for _, p := range found {
				n, err := remove(t, p)
				if err != nil {
					return err
				}
				gone += n
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		total += gone
	}
}

func (db *DB) pruneEvents(ctx context.Context, until time.Time) (int64, error) {
	return db.prune(ctx, pair{-1 << 62, 0}, `SELECT time, number FROM event WHERE time < ? AND (time, number) > (?, ?) AND NOT EXISTS
			(SELECT 1 FROM delivery WHERE delivery.event = event.number AND state <> 2) ORDER BY time, number LIMIT ?`,
		func(after pair) []any { return []any{millis(until), after.a, after.b, pruneStep} },
		func(t *tx, p pair) (int64, error) { return t.dropEvent(p.b) })
}

// dropEvent removes an event with its deliveries, unless one of those is not delivered: a replay may have come between.
func (t *tx) dropEvent(number int64) (int64, error) {
	var ids []int64
	open := false
	err := t.query("SELECT id, state FROM delivery WHERE event = ?", func(r row) error {
		ids = append(ids, r.int(0))
		open = open || r.int(1) != delivered
		return nil
	}, number)
	if err != nil || open {
		return 0, err
	}
	for _, id := range ids {
		if _, err := t.dropDelivery(id); err != nil {
			return 0, err
		}
	}
	if _, err := t.exec("UPDATE job SET pruned = pruned + 1 WHERE number = (SELECT job FROM event WHERE number = ?)", number); err != nil {
		return 0, err
	}
	return t.exec("DELETE FROM event WHERE number = ?", number)
}

func (db *DB) pruneDead(ctx context.Context, until time.Time) (int64, error) {
	return db.prune(ctx, pair{-1 << 62, 0}, `SELECT ended, id FROM delivery WHERE state = 3 AND ended < ? AND (ended, id) > (?, ?)
			ORDER BY ended, id LIMIT ?`,
		func(after pair) []any { return []any{millis(until), after.a, after.b, pruneStep} },
		func(t *tx, p pair) (int64, error) {
			still, err := t.number("SELECT count(*) FROM delivery WHERE id = ? AND state = 3 AND ended = ?", p.b, p.a)
			if err != nil || still == 0 {
				return 0, err
			}
			_, err = t.dropDelivery(p.b)
			return 1, err
		})
}

// pruneAttempts looks no further than the deliveries of the last event told before: those beyond have no older attempts.
func (db *DB) pruneAttempts(ctx context.Context, until time.Time) (int64, error) {
	var last int64
	err := db.read(ctx, func(c *conn) (err error) {
		last, err = c.number(`SELECT max(id) FROM delivery WHERE event = (SELECT number FROM event WHERE time < ?
			AND EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.number) ORDER BY time DESC, number DESC LIMIT 1)`, millis(until))
		return err
	})
	if err != nil {
		return 0, err
	}
	return db.prune(ctx, pair{}, `SELECT delivery, n FROM attempt WHERE delivery <= ? AND at < ? AND (delivery, n) > (?, ?)
			AND (SELECT state FROM delivery WHERE id = attempt.delivery) IN (2, 3) ORDER BY delivery, n LIMIT ?`,
		func(after pair) []any { return []any{last, millis(until), after.a, after.b, pruneStep} },
		func(t *tx, p pair) (int64, error) {
			return t.exec("DELETE FROM attempt WHERE delivery = ? AND n = ?", p.a, p.b)
		})
}
