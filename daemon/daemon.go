// Package daemon puts the rooms together and runs them: schedule, run, reload, shut down.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/inbound"
	"github.com/hookbridge/bridge/outbound"
	"github.com/hookbridge/bridge/sources"
	"github.com/hookbridge/bridge/store/sqlite"
)

// maxRuns bounds the polls in progress at a time, over all jobs.
const maxRuns = 128

// pruneEvery is how often what is past its retention is looked for.
const pruneEvery = 10 * time.Minute

// Options says what to run.
type Options struct {
	Path    string            // of bridge.hcl
	Vars    map[string]string // --var
	Store   string            // path that overrides bridge.store; empty: none
	Logger  *slog.Logger      // nil: discards
	Version string            // for user-agent and status
	// Fault is for tests of crash safety: it is handed to the store, whose documentation says what it does.
	Fault func(point string) error
	// MaxPages caps the store, for tests of a full disk. 0: no cap.
	MaxPages int64
	// Transport replaces the network, for tests in simulated time.
	Transport http.RoundTripper
}

// Daemon is one bridge: configuration, store, sources and destinations. It is a Control of itself.
type Daemon struct {
	options    Options
	log        *slog.Logger
	store      Ledger
	storePath  string
	spoolDir   string
	sources    *sources.Table
	dispatcher *outbound.Dispatcher
	inbound    *inbound.Server
	listening  atomic.Pointer[string] // where webhooks come in; nil while they cannot
	called     chan struct{}          // of one: a configuration was taken, which may have receivers
	since      time.Time

	cfg         atomic.Pointer[configs.Config]
	reloading   sync.Mutex
	configError atomic.Pointer[string]

	mu           sync.Mutex
	jobs         map[string]*job
	destinations map[string]bridge.DestinationInfo // configured ones
	alerts       []bridge.Target
	byReceiver   map[string][]*job          // those whose watchdog listens to it
	relays       map[string][]bridge.Target // where what a receiver took is forwarded to
	deadTold     map[int64]time.Time        // when a dead letter of a destination was last told

	agendaMu sync.Mutex
	agenda   agenda
	rethink  chan struct{}
	pool     *pool
	runs     context.Context // ends when runs have to
	stop     context.CancelCauseFunc
	serving  atomic.Bool
}

var errStopping = errors.New("the daemon is stopping")

// Open loads the configuration and opens the store under its lock, but runs nothing: the Control methods work, jobs run
// when asked, deliveries wait. Errors: *configs.Error with diagnostics, *sqlite.LockedError when another daemon has the
// store.
func Open(ctx context.Context, options Options) (*Daemon, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Daemon{options: options, log: options.Logger, since: time.Now(), jobs: map[string]*job{},
		deadTold: map[int64]time.Time{}, rethink: make(chan struct{}, 1), called: make(chan struct{}, 1)}
	d.pool = &pool{max: maxRuns, run: d.work}
	d.runs, d.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	d.sources = newSources(options)
	cfg, err := load(options, d.sources)
	if err != nil {
		return nil, err
	}
	d.storePath = cfg.Bridge.Store
	d.spoolDir = filepath.Dir(d.storePath)
	store, err := sqlite.Open(ctx, d.storePath, sqlite.Options{Logger: d.log, Command: strings.Join(os.Args, " "), Fault: options.Fault, MaxPages: options.MaxPages})
	if err != nil {
		return nil, err
	}
	d.store = store
	d.dispatcher = outbound.New(store, outbound.Options{Logger: d.log, UserAgent: userAgent(options), Notify: d.notice,
		Transport: options.Transport})
	d.inbound = inbound.New(d, inbound.Options{Logger: d.log})
	err = d.apply(ctx, cfg)
	if err == nil {
		err = d.loadIntents(ctx)
	}
	if err != nil {
		_ = store.Close()
		return nil, err
	}
	return d, nil
}

func newSources(options Options) *sources.Table {
	return sources.New(sources.Runtime{Logger: options.Logger, UserAgent: userAgent(options), Transport: options.Transport})
}

func userAgent(options Options) string {
	if options.Version == "" {
		return "hookbridge"
	}
	return "hookbridge/" + options.Version
}

func load(options Options, table *sources.Table) (*configs.Config, error) {
	cfg, err := configs.Load(options.Path, configs.Options{Vars: options.Vars, Sources: table, Rules: Rules()})
	if err != nil {
		return nil, err
	}
	if options.Store != "" {
		cfg.Bridge.Store = options.Store
	}
	return cfg, nil
}

func (d *Daemon) config() *configs.Config { return d.cfg.Load() }

