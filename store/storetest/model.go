package storetest

import (
	"fmt"
	"strings"

	"github.com/hookbridge/bridge"
)

// world is what a store is expected to hold, in the plainest form: everything is looked for by walking all of it.
type world struct {
	jobs         map[int64]*mjob
	events       []*mevent
	deliveries   []*mdelivery // in the order they were made
	destinations map[int64]*mdestination
	inbounds     []*minbound // in the order they first came
	bridge       int64       // sequence of the bridge's own events
	commits      int         // the model's own numbers for P8
	holds        int64       // of the last hold
}

type mjob struct {
	state      bridge.JobState
	rows       map[int64]*mrow
	graves     map[string]int // key -> commit that deleted it
	runs       map[int64]*mrun
	hold       bridge.Hold // ID 0: none
	quarantine []bridge.Quarantined

	watchdog    string
	transitions []bridge.Transition
}

type mrow struct {
	entry   bridge.IndexEntry
	rules   int64
	key     string
	body    string
	absence bridge.Absence
	moved   int
}

type mrun struct {
	began int
	own   map[int]bool
	rules int64 // number when it began
	left  bool  // it left a row alone
}

type mevent struct {
	event bridge.Event
}

type mdelivery struct {
	event       *mevent
	destination int64
	lane        string // empty: none
	state       bridge.DeliveryState
	replay      bool
	tries, made int
	target      bridge.Target
}

type mdestination struct {
	name   string
	state  bridge.DestinationState
	reason string
}

func newWorld() *world {
	return &world{jobs: make(map[int64]*mjob), destinations: make(map[int64]*mdestination)}
}

func (w *world) job(name string) *mjob {
	for _, j := range w.jobs {
		if j.state.Name == name {
			return j
		}
	}
	return nil
}

func (w *world) destination(name string) int64 {
	for n, d := range w.destinations {
		if d.name == name {
			return n
		}
	}
	return 0
}

// newer is P8: whether a commit is neither from before the run nor the run's own.
func (r *mrun) newer(commit int) bool { return commit > r.began && !r.own[commit] }

func (j *mjob) row(key string) *mrow {
	for _, r := range j.rows {
		if r.key == key {
			return r
		}
	}
	return nil
}

// commit applies a chunk as P2 and P8 have it. done is what the store answered: ids are the store's to choose.
func (w *world) commit(c *bridge.Chunk, done bridge.Committed) error {
	j := w.jobs[c.Job]
	run := j.runs[c.Began]
	if c.Began == 0 { // a webhook's: what it overwrites was just looked at
		run = &mrun{began: w.commits, own: make(map[int]bool)}
	}
	w.commits++
	run.own[w.commits] = true
	if c.First {
		j.state.Checkpoint = nil
		if j.state.Identity == "" {
			j.state.Identity = c.Identity
		}
	}
	told := int64(0)
	for i, p := range c.Puts {
		id, applied, err := w.put(j, run, c, p, done.IDs[i])
		if err != nil {
			return err
		}
		if applied != (done.IDs[i] != 0) || applied && id != done.IDs[i] {
			return fmt.Errorf("put %d of %q: applied as row %d, expected %v as row %d", i, p.Key, done.IDs[i], applied, id)
		}
		run.left = run.left || !applied
		if applied && p.Event != nil {
			told++
			if err := w.tell(&j.state, p.Event, c.Targets); err != nil {
				return err
			}
		}
	}
	w.absences(j, run, c)
	for i, d := range c.Deletes {
		row := j.rows[d.ID]
		applied := row != nil && !run.newer(row.moved)
		if applied != done.Gone[i] {
			return fmt.Errorf("delete %d of %q: applied %v, expected %v", i, d.Key, done.Gone[i], applied)
		}
		if !applied {
			run.left = true
			continue
		}
		delete(j.rows, d.ID)
		j.graves[row.key] = w.commits
		if d.Event != nil {
			told++
			if err := w.tell(&j.state, d.Event, c.Targets); err != nil {
				return err
			}
		}
	}
	if done.Told != told || done.Sequence != j.state.Sequence {
		return fmt.Errorf("told %d events up to %d, expected %d up to %d", done.Told, done.Sequence, told, j.state.Sequence)
	}
	j.state.Records = int64(len(j.rows))
	if f := c.Finish; f != nil {
		w.finish(j, run, c, f)
	}
	return nil
}

