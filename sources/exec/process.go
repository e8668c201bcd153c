package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hookbridge/bridge/sources/block"
)

// grace is how long a program has to end after it was asked to, and how long what it has started may hold its output
// without printing anything.
const grace = 5 * time.Second

// errHeld is an output that nobody knows the end of.
var errHeld = errors.New("the program has ended, but something it started holds its output open: have that print elsewhere, or wait for it")

// process is a running program. Reading it gives what it prints.
type process struct {
	ctx    context.Context
	cmd    *osexec.Cmd
	veil   block.Veil
	out    *os.File
	errs   *os.File
	said   complaint     // what came from errs
	heard  chan struct{} // closed when errs is over
	exited chan struct{} // closed when the program has ended
	err    error         // how it ended, as soon as exited is closed
	left   chan struct{} // closed when nobody reads any more
	mind   sync.WaitGroup
	read   int64
	over   bool // the end of the output was read

	mu    sync.Mutex
	cause error // why reading had to end
}

func (f *fetch) start() (*process, error) {
	if f.ctx.Err() != nil {
		return nil, context.Cause(f.ctx)
	}
	if info, err := os.Stat(f.dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("there is no folder %s to run it in; check dir", f.dir) // which would read as if the program were not there
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = stdout.Close() }()
	errs, stderr, err := os.Pipe()
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	defer func() { _ = stderr.Close() }()
	p := &process{
		ctx: f.ctx, veil: f.veil, out: out, errs: errs,
		heard: make(chan struct{}), exited: make(chan struct{}), left: make(chan struct{}),
		cmd: &osexec.Cmd{Path: f.path, Args: f.args, Env: f.env, Dir: f.dir, Stdout: stdout, Stderr: stderr, SysProcAttr: ownGroup()},
	}
	if err := p.cmd.Start(); err != nil {
		_, _ = out.Close(), errs.Close()
		return nil, fmt.Errorf("%w; check command and dir, and that the program may be run", err)
	}
	p.mind.Go(func() {
		_, _ = io.Copy(&p.said, errs)
		close(p.heard)
	})
	p.mind.Go(func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	})
	p.mind.Go(p.guard)
	return p, nil
}

// guard sees to it that nothing of the program outlives the fetch.
func (p *process) guard() {
	select {
	case <-p.exited:
		// What is in the pipe is still to be read. Who else holds it may print for as long as it likes, but must print.
		p.hurry()
		select {
		case <-p.left:
		case <-p.ctx.Done():
			p.interrupt(context.Cause(p.ctx))
		}
	case <-p.left:
		p.stop()
	case <-p.ctx.Done():
		p.interrupt(context.Cause(p.ctx))
		p.stop()
	}
	kill(p.cmd.Process)
	<-p.exited
}

// stop asks the program and what it has started to end, and gives it time to.
func (p *process) stop() {
	terminate(p.cmd.Process)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
	}
}

// hurry gives a read that waits, or will wait, only so long.
func (p *process) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cause == nil {
		_ = p.out.SetReadDeadline(time.Now().Add(grace))
	}
}

// interrupt ends reading, with a reason.
func (p *process) interrupt(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cause = cause
	_ = p.out.SetReadDeadline(time.Now())
}

// Read reads what the program prints.
func (p *process) Read(b []byte) (int, error) {
	select {
	case <-p.exited:
		p.hurry()
	default:
	}
	n, err := p.out.Read(b)
	p.read += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		p.over = true
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.mu.Lock()
		defer p.mu.Unlock()
		if err = p.cause; err == nil {
			err = errHeld
		}
	}
	return n, err
}

// wait waits for the program to end, when its output is over, and says how it did: nil is exit status 0.
func (p *process) wait() error {
	select {
	case <-p.exited:
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	_ = p.errs.SetReadDeadline(time.Now().Add(time.Second)) // what was said is there; what else holds errs does not count
	<-p.heard
	if p.err == nil {
		return nil
	}
	said := p.said.tail(p.veil)
	if said == "" {
		return fmt.Errorf("%w, and nothing on stderr", p.err)
	}
	return fmt.Errorf("%w; stderr ends with %s", p.err, said)
}

// end ends the program, if it has not ended yet, and everything it has started.
func (p *process) end() {
	close(p.left)
	<-p.exited
	_ = p.errs.SetReadDeadline(time.Now())
	p.mind.Wait()
	_, _ = p.out.Close(), p.errs.Close()
}

// complaint keeps the end of what a program says on stderr.
type complaint struct {
	mu   sync.Mutex
	text []byte
}

const (
	maxHeard = 64 << 10 // bytes that are kept: secrets are looked for in all of them
	maxShown = 1000     // bytes that are shown
)

func (c *complaint) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, p...)
	if len(c.text) > 2*maxHeard {
		c.text = append(c.text[:0], c.text[len(c.text)-maxHeard:]...)
	}
	return len(p), nil
}

// tail is the end of it, without secrets and in quotes; empty where nothing was said.
func (c *complaint) tail(veil block.Veil) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.TrimSpace(veil.Text(string(c.text)))
	if text == "" {
		return ""
	}
	if len(text) > maxShown {
		text = "…" + strings.ToValidUTF8(text[len(text)-maxShown:], "")
	}
	return strconv.Quote(text)
}
