package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/watchdog"
)

// desk answers what can be read from a store and a configuration alone.
type desk struct {
	store   Reading
	path    string // of the store
	version string
	config  func() *configs.Config
	// live says what only a running daemon knows of a job; nil without one.
	live func(name string, status *JobStatus)
	// request shows a delivery as a request; nil where the destination is not configured.
	request func(row bridge.DeliveryRow) (*RequestView, error)
}

func (k desk) status(ctx context.Context, request StatusRequest) (Status, error) {
	cfg := k.config()
	s := Status{Version: k.version, Config: cfg.Path, Store: k.path, StoreBytes: storeBytes(k.path),
		BacklogCap: cfg.Bridge.Retain.Backlog, Jobs: []JobStatus{}, Destinations: []DestinationStatus{}, Holds: []bridge.Hold{}, Warnings: cfg.Warnings.Lines()}
	holds, err := k.store.Holds(ctx)
	if err != nil {
		return s, err
	}
	s.Holds = append(s.Holds, holds...)
	held := map[string]int64{}
	for _, h := range holds {
		held[h.Job] += h.Rows
	}
	states, err := k.store.Jobs(ctx)
	if err != nil {
		return s, err
	}
	byName := make(map[string]bridge.JobState, len(states))
	for _, state := range states {
		byName[state.Name] = state
	}
	for _, job := range cfg.Jobs {
		state := byName[job.Name]
		delete(byName, job.Name)
		status, err := k.job(ctx, state, held[job.Name])
		if err != nil {
			return s, err
		}
		status.Name, status.Schedule = job.Name, job.Schedule.Text
		if k.live != nil {
			k.live(job.Name, &status)
		}
		s.Jobs = append(s.Jobs, status)
	}
	for _, state := range states {
		if _, orphan := byName[state.Name]; !orphan || state.Number == 0 {
			continue
		}
		status, err := k.job(ctx, state, held[state.Name])
		if err != nil {
			return s, err
		}
		status.State = "orphaned"
		s.Jobs = append(s.Jobs, status)
	}
	infos, err := k.store.Destinations(ctx)
	if err != nil {
		return s, err
	}
	known := map[string]bool{}
	for _, info := range infos {
		known[info.Name] = true
		s.Backlog += info.Backlog
		d := DestinationStatus{Name: info.Name, State: info.State, Reason: info.Reason, Backlog: info.Backlog, Dead: info.Dead, NextAttempt: info.Next}
		if cfg.Destination(info.Name) == nil {
			d.State = bridge.Orphaned
		}
		s.Destinations = append(s.Destinations, d)
	}
	for _, c := range cfg.Destinations {
		if !known[c.Name] {
			s.Destinations = append(s.Destinations, DestinationStatus{Name: c.Name, State: bridge.Active})
		}
	}
	if request.Deep {
		began := time.Now()
		problems, err := k.store.Check(ctx)
		if problems == nil {
			problems = []string{}
		}
		if err != nil {
			return s, fmt.Errorf("check store: %w", err)
		}
		s.Deep = &DeepStatus{OK: len(problems) == 0, Problems: problems, Took: time.Since(began)}
	}
	return s, nil
}

// statusHistory is how many changes of state of a watchdog status tells.
const statusHistory = 10

func (k desk) job(ctx context.Context, state bridge.JobState, held int64) (JobStatus, error) {
	s := JobStatus{Name: state.Name, State: "idle", Baselined: state.Baselined, Records: state.Records, Held: held}
	if state.Paused {
		s.State = "paused"
	}
	if state.Number == 0 {
		return s, nil
	}
	history, err := k.store.Transitions(ctx, state.Number, statusHistory)
	if err != nil {
		return s, err
	}
	s.History = history
	if !state.LastRun.Began.IsZero() {
		run := state.LastRun
		s.LastRun, s.Pending = &run, run.Pending
		if run.Bad > 0 {
			bad, err := k.store.Quarantine(ctx, state.Number)
			if err != nil {
				return s, err
			}
			s.Quarantine = bad
		}
	}
	return s, nil
}

func (k desk) inbounds(ctx context.Context, query bridge.InboundQuery) ([]InboundView, error) {
	rows, err := k.store.Inbounds(ctx, query)
	if err != nil {
		return nil, err
	}
	views := make([]InboundView, 0, len(rows))
	for _, w := range rows {
		views = append(views, inboundView(w))
	}
	return views, nil
}

func (k desk) inbound(ctx context.Context, id int64) (InboundView, error) {
	w, err := k.store.Inbound(ctx, id)
	return inboundView(w), err
}

func inboundView(w bridge.Inbound) InboundView {
	return InboundView{ID: w.ID, Receiver: w.Receiver, DeliveryID: w.DeliveryID, At: w.At, State: w.State, Reason: w.Reason,
		Method: w.Method, Path: w.Path, Query: w.Query, Headers: w.Header, Body: string(w.Body)}
}

func storeBytes(path string) int64 {
	var total int64
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			total += info.Size()
		}
	}
	return total
}

