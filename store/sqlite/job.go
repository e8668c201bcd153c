package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hookbridge/bridge"
)

// job is a row of job within a write transaction.
type job struct {
	number      int64
	name        string
	digest      string
	identity    string
	baselined   bool
	empty       bool
	rules       string
	oldRules    string
	rulesNumber int64
	paused      bool
	lastRow     int64
	records     int64
	sequence    int64
	lastEvent   int64

	changed bool
}

const jobColumns = `number, name, digest, identity, baselined, empty, rules, old_rules, rules_number, paused,
	last_row, records, sequence, last_event`

func readJob(r row) *job {
	return &job{
		number: r.int(0), name: r.text(1), digest: r.text(2), identity: r.text(3), baselined: r.int(4) == 1,
		empty: r.int(5) == 1, rules: r.text(6), oldRules: r.text(7), rulesNumber: r.int(8), paused: r.int(9) == 1,
		lastRow: r.int(10), records: r.int(11), sequence: r.int(12), lastEvent: r.int(13),
	}
}

// job returns the job for reading; who changes it sets changed.
func (t *tx) job(number int64) (*job, error) {
	if j := t.jobs[number]; j != nil {
		return j, nil
	}
	var j *job
	found, err := t.first("SELECT "+jobColumns+" FROM job WHERE number = ? AND name IS NOT NULL",
		func(r row) { j = readJob(r) }, number)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("job number %d: %w", number, bridge.ErrNotFound)
	}
	t.jobs[number] = j
	return j, nil
}

func (j *job) save(t *tx) error {
	if !j.changed {
		return nil
	}
	j.changed = false
	_, err := t.exec(`UPDATE job SET digest = ?, identity = ?, baselined = ?, empty = ?, rules = ?, old_rules = ?,
		rules_number = ?, paused = ?, last_row = ?, records = ?, sequence = ?, last_event = ? WHERE number = ?`,
		j.digest, j.identity, j.baselined, j.empty, j.rules, j.oldRules, j.rulesNumber, j.paused,
		j.lastRow, j.records, j.sequence, j.lastEvent, j.number)
	return err
}

func (j *job) state() bridge.JobState {
	return bridge.JobState{
		Number: j.number, Name: j.name, Digest: j.digest, Identity: j.identity, Baselined: j.baselined, Empty: j.empty,
		Sequence: j.sequence, LastEvent: moment(j.lastEvent), Rules: j.rules, OldRules: j.oldRules,
		RulesNumber: j.rulesNumber, Paused: j.paused, Records: j.records,
	}
}

// OpenJob returns the state of the job of that name, beginning one where there is none. Another digest than the stored
// one clears the checkpoint, and so do other rules than those in force, which take their place under a new number; the
// old rules stay those of the last complete run.
func (db *DB) OpenJob(ctx context.Context, name, digest, rules string) (bridge.JobState, error) {
	var number int64
	err := db.transact(ctx, func(t *tx) error {
		var j *job
		number = 0
		_, err := t.first("SELECT number FROM job WHERE name = ?", func(r row) { number = r.int(0) }, name)
		if err != nil {
			return err
		}
		if number == 0 {
			j, err = t.newJob(name, digest, rules)
		} else {
			j, err = t.job(number)
		}
		if err != nil {
			return err
		}
		number = j.number
		if j.digest != digest || j.rules != rules { // another version may read the same configuration as other rules
			j.digest, j.changed = digest, true
			db.pending.clearCheckpoint(j.number)
			if _, err := t.exec("UPDATE run SET checkpoint = NULL WHERE job = ?", j.number); err != nil {
				return err
			}
		}
		if j.rules != rules {
			j.rules, j.changed = rules, true
			j.rulesNumber++
		}
		return nil
	})
	if err != nil {
		return bridge.JobState{}, fmt.Errorf("open job %q: %w", name, err)
	}
	return db.Job(ctx, name)
}

func (t *tx) newJob(name, digest, rules string) (*job, error) {
	if name == "" {
		return nil, fmt.Errorf("a job needs a name")
	}
	if _, err := t.exec("INSERT INTO job (name, digest, rules, old_rules) VALUES (?, ?, ?, ?)", name, digest, rules, rules); err != nil {
		return nil, err
	}
	number, err := t.number("SELECT number FROM job WHERE name = ?", name)
	if err != nil {
		return nil, err
	}
	if number >= 1<<23 {
		return nil, fmt.Errorf("the store has numbered %d jobs and cannot number more", number)
	}
	if _, err := t.exec("INSERT INTO run (job) VALUES (?)", number); err != nil {
		return nil, err
	}
	return t.job(number)
}

// Jobs returns every job of the store by name, those that are no longer configured included.
func (db *DB) Jobs(ctx context.Context) ([]bridge.JobState, error) {
	jobs, err := db.readJobs(ctx, "number > 0 AND name IS NOT NULL ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	return jobs, nil
}

// Job returns the state of one job. bridge.ErrNotFound where there is none of that name.
func (db *DB) Job(ctx context.Context, name string) (bridge.JobState, error) {
	jobs, err := db.readJobs(ctx, "number > 0 AND name = ?", name)
	if err != nil {
		return bridge.JobState{}, fmt.Errorf("read job %q: %w", name, err)
	}
	if len(jobs) == 0 {
		return bridge.JobState{}, notFound("job", name)
	}
	return jobs[0], nil
}

func (db *DB) readJobs(ctx context.Context, where string, args ...any) ([]bridge.JobState, error) {
	var jobs []bridge.JobState
	queued := db.pending.snapshot() // before the tables: what is no longer queued has been written
	err := db.read(ctx, func(c *conn) error {
		sql := "SELECT " + jobColumns + ", report, checkpoint FROM job LEFT JOIN run ON run.job = job.number WHERE " + where
		return c.query(sql, func(r row) error {
			state := readJob(r).state()
			if report := r.text(14); report != "" {
				if err := json.Unmarshal([]byte(report), &state.LastRun); err != nil {
					return fmt.Errorf("last run of job %q: %w", state.Name, err)
				}
			}
			state.Checkpoint = r.blob(15)
			queued[state.Number].overlay(&state)
			jobs = append(jobs, state)
			return nil
		}, args...)
	})
	return jobs, err
}

// PauseJob stops or resumes a job. bridge.ErrNotFound where there is none of that name.
func (db *DB) PauseJob(ctx context.Context, name string, paused bool) error {
	err := db.transact(ctx, func(t *tx) error {
		number, err := t.number("SELECT number FROM job WHERE name = ? AND number > 0", name)
		if err != nil {
			return err
		}
		if number == 0 {
			return notFound("job", name)
		}
		j, err := t.job(number)
		if err != nil {
			return err
		}
		j.changed = j.changed || j.paused != paused
		j.paused = paused
		return nil
	})
	if err != nil {
		return fmt.Errorf("pause or resume: %w", err)
	}
	return nil
}

func later(ms int64, now time.Time) int64 { return max(ms, millis(now)) }
