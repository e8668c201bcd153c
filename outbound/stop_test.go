package outbound

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
)

func TestStoreThatCannotTakeOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, maxUnsettled+500)
		l.refuse = fmt.Errorf("settle: %w", bridge.ErrFull)
		var out strings.Builder
		destination := to(1, "http://shop.test/")
		destination.Concurrency = 64
		_, _ = running(t, l, Options{
			Logger: slog.New(slog.NewTextHandler(&out, nil)), Transport: a.during(time.Millisecond, always(200)),
		}, destination)
		pass(time.Hour)
		if got := a.count(); got != maxUnsettled {
			t.Errorf("delivered on with a full disk: %d, want up to the bound of %d", got, maxUnsettled)
		}
		l.mu.Lock()
		l.refuse = nil
		l.mu.Unlock()
		pass(time.Minute)
		if got := l.count(bridge.StateDelivered); got != len(l.rows) || a.count() != len(l.rows) {
			t.Errorf("%d delivered in %d attempts, want %d, each sent once", got, a.count(), len(l.rows))
		}
		if n := strings.Count(out.String(), "level=ERROR"); n != 1 || !strings.Contains(out.String(), "recorded again") {
			t.Errorf("%d errors logged, want one and its end:\n%s", n, out.String())
		}
	})
}

func TestStopFinishesWhatFlies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 50)
		_, end := running(t, l, Options{Transport: a.during(10*time.Second, always(200))}, to(1, "http://shop.test/"))
		pass(time.Second)
		began := time.Now()
		if err := end(false); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 9*time.Second || a.count() != 16 || l.count(bridge.StateDelivered) != 16 {
			t.Errorf("stopped after %s with %d attempts, %d recorded; want 9s, 16, 16", took, a.count(), l.count(bridge.StateDelivered))
		}
	})
}

func TestEndOfDrainCutsAndRecordsNothingOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 50)
		_, end := running(t, l, Options{Transport: a.during(10*time.Second, always(200))}, to(1, "http://shop.test/"))
		pass(time.Second)
		began := time.Now()
		if err := end(true); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 || l.attempts() != 0 || l.count(bridge.StateReady) != 50 {
			t.Errorf("stopped after %s, %d recorded, %d ready; want at once, 0, 50", took, l.attempts(), l.count(bridge.StateReady))
		}
	})
}

func TestStopSaysWhatCouldNotBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 3)
		l.refuse = bridge.ErrFull
		_, end := running(t, l, Options{Transport: a.during(0, always(200))}, to(1, "http://shop.test/"))
		pass(time.Minute)
		if err := end(true); !errors.Is(err, bridge.ErrFull) || !strings.Contains(err.Error(), `destination "shop": 3 outcomes`) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunIsCalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, end := running(t, newLedger(t), Options{}, to(1, "http://shop.test/"))
		synctest.Wait()
		if err := d.Run(t.Context(), t.Context()); err == nil {
			t.Error("a second Run was taken")
		}
		if err := end(false); err != nil {
			t.Error(err)
		}
		if err := d.Set([]Destination{to(2, "http://late.test/")}); err != nil {
			t.Error(err)
		}
	})
}
