package daemon

import (
	"context"
	"time"

	"github.com/hookbridge/bridge"
)

// snapshot is what a look at a source needs from the store; it writes nothing.
type snapshot interface {
	Index(ctx context.Context, job int64, add func(bridge.IndexEntry) error) error
	Absences(ctx context.Context, job int64) ([]bridge.Absence, error)
	Rows(ctx context.Context, job int64, ids []int64, row func(bridge.Row) error) error
}

// Reading is what the daemon asks of a store it may not write to.
type Reading interface {
	snapshot
	Job(ctx context.Context, name string) (bridge.JobState, error)
	Jobs(ctx context.Context) ([]bridge.JobState, error)
	Holds(ctx context.Context) ([]bridge.Hold, error)
	Quarantine(ctx context.Context, job int64) ([]bridge.Quarantined, error)
	Events(ctx context.Context, query bridge.EventQuery) ([]bridge.EventRow, error)
	Deliveries(ctx context.Context, query bridge.DeliveryQuery) ([]bridge.DeliveryRow, error)
	Delivery(ctx context.Context, id int64) (bridge.DeliveryRow, []bridge.Attempt, error)
	Destinations(ctx context.Context) ([]bridge.DestinationInfo, error)
	RowByKey(ctx context.Context, job int64, key string) (row bridge.Row, moved int64, found bool, err error)
	Inbounds(ctx context.Context, query bridge.InboundQuery) ([]bridge.Inbound, error)
	Inbound(ctx context.Context, id int64) (bridge.Inbound, error)
	Watchdog(ctx context.Context, job int64) ([]byte, error)
	Transitions(ctx context.Context, job int64, limit int) ([]bridge.Transition, error)
	Backlog() int64
	Check(ctx context.Context) ([]string, error)
	Close() error
}

// Ledger is the store as the daemon uses it: everything that is remembered goes through here.
type Ledger interface {
	Reading

	Run(ctx context.Context) error
	Epoch() time.Time
	OpenJob(ctx context.Context, name, digest, rules string) (bridge.JobState, error)
	MoveJobs(ctx context.Context, moves [][2]string) error
	PauseJob(ctx context.Context, name string, paused bool) error
	ForgetJob(ctx context.Context, name string) (int64, error)

	BeginRun(ctx context.Context, job int64) (int64, error)
	EndRun(job, began int64)
	Commit(ctx context.Context, chunk *bridge.Chunk) (bridge.Committed, error)
	RecordRun(job int64, report bridge.RunReport, checkpoint *bridge.Checkpoint)

	Announce(ctx context.Context, event *bridge.Event, targets []bridge.Target) error
	TakeInbound(ctx context.Context, take *bridge.Take) (duplicate bool, done []bridge.Committed, err error)
	Intents(ctx context.Context) ([]bridge.Intent, error)
	EndIntents(ctx context.Context, ids []int64, state bridge.InboundState, reason string) error
	SaveWatchdog(job int64, memory []byte)
	RecordTransitions(ctx context.Context, job int64, memory []byte, moved []bridge.Transition, event *bridge.Event, targets []bridge.Target) error

	Replay(ctx context.Context, query bridge.ReplayQuery) (int64, error)
	Prune(ctx context.Context, retention bridge.Retention, now time.Time) (bridge.Pruned, error)

	OpenDestination(ctx context.Context, name string) (bridge.DestinationInfo, error)
	SetDestination(ctx context.Context, number int64, state bridge.DestinationState, reason string) error
	ForgetDestination(ctx context.Context, name string) (int64, error)
	Due(ctx context.Context, destination int64, now time.Time, limit int, claimed func(id int64) bool) ([]bridge.Delivery, time.Time, error)
	Settle(ctx context.Context, settlements []bridge.Settlement) error
}
