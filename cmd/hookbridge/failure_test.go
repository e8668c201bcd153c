package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestErrorsEndWithWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, exitDone, ""},
		{exitError(exitChanges), exitChanges, ""},
		{errors.New("disk full"), exitFailed, "hookbridge: error: disk full\n"},
		{fmt.Errorf("open: %w", hinted(errors.New("no file"), "start: hookbridge %s", "init")), exitFailed,
			"hookbridge: error: open: no file\nhookbridge: hint: start: hookbridge init\n"},
		{errors.New(`job "a; b" is not found; see: hookbridge status`), exitFailed,
			"hookbridge: error: job \"a; b\" is not found\nhookbridge: hint: see: hookbridge status\n"},
		{errors.New("the server said: a; b"), exitFailed, "hookbridge: error: the server said: a; b\n"},
		{errors.New("two\nlines \x1b[2J"), exitFailed, "hookbridge: error: two lines \\x1b[2J\n"},
		{fmt.Errorf("socket: %w", syscall.EACCES), exitFailed,
			"hookbridge: error: socket: permission denied\nhookbridge: hint: call hookbridge as the user the bridge runs as\n"},
		{fmt.Errorf("poll: %w", context.Canceled), exitFailed, "hookbridge: error: interrupted\n"},
		{&callError{"wrong", "usage: hookbridge poll JOB"}, exitWrong, "hookbridge: error: wrong\nhookbridge: hint: usage: hookbridge poll JOB\n"},
	} {
		var b strings.Builder
		a := &app{stderr: &b}
		if code := a.conclude(c.err); code != c.code {
			t.Errorf("%v: exit code %d, want %d", c.err, code, c.code)
		}
		if diff := cmp.Diff(c.want, b.String()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.err, diff)
		}
	}
}
