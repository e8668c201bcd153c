// Package bridge holds the nouns of hookbridge: what a source emits, what a change is, what an event freezes and what
// becomes of a delivery. Every room of the house speaks in these words and nothing here knows any room.
package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Record is one item as a source emitted it. Body is valid JSON and belongs to the source: it may be overwritten once
// emit has returned.
type Record struct {
	Body json.RawMessage // the source's own bytes
	// Listing is what a list says of the record where Body is its detail, fetched by itself; nil: there is no such list.
	Listing json.RawMessage
	// Bad is why the detail cannot be had; Body is nil. Such a record counts as a bad one.
	Bad  error
	Page int // number of the answer (page, file) it came in, from 1
	Item int // position within that answer, from 1
	// File is what the answer is called, where it has a name of its own by which people find it.
	File string
}

// Checkpoint is what a source wants to find again at its next fetch: validators, body hashes, watermarks. It is opaque
// to everybody else, carries no secret, and nil means "nothing known, fetch everything".
type Checkpoint []byte

// FetchOptions says what a fetch may rely on.
type FetchOptions struct {
	From          Checkpoint // of the last complete run; nil: nothing
	Unconditional bool       // send no validators, rely on no watermark; a body hash may still prove that the bytes are the same
	// Known reports whether the snapshot holds a record whose listing was this one, so that its detail need not be
	// fetched: emit it with a nil Body. nil: nothing is known. It is called where emit is called, never concurrently.
	Known func(listing json.RawMessage) bool
	// Fits judges a table that has a header and no rows by what its rows would look like, an object whose values mean
	// nothing: an error says why these are no records of the job, so that the table is not an empty one but something
	// else. nil: every table fits. It is called where emit is called, never concurrently.
	Fits func(row []byte) error
}

// Outcome is what a fetch learned besides its records.
type Outcome struct {
	Next        Checkpoint // committed with the records, never before
	Complete    bool       // every record the source has was emitted: only then may absence mean deletion
	Stable      bool       // nothing moved between pages while we read
	NotModified bool       // proved that nothing changed since From (304s or the same bytes); nothing was emitted
	Incremental bool       // read from a watermark on: never Complete, says nothing of absence, and Next is to be kept all the same
	Window      bool       // only the newest records are shown: Incremental, too; where none of them is known, some may have been missed
	Pages       int        // answers read
	Bytes       int64      // decompressed bytes read
	Date        time.Time  // Date header of the first answer; zero where there is none
}

// Source is one place records come from. It keeps no state between fetches: all progress is in Outcome.Next. A Source
// is safe for concurrent use.
type Source interface {
	// Identity names what is read (kind, url, query, items) without any secret. A job whose identity changes starts
	// again from a new baseline.
	Identity() string
	// Fetch emits every record it finds, in bounded memory. An error of emit ends the fetch and is returned unwrapped
	// enough for errors.Is. Any error means that the records emitted so far prove nothing.
	Fetch(ctx context.Context, options FetchOptions, emit func(Record) error) (Outcome, error)
}

// Looker is a Source that can also be asked for one record. It is safe for concurrent use.
type Looker interface {
	// Lookup fetches url, with the credentials and manners of the source, and cuts out the object at the path record
	// (dotted names; empty: the whole body), in the source's own bytes. found is false where the source says that there
	// is no such record. Any error means that nothing is known.
	Lookup(ctx context.Context, url, record string) (body json.RawMessage, found bool, err error)
	// Asks says why an address is none that Lookup ever asks, without the address; nil where it may be.
	Asks(url string) error
}

// BusyError is a failed fetch whose server said when to come back.
type BusyError struct {
	RetryAt time.Time
	Err     error
}

func (e *BusyError) Error() string { return e.Err.Error() }
func (e *BusyError) Unwrap() error { return e.Err }

// Op is what happened to a record.
type Op string

const (
	Created Op = "created"
	Updated Op = "updated"
	Deleted Op = "deleted"
)

// Origin is what made us look.
type Origin string

const (
	Schedule  Origin = "schedule"
	Manual    Origin = "manual"
	Webhook   Origin = "webhook"
	Probe     Origin = "probe"
	Fallback  Origin = "fallback"
	Reconcile Origin = "reconcile"
)

// Change is one difference between what we knew and what we saw.
type Change struct {
	Op            Op
	Key           string
	Before, After json.RawMessage // nil on created and deleted respectively
	Changed       []string        // JSON Pointers (RFC 6901) of what differs, in document order; updated only
}

// Event is a change that is told: facts, frozen when committed. A body is a pure function of an event and a format.
type Event struct {
	ID            string // evt_ + UUIDv7
	Job           string // instance name at commit: orders, orders/eu; "bridge" for the bridge's own events
	JobNumber     int64  // internal number; 0 for the bridge's own events
	Sequence      int64  // rises by one per job, from 1; a restored store goes on far above
	Type          string
	Key           string
	Op            Op
	Time          time.Time // UTC, milliseconds; never earlier than the job's previous event
	Origin        Origin
	Before, After json.RawMessage
	Changed       []string
	Data          json.RawMessage // what the job's event block wrote; nil: the default object of the format
}

// Verdict says what becomes of a delivery after an attempt.
type Verdict int

const (
	Delivered Verdict = iota // the receiver has it
	Retry                    // try again at RetryAt
	Dead                     // retries are used up, or the receiver said abort-message
	Disable                  // 410 or webhook-delivery: disable: hold everything for this destination
)

// Delivery is one event on its way to one destination.
type Delivery struct {
	ID            int64
	Destination   int64
	Event         Event
	Format        string // standard, raw ...
	FormatVersion int
	Attempts      int  // made so far
	Replay        bool // outside the order of its lane
}

// Attempt is one try at a delivery. Answer is capped and never holds a secret of ours.
type Attempt struct {
	Number int // from 1
	At     time.Time
	Took   time.Duration
	Status int    // HTTP status; 0 when no answer came
	Error  string // why it did not count as delivered; empty when it did
	Answer string // beginning of the answer's body
}

// Settlement is the outcome of one attempt, to be recorded.
type Settlement struct {
	Delivery    int64
	Destination int64
	Verdict     Verdict
	RetryAt     time.Time // Retry only
	Attempt     Attempt
}

// Errors a caller branches on.
var (
	ErrFull     = errors.New("no space left for the store")
	ErrNotFound = errors.New("not found")
)
