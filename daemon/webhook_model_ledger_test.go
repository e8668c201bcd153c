package daemon

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

// hookHistory is what was told of one job: for each record its versions, one after the other, and who said so.
type hookHistory struct {
	records map[int][]hookTold
	events  int
}

// hookTold is one event. before and after are 0 where there is no record.
type hookTold struct {
	before, after int
	origin        bridge.Origin
}

// Check reads the whole history after each action. Work may go on meanwhile, so it looks only for what must never be.
func (m *hookMachine) Check(t *rapid.T) {
	for _, name := range hookJobs {
		m.history(t, name)
	}
}

// history reads everything that was told of a job and checks what holds at any time.
func (m *hookMachine) history(t *rapid.T, name string) hookHistory {
	t.Helper()
	m.mu.Lock()
	said := map[[2]int]int{} // webhooks that say so, by record and version
	for _, h := range m.sent {
		if !h.deleted {
			said[[2]int{h.id, h.version}]++
		}
	}
	m.mu.Unlock()
	j, err := m.d.job(name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := m.d.store.Events(t.Context(), bridge.EventQuery{Limit: 1 << 20, Bodies: true, Job: name})
	if err != nil {
		t.Fatal(err)
	}
	h := hookHistory{records: map[int][]hookTold{}, events: len(rows)}
	ids := map[string]bool{}
	for n, e := range rows {
		if e.JobNumber != j.number || e.Sequence != int64(n+1) || ids[e.ID] {
			t.Fatalf("job %s: event %d of the history is %+v", name, n+1, e)
		}
		ids[e.ID] = true
		id, told := 0, hookTold{before: versionOf(t, e.Before), after: versionOf(t, e.After), origin: e.Origin}
		if _, err := fmt.Sscan(e.Key, &id); err != nil {
			t.Fatalf("job %s: event of key %q", name, e.Key)
		}
		m.checkTold(t, name, e, id, h.records[id], told)
		if applied := name == "versioned" || name == "plain"; applied && told.after != 0 && told.origin == bridge.Webhook {
			same := [2]int{id, told.after}
			if said[same]--; said[same] < 0 {
				kept, _ := m.d.store.Inbounds(t.Context(), bridge.InboundQuery{Limit: 1 << 20})
				t.Fatalf("job %s: version %d of record %d is told by more webhooks than have said so: %+v after %+v; kept: %+v", name, told.after, id, told, h.records[id], kept)
			}
		}
		h.records[id] = append(h.records[id], told)
	}
	return h
}

// checkTold holds one event against those of its record before it, and against the truth there ever was.
func (m *hookMachine) checkTold(t *rapid.T, name string, e bridge.EventRow, id int, before []hookTold, told hookTold) {
	t.Helper()
	op := bridge.Updated
	switch {
	case told.before == 0:
		op = bridge.Created
	case told.after == 0:
		op = bridge.Deleted
	}
	was, newest := 0, 0
	for _, b := range before {
		was, newest = b.after, max(newest, b.before, b.after)
	}
	if e.Op != op || told.before == told.after || (len(before) > 0 || m.emit) && told.before != was {
		t.Fatalf("job %s, record %d: %s by %s of %+v follows %+v", name, id, e.Op, e.Origin, told, before)
	}
	m.mu.Lock()
	past := m.past[id]
	m.mu.Unlock()
	for _, version := range []int{told.before, told.after} {
		if version != 0 && !past[version] {
			t.Fatalf("job %s, record %d: version %d never was", name, id, version)
		}
	}
	switch {
	case told.after == 0:
	case name == "plain": // has nothing to know late news by
	case name == "versioned" && (told.before == 0 || told.after > told.before): // a late webhook of what is gone since begins a life anew, until polls mend it
	case told.after <= newest:
		t.Fatalf("job %s, record %d: %+v is older than what was told before: %+v", name, id, told, before)
	}
}

func versionOf(t *rapid.T, body []byte) (version int) {
	t.Helper()
	if len(body) == 0 {
		return 0
	}
	var id int
	if _, err := fmt.Sscanf(string(body), `{"id":%d,"v":%d}`, &id, &version); err != nil {
		t.Fatalf("a record that never was: %s", body)
	}
	return version
}

// rows are the versions in a job's snapshot.
func (m *hookMachine) rows(t *rapid.T, name string) map[int]int {
	t.Helper()
	out := map[int]int{}
	for id := range hookIDs {
		j, err := m.d.job(name)
		if err != nil {
			t.Fatal(err)
		}
		row, _, found, err := m.d.store.RowByKey(t.Context(), j.number, fmt.Sprint(id))
		if err != nil {
			t.Fatal(err)
		}
		if found {
			out[id] = versionOf(t, row.Body)
		}
	}
	return out
}

// calm lets everything come to rest and compares the history with the truth.
func (m *hookMachine) calm(t *rapid.T) {
	if rapid.Bool().Draw(t, "the rest arrives") {
		for len(m.pending) > 0 {
			for _, h := range m.take(t, 8) {
				if err := m.post(h); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, name := range hookJobs { // a baseline; what waited for it is applied by the next run
		if state, err := m.d.store.Job(t.Context(), name); err != nil {
			t.Fatal(err)
		} else if !state.Baselined || name == "versioned" || name == "plain" {
			m.poll(t, name, bridge.Manual)
		}
	}
	m.reopen(t)
	for m.waiting(t) > 0 { // until what was acknowledged has been done
	}
	m.checkKept(t)
	m.rest(t)
	for range rapid.IntRange(0, 2).Draw(t, "old news") { // which the plain job believes, until the next poll
		h := *rapid.SampledFrom(append(m.sent, &modelHook{version: 1})).Draw(t, "old")
		m.names++
		h.delivery, h.posted = fmt.Sprintf("d%d", m.names), 0
		m.sent = append(m.sent, &h)
		if err := m.post(&h); err != nil {
			t.Fatal(err)
		}
	}
	for m.waiting(t) > 0 {
	}
	m.rest(t)
	for _, name := range hookJobs {
		h, rows := m.history(t, name), m.rows(t, name)
		m.figures.Told += h.events
		if diff := cmp.Diff(m.truth, rows); diff != "" {
			t.Errorf("job %s: the snapshot is not the truth (-want +got):\n%s", name, diff)
		}
		replayed := map[int]int{}
		if !m.emit { // what was told of begins where the baseline was
			maps.Copy(replayed, rows)
		}
		for id, told := range h.records {
			if last := told[len(told)-1].after; last != 0 {
				replayed[id] = last
			} else {
				delete(replayed, id)
			}
		}
		if diff := cmp.Diff(m.truth, replayed); diff != "" {
			t.Errorf("job %s: its history, replayed, is not the truth (-want +got):\n%s\n%+v", name, diff, h)
		}
	}
	m.reopen(t)
	for _, name := range hookJobs {
		if diff := cmp.Diff(m.truth, m.rows(t, name)); diff != "" {
			t.Errorf("job %s: what was kept is not the truth (-want +got):\n%s", name, diff)
		}
	}
}

// rest polls every job until nothing comes of it any more.
func (m *hookMachine) rest(t *rapid.T) {
	t.Helper()
	for _, name := range hookJobs {
		for n := 0; ; n++ {
			report := m.poll(t, name, bridge.Manual)
			if report.Error != "" || n > 8 {
				t.Fatalf("job %s does not come to rest: %+v", name, report)
			}
			if report.Created+report.Updated+report.Deleted+report.Pending == 0 && n > 0 {
				break
			}
		}
	}
}

// waiting is how many webhooks wait to be acted on.
func (m *hookMachine) waiting(t *rapid.T) int {
	t.Helper()
	open, err := m.d.store.Inbounds(t.Context(), bridge.InboundQuery{State: bridge.InboundReceived, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// revived reports whether a record may be back after the webhook that told of its end, because one that told of it
// before came after it, or had to wait for the baseline.
func (m *hookMachine) revived(end *modelHook) bool {
	for _, h := range m.acked {
		if h.id == end.id && !h.deleted && (h.answered > end.posted || h.early) {
			return true
		}
	}
	return false
}

// checkKept looks for every webhook that was acknowledged: it is kept once, and what it said, or something newer, was
// told. No poll has been asked for since the last of them.
func (m *hookMachine) checkKept(t *rapid.T) {
	t.Helper()
	kept, err := m.d.store.Inbounds(t.Context(), bridge.InboundQuery{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, w := range kept {
		if times[w.DeliveryID]++; times[w.DeliveryID] > 1 || w.State != bridge.InboundApplied {
			t.Errorf("webhook %s is kept for the %d. time, %s: %s", w.DeliveryID, times[w.DeliveryID], w.State, w.Reason)
		}
	}
	histories, snapshots := map[string]hookHistory{}, map[string]map[int]int{}
	for _, name := range hookJobs {
		histories[name], snapshots[name] = m.history(t, name), m.rows(t, name)
	}
	for _, delivery := range slices.Sorted(maps.Keys(m.acked)) {
		h := m.acked[delivery]
		if times[delivery] != 1 {
			t.Errorf("webhook %+v was acknowledged and is not kept", h)
		}
		for _, name := range hookJobs {
			row, there := snapshots[name][h.id]
			newest := row // of what the job has ever known; a record that is gone was known up to its deletion
			for _, told := range histories[name].records[h.id] {
				newest = max(newest, told.before, told.after)
			}
			switch {
			case name == "plain": // the last to arrive counts there, which need not be the newest
			case newest >= h.version:
			case !there && m.truth[h.id] == 0: // gone: no news of a record is newer than that
			case h.deleted && (name == "named" || name == "signal" && m.confirm > 1): // one absence, for polls to confirm
			case (name == "named" || name == "signal") && (m.truth[h.id] == 0 || m.absent[h.id] >= h.posted): // gone since, when it was looked for
			case h.deleted && (!there || m.revived(h)):
			default:
				t.Errorf("job %s knows %d of record %d (there: %v); webhook %+v was acknowledged", name, row, h.id, there, h)
			}
		}
	}
}
