package sqlite

import (
	"context"
	"fmt"
)

// forgetStep is how many rows one commit removes.
const forgetStep = 1000

// ForgetJob removes a job's snapshot and everything else kept of it, and returns how many rows that were. Its events
// stay, and those on their way go on. The name is free at once; rows go in steps, and what a crash leaves of them goes
// when the store is next opened. bridge.ErrNotFound where there is no job of that name.
func (db *DB) ForgetJob(ctx context.Context, name string) (int64, error) {
	var number, rows int64
	err := db.transact(ctx, func(t *tx) (err error) {
		if number, err = t.number("SELECT number FROM job WHERE name = ? AND number > 0", name); err != nil {
			return err
		}
		if number == 0 {
			return notFound("job", name)
		}
		j, err := t.job(number)
		if err != nil {
			return err
		}
		rows = j.records
		if err := j.save(t); err != nil {
			return err
		}
		delete(t.jobs, number) // a run of it that still goes finds no job from here on
		_, err = t.exec("UPDATE job SET name = NULL WHERE number = ?", number)
		return err
	})
	if err == nil {
		err = db.forgetRows(ctx, number)
	}
	if err != nil {
		return 0, fmt.Errorf("forget job %q: %w", name, err)
	}
	return rows, nil
}

func (db *DB) forgetRows(ctx context.Context, number int64) error {
	from, to := span(number)
	for gone := int64(1); gone > 0; {
		err := db.transact(ctx, func(t *tx) error {
			const some = " WHERE id IN (SELECT id FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)"
			if _, err := t.exec("DELETE FROM body"+some, from, to, forgetStep); err != nil {
				return err
			}
			var err error
			gone, err = t.exec("DELETE FROM record"+some, from, to, forgetStep)
			return err
		})
		if err != nil {
			return err
		}
	}
	db.pending.drop(number)
	db.dogs.drop(number)
	if err := db.forgetIntents(ctx, number); err != nil {
		return err
	}
	return db.transact(ctx, func(t *tx) error {
		for _, table := range []string{"tombstone", "hold", "quarantine", "run", "watchdog", "transition"} {
			if _, err := t.exec("DELETE FROM "+table+" WHERE job = ?", number); err != nil {
				return err
			}
		}
		_, err := t.exec("DELETE FROM job WHERE number = ? AND name IS NULL", number)
		return err
	})
}

// ForgetDestination drops every delivery to a destination and the destination itself, and returns how many of them had
// not been delivered, dead letters included. bridge.ErrNotFound where there is none of that name.
func (db *DB) ForgetDestination(ctx context.Context, name string) (int64, error) {
	var number, dropped int64
	err := db.transact(ctx, func(t *tx) error {
		number = 0
		_, err := t.first("SELECT number FROM destination WHERE name = ?", func(r row) { number = r.int(0) }, name)
		if err != nil {
			return err
		}
		if number == 0 {
			return notFound("destination", name)
		}
		t.counts(number).there = false
		_, err = t.exec("UPDATE destination SET name = NULL WHERE number = ?", number)
		return err
	})
	if err == nil {
		dropped, err = db.forgetDeliveries(ctx, number)
	}
	if err != nil {
		return 0, fmt.Errorf("forget destination %q: %w", name, err)
	}
	return dropped, nil
}

func (db *DB) forgetDeliveries(ctx context.Context, number int64) (dropped int64, err error) {
	// Found by a reader, because finding them may take a look at every delivery there is.
	for after := int64(0); ; {
		var ids []int64
		err := db.read(ctx, func(c *conn) error {
			ids = nil
			return c.query("SELECT id FROM delivery WHERE destination = ? AND id > ? ORDER BY id LIMIT ?", func(r row) error {
				ids = append(ids, r.int(0))
				return nil
			}, number, after, forgetStep)
		})
		if err != nil {
			return dropped, err
		}
		if len(ids) == 0 {
			break
		}
		after = ids[len(ids)-1]
		var open int64
		err = db.transact(ctx, func(t *tx) error {
			open = 0
			for _, id := range ids {
				state, err := t.dropDelivery(id)
				if err != nil {
					return err
				}
				if state == waiting || state == ready || state == dead {
					open++
				}
			}
			return nil
		})
		if err != nil {
			return dropped, err
		}
		dropped += open
	}
	return dropped, db.transact(ctx, func(t *tx) error {
		t.after = append(t.after, func() { t.db.lanes.drop(number) })
		_, err := t.exec("DELETE FROM destination WHERE number = ? AND name IS NULL", number)
		return err
	})
}

// dropDelivery removes a delivery with its attempts and returns the state it was in; -1 where there is none. It does
// not promote: whole lanes go, or what is over.
func (t *tx) dropDelivery(id int64) (int64, error) {
	state, destination := int64(-1), int64(0)
	found, err := t.first("SELECT state, destination FROM delivery WHERE id = ?", func(r row) { state, destination = r.int(0), r.int(1) }, id)
	if err != nil || !found {
		return -1, err
	}
	if _, err := t.exec("DELETE FROM attempt WHERE delivery = ?", id); err != nil {
		return -1, err
	}
	if _, err := t.exec("DELETE FROM delivery WHERE id = ?", id); err != nil {
		return -1, err
	}
	switch state {
	case waiting, ready:
		t.count(destination, -1, 0)
	case dead:
		t.count(destination, 0, -1)
	}
	return state, nil
}

// resumeForgetting ends what a crash interrupted.
func (db *DB) resumeForgetting(ctx context.Context) error {
	var jobs, destinations []int64
	err := db.read(ctx, func(c *conn) error {
		list := func(into *[]int64) func(row) error {
			return func(r row) error { *into = append(*into, r.int(0)); return nil }
		}
		if err := c.query("SELECT number FROM job WHERE name IS NULL", list(&jobs)); err != nil {
			return err
		}
		return c.query("SELECT number FROM destination WHERE name IS NULL", list(&destinations))
	})
	if err != nil {
		return err
	}
	for _, number := range jobs {
		if err := db.forgetRows(ctx, number); err != nil {
			return fmt.Errorf("go on forgetting job number %d: %w", number, err)
		}
	}
	for _, number := range destinations {
		if _, err := db.forgetDeliveries(ctx, number); err != nil {
			return fmt.Errorf("go on forgetting destination number %d: %w", number, err)
		}
	}
	return nil
}
