package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

// extent is how much of a plan must have happened.
type extent int

const (
	none extent = iota // the run failed
	some               // the process ended in the middle of it
	all
)

// settle compares what the store holds with what it must hold: p has happened to job j to the extent given, and nothing
// to any other job. Then the model goes on from there.
func (m *machine) settle(t *rapid.T, planned *modelJob, p plan, want extent) {
	t.Helper()
	told := m.listen(t)
	holds, err := m.d.store.Holds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]int64{}
	for _, h := range holds {
		if held[h.Job] > 0 {
			t.Fatalf("job %s has two holds: %+v", h.Job, holds)
		}
		held[h.Job] = h.Rows
	}
	for _, j := range m.everyJob() {
		mine, extent := j.stay(), all
		if j == planned {
			mine, extent = p, want
		}
		m.compare(t, j, mine, told[j.number], extent)
		delete(told, j.number)
		state, err := m.d.store.Job(t.Context(), j.name)
		if err != nil {
			t.Fatalf("job %s: %v", j.name, err)
		}
		switch {
		case extent == all && mine.then != nil:
			mine.then(j)
		case extent == some && j.identity == "" && state.Identity != "":
			j.identity = j.modelConf.identity() // the first chunk ever says what the snapshot is of
		}
		if held[j.name] != j.held() {
			t.Fatalf("job %s: %d rows wait in holds, want %d", j.name, held[j.name], j.held())
		}
		if j.done != state.Baselined || j.empty != state.Empty || (j.identity != "") != (state.Identity != "") || j.sequence != state.Sequence {
			t.Fatalf("job %s is %+v in the store; baselined, empty, of a source, sequence should be %v, %v, %v, %d",
				j.name, state, j.done, j.empty, j.identity != "", j.sequence)
		}
	}
	for number, events := range told {
		t.Fatalf("events of job number %d, which is not there: %v", number, events)
	}
	m.deliver(t)
}

// listen reads the events told since the last look and checks what holds for every event; it returns them by job and
// key.
func (m *machine) listen(t *rapid.T) map[int64]map[string]modelEvent {
	t.Helper()
	rows, err := m.d.store.Events(t.Context(), bridge.EventQuery{After: m.lastEvent, Limit: 1 << 20, Bodies: true})
	if err != nil {
		t.Fatal(err)
	}
	told := map[int64]map[string]modelEvent{}
	for _, e := range rows {
		m.lastEvent = e.Number
		if e.JobNumber == 0 {
			continue
		}
		if m.ids[e.ID] {
			t.Fatalf("event id %s was given twice", e.ID)
		}
		m.ids[e.ID] = true
		j := m.numbered(e.JobNumber)
		if j == nil {
			t.Fatalf("event %+v is of no job", e)
		}
		if e.Sequence != j.sequence+1 || e.Time.Before(j.last) {
			t.Fatalf("event %+v follows sequence %d of %s", e, j.sequence, j.last)
		}
		j.sequence, j.last = e.Sequence, e.Time
		if e.Job != j.name || e.Type != j.name+"."+string(e.Op) || e.Origin != bridge.Manual && e.Origin != bridge.Schedule || (len(e.Changed) > 0) != (e.Op == bridge.Updated) {
			t.Fatalf("event %+v says something wrong of job %s", e, j.name)
		}
		if told[e.JobNumber] == nil {
			told[e.JobNumber] = map[string]modelEvent{}
		}
		if before, twice := told[e.JobNumber][e.Key]; twice {
			t.Fatalf("job %s tells %+v right after %v", j.name, e, before)
		}
		told[e.JobNumber][e.Key] = modelEvent{e.Op, string(e.Before), string(e.After)}
		for _, name := range j.Deliver {
			m.due[e.ID+" to "+name]++
		}
	}
	return told
}

