package outbound

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
)

// pipes are the connections of a server in this process. The time of a bubble passes for both of their ends.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// over makes one attempt at a server that stands for any URL.
func over(t *testing.T, destination Destination, handler http.HandlerFunc) *landing {
	t.Helper()
	listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: handler}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	transport := &http.Transport{DialContext: listener.dial}
	defer func() { transport.CloseIdleConnections(); _ = server.Close(); serving.Wait() }()
	return try(t, destination, transport)
}

func TestTimeoutHasItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		l := over(t, to(1, "http://shop.test/"), func(_ http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
		if l.verdict != bridge.Retry || l.attempt.Error != "no answer within 15s" || !l.strained || requests.Load() != 1 || l.cut {
			t.Errorf("got %+v, strained %v, cut %v after %d requests; want one time-out, not tried again at once", l.attempt, l.strained, l.cut, requests.Load())
		}
		if l.attempt.Took != 15*time.Second || l.attempt.Status != 0 {
			t.Errorf("attempt: %+v", l.attempt)
		}
	})
}

// TestAnswerThatNeverEnds: the status says that the receiver has it, whatever becomes of the rest.
func TestAnswerThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := over(t, to(1, "http://shop.test/"), func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "thank")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		if l.verdict != bridge.Delivered || l.attempt.Answer != "thank" || l.strained || l.attempt.Took != 15*time.Second {
			t.Errorf("got %v %+v", l.verdict, l.attempt)
		}
	})
}
