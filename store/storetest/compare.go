package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hookbridge/bridge"
	"pgregory.net/rapid"
)

const all = 1 << 20

// compare reads everything from the store and holds it against the model.
func (m *machine) compare(t *rapid.T) {
	ctx := context.Background()
	m.compareJobs(t, ctx)
	m.compareEvents(t, ctx)
	m.compareDeliveries(t, ctx)
	m.compareInbounds(t, ctx)
}

// check has the store look itself over.
func (m *machine) check(t *rapid.T) {
	problems, err := m.store.Check(context.Background())
	same(t, "problems", problems, nil, err)
}

func same[T any](t *rapid.T, what string, got, want T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s differ (-want +got):\n%s", what, diff)
	}
}

func (m *machine) compareJobs(t *rapid.T, ctx context.Context) {
	var want []bridge.JobState
	var holds []bridge.Hold
	for _, j := range m.world.jobs {
		want = append(want, j.state)
		if n := j.held(); n > 0 {
			holds = append(holds, bridge.Hold{ID: j.hold.ID, Job: j.state.Name, Rows: n, Total: j.hold.Total})
		}
	}
	slices.SortFunc(want, func(a, b bridge.JobState) int { return cmp.Compare(a.Name, b.Name) })
	got, err := m.store.Jobs(ctx)
	same(t, "jobs", got, want, err)
	slices.SortFunc(holds, func(a, b bridge.Hold) int { return cmp.Compare(a.ID, b.ID) })
	found, err := m.store.Holds(ctx)
	for i := range found {
		if found[i].Since.IsZero() {
			t.Fatalf("hold %d has no beginning", found[i].ID)
		}
		found[i].Since = time.Time{}
	}
	same(t, "holds", found, holds, err)
	for number, j := range m.world.jobs {
		m.compareSnapshot(t, ctx, number, j)
	}
}

func (m *machine) compareSnapshot(t *rapid.T, ctx context.Context, number int64, j *mjob) {
	var ids []int64
	var entries, gotEntries []bridge.IndexEntry
	var absences []bridge.Absence
	var rows, gotRows []bridge.Row
	for id := range j.rows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		r := j.rows[id]
		entry := r.entry
		if r.rules != j.state.RulesNumber {
			entry.Canon = 0
		}
		entries = append(entries, entry)
		rows = append(rows, bridge.Row{ID: id, Key: r.key, Body: []byte(r.body)})
		if r.absence.Scans != 0 {
			absences = append(absences, r.absence)
		}
	}
	err := m.store.Index(ctx, number, func(e bridge.IndexEntry) error {
		gotEntries = append(gotEntries, e)
		return nil
	})
	same(t, "index entries", gotEntries, entries, err)
	err = m.store.Rows(ctx, number, ids, func(r bridge.Row) error {
		gotRows = append(gotRows, r)
		return nil
	})
	same(t, "rows", gotRows, rows, err)
	got, err := m.store.Absences(ctx, number)
	same(t, "absences", got, absences, err)
	bad, err := m.store.Quarantine(ctx, number)
	same(t, "quarantine", bad, j.quarantine, err)
}

func (m *machine) compareEvents(t *rapid.T, ctx context.Context) {
	var got, want []bridge.Event
	rows, err := m.store.Events(ctx, bridge.EventQuery{Limit: all, Bodies: true})
	for i, r := range rows {
		if i > 0 && r.Number <= rows[i-1].Number {
			t.Fatalf("event number %d after %d", r.Number, rows[i-1].Number)
		}
		got = append(got, r.Event)
	}
	for _, e := range m.world.events {
		want = append(want, e.event)
	}
	same(t, "events", got, want, err)
}

// told is a delivery as both the store and the model can say it.
type told struct {
	Event, Destination string
	State              bridge.DeliveryState
	Attempts           int
	Format             string
	Replay             bool
}

func (m *machine) compareDeliveries(t *rapid.T, ctx context.Context) {
	var got, want []told
	rows, err := m.store.Deliveries(ctx, bridge.DeliveryQuery{Limit: all})
	m.ids = make(map[*mdelivery]int64)
	for _, r := range rows {
		got = append(got, told{r.Event.ID, r.Destination, r.State, r.Attempts, r.Format, r.Replay})
		if (r.State == bridge.StateReady) == r.Due.IsZero() {
			t.Fatalf("delivery %d is %s and due %s", r.ID, r.State, r.Due)
		}
		if d := m.world.delivery(r.Event.ID, m.world.destination(r.Destination)); d != nil {
			m.ids[d] = r.ID
		}
	}
	backlog := int64(0)
	open := make(map[int64]bridge.DestinationInfo)
	for number, d := range m.world.destinations {
		open[number] = bridge.DestinationInfo{Number: number, Name: d.name, State: d.state, Reason: d.reason}
	}
	ready := make(map[int64][]string)
	for _, d := range m.world.deliveries {
		info := open[d.destination]
		want = append(want, told{d.event.event.ID, info.Name, d.state, d.made, d.target.Format, d.replay})
		switch d.state {
		case bridge.StateWaiting, bridge.StateReady:
			backlog++
			info.Backlog++
		case bridge.StateDead:
			info.Dead++
		}
		open[d.destination] = info
		if d.state == bridge.StateReady {
			ready[d.destination] = append(ready[d.destination], d.event.event.ID)
		}
	}
	same(t, "deliveries", got, want, err)
	same(t, "backlog", m.store.Backlog(), backlog, nil)
	var destinations []bridge.DestinationInfo
	for _, d := range open {
		destinations = append(destinations, d)
	}
	slices.SortFunc(destinations, func(a, b bridge.DestinationInfo) int { return cmp.Compare(a.Name, b.Name) })
	found, err := m.store.Destinations(ctx)
	for i := range found {
		found[i].Since, found[i].Next = time.Time{}, time.Time{}
	}
	same(t, "destinations", found, destinations, err)
	for number := range m.world.destinations {
		m.compareDue(t, ctx, number, ready[number])
	}
}

func (m *machine) compareDue(t *rapid.T, ctx context.Context, destination int64, want []string) {
	var got []string
	due, next, err := m.store.Due(ctx, destination, time.Now().Add(100*time.Hour), all, nil)
	for _, d := range due {
		got = append(got, d.Event.ID)
		e := m.world.delivery(d.Event.ID, destination)
		if e == nil {
			continue // the comparison below says more
		}
		same(t, "event delivered", d.Event, e.event.event, nil)
		same(t, "attempts since the last replay", d.Attempts, e.tries, nil)
	}
	slices.Sort(got)
	slices.Sort(want)
	same(t, "due deliveries", got, want, err)
	if !next.IsZero() {
		t.Fatalf("something is due at %s, though everything was", next)
	}
}
