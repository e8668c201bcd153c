package diff

import (
	"math/bits"

	"github.com/zeebo/xxh3"

	"github.com/hookbridge/bridge"
)

// Index is what is kept in memory of a job's snapshot: 32 bytes a record and about 5 for the table that finds them. It
// holds hashes only; a key hash that collides is settled by the stored key, so a collision costs a look-up and nothing
// else. An Index is not safe for concurrent use.
type Index struct {
	entries []bridge.IndexEntry // in the order of their ids; gone: ID 0; provisional: ID < 0
	table   []uint32            // open addressing; 0 empty, else 1 + position in entries
	gone    int                 // entries with ID 0
	absent  map[int64]bridge.Absence
	pending int // absent rows that are neither held nor rejected
	held    int
}

// NewIndex returns an empty index with room for n records.
func NewIndex(n int) *Index {
	x := &Index{absent: map[int64]bridge.Absence{}}
	if n > 0 {
		x.entries = make([]bridge.IndexEntry, 0, n+n/64)
		x.table = make([]uint32, tableSize(n))
	}
	return x
}

// Add appends a row. Rows are added in the order of their ids, which is the order in which the source is expected to
// show them.
func (x *Index) Add(e bridge.IndexEntry) { x.add(e) }

// Len is the number of rows.
func (x *Index) Len() int { return len(x.entries) - x.gone }

// Last is the highest id of a row; 0: there is none.
func (x *Index) Last() int64 {
	for i := len(x.entries) - 1; i >= 0; i-- {
		if id := x.entries[i].ID; id > 0 {
			return id
		}
	}
	return 0
}

// Pending and Held count the absent rows that wait for proof and for a person.
func (x *Index) Pending() int { return x.pending }

// Held counts the rows whose deletion waits for a person.
func (x *Index) Held() int { return x.held }

// SetAbsence notes what is known of an absent row; Scans 0 means that it was seen again.
func (x *Index) SetAbsence(a bridge.Absence) {
	x.count(x.absent[a.ID], -1)
	if a.Scans == 0 {
		delete(x.absent, a.ID)
		return
	}
	x.absent[a.ID] = a
	x.count(a, 1)
}

// Absences calls f with every absent row until it returns false.
func (x *Index) Absences(f func(bridge.Absence) bool) {
	for _, a := range x.absent {
		if !f(a) {
			return
		}
	}
}

// Absence returns what is known of an absent row; Scans is 0 for one that is not absent.
func (x *Index) Absence(id int64) bridge.Absence {
	a := x.absent[id]
	a.ID = id
	return a
}

func (x *Index) count(a bridge.Absence, n int) {
	switch {
	case a.Hold != 0:
		x.held += n
	case a.Scans > 0:
		x.pending += n
	}
}

// Forget drops every fingerprint: after an edit of the rules none of them can be compared with a new one.
func (x *Index) Forget() {
	for i := range x.entries {
		x.entries[i].Canon = 0
	}
}

// Store notes that the row in a slot now stands in the store as e says.
func (x *Index) Store(slot int, e bridge.IndexEntry) { x.entries[slot] = e }

// Remove takes the row in a slot out. Slots of other rows stay what they are until the next scan begins.
func (x *Index) Remove(slot int) {
	e := &x.entries[slot]
	if e.ID == 0 {
		return
	}
	if a, ok := x.absent[e.ID]; ok {
		x.count(a, -1)
		delete(x.absent, e.ID)
	}
	*e = bridge.IndexEntry{Key: e.Key} // the key stays: the table finds its way past it
	x.gone++
}

// Slot returns where a row stands, or -1. It searches by ID, which rises with the position.
func (x *Index) Slot(id int64) int {
	lo, hi := 0, len(x.entries)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		at := mid
		for at < hi && x.entries[at].ID == 0 { // gone rows have lost their id
			at++
		}
		switch {
		case at == hi || x.entries[at].ID > id || x.entries[at].ID < 0: // provisional rows come last
			hi = mid
		case x.entries[at].ID == id:
			return at
		default:
			lo = at + 1
		}
	}
	return -1
}

// Compact drops gone and provisional rows. Slots change.
func (x *Index) Compact() {
	kept := x.entries[:0]
	for _, e := range x.entries {
		if e.ID > 0 {
			kept = append(kept, e)
		}
	}
	if len(kept) == len(x.entries) {
		return
	}
	clear(x.entries[len(kept):])
	x.entries, x.gone = kept, 0
	x.rehash()
}

func (x *Index) add(e bridge.IndexEntry) int {
	n := len(x.entries)
	if n == cap(x.entries) { // a sixteenth at a time: append's quarter would cost 8 bytes a record
		grown := make([]bridge.IndexEntry, n, n+n/16+8)
		copy(grown, x.entries)
		x.entries = grown
	}
	x.entries = append(x.entries, e)
	if uint64(n+1)*10 > uint64(len(x.table))*9 {
		x.rehash()
	} else {
		x.link(n)
	}
	return n
}

// tableSize leaves a fifth of the table empty; linear probing then takes three looks on average.
func tableSize(n int) int { return n + n/4 + 4 }

func (x *Index) rehash() {
	if size := tableSize(len(x.entries)); cap(x.table) >= size && cap(x.table) < size+size/4 {
		x.table = x.table[:cap(x.table)]
		clear(x.table)
	} else {
		x.table = make([]uint32, size)
	}
	for i := range x.entries {
		if x.entries[i].ID != 0 {
			x.link(i)
		}
	}
}

func (x *Index) link(i int) {
	at := x.bucket(x.entries[i].Key)
	for x.table[at] != 0 {
		if at++; at == len(x.table) {
			at = 0
		}
	}
	x.table[at] = uint32(i + 1)
}

func (x *Index) bucket(key uint64) int {
	hi, _ := bits.Mul64(key, uint64(len(x.table)))
	return int(hi)
}

// find calls f with the slot of every row whose key has this hash until it returns false. hint is where it probably is.
func (x *Index) find(key uint64, hint int, f func(slot int) bool) {
	if hint < len(x.entries) {
		if e := &x.entries[hint]; e.Key == key && e.ID != 0 && !f(hint) {
			return
		}
	}
	if len(x.table) == 0 {
		return
	}
	for at := x.bucket(key); x.table[at] != 0; {
		slot := int(x.table[at] - 1)
		if e := &x.entries[slot]; slot != hint && e.Key == key && e.ID != 0 && !f(slot) {
			return
		}
		if at++; at == len(x.table) {
			at = 0
		}
	}
}

// HashKey is the hash an IndexEntry holds of a key.
func HashKey(key string) uint64 { return xxh3.HashString(key) }

// HashBody is the hash an IndexEntry holds of a body's bytes.
func HashBody(body []byte) uint64 { return xxh3.Hash(body) }

// provisional makes the second hash of a key that stands in the ID of a row not stored yet: both together are the key.
func provisional(key string) int64 {
	return int64(xxh3.HashStringSeed(key, 0x9e3779b97f4a7c15) | 1<<63)
}

// ResetAbsences replaces everything known of absent rows.
func (x *Index) ResetAbsences(absences []bridge.Absence) {
	x.absent, x.pending, x.held = make(map[int64]bridge.Absence, len(absences)), 0, 0
	for _, a := range absences {
		x.SetAbsence(a)
	}
}
