// Package daemon puts the rooms together and runs them: schedule, run, reload, shut down.
package daemon

import (
	"context"
	"errors"
	"log/slog"
)

// Options says what to run.
type Options struct {
	Path    string            // of bridge.hcl
	Vars    map[string]string // --var
	Store   string            // path that overrides bridge.store; empty: none
	Logger  *slog.Logger      // nil: discards
	Version string
}

// Daemon is one bridge: configuration, store, sources and destinations.
type Daemon struct{}

// Open loads the configuration and opens the store under its lock, but runs nothing. Errors: *configs.Error with
// diagnostics, *sqlite.LockedError when another daemon has the store.
func Open(ctx context.Context, options Options) (*Daemon, error) { return nil, errors.ErrUnsupported }

// Run polls and delivers until ctx ends, then drains deliveries until drain ends. It serves the control socket.
func (d *Daemon) Run(ctx, drain context.Context) error { return errors.ErrUnsupported }

// Close releases the store. Call it after Run has returned.
func (d *Daemon) Close() error { return nil }

// Dial connects to the daemon that runs on the store of the configuration; ErrNoDaemon when none does.
func Dial(ctx context.Context, options Options) (*Client, error) { return nil, ErrNoDaemon }

// Inspect opens the store of the configuration for reading only, without its lock: Status, Events, Deliveries and
// Delivery work, everything else says that it needs the daemon or the lock.
func Inspect(ctx context.Context, options Options) (Inspection, error) { return nil, ErrNoDaemon }

// Inspection is a Control that reads and never writes.
type Inspection interface {
	Control
	Close() error
}

// Client is a Control over the socket of a running daemon.
type Client struct{ Control }

// ErrNoDaemon means that no daemon runs on the store.
var ErrNoDaemon = errors.New("no daemon is running on this store")
