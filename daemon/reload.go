package daemon

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/outbound"
	"github.com/hookbridge/bridge/signature"
)

// settle is how long a saved file has to rest before it is read: editors write in several steps.
const settle = 200 * time.Millisecond

// Reload reads the configuration again. A broken file changes nothing; the error says why, and status goes on saying it
// until a reload succeeds.
func (d *Daemon) Reload(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	cfg, err := load(d.options, d.sources)
	if err == nil && cfg.Bridge.Store != d.storePath {
		err = fmt.Errorf("bridge.store has changed from %s to %s; a running daemon cannot follow: restart it", d.storePath, cfg.Bridge.Store)
	}
	if err == nil {
		err = d.apply(context.WithoutCancel(ctx), cfg) // half a configuration is none: whoever asked may leave meanwhile
	}
	if err != nil {
		text := err.Error()
		d.configError.Store(&text)
		d.log.Error("the configuration was not taken; the old one stays in force", "error", err, "hint", "hookbridge validate")
		return err
	}
	d.configError.Store(nil)
	d.log.Info("configuration reloaded", "jobs", len(cfg.Jobs), "destinations", len(cfg.Destinations))
	return nil
}

// apply puts a configuration in force: destinations first, then renames, then jobs. State belongs to names.
func (d *Daemon) apply(ctx context.Context, cfg *configs.Config) (err error) {
	for _, c := range cfg.Jobs { // before anything is touched
		if _, err := rules(c); err != nil {
			return fmt.Errorf("job %q: %w", c.Name, err)
		}
	}
	infos := make(map[string]bridge.DestinationInfo, len(cfg.Destinations))
	couriers := make([]outbound.Destination, 0, len(cfg.Destinations))
	for _, c := range cfg.Destinations {
		info, err := d.store.OpenDestination(ctx, c.Name)
		if err != nil {
			return fmt.Errorf("destination %q: %w", c.Name, err)
		}
		infos[c.Name] = info
		couriers = append(couriers, courier(c, info))
	}
	var moves [][2]string
	for _, m := range cfg.Moved {
		moves = append(moves, [2]string{m.From, m.To})
	}
	d.mu.Lock()
	old := d.jobs
	d.mu.Unlock()
	defer func() {
		for _, j := range old {
			if err != nil {
				j.revive() // the old configuration stays in force
			}
		}
	}()
	cut := map[int64]bool{} // runs in progress of jobs that are renamed
	if len(moves) > 0 {
		if err := d.store.MoveJobs(ctx, moves); err != nil {
			return err
		}
		for name, j := range old {
			if moved(moves, name) {
				cut[j.number] = j.retire() // before its state is read under the new name
				j.entered.Wait()
			}
		}
	}
	taking, err := receivers(cfg)
	if err != nil {
		return err
	}
	if err := d.dispatcher.Set(couriers); err != nil {
		return err
	}
	targets := func(names []string) []bridge.Target {
		out := make([]bridge.Target, 0, len(names))
		for _, name := range names {
			c := cfg.Destination(name)
			out = append(out, bridge.Target{Destination: infos[name].Number, Format: c.Format, FormatVersion: 1, Ordered: c.Ordered})
		}
		return out
	}
	jobs, fresh, again := make(map[string]*job, len(cfg.Jobs)), []*job{}, []*job{}
	shared := map[string][]bridge.Target{} // instances of one block share their targets
	for _, c := range cfg.Jobs {
		to, ok := shared[fmt.Sprint(c.Deliver)]
		if !ok {
			to = targets(c.Deliver)
			shared[fmt.Sprint(c.Deliver)] = to
		}
		if j := old[c.Name]; j != nil && j.cfg.Digest == c.Digest && !moved(moves, c.Name) {
			j.mu.Lock()
			j.targets = to
			j.mu.Unlock()
			jobs[c.Name] = j
			continue
		}
		j, wasRunning, err := d.open(ctx, c, to, old[c.Name])
		if err != nil {
			return fmt.Errorf("job %q: %w", c.Name, err)
		}
		jobs[c.Name] = j
		fresh = append(fresh, j)
		if wasRunning || cut[j.number] {
			again = append(again, j)
		}
	}
	for name, j := range old {
		if jobs[name] != j {
			d.dismiss(j)
			j.retire()
		}
	}
	byReceiver, relays := map[string][]*job{}, map[string][]bridge.Target{}
	for _, c := range cfg.Jobs {
		if c.Watchdog != nil {
			byReceiver[c.Watchdog.Receiver] = append(byReceiver[c.Watchdog.Receiver], jobs[c.Name])
		}
	}
	for _, c := range cfg.Receivers {
		relays[c.Name] = targets(c.Deliver)
	}
	d.mu.Lock()
	d.jobs, d.destinations, d.alerts = jobs, infos, targets(cfg.Bridge.Alerts)
	d.byReceiver, d.relays = byReceiver, relays
	d.mu.Unlock()
	d.cfg.Store(cfg)
	if err := d.inbound.Set(taking, cfg.Bridge.TrustedProxies); err != nil {
		return err
	}
	select {
	case d.called <- struct{}{}: // there may be receivers now
	default:
	}
	for _, j := range again {
		d.request(j, bridge.Schedule) // the run that was cut short is made again under the new configuration
	}
	if d.serving.Load() {
		for _, j := range fresh {
			d.start(j, time.Now())
		}
	}
	return nil
}

