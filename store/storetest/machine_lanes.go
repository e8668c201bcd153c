package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
	"pgregory.net/rapid"
)

func (m *machine) openDestination(t *rapid.T) {
	name := rapid.SampledFrom(destinationNames).Draw(t, "name")
	var got bridge.DestinationInfo
	if !m.try(t, "open destination", func() (err error) {
		got, err = m.store.OpenDestination(context.Background(), name)
		return err
	}) {
		return
	}
	if known := m.world.destination(name); known == 0 {
		m.world.destinations[got.Number] = &mdestination{name: name, state: bridge.Active}
	} else {
		same(t, "number of destination", got.Number, known, nil)
	}
}

func (m *machine) anyDestination(t *rapid.T) int64 {
	n := m.world.destination(rapid.SampledFrom(destinationNames).Draw(t, "destination"))
	for n == 0 {
		m.openDestination(t)
		n = m.world.destination(rapid.SampledFrom(destinationNames).Draw(t, "destination"))
	}
	return n
}

func (m *machine) setDestination(t *rapid.T) {
	n := m.anyDestination(t)
	state := rapid.SampledFrom([]bridge.DestinationState{bridge.Active, bridge.Paused, bridge.Disabled}).Draw(t, "state")
	if m.try(t, "set destination", func() error { return m.store.SetDestination(context.Background(), n, state, "why") }) {
		m.world.destinations[n].state, m.world.destinations[n].reason = state, "why"
	}
}

func (m *machine) announce(t *rapid.T) {
	e := &bridge.Event{Type: "bridge.job.failing", Key: "a", Data: []byte(`{"job":"a"}`)}
	targets := m.targets(t)
	if !m.try(t, "announce", func() error { return m.store.Announce(context.Background(), e, targets) }) {
		return
	}
	if err := m.world.announce(e, targets); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) settle(t *rapid.T) {
	if len(m.ids) == 0 {
		return
	}
	var batch []bridge.Settlement
	var settled []*mdelivery
	for range rapid.IntRange(1, 3).Draw(t, "settlements") {
		d := rapid.SampledFrom(m.world.deliveries).Draw(t, "delivery")
		s := bridge.Settlement{
			Delivery: m.ids[d], Destination: d.destination, RetryAt: time.Now().Add(time.Hour),
			Verdict: rapid.SampledFrom([]bridge.Verdict{bridge.Delivered, bridge.Delivered, bridge.Dead, bridge.Retry, bridge.Disable}).Draw(t, "verdict"),
			Attempt: bridge.Attempt{At: time.Now(), Took: time.Millisecond, Status: 500, Error: gone},
		}
		batch, settled = append(batch, s), append(settled, d)
	}
	if !m.try(t, "settle", func() error { return m.store.Settle(context.Background(), batch) }) {
		return
	}
	for i, d := range settled {
		m.world.settle(d, batch[i].Verdict)
	}
}

// untilDone repeats what commits in steps until no crash comes between. To ask again is all it takes.
func (m *machine) untilDone(t *rapid.T, what string, do func() error) {
	for !m.try(t, what, do) {
	}
}

func (m *machine) replay(t *rapid.T) {
	q := bridge.ReplayQuery{Dead: rapid.Bool().Draw(t, "dead")}
	if rapid.Bool().Draw(t, "one destination") {
		q.Destination = rapid.SampledFrom(destinationNames).Draw(t, "destination")
	}
	var want, got int64
	for _, d := range m.world.deliveries {
		if over(d) && (!q.Dead || d.state == bridge.StateDead) && (q.Destination == "" || d.destination == m.world.destination(q.Destination)) {
			m.world.again(d)
			want++
		}
	}
	m.untilDone(t, "replay", func() (err error) {
		got, err = m.store.Replay(context.Background(), q)
		return err
	})
	same(t, "number replayed", got, want, nil)
}

