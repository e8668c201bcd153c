package diff

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"unsafe"

	"github.com/hookbridge/bridge"
)

// Stored returns a row of the snapshot with its body; bridge.ErrNotFound where there is none.
type Stored func(id int64) (bridge.Row, error)

// Scan compares one reading of a source, record by record, with the index. It changes nothing that a failed reading
// would have to undo but for provisional rows, which Index.Compact drops.
type Scan struct {
	index  *Index
	key    *Key
	rules  *Rules
	old    *Rules // not nil between an edit and the next complete run: both must differ (P9)
	stored Stored

	seen    []uint64 // by slot: ordinal of the record in this scan (upper half) and part of its body's hash; 0 unseen
	hint    int
	text    []byte // the key at hand
	ordinal uint32
	pages   []pageStart
	page    int
	fresh   bool // this page had a key that no earlier page had

	moved    *MovedError // the pair found in this scan, reported at the end of its page
	reread   *MovedError // the pair that made us read again; not nil in a second scan
	unstable bool
	suspects map[int]struct{}
	returned []bridge.Absence
}

// pageStart remembers where a page began.
type pageStart struct {
	ordinal uint32 // of its first record
	page    int
	file    string // empty: it has a number only
}

// Verdict says how a record compares with what the snapshot holds.
type Verdict int

const (
	Same    Verdict = iota // nothing to do
	New                    // not in the snapshot
	Changed                // differs
	Quiet                  // differs, but not by the rules in force before the edit: taken in without a word
	Renewed                // equal; only the stored fingerprint has to be renewed under the rules in force
)

// Finding is what Add found about one record.
type Finding struct {
	Verdict Verdict
	Slot    int               // in the index
	Key     string            // empty for Same
	Entry   bridge.IndexEntry // as it will stand; ID 0 for New
	Before  []byte            // the stored body; nil for New and Same
	Fields  []string          // JSON Pointers of what differs; Changed only
}

// BadRecordError is a record that cannot be taken: no key, or a key that another record has.
type BadRecordError struct {
	Key        string
	Page, Item int
	File       string // see bridge.Record
	Reason     string
}

func (e *BadRecordError) Error() string {
	return fmt.Sprintf("%s, item %d: %s", called(e.Page, e.File), e.Item, e.Reason)
}

// called is what people know an answer by.
func called(page int, file string) string {
	if file != "" {
		return file
	}
	return fmt.Sprintf("page %d", page)
}

// bad is the record that cannot be taken.
func bad(r *bridge.Record, key, reason string) *BadRecordError {
	return &BadRecordError{Key: key, Page: r.Page, Item: r.Item, File: r.File, Reason: reason}
}

// MovedError means that a key stood on two pages: items moved while we read, or the source lists one twice. Reading
// again tells which.
type MovedError struct {
	Key                      string
	Page, Item, Page2, Item2 int
	File, File2              string // see bridge.Record
}

func (e *MovedError) Error() string {
	if e.File != "" {
		return fmt.Sprintf("key %q stands in %s (item %d) and in %s (item %d)", e.Key, e.File, e.Item, called(e.Page2, e.File2), e.Item2)
	}
	return fmt.Sprintf("key %q stands on page %d (item %d) and on page %d (item %d)", e.Key, e.Page, e.Item, e.Page2, e.Item2)
}

// ErrEndless means that a page showed only keys that earlier pages had shown: the source does not move on.
var ErrEndless = errors.New("the source repeats itself")

// NewScan begins a comparison. old is nil outside an edit of the rules; reread is the pair that a first scan failed
// with, nil in a first scan.
func NewScan(index *Index, key *Key, rules, old *Rules, stored Stored, reread *MovedError) *Scan {
	index.Compact()
	return &Scan{index: index, key: key, rules: rules, old: old, stored: stored, reread: reread,
		seen: make([]uint64, len(index.entries)), suspects: map[int]struct{}{}}
}

// Records is the number of records seen.
func (s *Scan) Records() int64 { return int64(s.ordinal) }

// Stable reports whether every key was seen once.
func (s *Scan) Stable() bool { return !s.unstable }

// Suspect reports whether a slot was seen twice with different bodies, so that nothing may be told of it.
func (s *Scan) Suspect(slot int) bool { _, yes := s.suspects[slot]; return yes }

