package sqlite

import (
	"context"
	"fmt"

	"github.com/hookbridge/bridge"
)

// rowBits is where the job's number begins in a row's id.
const rowBits = 40

// span returns the first id of a job's rows and the first beyond them.
func span(job int64) (int64, int64) { return job << rowBits, (job + 1) << rowBits }

// Index calls each for every row of the job's snapshot, ordered by ID. Canon is 0 where the fingerprint was taken under
// other rules than those in force. each must not ask the store for anything: it would wait for connections that
// others like it hold.
func (db *DB) Index(ctx context.Context, job int64, each func(bridge.IndexEntry) error) error {
	const page = 4096
	err := db.read(ctx, func(c *conn) error {
		rules, err := c.number("SELECT rules_number FROM job WHERE number = ?", job)
		if err != nil {
			return err
		}
		for from, to := span(job); from < to; {
			if err := ctx.Err(); err != nil {
				return err
			}
			var count int64
			var marks string
			_, err := c.first(`SELECT count(*), max(id), group_concat(mark, '') FROM
				(SELECT id, mark FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)`, func(r row) {
				count, from, marks = r.int(0), r.int(1)+1, r.text(2)
			}, from, to, page)
			if err != nil {
				return err
			}
			if err := entries(marks, count, rules, each); err != nil {
				return err
			}
			if count < page {
				break
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read index of job %d: %w", job, err)
	}
	return nil
}

// Absences returns the rows that the last complete fetches did not show, and those whose deletion was rejected.
func (db *DB) Absences(ctx context.Context, job int64) ([]bridge.Absence, error) {
	var absences []bridge.Absence
	err := db.read(ctx, func(c *conn) error {
		absences = nil
		return c.query("SELECT id, absent, stable, hold FROM record WHERE job = ? AND absent <> 0 ORDER BY id", func(r row) error {
			absences = append(absences, bridge.Absence{
				ID: r.int(0), Scans: int(r.int(1)), Stable: int(r.int(2)), Hold: r.int(3),
			})
			return nil
		}, job)
	})
	if err != nil {
		return nil, fmt.Errorf("read absences of job %d: %w", job, err)
	}
	return absences, nil
}

// Rows calls each for the rows of those ids, in the order of ids; ids without a row are passed over. each must not ask
// the store for anything.
func (db *DB) Rows(ctx context.Context, job int64, ids []int64, each func(bridge.Row) error) error {
	from, to := span(job)
	err := db.read(ctx, func(c *conn) error {
		for len(ids) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := stretch(ids)
			if low, high := ids[0], ids[n-1]; low < from || high >= to {
				return fmt.Errorf("rows %d to %d are not of this job", low, high)
			}
			if err := readRows(c, ids[:n], each); err != nil {
				return err
			}
			ids = ids[n:]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read rows of job %d: %w", job, err)
	}
	return nil
}

// stretch returns how many ids from the first on rise so closely that walking over the rows between them is cheaper than
// looking each up.
func stretch(ids []int64) int {
	const gap, most = 4, 4096
	n := 1
	for n < min(len(ids), most) && ids[n] > ids[n-1] && ids[n]-ids[n-1] <= gap {
		n++
	}
	return n
}

func readRows(c *conn, ids []int64, each func(bridge.Row) error) error {
	return c.query(`SELECT record.id, key, body FROM record JOIN body ON body.id = record.id
		WHERE record.id BETWEEN ? AND ? ORDER BY record.id`, func(r row) error {
		id := r.int(0)
		for len(ids) > 0 && ids[0] < id {
			ids = ids[1:]
		}
		if len(ids) == 0 || ids[0] != id {
			return nil
		}
		return each(bridge.Row{ID: id, Key: r.text(1), Body: r.blob(2)})
	}, ids[0], ids[len(ids)-1])
}

// Holds returns the holds of all jobs that still have rows waiting.
func (db *DB) Holds(ctx context.Context) ([]bridge.Hold, error) {
	var holds []bridge.Hold
	err := db.read(ctx, func(c *conn) error {
		return c.query(`SELECT hold.id, job.name, since, total,
				(SELECT count(*) FROM record WHERE record.job = hold.job AND record.hold = hold.id AND absent <> 0) AS waiting
			FROM hold JOIN job ON job.number = hold.job WHERE job.name IS NOT NULL AND waiting > 0 ORDER BY hold.id`, func(r row) error {
			holds = append(holds, bridge.Hold{
				ID: r.int(0), Job: r.text(1), Since: moment(r.int(2)), Total: r.int(3), Rows: r.int(4),
			})
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	return holds, nil
}

// Quarantine returns the records the job's last run could not take.
func (db *DB) Quarantine(ctx context.Context, job int64) ([]bridge.Quarantined, error) {
	var bad []bridge.Quarantined
	err := db.read(ctx, func(c *conn) error {
		return c.query("SELECT key, page, item, reason, body FROM quarantine WHERE job = ? ORDER BY n", func(r row) error {
			bad = append(bad, bridge.Quarantined{
				Key: r.text(0), Page: int(r.int(1)), Item: int(r.int(2)), Reason: r.text(3), Body: r.blob(4),
			})
			return nil
		}, job)
	})
	if err != nil {
		return nil, fmt.Errorf("read quarantine of job %d: %w", job, err)
	}
	return bad, nil
}
