package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

// options is what every command tells the daemon room.
func (a *app) options(level slog.Level) daemon.Options {
	return daemon.Options{Path: a.config, Vars: a.vars, Logger: a.logger(level), Version: release()}
}

// silent is the level of commands that do one thing: they say what there is to say in their own words.
const silent = slog.LevelError + 4

// logger writes to stderr: coloured lines for people, JSON where --json asks for it.
func (a *app) logger(otherwise slog.Level) *slog.Logger {
	level, _ := a.logLevel(otherwise) // checked before any command runs
	if a.json {
		return slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: !a.err.on, ReplaceAttr: harmless}))
}

// harmless makes what a log line holds safe to print: keys of records and answers of servers come from outside. tint
// turns the text \x1b back into an escape sequence where it quotes, so that is spelt otherwise.
func harmless(_ []string, attribute slog.Attr) slog.Attr {
	text := ""
	switch v := attribute.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	default:
		return attribute
	}
	return slog.String(attribute.Key, strings.ReplaceAll(printable(text), `\x1b`, `\u001b`))
}

// writer is the running daemon, or the store itself under its lock where none runs.
func (a *app) writer(ctx context.Context) (daemon.Control, func(), error) {
	options := a.options(silent)
	client, err := daemon.Dial(ctx, options)
	if err == nil {
		return client, closer(client), nil
	}
	if !errors.Is(err, daemon.ErrNoDaemon) {
		return nil, nil, err
	}
	d, err := daemon.Open(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	return d, closer(d), nil
}

// reader is the running daemon, or the store opened for reading where none runs.
func (a *app) reader(ctx context.Context) (daemon.Control, func(), error) {
	options := a.options(silent)
	client, err := daemon.Dial(ctx, options)
	if err == nil {
		return client, closer(client), nil
	}
	if !errors.Is(err, daemon.ErrNoDaemon) {
		return nil, nil, err
	}
	inspection, err := daemon.Inspect(ctx, options)
	if errors.Is(err, bridge.ErrNotFound) {
		return nil, nil, hinted(errors.New("nothing has run here yet: there is no store"), "look at what would happen: hookbridge plan; start: hookbridge run")
	}
	if err != nil {
		return nil, nil, err
	}
	return inspection, closer(inspection), nil
}

func closer(v any) func() {
	if c, ok := v.(io.Closer); ok {
		return func() { _ = c.Close() }
	}
	return func() {}
}

// withWriter runs body on a Control that may write.
func (a *app) withWriter(ctx context.Context, body func(daemon.Control) error) error {
	return with(ctx, a.writer, body)
}

// withReader runs body on a Control that reads.
func (a *app) withReader(ctx context.Context, body func(daemon.Control) error) error {
	return with(ctx, a.reader, body)
}

func with(ctx context.Context, open func(context.Context) (daemon.Control, func(), error), body func(daemon.Control) error) error {
	control, done, err := open(ctx)
	if err != nil {
		return err
	}
	defer done()
	return body(control)
}

const followEvery = 500 * time.Millisecond

// follow asks again and again until it is interrupted, which is its good end. A daemon that restarts is found again:
// what is lost is said once, and that it came back.
func (a *app) follow(ctx context.Context, ask func(daemon.Control) error) error {
	var lost string
	for first := true; ; first = false {
		err := a.withReader(ctx, func(control daemon.Control) error {
			for {
				if err := ask(control); err != nil {
					return err
				}
				first = false
				if lost != "" {
					a.notef("hookbridge: back again\n")
					lost = ""
				}
				if err := wait(ctx, followEvery); err != nil {
					return err
				}
			}
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case first:
			return err
		case err.Error() != lost:
			lost = err.Error()
			a.notef("hookbridge: %s; trying again\n", printable(lost))
		}
		if wait(ctx, 2*followEvery) != nil {
			return nil
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
