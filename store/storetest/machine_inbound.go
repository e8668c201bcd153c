package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hookbridge/bridge"
	"pgregory.net/rapid"
)

// minbound is a webhook of the model. worst is the outcome so far of one that has intents.
type minbound struct {
	webhook bridge.Inbound
	worst   bridge.InboundState
	intents []bridge.Intent
}

// reading is a row as a webhook saw it, some time ago.
type reading struct {
	job   int64
	key   string
	row   *mrow // nil: there was none
	moved int   // by the model's numbers

	store      bridge.Row
	storeMoved int64
}

// weight says which outcome of several a webhook has.
func weight(s bridge.InboundState) int {
	return slices.Index([]bridge.InboundState{bridge.InboundReceived, bridge.InboundIgnored, bridge.InboundApplied, bridge.InboundFailed}, s)
}

// look reads a row, for a webhook that may only be taken much later.
func (m *machine) look(t *rapid.T) {
	j := m.anyJob(t)
	r := reading{job: j.state.Number, key: rapid.SampledFrom(keys).Draw(t, "key")}
	var found bool
	var err error
	r.store, r.storeMoved, found, err = m.store.RowByKey(context.Background(), r.job, r.key)
	if r.row = j.row(r.key); r.row != nil {
		r.moved = r.row.moved
		same(t, "row by key", r.store, bridge.Row{ID: r.row.entry.ID, Key: r.key, Body: []byte(r.row.body)}, err)
	}
	same(t, "row was found", found, r.row != nil, err)
	m.readings = append(m.readings, r)
}

// stale reports whether what was read is no longer so.
func (m *machine) stale(r reading) bool {
	j := m.world.jobs[r.job]
	if r.row == nil {
		return j.row(r.key) != nil
	}
	now := j.rows[r.row.entry.ID]
	return now == nil || now.moved != r.moved
}

// effect is a chunk made from a reading.
func (m *machine) effect(t *rapid.T, r reading) *bridge.Chunk {
	j := m.world.jobs[r.job]
	c := &bridge.Chunk{Job: r.job, RulesNumber: j.state.RulesNumber, First: rapid.Bool().Draw(t, "first"), Targets: m.targets(t)}
	body := fmt.Sprintf(`{"webhook":%d}`, m.step)
	entry := bridge.IndexEntry{ID: r.store.ID, Key: uint64(len(r.key)) << 62, Raw: uint64(m.step), Canon: uint64(m.step) + 1}
	switch {
	case r.row == nil:
		c.Puts = []bridge.Put{{Entry: entry, Key: r.key, Body: []byte(body), Event: m.event(t, bridge.Created, r.key, "", body)}}
	case rapid.Bool().Draw(t, "deleted"):
		c.Deletes = []bridge.Delete{{ID: r.store.ID, Key: r.key, Moved: r.storeMoved, Event: m.event(t, bridge.Deleted, r.key, r.row.body, "")}}
	default:
		c.Puts = []bridge.Put{{Entry: entry, Key: r.key, Body: []byte(body), Moved: r.storeMoved, Event: m.event(t, bridge.Updated, r.key, r.row.body, body)}}
	}
	return c
}

func (m *machine) take(t *rapid.T) {
	m.step++
	w := &bridge.Inbound{
		Receiver: rapid.SampledFrom([]string{"x", "x", "y"}).Draw(t, "receiver"), DeliveryID: rapid.SampledFrom([]string{"", "d1", "d1", "d2"}).Draw(t, "delivery"),
		At: m.began.Add(time.Duration(m.step) * time.Second), Method: "POST", Path: "/in/x", Body: fmt.Appendf(nil, `{"step":%d}`, m.step),
		Header: map[string][]string{"X-Step": {fmt.Sprint(m.step)}}, State: bridge.InboundReceived,
	}
	if w.DeliveryID != "" {
		w.Until = w.At.Add(rapid.SampledFrom([]time.Duration{5 * time.Second, 10 * time.Hour}).Draw(t, "remembered"))
	}
	if len(m.world.inbounds) > 0 && rapid.IntRange(0, 3).Draw(t, "replay") == 0 {
		stored := rapid.SampledFrom(m.world.inbounds).Draw(t, "webhook").webhook
		stored.State, stored.Reason = bridge.InboundReceived, ""
		w = &stored
	}
	if rapid.IntRange(0, 3).Draw(t, "failed") == 0 {
		w.State, w.Reason = bridge.InboundFailed, "no key"
	}
	take := &bridge.Take{Webhook: w}
	stale := false
	m.readings = slices.DeleteFunc(m.readings, func(r reading) bool { return m.world.jobs[r.job] == nil })
	if len(m.readings) > 0 && rapid.Bool().Draw(t, "with an effect") {
		r := rapid.SampledFrom(m.readings).Draw(t, "reading")
		take.Chunks, stale = []*bridge.Chunk{m.effect(t, r)}, m.stale(r)
	}
	for range rapid.IntRange(0, 2).Draw(t, "intents") {
		kind := rapid.SampledFrom([]bridge.IntentKind{bridge.IntentApply, bridge.IntentPoll, bridge.IntentLookup}).Draw(t, "kind")
		intent := bridge.Intent{Job: m.anyJob(t).state.Number, Kind: kind}
		if rapid.Bool().Draw(t, "joins") {
			intent.Join = rapid.Int64Range(0, m.world.lastIntent()).Draw(t, "join") // of any job and kind, open or not
		}
		take.Intents = append(take.Intents, intent)
	}
	if rapid.Bool().Draw(t, "relayed") {
		take.Event, take.Targets = &bridge.Event{Type: "bridge.relay", Key: w.Receiver, Data: w.Body}, m.targets(t)
	}
	before := *w
	var duplicate, moved bool
	var done []bridge.Committed
	if !m.try(t, "take webhook", func() (err error) {
		duplicate, done, err = m.store.TakeInbound(context.Background(), take)
		if moved = errors.Is(err, bridge.ErrMoved); moved {
			return nil
		}
		return err
	}) {
		return
	}
	if moved != stale {
		t.Fatalf("a webhook's row had moved on: %v, and it was judged %v", stale, moved)
	}
	if moved {
		return
	}
	if err := m.world.take(take, before, duplicate, done); err != nil {
		t.Fatal(err)
	}
}

