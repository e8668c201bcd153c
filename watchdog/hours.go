package watchdog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hours are the local times at which webhooks are expected. The zero value and nil mean always.
type Hours struct {
	text  string
	spans []span
}

// span is a piece of the day on some days of the week, in one zone. Minutes count from local midnight; where until is not
// after from, the span ends on the next day.
type span struct {
	days        [7]bool
	from, until int
	zone        *time.Location
}

const day = 24 * 60

// ParseHours reads hours such as "Mon-Fri 07:00-19:00 Europe/Berlin", several of them separated by commas. Each has days
// (Mon, Mon-Fri; left out: every day), a time of day (left out: all day; 22:00-06:00 ends on the next morning, 24:00 is
// midnight) and an IANA zone. A part with days alone takes the time of the part after it, as in "Mon, Wed 09:00-17:00". A part without
// zone takes the one written next, or else the one before; where none is written at all, local counts.
func ParseHours(text string, local *time.Location) (*Hours, error) {
	hours := &Hours{text: strings.Join(strings.Fields(text), " ")}
	var days [7]bool // of parts that wait for the time of the one after them
	waiting, zoned := false, 0
	parts := strings.Split(text, ",")
	for i, part := range parts {
		words := strings.Fields(part)
		if len(words) == 0 {
			return nil, fmt.Errorf("hours %q: part %d is empty; write them as in %q", text, i+1, example)
		}
		s := span{until: day}
		named, timed := false, false
		for at, word := range words {
			if list, err := parseDays(word); err == nil && at == 0 {
				s.days, named = list, true
			} else if from, until, err := parseTimes(word); err == nil && !timed && s.zone == nil {
				s.from, s.until, timed = from, until, true
			} else if at == len(words)-1 && !looksTimed(word) {
				zone, err := time.LoadLocation(word)
				if err != nil || strings.EqualFold(word, "local") {
					return nil, fmt.Errorf("hours %q: %q is neither days (Mon-Fri) nor a time (07:00-19:00) nor a zone (Europe/Berlin)", text, word)
				}
				s.zone = zone
			} else if looksTimed(word) && err != nil && !timed {
				return nil, fmt.Errorf("hours %q: %w", text, err)
			} else {
				return nil, fmt.Errorf("hours %q: did not expect %q there; write them as in %q", text, word, example)
			}
		}
		if named && !timed && s.zone == nil && i < len(parts)-1 {
			for d := range days {
				days[d] = days[d] || s.days[d]
			}
			waiting = true
			continue
		}
		if !named && !waiting {
			s.days = [7]bool{true, true, true, true, true, true, true}
		}
		for d := range days {
			s.days[d] = s.days[d] || days[d]
		}
		days, waiting = [7]bool{}, false
		hours.spans = append(hours.spans, s)
		if s.zone != nil {
			for ; zoned < len(hours.spans); zoned++ {
				hours.spans[zoned].zone = s.zone
			}
		}
	}
	for ; zoned < len(hours.spans); zoned++ {
		hours.spans[zoned].zone = local
		if zoned > 0 {
			hours.spans[zoned].zone = hours.spans[zoned-1].zone
		}
	}
	return hours, nil
}

const example = "Mon-Fri 07:00-19:00 Europe/Berlin"

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func parseDays(word string) (list [7]bool, err error) {
	first, last, several := strings.Cut(strings.ToLower(word), "-")
	if !several {
		last = first
	}
	from, until := slices.Index(weekdays, first), slices.Index(weekdays, last)
	if from < 0 || until < 0 {
		return list, fmt.Errorf("%q is not a range of days", word)
	}
	for d := from; ; d = (d + 1) % 7 {
		list[d] = true
		if d == until {
			return list, nil
		}
	}
}

func looksTimed(word string) bool { return word[0] >= '0' && word[0] <= '9' }

func parseTimes(word string) (from, until int, err error) {
	first, last, ok := strings.Cut(word, "-")
	if !ok {
		return 0, 0, fmt.Errorf("%q is not a time of day such as 07:00-19:00", word)
	}
	if from, err = parseTime(first); err != nil {
		return 0, 0, err
	}
	if until, err = parseTime(last); err != nil {
		return 0, 0, err
	}
	if from == day || from == until {
		return 0, 0, fmt.Errorf("%q is empty; all day is 00:00-24:00", word)
	}
	return from, until, nil
}

func parseTime(text string) (int, error) {
	hour, minute, ok := strings.Cut(text, ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if !ok || errors.Join(err1, err2) != nil || len(hour) != 2 || len(minute) != 2 || m > 59 || h*60+m > day {
		return 0, fmt.Errorf("%q is not a time of day between 00:00 and 24:00", text)
	}
	return int(h*60 + m), nil
}

// String is the text the hours were read from.
func (h *Hours) String() string {
	if h == nil {
		return ""
	}
	return h.text
}

// Contains says whether webhooks are expected at t. It goes by the clock on the wall: an hour that a change of the clock
// skips is not there, one that it repeats is there twice.
func (h *Hours) Contains(t time.Time) bool {
	if h == nil || len(h.spans) == 0 {
		return true
	}
	for i := range h.spans {
		if h.spans[i].contains(t) {
			return true
		}
	}
	return false
}

func (s *span) contains(t time.Time) bool {
	t = t.In(s.zone)
	minute := t.Hour()*60 + t.Minute()
	today := int(t.Weekday())
	if s.from < s.until {
		return s.days[today] && minute >= s.from && minute < s.until
	}
	return s.days[today] && minute >= s.from || s.days[(today+6)%7] && minute < s.until
}

// edge is the end of a stretch that begins at t and throughout which Contains answers the same. It is at most one hour away.
func (h *Hours) edge(t time.Time) time.Time {
	end := t.Add(time.Hour)
	if h == nil {
		return end
	}
	for i := range h.spans {
		s := &h.spans[i]
		local := t.In(s.zone)
		begin := sinceMidnight(local)
		for _, minute := range [...]int{s.from, s.until, s.from + day, s.until + day, 0, day} {
			if wait := time.Duration(minute)*time.Minute - begin; wait > 0 {
				end = earlier(end, t.Add(wait))
			}
		}
		if _, change := local.ZoneBounds(); !change.IsZero() {
			end = earlier(end, change)
		}
	}
	return end
}

func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
