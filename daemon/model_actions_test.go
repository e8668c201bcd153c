package daemon

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
)

func (m *machine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.shelves[strings.Trim(r.URL.Path, "/")].ServeHTTP(w, r)
}

// drawBody makes a record. Values are spelt in many ways, some of which say the same.
func drawBody(t *rapid.T, id int) string {
	one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	v := one("v", "1", "1.0", "10e-1", "2", "9007199254740993", "9007199254740992", "0.1", "1e-1", `"1"`, "null", "true", `"\u0031"`)
	w := one("w", "1", "2", `"1"`)
	tags := one("tags", "[]", "[1,2]", "[2,1]", "[1.0,2]", `["x","y"]`, `["y", "x"]`, "[1,1,2]")
	return one("spelling",
		fmt.Sprintf(`{"id":%d,"r":"a","v":%s,"w":%s,"n":{"p":%s,"q":1},"tags":%s}`, id, v, w, w, tags),
		fmt.Sprintf(`{"id":%d,"r":"a","w":%s,"v":%s,"n":{"q":1,"p":%s},"tags":%s}`, id, w, v, w, tags),
		fmt.Sprintf("{\n \"id\" : %d, \"r\" : \"a\", \"v\" : %s, \"w\" : %s, \"n\" : { \"p\" : %s, \"q\" : 1.00 }, \"tags\" : %s }", id, v, w, w, tags),
		fmt.Sprintf(`{"id":%d,"r":"a","v":%s,"w":%s,"tags":%s}`, id, v, w, tags))
}

const smallIDs = 12 // records that single changes choose from, roughly; floods have ids from 1000

// alter changes the records of a shelf in a few places.
func alter(t *rapid.T, records []string) []string {
	records = slices.Clone(records)
	for range rapid.IntRange(1, 5).Draw(t, "changes") {
		id := rapid.IntRange(1, smallIDs+4).Draw(t, "id")
		at := slices.IndexFunc(records, func(body string) bool { return idOf(body) == id })
		switch what := rapid.SampledFrom([]string{"put", "touch", "touch", "remove", "move"}).Draw(t, "what"); {
		case what == "touch" && at >= 0:
			records[at] = touch(t, records[at])
		case what == "put" && at >= 0:
			records[at] = drawBody(t, id)
		case what == "put", what == "touch":
			records = slices.Insert(records, rapid.IntRange(0, len(records)).Draw(t, "at"), drawBody(t, id))
		case at < 0:
		case what == "remove":
			records = slices.Delete(records, at, at+1)
		default:
			body := records[at]
			records = slices.Delete(records, at, at+1)
			records = slices.Insert(records, rapid.IntRange(0, len(records)).Draw(t, "at"), body)
		}
	}
	return records
}

var fields = map[string]*regexp.Regexp{
	"v": regexp.MustCompile(`"v" ?: ?[^,]+`), "w": regexp.MustCompile(`"w" ?: ?[^,]+`), "p": regexp.MustCompile(`"p" ?: ?[^,} ]+`),
	"tags": regexp.MustCompile(`"tags" ?: ?\[[^]]*\]`),
}

// touch gives one field of a record the value it has in another.
func touch(t *rapid.T, body string) string {
	field := fields[rapid.SampledFrom([]string{"v", "w", "p", "tags"}).Draw(t, "field")]
	found := field.FindString(drawBody(t, 0))
	if found == "" {
		return body
	}
	return field.ReplaceAllLiteralString(body, found)
}

func idOf(body string) (id int) {
	_, _ = fmt.Sscanf(strings.NewReplacer(" ", "", "\n", "").Replace(body), `{"id":%d`, &id)
	return id
}

func (m *machine) shelf(t *rapid.T) (string, *shelf) {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(m.shelves))).Draw(t, "shelf")
	return name, m.shelves[name]
}

// Change changes the truth.
func (m *machine) Change(t *rapid.T) {
	name, s := m.shelf(t)
	m.undo[name] = s.records
	s.records = alter(t, s.records)
}

// Glance is a change and a look at it: what happens most.
func (m *machine) Glance(t *rapid.T) {
	j := m.pick(t)
	s := m.shelves[j.List]
	m.undo[j.List] = s.records
	s.records = alter(t, s.records)
	m.poll(t, j, wire(t, 40))
}

// Undo puts the truth back to what it was before its last change: A, B, and A again.
func (m *machine) Undo(t *rapid.T) {
	name, s := m.shelf(t)
	s.records, m.undo[name] = m.undo[name], s.records
}

// Flood adds, changes or removes more records than one commit takes.
func (m *machine) Flood(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "flood") > 0 {
		t.Skip("rare")
	}
	j := m.pick(t)
	s := m.shelves[j.List]
	m.undo[j.List] = s.records
	s.records = flood(t, s.records)
	m.poll(t, j, wire(t, 3000))
}

