package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/configs"
)

// The exit codes of every command.
const (
	exitDone    = 0
	exitFailed  = 1
	exitWrong   = 2 // the call itself is wrong
	exitChanges = 3 // plan --exit-code or reconcile --exit-code found something
)

// callError means that the call is wrong; it ends with the line to type.
type callError struct{ text, hint string }

func (e *callError) Error() string { return e.text }

// exitError ends with a code and says nothing, because everything has been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// hintError is an error with what to do next.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// hinted adds what to do next to an error.
func hinted(err error, format string, args ...any) error {
	return &hintError{err, fmt.Sprintf(format, args...)}
}

func wrongCall(cmd *cobra.Command, format string, args ...any) error {
	return &callError{fmt.Sprintf(format, args...), "usage: " + cmd.UseLine()}
}

func unknownCommand(parent *cobra.Command, name string) error {
	text := fmt.Sprintf("there is no command %q", strings.TrimPrefix(parent.CommandPath()+" "+name, "hookbridge "))
	parent.SuggestionsMinimumDistance = 2
	if near := parent.SuggestionsFor(name); len(near) > 0 {
		return &callError{text, "did you mean: " + parent.CommandPath() + " " + near[0]}
	}
	return &callError{text, "see what there is: hookbridge help"}
}

// between accepts from least to most arguments (most < 0: any number) and says what is missing otherwise.
func between(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return wrongCall(cmd, "%s needs %s", cmd.Name(), what)
		case most >= 0 && len(args) > most:
			return wrongCall(cmd, "%s does not take the argument %q", cmd.Name(), args[most])
		}
		return nil
	}
}

// conclude prints what went wrong and returns the exit code.
func (a *app) conclude(err error) int {
	var exit exitError
	var call *callError
	var broken *configs.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return int(exit)
	case errors.As(err, &call):
		a.complain(call.text, call.hint)
		return exitWrong
	case errors.As(err, &broken):
		a.explain(broken)
		return exitFailed
	case errors.Is(err, context.Canceled):
		a.complain("interrupted", "")
		return exitFailed
	}
	var hint string
	var withHint *hintError
	switch {
	case errors.As(err, &withHint):
		hint = withHint.hint
	case errors.Is(err, fs.ErrPermission):
		hint = "call hookbridge as the user the bridge runs as"
	}
	a.complain(err.Error(), hint)
	return exitFailed
}

// complain prints an error and its hint. Errors of the other rooms carry their advice behind the last semicolon; where
// it names a command it is a hint as well.
func (a *app) complain(text, hint string) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\n", " "))
	if i := strings.LastIndex(text, "; "); hint == "" && i > 0 && strings.Contains(text[i:], "hookbridge ") {
		text, hint = text[:i], text[i+2:]
	}
	a.notef("%s %s\n", a.err.red("hookbridge: error:"), printable(text))
	if hint != "" {
		a.notef("%s %s\n", a.err.cyan("hookbridge: hint:"), printable(hint))
	}
}

// explain prints the diagnostics of a configuration with the lines they point at.
func (a *app) explain(e *configs.Error) {
	if len(e.Diagnostics) == 1 && e.Diagnostics[0].Subject == nil {
		a.complain(e.Error(), "") // of a file that cannot be read there is no line to show
		return
	}
	e.Render(a.stderr, a.err.width(), a.err.on)
	name := a.config
	if first := e.Diagnostics[0].Subject; first != nil {
		name = first.Filename
	}
	a.complain(fmt.Sprintf("%s has %s", name, count(len(e.Diagnostics.Errs()), "mistake")), "correct it, then check with: hookbridge validate")
}
