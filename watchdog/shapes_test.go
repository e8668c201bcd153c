package watchdog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWhatProvesAnotherShape(t *testing.T) {
	for _, test := range []struct {
		webhook, poll  string
		turned, proven bool
		want           judgement
	}{
		{`7`, `"7"`, false, false, otherShape},
		{`7`, `{"id":7}`, false, false, otherShape},
		{`[7]`, `7`, false, false, otherShape},
		{`true`, `1`, false, false, otherShape},
		{`1767607200`, `"2026-01-05T10:00:00Z"`, false, false, otherShape},
		{`"2026-01-05 10:00:00"`, `"2026-01-05T10:00:00Z"`, false, false, otherShape},
		{`"2026-01-05T11:00:00+01:00"`, `"2026-01-05T10:00:00Z"`, false, false, otherShape},
		{`"PAID"`, `"paid"`, false, false, otherShape},
		{`"in-transit"`, `"in_transit"`, false, false, otherShape},
		{``, `"x"`, true, false, otherShape},
		{`"x"`, `null`, true, false, otherShape},
		{`null`, ``, true, false, otherShape},
		{`1`, `2`, false, true, otherShape},

		{`1`, `2`, false, false, sameShape},
		{`"open"`, `"in transit"`, false, false, sameShape},
		{`"-"`, `"+"`, false, false, sameShape},
		{`"2026-01-05T10:00:00Z"`, `"2026-01-05T10:00:01Z"`, false, false, sameShape},
		{`"2026-01-05"`, `"2026-01-05T10:00:00Z"`, false, false, sameShape},
		{`{"a":1}`, `{"a":2}`, false, false, sameShape},
		{`1`, `2`, true, false, sameShape},

		{``, `"x"`, false, false, noMatter},
		{`null`, `"x"`, false, false, noMatter},
		{`"x"`, ``, false, false, noMatter},
	} {
		d := Difference{Webhook: json.RawMessage(test.webhook), Poll: json.RawMessage(test.poll), Turned: test.turned}
		if got := d.judge(test.proven); got != test.want {
			t.Errorf("%s and %s (turned %v, proven %v): %d, want %d", test.webhook, test.poll, test.turned, test.proven, got, test.want)
		}
	}
}

// Each story is a row of polled records; what differs is named after "!", as a change after "?".
func TestOnlyPathsThatNeverAgreeAreOfAnotherShape(t *testing.T) {
	for _, test := range []struct {
		name    string
		records []string
		want    []string
	}{
		{"thrice", []string{`{"a":1} !/a`, `{"a":1} !/a`, `{"a":1} !/a`}, []string{"/a"}},
		{"twice", []string{`{"a":1} !/a`, `{"a":1} !/a`}, nil},
		{"agreed in between", []string{`{"a":1} !/a`, `{"a":1} !/a`, `{"a":1}`, `{"a":1} !/a`}, nil},
		{"changed in between", []string{`{"a":1} !/a`, `{"a":1} !/a`, `{"a":1} ?/a`, `{"a":1} !/a`}, nil},
		{"not there in between", []string{`{"a":1} !/a`, `{"a":1} !/a`, `{"b":1}`, `{"a":1} !/a`}, []string{"/a"}},
		{"other paths in turn", []string{`{"a":1,"b":1} !/a`, `{"a":1,"b":1} !/b`, `{"a":1,"b":1} !/a`, `{"a":1,"b":1} !/b`}, nil},
		{"agreed within an array", []string{`{"l":[{"p":1}]} !/l/0/p`, `{"l":[{"p":1}]} !/l/0/p`, `{"l":[{"p":1}]}`, `{"l":[{"p":1}]} !/l/0/p`}, nil},
		{"differs further up", []string{`{"o":{"p":1}} !/o/p`, `{"o":{"p":1}} !/o/p`, `{"o":{"p":1}} !/o`, `{"o":{"p":1}} !/o/p`}, []string{"/o/p"}},
		{"names that need escapes", []string{`{"a/b~":1} !/a~1b~0`, `{"a/b~":1} !/a~1b~0`, `{"a/b~":1}`, `{"a/b~":1} !/a~1b~0`}, nil},
		{"the whole record", []string{`1 !`, `1 !`, `1 !`}, []string{""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, now := New(Config{Edition: "one"}, func() float64 { return .5 }), date(t, "2026-01-05 10:00")
			for _, record := range test.records {
				body, path, differs := strings.Cut(record, " ")
				s := m.Shapes()
				var differences []Difference
				if differs {
					d := Difference{Path: path[1:], Webhook: json.RawMessage(`"1"`), Poll: json.RawMessage("1")}
					if path[0] == '?' {
						d.Webhook = json.RawMessage("2")
					}
					differences = append(differences, d)
				}
				s.Compare(differences, false, json.RawMessage(body))
				m.Compared(now, s)
			}
			if diff := cmp.Diff(test.want, m.Shapes().Differ); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			if moved := m.Transitions(); len(moved) != min(1, len(test.want)) || len(moved) > 0 && moved[0].From != moved[0].To {
				t.Errorf("transitions: %+v", moved)
			}
			if got := m.Signals(); got != (len(test.want) > 0) || got != (m.Status(now).Warning != "") {
				t.Errorf("signals: %v; warning: %q", got, m.Status(now).Warning)
			}
		})
	}
}

func TestAMismatchHoldsOverRestartsUntilTheJobIsEdited(t *testing.T) {
	m, now := New(Config{Edition: "one"}, func() float64 { return .5 }), date(t, "2026-01-05 10:00")
	compare := func(m *Machine) {
		s := m.Shapes()
		s.Compare([]Difference{{Path: "/a", Webhook: json.RawMessage("1"), Poll: json.RawMessage(`"1"`)}}, false, json.RawMessage(`{"a":"1"}`))
		m.Compared(now, s)
	}
	load := func(from *Machine, edition string) *Machine {
		t.Helper()
		kept, err := json.Marshal(from)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Load(Config{Edition: edition}, kept, func() float64 { return .5 })
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	compare(m)
	compare(m)
	edited := load(m, "two") // what was suspected is forgotten, too
	compare(edited)
	if edited.Signals() {
		t.Error("an edited job is suspected for what was before")
	}
	m = load(m, "one")
	compare(m)
	if m = load(m, "one"); !m.Signals() {
		t.Error("two records before and one after a restart proved nothing")
	}
	if m = load(m, "two"); m.Signals() {
		t.Error("an edit of the job changed nothing")
	}
}

// However different records are, little is remembered of it, and many paths are told in few words.
func TestSuspicionsAreBounded(t *testing.T) {
	m, now := New(Config{}, func() float64 { return .5 }), date(t, "2026-01-05 10:00")
	for range disagreements {
		s := m.Shapes()
		var differences []Difference
		for n := range 10 * suspected {
			differences = append(differences, Difference{Path: fmt.Sprintf("/%03d", n), Webhook: json.RawMessage("1"), Poll: json.RawMessage("{}")})
		}
		s.Compare(differences, false, json.RawMessage("{}"))
		m.Compared(now, s)
	}
	if got := m.Shapes().Differ; len(got) != suspected || !slices.IsSorted(got) {
		t.Errorf("%d paths: %v", len(got), got)
	}
	if words := m.Status(now.Add(time.Second)).Warning; !strings.Contains(words, "/007 and 56 more") {
		t.Errorf("warning: %s", words)
	}
}
