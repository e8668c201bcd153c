package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
)

// app carries what every command shares: its streams, the environment and the global flags.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookup         func(string) (string, bool)
	out, err       paint // the colours of stdout and stderr

	config string
	assign []string // --var as given
	vars   map[string]string
	json   bool
	level  string
}

// run executes one call of hookbridge and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, lookup func(string) (string, bool)) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, lookup: lookup}
	a.out, a.err = newPaint(stdout, lookup), newPaint(stderr, lookup)
	root := rootCommand(a)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return a.conclude(root.ExecuteContext(ctx))
}

const (
	groupSetup = "setup"
	groupRun   = "run"
	groupLook  = "look"
	groupMend  = "mend"
	groupTry   = "try"
)

// inOrder keeps cobra from sorting commands by name: they are listed in the order in which one needs them.
var inOrder = sync.OnceFunc(func() { cobra.EnableCommandSorting = false })

func rootCommand(a *app) *cobra.Command {
	inOrder()
	root := &cobra.Command{
		Use:   "hookbridge",
		Short: "Webhooks from systems that have none, or whose webhooks cannot be trusted",
		Long: `hookbridge polls systems that cannot send webhooks, finds what changed and sends a signed
webhook for every change. Where a system sends webhooks of its own it lives on those, and polls when
they fall silent. One file, bridge.hcl, says what is polled and where it goes.

Begin with:  hookbridge init, then hookbridge plan, then hookbridge run
Or watch it: hookbridge demo`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          helpOrUnknown,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.readGlobals(cmd)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		// "hookbridge stauts --deep" is a misspelt command, not a misplaced flag.
		if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 && !cmd.HasParent() {
			return unknownCommand(cmd, cmd.Flags().Arg(0))
		}
		return wrongCall(cmd, "%s", err)
	})
	root.SetHelpCommand(helpCommand())
	root.CompletionOptions.DisableDefaultCmd = true

	flags := root.PersistentFlags()
	flags.StringVarP(&a.config, "config", "c", "bridge.hcl", "configuration `FILE`")
	flags.StringArrayVar(&a.assign, "var", nil, "set a variable of the configuration: `NAME=VALUE` (repeatable)")
	flags.BoolVar(&a.json, "json", false, "print JSON for machines; commands that follow print one object a line")
	flags.StringVar(&a.level, "log-level", "", "`LEVEL` of the log on stderr: debug, info, warn or error (default: info for run, nothing elsewhere)")

	root.AddGroup(
		&cobra.Group{ID: groupSetup, Title: "Write the configuration:"},
		&cobra.Group{ID: groupRun, Title: "Run it:"},
		&cobra.Group{ID: groupLook, Title: "See what happens:"},
		&cobra.Group{ID: groupMend, Title: "Step in:"},
		&cobra.Group{ID: groupTry, Title: "Try things out:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			a.completeFlags(c)
			root.AddCommand(c)
		}
	}
	add(groupSetup, initCommand(a), validateCommand(a), fmtCommand(a), secretCommand(a))
	add(groupRun, planCommand(a), runCommand(a), pollCommand(a), reconcileCommand(a))
	add(groupLook, statusCommand(a), eventsCommand(a), deliveriesCommand(a), inboundCommand(a))
	add(groupMend, approveCommand(a), replayCommand(a), pauseCommand(a), resumeCommand(a), forgetCommand(a), backupCommand(a))
	add(groupTry, demoCommand(a), listenCommand(a))
	root.AddCommand(versionCommand(a), completionCommand(a))
	return root
}

// readGlobals checks the global flags once, before any command runs.
func (a *app) readGlobals(cmd *cobra.Command) error {
	a.vars = make(map[string]string, len(a.assign))
	for _, pair := range a.assign {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			// The argument may be a secret whose name was forgotten, so it is not repeated here.
			return wrongCall(cmd, "--var needs NAME=VALUE")
		}
		a.vars[name] = value
	}
	if a.json {
		a.out.on = false // machines want the bare text
	}
	if _, err := a.logLevel(slog.LevelInfo); err != nil {
		return wrongCall(cmd, "%s", err)
	}
	return nil
}

// logLevel is the level asked for, or otherwise.
func (a *app) logLevel(otherwise slog.Level) (slog.Level, error) {
	switch a.level {
	case "":
		return otherwise, nil
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("--log-level %q is not a level; choose debug, info, warn or error", a.level)
}

// action wraps the body of a command that an interrupt simply ends. A second interrupt ends the process the hard way.
func action(body func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop)
		return body(ctx, args)
	}
}

func helpOrUnknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return unknownCommand(cmd, args[0])
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || topic == nil || (len(rest) > 0 && topic.HasSubCommands()) {
				return unknownCommand(cmd.Root(), strings.Join(args, " "))
			}
			return topic.Help()
		},
	}
}

// printf writes a result. Nothing useful can be done where stdout is gone, so its error is dropped.
func (a *app) printf(format string, args ...any) { _, _ = fmt.Fprintf(a.stdout, format, args...) }

// notef writes a remark for the person at the terminal, never a result.
func (a *app) notef(format string, args ...any) { _, _ = fmt.Fprintf(a.stderr, format, args...) }

// document prints one value as indented JSON.
func (a *app) document(v any) error { return a.encode(v, "  ") }

// line prints one value as a line of JSON.
func (a *app) line(v any) error { return a.encode(v, "") }

func (a *app) encode(v any, indent string) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}
