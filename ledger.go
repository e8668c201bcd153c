package bridge

import "time"

// The shapes in which the daemon and a store speak of a job's state. A store is free to keep them as it likes.

// JobState is what the store remembers of a job.
type JobState struct {
	Number    int64  // internal, never reused; a record's ID carries it
	Name      string // instance name: orders, orders/eu
	Digest    string // of the job's configuration; any edit of it clears the checkpoint
	Identity  string // of the source and key the snapshot was taken with; empty before the first chunk ever
	Baselined bool   // a run has ended; before that nothing is told unless initial = "emit"
	Empty     bool   // the last silent run found no record at all; a second that agrees ends the baseline
	Sequence  int64  // of the last event
	LastEvent time.Time

	Checkpoint Checkpoint // nil: nothing may be taken as unchanged

	// Rules are the comparison rules in force, OldRules those of the last complete run: they differ only between an
	// edit of ignore, select or unordered and the next complete run (P9). RulesNumber rises with every edit; a row
	// whose fingerprint was taken under another number has no usable fingerprint.
	Rules, OldRules string
	RulesNumber     int64

	Paused  bool
	Records int64 // rows of the snapshot
	LastRun RunReport
}

// RunReport says how a run went. It is what status shows and what the store keeps of the last run of each job.
type RunReport struct {
	Began     time.Time     `json:"at"`
	Took      time.Duration `json:"took_ns"`
	Origin    Origin        `json:"origin"`
	Outcome   RunOutcome    `json:"outcome"`
	Error     string        `json:"error,omitempty"`
	Pages     int           `json:"pages"`
	Bytes     int64         `json:"bytes"`
	Seen      int64         `json:"seen"` // records in the answer; 0 when not modified
	Created   int64         `json:"created"`
	Updated   int64         `json:"updated"`
	Deleted   int64         `json:"deleted"`
	Silent    int64         `json:"silent"`        // records taken in or dropped without an event: a baseline, an edit
	Skipped   int64         `json:"skipped"`       // changes the job's when did not want told
	Left      int64         `json:"left_alone"`    // rows something else had moved on meanwhile (P8)
	Bad       int64         `json:"bad"`           // records put in quarantine
	Stale     int64         `json:"stale"`         // older copies of records, passed over by their version
	Pending   int64         `json:"pending"`       // records absent, not yet proved gone
	Held      int64         `json:"held"`          // deletions that wait for approve
	Gap       bool          `json:"gap,omitempty"` // nothing of a source's last window was left: records may have come and gone unseen
	Complete  bool          `json:"complete"`
	Stable    bool          `json:"stable"`
	Open      string        `json:"open,omitempty"` // identity of a new baseline that goes on, because records moved while it was taken
	Failures  int64         `json:"failures"`       // failed runs in a row, this one included
	Missed    int64         `json:"ticks_missed"`   // ticks skipped since ever because the job was running
	LastEnded time.Time     `json:"last_ended"`     // when a run last ended well
	// LastReconciled is when a complete comparison was last begun that ended well.
	LastReconciled time.Time `json:"last_reconciled,omitzero"`
}

// RunOutcome is one word for how a run went.
type RunOutcome string

const (
	RunUnchanged RunOutcome = "unchanged" // nothing differed
	RunChanged   RunOutcome = "changed"
	RunBaseline  RunOutcome = "baseline" // taken in silently
	RunFailed    RunOutcome = "failed"
	RunDropped   RunOutcome = "dropped" // the job's configuration changed under it
)

// Transition is a change of what the watchdog of a job believes.
type Transition struct {
	From   string    `json:"from"`
	To     string    `json:"to"`
	At     time.Time `json:"at"`
	Why    string    `json:"why"`
	Missed int64     `json:"missed,omitempty"` // changes that no webhook told of
}

// IndexEntry is what is kept in memory of one row of a snapshot.
type IndexEntry struct {
	ID    int64  // of the row
	Key   uint64 // hash of the key
	Raw   uint64 // hash of the body's bytes
	Canon uint64 // fingerprint under the job's rules; 0: not known
}