// take keeps a webhook as P7 has it. before is the webhook as it was given.
func (w *world) take(take *bridge.Take, before bridge.Inbound, duplicate bool, done []bridge.Committed) error {
	var known *minbound
	for _, i := range w.inbounds {
		if before.ID != 0 && i.webhook.ID == before.ID ||
			before.ID == 0 && before.DeliveryID != "" && i.webhook.Receiver == before.Receiver && i.webhook.DeliveryID == before.DeliveryID && i.webhook.Until.After(before.At) {
			known = i
		}
	}
	acts := known == nil || before.ID == 0 && known.webhook.State == bridge.InboundFailed || before.ID != 0 && known.webhook.State != bridge.InboundReceived
	if duplicate == acts || known != nil && take.Webhook.ID != known.webhook.ID {
		return fmt.Errorf("webhook %+v was taken as %d, duplicate %v; known is %+v", before, take.Webhook.ID, duplicate, known)
	}
	if !acts {
		return nil
	}
	if known == nil {
		if last := len(w.inbounds) - 1; last >= 0 && take.Webhook.ID <= w.inbounds[last].webhook.ID {
			return fmt.Errorf("webhook %d after %d", take.Webhook.ID, w.inbounds[last].webhook.ID)
		}
		known = new(minbound)
		w.inbounds = append(w.inbounds, known)
	}
	before.ID = take.Webhook.ID
	known.webhook, known.worst = before, before.State
	joined, err := w.join(take.Intents)
	if err != nil {
		return err
	}
	known.intents = nil
	for i, intent := range take.Intents {
		if joined[i] == nil {
			intent.Join = 0
			known.intents = append(known.intents, intent)
		} else if weight(bridge.InboundApplied) > weight(known.worst) {
			known.worst = bridge.InboundApplied
			known.webhook.Reason = fmt.Sprintf("one %s does for this webhook and for %d", intent.Kind, joined[i].webhook.ID)
		}
	}
	if len(known.intents) > 0 {
		known.webhook.State = bridge.InboundReceived
	} else if len(take.Intents) > 0 {
		known.webhook.State = known.worst
	} else if before.State == bridge.InboundReceived && len(take.Chunks) > 0 {
		known.webhook.State = bridge.InboundApplied
	} else if before.State == bridge.InboundReceived {
		known.webhook.State = bridge.InboundIgnored
	}
	for i, c := range take.Chunks {
		if err := w.commit(c, done[i]); err != nil {
			return err
		}
	}
	if take.Event != nil {
		return w.announce(take.Event, take.Targets)
	}
	return nil
}

// lastIntent is the newest one that is open.
func (w *world) lastIntent() int64 {
	last := int64(0)
	for _, i := range w.inbounds {
		for _, intent := range i.intents {
			last = max(last, intent.ID)
		}
	}
	return last
}

// join says for each intent of a webhook which other one it leaves its work to; nil: none.
func (w *world) join(intents []bridge.Intent) ([]*minbound, error) {
	joined := make([]*minbound, len(intents))
	for n, intent := range intents {
		for _, i := range w.inbounds {
			if slices.ContainsFunc(i.intents, func(o bridge.Intent) bool {
				return o.ID == intent.Join && o.Job == intent.Job && o.Kind == intent.Kind
			}) {
				joined[n] = i
			}
		}
		if joined[n] != nil && intent.ID != intent.Join {
			return nil, fmt.Errorf("intent %+v did not join one that is open", intent)
		}
	}
	return joined, nil
}

