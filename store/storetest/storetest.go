// Package storetest is what every store has to pass: random histories of runs, deliveries, edits, crashes and reopenings
// are played to a store and to a small model of it, and after each step both must tell the same.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"pgregory.net/rapid"
)

// Store is what the bridge needs of a store.
type Store interface {
	Close() error

	OpenJob(ctx context.Context, name, digest, rules string) (bridge.JobState, error)
	Jobs(ctx context.Context) ([]bridge.JobState, error)
	Job(ctx context.Context, name string) (bridge.JobState, error)
	MoveJobs(ctx context.Context, moves [][2]string) error
	PauseJob(ctx context.Context, name string, paused bool) error
	ForgetJob(ctx context.Context, name string) (int64, error)

	BeginRun(ctx context.Context, job int64) (int64, error)
	EndRun(job, began int64)
	Index(ctx context.Context, job int64, each func(bridge.IndexEntry) error) error
	Absences(ctx context.Context, job int64) ([]bridge.Absence, error)
	Rows(ctx context.Context, job int64, ids []int64, each func(bridge.Row) error) error
	Commit(ctx context.Context, chunk *bridge.Chunk) (bridge.Committed, error)
	RecordRun(job int64, report bridge.RunReport, checkpoint *bridge.Checkpoint)
	Holds(ctx context.Context) ([]bridge.Hold, error)
	Quarantine(ctx context.Context, job int64) ([]bridge.Quarantined, error)

	Announce(ctx context.Context, event *bridge.Event, targets []bridge.Target) error
	Events(ctx context.Context, query bridge.EventQuery) ([]bridge.EventRow, error)
	Deliveries(ctx context.Context, query bridge.DeliveryQuery) ([]bridge.DeliveryRow, error)
	Delivery(ctx context.Context, id int64) (bridge.DeliveryRow, []bridge.Attempt, error)
	Replay(ctx context.Context, query bridge.ReplayQuery) (int64, error)

	OpenDestination(ctx context.Context, name string) (bridge.DestinationInfo, error)
	Destinations(ctx context.Context) ([]bridge.DestinationInfo, error)
	SetDestination(ctx context.Context, number int64, state bridge.DestinationState, reason string) error
	ForgetDestination(ctx context.Context, name string) (int64, error)
	Backlog() int64
	Due(ctx context.Context, destination int64, now time.Time, limit int, claimed func(id int64) bool) ([]bridge.Delivery, time.Time, error)
	Settle(ctx context.Context, settlements []bridge.Settlement) error

	TakeInbound(ctx context.Context, take *bridge.Take) (duplicate bool, done []bridge.Committed, err error)
	Intents(ctx context.Context) ([]bridge.Intent, error)
	EndIntents(ctx context.Context, ids []int64, state bridge.InboundState, reason string) error
	Inbounds(ctx context.Context, query bridge.InboundQuery) ([]bridge.Inbound, error)
	Inbound(ctx context.Context, id int64) (bridge.Inbound, error)
	RowByKey(ctx context.Context, job int64, key string) (row bridge.Row, moved int64, found bool, err error)
	SaveWatchdog(job int64, state []byte)
	Watchdog(ctx context.Context, job int64) ([]byte, error)
	RecordTransitions(ctx context.Context, job int64, state []byte, transitions []bridge.Transition, event *bridge.Event, targets []bridge.Target) error
	Transitions(ctx context.Context, job int64, limit int) ([]bridge.Transition, error)

	Prune(ctx context.Context, keep bridge.Retention, now time.Time) (bridge.Pruned, error)
	Check(ctx context.Context) ([]string, error)
}

// Open opens the store kept in dir, the same one each time. fault is to be asked before every statement that writes,
// and before every commit; where it returns an error the store ends on the spot as if its process had been killed, and
// everything it is asked from then on fails.
type Open func(dir string, fault func(point string) error) (Store, error)

var errCrash = errors.New("crash")

// Run plays random histories to the store.
func Run(t *testing.T, open Open) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		m := newMachine(rt, func(fault func(string) error) (Store, error) { return open(dir, fault) })
		defer m.close()
		var steps []func(*rapid.T)
		for _, s := range []struct {
			often int
			step  func(*rapid.T)
		}{
			{24, m.commit}, {16, m.settle}, {6, m.beginRun}, {4, m.endRun}, {2, m.openJob}, {2, m.openDestination},
			{2, m.announce}, {2, m.recordRun}, {2, m.replay}, {2, m.replayMissing}, {2, m.restart}, {2, m.move},
			{8, m.take}, {4, m.look}, {4, m.endIntents}, {2, m.saveWatchdog}, {2, m.transit},
			{1, m.prune}, {1, m.pause}, {1, m.forgetJob}, {1, m.setDestination}, {1, m.forgetDestination},
		} {
			for range s.often {
				steps = append(steps, s.step)
			}
		}
		m.openJob(rt)
		m.openDestination(rt)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			rapid.SampledFrom(steps).Draw(rt, "step")(rt)
			m.compare(rt)
		}
		m.restart(rt)
		m.compare(rt)
	})
}