func (m *machine) replayMissing(t *rapid.T) {
	n := m.anyDestination(t)
	target := bridge.Target{Destination: n, Format: "standard", FormatVersion: 1, Ordered: true}
	q := bridge.ReplayQuery{Missing: true, Destination: m.world.destinations[n].name, Targets: []bridge.Target{target}}
	if rapid.Bool().Draw(t, "one job") {
		q.Job = rapid.SampledFrom(jobNames).Draw(t, "job")
	}
	var want, got int64
	for _, e := range m.world.events {
		j := m.world.jobs[e.event.JobNumber]
		if q.Job != "" && e.event.Job != q.Job && (j == nil || j.state.Name != q.Job) || m.world.delivery(e.event.ID, n) != nil {
			continue
		}
		m.world.deliveries = append(m.world.deliveries, &mdelivery{event: e, destination: n, state: bridge.StateReady, replay: true, target: target})
		want++
	}
	m.untilDone(t, "replay missing", func() (err error) {
		got, err = m.store.Replay(context.Background(), q)
		return err
	})
	same(t, "number missing", got, want, nil)
}

func (m *machine) prune(t *rapid.T) {
	var keep bridge.Retention
	w := m.world
	if rapid.Bool().Draw(t, "attempts") {
		keep.Attempts = time.Hour
	}
	if rapid.Bool().Draw(t, "dead letters") {
		keep.Dead = time.Hour
		w.deliveries = slices.DeleteFunc(w.deliveries, func(d *mdelivery) bool { return d.state == bridge.StateDead })
	}
	if rapid.Bool().Draw(t, "events") {
		keep.Events = time.Hour
		kept := make(map[*mevent]bool)
		for _, d := range w.deliveries {
			kept[d.event] = kept[d.event] || d.state != bridge.StateDelivered
		}
		w.events = slices.DeleteFunc(w.events, func(e *mevent) bool { return !kept[e] })
		w.deliveries = slices.DeleteFunc(w.deliveries, func(d *mdelivery) bool { return !kept[d.event] })
		w.pruneInbounds(time.Now().Add(2 * time.Hour))
	}
	m.untilDone(t, "prune", func() error {
		_, err := m.store.Prune(context.Background(), keep, time.Now().Add(2*time.Hour))
		return err
	})
}

// move renames; a move that would put two states under one name must fail, and change nothing.
func (m *machine) move(t *rapid.T) {
	from := rapid.SampledFrom(jobNames).Draw(t, "from")
	to := rapid.SampledFrom(jobNames).Draw(t, "to")
	instances := !strings.Contains(from, "/") && !strings.Contains(to, "/")
	names := make(map[*mjob]string)
	clash := false
	for _, j := range m.world.jobs {
		rest, found := strings.CutPrefix(j.state.Name, from)
		if found && (rest == "" || instances && rest[0] == '/') {
			names[j] = to + rest
			clash = clash || m.world.job(to+rest) != nil
		}
	}
	if clash {
		if err := m.store.MoveJobs(context.Background(), [][2]string{{from, to}}); err == nil {
			t.Fatalf("moved %q to %q, which has state", from, to)
		}
		return
	}
	if m.try(t, "move", func() error { return m.store.MoveJobs(context.Background(), [][2]string{{from, to}}) }) {
		for j, name := range names {
			j.state.Name = name
		}
	}
}

func (m *machine) forgetJob(t *rapid.T) {
	j := m.anyJob(t)
	var rows int64
	if m.try(t, "forget job", func() (err error) {
		rows, err = m.store.ForgetJob(context.Background(), j.state.Name)
		return err
	}) {
		same(t, "rows forgotten", rows, int64(len(j.rows)), nil)
	} else if _, err := m.store.Job(context.Background(), j.state.Name); err == nil {
		return // the crash came before the first step
	} else if !errors.Is(err, bridge.ErrNotFound) {
		t.Fatal(err)
	}
	delete(m.world.jobs, j.state.Number)
	m.world.forgotten(j.state.Number)
}

func (m *machine) forgetDestination(t *rapid.T) {
	n := m.anyDestination(t)
	name := m.world.destinations[n].name
	var want, dropped int64
	for _, d := range m.world.deliveries {
		if d.destination == n && d.state != bridge.StateDelivered {
			want++
		}
	}
	if m.try(t, "forget destination", func() (err error) {
		dropped, err = m.store.ForgetDestination(context.Background(), name)
		return err
	}) {
		same(t, "deliveries dropped", dropped, want, nil)
	} else if found, err := m.store.Destinations(context.Background()); err != nil {
		t.Fatal(err)
	} else if slices.ContainsFunc(found, func(d bridge.DestinationInfo) bool { return d.Number == n }) {
		return
	}
	delete(m.world.destinations, n)
	m.world.deliveries = slices.DeleteFunc(m.world.deliveries, func(d *mdelivery) bool { return d.destination == n })
}
