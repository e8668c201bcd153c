package watchdog

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// script drives one machine by hand.
type script struct {
	*testing.T
	m     *Machine
	now   time.Time
	moves []string
}

// half makes everything random come out in the middle: audits after 24 h, the cap at 90 %.
func half() float64 { return .5 }

func drive(t *testing.T, cfg Config) *script {
	s := &script{T: t, m: New(cfg, half), now: date(t, "2026-03-02 10:00")}
	s.m.Hear(s.now)
	return s
}

// listening is a machine that has gone all the way to listening, with a webhook for "a" at the end.
func listening(t *testing.T, cfg Config) *script {
	s := drive(t, cfg)
	s.poll(Catchup)
	s.hook("a")
	for s.m.state.State != Listening {
		s.wait(time.Minute)
		s.hook("a")
		s.poll(Shadow)
	}
	s.wait(time.Minute)
	s.hook("a")
	s.moves = nil
	return s
}

// fallen is a machine that listened, fell silent and found these keys changed without a webhook.
func fallen(t *testing.T, cfg Config, keys ...string) *script {
	s := listening(t, cfg)
	s.silence()
	s.poll(Probe, updated(keys...)...)
	s.wait(5 * time.Minute)
	s.want(Fallback)
	return s
}

func (s *script) wait(d time.Duration) { s.now = s.now.Add(d); s.next() }

func (s *script) next() Decision {
	d := s.m.Next(s.now)
	for _, move := range s.m.Transitions() {
		s.moves = append(s.moves, fmt.Sprintf("%s>%s", move.From, move.To))
	}
	return d
}

func (s *script) hook(keys ...string) {
	for _, key := range keys {
		s.m.Webhook(s.now, Webhook{Key: key})
	}
	s.next()
}

// poll is a run that takes a second and sees everything.
func (s *script) poll(reason Reason, changes ...Change) {
	s.result(reason, PollResult{Complete: true, Changes: changes})
}

func (s *script) result(reason Reason, result PollResult) {
	d := s.next()
	switch reason {
	case Probe, Audit, Catchup:
		if d.Poll != reason {
			s.Fatalf("a poll for %q is not what it wants: %+v", reason, d)
		}
	case Schedule, Shadow, Degraded:
		if d.Scheduled != reason {
			s.Fatalf("a tick is no poll for %q: %+v", reason, d)
		}
	}
	s.m.PollBegan(s.now)
	s.now = s.now.Add(time.Second)
	s.m.PollEnded(s.now, result)
	s.next()
}

// silence lets time pass until the machine wants a poll.
func (s *script) silence() Reason {
	s.Helper()
	for {
		d := s.next()
		if d.Poll != None {
			return d.Poll
		}
		if !d.At.After(s.now) {
			s.Fatalf("%v: nothing to do and no time to ask again: %+v", s.now, d)
		}
		s.now = d.At
	}
}

func (s *script) want(state State, moves ...string) {
	s.Helper()
	s.next()
	if s.m.state.State != state || moves != nil && !slices.Equal(s.moves, moves) {
		s.Fatalf("%s after %v, want %s after %v (%s)", s.m.state.State, s.moves, state, moves, s.m.Explain(s.now))
	}
	s.moves = nil
}

func updated(keys ...string) (changes []Change) {
	for _, key := range keys {
		changes = append(changes, Change{Key: key, Expected: true})
	}
	return changes
}
