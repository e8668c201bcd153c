package daemon

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
)

// The model: what the bridge must do with a reading of a source, said as shortly as possible and without a line of the
// code it judges. It knows no hashes, no checkpoints and no chunks.

// modelConf is what the configuration says of one job.
type modelConf struct {
	List       string // the shelf it reads
	View       int    // part of the address: another view is another source
	Key        int    // of modelKeys
	Rule       int    // of modelRules
	Size       int    // of a page; 0: one answer
	Counted    bool   // the number of records is declared
	Confirm    int
	MaxRows    int
	Emit       bool
	Quarantine bool
	Mute       bridge.Op // not wanted told
	Deliver    []string
}

var modelKeys = [][]string{{"id"}, {"r", "id"}, {"id", "w"}}

type modelRule struct {
	ignore, selected, unordered []string
}

var modelRules = []modelRule{
	{},
	{ignore: []string{"v"}},
	{ignore: []string{"n.p", "w"}},
	{selected: []string{"v", "tags"}},
	{unordered: []string{"tags"}},
	{ignore: []string{"n"}, unordered: []string{"tags"}},
}

func (c modelConf) identity() string { return fmt.Sprint(c.List, c.View, c.Key) }

// key is the key of a record; false where it has none.
func (c modelConf) key(body string) (string, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &fields) != nil {
		return "", false
	}
	var parts []string
	for _, name := range modelKeys[c.Key] {
		raw := string(fields[name])
		if raw == "" || raw == "null" || raw == `""` {
			return "", false
		}
		parts = append(parts, raw)
	}
	if len(parts) == 1 {
		return strings.Trim(parts[0], `"`), true
	}
	return "[" + strings.Join(parts, ",") + "]", true
}

// same reports whether two bodies say the same under a rule.
func (r modelRule) same(a, b string) bool { return r.canonical(a) == r.canonical(b) }

func (r modelRule) canonical(body string) string {
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	var v map[string]any
	if err := decoder.Decode(&v); err != nil {
		panic(err)
	}
	for _, path := range r.ignore {
		outer, inner, nested := strings.Cut(path, ".")
		if !nested {
			delete(v, outer)
		} else if m, ok := v[outer].(map[string]any); ok {
			delete(m, inner)
		}
	}
	if r.selected != nil {
		maps.DeleteFunc(v, func(name string, _ any) bool { return !slices.Contains(r.selected, name) })
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(v)) {
		fmt.Fprintf(&b, "%q=%s;", name, canonical(v[name], slices.Contains(r.unordered, name)))
	}
	return b.String()
}

func canonical(v any, unordered bool) string {
	switch v := v.(type) {
	case json.Number:
		n, _ := new(big.Rat).SetString(string(v))
		return n.RatString()
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, canonical(e, false))
		}
		if unordered {
			slices.Sort(parts)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, fmt.Sprintf("%q:%s", name, canonical(v[name], false)))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return fmt.Sprintf("%#v", v)
}

// modelRow is one record of the snapshot.
type modelRow struct {
	Body   string
	Absent modelAbsence
}

// modelAbsence is what is known of a record that polls did not show.
type modelAbsence struct {
	Scans, Stable  int
	Held, Rejected bool
}

// modelEvent is a change that is told.
type modelEvent struct {
	Op            bridge.Op
	Before, After string
}

// modelJob is one job with what it remembers.
type modelJob struct {
	modelConf
	name     string
	number   int64
	rows     map[string]modelRow
	identity string // of what the snapshot was taken of
	done     bool   // baselined
	empty    bool   // the last answer was the first empty one
	again    bool   // the last run left a new baseline open
	old      int    // rule of the last complete run
	sequence int64
	last     time.Time
}

// plan is what a run or an order must make of a job's rows, and what it must tell.
type plan struct {
	rows map[string]modelRow
	told map[string]modelEvent
	then func(*modelJob) // how the job goes on once all of it is done
}

func (j *modelJob) stay() plan { return plan{rows: maps.Clone(j.rows), told: map[string]modelEvent{}} }

func (p plan) tell(j *modelJob, key string, e modelEvent) {
	if e.Op != j.Mute {
		p.told[key] = e
	}
}

// reading is a scan as a job sees it.
type reading struct {
	bodies  map[string]string
	suspect map[string]bool // shown twice, differently
	twice   bool            // a key stood on two pages
	bad     int             // records that cannot be taken
	stable  bool
	short   bool // fewer or more records than declared
	count   int
}

