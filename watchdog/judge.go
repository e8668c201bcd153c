package watchdog

import "time"

const (
	extension = 6       // times the wait, once a webhook arrives meanwhile
	memorable = 100_000 // keys remembered; beyond it a change counts as told
	ring      = 8       // complete polls whose beginning is remembered
)

// told remembers which keys webhooks told of since the polls that a verdict may refer to.
type told struct {
	keys     map[string]time.Time // last webhook
	overflow time.Time            // last webhook that was not remembered
	agreed   time.Time            // beginning of the last poll that agreed with the snapshot after it
	complete []time.Time          // beginnings of the last complete ones, oldest first
}

func (k *told) reset() { *k = told{keys: map[string]time.Time{}} }

func (k *told) add(key string, t time.Time) {
	if before, ok := k.keys[key]; ok || len(k.keys) < memorable {
		k.keys[key] = later(before, t)
		return
	}
	k.overflow = t
}

// reference is the beginning of the last poll that still agreed with the snapshot on a change's key: for a deletion the last
// that showed the record. There is none after a restart, and where there is none there is no verdict.
func (k *told) reference(c Change) (time.Time, bool) {
	if !c.Deleted {
		return k.agreed, !k.agreed.IsZero()
	}
	if at := len(k.complete) - max(1, c.Scans); at >= 0 {
		return k.complete[at], true
	}
	return time.Time{}, false
}

// since says whether a webhook for the key came since t.
func (k *told) since(key string, signal bool, t time.Time) bool {
	if signal {
		key = ""
	}
	last, ok := k.keys[key]
	return ok && !last.Before(t) || !k.overflow.IsZero() && !k.overflow.Before(t)
}

// agree notes a poll that began at t and ended well, and forgets the webhooks that no verdict can refer to any more.
func (k *told) agree(t time.Time, result PollResult) {
	if result.Gaps {
		return
	}
	k.agreed = t
	if result.Complete {
		if len(k.complete) == ring {
			k.complete = append(k.complete[:0], k.complete[1:]...)
		}
		k.complete = append(k.complete, t)
	}
	oldest := k.agreed
	if len(k.complete) > 0 {
		oldest = earlier(oldest, k.complete[0])
	}
	for key, last := range k.keys {
		if last.Before(oldest) {
			delete(k.keys, key)
		}
	}
}

// judge holds the changes that polls found and no webhook had told: those that still may be, and those that were missed.
type judge struct {
	batches []batch
	missed  map[string]time.Time // of the current fallback, when found
	hidden  bool                 // more were missed than are remembered: no late webhook can undo the verdict
}

// batch is what one poll found untold.
type batch struct {
	found  time.Time
	keys   map[string]bool
	shadow bool // a poll that counts towards recovery if all are told in time
}

func (j *judge) reset() { *j = judge{missed: map[string]time.Time{}} }

func (j *judge) waiting() bool { return len(j.batches) > 0 }

func (j *judge) add(t time.Time, keys map[string]bool, shadow bool) {
	j.batches = append(j.batches, batch{t, keys, shadow})
}

// told takes a key off the lists. It returns how late that was, how many polls of the recovery it completed, and whether it
// was the last of those missed.
func (j *judge) told(t time.Time, key string, sent time.Time, signal bool, limit time.Duration) (late time.Duration, shadows int, reverted bool) {
	kept := j.batches[:0]
	for _, b := range j.batches {
		if signal || b.keys[key] {
			late = max(late, t.Sub(b.found))
			delete(b.keys, key)
			if signal {
				clear(b.keys)
			}
		}
		if len(b.keys) > 0 {
			kept = append(kept, b)
		} else if b.shadow {
			shadows++
		}
	}
	clear(j.batches[len(kept):])
	j.batches = kept
	before := len(j.missed)
	for missed, found := range j.missed {
		if !signal {
			if found = j.missed[key]; found.IsZero() {
				break
			}
			missed = key
		}
		if t.Sub(found) <= limit && !sent.After(found) {
			late = max(late, t.Sub(found))
			delete(j.missed, missed)
		}
		if !signal {
			break
		}
	}
	return late, shadows, before > 0 && len(j.missed) == 0 && !j.hidden
}

// expire gives up on the changes whose wait is over and returns how many they are. further says that they come on top of a
// fallback that goes on.
func (j *judge) expire(t time.Time, wait time.Duration, heard time.Time, further bool) int {
	count := 0
	kept := j.batches[:0]
	for _, b := range j.batches {
		if b.until(wait, heard).After(t) {
			kept = append(kept, b)
			continue
		}
		if count == 0 && !further {
			j.missed, j.hidden = map[string]time.Time{}, false
		}
		for key := range b.keys {
			count++
			if len(j.missed) < memorable {
				j.missed[key] = b.found
			} else {
				j.hidden = true
			}
		}
	}
	clear(j.batches[len(kept):])
	j.batches = kept
	return count
}

// until is when the wait for a batch is over. A webhook that came since shows that they still come, if late.
func (b *batch) until(wait time.Duration, heard time.Time) time.Time {
	if heard.After(b.found) {
		return b.found.Add(extension * wait)
	}
	return b.found.Add(wait)
}

// next is when the first wait is over; zero where none is.
func (j *judge) next(wait time.Duration, heard time.Time) time.Time {
	var first time.Time
	for i := range j.batches {
		if at := j.batches[i].until(wait, heard); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}