// Run polls and delivers until ctx ends; then nothing new begins, runs in progress end without a commit, and deliveries
// in flight are finished until drain ends. It serves the control socket and reloads when the configuration is saved.
func (d *Daemon) Run(ctx, drain context.Context) error {
	listener, err := d.listen()
	if err != nil {
		return err
	}
	d.serving.Store(true)
	defer d.serving.Store(false)
	now := time.Now()
	for _, j := range d.allJobs() {
		d.start(j, now)
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx until deliveries are settled
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.serve(ctx, listener) })
	group.Go(func() error { d.schedule(ctx); return nil })
	group.Go(func() error { d.prune(ctx); return nil })
	group.Go(func() error { return d.watch(ctx) })
	group.Go(func() error { return d.receive(ctx, drain) })
	group.Go(func() error { return d.dispatcher.Run(ctx, drain) })
	group.Go(func() error {
		<-ctx.Done()
		d.stop(errStopping)
		d.pool.wait()
		return nil
	})
	var store errgroup.Group
	store.Go(func() error { return d.store.Run(background) })
	err = group.Wait()
	cancel()
	return errors.Join(err, ignoreCanceled(store.Wait()))
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// stopping reports whether an error comes of our own end.
func (d *Daemon) stopping(err error) bool {
	return d.runs.Err() != nil && (errors.Is(err, errStopping) || errors.Is(err, context.Canceled))
}

// Close ends what still runs and releases the store. Call it after Run has returned.
func (d *Daemon) Close() error {
	d.stop(errStopping)
	d.pool.wait()
	return d.store.Close()
}

func (d *Daemon) allJobs() []*job {
	d.mu.Lock()
	defer d.mu.Unlock()
	jobs := make([]*job, 0, len(d.jobs))
	for _, cfg := range d.config().Jobs {
		if j := d.jobs[cfg.Name]; j != nil {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// job returns a configured job by name.
func (d *Daemon) job(name string) (*job, error) {
	d.mu.Lock()
	j := d.jobs[name]
	d.mu.Unlock()
	if j != nil {
		return j, nil
	}
	var names []string
	for _, j := range d.config().Jobs {
		names = append(names, j.Name)
	}
	return nil, fmt.Errorf("job %q is %w in %s; there are: %s", name, bridge.ErrNotFound, d.config().Path, list(names))
}

// destination returns a configured destination by name.
func (d *Daemon) destination(name string) (bridge.DestinationInfo, *configs.Destination, error) {
	cfg := d.config()
	d.mu.Lock()
	info, ok := d.destinations[name]
	d.mu.Unlock()
	if c := cfg.Destination(name); ok && c != nil {
		return info, c, nil
	}
	var names []string
	for _, c := range cfg.Destinations {
		names = append(names, c.Name)
	}
	return info, nil, fmt.Errorf("destination %q is %w in %s; there are: %s", name, bridge.ErrNotFound, cfg.Path, list(names))
}

// list is names fit for a message.
func list(names []string) string {
	const most = 20
	if len(names) == 0 {
		return "none"
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

func (d *Daemon) start(j *job, now time.Time) {
	j.mu.Lock()
	state := j.state
	j.mu.Unlock()
	if !state.Paused {
		d.plan(&j.schedule, j.firstTick(&state, now))
		d.plan(&j.reconcile, j.firstReconcile(&state, now))
		if state.Baselined && state.LastRun.LastEnded.Before(d.store.Epoch()) { // restored from a copy
			d.request(j, bridge.Reconcile)
		}
	}
	if j.watch != nil && d.listening.Load() != nil {
		d.hear(j.watch) // otherwise when there is a listener
	}
	d.resumeIntents(j)
}

// loadIntents hands the jobs what webhooks of an earlier process still wait for. Those of jobs that are gone stay.
func (d *Daemon) loadIntents(ctx context.Context) error {
	open, err := d.store.Intents(ctx)
	if err != nil {
		return err
	}
	byNumber := map[int64]*job{}
	for _, j := range d.allJobs() {
		byNumber[j.number] = j
	}
	for _, intent := range open {
		if j := byNumber[intent.Job]; j != nil {
			j.intents.add(intent)
		}
	}
	return nil
}

func (d *Daemon) prune(ctx context.Context) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		pruned, err := d.store.Prune(ctx, d.config().Bridge.Retain, time.Now())
		switch {
		case err != nil && ctx.Err() == nil:
			d.log.Error("could not remove what is past its retention", "error", err)
		case pruned != bridge.Pruned{}:
			d.log.Info("removed what is past its retention", "events", pruned.Events, "attempts", pruned.Attempts, "dead", pruned.Dead)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
