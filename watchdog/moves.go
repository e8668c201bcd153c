package watchdog

import (
	"fmt"
	"math"
	"time"
)

const (
	patience   = 5 * time.Minute    // longest wait after a failed poll of ours
	longHold   = 24 * time.Hour     // longest time that webhooks are not believed after falling back again and again
	forgetting = 72 * time.Hour     // one relapse is forgotten per
	fading     = 7 * 24 * time.Hour // half-life of the remembered lateness
	lateLimit  = 24 * time.Hour     // after which a webhook for a missed key is taken for news

	longestConfirm = 3 // polls that a probe waits for absences to be confirmed
)

func (m *Machine) enter(t time.Time, to State, why string, missed int) {
	m.moved = append(m.moved, Transition{From: m.state.State, To: to, At: m.wall(t), Why: why, Missed: missed})
	m.state.State, m.state.Since = to, t
}

// recover lets webhooks prove themselves (again).
func (m *Machine) recover(t time.Time, why string) {
	m.enter(t, Recovering, why, 0)
	m.state.Shadows = 0
	m.state.Detector.restart(t)
	m.window = window{}
}

// fall falls back to polling. Who falls again soon is not believed at the next webhook but some time later, twice as long
// each time, so that a sender that comes and goes does not drag the state along.
func (m *Machine) fall(t time.Time, missed int, waited time.Duration) {
	m.forget(t)
	m.state.Before, m.state.BeforeShadows = m.state.State, m.state.Shadows
	m.state.Hold = t
	if n := m.state.Relapses; n > 0 {
		m.state.Hold = t.Add(min(longHold, m.cfg.Grace<<min(n, 20)))
	}
	m.state.Relapses++
	m.judge.fall()
	m.state.Relapsed = t
	m.enter(t, Fallback, fmt.Sprintf("%d %s found that no webhook told, nor in the %s since", missed, plural(missed, "change"), short(waited)), missed)
}

// believe ends the recovery.
func (m *Machine) believe(t time.Time) {
	m.enter(t, Listening, plural(m.state.Shadows, "poll")+" with traffic found nothing that webhooks had not told", 0)
	m.judge.fallen = false
	d := &m.state.Detector
	d.settle(&m.calendar, m.state.Polled)
	d.Since, d.Doublings = t, 0
	m.window = window{}
}

// revert takes a fallback back: its missed webhooks were only late.
func (m *Machine) revert(t time.Time) {
	m.judge.fallen = false
	m.state.Relapses = max(0, m.state.Relapses-1)
	if m.state.Before == Recovering {
		if m.state.State != Recovering {
			m.enter(t, Recovering, "the webhooks that were missed came after all", 0)
		}
		m.state.Shadows = max(m.state.Shadows, m.state.BeforeShadows)
	} else {
		m.enter(t, Listening, "the webhooks that were missed came after all", 0)
	}
	m.state.Detector.restart(t)
	m.window = window{}
}

// quiet ends a probe that missed nothing.
func (m *Machine) quiet(t time.Time) {
	d := &m.state.Detector
	if m.byCount && m.first && m.cfg.Silence == 0 {
		d.blunt()
	}
	if !d.Last.After(m.state.Since) { // otherwise the silence is over, and a new window has begun
		d.quiet(&m.calendar, m.state.Polled, m.byCount)
	}
	m.fruitless(t)
	m.window = window{}
	m.enter(t, Listening, "the probe found nothing that webhooks had not told", 0)
}

func (m *Machine) fruitless(t time.Time) {
	today := m.wall(t).In(m.cfg.Zone).Format(time.DateOnly)
	if m.state.ProbeDay != today {
		m.state.ProbeDay, m.state.Probes = today, 0
	}
	m.state.Probes++
}

// failed postpones what the watchdog wants after a poll that proved nothing.
func (m *Machine) failed(t, now, retryAt time.Time) {
	m.retryAt = t.Add(min(patience, 30*time.Second<<min(m.retries, 10)))
	m.retries++
	if !retryAt.IsZero() {
		m.retryAt = later(m.retryAt, t.Add(retryAt.Sub(now)))
	}
}

// deadline is the current window, worked out once after each arrival that counts, each probe and each load. An arrival that
// does not count can only move it back, so that it is enough to work it out again once it has come.
func (m *Machine) deadline(t time.Time) window {
	if m.window.At.IsZero() || m.stale && !m.window.At.After(t) {
		m.window = m.state.Detector.deadline(&m.calendar, t, &m.cfg, m.random())
		m.stale = false
	}
	return m.window
}

// arrive takes a webhook into the detector.
func (m *Machine) arrive(t time.Time) {
	first := m.state.Detector.Doublings == 0
	if counted := m.state.Detector.arrive(&m.calendar, t); counted || !first {
		m.window = window{}
	}
	m.stale = true
}

func (m *Machine) audit() time.Duration {
	return time.Duration((.5 + m.random()) * float64(m.cfg.Audit))
}

// late learns how late webhooks come.
func (m *Machine) late(t time.Time, by time.Duration) {
	by = min(by, m.longestWait())
	if by > m.lateness(t) {
		m.state.Lateness, m.state.LatenessAt = by, t
	}
}

// lateness is the largest one seen, decayed.
func (m *Machine) lateness(t time.Time) time.Duration {
	if m.state.Lateness <= 0 {
		return 0
	}
	return time.Duration(float64(m.state.Lateness) * math.Exp2(-t.Sub(m.state.LatenessAt).Hours()/fading.Hours()))
}

// wait is the grace of now: as configured, or twice as late as webhooks have been.
func (m *Machine) wait(t time.Time) time.Duration {
	return min(max(m.cfg.Grace, 2*m.lateness(t)), m.longestWait())
}

// longestWait keeps the extended wait within Max: no loss is to go unnoticed for longer only because webhooks were late once.
func (m *Machine) longestWait() time.Duration { return max(m.cfg.Grace, m.cfg.Max/extension) }

// lateLimit is how long after it was found a missed change may be told and still count as late. A signal names no key, so
// one that comes long after is news, not the late one.
func (m *Machine) lateLimit(t time.Time) time.Duration {
	if m.cfg.Signal {
		return extension * m.wait(t)
	}
	return lateLimit
}

// forget lets old relapses go.
func (m *Machine) forget(t time.Time) {
	for m.state.Relapses > 0 && t.Sub(m.state.Relapsed) >= forgetting {
		m.state.Relapses--
		m.state.Relapsed = m.state.Relapsed.Add(forgetting)
	}
}
