package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/hookbridge/bridge"
)

// As in event.go. The numbers of inbound states rise with what outweighs the others where a webhook does several things.
var (
	inboundStates = []bridge.InboundState{bridge.InboundReceived, bridge.InboundIgnored, bridge.InboundApplied, bridge.InboundFailed}
	intentKinds   = []bridge.IntentKind{bridge.IntentApply, bridge.IntentPoll, bridge.IntentLookup}
)

const (
	received = iota
	ignored
	applied
	failed
)

// TakeInbound keeps a webhook and applies what follows from it, in one commit. Where its delivery id was taken before, is
// not to act again yet and has not failed, duplicate is true and nothing else happens; the webhook's ID is then that of
// the one taken before. What has intents is bridge.InboundReceived until they are over; what has none is over, applied
// where it has chunks and ignored where it has not, unless its state says otherwise. Errors: bridge.ErrMoved where a
// row of a chunk has moved on since it was read; bridge.ErrNotFound where a job is gone, or the webhook to be replayed;
// bridge.ErrFull. Nothing was applied then. A webhook whose intents have all joined others is over, and its reason says
// which webhook it leaves the rest to.
func (db *DB) TakeInbound(ctx context.Context, take *bridge.Take) (duplicate bool, done []bridge.Committed, err error) {
	for _, chunk := range take.Chunks {
		if chunk.First || chunk.Finish != nil {
			db.pending.clearCheckpoint(chunk.Job)
		}
	}
	var moved bool
	var id int64
	ids := make([]int64, len(take.Intents))
	err = db.transact(ctx, func(t *tx) (err error) {
		duplicate, done, id = false, nil, 0
		// Seen before anything is written, because an error would undo what others commit in the same batch.
		if moved, err = t.anyMoved(take.Chunks); err != nil || moved {
			return err
		}
		if id, duplicate, err = t.keepInbound(take); err != nil || duplicate {
			return err
		}
		for _, chunk := range take.Chunks {
			// What was read has not moved, as was just seen, so nothing in it is too old to be overwritten.
			now := *chunk
			if now.Began == 0 {
				now.Began = math.MaxInt64
			}
			applied, err := t.applyChunk(&now)
			if err != nil {
				return err
			}
			done = append(done, applied)
		}
		if take.Event != nil {
			own, err := t.job(0)
			if err != nil {
				return err
			}
			relay := teller{tx: t, job: own, targets: take.Targets}
			if err := relay.tell(take.Event); err != nil {
				return err
			}
		}
		for i := range take.Intents {
			if ids[i], err = t.addIntent(id, &take.Intents[i]); err != nil {
				return err
			}
		}
		if len(ids) > 0 {
			return t.overInbound(id)
		}
		return nil
	})
	w := take.Webhook
	if err == nil && moved {
		err = bridge.ErrMoved
	}
	if err != nil {
		return false, nil, fmt.Errorf("take webhook of receiver %q: %w", w.Receiver, err)
	}
	w.ID = id
	for i := range take.Intents {
		take.Intents[i].ID, take.Intents[i].Inbound, take.Intents[i].At = ids[i], id, w.At
	}
	return duplicate, done, nil
}

// anyMoved reports whether a row of a chunk has moved on since it was read.
func (t *tx) anyMoved(chunks []*bridge.Chunk) (bool, error) {
	for _, chunk := range chunks {
		if _, err := t.job(chunk.Job); err != nil {
			return false, err
		}
		for _, p := range chunk.Puts {
			if moved, err := t.rowMoved(chunk, p.Entry.ID, p.Key, p.Moved); err != nil || moved {
				return moved, err
			}
		}
		for _, d := range chunk.Deletes {
			if moved, err := t.rowMoved(chunk, d.ID, d.Key, d.Moved); err != nil || moved {
				return moved, err
			}
		}
	}
	return false, nil
}

