package daemon

import (
	"slices"

	"github.com/hookbridge/bridge/diff"
	"github.com/hookbridge/bridge/watchdog"
)

const (
	mostBrought = 1000 // records that a poll compares with what webhooks brought; more prove nothing more
	mostTurned  = 64   // paths of one record
)

// brought are the rows that webhooks have written since the last poll that ended well, each with the paths at which
// they added a value or took one away.
type brought map[int64][]string

// bring notes rows that were written outside runs. The caller owns the job.
func (j *job) bring(notes []noted) {
	if j.watch == nil || j.cfg.Watchdog.OnEvent != onApply {
		return
	}
	for _, n := range notes {
		before, known := j.brought[n.entry.ID]
		switch {
		case n.gone:
			delete(j.brought, n.entry.ID)
		case known:
			j.brought[n.entry.ID] = append(before, n.turned[:min(len(n.turned), mostTurned-len(before))]...)
		case len(j.brought) < mostBrought:
			if j.brought == nil {
				j.brought = brought{}
			}
			j.brought[n.entry.ID] = slices.Clone(n.turned)
		}
	}
}

// turns notes a place at which a webhook adds a value or takes one away.
func (p *part) turns(f diff.Field) {
	if watchdog.Appears(f.Before, f.After) && len(p.turned) < mostTurned {
		p.turned = append(p.turned, f.Pointer)
	}
}

// comparison holds what a poll shows against what webhooks had brought. The zero value compares nothing.
type comparison struct {
	brought brought
	known   func() watchdog.Shapes // as of the polls before
	slots   map[int]int64          // rows that are still to be compared, by place in the index
	done    []int64                // and those that were
	shapes  watchdog.Shapes        // as of this poll
}

// begin begins a scan, perhaps once more.
func (c *comparison) begin(index *diff.Index) {
	if len(c.brought) == 0 {
		return
	}
	c.slots, c.done, c.shapes = make(map[int]int64, len(c.brought)), nil, c.known()
	for id := range c.brought {
		if slot := index.Slot(id); slot >= 0 {
			c.slots[slot] = id
		}
	}
}

// shown compares a polled record with its row, before, where a webhook has written that; nil: they are equal.
func (c *comparison) shown(m *memory, slot int, before, polled []byte) {
	id, wrote := c.slots[slot]
	if !wrote {
		return
	}
	delete(c.slots, slot)
	c.done = append(c.done, id)
	if before == nil {
		c.shapes.Compare(nil, false, polled)
		return
	}
	if m.version != nil && m.version.Newer(polled, before) {
		return // it has changed since
	}
	var differences []watchdog.Difference
	for _, f := range m.rules.Fields(before, polled) {
		differences = append(differences, watchdog.Difference{Path: f.Pointer, Webhook: f.Before, Poll: f.After,
			Turned: slices.Contains(c.brought[id], f.Pointer)})
	}
	c.shapes.Compare(differences, m.version != nil && m.version.Same(before, polled), polled)
}

// compared forgets what a poll that ended well has compared, and hands over what came of it. The caller owns the job.
func (j *job) compared(c *comparison, complete bool) *watchdog.Shapes {
	if complete {
		j.brought = nil // a record that it did not show is gone
	}
	for _, id := range c.done {
		delete(j.brought, id)
	}
	if len(c.done) == 0 {
		return nil
	}
	return &c.shapes
}

// shapes is what is known of how the job's webhooks and polls differ.
func (w *watch) shapes() watchdog.Shapes {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.machine.Shapes()
}

// signals reports whether webhooks are only signals, although they bring records.
func (w *watch) signals() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.machine.Signals()
}
