package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/daemon"
)

const targetHelp = `NAME is a job or a destination: orders, job.orders, destination.warehouse. The long form is needed only where both
have the same name.`

func pauseCommand(a *app) *cobra.Command {
	return a.targetCommand("pause", "Pause a job or a destination",
		"Pause a job, which is no longer polled, or a destination, whose deliveries are held. It stays so until resume.",
		"{job or destination, state}",
		func(ctx context.Context, control daemon.Control, target daemon.Target) error {
			if err := control.Pause(ctx, target); err != nil {
				return err
			}
			return a.tellTarget(target, "paused", "go on with: hookbridge resume "+reference(target))
		})
}

func resumeCommand(a *app) *cobra.Command {
	return a.targetCommand("resume", "Resume a job or a destination",
		"Resume a paused job, or a destination that was paused or disabled; what was held for it is sent.",
		"{job or destination, state}",
		func(ctx context.Context, control daemon.Control, target daemon.Target) error {
			if err := control.Resume(ctx, target); err != nil {
				return err
			}
			return a.tellTarget(target, "resumed", "")
		})
}

func forgetCommand(a *app) *cobra.Command {
	return a.targetCommand("forget", "End the state of a removed job or destination",
		"End the state of a job or destination that is no longer configured: a job's records, a destination's held deliveries.",
		"{count}",
		func(ctx context.Context, control daemon.Control, target daemon.Target) error {
			gone, err := control.Forget(ctx, target)
			if err != nil {
				return err
			}
			if a.json {
				return a.document(gone)
			}
			noun := "record"
			if target.Destination != "" {
				noun = "delivery"
			}
			a.printf("%s: forgotten, with %s\n", reference(target), count(gone.Count, noun))
			return nil
		})
}

func (a *app) targetCommand(name, short, long, shape string, body func(context.Context, daemon.Control, daemon.Target) error) *cobra.Command {
	return &cobra.Command{
		Use:               name + " NAME",
		Short:             short,
		Long:              long + "\n" + targetHelp + "\n--json: " + shape + ".",
		Args:              between(1, 1, "the name of a job or a destination"),
		ValidArgsFunction: first(a.names(targetNames)),
		RunE: action(func(ctx context.Context, args []string) error {
			return a.withWriter(ctx, func(control daemon.Control) error {
				target, err := a.target(ctx, control, name, args[0])
				if err != nil {
					return err
				}
				return body(ctx, control, target)
			})
		}),
	}
}

// target finds out what a name means.
func (a *app) target(ctx context.Context, control daemon.Control, command, name string) (daemon.Target, error) {
	if job, ok := strings.CutPrefix(name, "job."); ok {
		return daemon.Target{Job: job}, nil
	}
	if destination, ok := strings.CutPrefix(name, "destination."); ok {
		return daemon.Target{Destination: destination}, nil
	}
	status, err := control.Status(ctx, daemon.StatusRequest{})
	if err != nil {
		return daemon.Target{}, err
	}
	var job, destination bool
	for _, j := range status.Jobs {
		job = job || j.Name == name
	}
	for _, d := range status.Destinations {
		destination = destination || d.Name == name
	}
	switch {
	case job && destination:
		return daemon.Target{}, &callError{fmt.Sprintf("%q is a job and a destination", name),
			fmt.Sprintf("say which: hookbridge %s job.%s, or: hookbridge %s destination.%s", command, name, command, name)}
	case job:
		return daemon.Target{Job: name}, nil
	case destination:
		return daemon.Target{Destination: name}, nil
	}
	return daemon.Target{}, hinted(fmt.Errorf("there is no job and no destination %q", name), "see the names: hookbridge status")
}

func reference(target daemon.Target) string {
	if target.Job != "" {
		return "job." + target.Job
	}
	return "destination." + target.Destination
}

func (a *app) tellTarget(target daemon.Target, state, hint string) error {
	if a.json {
		return a.document(struct {
			daemon.Target
			State string `json:"state"`
		}{target, state})
	}
	a.printf("%s: %s\n", reference(target), state)
	if hint != "" {
		a.notef("%s\n", hint)
	}
	return nil
}
