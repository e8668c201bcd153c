package watchdog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestUnprovenPollsOnScheduleAndWarnsAfterADay(t *testing.T) {
	s := drive(t, Config{})
	if d := s.next(); d.Poll != Catchup || d.Scheduled != Schedule {
		t.Fatalf("at start: %+v", d)
	}
	s.poll(Catchup, updated("a")...)
	for range 25 {
		s.wait(time.Hour)
		s.poll(Schedule, updated("a", "b")...)
	}
	if d := s.next(); d.Poll != None || d.Scheduled != Schedule {
		t.Fatalf("unproven: %+v", d)
	}
	if warning := s.m.Status(s.now).Warning; !strings.Contains(warning, "no webhook") {
		t.Errorf("warning: %q", warning)
	}
	s.want(Unproven, []string{}...)
	if s.m.state.Missed != 0 {
		t.Errorf("%d missed by a job that never had webhooks", s.m.state.Missed)
	}
}

func TestFirstWebhookLeadsToRecoveringOnlyWithABaseline(t *testing.T) {
	s := drive(t, Config{})
	s.hook("a")
	s.want(Unproven)
	s.result(Catchup, PollResult{Complete: true, Silent: true, NoBaseline: true})
	s.want(Unproven)
	s.result(Schedule, PollResult{Failed: true})
	s.want(Unproven)
	s.result(Schedule, PollResult{Complete: true, Silent: true})
	s.want(Recovering, "unproven>recovering")
}

func TestRecoveringCountsPollsWithTraffic(t *testing.T) {
	s := drive(t, Config{RecoverAfter: 3})
	s.poll(Catchup)
	s.wait(time.Second)
	s.hook("a")
	s.want(Recovering)
	for range 50 {
		s.wait(time.Hour)
		s.poll(Shadow) // no traffic: proves nothing, and silence is no verdict
	}
	s.want(Recovering)
	if d := s.next(); d.Scheduled != Shadow || d.Poll != None {
		t.Fatalf("recovering: %+v", d)
	}
	for i := range 3 {
		if s.m.state.Shadows != i {
			t.Fatalf("%d polls counted, want %d", s.m.state.Shadows, i)
		}
		s.want(Recovering)
		s.wait(time.Minute)
		s.hook("b")
		s.poll(Shadow, updated("b")...)
	}
	s.want(Listening, "recovering>listening")
	if d := s.next(); d.Scheduled != None {
		t.Fatalf("listening: the schedule does not rest: %+v", d)
	}
}

func TestRecoveringFallsBackOnAMissOnly(t *testing.T) {
	s := drive(t, Config{})
	s.poll(Catchup)
	s.hook("a")
	s.poll(Shadow, updated("z")...) // may have changed before webhooks came: nobody's fault
	s.wait(time.Hour)
	s.want(Recovering)
	s.poll(Shadow, updated("b")...)
	s.wait(4 * time.Minute)
	s.want(Recovering)
	s.wait(2 * time.Minute)
	s.want(Fallback, "recovering>fallback")
}

func TestSilenceIsProbedAndAQuietProbeDoublesTheWindow(t *testing.T) {
	for _, cfg := range []Config{{}, {Silence: 15 * time.Minute}} {
		s := listening(t, cfg)
		began := s.now
		var windows []time.Duration
		for range 4 {
			if reason := s.silence(); reason != Probe {
				t.Fatalf("after %v: %s", s.now.Sub(began), reason)
			}
			windows = append(windows, s.now.Sub(began))
			s.want(Probing, "listening>probing")
			s.poll(Probe)
			s.want(Listening, "probing>listening")
			began = s.now
		}
		for i := 1; i < len(windows); i++ {
			if windows[i] < windows[i-1]*3/2 || windows[i] > 4*time.Hour {
				t.Errorf("silence %v: windows %v do not double", cfg.Silence, windows)
			}
		}
		s.hook("a")
		if n := s.m.state.Detector.Doublings; n != 0 {
			t.Errorf("%d doublings left after a webhook", n)
		}
	}
}