func (k desk) events(ctx context.Context, query bridge.EventQuery) ([]EventView, error) {
	rows, err := k.store.Events(ctx, query)
	if err != nil {
		return nil, err
	}
	views := make([]EventView, 0, len(rows))
	for _, r := range rows {
		views = append(views, EventView{Number: r.Number, ID: r.ID, Time: r.Time, Type: r.Type, Op: r.Op, Job: r.Job, Key: r.Key,
			Sequence: r.Sequence, Origin: r.Origin, Changed: r.Changed, Before: r.Before, After: r.After, Data: r.Data})
	}
	return views, nil
}

func (k desk) deliveries(ctx context.Context, query bridge.DeliveryQuery) ([]DeliveryView, error) {
	rows, err := k.store.Deliveries(ctx, query)
	if err != nil {
		return nil, err
	}
	held, err := k.held(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]DeliveryView, 0, len(rows))
	for _, r := range rows {
		views = append(views, deliveryView(r, held))
	}
	return views, nil
}

// held says for every destination why its deliveries do not move; active ones are not in it.
func (k desk) held(ctx context.Context) (map[string]string, error) {
	infos, err := k.store.Destinations(ctx)
	if err != nil {
		return nil, err
	}
	held := map[string]string{}
	cfg := k.config()
	for _, info := range infos {
		switch {
		case cfg.Destination(info.Name) == nil:
			held[info.Name] = string(bridge.Orphaned)
		case info.State != bridge.Active:
			held[info.Name] = string(info.State)
		}
	}
	return held, nil
}

func deliveryView(r bridge.DeliveryRow, held map[string]string) DeliveryView {
	v := DeliveryView{ID: r.ID, Destination: r.Destination, State: r.State, Event: r.Event.ID, Type: r.Event.Type, Job: r.Event.Job,
		Key: r.Event.Key, Sequence: r.Event.Sequence, Attempts: r.Attempts, Due: r.Due, Ended: r.Ended, Status: r.Last.Status,
		Error: r.Last.Error, Replay: r.Replay}
	if r.State == bridge.StateReady || r.State == bridge.StateWaiting {
		v.Held = held[r.Destination]
	}
	return v
}

func (k desk) delivery(ctx context.Context, id int64) (DeliveryDetail, error) {
	row, attempts, err := k.store.Delivery(ctx, id)
	if err != nil {
		return DeliveryDetail{}, err
	}
	held, err := k.held(ctx)
	if err != nil {
		return DeliveryDetail{}, err
	}
	detail := DeliveryDetail{DeliveryView: deliveryView(row, held), Tries: []AttemptView{}}
	for _, a := range attempts {
		detail.Tries = append(detail.Tries, AttemptView{Number: a.Number, At: a.At, Took: a.Took, Status: a.Status, Error: a.Error, Answer: a.Answer})
	}
	if k.request != nil {
		detail.Request, err = k.request(row)
	}
	return detail, err
}

func (d *Daemon) desk() desk {
	return desk{store: d.store, path: d.storePath, version: d.options.Version, config: d.config, live: d.live, request: d.showRequest}
}

// Status is the bridge at a glance.
func (d *Daemon) Status(ctx context.Context, request StatusRequest) (Status, error) {
	s, err := d.desk().status(ctx, request)
	if d.serving.Load() {
		s.Running, s.PID, s.Since = true, os.Getpid(), d.since.UTC()
		s.Receivers = d.inbound.Status()
		if at := d.listening.Load(); at != nil {
			s.Listening = *at
		}
	}
	if text := d.configError.Load(); text != nil {
		s.ConfigError = *text
	}
	return s, err
}

// live adds what only the running daemon knows of a job.
func (d *Daemon) live(name string, s *JobStatus) {
	d.mu.Lock()
	j := d.jobs[name]
	d.mu.Unlock()
	if j == nil {
		return
	}
	due := d.dueAt(&j.schedule)
	if j.watch != nil {
		s.Watchdog = j.watch.status()
		if s.Watchdog.State == watchdog.Listening || s.Watchdog.State == watchdog.Probing {
			due = time.Time{} // the schedule rests
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s.NextRun, s.Baselined, s.Records = due.UTC(), j.state.Baselined, j.state.Records
	if due.IsZero() {
		s.NextRun = due
	}
	if run := j.state.LastRun; !run.Began.IsZero() {
		s.LastRun, s.Pending = &run, run.Pending
	}
	switch {
	case j.running:
		s.State = "running"
	case j.current != nil:
		s.State = "queued"
	case j.state.Paused:
		s.State = "paused"
	case j.waiting != "":
		s.State = j.waiting
	case j.state.LastRun.Failures >= failuresToTell:
		s.State = "backing-off"
	default:
		s.State = "idle"
	}
}

// Events lists what was told.
func (d *Daemon) Events(ctx context.Context, query bridge.EventQuery) ([]EventView, error) {
	return d.desk().events(ctx, query)
}

// Deliveries lists what was, is or will be sent.
func (d *Daemon) Deliveries(ctx context.Context, query bridge.DeliveryQuery) ([]DeliveryView, error) {
	return d.desk().deliveries(ctx, query)
}

// Delivery shows one delivery with its attempts.
func (d *Daemon) Delivery(ctx context.Context, id int64) (DeliveryDetail, error) {
	return d.desk().delivery(ctx, id)
}
