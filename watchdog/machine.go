// Package watchdog decides when a job that lives on webhooks has to be polled all the same: silence makes it probe, and only
// a probe that finds what no webhook had told makes it fall back to polling. It is pure: no I/O, no clock, no randomness of
// its own.
package watchdog

import "time"

// State is where a job stands with its webhooks.
type State string

const (
	Unproven   State = "unproven"   // no webhook yet: polls on schedule as if there were no watchdog
	Recovering State = "recovering" // webhooks came: polls on schedule until they agree
	Listening  State = "listening"  // the schedule rests
	Probing    State = "probing"    // it was silent for too long: one poll decides
	Fallback   State = "fallback"   // webhooks were missed: polls on schedule
)

// Config is what the watchdog block of a job says.
type Config struct {
	Silence      time.Duration  // fixed; 0: learned
	Min, Max     time.Duration  // of a learned window; Max is the longest unnoticed loss while quiet
	Audit        time.Duration  // mean between polls that look for partial loss
	Grace        time.Duration  // that a webhook may come after the poll that found its change
	Expect       *Hours         // nil: always
	Zone         *time.Location // of the learned hours of the week; nil: that of Expect, or else UTC
	RecoverAfter int            // polls with traffic and nothing missed that lead back to listening
	Signal       bool           // on_event = "poll": a webhook tells of the job, not of a key
	Edition      string         // of the job's configuration: what was found out about shapes holds for one only
}

// withDefaults fills in what config leaves at zero.
func (c Config) withDefaults() Config {
	fill := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	fill(&c.Min, 5*time.Minute)
	fill(&c.Max, 4*time.Hour)
	fill(&c.Audit, 24*time.Hour)
	fill(&c.Grace, 5*time.Minute)
	c.Min = min(c.Min, c.Max)
	if c.RecoverAfter <= 0 {
		c.RecoverAfter = 2
	}
	if c.Zone == nil {
		c.Zone = time.UTC
		if c.Expect != nil && len(c.Expect.spans) > 0 {
			c.Zone = c.Expect.spans[0].zone
		}
	}
	return c
}

// Machine is the watchdog of one job. Time enters by its methods only, and never runs backwards inside. It is not safe for
// concurrent use. After every input ask Next, then record Transitions.
type Machine struct {
	cfg      Config
	random   func() float64
	clock    clock
	calendar calendar
	state    memory

	deaf    bool
	heard   time.Time // since when we are not deaf
	catchup bool      // a poll is due for what was missed while deaf

	poll    *time.Time // when the run under way began; nil: none is
	retries int        // failed polls in a row
	retryAt time.Time  // no poll of the watchdog's before this

	window   window // zero: to be worked out again
	stale    bool   // a webhook came since it was worked out
	byCount  bool   // whether enough webhooks were due to trigger the probe
	first    bool   // whether it is the first of this silence
	decided  bool   // the probe's poll has ended; its verdict may still wait
	confirms int    // polls that the probe's verdict has waited for absences to be confirmed

	told  told
	judge judge
	moved []Transition
}

// New is the watchdog of a job of which nothing is known. It is deaf until Hear. random gives numbers in [0,1).
func New(cfg Config, random func() float64) *Machine {
	cfg = cfg.withDefaults()
	m := &Machine{cfg: cfg, random: random, deaf: true, calendar: calendar{zone: cfg.Zone, hours: cfg.Expect}}
	m.state = memory{State: Unproven, Detector: newDetector(cfg.Zone), Shapes: Shapes{Edition: cfg.Edition}}
	m.told.reset()
	m.judge.reset()
	return m
}

// Reason says why a job with a watchdog is polled.
type Reason string

const (
	None     Reason = ""
	Schedule Reason = "schedule" // unproven or deaf: an ordinary tick
	Shadow   Reason = "shadow"   // recovering: a tick that checks whether webhooks told everything
	Degraded Reason = "fallback" // fallback: a tick that stands in for webhooks
	Probe    Reason = "probe"    // silence
	Audit    Reason = "audit"    // chance
	Catchup  Reason = "catchup"  // after deaf time
	Other    Reason = "other"    // by hand, by a webhook, reconciliation: whatever the watchdog did not ask for
)

// Decision says what a job does next.
type Decision struct {
	Poll      Reason    // poll now for this reason: Catchup, Probe, Audit or None
	Scheduled Reason    // what a tick of the job's schedule is now: Schedule, Shadow, Degraded; None: the schedule rests
	At        time.Time // ask again at this time, if no input came before; zero: no need
}

// Transition is a change of state, to be recorded.
type Transition struct {
	From   State
	To     State
	At     time.Time
	Why    string
	Missed int // changes that no webhook told, where that is the reason
}

// Webhook is an inbound webhook of the job, verified and wanted by its `when`.
type Webhook struct {
	Key  string    // of the record it tells about; empty: not known (yet), or Config.Signal
	Sent time.Time // when the sender says the change happened, not the attempt; zero: it does not say
}