// announce tells an event of the bridge's own.
func (w *world) announce(e *bridge.Event, targets []bridge.Target) error {
	ours := bridge.JobState{Name: "bridge", Sequence: w.bridge}
	err := w.tell(&ours, e, targets)
	w.bridge = ours.Sequence
	return err
}

func (m *machine) endIntents(t *rapid.T) {
	var open []int64
	for _, i := range m.world.inbounds {
		for _, intent := range i.intents {
			if rapid.Bool().Draw(t, "ends") {
				open = append(open, intent.ID)
			}
		}
	}
	m.step++
	state := rapid.SampledFrom([]bridge.InboundState{bridge.InboundIgnored, bridge.InboundApplied, bridge.InboundFailed}).Draw(t, "state")
	reason := fmt.Sprint(state, " at ", m.step)
	if m.try(t, "end intents", func() error { return m.store.EndIntents(context.Background(), append(open, 1<<40), state, reason) }) {
		m.world.endIntents(func(i bridge.Intent) bool { return slices.Contains(open, i.ID) }, state, reason)
	}
}

func (w *world) endIntents(which func(bridge.Intent) bool, state bridge.InboundState, reason string) {
	for _, i := range w.inbounds {
		for n := 0; n < len(i.intents); {
			if !which(i.intents[n]) {
				n++
				continue
			}
			i.intents = slices.Delete(i.intents, n, n+1)
			if weight(state) > weight(i.worst) {
				i.worst, i.webhook.Reason = state, reason
			}
			if len(i.intents) == 0 {
				i.webhook.State = i.worst
			}
		}
	}
}

// forgotten is what becomes of a job's intents, and of what its watchdog remembers.
func (w *world) forgotten(job int64) {
	w.endIntents(func(i bridge.Intent) bool { return i.Job == job }, bridge.InboundIgnored, "its job was forgotten")
}

func (w *world) pruneInbounds(now time.Time) {
	w.inbounds = slices.DeleteFunc(w.inbounds, func(i *minbound) bool {
		return i.webhook.State != bridge.InboundReceived && !i.webhook.Until.After(now)
	})
	for _, j := range w.jobs {
		j.transitions = nil
	}
}

func (m *machine) saveWatchdog(t *rapid.T) {
	j := m.anyJob(t)
	m.step++
	j.watchdog = fmt.Sprint("state ", m.step)
	m.store.SaveWatchdog(j.state.Number, []byte(j.watchdog))
}

func (m *machine) transit(t *rapid.T) {
	j := m.anyJob(t)
	m.step++
	state := fmt.Sprint("state ", m.step)
	var transitions []bridge.Transition
	for n := range rapid.IntRange(0, 2).Draw(t, "transitions") {
		transitions = append(transitions, bridge.Transition{From: "a", To: "b", At: m.began.Add(time.Duration(m.step) * time.Second), Why: fmt.Sprint("why ", n), Missed: int64(n)})
	}
	var event *bridge.Event
	targets := m.targets(t)
	if rapid.Bool().Draw(t, "told") {
		event = &bridge.Event{Type: "bridge.watchdog.fallback", Key: j.state.Name}
	}
	if !m.try(t, "record transitions", func() error {
		return m.store.RecordTransitions(context.Background(), j.state.Number, []byte(state), transitions, event, targets)
	}) {
		return
	}
	j.watchdog = state
	j.transitions = append(j.transitions, transitions...)
	if event == nil {
		return
	}
	if err := m.world.announce(event, targets); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) compareInbounds(t *rapid.T, ctx context.Context) {
	var want []bridge.Inbound
	var intents []bridge.Intent
	for _, i := range m.world.inbounds {
		want = append(want, i.webhook)
		intents = append(intents, i.intents...)
	}
	got, err := m.store.Inbounds(ctx, bridge.InboundQuery{Limit: all, Bodies: true})
	same(t, "webhooks", got, want, err)
	slices.SortFunc(intents, func(a, b bridge.Intent) int { return cmp.Compare(a.ID, b.ID) })
	open, err := m.store.Intents(ctx)
	same(t, "intents", open, intents, err)
	for _, number := range slices.Sorted(maps.Keys(m.world.jobs)) {
		j := m.world.jobs[number]
		state, err := m.store.Watchdog(ctx, number)
		same(t, "watchdog", string(state), j.watchdog, err)
		history, err := m.store.Transitions(ctx, number, all)
		same(t, "transitions", history, j.transitions, err)
	}
}
