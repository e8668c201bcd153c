package watchdog

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Numbers of the detector, chosen by simulation; DESIGN.md says what each costs.
const (
	budget    = 6.0                 // probes a day that the sensitivity settles at
	growth    = 1.15                // of the sensitivity, per fruitless probe and, downwards, per budgeted one not used
	softest   = 24.0                // events that may be due before a probe, at most
	sharpest  = 1.5                 // and at least
	initial   = 3.0                 // and before anything was learned
	burst     = time.Minute         // events closer than this count once
	ignorance = 12 * time.Hour      // 1/12 h is the weight of the belief in 12 events an hour that everything starts with
	week      = 168                 // hours
	furthest  = 60 * 24 * time.Hour // that a deadline is looked for
	highest   = 40                  // doublings: beyond it a window is for ever
)

// profile is a number per local hour of the week, Sunday midnight first. In JSON it is base64 of 168 float32.
type profile [week]float32

// MarshalJSON packs the numbers: as decimal text they would be most of the state.
func (p profile) MarshalJSON() ([]byte, error) {
	packed := make([]byte, 0, 4*week)
	for _, x := range p {
		bits := math.Float32bits(x)
		packed = append(packed, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
	}
	return json.Marshal(packed)
}

// UnmarshalJSON takes only numbers that can be counts or hours.
func (p *profile) UnmarshalJSON(text []byte) error {
	var packed []byte
	if err := json.Unmarshal(text, &packed); err != nil {
		return err
	}
	if len(packed) != 4*week {
		return fmt.Errorf("hour profile of %d bytes, want %d", len(packed), 4*week)
	}
	for i := range p {
		x := math.Float32frombits(uint32(packed[4*i]) | uint32(packed[4*i+1])<<8 | uint32(packed[4*i+2])<<16 | uint32(packed[4*i+3])<<24)
		if !(x >= 0 && x < 1e12) {
			return fmt.Errorf("hour profile holds %v", x)
		}
		p[i] = x
	}
	return nil
}

// detector learns how many webhooks are due per local hour of the week, and from that how long a silence may be.
type detector struct {
	Events      profile   `json:"events"`   // decayed, bursts counted once
	Exposure    profile   `json:"exposure"` // decayed hours during which the channel was known to work
	AllEvents   float64   `json:"all_events"`
	AllExposure float64   `json:"all_exposure"`
	Sensitivity float64   `json:"sensitivity"` // events that must have been due before a probe
	Doublings   int       `json:"doublings"`   // of the window since the last webhook
	Counted     time.Time `json:"counted"`     // last event that counted
	Last        time.Time `json:"last"`        // last event
	Since       time.Time `json:"since"`       // from which silence is measured
	Confirmed   time.Time `json:"confirmed"`   // up to which exposure was added
	Tuned       time.Time `json:"tuned"`       // when Sensitivity was last adjusted
	Zone        string    `json:"zone"`        // of the local hours
}

// window is how long a silence may last: until Count, when enough would have been due, or Cap, whichever is first, but not
// before Least.
type window struct {
	Count, Cap time.Time
	At         time.Time
	ByCount    bool
}

// calendar maps instants of the machine to local hours and expected hours.
type calendar struct {
	zone  *time.Location
	hours *Hours
	skew  time.Duration // what to add to the machine's time to have the clock on the wall
}

// cell is a stretch within one local hour throughout which events are expected, or not.
type cell struct {
	end      time.Time
	hour     int // of the week
	expected bool
}

func (c *calendar) cell(t time.Time) cell {
	wall := t.Add(c.skew)
	local := wall.In(c.zone)
	end := wall.Add(time.Hour - sinceMidnight(local)%time.Hour)
	if _, change := local.ZoneBounds(); !change.IsZero() {
		end = earlier(end, change)
	}
	end = earlier(end, c.hours.edge(wall))
	return cell{end.Add(-c.skew), int(local.Weekday())*24 + local.Hour(), c.hours.Contains(wall)}
}

// expectedAfter is the instant at which d of expected time will have passed since t.
func (c *calendar) expectedAfter(t time.Time, d time.Duration) time.Time {
	for limit := t.Add(furthest); t.Before(limit); {
		cell := c.cell(t)
		if cell.expected {
			if span := cell.end.Sub(t); span >= d {
				return t.Add(d)
			} else {
				d -= span
			}
		}
		t = cell.end
	}
	return t
}

func newDetector(zone *time.Location) detector {
	return detector{Sensitivity: initial, Zone: zone.String()}
}

// restart measures silence and exposure from t on: what was before proves nothing.
func (d *detector) restart(t time.Time) {
	d.Confirmed, d.Since, d.Doublings = t, t, 0
	if d.Tuned.IsZero() || d.Tuned.After(t) {
		d.Tuned = t
	}
}

// settle adds the time up to t as time during which the channel worked.
func (d *detector) settle(c *calendar, t time.Time) {
	span := t.Sub(d.Confirmed)
	if span <= 0 {
		return
	}
	fade := math.Exp2(-span.Hours() / week)
	d.AllEvents *= fade
	d.AllExposure *= fade
	at := later(d.Confirmed, t.Add(-week*time.Hour))
	hour := c.cell(at.Add(-1)).hour // entering an hour at its very start counts as entering it
	for at.Before(t) {
		cell := c.cell(at)
		if cell.hour != hour {
			d.Events[cell.hour] *= fadeHour
			d.Exposure[cell.hour] *= fadeHour
		}
		hour = cell.hour
		end := earlier(cell.end, t)
		if cell.expected {
			d.Exposure[hour] += float32(end.Sub(at).Hours())
			d.AllExposure += end.Sub(at).Hours()
		}
		at = end
	}
	d.Confirmed = t
}

// fadeHour is the decay of an hour's numbers per week: a half-life of four weeks.
const fadeHour = 0.8408964152537145

// arrive takes in a webhook and says whether it counts: a burst counts once.
func (d *detector) arrive(c *calendar, t time.Time) (counted bool) {
	d.settle(c, t)
	if d.Counted.IsZero() || t.Sub(d.Counted) >= burst {
		counted = true
		d.Counted = t
		if cell := c.cell(t); cell.expected {
			d.Events[cell.hour]++
			d.AllEvents++
		}
	}
	d.Doublings = 0
	d.Since, d.Last = t, t
	return counted
}

// rates are the events due per hour, by local hour of the week.
func (d *detector) rates() *[week]float64 {
	overall := (d.AllEvents + 1) / (d.AllExposure + 1/ignorance.Hours())
	var rates [week]float64
	for hour := range 24 {
		for _, days := range [2][]int{{1, 2, 3, 4, 5}, {0, 6}} {
			events, exposure := .5*overall, .5
			for _, day := range days {
				events += float64(d.Events[day*24+hour])
				exposure += float64(d.Exposure[day*24+hour])
			}
			pooled := events / exposure
			for _, day := range days {
				b := day*24 + hour
				rates[b] = (float64(d.Events[b]) + 2*pooled) / (float64(d.Exposure[b]) + 2)
			}
		}
	}
	return &rates
}

// due is how many events were due from one instant to another.
func (d *detector) due(c *calendar, from, until time.Time) float64 {
	rates, sum := d.rates(), 0.0
	for at := later(from, until.Add(-furthest)); at.Before(until); {
		cell := c.cell(at)
		end := earlier(cell.end, until)
		if cell.expected {
			sum += rates[cell.hour] * end.Sub(at).Hours()
		}
		at = end
	}
	return sum
}

// need is how many events must have been due before a probe.
func (d *detector) need() float64 { return d.Sensitivity * math.Exp2(float64(d.Doublings)) }

// deadline tunes the sensitivity and says until when the silence since Since is borne.
func (d *detector) deadline(c *calendar, t time.Time, cfg *Config, random float64) window {
	if cfg.Silence > 0 {
		w := window{ByCount: true, Cap: c.expectedAfter(d.Since, max(cfg.Max, cfg.Silence))}
		w.Count = w.Cap
		if length := cfg.Silence << d.Doublings; d.Doublings < highest && length > 0 && length < cfg.Max {
			w.Count = c.expectedAfter(d.Since, length)
		}
		w.At = w.Count
		return w
	}
	if days := t.Sub(d.Tuned).Hours() / 24; days > 0 {
		d.Sensitivity *= math.Pow(growth, -budget*days)
		d.Tuned = t
	}
	d.Sensitivity = min(max(d.Sensitivity, sharpest), softest)
	w := window{Cap: c.expectedAfter(d.Since, time.Duration(float64(cfg.Max)*(.8+.2*random)))}
	need, rates := d.need(), d.rates()
	for at := d.Since; at.Before(w.Cap); {
		cell := c.cell(at)
		if rate := rates[cell.hour]; cell.expected {
			span := cell.end.Sub(at)
			if sum := rate * span.Hours(); sum < need {
				need -= sum
			} else {
				w.Count = at.Add(time.Duration(need / rate * float64(time.Hour)))
				break
			}
		}
		at = cell.end
	}
	w.At = w.Cap
	if least := later(w.Count, d.Since.Add(cfg.Min)); !w.Count.IsZero() && least.Before(w.Cap) {
		w.At, w.ByCount = least, true
	}
	return w
}

// blunt makes the detector less sensitive: a first probe was for nothing.
func (d *detector) blunt() { d.Sensitivity = min(softest, growth*d.Sensitivity) }

// quiet takes in a poll at t that missed nothing: the silence until then was one.
func (d *detector) quiet(c *calendar, t time.Time, byCount bool) {
	d.settle(c, t)
	if byCount {
		d.Doublings = min(d.Doublings+1, highest)
	} else {
		d.Doublings = 0
	}
	d.Since = t
}
