package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hookbridge/bridge"
)

const inboundColumns = "id, receiver, coalesce(delivery, ''), coalesce(until, 0), at, method, path, query, header, state, reason"

func readInbound(r row, body bool) (bridge.Inbound, error) {
	w := bridge.Inbound{
		ID: r.int(0), Receiver: r.text(1), DeliveryID: r.text(2), Until: moment(r.int(3)), At: moment(r.int(4)), Method: r.text(5),
		Path: r.text(6), Query: r.text(7), State: wordOf(inboundStates, r.int(9)), Reason: r.text(10),
	}
	if err := json.Unmarshal([]byte(r.text(8)), &w.Header); err != nil {
		return w, fmt.Errorf("webhook %d: %w", w.ID, err)
	}
	if body {
		w.Body = r.blob(11)
	}
	return w, nil
}

// Inbounds returns webhooks by id, the newest Limit of those that match; with After, the first Limit above it.
func (db *DB) Inbounds(ctx context.Context, q bridge.InboundQuery) ([]bridge.Inbound, error) {
	var f filter
	if q.Receiver != "" {
		f.add("receiver = ?", q.Receiver)
	}
	if q.DeliveryID != "" {
		f.add("delivery = ?", q.DeliveryID)
	}
	if q.State != "" {
		state, err := numberOf(inboundStates, q.State)
		if err != nil {
			return nil, fmt.Errorf("read webhooks: %w", err)
		}
		f.add("state = ?", state)
	}
	if !q.Since.IsZero() {
		f.add("at >= ?", millis(q.Since))
	}
	if !q.Until.IsZero() {
		f.add("at < ?", millis(q.Until))
	}
	if q.After > 0 {
		f.add("id > ?", q.After)
	}
	columns := inboundColumns
	if q.Bodies {
		columns += ", body"
	}
	order, limit, reverse := page("id", q.After, q.Limit)
	var found []bridge.Inbound
	err := db.read(ctx, func(c *conn) error {
		return c.queryOnce("SELECT "+columns+" FROM inbound"+f.String()+order, func(r row) error {
			w, err := readInbound(r, q.Bodies)
			found = append(found, w)
			return err
		}, append(f.args, limit)...)
	})
	if err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	if reverse {
		slices.Reverse(found)
	}
	return found, nil
}

// Inbound returns one webhook with its body. bridge.ErrNotFound where there is none of that id.
func (db *DB) Inbound(ctx context.Context, id int64) (bridge.Inbound, error) {
	var w bridge.Inbound
	err := db.read(ctx, func(c *conn) error {
		var bad error
		found, err := c.first("SELECT "+inboundColumns+", body FROM inbound WHERE id = ?", func(r row) { w, bad = readInbound(r, true) }, id)
		if err == nil && !found {
			err = inboundNotFound(id)
		}
		if err == nil {
			err = bad
		}
		return err
	})
	if err != nil {
		return bridge.Inbound{}, fmt.Errorf("read webhook: %w", err)
	}
	return w, nil
}

// RowByKey returns the row of a key and the number of the commit that last moved it; found is false where there is none.
func (db *DB) RowByKey(ctx context.Context, job int64, key string) (found bridge.Row, moved int64, ok bool, err error) {
	err = db.read(ctx, func(c *conn) error {
		ok, err = c.first("SELECT record.id, key, body, moved FROM record JOIN body ON body.id = record.id WHERE job = ? AND key = ?", func(r row) {
			found, moved = bridge.Row{ID: r.int(0), Key: r.text(1), Body: r.blob(2)}, r.int(3)
		}, job, key)
		return err
	})
	if err != nil {
		return bridge.Row{}, 0, false, fmt.Errorf("read row of job %d: %w", job, err)
	}
	return found, moved, ok, nil
}

// pruneInbounds removes webhooks that are over, but none whose id must not act again yet.
func (db *DB) pruneInbounds(ctx context.Context, until, now time.Time) (int64, error) {
	return db.prune(ctx, pair{-1 << 62, 0}, `SELECT at, id FROM inbound WHERE at < ? AND state <> 0 AND coalesce(until, 0) <= ? AND (at, id) > (?, ?)
			ORDER BY at, id LIMIT ?`,
		func(after pair) []any { return []any{millis(until), millis(now), after.a, after.b, pruneStep} },
		func(t *tx, p pair) (int64, error) {
			return t.exec("DELETE FROM inbound WHERE id = ? AND at = ? AND state <> 0", p.b, p.a)
		})
}

func (db *DB) pruneTransitions(ctx context.Context, until time.Time) error {
	_, err := db.prune(ctx, pair{-1 << 62, 0}, "SELECT at, id FROM transition WHERE at < ? AND (at, id) > (?, ?) ORDER BY at, id LIMIT ?",
		func(after pair) []any { return []any{millis(until), after.a, after.b, pruneStep} },
		func(t *tx, p pair) (int64, error) { return t.exec("DELETE FROM transition WHERE id = ?", p.b) })
	return err
}
