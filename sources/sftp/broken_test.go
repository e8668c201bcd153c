//go:build unix

package sftp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
)

// proxy stands between client and server, and cuts what the server says after some bytes.
type proxy struct {
	addr  string
	cut   atomic.Int64 // after so many; negative: never
	ended chan int64   // what the server has said, when a connection that is not to be cut has ended
}

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: listener.Addr().String(), ended: make(chan int64, 1)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(client, server) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); all.Wait() })
	return p
}

func (p *proxy) serve(client net.Conn, server string) {
	defer client.Close()
	behind, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer behind.Close()
	var up sync.WaitGroup
	defer up.Wait()
	up.Go(func() { _, _ = io.Copy(behind, client); _ = behind.Close() })
	from := io.Reader(behind)
	cut := p.cut.Load()
	if cut >= 0 {
		from = io.LimitReader(behind, cut)
	}
	n, _ := io.Copy(client, from)
	if _ = client.Close(); cut < 0 {
		p.ended <- n
	}
}

// TestAConnectionThatIsCutAnywhereProvesNothing cuts the connection at many places, from the first byte to the last.
func TestAConnectionThatIsCutAnywhereProvesNothing(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	const files = 120 // more than one answer to a request for a list
	for i := range files {
		put(t, fmt.Sprintf("%s/%03d.ndjson", dir, i), "1\n2\n")
	}
	put(t, dir+"/large.ndjson", strings.Repeat("{\"id\":12345678}\n", 10_000))
	p := newProxy(t, d.addr)
	port := p.addr[strings.LastIndexByte(p.addr, ':')+1:]
	known := d.known(t, "[127.0.0.1]:"+port+" "+d.public(t, "host_ed25519"))
	s := source(t, d.block(t, dir+"/*.ndjson", "addr", p.addr, "known_hosts", known))
	p.cut.Store(-1)
	whole := fetch(t.Context(), s, nil)
	if whole.err != nil || len(whole.records) != 2*files+10_000 {
		t.Fatalf("%d records, %v", len(whole.records), whole.err)
	}
	total := <-p.ended
	failed := 0
	for cut := int64(0); cut < total; cut += total/70 + 1 {
		p.cut.Store(cut)
		got := fetch(t.Context(), s, nil)
		if got.err == nil {
			if len(got.records) != len(whole.records) || !got.outcome.Stable {
				t.Errorf("cut after %d of %d bytes: %d records and no error", cut, total, len(got.records))
			}
			continue
		}
		failed++
		got.fails(t, "source.sftp: ")
	}
	if failed < 65 {
		t.Errorf("only %d cuts made a fetch fail", failed)
	}
}

func TestASessionThatIsKilledInTheMiddleOfAFile(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/large.ndjson", strings.Repeat("{\"id\":12345678}\n", 1<<20))
	s := source(t, d.block(t, dir+"/*.ndjson"))
	records := 0
	outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error {
		if records++; records == 1000 {
			d.killSessions()
		}
		return nil
	})
	fetched{outcome: outcome, err: err}.fails(t, "source.sftp: "+dir+"/large.ndjson: ", "the connection was lost")
	if records >= 1<<20 {
		t.Errorf("%d records", records)
	}
}

func TestTheFetchEndsWithItsContextAndWithEmit(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	put(t, dir+"/large.ndjson", strings.Repeat("{\"id\":12345678}\n", 1<<20))
	s := source(t, d.block(t, dir+"/*.ndjson"))
	mine := errors.New("mine")
	for _, at := range []int{1, 100_000} {
		records := 0
		if _, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error {
			if records++; records == at {
				return mine
			}
			return nil
		}); !errors.Is(err, mine) || records != at {
			t.Errorf("emit's error came back as %v after %d records", err, records)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		records = 0
		if outcome, err := s.Fetch(ctx, bridge.FetchOptions{}, func(bridge.Record) error {
			if records++; records == at {
				cancel(mine)
			}
			return nil
		}); !errors.Is(err, mine) || outcome.Complete {
			t.Errorf("the context's cause came back as %v", err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(mine)
	if got := fetch(ctx, s, nil); !errors.Is(got.err, mine) {
		t.Errorf("the context's cause came back as %v", got.err)
	}
}

func TestAServerThatSaysNothingIsLeftWithTheContext(t *testing.T) {
	t.Parallel()
	d := &daemon{keys: t.TempDir(), user: "bridge"}
	userKey(t, d.keys+"/id", nil)
	userKey(t, d.keys+"/host_ed25519", nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	d.addr = listener.Addr().String()
	s := source(t, d.block(t, "*.json", "known_hosts", d.known(t, "HOST "+d.public(t, "host_ed25519"))))
	mine := errors.New("mine")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, mine)
	defer cancel()
	if got := fetch(ctx, s, nil); !errors.Is(got.err, mine) {
		t.Errorf("got %v", got.err)
	}
}

func TestThousandsOfFiles(t *testing.T) {
	t.Parallel()
	d, dir := sshd(t), t.TempDir()
	for i := range 3000 {
		put(t, fmt.Sprintf("%s/%04d.json", dir, i), fmt.Sprintf("[%d]", i))
	}
	s := source(t, d.block(t, dir+"/*.json"))
	first := fetch(t.Context(), s, nil)
	if first.err != nil || len(first.records) != 3000 || first.records[2999] != "3000.1 2999" || !first.outcome.Complete || !first.outcome.Stable {
		t.Fatalf("%d records, %+v, %v", len(first.records), first.outcome, first.err)
	}
}
