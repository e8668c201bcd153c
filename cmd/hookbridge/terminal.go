package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// paint colours text where its stream is a terminal and NO_COLOR (no-color.org) is not set.
type paint struct {
	on       bool
	terminal int // file descriptor; -1: not a terminal
}

func newPaint(w io.Writer, lookup func(string) (string, bool)) paint {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return paint{terminal: -1}
	}
	none, _ := lookup("NO_COLOR")
	kind, _ := lookup("TERM")
	return paint{on: none == "" && kind != "dumb", terminal: int(f.Fd())}
}

// width is the number of columns, or 100 where nobody looks.
func (p paint) width() int {
	if p.terminal >= 0 {
		if w, _, err := term.GetSize(p.terminal); err == nil && w >= 40 {
			return w
		}
	}
	return 100
}

func (p paint) in(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) red(s string) string    { return p.in("31", s) }
func (p paint) green(s string) string  { return p.in("32", s) }
func (p paint) yellow(s string) string { return p.in("33", s) }
func (p paint) cyan(s string) string   { return p.in("36", s) }
func (p paint) bold(s string) string   { return p.in("1", s) }
func (p paint) faint(s string) string  { return p.in("2", s) }

// printable makes text from outside safe to print: a record's key may hold escape sequences that would rewrite the screen.
func printable(s string) string {
	var b strings.Builder
	for rest := s; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		rest = rest[n:]
	}
	return b.String()
}

// progress is one line on a terminal's stderr that is written over and over; anywhere else it is nothing.
type progress struct {
	w     io.Writer
	on    bool
	shown bool
}

func (a *app) progress() *progress {
	return &progress{w: a.stderr, on: a.err.terminal >= 0 && !a.json}
}

func (p *progress) show(format string, args ...any) {
	if p.on {
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
		p.shown = true
	}
}

// clear removes the line, so that a result can be printed where it was.
func (p *progress) clear() {
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.shown = false
	}
}