// Webhook takes in a webhook that arrived at now.
func (m *Machine) Webhook(now time.Time, w Webhook) {
	t := m.read(now)
	m.state.Webhooks++
	if !w.Sent.IsZero() {
		m.late(t, now.Round(0).Sub(w.Sent.Round(0)))
	}
	before := m.state.State
	switch {
	case before == Fallback: // it learns nothing: what came while webhooks were being missed says little of how many are due
		m.state.Detector.Last = t
	case before == Unproven && m.state.Webhooks == 1:
		m.state.Detector.restart(t)
		fallthrough
	default:
		m.arrive(t)
	}
	m.tell(t, w.Key, w.Sent)
	switch {
	case m.state.State == Unproven && m.state.Baselined:
		m.recover(t, "the first webhook came")
	case m.state.State == Fallback && !t.Before(m.state.Hold):
		m.recover(t, "webhooks are back")
	}
	if before == Fallback && m.state.State != Fallback {
		m.arrive(t)
	}
}

// Told adds the key of a webhook that arrived at arrived and whose record became known only now, as by a lookup.
func (m *Machine) Told(now, arrived time.Time, key string) {
	t := m.read(now)
	m.tell(t.Add(-max(0, now.Sub(arrived))), key, time.Time{})
}

// tell notes that a webhook told of a key, and takes the key off the lists of those that nothing has told.
func (m *Machine) tell(t time.Time, key string, sent time.Time) {
	if m.cfg.Signal {
		key = ""
	} else if key == "" {
		return
	}
	m.told.add(key, t)
	if !sent.IsZero() {
		sent = sent.Add(-m.calendar.skew)
	}
	late, shadows, reverted := m.judge.told(t, key, sent, m.cfg.Signal, m.lateLimit(t))
	if late > 0 { // one that came after the verdict was later than the wait, so that this at least doubles it
		m.late(t, late)
	}
	m.state.Shadows += shadows
	if reverted && (m.state.State == Fallback || m.state.State == Recovering) {
		m.revert(t)
	}
	m.settleVerdicts(t)
}

// Next says what the job does now, after drawing whatever conclusion time alone has brought. Decision.Poll repeats until
// PollBegan.
func (m *Machine) Next(now time.Time) Decision {
	t := m.read(now)
	m.settleVerdicts(t)
	s := &m.state
	if s.State == Listening && !m.deaf && !m.catchup && m.poll == nil && !m.judge.waiting() {
		if w := m.deadline(t); !w.At.After(t) {
			m.byCount, m.first = w.ByCount, s.Detector.Doublings == 0
			m.decided, m.confirms, m.retryAt = false, 0, time.Time{}
			m.enter(t, Probing, m.silenceWords(t), 0)
		}
	}
	decision := Decision{Scheduled: m.scheduled()}
	wake := m.judge.next(m.wait(t), s.Detector.Last)
	consider := func(at time.Time) {
		if !at.IsZero() && (wake.IsZero() || at.Before(wake)) {
			wake = at
		}
	}
	if m.poll == nil && !m.deaf { // a poll under way is followed by the next question anyway
		reason, at := m.due(t)
		switch {
		case reason == None:
		case later(at, m.retryAt).After(t):
			consider(later(at, m.retryAt))
		default:
			decision.Poll = reason
		}
		if s.State == Listening && reason == Audit && !m.judge.waiting() {
			consider(m.deadline(t).At)
		}
	}
	if !wake.IsZero() {
		decision.At = now.Add(wake.Sub(t))
	}
	return decision
}

// due is the next poll that the watchdog itself wants, and when.
func (m *Machine) due(t time.Time) (Reason, time.Time) {
	switch {
	case m.catchup:
		return Catchup, t
	case m.state.State == Probing && !m.judge.waiting():
		return Probe, t
	case m.state.State == Listening:
		if m.state.NextAudit.IsZero() {
			m.state.NextAudit = t.Add(m.audit())
		}
		return Audit, m.state.NextAudit
	}
	return None, time.Time{}
}

func (m *Machine) scheduled() Reason {
	switch m.state.State {
	case Unproven:
		return Schedule
	case Recovering:
		return Shadow
	case Fallback:
		return Degraded
	}
	if m.deaf {
		return Schedule
	}
	return None
}

// Hear says that webhooks can reach us from now on: at start, and whenever the listener is back. One poll is due at once, and
// what it finds is not held against the webhooks. Call it too when the clock on the wall was set or the machine slept.
func (m *Machine) Hear(now time.Time) {
	m.Deaf(now)
	m.deaf, m.heard, m.catchup = false, m.clock.last, true
}

// Deaf says that webhooks cannot reach us from now on, by our own fault. Until Hear silence means nothing, and the schedule
// does not rest.
func (m *Machine) Deaf(now time.Time) {
	t := m.read(now)
	m.deaf = true
	m.retries, m.retryAt = 0, time.Time{}
	m.told.reset()
	m.judge.reset()
	m.window = window{}
	m.state.Detector.restart(t)
	if m.state.State == Probing {
		m.enter(t, Listening, "we were deaf ourselves: silence proves nothing", 0)
	}
}

// Transitions hands over the changes of state since it was last called.
func (m *Machine) Transitions() []Transition {
	moved := m.moved
	m.moved = nil
	return moved
}