// Known reports whether the index holds a record whose listing was this one when its detail was taken, so that the detail
// need not be had again; see bridge.FetchOptions. It may be asked whenever Add may.
func (s *Scan) Known(listing []byte) bool {
	key, err := s.key.Of(listing)
	if err != nil {
		return false
	}
	known, raw := false, HashBody(listing)
	s.index.find(HashKey(key), s.hint, func(at int) bool {
		e := &s.index.entries[at]
		known = e.ID > 0 && e.Canon != 0 && e.Raw == raw
		return !known
	})
	return known
}

// look is what a record is recognised by, bytes for bytes: its listing where it has one, itself where it has not.
func look(r *bridge.Record) []byte {
	if r.Listing != nil {
		return r.Listing
	}
	return r.Body
}

// detail judges the detail of a listed record.
func (s *Scan) detail(r *bridge.Record, key string) error {
	switch own, err := s.key.Of(r.Body); {
	case r.Bad != nil:
		return bad(r, key, r.Bad.Error())
	case r.Body == nil:
		return nil
	case err != nil:
		return bad(r, key, "its detail: "+err.Error())
	case own != key:
		return bad(r, key, fmt.Sprintf("is listed with key %q, and its detail has key %q", key, own))
	}
	return nil
}

// Add compares one record. One with a nil Body must be Known by its listing. Errors: *BadRecordError, after which the scan may go on without the record; *MovedError,
// ErrEndless and whatever Stored fails with, which end it.
func (s *Scan) Add(r bridge.Record) (Finding, error) {
	if r.Page != s.page {
		if err := s.endPage(); err != nil {
			return Finding{}, err
		}
		s.page, s.fresh = r.Page, false
		s.pages = append(s.pages, pageStart{s.ordinal + 1, r.Page, r.File})
	}
	s.ordinal++
	var err error
	shown := look(&r)
	if s.text, err = s.key.Append(s.text[:0], shown); err != nil {
		s.fresh = true // a page of records without keys is bad, not endless
		return Finding{}, bad(&r, "", err.Error())
	}
	key := unsafe.String(unsafe.SliceData(s.text), len(s.text)) // most records are the same: copied where it is kept
	if r.Listing != nil {
		if err := s.detail(&r, strings.Clone(key)); err != nil {
			s.fresh = true
			return Finding{}, err
		}
	}
	hash, raw := HashKey(key), HashBody(shown)
	alike := r.Listing == nil || r.Body == nil // a detail that was fetched is compared, however it is listed

	slot, candidates := -1, 0
	var entry bridge.IndexEntry
	var canon uint64
	second := int64(0)
	s.index.find(hash, s.hint, func(at int) bool {
		e := &s.index.entries[at]
		if e.ID < 0 { // found earlier in this scan
			if second == 0 {
				second = provisional(key)
			}
			if e.ID == second {
				slot, entry = at, *e
				return false
			}
			return true
		}
		if alike && e.Canon != 0 && e.Raw == raw {
			slot, entry = at, *e
			return false
		}
		if r.Body == nil {
			return true
		}
		if canon == 0 {
			canon = s.rules.Fingerprint(r.Body, key)
		}
		if e.Canon == canon {
			slot, entry = at, *e
			return false
		}
		candidates++
		return true
	})
	if slot < 0 && r.Body == nil {
		return Finding{}, fmt.Errorf("page %d, item %d: the listing is not known", r.Page, r.Item)
	}
	if canon == 0 && slot < 0 {
		canon = s.rules.Fingerprint(r.Body, key)
	}
	if slot >= 0 {
		if err := s.mark(slot, key, raw, r); err != nil || entry.ID < 0 {
			return Finding{Slot: slot}, err
		}
		s.index.entries[slot].Raw = raw // in memory only: the same spelling is quick next time
		return Finding{Slot: slot}, nil
	}
	key = strings.Clone(key)
	if candidates > 0 {
		slot, row, err := s.row(hash, key)
		if err != nil {
			return Finding{}, err
		}
		if slot >= 0 {
			return s.compare(slot, row, key, raw, canon, r)
		}
	}
	slot = s.index.add(bridge.IndexEntry{ID: provisional(key), Key: hash, Raw: raw, Canon: canon})
	s.seen = append(s.seen, 0)
	if err := s.mark(slot, key, raw, r); err != nil {
		return Finding{}, err
	}
	return Finding{Verdict: New, Slot: slot, Key: key, Entry: bridge.IndexEntry{Key: hash, Raw: raw, Canon: canon}}, nil
}