// rowMoved reports whether a row is another than when it was read, or is there although it was not.
func (t *tx) rowMoved(chunk *bridge.Chunk, id int64, key string, read int64) (bool, error) {
	var by int64
	seen := func(r row) { by = r.int(0) }
	newer := func() bool {
		if chunk.Began == 0 {
			return by != read
		}
		return t.db.runs.newer(chunk.Job, chunk.Began, by)
	}
	if id != 0 {
		found, err := t.first("SELECT moved FROM record WHERE id = ?", seen, id)
		return !found || newer(), err
	}
	found, err := t.first("SELECT 1 FROM record WHERE job = ? AND key = ?", seen, chunk.Job, key)
	if err != nil || found || chunk.Began == 0 || !t.db.runs.buried(chunk.Job) {
		return found, err
	}
	by, err = t.number("SELECT moved FROM tombstone WHERE job = ? AND key = ?", chunk.Job, key)
	return newer(), err
}

// keepInbound writes the row of a webhook and returns its id, or that of the one it repeats.
func (t *tx) keepInbound(take *bridge.Take) (id int64, duplicate bool, err error) {
	w := take.Webhook
	outcome, err := numberOf(inboundStates, w.State)
	if err != nil {
		return 0, false, err
	}
	state := int64(received)
	if len(take.Intents) == 0 {
		switch {
		case outcome != received:
		case len(take.Chunks) > 0:
			outcome = applied
		default:
			outcome = ignored
		}
		state = outcome
	}
	if w.ID != 0 {
		return t.replayInbound(w.ID, state, outcome, w.Reason)
	}
	header, err := json.Marshal(w.Header)
	if err != nil {
		return 0, false, err
	}
	var delivery, until any
	if w.DeliveryID != "" {
		delivery, until = w.DeliveryID, millis(w.Until)
		before, over := int64(0), int64(0)
		found, err := t.first("SELECT id, state FROM inbound WHERE receiver = ? AND delivery = ? AND until > ? ORDER BY id DESC LIMIT 1",
			func(r row) { before, over = r.int(0), r.int(1) }, w.Receiver, w.DeliveryID, millis(w.At))
		if err != nil {
			return 0, false, err
		}
		if found && over != failed {
			return before, true, nil
		}
		if found {
			_, err := t.exec(`UPDATE inbound SET until = ?, at = ?, method = ?, path = ?, query = ?, header = ?, body = ?,
				state = ?, outcome = ?, reason = ? WHERE id = ?`,
				until, millis(w.At), w.Method, w.Path, w.Query, string(header), blob(w.Body), state, outcome, w.Reason, before)
			return before, false, err
		}
	}
	t.clock.inbounds++
	id = t.clock.inbounds
	_, err = t.exec(`INSERT INTO inbound (id, receiver, delivery, until, at, method, path, query, header, body, state, outcome, reason)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, w.Receiver, delivery, until, millis(w.At), w.Method, w.Path, w.Query, string(header), blob(w.Body), state, outcome, w.Reason)
	return id, false, err
}

// replayInbound has a webhook act again, unless it is not over yet.
func (t *tx) replayInbound(id, state, outcome int64, reason string) (int64, bool, error) {
	var before int64
	found, err := t.first("SELECT state FROM inbound WHERE id = ?", func(r row) { before = r.int(0) }, id)
	if err != nil {
		return 0, false, err
	}
	if !found {
		return 0, false, inboundNotFound(id)
	}
	if before == received {
		return id, true, nil
	}
	_, err = t.exec("UPDATE inbound SET state = ?, outcome = ?, reason = ? WHERE id = ?", state, outcome, reason, id)
	return id, false, err
}

// blob is never null.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func inboundNotFound(id int64) error {
	return fmt.Errorf("webhook %d: %w; see: hookbridge inbound list", id, bridge.ErrNotFound)
}

func (t *tx) addIntent(inbound int64, i *bridge.Intent) (int64, error) {
	kind, err := numberOf(intentKinds, i.Kind)
	if err != nil {
		return 0, err
	}
	if _, err := t.job(i.Job); err != nil {
		return 0, err
	}
	if i.Join != 0 {
		first := int64(0)
		found, err := t.first("SELECT inbound FROM intent WHERE id = ? AND job = ? AND kind = ?", func(r row) { first = r.int(0) }, i.Join, i.Job, kind)
		if err != nil {
			return 0, err
		}
		if found {
			return i.Join, t.worsen(inbound, applied, fmt.Sprintf("one %s does for this webhook and for %d", i.Kind, first))
		}
	}
	t.clock.intents++
	_, err = t.exec("INSERT INTO intent (id, inbound, job, kind, at) SELECT ?, id, ?, ?, at FROM inbound WHERE id = ?",
		t.clock.intents, i.Job, kind, inbound)
	return t.clock.intents, err
}

// Intents returns what webhooks still have to do, oldest first.
func (db *DB) Intents(ctx context.Context) ([]bridge.Intent, error) {
	var open []bridge.Intent
	err := db.read(ctx, func(c *conn) error {
		open = nil
		return c.query("SELECT id, inbound, job, kind, at FROM intent ORDER BY id", func(r row) error {
			open = append(open, bridge.Intent{ID: r.int(0), Inbound: r.int(1), Job: r.int(2), Kind: wordOf(intentKinds, r.int(3)), At: moment(r.int(4))})
			return ctx.Err()
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read intents: %w", err)
	}
	return open, nil
}

// intentStep is how many intents end in one commit.
const intentStep = 1000

// EndIntents notes that those intents are over, and how: applied, ignored or failed, with the reason. Those that are
// over already are passed over. A webhook is over with its last intent: failed where one of them has, else applied where
// one was.
func (db *DB) EndIntents(ctx context.Context, ids []int64, state bridge.InboundState, reason string) error {
	outcome, err := numberOf(inboundStates, state)
	if err == nil && outcome == received {
		err = fmt.Errorf("an intent cannot end %q", state)
	}
	for err == nil && len(ids) > 0 {
		some := ids[:min(len(ids), intentStep)]
		ids = ids[len(some):]
		err = db.transact(ctx, func(t *tx) error {
			for _, id := range some {
				if err := t.endIntent(id, outcome, reason); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("end intents: %w", err)
	}
	return nil
}

func (t *tx) endIntent(id, outcome int64, reason string) error {
	var inbound int64
	found, err := t.first("SELECT inbound FROM intent WHERE id = ?", func(r row) { inbound = r.int(0) }, id)
	if err != nil || !found {
		return err
	}
	if _, err := t.exec("DELETE FROM intent WHERE id = ?", id); err != nil {
		return err
	}
	if err := t.worsen(inbound, outcome, reason); err != nil {
		return err
	}
	return t.overInbound(inbound)
}

// worsen notes how a part of a webhook ended. The reason of what outweighs the others stays.
func (t *tx) worsen(inbound, outcome int64, reason string) error {
	_, err := t.exec("UPDATE inbound SET outcome = ?1, reason = ?2 WHERE id = ?3 AND outcome < ?1", outcome, reason, inbound)
	return err
}

// overInbound ends a webhook that has no intents left.
func (t *tx) overInbound(inbound int64) error {
	_, err := t.exec("UPDATE inbound SET state = outcome WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM intent WHERE inbound = ?1)", inbound)
	return err
}

// forgetIntents ends those of a job that is being forgotten.
func (db *DB) forgetIntents(ctx context.Context, job int64) error {
	for {
		var ids []int64
		err := db.transact(ctx, func(t *tx) error {
			ids = nil
			err := t.query("SELECT id FROM intent WHERE job = ? LIMIT ?", func(r row) error {
				ids = append(ids, r.int(0))
				return nil
			}, job, intentStep)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := t.endIntent(id, ignored, "its job was forgotten"); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(ids) == 0 {
			return err
		}
	}
}