// Absence is a row that complete fetches did not show.
type Absence struct {
	ID     int64
	Scans  int   // complete fetches in a row that lacked it; 0: seen again; -1: the operator rejected its deletion
	Stable int   // how many of them were stable
	Hold   int64 // the hold its deletion waits in; 0: none; in a chunk, -1: the job's open hold, made where there is none
}

// Hold is a set of deletions that waits for a person.
type Hold struct {
	ID    int64     `json:"id"`
	Job   string    `json:"job"`
	Since time.Time `json:"since"`
	Rows  int64     `json:"rows"`  // that still wait
	Total int64     `json:"total"` // rows of the snapshot when it was last judged
}

// Row is one stored record.
type Row struct {
	ID   int64
	Key  string
	Body []byte
}

// Target is one destination an event goes to, with what its bytes will be made from.
type Target struct {
	Destination   int64
	Format        string
	FormatVersion int
	Ordered       bool // order = "key"
}

// Put creates a row (ID 0) or replaces its body, and tells it when Event is not nil.
type Put struct {
	Entry IndexEntry
	Key   string
	Body  []byte // nil: only the fingerprint is renewed, the stored body stays
	Event *Event // ID, Sequence and Time are drawn at commit and written back; nil: silent
	Moved int64  // the number of the commit that last wrote the row, as it was read; only in a Take
}

// Delete removes a row, and tells it when Event is not nil.
type Delete struct {
	ID    int64
	Key   string
	Event *Event
	Moved int64 // as in Put
}

// Chunk is one commit of a run: P2. A chunk is applied whole or not at all, but for rows that have moved on since
// Began, which it leaves alone.
type Chunk struct {
	Job         int64
	Began       int64 // commit number noted before the run's first request (P8)
	RulesNumber int64 // under which the fingerprints were taken
	First       bool  // clears the checkpoint, and sets Identity where the job has none yet
	Identity    string
	Puts        []Put
	Absences    []Absence
	Deletes     []Delete
	Targets     []Target
	Intent      int64         // what the chunk does for a webhook: it ends applied, unless a row was left alone; 0: none
	Quarantine  []Quarantined // replaces the job's quarantine; only with Finish
	Finish      *Finish       // with the last chunk only
}

// Finish is what only the last chunk of a run says.
type Finish struct {
	Checkpoint Checkpoint // nil: nothing proved
	Baselined  bool
	Empty      bool
	Complete   bool // rules in force become the old rules; Identity becomes the job's
}

// Committed is what became of a chunk.
type Committed struct {
	IDs      []int64 // per put: the row's ID; 0: left alone because it had moved on
	Gone     []bool  // per delete: whether it was applied
	Told     int64   // events written
	Took     time.Duration
	Sequence int64
	Left     bool  // a row was left alone, absences included
	Number   int64 // of the commit, as BeginRun counts them
}

// Quarantined is a record that could not be taken, kept for people to see.
type Quarantined struct {
	Key    string `json:"key"`
	Page   int    `json:"page"`
	Item   int    `json:"item"`
	Reason string `json:"reason"`
	Body   []byte `json:"-"` // beginning only
}

// DestinationState says whether deliveries to a destination move.
type DestinationState string

const (
	Active   DestinationState = "active"
	Paused   DestinationState = "paused"   // by pause
	Disabled DestinationState = "disabled" // by the receiver: 410 or webhook-delivery: disable
	Orphaned DestinationState = "orphaned" // no longer configured; never stored, only shown
)

// DestinationInfo is what the store knows of a destination.
type DestinationInfo struct {
	Number  int64            `json:"-"`
	Name    string           `json:"name"`
	State   DestinationState `json:"state"`
	Reason  string           `json:"reason,omitempty"`
	Since   time.Time        `json:"since"`
	Backlog int64            `json:"backlog"` // deliveries not yet delivered or dead
	Dead    int64            `json:"dead"`
	Next    time.Time        `json:"next_attempt"` // earliest due delivery; zero: none
}

// DeliveryState is where a delivery stands. waiting -> ready -> delivered | dead; dead and delivered -> ready by replay.
type DeliveryState string

const (
	StateWaiting   DeliveryState = "waiting" // behind an earlier one of its lane
	StateReady     DeliveryState = "ready"   // head of its lane, to be sent when due
	StateDelivered DeliveryState = "delivered"
	StateDead      DeliveryState = "dead"
)