// row finds the stored row of a key among those whose hash it shares.
func (s *Scan) row(hash uint64, key string) (int, bridge.Row, error) {
	slot, row := -1, bridge.Row{}
	var failed error
	s.index.find(hash, s.hint, func(at int) bool {
		if s.index.entries[at].ID < 0 {
			return true
		}
		r, err := s.stored(s.index.entries[at].ID)
		if err != nil {
			failed = fmt.Errorf("read stored record: %w", err)
			return false
		}
		if r.Key != key {
			return true
		}
		slot, row = at, r
		return false
	})
	return slot, row, failed
}

func (s *Scan) compare(slot int, row bridge.Row, key string, raw, canon uint64, r bridge.Record) (Finding, error) {
	if dup := s.seen[slot] != 0; dup {
		return Finding{Slot: slot, Key: key}, s.mark(slot, key, raw, r)
	}
	if err := s.mark(slot, key, raw, r); err != nil {
		return Finding{}, err
	}
	f := Finding{Slot: slot, Key: key, Before: row.Body,
		Entry: bridge.IndexEntry{ID: row.ID, Key: HashKey(key), Raw: raw, Canon: canon}}
	switch known := s.index.entries[slot].Canon != 0; {
	case !known && s.rules.Fingerprint(row.Body, key) == canon:
		f.Verdict = Renewed
	case s.old != nil && s.old.Equal(row.Body, r.Body):
		f.Verdict = Quiet
	default:
		f.Verdict, f.Fields = Changed, s.rules.Changed(row.Body, r.Body)
	}
	return f, nil
}

// mark notes that a slot was seen, and judges a key that is seen for the second time.
func (s *Scan) mark(slot int, key string, raw uint64, r bridge.Record) error {
	before := s.seen[slot]
	if before == 0 {
		s.seen[slot] = uint64(s.ordinal)<<32 | raw&0xffffffff
		s.hint, s.fresh = slot+1, true
		if id := s.index.entries[slot].ID; id > 0 && len(s.index.absent) > 0 {
			if a, ok := s.index.absent[id]; ok {
				s.returned = append(s.returned, a)
			}
		}
		return nil
	}
	key = strings.Clone(key)
	start, item := s.position(uint32(before >> 32))
	pair := &MovedError{Key: key, Page: start.page, Item: item, File: start.file, Page2: r.Page, Item2: r.Item, File2: r.File}
	switch {
	case start.page == r.Page && r.File != "":
		return bad(&r, key, fmt.Sprintf("key %q is also that of item %d in the same file", key, item))
	case start.page == r.Page:
		return bad(&r, key, fmt.Sprintf("key %q is also that of item %d on the same page", key, item))
	case s.reread != nil && s.reread.Key == key && start.file != "":
		return bad(&r, key, fmt.Sprintf("key %q is also that of item %d in %s, in two readings in a row", key, item, start.file))
	case s.reread != nil && s.reread.Key == key:
		return bad(&r, key, fmt.Sprintf("key %q is also that of item %d on page %d, in two readings in a row", key, item, start.page))
	case s.reread != nil:
		s.unstable = true
		if before&0xffffffff != raw&0xffffffff {
			s.suspects[slot] = struct{}{}
		}
	case s.moved == nil:
		s.moved = pair
	}
	return nil
}

func (s *Scan) position(ordinal uint32) (page pageStart, item int) {
	i := sort.Search(len(s.pages), func(i int) bool { return s.pages[i].ordinal > ordinal }) - 1
	return s.pages[i], int(ordinal-s.pages[i].ordinal) + 1
}

func (s *Scan) endPage() error {
	if s.page == 0 {
		return nil
	}
	if !s.fresh {
		if m := s.moved; m != nil && m.File != "" {
			return fmt.Errorf("%s has no key that an earlier file did not have, and %q stands in %s (item %d): %w", m.File2, m.Key, m.File, m.Item, ErrEndless)
		}
		return fmt.Errorf("page %d has no key that an earlier page did not have: %w", s.page, ErrEndless)
	}
	if s.moved != nil {
		return s.moved
	}
	return nil
}

// End closes the last page. Errors as Add's.
func (s *Scan) End() error {
	err := s.endPage()
	s.page = 0
	return err
}

// Unseen calls f with every stored row that the scan has not shown.
func (s *Scan) Unseen(f func(slot int, id int64)) {
	for slot, seen := range s.seen {
		if id := s.index.entries[slot].ID; seen == 0 && id > 0 {
			f(slot, id)
		}
	}
}

// Returned lists what was known as absent and has been seen again.
func (s *Scan) Returned() []bridge.Absence { return s.returned }
