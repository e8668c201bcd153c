package http_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/http"
)

// TestSinceLosesNothing plays random histories: records change between polls and between the pages of one, some become
// visible late, some carry a time that is equal, ahead or absurd. After the last poll we know every record as it is.
// Like a run, the test takes no watermark from a scan that saw a key twice: the pages moved, and may have hidden another.
func TestSinceLosesNothing(t *testing.T) {
	const seeds, polls = 60, 60
	parts := 0
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 1))
		clock := noon
		l := &ledger{perPage: 1 + random.IntN(4)}
		var open []entry // changed, but not visible yet: a transaction goes on, for less than the overlap
		var began time.Time
		tick := func() {
			clock = clock.Add(time.Duration(random.IntN(3)*random.IntN(20)) * time.Second) // often none at all
			for random.IntN(2) == 0 {
				id := random.IntN(12)
				if slices.ContainsFunc(open, func(o entry) bool { return o.id == id }) {
					continue
				}
				e := entry{id: id, rev: l.revision(id) + 1, when: strconv.Quote(clock.Format(time.RFC3339))}
				if random.IntN(20) == 0 {
					e.when = `"2099-01-01T00:00:00Z"`
				}
				if len(open) == 0 {
					began = clock
				}
				open = append(open, e)
			}
			if random.IntN(3) == 0 || clock.Sub(began) > 4*time.Minute {
				l.show(open)
				open = nil
			}
		}
		s := source(t, http.NewShared(nil, "", inProcess(func(req *nethttp.Request) (*nethttp.Response, error) {
			w := httptest.NewRecorder()
			l.ServeHTTP(w, req)
			answer := w.Result()
			answer.Request = req
			return answer, nil
		})), "url = \"https://ledger.example.com/\"\npagination \"page\" {}\n"+fmt.Sprintf(incremental, ""))
		known, from := map[int]int{}, bridge.Checkpoint(nil)
		poll := func() bridge.Outcome {
			l.date = clock
			seen, twice := map[int]bool{}, false
			got, err := s.Fetch(t.Context(), bridge.FetchOptions{From: from}, func(r bridge.Record) error {
				var e struct{ ID, Rev int }
				err := json.Unmarshal(r.Body, &e)
				known[e.ID] = max(known[e.ID], e.Rev)
				twice, seen[e.ID] = twice || seen[e.ID], true
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if !twice {
				from = got.Next
			}
			return got
		}
		for range polls {
			l.meant = tick
			if poll().Incremental {
				parts++
			}
			tick()
		}
		l.meant = nil
		l.show(open)
		poll()
		for _, e := range l.entries {
			if known[e.id] != e.rev {
				t.Errorf("seed %d: record %d is known at revision %d, not %d", seed, e.id, known[e.id], e.rev)
			}
		}
	}
	if parts < seeds*polls/2 {
		t.Errorf("only %d of %d fetches were incremental", parts, seeds*polls)
	}
}

func (l *ledger) revision(id int) int {
	for _, e := range l.entries {
		if e.id == id {
			return e.rev
		}
	}
	return 0
}

// show makes changes visible.
func (l *ledger) show(changes []entry) {
	for _, e := range changes {
		l.entries = append(slices.DeleteFunc(l.entries, func(o entry) bool { return o.id == e.id }), e)
	}
}