// open makes a job of its configuration. The one it replaces is retired in the same breath, so that no commit of an old
// run follows the edit.
func (d *Daemon) open(ctx context.Context, c *configs.Job, targets []bridge.Target, before *job) (_ *job, wasRunning bool, err error) {
	r, err := rules(c)
	if err != nil {
		return nil, false, err
	}
	if before != nil {
		wasRunning = before.retire()
		before.entered.Wait()
	}
	state, err := d.store.OpenJob(ctx, c.Name, c.Digest, r.String())
	if err != nil {
		return nil, false, err
	}
	absences, err := d.store.Absences(ctx, state.Number)
	if err != nil {
		return nil, false, err
	}
	j := newJob(c, state, targets, len(absences), time.Now())
	if c.Watchdog != nil {
		memory, err := d.store.Watchdog(ctx, state.Number)
		if err != nil {
			return nil, false, err
		}
		if j.watch, err = newWatch(j, memory); err != nil {
			return nil, false, err
		}
	}
	if c.Watchdog != nil && d.cfg.Load() != nil { // at the start they are read for all jobs at once
		open, err := d.store.Intents(ctx)
		if err != nil {
			return nil, false, err
		}
		for _, intent := range open {
			if intent.Job == j.number {
				j.intents.add(intent)
			}
		}
	}
	return j, wasRunning, nil
}

// ticks are the times that the job waits for.
func (j *job) ticks() []*tick {
	ticks := []*tick{&j.schedule, &j.reconcile}
	if j.watch != nil {
		ticks = append(ticks, &j.watch.alarm)
	}
	return ticks
}

// unplan takes a job off the agenda.
func (d *Daemon) unplan(j *job) {
	for _, t := range j.ticks() {
		d.plan(t, time.Time{})
	}
}

// dismiss takes a retired job off the agenda for good: whoever is about to plan one of its ticks comes too late.
func (d *Daemon) dismiss(j *job) {
	d.agendaMu.Lock()
	for _, t := range j.ticks() {
		t.over = true
	}
	d.agendaMu.Unlock()
	d.unplan(j)
}

// moved reports whether a job of this name may have lost its state to another by a rename.
func moved(moves [][2]string, name string) bool {
	for _, m := range moves {
		if name == m[0] || strings.HasPrefix(name, m[0]+"/") {
			return true
		}
	}
	return false
}

func courier(c *configs.Destination, info bridge.DestinationInfo) outbound.Destination {
	var headers []outbound.Header
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		headers = append(headers, outbound.Header{Name: name, Value: c.Headers[name]})
	}
	var hmac signature.HMAC
	if c.HMAC != nil {
		hmac = axes(c.HMAC)
	}
	return outbound.Destination{HMAC: hmac, Number: info.Number, Name: c.Name, URL: c.URL, Secrets: c.Secrets, Signature: c.Signature,
		Concurrency: c.Concurrency, Rate: c.Rate, Timeout: c.Timeout, Headers: headers, Allow: c.Allow, Retry: c.Retry, State: info.State}
}

// watch reloads when the configuration file is saved. The folder is watched, not the file: editors replace it.
func (d *Daemon) watch(ctx context.Context) error {
	path, err := filepath.Abs(d.options.Path)
	if err != nil {
		return err
	}
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		err = watcher.Add(filepath.Dir(path))
	}
	if err != nil {
		d.log.Warn("saving the configuration will not reload it", "error", err, "hint", "send SIGHUP instead")
		return nil
	}
	d.log.Debug("watching the configuration", "path", path)
	var rested <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-watcher.Errors:
			d.log.Warn("watching the configuration", "error", err)
		case event := <-watcher.Events:
			if event.Name == path && event.Op&^fsnotify.Chmod != 0 {
				rested = time.After(settle)
			}
		case <-rested:
			rested = nil
			_ = d.Reload(ctx) // logged there
		}
	}
}
