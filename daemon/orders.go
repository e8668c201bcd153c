package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hookbridge/bridge"
)

// approveChunk is how many held rows one commit of an approval ends.
const approveChunk = 512

// Poll runs a job once, now. It joins a run that is queued, and follows one in progress.
func (d *Daemon) Poll(ctx context.Context, name string) (bridge.RunReport, error) {
	return d.runOnce(ctx, name, bridge.Manual)
}

// Reconcile compares a job with its whole source, whatever the source says of what has changed, and tells only what was
// missed. The report counts it by kind.
func (d *Daemon) Reconcile(ctx context.Context, name string) (bridge.RunReport, error) {
	return d.runOnce(ctx, name, bridge.Reconcile)
}

func (d *Daemon) runOnce(ctx context.Context, name string, origin bridge.Origin) (bridge.RunReport, error) {
	j, err := d.job(name)
	if err != nil {
		return bridge.RunReport{}, err
	}
	t := d.request(j, origin)
	select {
	case <-t.done:
		return t.report, nil
	case <-ctx.Done():
		return bridge.RunReport{}, context.Cause(ctx)
	}
}

// Approve releases or rejects held deletions. It waits for a run in progress; the last complete one decides what is
// still missing, since records it showed have left their hold.
func (d *Daemon) Approve(ctx context.Context, request ApproveRequest) (ApproveReport, error) {
	j, err := d.job(request.Job)
	if err != nil {
		return ApproveReport{}, err
	}
	if err := j.acquire(ctx); err != nil {
		return ApproveReport{}, err
	}
	defer j.release()
	began, err := d.store.BeginRun(ctx, j.number)
	if err != nil {
		return ApproveReport{}, err
	}
	defer d.store.EndRun(j.number, began)
	j.catchUp(began)
	j.mu.Lock()
	state := j.state
	j.outside++
	j.mu.Unlock()
	if j.memory == nil {
		eye, err := j.eye()
		if err != nil {
			return ApproveReport{}, err
		}
		if j.memory, err = remember(ctx, d.store, eye, &state); err != nil {
			return ApproveReport{}, err
		}
	}
	var ids []int64
	j.memory.index.Absences(func(a bridge.Absence) bool {
		if a.Hold != 0 && (request.Hold == 0 || a.Hold == request.Hold) {
			ids = append(ids, a.ID)
		}
		return true
	})
	if len(ids) == 0 {
		if request.Hold != 0 {
			return ApproveReport{}, fmt.Errorf("job %q: nothing is held under hold %d; see: hookbridge status", request.Job, request.Hold)
		}
		return ApproveReport{}, fmt.Errorf("job %q: nothing is held", request.Job)
	}
	report, err := d.approve(ctx, j, state, began, ids, request.Reject)
	j.bad = nil // the quarantine goes with the last chunk; the next run brings it back
	if err != nil {
		j.memory = nil // how far it came stands in the store
		j.absent = 1
	}
	j.mu.Lock()
	j.state.Checkpoint = nil
	if j.memory != nil {
		j.state.Records = int64(j.memory.index.Len())
		j.state.LastRun.Pending, j.state.LastRun.Held = int64(j.memory.index.Pending()), int64(j.memory.index.Held())
		j.told.held = j.state.LastRun.Held
	}
	last := j.state.LastRun
	j.mu.Unlock()
	if !last.Began.IsZero() {
		d.store.RecordRun(state.Number, last, nil)
	}
	return report, err
}

func (d *Daemon) approve(ctx context.Context, j *job, state bridge.JobState, began int64, ids []int64, reject bool) (ApproveReport, error) {
	var report ApproveReport
	j.mu.Lock()
	targets := j.targets
	j.mu.Unlock()
	s := survey{cfg: j.cfg, eye: j.eye, state: &state, store: d.store, origin: bridge.Manual, memory: j.memory}
	for first := true; len(ids) > 0; first = false {
		batch := ids[:min(len(ids), approveChunk)]
		ids = ids[len(batch):]
		chunk := &bridge.Chunk{Job: state.Number, Began: began, RulesNumber: state.RulesNumber, First: first, Identity: state.Identity, Targets: targets}
		var steps []step
		if reject {
			for _, id := range batch {
				chunk.Absences = append(chunk.Absences, bridge.Absence{ID: id, Scans: -1})
			}
		} else {
			s.sink = func(t step) error {
				if t.event != nil {
					t.event.Job, t.event.JobNumber, t.event.Origin = state.Name, state.Number, bridge.Manual
				}
				steps = append(steps, t)
				chunk.Deletes = append(chunk.Deletes, bridge.Delete{ID: t.entry.ID, Key: t.key, Event: t.event})
				return nil
			}
			if err := s.deletes(ctx, batch); err != nil {
				return report, err
			}
		}
		if len(ids) == 0 {
			chunk.Finish = &bridge.Finish{Baselined: state.Baselined, Empty: state.Empty} // a hold ends with its last chunk
		}
		done, err := j.commit(ctx, d.store, chunk, 0)
		if err != nil {
			return report, err
		}
		for i, t := range steps {
			if done.Gone[i] {
				j.memory.index.Remove(t.slot)
				report.Deleted++
			}
		}
		for _, a := range chunk.Absences {
			j.memory.index.SetAbsence(a)
			report.Kept++
		}
		d.wake(targets)
	}
	return report, nil
}

