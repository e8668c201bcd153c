package main

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a call of hookbridge that runs within this test, so that it ends with its context.
type process struct {
	stdout, stderr chan string // lines
	cancel         context.CancelFunc
	exit           chan int
}

func call(t *testing.T, environ map[string]string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &process{stdout: make(chan string, 100_000), stderr: make(chan string, 100_000), cancel: cancel, exit: make(chan int, 1)}
	var reading sync.WaitGroup
	pipe := func(lines chan string) *io.PipeWriter {
		r, w := io.Pipe()
		reading.Go(func() {
			defer close(lines)
			for scan := bufio.NewScanner(r); scan.Scan(); {
				if strings.Contains(scan.Text(), strings.TrimPrefix(scriptSecret, "whsec_")) {
					t.Errorf("hookbridge %s prints a secret: %s", strings.Join(args, " "), scan.Text())
				}
				lines <- scan.Text()
			}
		})
		return w
	}
	stdout, stderr := pipe(p.stdout), pipe(p.stderr)
	go func() {
		code := run(ctx, args, strings.NewReader(""), stdout, stderr, func(name string) (string, bool) {
			value, ok := environ[name]
			return value, ok
		})
		_, _ = stdout.Close(), stderr.Close()
		reading.Wait()
		p.exit <- code
	}()
	t.Cleanup(cancel)
	return p
}

// read returns the next line.
func (p *process) read(t *testing.T, lines chan string) string {
	t.Helper()
	return p.until(t, lines, func(string) bool { return true })
}

// until returns the first line that will do.
func (p *process) until(t *testing.T, lines chan string, will func(string) bool) string {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	var before []string
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the output ended; before: %q", before)
			}
			if will(line) {
				return line
			}
			before = append(before, line)
		case <-deadline:
			t.Fatalf("the line did not come; before: %q", before)
		}
	}
}

func holding(texts ...string) func(string) bool {
	return func(line string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
	}
}

// stop interrupts the process and returns its exit code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	p.cancel()
	return p.wait(t)
}

func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-p.exit:
		return code
	case <-time.After(2 * time.Minute):
		t.Fatal("the process does not end")
		return -1
	}
}
