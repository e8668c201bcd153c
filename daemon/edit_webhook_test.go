package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

// What a webhook was acknowledged for outlives an edit that can do nothing with it: it ends, with a reason.
func TestIntentsThatAnEditMadeImpossibleEndWithAReason(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	lookup := "\n lookup {\n url = \"" + source.URL + "/records/${event.body.id}\"\n }"
	b := newBench(t, watched(source.URL, sink.URL, `on_event = "lookup"`, lookup))
	d := b.open()
	poll(t, d, "orders")
	hook(t, d, "m1", `{"id":1}`)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	b.write(watched(source.URL, sink.URL, `on_event = "poll"`, ""))
	d = b.open()
	serve(t, d)
	for inboundStates(t, d)["received"] > 0 {
	}
	if diff := cmp.Diff(map[bridge.InboundState]int{"failed": 1}, inboundStates(t, d)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestIntentsFollowARenamedJob(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	text := watched(source.URL, sink.URL, `on_event = "poll"`, "")
	b := newBench(t, text)
	d := b.open()
	defer d.Close()
	poll(t, d, "orders")
	hook(t, d, "m1", `{"id":1}`)
	reload(t, b, d, strings.ReplaceAll(text, `job "orders"`, `job "sales"`)+"moved {\n from = \"job.orders\"\n to = \"job.sales\"\n}\n")
	poll(t, d, "sales")
	for inboundStates(t, d)["received"] > 0 { // its end is noted after the run's
	}
}

func TestARetiredJobTakesNoWebhook(t *testing.T) {
	source, sink := newLegacy(t, `{"id":1,"v":1}`), newReceiver(t)
	b := newBench(t, watched(source.URL, sink.URL, "on_event = \"apply\"\nrecord = event.body", ""))
	d := b.open()
	defer d.Close()
	poll(t, d, "orders")
	w := &bridge.Inbound{Receiver: "orders", DeliveryID: "m1", At: time.Now(), Until: time.Now().Add(time.Hour), State: bridge.InboundReceived}
	e, err := d.effects(t.Context(), w, []byte(`{"id":1,"v":2}`))
	if err != nil {
		t.Fatal(err)
	}
	reload(t, b, d, watched(source.URL, sink.URL, "on_event = \"apply\"\nrecord = event.body", `ignore = ["zz"]`))
	if _, err := d.takeEffects(t.Context(), e); !errors.Is(err, errRetired) {
		t.Errorf("got %v, want errRetired", err)
	}
	if hook(t, d, "m1", `{"id":1,"v":2}`)/100 != 2 || len(kinds(t, d)) != 1 {
		t.Errorf("the new job did not take it: %v", kinds(t, d))
	}
}

func TestADeletionIsConfirmedWhileTheScheduleRests(t *testing.T) {
	b := newBench(t, strings.Replace(watched("http://legacy.test", "http://127.0.0.1:1", "on_event = \"poll\"\nsilence = \"4h\"", ""), "@every 1h", "@every 10m", 1))
	synctest.Test(t, func(t *testing.T) {
		var version, gone atomic.Int64
		p := &inProcess{answer: func(int) (int, http.Header, string, time.Duration) {
			if gone.Load() > 0 {
				return 200, nil, fmt.Sprintf(`[{"id":1,"v":%d}]`, version.Load()), 0
			}
			return 200, nil, fmt.Sprintf(`[{"id":1,"v":%d},{"id":2}]`, version.Load()), 0
		}}
		simulate(t, b, p, time.Minute, func(d *Daemon) {
			at := "here"
			d.listening.Store(&at)
			j, _ := d.job("orders")
			d.hear(j.watch)
			pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
			for i := range 6 {
				version.Add(1)
				hook(t, d, fmt.Sprint("m", i), `{}`)
				pass(10 * time.Minute)
			}
			if got := j.watch.status().State; got != "listening" {
				t.Fatalf("state %s, want listening", got)
			}
			gone.Store(1)
			hook(t, d, "gone", `{}`)
			pass(3 * time.Minute)
			if told := strings.Join(kinds(t, d), "\n"); !strings.Contains(told, "orders.deleted 2") {
				t.Errorf("the deletion was not told within three minutes:\n%s", told)
			}
		})
	})
}

// P8: a run that webhooks overtook is followed by one more, and then by the next tick.
func TestARunThatIsOvertakenIsFollowedOnce(t *testing.T) {
	b := newBench(t, watched("http://legacy.test", "http://127.0.0.1:1", "on_event = \"apply\"\nrecord = event.body", ""))
	synctest.Test(t, func(t *testing.T) {
		var d *Daemon
		n := 0
		p := &inProcess{}
		p.answer = func(int) (int, http.Header, string, time.Duration) {
			n++
			if d != nil && n > 1 { // overtaken by a webhook each time
				hook(t, d, fmt.Sprint("m", n), fmt.Sprintf(`{"id":1,"v":%d}`, 1000+n))
			}
			return 200, nil, fmt.Sprintf(`[{"id":1,"v":%d}]`, n), 0
		}
		opened, err := Open(context.Background(), Options{Path: b.path, Transport: p})
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		if _, err := opened.Poll(t.Context(), "orders"); err != nil {
			t.Fatal(err)
		}
		d = opened
		if _, err := d.Poll(t.Context(), "orders"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n != 3 {
			t.Errorf("%d polls, want the baseline, the one that was overtaken and one more", n)
		}
	})
}
