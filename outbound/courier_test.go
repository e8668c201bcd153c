package outbound

import (
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
)

// arrivals notes what came when.
type arrivals struct {
	mu    sync.Mutex
	times []time.Time
	hosts []string
	most  int // in flight together
	now   int
}

// during answers with status after a while.
func (a *arrivals) during(wait time.Duration, status func() int) receiver {
	return func(r *http.Request) (*http.Response, error) {
		a.mu.Lock()
		a.times, a.hosts = append(a.times, time.Now()), append(a.hosts, r.URL.Host)
		a.now++
		a.most = max(a.most, a.now)
		a.mu.Unlock()
		defer func() { a.mu.Lock(); a.now--; a.mu.Unlock() }()
		if wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		return answer(status()), nil
	}
}

// backlog is a ledger with n deliveries to destination 1, each in a lane of its own.
func backlog(t *testing.T, n int) (*ledger, *arrivals) {
	l := newLedger(t)
	for range n {
		l.add(1, "")
	}
	return l, &arrivals{}
}

func always(status int) func() int { return func() int { return status } }

func (a *arrivals) count() int { a.mu.Lock(); defer a.mu.Unlock(); return len(a.times) }

// goroutines counts those that run a method of this package.
func goroutines(method string) (n int) {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "/outbound."+method) {
			n++
		}
	}
	return n
}

func TestPauseHoldsAndResumeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 100)
		destination := to(1, "http://shop.test/")
		destination.Concurrency = 4
		d, _ := running(t, l, Options{Transport: a.during(time.Second, always(200))}, destination)
		pass(1500 * time.Millisecond)
		d.SetState(1, bridge.Paused)
		pass(time.Hour)
		if got := l.count(bridge.StateDelivered); got != 8 || a.count() != 8 {
			t.Errorf("while paused: %d delivered of %d attempts, want the 8 begun before", got, a.count())
		}
		d.Wake(1)
		pass(time.Hour)
		if a.count() != 8 {
			t.Error("a wake-up made a paused destination go on")
		}
		d.SetState(1, bridge.Active)
		pass(time.Hour)
		if got := l.count(bridge.StateDelivered); got != 100 || a.count() != 100 {
			t.Errorf("after resume: %d delivered, %d attempts, want 100 each", got, a.count())
		}
		d.SetState(99, bridge.Active) // nobody: nothing
	})
}

func TestReceiverDisables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 20)
		var mu sync.Mutex
		status := 410
		var notices []Notice
		d, _ := running(t, l, Options{
			Transport: a.during(time.Second, func() int { mu.Lock(); defer mu.Unlock(); return status }),
			Notify: func(n Notice) {
				if !l.disabled[1] {
					t.Error("told before it was recorded")
				}
				notices = append(notices, n)
			},
		}, to(1, "http://shop.test/"))
		pass(time.Hour)
		if len(notices) != 1 || notices[0].Verdict != bridge.Disable || notices[0].Reason != "answered 410 Gone" {
			t.Errorf("notices: %+v, want one", notices)
		}
		if l.count(bridge.StateReady) != 20 || a.count() != 16 {
			t.Errorf("%d held after %d attempts, want all 20 after the 16 that flew", l.count(bridge.StateReady), a.count())
		}
		mu.Lock()
		status = 200
		mu.Unlock()
		d.SetState(1, bridge.Active)
		pass(time.Hour)
		if l.count(bridge.StateDelivered) != 20 {
			t.Errorf("after resume: %d delivered, want 20", l.count(bridge.StateDelivered))
		}
	})
}

func TestAbortMessageIsADeadLetterAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		first, second := l.add(1, "k"), l.add(1, "k")
		_, _ = running(t, l, Options{Transport: receiver(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("webhook-id") == first.Event.ID {
				return answer(400, "webhook-delivery", "abort-message"), nil
			}
			return answer(200), nil
		})}, to(1, "http://shop.test/"))
		synctest.Wait()
		if first.state != bridge.StateDead || len(first.tries) != 1 || second.state != bridge.StateDelivered {
			t.Errorf("got %s after %d, then %s", first.state, len(first.tries), second.state)
		}
	})
}

func TestRetryAfterBindsThatEventOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		held := l.add(1, "a")
		start := time.Now()
		var again time.Time
		_, _ = running(t, l, Options{Transport: receiver(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("webhook-id") != held.Event.ID {
				return answer(200), nil
			}
			if time.Since(start) < time.Minute {
				return answer(429, "Retry-After", "7200"), nil
			}
			again = time.Now()
			return answer(200), nil
		})}, to(1, "http://shop.test/"))
		pass(time.Minute)
		l.add(1, "b")
		pass(24 * time.Hour)
		if wait := again.Sub(start); wait < 2*time.Hour || wait > 2*time.Hour+time.Second {
			t.Errorf("came back after %s, want 2h", wait)
		}
		if len(held.tries) != 2 {
			t.Errorf("attempts: %+v", held.tries)
		}
	})
}

func TestConcurrencyHalvesAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 64)
		var mu sync.Mutex
		status := 503
		destination := to(1, "http://shop.test/")
		destination.Retry = []time.Duration{0, 10 * time.Second, 10 * time.Second, 10 * time.Second, time.Hour}
		_, _ = running(t, l, Options{Transport: a.during(time.Second, func() int { mu.Lock(); defer mu.Unlock(); return status })}, destination)
		pass(7500 * time.Millisecond) // 16, 8, 4, 2, 1, 1, 1 and 1 more in the air
		a.mu.Lock()
		if a.most != 16 || a.now != 1 || len(a.times) != 34 {
			t.Errorf("most %d, now %d, attempts %d; want 16, 1, 34", a.most, a.now, len(a.times))
		}
		a.most = 0
		a.mu.Unlock()
		mu.Lock()
		status = 200
		mu.Unlock()
		for range 300 {
			l.add(1, "")
		}
		pass(24 * time.Hour)
		if a.most != 16 || l.count(bridge.StateDelivered) != 364 {
			t.Errorf("recovered to %d, delivered %d; want 16, 364", a.most, l.count(bridge.StateDelivered))
		}
	})
}

func TestTimeoutHalvesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 64)
		_, _ = running(t, l, Options{Transport: a.during(time.Hour, always(200))}, to(1, "http://shop.test/"))
		pass(16 * time.Second)
		if a.most != 16 || a.now != 8 {
			t.Errorf("most %d, now %d; want 16, 8", a.most, a.now)
		}
		if got := l.settled[0].Attempt.Error; got != "no answer within 15s" {
			t.Errorf("reason: %q", got)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 100)
		destination := to(1, "http://shop.test/")
		destination.Rate = 10
		d, _ := running(t, l, Options{Transport: a.during(0, always(200))}, destination)
		pass(4950 * time.Millisecond)
		if got := a.count(); got != 50 {
			t.Errorf("in 4.95 s at 10/s: %d, want 50", got)
		}
		destination.Rate = 0
		if err := d.Set([]Destination{destination}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := l.count(bridge.StateDelivered); got != 100 {
			t.Errorf("without a rate: %d delivered, want the rest at once", got)
		}
	})
}

func TestFirstWaitCountsFromTheEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := newLedger(t), &arrivals{}
		r := l.add(1, "")
		destination := to(1, "http://shop.test/")
		destination.Retry = []time.Duration{10 * time.Minute}
		d, _ := running(t, l, Options{Transport: a.during(0, always(200))}, destination)
		pass(5 * time.Minute)
		again := l.add(1, "") // a replay of something old goes at once
		again.Event.Time, again.Replay = r.Event.Time.Add(-time.Hour), true
		d.Wake(1)
		synctest.Wait()
		if a.count() != 1 || again.state != bridge.StateDelivered {
			t.Errorf("%d attempts, the replay is %s", a.count(), again.state)
		}
		pass(time.Hour)
		if wait := a.times[1].Sub(r.Event.Time); wait < 8*time.Minute || wait > 12*time.Minute {
			t.Errorf("first attempt after %s, want 8 to 12 minutes", wait)
		}
	})
}

func TestDestinationThatIsDownCostsOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 2000)
		down, up := to(1, "http://down.test/"), to(2, "http://up.test/")
		hang, quick := (&arrivals{}).during(time.Hour, always(200)), a.during(time.Millisecond, always(200))
		d, _ := running(t, l, Options{Transport: receiver(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "down.test" {
				return hang(r)
			}
			return quick(r)
		})}, down, up)
		pass(time.Minute)
		for range 100 {
			l.add(2, "")
			d.Wake(2)
			began := time.Now()
			synctest.Wait()
			pass(time.Millisecond)
			synctest.Wait()
			if took := time.Since(began); took > time.Millisecond {
				t.Fatalf("took %s beside one that hangs", took)
			}
		}
		if a.count() != 100 {
			t.Errorf("%d arrived, want 100", a.count())
		}
	})
}

func TestIdleDestinationIsOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := newLedger(t), &arrivals{}
		for n := range int64(10) {
			l.add(n+1, "")
		}
		var destinations []Destination
		for n := range int64(10) {
			destinations = append(destinations, to(n+1, "http://shop.test/"))
		}
		_, _ = running(t, l, Options{Transport: a.during(time.Second, always(200))}, destinations...)
		pass(time.Minute)
		looks := l.looks
		if all, loops := goroutines("(*courier)"), goroutines("(*courier).run"); all != 10 || loops != 10 || a.count() != 10 {
			t.Errorf("%d goroutines, %d of them loops, after %d deliveries; want 10 loops only", all, loops, a.count())
		}
		pass(30 * time.Minute)
		if l.looks != looks {
			t.Errorf("looked %d times at an outbox that nobody touched", l.looks-looks)
		}
	})
}

// Outcomes gather for a moment while there is more to send; what waits for an outcome alone never waits for others.
func TestOutcomesGatherWhileThereIsMoreToSend(t *testing.T) {
	const took = 100 * time.Microsecond
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 200)
		destination := to(1, "https://shop.example.com")
		destination.Concurrency = 1
		running(t, l, Options{Transport: a.during(took, always(204))}, destination)
		pass(time.Second)
		if n := l.count(bridge.StateDelivered); n != 200 {
			t.Errorf("%d delivered", n)
		}
		if most := int(200*took/settlePause) + 3; l.commits > most {
			t.Errorf("%d commits, want at most %d", l.commits, most)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l, a := newLedger(t), &arrivals{}
		for range 20 {
			l.add(1, "1001")
		}
		running(t, l, Options{Transport: a.during(took, always(204))}, to(1, "https://shop.example.com"))
		pass(time.Second)
		if spread := a.times[len(a.times)-1].Sub(a.times[0]); len(a.times) != 20 || spread != 19*took {
			t.Errorf("%d arrived within %v, want 20 one right after the other", len(a.times), spread)
		}
	})
}

// The time-out is each attempt's own, though one worker makes them all: those that take nearly as long do not add up, and
// one that took too long harms none that follow.
func TestEachAttemptHasItsOwnTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 9)
		destination := to(1, "https://shop.example.com")
		destination.Concurrency, destination.Timeout = 1, time.Second
		quick := a.during(900*time.Millisecond, always(204))
		hangs := a.during(time.Hour, always(204))
		n := 0
		running(t, l, Options{Transport: receiver(func(r *http.Request) (*http.Response, error) {
			if n++; n == 4 || n == 5 {
				return hangs(r)
			}
			return quick(r)
		})}, destination)
		pass(9100 * time.Millisecond) // seven that were answered, two that were not
		if got := l.count(bridge.StateDelivered); got != 7 {
			t.Errorf("%d of the first nine attempts were good, want 7", got)
		}
		for i, s := range l.settled {
			if late := i == 3 || i == 4; late != (s.Attempt.Error == "no answer within 1s") {
				t.Errorf("attempt %d ended with %q", i+1, s.Attempt.Error)
			}
		}
	})
}