// deliver compares the deliveries made since the last look with the events told since then.
func (m *machine) deliver(t *rapid.T) {
	t.Helper()
	rows, err := m.d.store.Deliveries(t.Context(), bridge.DeliveryQuery{After: m.lastDelivery, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]int{}
	for _, d := range rows {
		m.lastDelivery = d.ID
		made[d.Event.ID+" to "+d.Destination]++
	}
	if diff := cmp.Diff(m.due, made); diff != "" {
		t.Fatalf("deliveries (-want +got):\n%s", diff)
	}
	maps.Copy(m.deliveries, m.due)
	clear(m.due)
}

// compare checks one job's rows and events against a plan.
func (m *machine) compare(t *rapid.T, j *modelJob, p plan, told map[string]modelEvent, want extent) {
	t.Helper()
	is := m.stored(t, j)
	keys := map[string]bool{}
	for _, rows := range []map[string]modelRow{j.rows, p.rows, is} {
		for key := range rows {
			keys[key] = true
		}
	}
	first, last := 3, -1 // the earliest step that was not done, the latest that was
	for key := range keys {
		var wrong []string
		step := func(rank int, differs, done, kept bool) {
			switch {
			case !differs && !kept, want == all && !done, want == none && !kept, !done && !kept:
				wrong = append(wrong, fmt.Sprintf("step %d", rank))
			case !differs:
			case done:
				last = max(last, rank)
			default:
				first = min(first, rank)
			}
		}
		was, had := j.rows[key]
		will, has := p.rows[key]
		now, there := is[key]
		event, planned := p.told[key]
		heard, spoke := told[key]
		if spoke && (!planned || heard != event) {
			wrong = append(wrong, "event")
		}
		rank := 0 // changes, then absences, then deletions
		if had && !has {
			rank = 2
		}
		step(rank, had != has || was.Body != will.Body, there == has && now.Body == will.Body && spoke == planned,
			there == had && now.Body == was.Body && !spoke)
		if had && has && there {
			step(1, was.Absent != will.Absent, now.Absent == will.Absent, now.Absent == was.Absent)
		}
		if wrong != nil {
			t.Fatalf("job %s, key %s: wrong in %s\nwas    %v %+v\nwill   %v %+v\nis     %v %+v\ntell   %v %+v\ntold   %v %+v\nextent %d",
				j.name, key, strings.Join(wrong, ", "), had, was, has, will, there, now, planned, event, spoke, heard, want)
		}
	}
	if last > first {
		t.Fatalf("job %s: step %d was committed before step %d", j.name, last, first)
	}
	for key := range told {
		if !keys[key] {
			t.Fatalf("job %s tells %+v of key %s, which it never had", j.name, told[key], key)
		}
	}
	j.rows = is
}

// stored is the snapshot that the store holds of a job.
func (m *machine) stored(t *rapid.T, j *modelJob) map[string]modelRow {
	t.Helper()
	store, ctx := m.d.store, t.Context()
	absent := map[int64]modelAbsence{}
	absences, err := store.Absences(ctx, j.number)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range absences {
		switch {
		case a.Hold != 0:
			absent[a.ID] = modelAbsence{Held: true}
		case a.Scans < 0:
			absent[a.ID] = modelAbsence{Rejected: true}
		default:
			absent[a.ID] = modelAbsence{Scans: a.Scans, Stable: a.Stable}
		}
	}
	var ids []int64
	rows := map[string]modelRow{}
	if err := store.Index(ctx, j.number, func(e bridge.IndexEntry) error { ids = append(ids, e.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(ids) {
		t.Fatalf("job %s: the index is not in the order of its rows: %v", j.name, ids)
	}
	if err := store.Rows(ctx, j.number, ids, func(r bridge.Row) error {
		rows[r.Key] = modelRow{Body: string(r.Body), Absent: absent[r.ID]}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(ids) {
		t.Fatalf("job %s: %d rows, %d keys", j.name, len(ids), len(rows))
	}
	return rows
}

// checkDeliveries compares every delivery of the store with every one that was ever due: those of destinations that are
// no longer configured stay, and each lane is headed by its oldest.
func (m *machine) checkDeliveries(t *rapid.T) {
	t.Helper()
	rows, err := m.d.store.Deliveries(t.Context(), bridge.DeliveryQuery{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	all, heads := map[string]int{}, map[string]bool{}
	for _, d := range rows {
		all[d.Event.ID+" to "+d.Destination]++
		lane := fmt.Sprint(d.Destination, d.Event.JobNumber, d.Event.Key)
		state := bridge.StateReady
		if heads[lane] {
			state = bridge.StateWaiting
		}
		heads[lane] = true
		if d.State != state {
			t.Fatalf("delivery %d of lane %s is %s, want %s", d.ID, lane, d.State, state)
		}
	}
	if diff := cmp.Diff(m.deliveries, all); diff != "" {
		t.Fatalf("all deliveries (-want +got):\n%s", diff)
	}
}
