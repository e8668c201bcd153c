package watchdog

import (
	"fmt"
	"strings"
	"time"
)

// Status is a machine's state for people and their programs.
type Status struct {
	State    State         `json:"state"`
	Since    time.Time     `json:"since"`
	Silence  time.Duration `json:"silence_ns"` // that would be borne from the last webhook, probe or start on; 0: none in this state
	Last     time.Time     `json:"last_webhook,omitzero"`
	Webhooks int64         `json:"webhooks"`
	Missed   int64         `json:"missed"` // ever
	Probe    time.Time     `json:"next_probe,omitzero"`
	Audit    time.Time     `json:"next_audit,omitzero"`
	Words    string        `json:"explanation"`
	Warning  string        `json:"warning,omitempty"`
}

// Status says where the machine stands, and in words why it waits and until when.
func (m *Machine) Status(now time.Time) Status {
	t := m.read(now)
	s := &m.state
	status := Status{State: s.State, Since: m.wall(s.Since), Webhooks: s.Webhooks, Missed: s.Missed, Words: m.Explain(now)}
	if s.Since.IsZero() {
		status.Since = time.Time{}
	}
	if !s.Detector.Last.IsZero() {
		status.Last = m.wall(s.Detector.Last)
	}
	if s.State == Listening && !m.deaf && !m.catchup {
		w := m.exactly(t)
		status.Probe, status.Silence = m.wall(w.At), w.At.Sub(s.Detector.Since)
		status.Audit = m.wall(s.NextAudit)
	}
	if s.State == Unproven && !s.Unheard.IsZero() && t.Sub(s.Unheard) >= 24*time.Hour {
		status.Warning = "polls find changes but no webhook of this job ever came: check that the sender has our address, and the receiver's `when`"
	}
	if m.Signals() {
		status.Warning = s.Shapes.words() + ": they only make the job poll. Mend `record`, or name these paths in `ignore`"
	}
	return status
}

// Explain says in words why the machine waits, and until when.
func (m *Machine) Explain(now time.Time) string {
	t := m.read(now)
	s := &m.state
	var say []string
	add := func(format string, args ...any) { say = append(say, fmt.Sprintf(format, args...)) }
	clockTime := func(at time.Time) string {
		local, today := m.wall(at).In(m.cfg.Zone), m.wall(t).In(m.cfg.Zone)
		switch {
		case local.Format(time.DateOnly) == today.Format(time.DateOnly):
			return local.Format("15:04")
		case local.Sub(today).Abs() < 6*24*time.Hour:
			return local.Format("Mon 15:04")
		}
		return local.Format("2006-01-02 15:04")
	}
	if s.Detector.Last.IsZero() {
		add("no event yet")
	} else {
		add("last event %s ago", short(t.Sub(s.Detector.Last)))
	}
	switch {
	case m.deaf:
		add("no webhook can reach us now, so silence means nothing")
	case m.catchup:
		add("one poll is due for what may have been missed meanwhile")
	case s.State == Unproven:
		add("polling on schedule until the first webhook comes")
	case s.State == Recovering:
		add("polling on schedule; %d of %d polls with traffic found nothing missed", min(s.Shadows, m.cfg.RecoverAfter), m.cfg.RecoverAfter)
	case s.State == Fallback && s.Hold.After(t):
		add("polling on schedule; webhooks are believed again after %s, since they failed %d times", clockTime(s.Hold), s.Relapses)
	case s.State == Fallback:
		add("polling on schedule until webhooks are back")
	case s.State == Probing && m.poll == nil && m.retryAt.After(t):
		add("%s; the next poll decides, at %s", m.silenceWords(t), clockTime(m.retryAt))
	case s.State == Probing:
		add("%s; a poll decides", m.silenceWords(t))
	case s.State == Listening:
		w := m.exactly(t)
		expected := m.calendar.cell(t).expected
		if !expected {
			add("none is expected at this hour")
		}
		if m.cfg.Silence > 0 {
			add("probing about %s", clockTime(w.At))
		} else {
			if expected {
				since := "since"
				if s.Detector.Since.After(s.Detector.Last) { // a probe or a start
					since += " " + clockTime(s.Detector.Since)
				}
				add("at this hour %.1f were due %s (bursts count once)", s.Detector.due(&m.calendar, s.Detector.Since, t), since)
			}
			if w.ByCount {
				add("probing at %.1f, about %s, at latest %s", s.Detector.need(), clockTime(w.At), clockTime(w.Cap))
			} else {
				add("probing at latest %s", clockTime(w.Cap))
			}
		}
		if !s.NextAudit.IsZero() {
			add("next audit by %s", clockTime(s.NextAudit))
		}
	}
	if m.Signals() {
		add("webhooks are taken as signals, because their records have another shape than polled ones")
	}
	if n := m.judge.size(); n > 0 {
		add("%d found untold, waiting for webhooks until %s", n, clockTime(m.judge.next(m.wait(t), s.Detector.Last)))
	}
	if s.Probes > 0 && s.ProbeDay == m.wall(t).In(m.cfg.Zone).Format(time.DateOnly) {
		add("%d fruitless %s today", s.Probes, plural(s.Probes, "probe"))
	}
	return strings.Join(say, "; ")
}

// silenceWords says how long it was silent, and what was due meanwhile.
func (m *Machine) silenceWords(t time.Time) string {
	d := &m.state.Detector
	if m.cfg.Silence > 0 {
		return "silent for " + short(t.Sub(d.Since))
	}
	return fmt.Sprintf("silent for %s, %.1f webhooks were due", short(t.Sub(d.Since)), d.due(&m.calendar, d.Since, t))
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// short is a duration as people say it.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}

// exactly is the deadline as of the last webhook, whether that one counted or not.
func (m *Machine) exactly(t time.Time) window {
	if m.stale {
		m.window = window{}
	}
	return m.deadline(t)
}
