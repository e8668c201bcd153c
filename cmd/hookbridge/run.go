package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/daemon"
)

func runCommand(a *app) *cobra.Command {
	var drain time.Duration
	c := &cobra.Command{
		Use:   "run",
		Short: "The daemon: poll, compare, deliver",
		Long: `The daemon: poll, compare, deliver, until SIGINT or SIGTERM. It then stops polling and finishes what it is
delivering for at most --drain; a second signal cuts that short. Nothing is lost either way: what was not delivered is
delivered after the next start. SIGHUP, or saving the configuration file, reloads it; a broken file keeps the old one.
It logs to stderr; --json: one JSON object a line.`,
		Args: between(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.run(cmd.Context(), drain)
		},
	}
	c.Flags().DurationVar(&drain, "drain", 30*time.Second, "how long deliveries may finish after the first signal")
	return c
}

func (a *app) run(ctx context.Context, drain time.Duration) error {
	options := a.options(slog.LevelInfo)
	d, err := daemon.Open(ctx, options)
	if err != nil {
		return err
	}
	ctx, draining, release := stopping(ctx, drain, options.Logger)
	defer release()
	if err := announce(ctx, d, options.Logger); err != nil {
		return errors.Join(err, d.Close())
	}
	var reloader sync.WaitGroup
	reloader.Go(func() { reloading(ctx, d) })
	err = d.Run(ctx, draining)
	switch {
	case draining.Err() != nil:
		options.Logger.Warn("stopped; deliveries were cut short and are made after the next start", "by", context.Cause(draining))
	case err == nil:
		options.Logger.Info("stopped")
	}
	release()
	reloader.Wait()
	if closed := d.Close(); err == nil {
		err = closed
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return hinted(err, `see who listens there: ss -ltnp; or listen elsewhere: bridge { listen = "127.0.0.1:8485" }`)
	}
	return err
}

// announce logs what is about to run.
func announce(ctx context.Context, d *daemon.Daemon, log *slog.Logger) error {
	s, err := d.Status(ctx, daemon.StatusRequest{})
	if err != nil {
		return err
	}
	for _, warning := range s.Warnings {
		log.Warn(warning)
	}
	log.Info("running", "version", s.Version, "config", s.Config, "store", s.Store, "jobs", len(s.Jobs), "destinations", len(s.Destinations),
		"backlog", s.Backlog)
	return nil
}

// stopping returns a context that the first signal ends, and one that ends drain later or with the second signal.
func stopping(parent context.Context, drain time.Duration, log *slog.Logger) (ctx, draining context.Context, release func()) {
	ctx, stop := context.WithCancel(parent)
	draining, cut := context.WithCancelCause(context.WithoutCancel(parent))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	finished := make(chan struct{})
	go func() {
		select {
		case <-finished:
			return
		case <-parent.Done():
		case s := <-signals:
			log.Info("stopping; a second signal cuts deliveries short", "signal", s.String(), "drain", drain)
		}
		stop()
		timer := time.NewTimer(drain)
		defer timer.Stop()
		select {
		case <-finished:
		case <-timer.C:
			cut(errors.New("the drain deadline has passed"))
		case <-signals:
			cut(errors.New("a second signal"))
		}
	}()
	return ctx, draining, sync.OnceFunc(func() {
		signal.Stop(signals)
		close(finished)
		stop()
		cut(nil)
	})
}

// reloading reads the configuration again on every SIGHUP.
func reloading(ctx context.Context, d *daemon.Daemon) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			_ = d.Reload(ctx) // a broken file is logged there, and keeps the old configuration
		}
	}
}
