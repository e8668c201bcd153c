package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/hookbridge/bridge"
)

// The words of columns that hold numbers; a word's place is its number. Places are never given to another word.
var (
	ops        = []bridge.Op{"", bridge.Created, bridge.Updated, bridge.Deleted}
	origins    = []bridge.Origin{"", bridge.Schedule, bridge.Manual, bridge.Webhook, bridge.Probe, bridge.Fallback, bridge.Reconcile}
	states     = []bridge.DeliveryState{bridge.StateWaiting, bridge.StateReady, bridge.StateDelivered, bridge.StateDead}
	destStates = []bridge.DestinationState{bridge.Active, bridge.Paused, bridge.Disabled}
)

const (
	waiting = iota
	ready
	delivered
	dead
)

func numberOf[T ~string](words []T, word T) (int64, error) {
	i := slices.Index(words, word)
	if i < 0 {
		return 0, fmt.Errorf("%T %q is not one of %q", word, word, words)
	}
	return int64(i), nil
}

func wordOf[T ~string](words []T, n int64) T {
	if n < 0 || n >= int64(len(words)) {
		return ""
	}
	return words[n]
}

// eventPrefix stands before the UUID's text wherever an event's id is seen.
const eventPrefix = "evt_"

func eventID(id []byte) string {
	u, err := uuid.FromBytes(id)
	if err != nil {
		return ""
	}
	return eventPrefix + u.String()
}

// parseEventID returns nil for what is no event's id: no row has it.
func parseEventID(text string) []byte {
	if len(text) != len(eventPrefix)+36 || text[:len(eventPrefix)] != eventPrefix {
		return nil
	}
	u, err := uuid.Parse(text[len(eventPrefix):])
	if err != nil {
		return nil
	}
	return u[:]
}

// Announce tells an event of the bridge's own: it has a sequence and an id like those of jobs, under the name "bridge".
func (db *DB) Announce(ctx context.Context, event *bridge.Event, targets []bridge.Target) error {
	err := db.transact(ctx, func(t *tx) error {
		j, err := t.job(0)
		if err != nil {
			return err
		}
		w := teller{tx: t, job: j, targets: targets}
		return w.tell(event)
	})
	if err != nil {
		return fmt.Errorf("announce %s: %w", event.Type, err)
	}
	return nil
}

// teller writes events of one job with a delivery for each target.
type teller struct {
	*tx
	job     *job
	targets []bridge.Target
	told    int64
}

func (w *teller) tell(e *bridge.Event) error {
	op, err := numberOf(ops, e.Op)
	if err != nil {
		return err
	}
	origin, err := numberOf(origins, e.Origin)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	var changed any
	if e.Changed != nil {
		text, err := json.Marshal(e.Changed)
		if err != nil {
			return err
		}
		changed = string(text)
	}
	j := w.job
	j.sequence++
	j.lastEvent = later(j.lastEvent, w.now)
	j.changed = true
	w.clock.events++
	e.ID, e.Job, e.JobNumber, e.Sequence, e.Time = eventPrefix+id.String(), j.name, j.number, j.sequence, moment(j.lastEvent)
	_, err = w.exec(`INSERT INTO event (number, id, job, name, sequence, type, key, op, origin, time, changed, data, before, after)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		w.clock.events, id[:], j.number, j.name, j.sequence, e.Type, e.Key, op, origin, j.lastEvent, changed,
		[]byte(e.Data), []byte(e.Before), []byte(e.After))
	if err != nil {
		return err
	}
	w.told++
	for _, target := range w.targets {
		if err := w.deliver(w.clock.events, hashOf(j.number, e.Key), target); err != nil {
			return err
		}
	}
	return nil
}

// deliver adds a delivery of an event: ready where it is the first of its lane that is not over, else waiting.
func (t *tx) deliver(event, hash int64, target bridge.Target) error {
	if err := t.destination(target.Destination); err != nil {
		return err
	}
	t.clock.deliveries++
	id, lane, now := t.clock.deliveries, t.clock.deliveries, millis(t.now)
	var ordered, due any
	if target.Ordered {
		ordered = hash
		lane = t.join(laneKey{target.Destination, hash}, id)
	}
	state := waiting
	if lane == id {
		state, due = ready, now
	}
	t.count(target.Destination, 1, 0)
	_, err := t.exec(`INSERT INTO delivery (id, event, destination, hash, lane, state, due, changed, replay, format, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
		id, event, target.Destination, ordered, lane, state, due, now, target.Format, target.FormatVersion)
	return err
}

// eventColumns without bodies; readEvent reads them from column i on.
const eventColumns = "event.number, event.id, event.name, event.job, sequence, type, event.key, op, event.time, origin, event.changed"

const (
	bodyColumns = ", data, before, after"
	eventWidth  = 11
)

func readEvent(r row, i int, bodies bool) (bridge.EventRow, error) {
	e := bridge.EventRow{Number: r.int(i), Event: bridge.Event{
		ID: eventID(r.blob(i + 1)), Job: r.text(i + 2), JobNumber: r.int(i + 3), Sequence: r.int(i + 4), Type: r.text(i + 5),
		Key: r.text(i + 6), Op: wordOf(ops, r.int(i+7)), Time: moment(r.int(i + 8)), Origin: wordOf(origins, r.int(i+9)),
	}}
	if changed := r.text(i + 10); changed != "" {
		if err := json.Unmarshal([]byte(changed), &e.Changed); err != nil {
			return e, fmt.Errorf("event %s: %w", e.ID, err)
		}
	}
	if bodies {
		e.Data, e.Before, e.After = r.blob(i+eventWidth), r.blob(i+eventWidth+1), r.blob(i+eventWidth+2)
	}
	return e, nil
}
