package outbound_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	official "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/outbound"
	"github.com/hookbridge/bridge/signature"
	"github.com/hookbridge/bridge/store/sqlite"
)

var secret = signature.NewSecret()

// house is a real store with a job and a dispatcher that delivers from it.
type house struct {
	testing.TB
	path string
	db   *sqlite.DB
	d    *outbound.Dispatcher
	job  bridge.JobState
	stop func(cut bool) error
	n    int
}

func open(t testing.TB) *house {
	h := &house{TB: t, path: filepath.Join(t.TempDir(), "bridge.db")}
	h.reopen()
	t.Cleanup(func() { h.close() })
	return h
}

func (h *house) check(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) reopen() {
	var err error
	h.db, err = sqlite.Open(context.Background(), h.path, sqlite.Options{})
	h.check(err)
	h.job, err = h.db.OpenJob(context.Background(), "orders", "digest", "rules")
	h.check(err)
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.db.Run(ctx) }()
	h.stop = func(bool) error { end(); return <-ended }
}

// run starts a dispatcher to url, known to the store by name.
func (h *house) run(destinations ...outbound.Destination) {
	for i := range destinations {
		info, err := h.db.OpenDestination(context.Background(), destinations[i].Name)
		h.check(err)
		destinations[i].Number, destinations[i].State = info.Number, info.State
		destinations[i].Secrets = []bridge.Secret{secret}
		destinations[i].Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	h.d = outbound.New(h.db, outbound.Options{})
	h.check(h.d.Set(destinations))
	ctx, stop := context.WithCancel(context.Background())
	drain, cut := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.d.Run(ctx, drain) }()
	store := h.stop
	h.stop = func(now bool) error {
		stop()
		if now {
			cut()
		}
		err := <-ended
		cut()
		return errors.Join(err, store(now))
	}
}

// halt ends dispatcher and store.
func (h *house) halt(cut bool) {
	h.Helper()
	if h.stop == nil {
		return
	}
	h.check(h.stop(cut))
	h.stop = nil
	h.check(h.db.Close())
}

func (h *house) close() { h.halt(true) }

// commit writes events for keys to destinations in one chunk.
func (h *house) commit(size int, destinations []int64, keys ...string) []string {
	h.Helper()
	began, err := h.db.BeginRun(context.Background(), h.job.Number)
	h.check(err)
	defer h.db.EndRun(h.job.Number, began)
	chunk := &bridge.Chunk{Job: h.job.Number, Began: began, RulesNumber: h.job.RulesNumber, First: true, Identity: "test"}
	for _, destination := range destinations {
		chunk.Targets = append(chunk.Targets, bridge.Target{Destination: destination, Format: outbound.FormatStandard, FormatVersion: outbound.Version, Ordered: true})
	}
	for _, key := range keys {
		h.n++
		body := fmt.Appendf(nil, `{"id":%d,"pad":"%s"}`, h.n, strings.Repeat("x", size))
		chunk.Puts = append(chunk.Puts, bridge.Put{
			Key: fmt.Sprint(h.n), Body: body, Entry: bridge.IndexEntry{Key: uint64(h.n), Raw: uint64(h.n), Canon: uint64(h.n)},
			Event: &bridge.Event{Type: "orders.created", Key: key, Op: bridge.Created, Origin: bridge.Schedule, After: body},
		})
	}
	_, err = h.db.Commit(context.Background(), chunk)
	h.check(err)
	var ids []string
	for i := range chunk.Puts {
		ids = append(ids, chunk.Puts[i].Event.ID)
	}
	return ids
}

func (h *house) numbers(names ...string) (out []int64) {
	for _, name := range names {
		info, err := h.db.OpenDestination(context.Background(), name)
		h.check(err)
		out = append(out, info.Number)
	}
	return out
}

// wait waits until nothing is left to deliver but what stands behind a key that is refused.
func (h *house) wait(done func() bool) {
	h.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		<-tick.C
	}
}

// log is what a receiver verified and took.
type log struct {
	mu     sync.Mutex
	refuse string // key answered 500
	keys   map[string][]int64
	ids    map[string]int
	bad    []error
}

func (l *log) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	verifier, keyErr := official.NewWebhook(secret.Reveal())
	var event struct {
		Data struct {
			Key      string
			Sequence int64
		}
	}
	err = errors.Join(err, keyErr)
	if err == nil {
		err = errors.Join(verifier.Verify(body, r.Header), json.Unmarshal(body, &event))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.bad = append(l.bad, err)
	}
	if event.Data.Key == l.refuse && l.refuse != "" {
		w.WriteHeader(500)
		return
	}
	l.keys[event.Data.Key] = append(l.keys[event.Data.Key], event.Data.Sequence)
	l.ids[r.Header.Get("webhook-id")]++
}

func (l *log) count() int { l.mu.Lock(); defer l.mu.Unlock(); return len(l.ids) }