func TestAFixedWindowGrowsToMaxAndStays(t *testing.T) {
	s := listening(t, Config{Silence: 15 * time.Minute, Audit: 1000 * time.Hour})
	began := s.now
	for i, want := range []time.Duration{15, 30, 60, 120, 240, 240, 240} {
		s.silence()
		if window := s.now.Sub(began).Round(time.Minute); window != want*time.Minute {
			t.Errorf("window %d is %v, want %v", i, window, want*time.Minute)
		}
		s.poll(Probe)
		began = s.now.Add(0)
	}
}

func TestAFailedProbeProvesNothing(t *testing.T) {
	s := listening(t, Config{})
	s.silence()
	var waits []time.Duration
	for range 7 {
		s.result(Probe, PollResult{Failed: true})
		s.want(Probing)
		failed := s.now
		if reason := s.silence(); reason != Probe {
			t.Fatal(reason)
		}
		waits = append(waits, s.now.Sub(failed))
	}
	if !slices.IsSorted(waits) || waits[0] != 30*time.Second || waits[6] != patience {
		t.Errorf("waits between failed probes: %v", waits)
	}
	s.result(Probe, PollResult{Failed: true, RetryAt: s.now.Add(time.Hour)})
	failed := s.now
	s.silence()
	if wait := s.now.Sub(failed); wait < time.Hour-time.Second {
		t.Errorf("came back after %v, the source said an hour", wait)
	}
	s.poll(Probe)
	s.want(Listening, "probing>listening")
}

func TestFallbackEndsByWebhooksThatProveThemselves(t *testing.T) {
	s := fallen(t, Config{}, "x")
	for range 10 {
		s.wait(time.Hour)
		s.poll(Degraded, updated("x", "y")...)
	}
	s.want(Fallback)
	s.wait(25 * time.Hour) // x may no longer be late
	s.hook("x")
	s.want(Recovering, "fallback>recovering")
	s.poll(Shadow)
	for range 2 {
		s.wait(time.Minute)
		s.hook("a")
		s.poll(Shadow, updated("a")...)
	}
	s.want(Listening, "recovering>listening")
}

func TestDeafTimeIsNotHeldAgainstWebhooks(t *testing.T) {
	s := listening(t, Config{})
	s.m.Deaf(s.now)
	s.wait(20 * time.Hour)
	if d := s.next(); d.Poll != None || d.Scheduled != Schedule {
		t.Fatalf("deaf: %+v", d)
	}
	s.poll(Schedule, updated("x")...)
	s.m.PollBegan(s.now)
	began := s.now.Add(time.Second)
	s.m.Hear(began)
	s.now = s.now.Add(2 * time.Second)
	s.m.PollEnded(s.now, PollResult{Complete: true, Changes: updated("y")})
	if d := s.next(); d.Poll != Catchup {
		t.Fatalf("a poll that began while deaf caught up: %+v", d)
	}
	s.result(Catchup, PollResult{Failed: true})
	if reason := s.silence(); reason != Catchup {
		t.Fatalf("after a failed catch-up: %s", reason)
	}
	s.poll(Catchup, updated("z")...)
	s.wait(time.Second)
	s.want(Listening, []string{}...)
	if s.m.state.Missed != 0 {
		t.Errorf("%d held against webhooks", s.m.state.Missed)
	}
	if s.silence(); s.now.Sub(began) < 5*time.Minute {
		t.Errorf("probes %v after deaf time: its clock went on", s.now.Sub(began))
	}
}

func TestDeafWhileProbingStopsTheJudgement(t *testing.T) {
	s := listening(t, Config{})
	s.silence()
	s.poll(Probe, updated("x")...)
	s.m.Deaf(s.now)
	s.want(Listening, "listening>probing", "probing>listening")
	s.m.Hear(s.now)
	s.wait(time.Hour)
	s.want(Listening, []string{}...)
}

func TestRepeatedFallbacksAreBelievedLessAndLess(t *testing.T) {
	s := listening(t, Config{})
	var holds []time.Duration
	for range 6 {
		s.silence()
		s.poll(Probe, updated("x", "y")...)
		s.wait(5 * time.Minute)
		s.want(Fallback)
		fell := s.now
		for s.m.state.State == Fallback {
			s.wait(time.Minute)
			s.hook("a")
		}
		holds = append(holds, s.now.Sub(fell).Round(time.Minute))
		for s.m.state.State != Listening {
			s.wait(time.Minute)
			s.hook("a")
			s.poll(Shadow)
		}
		s.moves = nil
	}
	if !slices.IsSorted(holds) || holds[0] != time.Minute || holds[5] < 2*time.Hour {
		t.Errorf("times until believed again: %v", holds)
	}
}

