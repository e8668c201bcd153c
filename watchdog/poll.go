package watchdog

import "time"

// PollBegan says that a run of the job, for whatever reason, sends its first request now.
func (m *Machine) PollBegan(now time.Time) {
	t := m.read(now)
	m.poll = &t
}

// Change is a change that a poll found and told.
type Change struct {
	Key      string
	Deleted  bool
	Scans    int  // deletions: complete polls in a row that lacked the record, this one included
	Expected bool // whether `expects` says that a webhook should have told it
}

// PollResult is how a run of the job ended.
type PollResult struct {
	Failed     bool      // proves nothing; the rest but RetryAt is ignored
	RetryAt    time.Time // when the source wants to be asked again; zero: it does not say
	Complete   bool      // the fetch showed every record there is (bridge.Outcome.Complete), or proved by a 304 that nothing changed
	Gaps       bool      // records were set aside: what it did not show may have changed
	Silent     bool      // what it found differed for reasons of ours (a baseline, an edit of the configuration): no verdict
	NoBaseline bool      // the job still has none, as after a first, empty answer
	Absent     bool      // records are absent that a further poll has to confirm; those held for a person do not count
	Changes    []Change
}

// PollEnded takes in how the run that PollBegan announced ended.
func (m *Machine) PollEnded(now time.Time, result PollResult) {
	t := m.read(now)
	began := t
	if m.poll != nil {
		began = *m.poll
	}
	m.poll = nil
	if result.Failed {
		m.failed(t, now, result.RetryAt)
		return
	}
	m.retries, m.retryAt = 0, time.Time{}
	m.state.NextAudit = t.Add(m.audit())
	traffic := m.state.Detector.Last.After(m.state.Polled)
	m.state.Polled = t
	if m.state.State == Unproven && len(result.Changes) > 0 && !result.Silent && m.state.Unheard.IsZero() {
		m.state.Unheard = t
	}
	switch {
	case m.deaf || began.Before(m.heard):
		// Webhooks were lost by our own fault since it began, so that nothing can be held against what comes after it.
	case m.catchup:
		m.catchup = false
		m.told.agree(began, t, result)
	default:
		m.weigh(t, began, result, traffic)
	}
	m.state.Baselined = m.state.Baselined || !result.NoBaseline
	if m.state.State == Unproven && m.state.Webhooks > 0 && m.state.Baselined {
		m.recover(t, "a webhook came and the baseline is taken")
	}
	m.settleVerdicts(t)
}

// weigh compares what a poll that began then found with what webhooks told.
func (m *Machine) weigh(t, began time.Time, result PollResult, traffic bool) {
	recovering := m.state.State == Recovering
	// What happened before webhooks were back is not held against them: the poll that counts follows one that began since.
	shadow := recovering && traffic && !result.Silent && !result.Gaps && !m.told.agreed.Before(m.state.Since)
	untold := map[string]bool{}
	if m.state.State != Unproven && !result.Silent {
		room := memorable - m.judge.size()
		for _, c := range result.Changes {
			reference, known := m.told.reference(c)
			if !c.Expected || !known || recovering && reference.Before(m.state.Since) {
				continue
			}
			if !m.told.since(c.Key, m.cfg.Signal, reference) && len(untold) < room {
				untold[c.Key] = true
			}
		}
	}
	m.told.agree(began, t, result)
	switch {
	case len(untold) > 0:
		m.decided = true
		m.judge.add(batch{found: t, keys: untold, shadow: shadow, old: m.state.State == Fallback})
	case shadow:
		m.state.Shadows++
	case result.Silent: // decides nothing; a probe is repeated
		m.retryAt = t.Add(time.Minute)
	case m.state.State == Probing && result.Absent && m.confirms < longestConfirm:
		m.confirms++
		m.retryAt = t.Add(time.Minute) // in case nobody else confirms sooner
	default:
		m.decided = true
	}
}

// settleVerdicts draws the verdicts that are due at t.
func (m *Machine) settleVerdicts(t time.Time) {
	missed, fresh, waited := m.judge.expire(t, m.wait(t), m.state.Detector.Last)
	m.state.Missed += int64(missed)
	if fresh > 0 {
		m.fall(t, fresh, waited)
		return
	}
	if m.judge.waiting() || m.poll != nil {
		return
	}
	switch {
	case m.state.State == Probing && m.decided:
		m.quiet(t)
	case m.state.State == Recovering && m.state.Shadows >= m.cfg.RecoverAfter:
		m.believe(t)
	}
}
