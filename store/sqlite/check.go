package sqlite

import (
	"context"
	"fmt"
)

// rules are what holds in every store besides its constraints. Each query finds what breaks one; each row is a problem.
var rules = []string{
	`SELECT 'job ' || name || ' counts ' || records || ' records and has ' || (SELECT count(*) FROM record WHERE record.job = number)
		FROM job WHERE name IS NOT NULL AND records <> (SELECT count(*) FROM record WHERE record.job = number)`,
	`SELECT 'row ' || id || ' has no body' FROM record WHERE NOT EXISTS (SELECT 1 FROM body WHERE body.id = record.id) LIMIT 100`,
	`SELECT 'body ' || id || ' has no row' FROM body WHERE NOT EXISTS (SELECT 1 FROM record WHERE record.id = body.id) LIMIT 100`,
	`SELECT 'row ' || record.id || ' is numbered beyond its job''s last, ' || last_row FROM record JOIN job ON number = record.job
		WHERE record.id - (number << 40) > last_row LIMIT 100`,
	`SELECT 'row ' || id || ' is of job number ' || job || ', which is not there' FROM record
		WHERE job NOT IN (SELECT number FROM job) LIMIT 100`,
	`SELECT 'row ' || id || ' has the mark of row ' || hex(substr(mark, 1, 8)) || ' (hex)' FROM record
		WHERE hex(substr(mark, 1, 8)) <> format('%016X', id) LIMIT 100`,
	`SELECT 'row ' || id || ' was moved by commit ' || moved || ', after the last' FROM record
		WHERE moved > (SELECT commits FROM clock) LIMIT 100`,
	`SELECT 'row ' || id || ' waits in hold ' || hold || ', which is not its job''s' FROM record WHERE absent <> 0 AND hold <> 0
		AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.id = record.hold AND hold.job = record.job) LIMIT 100`,
	`SELECT 'job number ' || number || ' has told ' || sequence || ' events; of those ' || pruned || ' are gone and '
			|| (SELECT count(*) FROM event WHERE event.job = job.number) || ' are there'
		FROM job WHERE sequence <> pruned + (SELECT count(*) FROM event WHERE event.job = job.number)
			OR sequence < (SELECT max(event.sequence) FROM event WHERE event.job = job.number)`,
	`SELECT 'event ' || e.number || ' is earlier than the one before it of its job' FROM event e
		JOIN event f ON f.job = e.job AND f.sequence = e.sequence - 1 WHERE e.time < f.time OR e.number < f.number LIMIT 100`,
	`SELECT 'destination ' || coalesce(name, number) || ' counts ' || backlog || ' deliveries to make and has '
			|| (SELECT count(*) FROM delivery WHERE destination = number AND delivery.state IN (0, 1))
		FROM destination WHERE backlog <> (SELECT count(*) FROM delivery WHERE destination = number AND delivery.state IN (0, 1))`,
	`SELECT 'destination ' || coalesce(name, number) || ' counts ' || dead || ' dead letters and has '
			|| (SELECT count(*) FROM delivery WHERE destination = number AND delivery.state = 3)
		FROM destination WHERE dead <> (SELECT count(*) FROM delivery WHERE destination = number AND delivery.state = 3)`,
	`SELECT 'delivery ' || id || ' waits and nothing is before it' FROM delivery w WHERE state = 0 AND NOT EXISTS
		(SELECT 1 FROM delivery h WHERE h.destination = w.destination AND h.lane = w.lane AND h.state = 1 AND h.replay = 0 AND h.id < w.id) LIMIT 100`,
	`SELECT 'records of hash ' || hash || ' have two lanes to destination ' || destination FROM delivery
		WHERE state IN (0, 1) AND replay = 0 AND hash IS NOT NULL GROUP BY destination, hash HAVING min(lane) <> max(lane) LIMIT 100`,
	`SELECT 'delivery ' || delivery || ' has an attempt ' || n || ' beyond those it counts' FROM attempt
		WHERE n > (SELECT made FROM delivery WHERE id = delivery) LIMIT 100`,
	`SELECT 'numbers were given out that the clock does not know' FROM clock WHERE events < (SELECT coalesce(max(number), 0) FROM event)
		OR deliveries < (SELECT coalesce(max(id), 0) FROM delivery) OR holds < (SELECT coalesce(max(id), 0) FROM hold)
		OR inbounds < (SELECT coalesce(max(id), 0) FROM inbound) OR intents < (SELECT coalesce(max(id), 0) FROM intent)`,
	`SELECT 'webhook ' || id || CASE state WHEN 0 THEN ' has nothing left to do and is not over' ELSE ' is over and has intents left' END
		FROM inbound WHERE (state = 0) <> EXISTS (SELECT 1 FROM intent WHERE intent.inbound = inbound.id) LIMIT 100`,
}

// Check looks the whole store over: SQLite's own checks, then the rules that constraints cannot state. It reads every
// page and takes its time, beside everything else.
func (db *DB) Check(ctx context.Context) (problems []string, err error) {
	err = db.read(ctx, func(c *conn) error {
		note := func(r row) error {
			if text := r.text(0); text != "ok" {
				problems = append(problems, text)
			}
			return ctx.Err()
		}
		if err := c.query("PRAGMA integrity_check", note); err != nil {
			return err
		}
		if err := c.query("PRAGMA foreign_key_check", func(r row) error {
			problems = append(problems, fmt.Sprintf("row %d of %s refers to a row of %s that is not there", r.int(1), r.text(0), r.text(2)))
			return ctx.Err()
		}); err != nil {
			return err
		}
		for _, rule := range rules {
			if err := c.queryOnce(rule, note); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	return problems, nil
}
