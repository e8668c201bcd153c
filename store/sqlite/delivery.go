package sqlite

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/hookbridge/bridge"
)

// What is kept of an attempt.
const (
	errorMax  = 1 << 10
	answerMax = 4 << 10
)

// Due returns deliveries to a destination that may be sent at now, by due time, at most limit and none that claimed
// reports as in the caller's hands; of each lane at most the head is ever ready. next is when the earliest of the
// others falls due; zero: none.
func (db *DB) Due(ctx context.Context, destination int64, now time.Time, limit int, claimed func(id int64) bool) (due []bridge.Delivery, next time.Time, err error) {
	err = db.readFrom(ctx, db.hasty, func(c *conn) error {
		due = nil
		var ids []int64
		// The index alone answers this, however many are in the caller's hands.
		err := c.query("SELECT id FROM delivery WHERE destination = ? AND state = 1 AND due <= ? ORDER BY due, id", func(r row) error {
			if len(ids) == limit {
				return errEnough
			}
			if id := r.int(0); claimed == nil || !claimed(id) {
				ids = append(ids, id)
			}
			return nil
		}, destination, millis(now))
		if err != nil {
			return err
		}
		due = make([]bridge.Delivery, 0, len(ids))
		for _, id := range ids {
			err := c.query(`SELECT delivery.id, destination, format, version, tries, replay, `+eventColumns+bodyColumns+`
				FROM delivery JOIN event ON event.number = delivery.event WHERE delivery.id = ?`, func(r row) error {
				e, err := readEvent(r, 6, true)
				due = append(due, bridge.Delivery{
					ID: r.int(0), Destination: r.int(1), Format: r.text(2), FormatVersion: int(r.int(3)),
					Attempts: int(r.int(4)), Replay: r.int(5) == 1, Event: e.Event,
				})
				return err
			}, id)
			if err != nil {
				return err
			}
		}
		ms, err := c.number("SELECT due FROM delivery WHERE destination = ? AND state = 1 AND due > ? ORDER BY due LIMIT 1",
			destination, millis(now))
		next = moment(ms)
		return err
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read due deliveries: %w", err)
	}
	return due, next, nil
}

// Settle records outcomes of attempts in one commit. What is over lets the next of its lane go. An outcome for a
// delivery that is no longer ready (it was settled before, or its destination forgotten) changes nothing.
func (db *DB) Settle(ctx context.Context, settlements []bridge.Settlement) error {
	err := db.transact(ctx, func(t *tx) error {
		for i := range settlements {
			if err := t.settle(&settlements[i]); err != nil {
				return fmt.Errorf("delivery %d: %w", settlements[i].Delivery, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("settle deliveries: %w", err)
	}
	return nil
}

func (t *tx) settle(s *bridge.Settlement) error {
	var destination, hash, state, made int64
	ordered := false
	found, err := t.first("SELECT destination, hash, state, made, replay FROM delivery WHERE id = ?", func(r row) {
		destination, hash, state, made = r.int(0), r.int(1), r.int(2), r.int(3)
		ordered = !r.null(1) && r.int(4) == 0
	}, s.Delivery)
	if err != nil || !found {
		return err
	}
	// Attempts are numbered here and not by the caller, who counts from the last replay.
	a := s.Attempt
	if _, err := t.exec("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?)", s.Delivery, made+1, millis(a.At), int64(a.Took), a.Status,
		clip(a.Error, errorMax), clip(a.Answer, answerMax)); err != nil {
		return err
	}
	now := millis(t.now)
	if state != ready {
		_, err := t.exec("UPDATE delivery SET made = made + 1 WHERE id = ?", s.Delivery)
		return err
	}
	switch s.Verdict {
	case bridge.Retry:
		_, err = t.exec("UPDATE delivery SET tries = tries + 1, made = made + 1, due = ?, changed = ? WHERE id = ?",
			millis(s.RetryAt), now, s.Delivery)
		return err
	case bridge.Disable: // it was not the delivery's fault: its schedule stands still
		if _, err := t.exec("UPDATE delivery SET made = made + 1, due = ?, changed = ? WHERE id = ?", now, now, s.Delivery); err != nil {
			return err
		}
		reason := a.Error
		if reason == "" {
			reason = fmt.Sprintf("the receiver answered %d", a.Status)
		}
		_, err = t.exec("UPDATE destination SET state = 2, reason = ?, since = ? WHERE number = ? AND state <> 2",
			clip(reason, errorMax), now, destination)
		return err
	case bridge.Delivered, bridge.Dead:
		over := delivered
		t.count(destination, -1, 0)
		if s.Verdict == bridge.Dead {
			over = dead
			t.count(destination, 0, 1)
		}
		if _, err := t.exec("UPDATE delivery SET tries = tries + 1, made = made + 1, state = ?, due = NULL, ended = ?, changed = ? WHERE id = ?",
			over, now, now, s.Delivery); err != nil || !ordered {
			return err
		}
		return t.leave(laneKey{destination, hash})
	}
	return fmt.Errorf("verdict %d is not known", s.Verdict)
}

// clip cuts text to at most n bytes of valid UTF-8.
func clip(text string, n int) string {
	if len(text) > n {
		text = text[:n]
		for len(text) > 0 {
			if r, size := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || size != 1 {
				break
			}
			text = text[:len(text)-1]
		}
	}
	return text
}
