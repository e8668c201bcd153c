package watchdog

import (
	"fmt"
	"testing"
	"time"
)

func TestAProbeThatFindsWhatNoWebhookToldFallsBack(t *testing.T) {
	s := listening(t, Config{})
	s.silence()
	s.poll(Probe, updated("a", "x", "y", "z")...) // a was told
	s.want(Probing, "listening>probing")
	if d := s.next(); d.Poll != None || d.At.Sub(s.now) != 5*time.Minute {
		t.Fatalf("waits for grace: %+v at %v", d, s.now)
	}
	s.wait(5 * time.Minute)
	s.want(Fallback, "probing>fallback")
	if d := s.next(); d.Scheduled != Degraded || d.Poll != None {
		t.Errorf("fallback: %+v", d)
	}
	if got := s.m.state.Missed; got != 3 {
		t.Errorf("%d missed, want 3", got)
	}
}

func TestWhatWebhooksToldIsNotMissed(t *testing.T) {
	s := listening(t, Config{})
	s.poll(Other)
	s.hook("b")
	s.silence()
	s.poll(Probe, updated("b")...)
	s.want(Listening, "listening>probing", "probing>listening")
	s.silence()
	s.poll(Probe, updated("b")...) // changed again: the webhook was for what the probe before had seen
	s.wait(5 * time.Minute)
	s.want(Fallback)
}

func TestChangesNobodyWasToTellAreNotMissed(t *testing.T) {
	s := listening(t, Config{})
	s.silence()
	s.poll(Probe, Change{Key: "x"}, Change{Key: "y", Deleted: true, Scans: 2})
	s.want(Listening, "listening>probing", "probing>listening")
}

func TestAnAuditFindsPartialLoss(t *testing.T) {
	s := listening(t, Config{})
	for s.next().Poll == None {
		s.wait(time.Minute)
		s.hook("a")
	}
	if d := s.next(); d.Poll != Audit {
		t.Fatalf("busy for long: %+v", d)
	}
	s.poll(Audit, updated("a", "lost")...)
	s.want(Listening, []string{}...)
	for range 29 {
		s.wait(time.Minute)
		s.hook("a") // webhooks still come, so the lost one may be late: six times the grace
	}
	s.want(Listening, []string{}...)
	s.wait(2 * time.Minute)
	s.want(Fallback, "listening>fallback")
	if s.m.state.Missed != 1 {
		t.Errorf("%d missed", s.m.state.Missed)
	}
}

func TestLateWebhooksRevertAFallbackAndDoubleTheGrace(t *testing.T) {
	s := fallen(t, Config{}, "x", "y")
	s.wait(time.Minute)
	s.hook("x")
	s.want(Recovering) // one of them is still missed
	s.hook("y")
	s.want(Listening, "recovering>listening")
	if wait := s.m.wait(s.now); wait < 10*time.Minute || wait > 12*time.Minute {
		t.Errorf("grace is %v after webhooks that came 6 min late, want double", wait)
	}
	if s.m.state.Relapses != 0 {
		t.Errorf("%d relapses counted for webhooks that were only late", s.m.state.Relapses)
	}
	s.wait(time.Second)
	s.poll(Other)
	s.silence()
	s.poll(Probe, updated("x")...)
	s.wait(9 * time.Minute)
	s.want(Probing)
	s.hook("x")
	s.want(Listening, "probing>listening")
}

func TestANewChangeOfAMissedKeyDoesNotRevert(t *testing.T) {
	s := fallen(t, Config{}, "x")
	s.wait(time.Hour)
	s.m.Webhook(s.now, Webhook{Key: "x", Sent: s.now.Add(-time.Second)})
	s.want(Recovering, "fallback>recovering")
}

func TestADeletionIsToldSinceThePollThatStillShowedIt(t *testing.T) {
	gone := Change{Key: "x", Deleted: true, Scans: 2, Expected: true}
	for _, told := range []bool{true, false} {
		s := listening(t, Config{})
		s.poll(Other) // shows x
		if told {
			s.hook("x")
		}
		s.silence()
		s.result(Probe, PollResult{Complete: true, Absent: true})
		s.want(Probing) // the verdict includes the confirming poll
		if d := s.next(); d.Poll != None || d.At.IsZero() {
			t.Fatalf("leaves the confirming poll its time: %+v", d)
		}
		s.wait(30 * time.Second)
		s.poll(Other, gone)
		if told {
			s.want(Listening, "probing>listening")
			continue
		}
		s.wait(5 * time.Minute)
		s.want(Fallback, "probing>fallback")
	}
}

func TestAProbeConfirmsAbsencesItselfAndNotForEver(t *testing.T) {
	s := listening(t, Config{})
	for range longestConfirm + 1 {
		if reason := s.silence(); reason != Probe {
			t.Fatal(reason)
		}
		s.result(Probe, PollResult{Complete: true, Absent: true})
	}
	s.want(Listening)
}

func TestAPollThatSetRecordsAsideAgreesWithNothing(t *testing.T) {
	s := listening(t, Config{})
	s.poll(Other)
	s.wait(time.Second)
	s.hook("x")
	s.wait(time.Second)
	s.result(Other, PollResult{Complete: true, Gaps: true}) // x was among those set aside
	s.silence()
	s.poll(Probe, updated("x")...)
	s.want(Listening)
}