func (w *world) put(j *mjob, run *mrun, c *bridge.Chunk, p bridge.Put, given int64) (int64, bool, error) {
	if p.Entry.ID == 0 {
		if j.row(p.Key) != nil || run.newer(j.graves[p.Key]) {
			return 0, false, nil
		}
		if given == 0 || given>>40 != j.state.Number || j.rows[given] != nil {
			return 0, false, fmt.Errorf("row of %q was created with id %d", p.Key, given)
		}
		entry := p.Entry
		entry.ID = given
		j.rows[given] = &mrow{entry: entry, rules: c.RulesNumber, key: p.Key, body: string(p.Body), moved: w.commits, absence: bridge.Absence{ID: given}}
		return given, true, nil
	}
	row := j.rows[p.Entry.ID]
	if row == nil || run.newer(row.moved) {
		return 0, false, nil
	}
	row.entry, row.rules = p.Entry, c.RulesNumber
	if p.Body != nil {
		row.body, row.moved = string(p.Body), w.commits
	}
	return p.Entry.ID, true, nil
}

func (w *world) absences(j *mjob, run *mrun, c *bridge.Chunk) {
	opened := false
	for _, a := range c.Absences {
		if a.Hold < 0 && a.Scans > 0 && !opened {
			opened = true
			if j.held() == 0 {
				w.holds++
				j.hold = bridge.Hold{ID: w.holds}
			}
			j.hold.Total = int64(len(j.rows)) // before the chunk's deletions
		}
		row := j.rows[a.ID]
		if row == nil || run.newer(row.moved) {
			run.left = true
			continue
		}
		if a.Scans <= 0 {
			a.Hold, a.Stable = 0, 0
		}
		if a.Hold < 0 {
			a.Hold = j.hold.ID
		}
		row.absence, row.moved = a, w.commits
	}
}

func (j *mjob) held() (n int64) {
	for _, r := range j.rows {
		if r.absence.Hold != 0 {
			n++
		}
	}
	return n
}

func (w *world) finish(j *mjob, run *mrun, c *bridge.Chunk, f *bridge.Finish) {
	s := &j.state
	s.Checkpoint, s.Baselined, s.Empty = f.Checkpoint, f.Baselined, f.Empty
	if run.left || c.RulesNumber != s.RulesNumber {
		s.Checkpoint = nil
	}
	if f.Complete && c.RulesNumber == s.RulesNumber {
		s.OldRules = s.Rules
	}
	if f.Complete {
		s.Identity = c.Identity
	}
	j.quarantine = c.Quarantine
	if j.held() == 0 {
		j.hold = bridge.Hold{}
	}
}

// tell expects the event that the store has written back, and makes its deliveries.
func (w *world) tell(s *bridge.JobState, e *bridge.Event, targets []bridge.Target) error {
	s.Sequence++
	if e.Sequence != s.Sequence || e.Job != s.Name || e.JobNumber != s.Number || !strings.HasPrefix(e.ID, "evt_") || e.Time.Before(s.LastEvent) {
		return fmt.Errorf("event %+v told, expected sequence %d of job %q, not before %s", e, s.Sequence, s.Name, s.LastEvent)
	}
	for _, other := range w.events {
		if other.event.ID == e.ID {
			return fmt.Errorf("event id %s was given twice", e.ID)
		}
	}
	s.LastEvent = e.Time
	told := &mevent{*e}
	w.events = append(w.events, told)
	for _, target := range targets {
		d := &mdelivery{event: told, destination: target.Destination, state: bridge.StateReady, target: target}
		if target.Ordered {
			d.lane = fmt.Sprintf("%d %d %s", target.Destination, s.Number, e.Key)
			if w.open(d.lane) != nil {
				d.state = bridge.StateWaiting
			}
		}
		w.deliveries = append(w.deliveries, d)
	}
	return nil
}

// open returns the first of a lane that is not over.
func (w *world) open(lane string) *mdelivery {
	for _, d := range w.deliveries {
		if lane != "" && d.lane == lane && (d.state == bridge.StateWaiting || d.state == bridge.StateReady) {
			return d
		}
	}
	return nil
}

func (w *world) delivery(event string, destination int64) *mdelivery {
	for _, d := range w.deliveries {
		if d.event.event.ID == event && d.destination == destination {
			return d
		}
	}
	return nil
}

func (w *world) settle(d *mdelivery, verdict bridge.Verdict) {
	d.made++
	if d.state != bridge.StateReady {
		return
	}
	switch verdict {
	case bridge.Retry:
		d.tries++
	case bridge.Disable:
		if to := w.destinations[d.destination]; to.state != bridge.Disabled {
			to.state, to.reason = bridge.Disabled, gone
		}
	case bridge.Delivered, bridge.Dead:
		d.tries++
		d.state = bridge.StateDelivered
		if verdict == bridge.Dead {
			d.state = bridge.StateDead
		}
		if next := w.open(d.lane); next != nil {
			next.state = bridge.StateReady
		}
	}
}

// gone is what every attempt of a history fails with.
const gone = "gone"

func (w *world) again(d *mdelivery) {
	d.state, d.replay, d.tries, d.lane = bridge.StateReady, true, 0, ""
}

func over(d *mdelivery) bool {
	return d.state == bridge.StateDelivered || d.state == bridge.StateDead
}
