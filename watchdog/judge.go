package watchdog

import "time"

const (
	extension = 6       // times the wait, once a webhook arrives meanwhile
	memorable = 100_000 // keys remembered
	ring      = 4       // complete polls whose beginning is remembered
)

// told remembers which keys webhooks told of since the polls that a verdict may refer to. Where there are more than memorable
// of them it remembers a sample, by hash, and every change outside the sample counts as told: an audit then looks at a half,
// a quarter ... of the keys, which finds partial loss as well, and never takes forgetting for loss.
type told struct {
	keys     map[string]time.Time // last webhook
	agreed   time.Time            // beginning of the last poll that agreed with the snapshot after it
	complete []time.Time          // beginnings of the last complete ones, oldest first

	halvings int       // of the sample
	narrow   int       // halvings in force until
	until    time.Time // this
}

func (k *told) reset() { *k = told{keys: map[string]time.Time{}} }

func (k *told) add(key string, t time.Time) {
	if !sampled(key, k.halvings) {
		return
	}
	k.keys[key] = later(k.keys[key], t)
	for len(k.keys) > memorable && k.halvings < 31 {
		k.halvings++
		k.narrow, k.until = max(k.narrow, k.halvings), t
		for key := range k.keys {
			if !sampled(key, k.halvings) {
				delete(k.keys, key)
			}
		}
	}
}

// sampled says whether a key belongs to the sample, by an FNV hash whose bits are mixed once more.
func sampled(key string, halvings int) bool {
	if halvings == 0 {
		return true
	}
	hash := uint64(14695981039346656037)
	for i := range len(key) {
		hash = (hash ^ uint64(key[i])) * 1099511628211
	}
	hash = (hash ^ hash>>33) * 0xff51afd7ed558ccd
	return (hash>>32)&(1<<halvings-1) == 0
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

// since says whether a webhook for the key came since t, or may have.
func (k *told) since(key string, signal bool, t time.Time) bool {
	if signal {
		key = ""
	}
	if last, ok := k.keys[key]; ok && !last.Before(t) {
		return true
	}
	return !sampled(key, k.halvings) || !sampled(key, k.narrow) && !k.until.Before(t)
}

// agree notes a poll that ended well, and forgets the webhooks that no verdict can refer to any more.
func (k *told) agree(began, ended time.Time, result PollResult) {
	if result.Gaps {
		return
	}
	k.agreed = began
	if result.Complete {
		if len(k.complete) == ring {
			k.complete = append(k.complete[:0], k.complete[1:]...)
		}
		k.complete = append(k.complete, began)
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
	if k.narrow > k.halvings && k.until.Before(oldest) {
		k.narrow = k.halvings
	}
	if k.halvings > 0 && k.narrow == k.halvings && len(k.keys) < memorable/4 {
		k.halvings--
		k.until = ended
	}
}

// judge holds the changes that polls found and no webhook had told: those that still may be, and those that were missed.
type judge struct {
	batches []batch
	missed  map[string]time.Time // of the current fallback, when found
	hidden  bool                 // more were missed than are remembered: no late webhook can undo the verdict
	fallen  bool                 // the verdict has fallen, and neither was it taken back nor has trust been earned again
}

// batch is what one poll found untold.
type batch struct {
	found  time.Time
	keys   map[string]bool
	shadow bool // a poll that counts towards recovery if all are told in time
	old    bool // found when webhooks were already known to be missed: counts, but is no news
}

func (j *judge) reset() { *j = judge{missed: map[string]time.Time{}} }

// waiting reports whether a verdict is still to come. What was found when webhooks were known to be missed counts among
// it, although it changes none: a recovery that did not wait for it believed a sender that loses every third webhook an
// hour sooner, and fell back again within the next.
func (j *judge) waiting() bool { return len(j.batches) > 0 }

func (j *judge) add(b batch) { j.batches = append(j.batches, b) }

func (j *judge) size() int {
	n := 0
	for i := range j.batches {
		n += len(j.batches[i].keys)
	}
	return n
}

// fall makes what still waits part of the verdict that falls.
func (j *judge) fall() {
	j.fallen = true
	for i := range j.batches {
		j.batches[i].old, j.batches[i].shadow = true, false
	}
}

// told takes a key off the lists. It returns how late that was, how many polls of the recovery it completed, and whether it
// was the last of those missed, with none left that may yet be.
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
	late = max(late, j.absolve(t, key, sent, signal, limit))
	return late, shadows, j.fallen && len(j.missed) == 0 && !j.hidden && !j.waiting()
}

// absolve takes off the list of the missed what was only late. Once webhooks are trusted again, theirs are news.
func (j *judge) absolve(t time.Time, key string, sent time.Time, signal bool, limit time.Duration) (late time.Duration) {
	if !j.fallen {
		return 0
	}
	one := func(key string, found time.Time) {
		if t.Sub(found) <= limit && !sent.After(found) {
			late = max(late, t.Sub(found))
			delete(j.missed, key)
		}
	}
	if found, ok := j.missed[key]; ok && !signal {
		one(key, found)
	} else if signal {
		for key, found := range j.missed {
			one(key, found)
		}
	}
	return late
}

// expire gives up on the changes whose wait is over. It returns how many they are, how many of them are news, and how long
// these were waited for.
func (j *judge) expire(t time.Time, wait time.Duration, heard time.Time) (missed, fresh int, waited time.Duration) {
	kept := j.batches[:0]
	for _, b := range j.batches {
		if b.until(wait, heard).After(t) {
			kept = append(kept, b)
			continue
		}
		missed += len(b.keys)
		if !b.old {
			if fresh == 0 {
				j.missed, j.hidden = map[string]time.Time{}, false
			}
			fresh += len(b.keys)
			waited = max(waited, t.Sub(b.found))
		}
		for key := range b.keys {
			if len(j.missed) >= memorable {
				j.hidden = true
				break
			}
			j.missed[key] = b.found
		}
	}
	clear(j.batches[len(kept):])
	j.batches = kept
	return missed, fresh, waited
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
