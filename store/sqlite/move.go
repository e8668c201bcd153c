package sqlite

import (
	"context"
	"fmt"
	"strings"
)

// MoveJobs renames jobs, from the first name of each pair to the second, all in one commit. State hangs on the job's
// number, so nothing else changes; events keep the name they were told under. {"a", "b"} moves a and every instance
// a/…; {"a/eu", "b"}, {"a/eu", "b/eu"} and {"a", "a/eu"} move that one. Where there is nothing to move, nothing is done.
// State under both names is an error naming both.
func (db *DB) MoveJobs(ctx context.Context, moves [][2]string) error {
	if len(moves) == 0 {
		return nil
	}
	err := db.transact(ctx, func(t *tx) error {
		for _, move := range moves {
			if err := t.moveJobs(move[0], move[1]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("move jobs: %w", err)
	}
	return nil
}

func (t *tx) moveJobs(from, to string) error {
	if from == "" || to == "" {
		return fmt.Errorf("a move needs two names, got %q and %q", from, to)
	}
	type found struct {
		number int64
		name   string
	}
	var jobs []found
	keep := func(r row) error {
		jobs = append(jobs, found{r.int(0), r.text(1)})
		return nil
	}
	err := t.query("SELECT number, name FROM job WHERE name = ? AND number > 0", keep, from)
	if err == nil && !strings.Contains(from, "/") && !strings.Contains(to, "/") {
		// "0" follows "/" in ASCII.
		err = t.query("SELECT number, name FROM job WHERE name > ? AND name < ? AND number > 0", keep, from+"/", from+"0")
	}
	if err != nil {
		return err
	}
	for _, job := range jobs {
		name := to + strings.TrimPrefix(job.name, from)
		taken, err := t.number("SELECT count(*) FROM job WHERE name = ?", name)
		if err != nil {
			return err
		}
		if taken > 0 {
			return fmt.Errorf("both job %q and job %q have state in the store; remove the moved block, or end one with: hookbridge forget job.%s",
				job.name, name, job.name)
		}
		j, err := t.job(job.number)
		if err != nil {
			return err
		}
		j.name = name
		if _, err := t.exec("UPDATE job SET name = ? WHERE number = ?", name, job.number); err != nil {
			return err
		}
	}
	return nil
}
