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
	at, known := slices.BinarySearchFunc(queue, intent.ID, func(q bridge.Intent, id int64) int { return cmp.Compare(q.ID, id) })
	if known {
		return queue
	}
	return slices.Insert(queue, at, intent)
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

// open is how many there are.
func (i *intents) open() int { return len(i.apply) + len(i.poll) + len(i.lookup) }
