package daemon

import (
	"cmp"
	"slices"
	"sync"

	"github.com/hookbridge/bridge"
)

// enter frames a commit for the job that is no run's, and what is noted of it in memory. A retired job takes none any
// more, and whoever replaces it waits for those under way. Where the commit writes to the snapshot, no run may meanwhile
// prove that nothing has changed, and none begins to compare that the commit comes before.
func (j *job) enter(writes bool) (leave func(), err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.retired {
		return nil, errRetired
	}
	j.entered.Add(1)
	if !writes {
		return j.entered.Done, nil
	}
	j.applying++
	j.outside++
	if j.noting == nil {
		j.noting = new(sync.WaitGroup)
	}
	noting := j.noting
	noting.Add(1)
	return func() {
		j.mu.Lock()
		j.applying--
		j.mu.Unlock()
		noting.Done()
		j.entered.Done()
	}, nil
}

// note remembers a row that was written outside a run, for the index to be brought up to at the next one.
func (j *job) note(p *part, done bridge.Committed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Checkpoint = nil
	entry := p.step.entry
	if !p.step.delete {
		entry.ID = done.IDs[0]
	}
	j.notes = append(j.notes, noted{entry: entry, gone: p.step.delete, commit: done.Number, turned: p.turned})
	if len(j.notes) > maxNotes {
		for _, n := range j.notes {
			j.lost = max(j.lost, n.commit)
		}
		j.notes = nil
	}
}

// maxNotes bounds what is remembered between two runs; beyond, the index is loaded again.
const maxNotes = 100_000

// noted is a row that was written outside a run.
type noted struct {
	entry  bridge.IndexEntry
	gone   bool
	commit int64
	turned []string // as in part
}

// catchUp brings the index up to everything that was written outside runs before the run that began at this number,
// and to nothing later, which that run leaves alone. Commits are noted in any order, and some after the run began; so
// those under way are waited for. The caller owns the job. It returns what to compare job.outside with at the end.
func (j *job) catchUp(began int64) (outside int) {
	j.mu.Lock()
	outside = j.outside
	if noting := j.noting; noting != nil {
		j.noting = nil
		j.mu.Unlock()
		noting.Wait()
		j.mu.Lock()
	}
	slices.SortFunc(j.notes, func(a, b noted) int { return cmp.Compare(a.commit, b.commit) })
	n, _ := slices.BinarySearchFunc(j.notes, began+1, func(n noted, began int64) int { return cmp.Compare(n.commit, began) })
	notes := j.notes[:n]
	j.notes = slices.Clone(j.notes[n:])
	if len(j.notes) > 0 {
		outside = -1 // somebody has written since
	}
	j.bring(notes)
	lost := j.lost > 0
	if j.lost <= began {
		j.lost = 0
	}
	j.mu.Unlock()
	if j.memory == nil {
		return outside
	}
	if lost {
		j.memory, j.absent = nil, 1
		return outside
	}
	index := j.memory.index
	for _, n := range notes {
		slot := index.Slot(n.entry.ID)
		switch {
		case n.gone && slot >= 0:
			index.Remove(slot)
		case n.gone:
		case slot >= 0:
			index.Store(slot, n.entry)
		case n.entry.ID > index.Last():
			index.Add(n.entry)
		default:
			j.memory, j.absent = nil, 1 // out of order: loaded again
			return outside
		}
	}
	return outside
}
