package watchdog

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// memory is what survives a restart, about 3 KiB of JSON. What webhooks told and what waits for them does not: the catch-up
// poll of the next start makes it worthless.
type memory struct {
	Version  int       `json:"version"`
	State    State     `json:"state"`
	Since    time.Time `json:"since"`
	Detector detector  `json:"detector"`

	Baselined bool      `json:"baselined"` // a poll has ended well
	Unheard   time.Time `json:"unheard"`   // first change found while no webhook ever came
	Polled    time.Time `json:"polled"`    // when a poll last ended well
	NextAudit time.Time `json:"next_audit"`

	Lateness   time.Duration `json:"lateness_ns"`
	LatenessAt time.Time     `json:"lateness_at"`

	Shadows       int       `json:"shadows"` // polls that counted towards recovery
	Before        State     `json:"before"`  // the fallback
	BeforeShadows int       `json:"before_shadows"`
	Hold          time.Time `json:"hold"` // until then webhooks do not end the fallback
	Relapses      int       `json:"relapses"`
	Relapsed      time.Time `json:"relapsed"`

	Shapes Shapes `json:"shapes,omitzero"`

	Webhooks int64  `json:"webhooks"` // ever
	Missed   int64  `json:"missed"`   // ever
	Probes   int    `json:"probes"`   // fruitless, on ProbeDay
	ProbeDay string `json:"probe_day"`
}

const memoryVersion = 1

// MarshalJSON is what the machine has to remember over a restart. Keep it every few minutes, at every transition and at exit.
func (m *Machine) MarshalJSON() ([]byte, error) {
	state := m.state
	state.Version = memoryVersion
	return json.Marshal(state)
}

// Load is the watchdog of a job as MarshalJSON left it. It is deaf until Hear. An error means that the memory is not usable;
// New starts without it.
func Load(cfg Config, memory []byte, random func() float64) (*Machine, error) {
	m := New(cfg, random)
	state := m.state
	if err := json.Unmarshal(memory, &state); err != nil {
		return nil, fmt.Errorf("read watchdog memory: %w", err)
	}
	if err := state.check(); err != nil {
		return nil, fmt.Errorf("read watchdog memory: %w", err)
	}
	if state.State == Probing { // whatever the silence was, it ends with the catch-up poll
		state.State = Listening
	}
	if zone := m.state.Detector.Zone; state.Detector.Zone != zone {
		state.Detector.Events, state.Detector.Exposure, state.Detector.Zone = profile{}, profile{}, zone
	}
	if state.Shapes.Edition != cfg.Edition {
		state.Shapes = m.state.Shapes
	}
	m.state = state
	return m, nil
}

func (s *memory) check() error {
	switch s.State {
	case Unproven, Recovering, Listening, Probing, Fallback:
	default:
		return fmt.Errorf("unknown state %q", s.State)
	}
	d := &s.Detector
	switch {
	case s.Version != memoryVersion:
		return fmt.Errorf("version %d, want %d", s.Version, memoryVersion)
	case d.AllEvents < 0 || d.AllExposure < 0 || d.Sensitivity < 0 || d.Doublings < 0 || d.Doublings > highest:
		return errors.New("counts out of range")
	case s.Shadows < 0 || s.Relapses < 0 || s.Relapses > 1000 || s.Lateness < 0:
		return errors.New("counters out of range")
	}
	return nil
}

// clamp takes back times that a clock set back since then has put into the future.
func (s *memory) clamp(t time.Time) {
	d := &s.Detector
	for _, at := range []*time.Time{&s.Since, &s.Unheard, &s.Polled, &s.LatenessAt, &s.Relapsed, &d.Counted, &d.Last, &d.Since, &d.Confirmed, &d.Tuned} {
		*at = earlier(*at, t)
	}
	s.Hold = earlier(s.Hold, t.Add(longHold))
}

// clock turns the caller's instants into the machine's own time, which never runs backwards. Where the caller's carry a
// monotonic reading (time.Now does), setting the clock on the wall moves nothing but skew.
type clock struct {
	base, zero, last time.Time
}

func (m *Machine) read(now time.Time) time.Time {
	c := &m.clock
	if c.base.IsZero() {
		c.base, c.zero = now, now.Round(0).UTC()
		c.last = c.zero
		m.state.clamp(c.zero)
	}
	t := c.zero.Add(now.Sub(c.base))
	if t.Before(c.last) {
		c.base, c.zero, t = now, c.last, c.last
	}
	c.last = t
	m.calendar.skew = now.Round(0).Sub(t)
	return t
}

// wall is what a clock on the wall shows at the machine's t.
func (m *Machine) wall(t time.Time) time.Time { return t.Add(m.calendar.skew) }
