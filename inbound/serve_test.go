package inbound_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/inbound"
)

// pipes is a listener within a bubble of simulated time.
type pipes struct {
	calls  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// call is one connection to a server in a bubble.
type call struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func (p *pipes) dial(t *testing.T) *call {
	ours, theirs := net.Pipe()
	p.calls <- theirs
	return &call{ours, t, bufio.NewReader(ours)}
}

func (c *call) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Error(err)
	}
}

// answer reads an answer; "closed" where the connection ended without one.
func (c *call) answer() string {
	c.t.Helper()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "closed"
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return fmt.Sprint(response.StatusCode)
}

// bubble serves in simulated time, and ends what it began.
func bubble(t *testing.T, inbox inbound.Inbox, options inbound.Options, body func(t *testing.T, s *inbound.Server, p *pipes)) {
	synctest.Test(t, func(t *testing.T) {
		s := inbound.New(inbox, options)
		r := inbound.Receiver{Name: "orders", Open: true}
		if err := s.Set([]inbound.Receiver{r}, nil); err != nil {
			t.Fatal(err)
		}
		p := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Serve(ctx, ctx, p) }()
		body(t, s, p)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func post(length int) string {
	return fmt.Sprintf("POST /in/orders HTTP/1.1\r\nHost: bridge\r\nContent-Length: %d\r\n\r\n", length)
}

func TestSlowClientsAreNotWaitedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		begin  string // sent at once; then a byte a second
		answer string
		within time.Duration
	}{
		"headers":                   {"POST /in/orders HTTP/1.1\r\nHost: bridge\r\nX-Slow: ", "closed", 11 * time.Second},
		"nothing at all":            {"", "closed", 11 * time.Second},
		"a body":                    {post(1000), "408", 16 * time.Second},
		"a body for nobody":         {strings.Replace(post(1000), "orders", "nobody", 1), "404", time.Second},
		"a body in chunks":          {"POST /in/orders HTTP/1.1\r\nHost: bridge\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n", "408", 16 * time.Second},
		"a body that is too large":  {post(1 << 30), "413", time.Second},
		"a body of a refused thing": {strings.Replace(post(1000), "POST", "PATCH", 1), "405", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var d desk
			bubble(t, &d, inbound.Options{}, func(t *testing.T, _ *inbound.Server, p *pipes) {
				c := p.dial(t)
				began := time.Now()
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					_, err := io.WriteString(c, tc.begin)
					for err == nil && tc.begin != "" {
						time.Sleep(time.Second)
						_, err = io.WriteString(c, "x")
					}
				}()
				if got := c.answer(); got != tc.answer {
					t.Errorf("answer %s, want %s", got, tc.answer)
				}
				// The answer may come while the rest of the body is still being read; then that has an end as well.
				if _, err := c.in.ReadByte(); err == nil {
					t.Error("the connection goes on")
				}
				if took := time.Since(began); took > tc.within+16*time.Second {
					t.Errorf("the connection was held for %s", took)
				}
				_ = c.Close()
				<-stopped
				if d.count() != 0 {
					t.Error("half a webhook was taken")
				}
			})
		})
	}
}

func TestMemoryForBodiesIsBounded(t *testing.T) {
	var d desk
	bubble(t, &d, inbound.Options{Memory: 56 << 10}, func(t *testing.T, s *inbound.Server, p *pipes) {
		slow := p.dial(t)
		slow.write(post(40<<10) + strings.Repeat(" ", 33<<10)) // for which 40 KiB are set aside
		synctest.Wait()
		quick := p.dial(t)
		go func() { _, _ = io.WriteString(quick, post(20<<10)+strings.Repeat(" ", 20<<10)) }()
		if got := quick.answer(); got != "503" {
			t.Errorf("beyond the bound: %s", got)
		}
		_ = quick.Close()
		if got := s.Status()[0].Refused["busy"]; got != 1 {
			t.Errorf("%d refused as busy", got)
		}
		slow.write(strings.Repeat(" ", 7<<10))
		if got := slow.answer(); got != "200" {
			t.Errorf("the first is answered %s", got)
		}
		_ = slow.Close()
		synctest.Wait()
		again := p.dial(t)
		again.write(post(20<<10) + strings.Repeat(" ", 20<<10))
		if got := again.answer(); got != "200" {
			t.Errorf("with memory given back: %s", got)
		}
		_ = again.Close()
	})
}

func TestWhoeverAnnouncesMuchAndSendsLittleHoldsLittle(t *testing.T) {
	var d desk
	bubble(t, &d, inbound.Options{Memory: 100 * 4 << 10}, func(t *testing.T, _ *inbound.Server, p *pipes) {
		var all []*call
		for range 99 {
			c := p.dial(t)
			c.write(post(1 << 20))
			all = append(all, c)
		}
		synctest.Wait()
		honest := p.dial(t)
		honest.write(post(2) + "{}")
		if got := honest.answer(); got != "200" {
			t.Errorf("beside 99 who announce 1 MiB each: %s", got)
		}
		for _, c := range append(all, honest) {
			_ = c.Close()
		}
	})
}

// gate is an inbox that takes as long as it is told to.
type gate chan struct{}

func (g gate) Accept(ctx context.Context, _ *bridge.Inbound, _ json.RawMessage) (bool, error) {
	<-g
	return false, ctx.Err()
}

// hanging is a server with a webhook that its inbox keeps waiting.
type hanging struct {
	*inbound.Server
	inbox   gate
	webhook *call
	stop    context.CancelFunc
	done    chan error // what Serve returned
}

func hangingServer(t *testing.T, drain context.Context) *hanging {
	t.Helper()
	inbox := make(gate)
	h := &hanging{Server: inbound.New(inbox, inbound.Options{}), inbox: inbox, done: make(chan error, 1)}
	if err := h.Set([]inbound.Receiver{{Name: "orders", Open: true}}, nil); err != nil {
		t.Fatal(err)
	}
	p := newPipes()
	var ctx context.Context
	ctx, h.stop = context.WithCancel(t.Context())
	go func() { h.done <- h.Serve(ctx, drain, p) }()
	h.webhook = p.dial(t)
	h.webhook.write(post(2) + "{}")
	synctest.Wait()
	return h
}

func TestAStopFinishesWhatWasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hangingServer(t, t.Context())
		s.stop()
		synctest.Wait()
		select {
		case err := <-s.done:
			t.Fatalf("ended with a webhook under way: %v", err)
		default:
		}
		close(s.inbox)
		if got := s.webhook.answer(); got != "200" {
			t.Errorf("the webhook under way is answered %s", got)
		}
		if err := <-s.done; err != nil {
			t.Error(err)
		}
		_ = s.webhook.Close()
	})
}

func TestAStopDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drain, enough := context.WithTimeout(t.Context(), 10*time.Second)
		defer enough()
		s := hangingServer(t, drain)
		began := time.Now()
		s.stop()
		if err := <-s.done; err != nil || time.Since(began) < 9*time.Second || time.Since(began) > 11*time.Second {
			t.Errorf("ended after %s with %v", time.Since(began), err)
		}
		close(s.inbox)
		_ = s.webhook.Close()
	})
}

// A sender that gives up waiting has sent all the same: what it sent is kept.
func TestASenderThatHangsUpHasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hangingServer(t, t.Context())
		_ = s.webhook.Close()
		synctest.Wait()
		close(s.inbox)
		synctest.Wait()
		if got := s.Status()[0]; got.Accepted != 1 {
			t.Errorf("status %+v", got)
		}
		s.stop()
		if err := <-s.done; err != nil {
			t.Error(err)
		}
	})
}
