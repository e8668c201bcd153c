// Package diff compares what a source shows with what a snapshot holds: which records are new, changed, absent. It is
// pure: no I/O and no clock.
package diff

import (
	"fmt"

	"github.com/hookbridge/bridge"
)

// Policy says when absence becomes deletion (P6).
type Policy struct {
	Confirm int     // complete scans in a row that must lack a record
	Max     float64 // part of the snapshot, 0 to 1, beyond which deletions are held ...
	MaxRows int     // ... if they are also more rows than this
}

// unstableProof is how many complete scans in a row prove absence even when items moved while we read.
const unstableProof = 3

// Judgement is what follows from the records a complete scan did not show.
type Judgement struct {
	Counted []bridge.Absence // rows whose count has risen and that have no proof yet
	Deletes []int64          // proved gone
	Holds   []int64          // proved gone, but held: the guard tripped
	Guard   string           // why; empty when it did not
}

// Judge counts one more complete scan against every lacking row and decides what is proved. Rows whose deletion was
// rejected are passed over, and so are held ones, but that the guard counts them. What the scan has shown again no
// longer counts for anything.
func (p Policy) Judge(index *Index, lacking []int64, stable bool) Judgement {
	var j Judgement
	var proved []bridge.Absence
	going, held := 0, 0
	for _, id := range lacking {
		a := index.Absence(id)
		if a.Scans < 0 {
			continue
		}
		going++
		if a.Hold != 0 {
			held++
			continue
		}
		a.Scans++
		if stable {
			a.Stable++
		}
		if a.Stable >= p.Confirm || a.Scans >= max(unstableProof, p.Confirm) {
			proved = append(proved, a)
		} else {
			j.Counted = append(j.Counted, a)
		}
	}
	if len(proved) == 0 {
		return j
	}
	total := index.Len()
	switch {
	case len(proved)+held >= total:
		j.Guard = fmt.Sprintf("all %d records of the snapshot would be deleted", total)
	case going > p.MaxRows && float64(going) > p.Max*float64(total):
		j.Guard = fmt.Sprintf("%d of %d records are absent, more than max_rows = %d and more than max = %g %%", going, total, p.MaxRows, p.Max*100)
	}
	for _, a := range proved {
		if j.Guard != "" {
			j.Holds = append(j.Holds, a.ID)
		} else {
			j.Deletes = append(j.Deletes, a.ID)
		}
	}
	return j
}

// Renew is Judge for a new baseline, which lets go of what it lacks without a word and of whatever was counted, held or
// rejected before it. What a scan lacks while items move may have slipped through, so it takes a second such scan in a row
// to lack it, again; what only the second lacks is absent as in any other scan.
func Renew(index *Index, lacking []int64, stable, again bool) Judgement {
	var j Judgement
	for _, id := range lacking {
		if stable || again && index.Absence(id).Scans > 0 {
			j.Deletes = append(j.Deletes, id)
		} else {
			j.Counted = append(j.Counted, bridge.Absence{ID: id, Scans: 1})
		}
	}
	return j
}

// Lacking lists the absent rows that wait for proof or for a person: what the same bytes as last time lack once more.
func (x *Index) Lacking() []int64 {
	var ids []int64
	x.Absences(func(a bridge.Absence) bool {
		if a.Scans > 0 {
			ids = append(ids, a.ID)
		}
		return true
	})
	return ids
}