// flood gives a shelf another number of records beyond the small ones, all with the same value.
func flood(t *rapid.T, records []string) []string {
	records = slices.DeleteFunc(slices.Clone(records), func(body string) bool { return idOf(body) >= 1000 })
	n, v := rapid.SampledFrom([]int{0, 270, 600}).Draw(t, "records"), rapid.IntRange(1, 3).Draw(t, "v")
	for i := range n {
		records = append(records, fmt.Sprintf(`{"id":%d,"r":"a","v":%d,"w":1}`, 1000+i, v))
	}
	return records
}

// Validators begins or ends sending ETags.
func (m *machine) Validators(t *rapid.T) {
	_, s := m.shelf(t)
	s.etag = !s.etag
}

// Poll looks once.
func (m *machine) Poll(t *rapid.T) { m.poll(t, m.pick(t), wire(t, 40)) }

// Polls looks again and again after a change, which is how deletions are proved.
func (m *machine) Polls(t *rapid.T) {
	j := m.pick(t)
	s := m.shelves[j.List]
	s.records = alter(t, s.records)
	for range rapid.IntRange(2, 4).Draw(t, "polls") {
		m.poll(t, j, wire(t, 40))
	}
}

// Flip has the power cut while a change is committed, and the change gone when it is back.
func (m *machine) Flip(t *rapid.T) {
	j := m.pick(t)
	s := m.shelves[j.List]
	m.poll(t, j, -1)
	before, most := s.records, 40
	if rapid.IntRange(0, 7).Draw(t, "flood") == 0 {
		s.records, most = flood(t, before), 3000
	} else {
		s.records = alter(t, before)
	}
	m.poll(t, j, rapid.IntRange(0, most).Draw(t, "power cut after"))
	s.records = before
	m.poll(t, j, wire(t, 40))
}

// Fail polls a source whose answers are not worth reading, or have a bad record.
func (m *machine) Fail(t *rapid.T) {
	j := m.pick(t)
	s := m.shelves[j.List]
	s.failure, s.failAt = rapid.SampledFrom(failures).Draw(t, "failure"), rapid.IntRange(0, 3).Draw(t, "from page")
	for range rapid.IntRange(1, 3).Draw(t, "times") {
		m.poll(t, j, wire(t, 40))
	}
	s.failure = ""
}

// Shift polls a source whose items move while it is read.
func (m *machine) Shift(t *rapid.T) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.jobs)) {
		if j := m.jobs[name]; j.Size > 0 && !j.Quarantine && len(m.shelves[j.List].records) < 50 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Skip("no pages")
	}
	j := m.jobs[rapid.SampledFrom(names).Draw(t, "job")]
	s := m.shelves[j.List]
	if len(s.records) <= j.Size {
		s.records = alter(t, s.records)
	}
	if j.identity != j.modelConf.identity() && rapid.Bool().Draw(t, "baseline first") {
		m.poll(t, j, -1)
	}
	for range rapid.IntRange(1, 3).Draw(t, "times") {
		m.shift(t, j, s)
	}
}

func (m *machine) shift(t *rapid.T, j *modelJob, s *shelf) {
	// All is drawn before: the handler runs on goroutines of its own.
	var moves []func(records []string, page int) []string
	pushes := rapid.IntRange(0, 2).Draw(t, "pushes") > 0
	for range rapid.IntRange(4, 9).Draw(t, "moves") {
		if pushes || rapid.Bool().Draw(t, "push") {
			fresh, other := drawBody(t, 0), drawBody(t, 0)
			moves = append(moves, func(records []string, page int) []string { return push(records, page*j.Size, fresh, other) })
			continue
		}
		altered := alter(t, s.records)
		moves = append(moves, func([]string, int) []string { return altered })
	}
	from := rapid.IntRange(1, 2).Draw(t, "from page")
	s.move = func(page int) {
		if page >= from && len(moves) > 0 {
			s.records, moves = moves[0](s.records, page), moves[1:]
		}
	}
	m.poll(t, j, wire(t, 40))
	s.mu.Lock()
	s.move = nil
	s.mu.Unlock()
}

// push puts a new record in front, so that one that was just shown is shown again on the next page, where it begins at
// that position, and says something else there. Both are given as records with the id 0.
func push(records []string, at int, fresh, other string) []string {
	withID := func(body string, id int) string {
		return strings.NewReplacer(`"id":0`, fmt.Sprintf(`"id":%d`, id), `"id" : 0`, fmt.Sprintf(`"id" : %d`, id)).Replace(body)
	}
	for id := 1; id <= 3*smallIDs; id++ {
		if !slices.ContainsFunc(records, func(body string) bool { return idOf(body) == id }) {
			records = slices.Insert(slices.Clone(records), 0, withID(fresh, id))
			if at < len(records) {
				records[at] = withID(other, idOf(records[at]))
			}
			return records
		}
	}
	return records
}