func TestASignalTellsOfEveryRecord(t *testing.T) {
	s := listening(t, Config{Signal: true})
	s.hook("")
	s.wait(time.Millisecond)
	s.poll(Other, updated("x", "y")...)
	s.want(Listening, []string{}...)
	s.silence()
	s.poll(Probe, updated("z")...)
	s.wait(4 * time.Minute)
	s.want(Probing)
	s.hook("")
	s.want(Listening, "probing>listening")
	s.wait(time.Millisecond)
	s.poll(Other)
	s.silence()
	s.poll(Probe, updated("z")...)
	s.wait(30 * time.Minute)
	s.want(Fallback, "listening>probing", "probing>fallback")
	s.wait(3 * time.Hour)
	s.hook("") // long after: news, not the late one
	s.want(Recovering, "fallback>recovering")
}

func TestALookupTellsOnceItKnowsTheKey(t *testing.T) {
	s := listening(t, Config{})
	s.poll(Other)
	arrived := s.now
	s.hook("")
	s.wait(time.Minute)
	s.m.Told(s.now, arrived, "x")
	s.silence()
	s.poll(Probe, updated("x")...)
	s.want(Listening)
}

func TestAFallbackIsNotRevertedWhileMoreMayBeMissed(t *testing.T) {
	s := fallen(t, Config{}, "x")
	s.poll(Degraded, updated("y")...)
	s.wait(time.Minute)
	s.hook("x")
	s.want(Recovering, "fallback>recovering") // y may still come
	s.hook("y")
	s.want(Listening, "recovering>listening")
}

func TestWhatFallbackFindsIsNotHeldAgainstTheRecovery(t *testing.T) {
	s := fallen(t, Config{}, "x")
	s.poll(Degraded, updated("y")...)
	s.wait(time.Minute)
	s.hook("a")
	s.want(Recovering)
	s.poll(Shadow, updated("z")...) // changed before webhooks were back, for all we know
	s.wait(31 * time.Minute)
	s.want(Recovering, []string{}...)
	if s.m.state.Missed != 2 {
		t.Errorf("%d missed, want x and y", s.m.state.Missed)
	}
}

func TestAnEditOfOursDecidesNothing(t *testing.T) {
	s := listening(t, Config{})
	s.silence()
	s.result(Probe, PollResult{Complete: true, Silent: true, Changes: updated("x")})
	s.want(Probing)
	ended := s.now
	if s.silence(); s.now.Sub(ended) != time.Minute {
		t.Errorf("probes again after %v", s.now.Sub(ended))
	}
	s.poll(Probe)
	s.want(Listening)
}

func TestARevertedFallbackGivesTheRecoveryItsPollsBack(t *testing.T) {
	s := drive(t, Config{})
	s.poll(Catchup)
	s.wait(time.Second)
	s.hook("a")
	s.poll(Shadow)
	s.wait(time.Second)
	s.hook("a")
	s.poll(Shadow, updated("a")...)
	s.wait(time.Second)
	s.poll(Shadow, updated("x", "y")...)
	s.wait(5 * time.Minute)
	s.want(Fallback)
	s.hook("x", "y")
	s.want(Recovering, "fallback>recovering")
	if s.m.state.Shadows != 1 {
		t.Errorf("%d polls counted, want the one from before", s.m.state.Shadows)
	}
}

func TestAWiderSampleDoesNotBlameWhatTheNarrowOneForgot(t *testing.T) {
	var k told
	k.reset()
	at := date(t, "2026-03-02 10:00")
	for i := range memorable + 1 {
		k.add(fmt.Sprint(i), at)
	}
	outside := ""
	for i := 0; sampled(outside, 1); i++ {
		outside = fmt.Sprint("late-", i)
	}
	began := at.Add(time.Minute)
	k.add(outside, began.Add(time.Second)) // while the poll goes on; not remembered
	for i := range ring {
		k.agree(began.Add(time.Duration(i)*time.Millisecond), began.Add(time.Minute), PollResult{Complete: true})
	}
	if k.halvings != 0 {
		t.Fatalf("%d halvings", k.halvings)
	}
	if !k.since(outside, false, began) {
		t.Error("a webhook that was not remembered counts as missed")
	}
	if k.since(outside, false, began.Add(2*time.Minute)) {
		t.Error("a webhook that never came counts as told")
	}
}

// Once webhooks have earned trust again, one for a key that was missed is news, and teaches no lateness.
func TestAWebhookForAMissedKeyIsLateOnlyWhileTheVerdictStands(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		var j judge
		j.reset()
		found := date(t, "2026-01-05 10:00")
		j.add(batch{found: found, keys: map[string]bool{"a": true, "b": true}})
		if missed, fresh, _ := j.expire(found.Add(time.Hour), time.Minute, found); missed != 2 || fresh != 2 {
			t.Fatalf("%d missed, %d of them news; want 2", missed, fresh)
		}
		j.fall()
		if trusted {
			j.fallen = false
		}
		late, _, _ := j.told(found.Add(3*time.Hour), "a", time.Time{}, false, lateLimit)
		if want := 3 * time.Hour; trusted && late != 0 || !trusted && late != want {
			t.Errorf("trusted again: %v; late by %v", trusted, late)
		}
	}
}