// TestFailingKeyHoldsItsLaneOnly delivers from a real store to a real receiver that refuses one key: everything else
// arrives in order, and so does the lane once it is taken.
func TestFailingKeyHoldsItsLaneOnly(t *testing.T) {
	h := open(t)
	l := &log{refuse: "k3", keys: map[string][]int64{}, ids: map[string]int{}}
	server := httptest.NewServer(l)
	defer server.Close()
	var keys []string
	for i := range 400 {
		keys = append(keys, fmt.Sprintf("k%d", i%8))
	}
	destinations := h.numbers("shop")
	h.commit(100, destinations, keys[:200]...)
	h.run(outbound.Destination{Name: "shop", URL: server.URL, Retry: []time.Duration{0, 30 * time.Millisecond, 30 * time.Millisecond, time.Hour}})
	h.commit(100, destinations, keys[200:]...)
	h.d.Wake(destinations...)
	var rows []bridge.DeliveryRow
	h.wait(func() bool {
		var err error
		rows, err = h.db.Deliveries(t.Context(), bridge.DeliveryQuery{State: bridge.StateReady})
		h.check(err)
		return h.db.Backlog() == 50 && len(rows) == 1 && rows[0].Attempts == 3
	})
	l.mu.Lock()
	if len(l.keys["k3"]) != 0 {
		t.Errorf("the refused key was taken: %v", l.keys["k3"])
	}
	l.refuse = ""
	l.mu.Unlock()

	// The head waits for an hour by now. It becomes a dead letter, its lane goes on, and an operator replays it.
	h.check(h.db.Settle(t.Context(), []bridge.Settlement{{Delivery: rows[0].ID, Destination: destinations[0], Verdict: bridge.Dead, Attempt: bridge.Attempt{At: time.Now(), Error: "given up"}}}))
	h.d.Wake()
	h.wait(func() bool { return l.count() == 399 })
	n, err := h.db.Replay(t.Context(), bridge.ReplayQuery{Dead: true})
	h.check(err)
	h.d.Wake()
	h.wait(func() bool { return l.count() == 400 })
	h.halt(false)
	if n != 1 {
		t.Errorf("replayed %d, want 1", n)
	}
	for key, sequences := range l.keys {
		if key == "k3" {
			sequences = sequences[:len(sequences)-1] // the replay stands outside the order
		}
		for i := 1; i < len(sequences); i++ {
			if sequences[i] <= sequences[i-1] {
				t.Errorf("%s: %d after %d", key, sequences[i], sequences[i-1])
			}
		}
		if len(l.keys[key]) != 50 {
			t.Errorf("%s: %d arrived, want 50", key, len(l.keys[key]))
		}
	}
	for id, times := range l.ids {
		if times != 1 {
			t.Errorf("%s arrived %d times", id, times)
		}
	}
	if len(l.bad) > 0 {
		t.Errorf("%d did not verify: %v", len(l.bad), l.bad[0])
	}
}

// TestRestartsLoseNothing ends the dispatcher in the middle, cutting what flies, and opens the store again, several
// times: every event arrives under its one id and in order; only what was in the air may come twice.
func TestRestartsLoseNothing(t *testing.T) {
	h := open(t)
	l := &log{keys: map[string][]int64{}, ids: map[string]int{}}
	server := httptest.NewServer(l)
	defer server.Close()
	var keys []string
	for i := range 600 {
		keys = append(keys, fmt.Sprintf("k%d", i%40))
	}
	committed := h.commit(50, h.numbers("shop"), keys...)
	const flying = 8
	for restarts := range 5 {
		h.run(outbound.Destination{Name: "shop", URL: server.URL, Concurrency: flying})
		h.wait(func() bool { return l.count() >= 100*(restarts+1) })
		h.halt(true)
		h.reopen()
	}
	h.run(outbound.Destination{Name: "shop", URL: server.URL, Concurrency: flying})
	h.wait(func() bool { return h.db.Backlog() == 0 })
	problems, err := h.db.Check(t.Context())
	h.check(err)
	h.halt(false)
	if len(problems) > 0 {
		t.Errorf("the store is not well: %v", problems)
	}
	twice := 0
	for _, id := range committed {
		if l.ids[id] == 0 {
			t.Errorf("%s was lost", id)
		}
		twice += l.ids[id] - 1
	}
	if len(l.ids) != len(committed) || twice > 5*flying {
		t.Errorf("%d ids of %d, %d came twice; want at most %d of those", len(l.ids), len(committed), twice, 5*flying)
	}
	for key, sequences := range l.keys {
		for i := 1; i < len(sequences); i++ {
			if sequences[i] < sequences[i-1] {
				t.Errorf("%s: %d after %d", key, sequences[i], sequences[i-1])
			}
		}
	}
	if len(l.bad) > 0 {
		t.Errorf("%d did not verify: %v", len(l.bad), l.bad[0])
	}
}