func TestAClockSetBackMovesNoDeadlineAway(t *testing.T) {
	s := listening(t, Config{Silence: 15 * time.Minute})
	s.now = s.now.Add(-5 * time.Hour)
	began := s.now
	if reason := s.silence(); reason != Probe || s.now.Sub(began) > 15*time.Minute {
		t.Errorf("%s after %v, want a probe within the window", reason, s.now.Sub(began))
	}
}

func TestAClockSetBackDelaysNoVerdict(t *testing.T) {
	s := listening(t, Config{})
	s.silence()
	s.poll(Probe, updated("x")...)
	s.wait(4 * time.Minute)
	s.now = s.now.Add(-5 * time.Hour)
	s.wait(0)
	s.want(Probing)
	s.wait(2 * time.Minute)
	s.want(Fallback)
}

// legal are the arrows of the state diagram, and the two that late webhooks and deaf time add.
var legal = map[string]bool{
	"unproven>recovering": true, "recovering>listening": true, "recovering>fallback": true, "listening>probing": true,
	"probing>listening": true, "probing>fallback": true, "listening>fallback": true, "fallback>recovering": true,
	"fallback>listening": true, // reverted
}

func TestNoInputLeadsOffTheDiagram(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 3))
		m := New(Config{Signal: r.IntN(4) == 0, Silence: time.Duration(r.IntN(2)) * 20 * time.Minute}, r.Float64)
		now := date(t, "2026-03-25 10:00")
		m.Hear(now)
		for range 400 {
			key := fmt.Sprint(r.IntN(5))
			switch r.IntN(12) {
			case 0, 1, 2:
				m.Webhook(now, Webhook{Key: key})
			case 3, 4:
				now = now.Add(time.Duration(r.ExpFloat64() * float64(time.Hour)))
			case 5:
				now = now.Add(time.Duration(r.ExpFloat64() * float64(time.Minute)))
			case 6:
				if r.IntN(10) == 0 {
					m.Deaf(now)
				} else if r.IntN(10) == 0 {
					m.Hear(now)
				}
			case 7:
				if r.IntN(10) == 0 {
					memory, err := m.MarshalJSON()
					if err != nil {
						t.Fatal(err)
					}
					if m, err = Load(m.cfg, memory, r.Float64); err != nil {
						t.Fatal(err)
					}
					m.Hear(now)
				}
			default:
				m.Next(now)
				m.PollBegan(now)
				now = now.Add(time.Duration(r.IntN(60)) * time.Second)
				result := PollResult{Failed: r.IntN(6) == 0, Complete: r.IntN(6) != 0, Gaps: r.IntN(9) == 0, Absent: r.IntN(6) == 0, Silent: r.IntN(20) == 0}
				for range r.IntN(3) {
					result.Changes = append(result.Changes, Change{Key: fmt.Sprint(r.IntN(5)), Deleted: r.IntN(3) == 0, Scans: r.IntN(6), Expected: r.IntN(5) != 0})
				}
				m.PollEnded(now, result)
			}
			if d := m.Next(now); !d.At.IsZero() && !d.At.After(now) {
				t.Fatalf("seed %d: asks at %v to be asked at %v", seed, now, d.At)
			}
			if m.Explain(now) == "" {
				t.Fatal("no explanation")
			}
			for _, move := range m.Transitions() {
				arrow := fmt.Sprintf("%s>%s", move.From, move.To)
				if seen[arrow] = true; !legal[arrow] {
					t.Fatalf("seed %d: %s: %s", seed, arrow, move.Why)
				}
				if move.Why == "" || move.To == Fallback && move.Missed == 0 {
					t.Fatalf("seed %d: %+v gives no proof", seed, move)
				}
			}
		}
	}
	for arrow := range legal {
		if !seen[arrow] {
			t.Errorf("never went %s", arrow)
		}
	}
}