// Replay sends again what a query selects, under the same ids.
func (d *Daemon) Replay(ctx context.Context, query bridge.ReplayQuery) (Count, error) {
	if query.Destination != "" {
		info, cfg, err := d.destination(query.Destination)
		if err != nil {
			return Count{}, err
		}
		query.Targets = []bridge.Target{{Destination: info.Number, Format: cfg.Format, FormatVersion: 1, Ordered: cfg.Ordered}}
	}
	if query.Missing && query.Destination == "" {
		return Count{}, errors.New("replay of what is missing needs a destination; add --destination NAME")
	}
	n, err := d.store.Replay(ctx, query)
	d.dispatcher.Wake()
	return Count{n}, err
}

// Pause holds a job's schedule, or a destination's deliveries, until Resume; over restarts too.
func (d *Daemon) Pause(ctx context.Context, target Target) error {
	return d.move(ctx, target, true)
}

// Resume lets a paused job or a paused or disabled destination go on.
func (d *Daemon) Resume(ctx context.Context, target Target) error {
	return d.move(ctx, target, false)
}

func (d *Daemon) move(ctx context.Context, target Target, pause bool) error {
	if target.Job != "" {
		j, err := d.job(target.Job)
		if err != nil {
			return err
		}
		if err := d.store.PauseJob(ctx, target.Job, pause); err != nil {
			return err
		}
		j.mu.Lock()
		j.state.Paused = pause
		j.mu.Unlock()
		switch {
		case !d.serving.Load():
		case pause:
			d.unplan(j)
		default:
			d.start(j, time.Now())
		}
		return nil
	}
	info, _, err := d.destination(target.Destination)
	if err != nil {
		return err
	}
	state, reason := bridge.Active, ""
	if pause {
		state, reason = bridge.Paused, "paused by hand"
	}
	if err := d.store.SetDestination(ctx, info.Number, state, reason); err != nil {
		return err
	}
	d.dispatcher.SetState(info.Number, state)
	return nil
}

// Forget ends the state of a job or destination that is no longer configured. Deliveries of a forgotten job go on;
// those of a forgotten destination are dropped and counted.
func (d *Daemon) Forget(ctx context.Context, target Target) (Count, error) {
	var n int64
	var err error
	switch {
	case target.Job != "":
		if d.config().Job(target.Job) != nil {
			return Count{}, fmt.Errorf("job %q is still configured; remove it from %s first", target.Job, d.config().Path)
		}
		n, err = d.store.ForgetJob(ctx, target.Job)
	default:
		if d.config().Destination(target.Destination) != nil {
			return Count{}, fmt.Errorf("destination %q is still configured; remove it from %s first", target.Destination, d.config().Path)
		}
		n, err = d.store.ForgetDestination(ctx, target.Destination)
	}
	return Count{n}, err
}

// showRequest is a delivery as the request it was or would be sent as, without its signature.
func (d *Daemon) showRequest(row bridge.DeliveryRow) (*RequestView, error) {
	d.mu.Lock()
	info, ok := d.destinations[row.Destination]
	d.mu.Unlock()
	if !ok {
		return nil, nil
	}
	r, err := d.dispatcher.Request(bridge.Delivery{ID: row.ID, Destination: info.Number, Event: row.Event, Format: row.Format,
		FormatVersion: row.Version, Attempts: row.Attempts, Replay: row.Replay})
	if err != nil {
		return nil, err
	}
	return &RequestView{Method: r.Method, URL: r.URL, Headers: r.Headers, Body: string(r.Body)}, nil
}