// Approve decides about held deletions.
func (m *machine) Approve(t *rapid.T) {
	j := m.pick(t)
	held := j.held()
	if held == 0 && rapid.IntRange(0, 4).Draw(t, "in vain") > 0 {
		t.Skip("nothing is held")
	}
	reject := rapid.Bool().Draw(t, "reject")
	p, want := j.decide(reject), all
	m.power.light(wire(t, 40))
	report, err := m.d.Approve(t.Context(), ApproveRequest{Job: j.name, Reject: reject})
	cut := m.power.put()
	switch {
	case cut:
		want = some
		if err == nil {
			want = all
		}
		m.reopen(t)
	case held == 0:
		if err == nil {
			t.Fatalf("decided about nothing: %+v", report)
		}
	case err != nil || report.Deleted+report.Kept != held:
		t.Fatalf("approve: %+v, %v; %d are held", report, err, held)
	}
	m.settle(t, j, p, want)
	m.poll(t, j, -1)
}

// Restart ends and begins the process.
func (m *machine) Restart(t *rapid.T) { m.reopen(t) }

func drawConf(t *rapid.T) modelConf {
	c := modelConf{
		List: rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "list"), View: rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(t, "view"),
		Key: rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "key"), Rule: rapid.IntRange(0, len(modelRules)-1).Draw(t, "rule"),
		Size: rapid.SampledFrom([]int{0, 0, 2, 3, 5}).Draw(t, "size"), Confirm: rapid.IntRange(1, 3).Draw(t, "confirm"),
		MaxRows: rapid.SampledFrom([]int{1, 3, 1000, 1000}).Draw(t, "max_rows"),
		Emit:    rapid.IntRange(0, 3).Draw(t, "emit") == 0, Quarantine: rapid.IntRange(0, 3).Draw(t, "quarantine") == 0,
		Mute:    rapid.SampledFrom([]bridge.Op{"", "", "", bridge.Created, bridge.Updated, bridge.Deleted}).Draw(t, "mute"),
		Deliver: rapid.SampledFrom([][]string{{"x"}, {"y"}, {"x", "y"}, {"z", "x"}}).Draw(t, "deliver"),
	}
	c.Counted = c.Size > 0 && rapid.Bool().Draw(t, "counted")
	return c
}

// add configures a job under a new name.
func (m *machine) add(t *rapid.T) {
	m.names++
	name := fmt.Sprintf("job%d", m.names)
	m.jobs[name] = &modelJob{name: name, modelConf: drawConf(t), rows: map[string]modelRow{}}
}

// Edit changes one thing about a job.
func (m *machine) Edit(t *rapid.T) {
	j := m.pick(t)
	c := drawConf(t)
	switch rapid.SampledFrom([]string{"rule", "rule", "key", "view", "list", "paging", "deliver", "deletes", "rest"}).Draw(t, "edit") {
	case "rule":
		j.Rule = c.Rule
	case "key":
		j.Key = c.Key
	case "view":
		j.View = c.View
	case "list":
		j.List = c.List
	case "paging":
		j.Size, j.Counted = c.Size, c.Counted
	case "deliver":
		j.Deliver = c.Deliver
	case "deletes":
		j.Confirm, j.MaxRows = c.Confirm, c.MaxRows
	default:
		j.Emit, j.Quarantine, j.Mute = c.Emit, c.Quarantine, c.Mute
	}
	m.moved = [2]string{}
	m.reload(t)
}

// Jobs adds, removes, brings back and renames jobs.
func (m *machine) Jobs(t *rapid.T) {
	m.moved = [2]string{}
	gone := slices.Sorted(maps.Keys(m.gone))
	switch what := rapid.SampledFrom([]string{"add", "remove", "return", "rename"}).Draw(t, "what"); {
	case what == "add" && len(m.jobs)+len(gone) < 4:
		m.add(t)
	case what == "remove":
		m.remove(m.pick(t))
	case what == "return" && len(gone) > 0:
		name := rapid.SampledFrom(gone).Draw(t, "return")
		j := m.gone[name]
		delete(m.gone, name)
		m.jobs[name] = j
		if rapid.Bool().Draw(t, "edited") {
			j.modelConf = drawConf(t)
		}
	case what == "rename":
		m.rename(m.pick(t))
	default:
		t.Skip("nothing to do")
	}
	m.reload(t)
}

// Broken saves a configuration that cannot be taken: the old one stays in force.
func (m *machine) Broken(t *rapid.T) {
	if err := os.WriteFile(m.path(), []byte(`job "broken" {`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.d.Reload(t.Context()); err == nil {
		t.Fatal("a broken configuration was taken")
	}
	m.write(t)
}
