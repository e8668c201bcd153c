package daemon

import (
	"cmp"
	"slices"

	"github.com/hookbridge/bridge"
)

// intents are what acknowledged webhooks of a job wait for: those that came before the baseline, to be applied in their order;
// those that a poll ends, of which a burst leaves one; those that name a record to look up, tried in turn.
type intents struct {
	apply, poll, lookup []bridge.Intent
	newest              int64 // id of the newest there ever was
}

// add puts an intent in its place. Commits are noted in any order.
func (i *intents) add(intent bridge.Intent) {
	i.newest = max(i.newest, intent.ID)
	switch intent.Kind {
	case bridge.IntentApply:
		i.apply = inOrder(i.apply, intent)
	case bridge.IntentPoll:
		i.poll = inOrder(i.poll, intent)
	case bridge.IntentLookup:
		i.lookup = append(i.lookup, intent)
	}
}

// inOrder inserts by id, most often at the end.
func inOrder(queue []bridge.Intent, intent bridge.Intent) []bridge.Intent {
	at, known := place(queue, intent.ID)
	if known {
		return queue
	}
	return slices.Insert(queue, at, intent)
}

func place(queue []bridge.Intent, id int64) (at int, known bool) {
	return slices.BinarySearchFunc(queue, id, func(q bridge.Intent, id int64) int { return cmp.Compare(q.ID, id) })
}

// fulfilled removes and returns what a poll has done for, up to an id.
func (i *intents) fulfilled(until int64) []bridge.Intent {
	n := 0
	for n < len(i.poll) && i.poll[n].ID <= until {
		n++
	}
	done := slices.Clone(i.poll[:n])
	i.poll = slices.Delete(i.poll, 0, n)
	return done
}

// applied removes what was applied. It need not be the first any more: one that was committed before it may have been
// noted after.
func (i *intents) applied(id int64) {
	switch at, known := place(i.apply, id); {
	case !known:
	case at == 0:
		i.apply = i.apply[1:]
	default:
		i.apply = slices.Delete(i.apply, at, at+1)
	}
}

// open is how many there are.
func (i *intents) open() int { return len(i.apply) + len(i.poll) + len(i.lookup) }
