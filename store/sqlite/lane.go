package sqlite

import "github.com/zeebo/xxh3"

// lanes are the lanes that have deliveries neither delivered nor dead, replays not counted. They are kept in memory,
// some 40 bytes each, because asking an index by hash for each event would touch a page of it for each. Owned by the
// writer goroutine; a transaction's changes are in tx.lanes until it is committed.
type lanes map[laneKey]lane

type laneKey struct{ destination, hash int64 }

type lane struct {
	id   int64 // the delivery that opened it
	open int64 // deliveries in it that are not over
}

// load reads them anew. A lane has exactly one head.
func (l lanes) load(c *conn) error {
	type place struct{ destination, lane int64 }
	behind := make(map[place]int64)
	err := c.query("SELECT destination, lane, count(*) FROM delivery WHERE state = 0 GROUP BY destination, lane", func(r row) error {
		behind[place{r.int(0), r.int(1)}] = r.int(2)
		return nil
	})
	if err != nil {
		return err
	}
	return c.query("SELECT destination, hash, lane FROM delivery WHERE state = 1 AND replay = 0 AND hash IS NOT NULL", func(r row) error {
		l[laneKey{r.int(0), r.int(1)}] = lane{r.int(2), 1 + behind[place{r.int(0), r.int(2)}]}
		return nil
	})
}

func (t *tx) lane(key laneKey) lane {
	if l, ok := t.lanes[key]; ok {
		return l
	}
	return t.db.lanes[key]
}

// join notes a delivery in its lane and returns the lane's id; where it is the delivery's own, the delivery is its head.
func (t *tx) join(key laneKey, delivery int64) int64 {
	l := t.lane(key)
	if l.open == 0 {
		l.id = delivery
	}
	l.open++
	t.lanes[key] = l
	return l.id
}

// leave notes that the head of a lane is over, and lets the next go.
func (t *tx) leave(key laneKey) error {
	l := t.lane(key)
	l.open--
	t.lanes[key] = l
	if l.open <= 0 {
		return nil
	}
	now := millis(t.now)
	_, err := t.exec(`UPDATE delivery SET state = 1, due = ?, changed = ? WHERE id =
		(SELECT id FROM delivery WHERE destination = ? AND lane = ? AND state = 0 ORDER BY id LIMIT 1)`,
		now, now, key.destination, l.id)
	return err
}

// keep makes a committed transaction's changes those of the store.
func (l lanes) keep(changed lanes) {
	for key, lane := range changed {
		if lane.open > 0 {
			l[key] = lane
		} else {
			delete(l, key)
		}
	}
}

func (l lanes) drop(destination int64) {
	for key := range l {
		if key.destination == destination {
			delete(l, key)
		}
	}
}

// hashOf stands for a record in the name of its lane. Two records that share one merely wait for each other. The job's
// number is spread over the whole seed: of a short key a small seed changes only a few bits, and record 10031000 of job 1
// would share the lane of record 10000000 of job 2.
func hashOf(job int64, key string) int64 {
	return int64(xxh3.HashStringSeed(key, uint64(job)*0x9e3779b97f4a7c15))
}
