package outbound

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
)

// receiver is a receiver inside a bubble of fake time.
type receiver func(*http.Request) (*http.Response, error)

func (r receiver) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		_, _ = io.Copy(io.Discard, request.Body)
		request.Body.Close()
	}
	return r(request)
}

func answer(status int, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("ok"))}
}

func TestScheduleIsFollowedToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t)
		r := l.add(1, "k")
		follower := l.add(1, "k")
		var mu sync.Mutex
		var times []time.Time
		var notices []Notice
		_, _ = running(t, l, Options{
			Transport: receiver(func(request *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				if request.Header.Get("webhook-id") == r.Event.ID {
					times = append(times, time.Now())
					return answer(500), nil
				}
				return answer(204), nil
			}),
			Notify: func(n Notice) { notices = append(notices, n) },
		}, to(1, "http://shop.test/"))
		pass(5 * 24 * time.Hour)
		synctest.Wait()

		waits := DefaultRetry()
		if len(times) != len(waits) {
			t.Fatalf("attempts: got %d, want %d", len(times), len(waits))
		}
		for i := 1; i < len(times); i++ {
			wait := times[i].Sub(times[i-1])
			if low, high := waits[i]*8/10, waits[i]*12/10+time.Second; wait < low || wait > high {
				t.Errorf("wait before attempt %d: got %s, want %s to %s", i+1, wait, low, high)
			}
		}
		if r.state != bridge.StateDead || follower.state != bridge.StateDelivered {
			t.Errorf("got %s and %s, want a dead letter, and its lane going on", r.state, follower.state)
		}
		if len(notices) != 1 || notices[0].Event != r.Event.ID || notices[0].Verdict != bridge.Dead || notices[0].Name != "shop" {
			t.Errorf("notices: got %+v, want one of the dead letter", notices)
		}
	})
}