func (c modelConf) read(s scan) reading {
	r := reading{bodies: map[string]string{}, suspect: map[string]bool{}, stable: true}
	for i, page := range s.pages {
		here := map[string]bool{}
		for _, body := range page {
			r.count++
			key, ok := c.key(body)
			first, known := r.bodies[key]
			switch {
			case !ok || here[key]:
				r.bad++
			case !known:
				r.bodies[key] = body
			default:
				r.twice, r.stable = true, false
				r.suspect[key] = r.suspect[key] || first != body
			}
			here[key] = true
		}
		if c.Counted && s.totals[i] != s.totals[0] {
			r.stable = false
		}
	}
	r.short = c.Counted && !slices.ContainsFunc(s.totals, func(n int) bool { return n != s.totals[0] }) && r.count != s.totals[0]
	return r
}

// run is what a run that ended well makes of a reading.
func (j *modelJob) run(r reading) plan {
	p, complete := j.stay(), r.bad == 0
	silent := j.identity != "" && j.identity != j.modelConf.identity() || !j.done && !j.Emit
	if silent && r.count == 0 && !j.empty {
		p.then = func(j *modelJob) {
			j.empty = true
			if j.identity == "" {
				j.identity = j.modelConf.identity()
			}
		}
		return p
	}
	open := false // the baseline goes on
	p.then = func(j *modelJob) {
		j.done, j.empty = j.done || !open, false
		if !open && (complete || silent) {
			j.old = j.Rule
		}
		if !open && (complete || silent) || j.identity == "" {
			j.identity = j.modelConf.identity()
		}
	}
	for key, body := range r.bodies {
		was, there := j.rows[key]
		now, old := modelRules[j.Rule], modelRules[j.old]
		switch {
		case r.suspect[key] && there, there && now.same(was.Body, body):
			absent := modelAbsence{}
			if was.Absent.Rejected && !complete {
				absent = was.Absent
			}
			p.rows[key] = modelRow{Body: was.Body, Absent: absent}
			continue
		case r.suspect[key]:
			continue
		case silent, there && j.old != j.Rule && old.same(was.Body, body):
		case there:
			p.tell(j, key, modelEvent{bridge.Updated, was.Body, body})
		default:
			p.tell(j, key, modelEvent{bridge.Created, "", body})
		}
		row := modelRow{Body: body}
		if was.Absent.Rejected && !complete {
			row.Absent = was.Absent
		}
		p.rows[key] = row
	}
	switch {
	case silent:
		open = j.renew(p, r)
	case complete:
		j.judge(p, r)
	}
	return p
}

// renew lets go of the records that a new baseline lacks, and reports whether some still wait for proof.
func (j *modelJob) renew(p plan, r reading) (open bool) {
	for key, row := range j.rows {
		if _, shown := r.bodies[key]; shown {
			continue
		}
		if r.stable || j.again && (row.Absent.Held || row.Absent.Scans > 0) {
			delete(p.rows, key)
			continue
		}
		p.rows[key], open = modelRow{Body: row.Body, Absent: modelAbsence{Scans: 1}}, !j.again
	}
	return open
}

// judge says what becomes of the records that a complete reading lacks.
func (j *modelJob) judge(p plan, r reading) {
	total, absent, held := len(j.rows), 0, 0
	for key := range r.bodies {
		if _, there := j.rows[key]; !there {
			total++
		}
	}
	var proved []string
	for key, row := range j.rows {
		if _, shown := r.bodies[key]; shown {
			continue
		}
		switch a := &row.Absent; {
		case a.Rejected:
			continue
		case a.Held:
			held++
			continue
		default:
			absent++
			a.Scans++
			if r.stable {
				a.Stable++
			}
			if a.Stable >= j.Confirm || a.Scans >= max(3, j.Confirm) {
				proved = append(proved, key)
			}
		}
		p.rows[key] = row
	}
	guard := len(proved)+held == total || absent+held > j.MaxRows && float64(absent+held) > 0.2*float64(total)
	for _, key := range proved {
		if guard {
			p.rows[key] = modelRow{Body: p.rows[key].Body, Absent: modelAbsence{Held: true}}
			continue
		}
		p.tell(j, key, modelEvent{bridge.Deleted, p.rows[key].Body, ""})
		delete(p.rows, key)
	}
}

// decide is what an approval or a rejection makes of what is held.
func (j *modelJob) decide(reject bool) plan {
	p := j.stay()
	for key, row := range j.rows {
		switch {
		case !row.Absent.Held:
		case reject:
			p.rows[key] = modelRow{Body: row.Body, Absent: modelAbsence{Rejected: true}}
		default:
			p.tell(j, key, modelEvent{bridge.Deleted, row.Body, ""})
			delete(p.rows, key)
		}
	}
	return p
}

func (j *modelJob) held() (n int64) {
	for _, row := range j.rows {
		if row.Absent.Held {
			n++
		}
	}
	return n
}
