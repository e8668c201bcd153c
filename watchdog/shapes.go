package watchdog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	disagreements = 3  // in a row at one path that prove that webhooks and polls write it differently
	suspected     = 64 // paths under suspicion at a time
)

// Shapes compares the records that webhooks brought with what polls then show of them. Where the two write the same
// thing differently, each poll takes back what a webhook wrote and each webhook what a poll did, and both are told. The
// zero value suspects nothing.
type Shapes struct {
	Edition string         `json:"edition,omitempty"` // of the job's configuration that this was seen under
	Streaks map[string]int `json:"streaks,omitempty"` // by JSON Pointer: records in a row that disagreed there
	Differ  []string       `json:"differ,omitempty"`  // the verdict; while it stands, webhooks are only signals
}

// Difference is one place where a poll shows another value than a webhook had brought.
type Difference struct {
	Path          string          // JSON Pointer (RFC 6901)
	Webhook, Poll json.RawMessage // nil: missing
	Turned        bool            // it was the webhook that had added the value, or taken it away
}

// Compare takes in one record that a webhook wrote and a poll has shown since. proven says that nothing can have changed
// in between, since both carry the same version. polled is the whole record.
func (s *Shapes) Compare(differences []Difference, proven bool, polled json.RawMessage) {
	seen := map[string]bool{}
	for _, d := range differences {
		seen[d.Path] = true
		switch d.judge(proven) {
		case otherShape:
			if s.Streaks == nil {
				s.Streaks = map[string]int{}
			}
			if n := s.Streaks[d.Path]; n > 0 || len(s.Streaks) < suspected {
				s.Streaks[d.Path] = min(n+1, disagreements)
			}
		case sameShape:
			delete(s.Streaks, d.Path)
		}
	}
	for path := range s.Streaks {
		if !under(seen, path) && shows(polled, path) { // there they agree
			delete(s.Streaks, path)
		}
	}
}

func (s *Shapes) clone() Shapes {
	return Shapes{s.Edition, maps.Clone(s.Streaks), slices.Clone(s.Differ)}
}

type judgement int

const (
	noMatter   judgement = iota
	sameShape            // another value, as values change
	otherShape           // the same thing, written differently
)

// judge tells a difference of shape from a change. A change keeps the type of a value and leaves something of the value
// behind that is not only spelled differently; a value that appears or goes is a change too, unless the webhook is what
// had made it go or appear.
func (d *Difference) judge(proven bool) judgement {
	a, b := kindOf(d.Webhook), kindOf(d.Poll)
	switch {
	case proven:
		return otherShape
	case Appears(d.Webhook, d.Poll):
		if d.Turned {
			return otherShape
		}
		return noMatter
	case a != b || sameWords(d.Webhook, d.Poll):
		return otherShape
	}
	return sameShape
}

// Appears reports whether of two values of a place, one after the other, just one is missing or null.
func Appears(a, b json.RawMessage) bool {
	x, y := kindOf(a), kindOf(b)
	return x != y && (x == missing || x == null || y == missing || y == null)
}

type kind byte

const (
	missing kind = 0
	null    kind = 'n'
	text    kind = '"'
	number  kind = '0'
	boolean kind = 't'
)

func kindOf(value json.RawMessage) kind {
	value = bytes.TrimLeft(value, " \t\r\n")
	if len(value) == 0 {
		return missing
	}
	switch c := value[0]; c {
	case 't', 'f':
		return boolean
	case '"', 'n', '{', '[':
		return kind(c)
	}
	return number
}

// sameWords reports whether two texts differ in nothing but case and punctuation, or are the same moment.
func sameWords(a, b json.RawMessage) bool {
	var x, y string
	if kindOf(a) != text || json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	if s, ok := moment(x); ok {
		if t, ok := moment(y); ok {
			return s.Equal(t)
		}
	}
	x, y = words(x), words(y)
	return x == y && x != ""
}

// moment reads the usual spellings of a time; one without a zone is taken for UTC.
func moment(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00",
		"2006-01-02 15:04:05 Z0700", time.RFC1123, time.RFC1123Z} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func words(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// under reports whether a path or one that it leads through is among those.
func under(paths map[string]bool, path string) bool {
	for {
		if paths[path] {
			return true
		}
		end := strings.LastIndexByte(path, '/')
		if end < 0 {
			return false
		}
		path = path[:end]
	}
}

// shows reports whether a record has a value at a JSON Pointer.
func shows(record json.RawMessage, path string) bool {
	if path == "" {
		return true
	}
	for name := range strings.SplitSeq(path[1:], "/") {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		var object map[string]json.RawMessage
		var list []json.RawMessage
		switch kindOf(record) {
		case '{':
			if json.Unmarshal(record, &object) != nil {
				return false
			}
			record = object[name]
		case '[':
			n, err := strconv.Atoi(name)
			if err != nil || json.Unmarshal(record, &list) != nil || n < 0 || n >= len(list) {
				return false
			}
			record = list[n]
		default:
			return false
		}
	}
	return kindOf(record) != missing
}

// Shapes are what is known so far of how webhooks and polls differ, for the next poll to go on from.
func (m *Machine) Shapes() Shapes { return m.state.Shapes.clone() }

// Signals reports whether webhooks may only make the job poll, because they write records in another shape than polls do.
func (m *Machine) Signals() bool { return len(m.state.Shapes.Differ) > 0 }

// Compared takes in what a poll that ended well has made of Shapes. Once records have disagreed at the same paths often
// enough, webhooks are signals until the configuration of the job changes.
func (m *Machine) Compared(now time.Time, s Shapes) {
	t := m.read(now)
	if m.Signals() {
		return
	}
	m.state.Shapes.Streaks = s.Streaks
	for path, n := range s.Streaks {
		if n >= disagreements {
			m.state.Shapes.Differ = append(m.state.Shapes.Differ, path)
		}
	}
	if !m.Signals() {
		return
	}
	slices.Sort(m.state.Shapes.Differ)
	m.state.Shapes.Streaks = nil
	why := m.state.Shapes.words() + ": webhooks only make the job poll from now on"
	m.moved = append(m.moved, Transition{From: m.state.State, To: m.state.State, At: m.wall(t), Why: why})
}

// words say where the shapes differ.
func (s *Shapes) words() string {
	const most = 8
	named, more := s.Differ, ""
	if len(named) > most {
		named, more = named[:most], fmt.Sprintf(" and %d more", len(s.Differ)-most)
	}
	shown := make([]string, len(named))
	for i, path := range named {
		if shown[i] = path; path == "" {
			shown[i] = "the whole record"
		}
	}
	return "polls take back what webhooks write, always at " + strings.Join(shown, ", ") + more
}
