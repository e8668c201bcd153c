package daemon

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/diff"
	"github.com/hookbridge/bridge/watchdog"
)

// job is one configured job at work. Its configuration never changes: an edit retires the job and makes another.
type job struct {
	cfg      *configs.Job
	number   int64 // the store's
	identity string
	eye      func() (*eye, error) // compiled when first needed
	splay    time.Duration

	slot    chan struct{} // of one: whoever holds it owns memory and may commit
	memory  *memory
	bad     []bridge.Quarantined // what the store's quarantine holds, as far as this process knows
	brought brought              // to be compared with what the next poll shows
	absent  int                  // rows absent when the job was opened; memory counts them once it is loaded

	pace      atomic.Int64 // the interval of the schedule as it is now, in nanoseconds
	schedule  tick         // guarded by the agenda's mutex, as is the next
	reconcile tick         // without times: the job is not reconciled by itself
	watch     *watch       // nil: the job has no watchdog

	mu       sync.Mutex // guards the rest, and makes retirement and a commit exclude each other
	state    bridge.JobState
	targets  []bridge.Target
	retired  bool
	cancel   context.CancelCauseFunc // of the run in progress; nil: none
	current  *turn                   // queued or running; nil: idle
	running  bool
	after    *turn     // follows the current one
	ended    time.Time // when a run last ended well, or the job was opened
	stalled  bool      // told that no run has ended in three intervals
	skewed   bool      // told that the source's clock differs from ours
	waiting  string    // why the job does not run although it is due: backlog
	outlook  outlook
	followed bool // the last run was followed at once by another, because rows were left alone
	told     told

	entered  sync.WaitGroup  // commits for the job that are no run's
	applying int             // webhooks whose effects are being committed
	outside  int             // commits to the snapshot that were no run's
	noting   *sync.WaitGroup // those of them that are not noted yet; nil: none since the last run began
	notes    []noted         // rows written so, that the index does not know yet
	lost     int64           // there were too many to note, up to this commit
	intents  intents         // that acknowledged webhooks wait for
	reading  int64           // those up to this one are what the run in progress will have fulfilled
	applies  bool            // somebody works on those that waited for the baseline
	named    chan struct{}   // of one: a webhook has brought an intent
	looking  bool            // somebody works on the look-ups among them
	logged   string          // the last failure that was logged
}

// outlook is what a run has to say about the next one.
type outlook struct {
	retryAt time.Time // not before, says the server
	confirm bool      // absences, or an empty baseline, wait for another look
	changes []watchdog.Change
	shapes  *watchdog.Shapes // nil: nothing was compared
	follow  bool             // rows were left alone: look again at once
	full    bool             // there was no space to write what was found
}

// errRetired ends a run whose job was edited or removed.
var errRetired = errors.New("the job's configuration changed under the run")

func newJob(cfg *configs.Job, state bridge.JobState, targets []bridge.Target, absent int, now time.Time) *job {
	j := &job{cfg: cfg, number: state.Number, identity: identity(cfg), eye: sync.OnceValues(func() (*eye, error) { return newEye(cfg) }), splay: splay(cfg), slot: make(chan struct{}, 1), named: make(chan struct{}, 1), absent: absent,
		state: state, targets: targets, ended: now,
		told: told{failing: state.LastRun.Failures >= failuresToTell, held: state.LastRun.Held}}
	j.pace.Store(int64(cfg.Schedule.Interval()))
	j.schedule = tick{job: j, origin: bridge.Schedule, times: cfg.Schedule}
	j.reconcile = tick{job: j, origin: bridge.Reconcile, times: cfg.Reconcile}
	return j
}

// interval is the time between two polls as it is now.
func (j *job) interval() time.Duration { return time.Duration(j.pace.Load()) }

// splay spreads jobs of the same schedule: a fixed part, by name, of a tenth of the interval and at most 30 s.
func splay(cfg *configs.Job) time.Duration {
	room := min(cfg.Schedule.Interval()/10, 30*time.Second)
	if room <= 0 {
		return 0
	}
	return time.Duration(diff.HashKey(cfg.Name) % uint64(room))
}

// acquire waits for the job to be ours.
func (j *job) acquire(ctx context.Context) error {
	select {
	case j.slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (j *job) release() { <-j.slot }

// commit applies one chunk unless the job was retired meanwhile. outside is what j.outside was when the run began: what
// was written since by somebody else has made its proofs worthless.
func (j *job) commit(ctx context.Context, store Ledger, chunk *bridge.Chunk, outside int) (bridge.Committed, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.retired {
		return bridge.Committed{}, errRetired
	}
	if chunk.Finish != nil && !j.alone(outside) {
		chunk.Finish.Checkpoint = nil
	}
	return store.Commit(ctx, chunk)
}

// alone reports whether nothing but the run that began at outside has written to the snapshot. The caller holds mu.
func (j *job) alone(outside int) bool { return j.applying == 0 && j.outside == outside }

// retire makes a run in progress stop before its next commit, and reports whether there was one.
func (j *job) retire() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.retired = true
	if j.cancel != nil {
		j.cancel(errRetired)
	}
	return j.current != nil
}

// revive takes a retirement back. The store tells by the number of the rules that they may not be those it knows.
func (j *job) revive() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.retired = false
}

// pending is the number of absent rows that wait for proof or for a person. The caller owns the job.
func (j *job) pending() int {
	if j.memory == nil {
		return j.absent
	}
	return j.memory.index.Pending() + j.memory.index.Held()
}
