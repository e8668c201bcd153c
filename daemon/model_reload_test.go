package daemon

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

// Interrupt reloads while a job's source is being read. An edited job's run is dropped and made again under the new
// configuration, a removed job's is dropped, and one that stays what it was goes on.
func (m *machine) Interrupt(t *rapid.T) {
	j := m.pick(t)
	if j.Size > 0 {
		t.Skip("more than one request")
	}
	s := m.shelves[j.List]
	s.records = alter(t, s.records)
	m.moved = [2]string{}
	before, name, edited, c := j.text(""), j.name, false, drawConf(t)
	switch what := rapid.SampledFrom([]string{"nothing", "edit", "edit", "remove", "rename"}).Draw(t, "what"); what {
	case "edit":
		j.Rule, j.Deliver, j.Mute = c.Rule, c.Deliver, c.Mute
		if rapid.IntRange(0, 3).Draw(t, "identity") == 0 {
			j.Key, j.View = c.Key, c.View
		}
		edited = j.text("") != before
	case "remove":
		m.remove(j)
	case "rename":
		m.rename(j)
	}
	m.write(t)
	reloaded := make(chan error, 1)
	s.shown()
	s.move = func(int) {
		s.move = nil
		reloaded <- m.d.Reload(t.Context())
	}
	report, err := m.d.Poll(t.Context(), name)
	if err != nil {
		t.Fatalf("poll: %v", err)
	}
	if err := <-reloaded; err != nil {
		t.Fatalf("reload: %v", err)
	}
	dropped, gone := edited || m.jobs[name] != j, m.jobs[j.name] != j
	if dropped != (report.Outcome == bridge.RunDropped) || report.Outcome == bridge.RunFailed {
		t.Fatalf("edited %v, gone %v, dropped %v: %+v", edited, gone, dropped, report)
	}
	if dropped && !gone { // joins the run that follows by itself, or follows it
		if report, err = m.d.Poll(t.Context(), j.name); err != nil || report.Outcome == bridge.RunFailed || report.Outcome == bridge.RunDropped {
			t.Fatalf("after the edit: %+v, %v", report, err)
		}
	}
	m.configured(t)
	scans, _ := s.shown()
	if dropped {
		scans = scans[1:]
	}
	if len(scans) > 2 || (len(scans) > 0) == gone {
		t.Fatalf("%d runs; edited %v, gone %v", len(scans), edited, gone)
	}
	p := j.stay()
	for _, scan := range scans {
		p = j.next(p, scan)
	}
	m.settle(t, j, p, all)
}

// next is what one more run makes of what a plan leaves.
func (j *modelJob) next(p plan, s scan) plan {
	after := *j
	after.rows = p.rows
	if p.then != nil {
		p.then(&after)
	}
	q := after.run(after.read(s))
	maps.Copy(q.told, p.told)
	then := q.then
	q.then = func(j *modelJob) {
		if p.then != nil {
			p.then(j)
		}
		then(j)
	}
	return q
}

// rename gives a job a name that was never used.
func (m *machine) rename(j *modelJob) {
	delete(m.jobs, j.name)
	m.names++
	m.moved = [2]string{j.name, fmt.Sprintf("job%d", m.names)}
	j.name = m.moved[1]
	m.jobs[j.name] = j
}

func (m *machine) remove(j *modelJob) {
	delete(m.jobs, j.name)
	m.gone[j.name] = j
}

// Retire removes a job while its run commits: what is committed stays, the rest is dropped.
func (m *machine) Retire(t *rapid.T) {
	j := m.pick(t)
	s := m.shelves[j.List]
	if rapid.IntRange(0, 3).Draw(t, "flood") > 0 {
		t.Skip("rare")
	}
	if s.records = flood(t, s.records); len(s.records) < 500 || j.Size > 0 {
		t.Skip("fits one commit")
	}
	m.moved = [2]string{}
	m.remove(j)
	m.write(t)
	s.shown()
	before, err := m.d.store.Job(t.Context(), j.name)
	if err != nil {
		t.Fatal(err)
	}
	reloaded := make(chan error, 1)
	m.power.at(rapid.IntRange(0, 1500).Draw(t, "after"), func() { go func() { reloaded <- m.d.Reload(t.Context()) }() })
	report, err := m.d.Poll(t.Context(), j.name)
	if m.power.put() {
		err = <-reloaded
	} else if err == nil {
		err = m.d.Reload(t.Context())
	}
	if err != nil || report.Outcome == bridge.RunFailed {
		t.Fatalf("poll and reload: %+v, %v", report, err)
	}
	after, err := m.d.store.Job(t.Context(), j.name)
	if err != nil {
		t.Fatal(err)
	}
	extent := all // also where the removal came after the last commit, which sets the checkpoint
	if report.Outcome == bridge.RunDropped && (after.Checkpoint == nil || bytes.Equal(before.Checkpoint, after.Checkpoint)) {
		extent = some
	}
	scans, _ := s.shown()
	m.settle(t, j, j.run(j.read(slices.Clone(scans)[len(scans)-1])), extent)
}
