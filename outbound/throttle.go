package outbound

import "time"

// throttle is how many attempts a destination gets at a time. It halves when the receiver has too much to do and grows
// by one for every round of successes, as TCP does.
type throttle struct {
	most  int // as configured
	now   float64
	cutAt time.Time
}

// resize follows a new configuration; a destination that was not held back is not held back after it.
func (t *throttle) resize(most int) {
	if t.most == 0 || t.now >= float64(t.most) {
		t.now = float64(most)
	}
	t.most = most
	t.now = min(t.now, float64(most))
}

// room reports whether another attempt may begin beside those that fly.
func (t *throttle) room(flying int) bool { return flying < int(t.now) }

// won counts an attempt that the receiver took.
func (t *throttle) won() { t.now = min(t.now+1/t.now, float64(t.most)) }

// lost halves, but once for all attempts that were in the air together: they tell of one and the same overload.
func (t *throttle) lost(began, now time.Time) {
	if began.Before(t.cutAt) {
		return
	}
	t.now = max(1, t.now/2)
	t.cutAt = now
}
