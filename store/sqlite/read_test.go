package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hookbridge/bridge"
)

func TestDueGivesWhatIsNotInHandByTimeAndThenById(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	b.create(false, "1", "2", "3", "4")
	all := b.due(9)
	later := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	retry := func(d bridge.Delivery, at time.Time) {
		t.Helper()
		if err := b.Settle(t.Context(), []bridge.Settlement{{Delivery: d.ID, Verdict: bridge.Retry, RetryAt: at}}); err != nil {
			t.Fatal(err)
		}
	}
	retry(all[0], later)
	retry(all[1], time.Now().Add(-time.Hour))
	due, next, err := b.Due(t.Context(), b.dest.Number, time.Now(), 2, func(id int64) bool { return id == all[2].ID })
	if err != nil || len(due) != 2 || due[0].ID != all[1].ID || due[1].ID != all[3].ID || !next.Equal(later) {
		t.Errorf("due %v, next %s (want %s), error %v", due, next, later, err)
	}
}

func TestQueriesRestrictAndFollow(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	b.create(false, "1", "2", "3")
	b.settle(bridge.Delivered, b.due(1)...)
	before := time.Now().Add(time.Hour)
	events := must[[]bridge.EventRow](t)(b.Events(t.Context(), bridge.EventQuery{Bodies: true}))
	for name, c := range map[string]struct {
		q    bridge.EventQuery
		want string
	}{
		"id":           {bridge.EventQuery{ID: events[1].ID}, "2"},
		"no id":        {bridge.EventQuery{ID: "evt_1"}, ""},
		"newest":       {bridge.EventQuery{Limit: 2}, "2 3"},
		"follow":       {bridge.EventQuery{After: events[0].Number, Limit: 1}, "2"},
		"job":          {bridge.EventQuery{Job: "orders"}, "1 2 3"},
		"another job":  {bridge.EventQuery{Job: "bridge"}, ""},
		"key":          {bridge.EventQuery{Key: "3"}, "3"},
		"type":         {bridge.EventQuery{Type: "orders.deleted"}, ""},
		"since":        {bridge.EventQuery{Since: before}, ""},
		"until":        {bridge.EventQuery{Until: before}, "1 2 3"},
		"together":     {bridge.EventQuery{Job: "orders", Key: "2", Type: "orders.created", Until: before}, "2"},
		"hostile text": {bridge.EventQuery{Key: "' OR 1=1 --"}, ""},
	} {
		var keys []string
		for _, e := range must[[]bridge.EventRow](t)(b.Events(t.Context(), c.q)) {
			keys = append(keys, e.Key)
			if e.After != nil {
				t.Errorf("%s: event has bodies that were not asked for", name)
			}
		}
		if got := strings.Join(keys, " "); got != c.want {
			t.Errorf("events by %s: got %q, want %q", name, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		q    bridge.DeliveryQuery
		want string
	}{
		"id":                  {bridge.DeliveryQuery{ID: 2}, "2"},
		"event":               {bridge.DeliveryQuery{Event: events[2].ID}, "3"},
		"delivered":           {bridge.DeliveryQuery{State: bridge.StateDelivered}, "1"},
		"ready":               {bridge.DeliveryQuery{State: bridge.StateReady, Destination: "crm", Job: "orders"}, "2 3"},
		"another destination": {bridge.DeliveryQuery{Destination: "log"}, ""},
		"follow":              {bridge.DeliveryQuery{After: 1, Limit: 1}, "2"},
		"changed":             {bridge.DeliveryQuery{ChangedIn: before}, ""},
		"changed since":       {bridge.DeliveryQuery{ChangedIn: events[0].Time}, "1 2 3"},
	} {
		var keys []string
		for _, d := range must[[]bridge.DeliveryRow](t)(b.Deliveries(t.Context(), c.q)) {
			keys = append(keys, d.Event.Key)
		}
		if got := strings.Join(keys, " "); got != c.want {
			t.Errorf("deliveries by %s: got %q, want %q", name, got, c.want)
		}
	}
	if _, err := b.Deliveries(t.Context(), bridge.DeliveryQuery{State: "lost"}); err == nil {
		t.Error("took a state that is none")
	}
}

func TestTheWALStaysBounded(t *testing.T) {
	for _, background := range []bool{true, false} {
		t.Run(fmt.Sprintf("background=%v", background), func(t *testing.T) {
			file := path(t)
			b := setUp(t, open(t, file))
			if background {
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- b.Run(ctx) }()
				defer func() {
					cancel()
					if err := <-done; err != nil {
						t.Error(err)
					}
				}()
			}
			body := strings.Repeat("x", 100_000)
			began, largest := b.begin(), int64(0)
			for i := range 1000 {
				chunk := b.chunk(began)
				chunk.Puts = []bridge.Put{created(fmt.Sprint(i), body)}
				chunk.Puts[0].Event = nil
				b.commit(chunk)
				info, err := os.Stat(file + "-wal")
				if err != nil {
					t.Fatal(err)
				}
				largest = max(largest, info.Size())
			}
			if largest > 48<<20 {
				t.Errorf("100 MB of commits let the WAL grow to %d MiB", largest>>20)
			}
		})
	}
}

func TestRowsComeInTheOrderAskedFor(t *testing.T) {
	b := setUp(t, open(t, path(t)))
	var keys []string
	for i := range 40 {
		keys = append(keys, fmt.Sprint(i))
	}
	ids := b.create(true, keys...)
	b.remove(b.begin(), ids[3], "3")
	for name, asked := range map[string][]int{
		"rising": {0, 1, 2, 3, 4, 5}, "with gaps": {0, 2, 5, 9, 10, 30, 31, 39}, "falling": {9, 8, 7}, "mixed": {5, 6, 7, 1, 2, 3, 30}, "none": {},
	} {
		var want, got []string
		var of []int64
		for _, i := range asked {
			of = append(of, ids[i])
			if i != 3 {
				want = append(want, fmt.Sprintf(`%d {"id":"%d"}`, i, i))
			}
		}
		err := b.Rows(t.Context(), b.job.Number, of, func(r bridge.Row) error {
			got = append(got, r.Key+" "+string(r.Body))
			return nil
		})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
	other := must[bridge.JobState](t)(b.OpenJob(t.Context(), "other", "", ""))
	if err := b.Rows(t.Context(), other.Number, ids[:1], func(bridge.Row) error { return nil }); err == nil {
		t.Error("read a row of another job")
	}
}
