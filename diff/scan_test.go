package diff_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/diff"
)

// snapshot is a store of records in memory, with the index that goes with it.
type snapshot struct {
	rows  map[int64]bridge.Row
	next  int64
	index *diff.Index
	key   *diff.Key
	rules *diff.Rules
}

func newSnapshot(tb testing.TB, spec diff.Spec, bodies ...string) *snapshot {
	tb.Helper()
	key, err := diff.NewKey([]string{"id"})
	if err != nil {
		tb.Fatal(err)
	}
	rules, err := diff.NewRules(spec)
	if err != nil {
		tb.Fatal(err)
	}
	s := &snapshot{rows: map[int64]bridge.Row{}, index: diff.NewIndex(len(bodies)), key: key, rules: rules}
	for _, body := range bodies {
		k, err := key.Of([]byte(body))
		if err != nil {
			tb.Fatal(err)
		}
		s.next++
		s.rows[s.next] = bridge.Row{ID: s.next, Key: k, Body: []byte(body)}
		s.index.Add(bridge.IndexEntry{ID: s.next, Key: diff.HashKey(k), Raw: diff.HashBody([]byte(body)), Canon: rules.Fingerprint([]byte(body), k)})
	}
	return s
}

func (s *snapshot) stored(id int64) (bridge.Row, error) {
	row, ok := s.rows[id]
	if !ok {
		return row, bridge.ErrNotFound
	}
	return row, nil
}

func (s *snapshot) scan(old *diff.Rules, reread *diff.MovedError) *diff.Scan {
	return diff.NewScan(s.index, s.key, s.rules, old, s.stored, reread)
}

// take stores what a scan found, as a run does.
func (s *snapshot) take(f diff.Finding, body string) {
	switch f.Verdict {
	case diff.New:
		s.next++
		f.Entry.ID = s.next
		s.rows[s.next] = bridge.Row{ID: s.next, Key: f.Key, Body: []byte(body)}
	case diff.Changed, diff.Quiet:
		s.rows[f.Entry.ID] = bridge.Row{ID: f.Entry.ID, Key: f.Key, Body: []byte(body)}
	case diff.Renewed:
	default:
		return
	}
	s.index.Store(f.Slot, f.Entry)
}

func record(page, item int, body string) bridge.Record {
	return bridge.Record{Body: []byte(body), Page: page, Item: item}
}

func TestScanFindsWhatDiffers(t *testing.T) {
	s := newSnapshot(t, diff.Spec{Ignore: []string{"at"}}, `{"id":1,"v":1,"at":0}`, `{"id":2,"v":1}`, `{"id":3,"v":1}`)
	scan := s.scan(nil, nil)
	var got []string
	for i, body := range []string{`{"v":1.0, "id":1, "at":9}`, `{"id":2,"v":2}`, `{"id":4,"v":1}`} {
		f, err := scan.Add(record(1, i+1, body))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %d %v %s", f.Key, f.Verdict, f.Fields, f.Before))
		s.take(f, body)
	}
	if err := scan.End(); err != nil {
		t.Fatal(err)
	}
	want := []string{" 0 [] ", `2 2 [/v] {"id":2,"v":1}`, "4 1 [] "}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	var unseen []int64
	scan.Unseen(func(_ int, id int64) { unseen = append(unseen, id) })
	if d := cmp.Diff([]int64{3}, unseen); d != "" {
		t.Errorf("unseen (-want +got):\n%s", d)
	}
	if string(s.rows[1].Body) != `{"id":1,"v":1,"at":0}` {
		t.Errorf("a record that is canonically equal was rewritten: %s", s.rows[1].Body)
	}
}

func TestScanAgainstItselfIsSilent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(rt, "n")
		var bodies []string
		for i := range n {
			bodies = append(bodies, fmt.Sprintf(`{"id":%d,"v":%d}`, i, rapid.IntRange(0, 3).Draw(rt, "v")))
		}
		s := newSnapshot(t, diff.Spec{}, bodies...)
		order := rapid.Permutation(bodies).Draw(rt, "order")
		scan := s.scan(nil, nil)
		for i, body := range order {
			f, err := scan.Add(record(1, i+1, body))
			if err != nil || f.Verdict != diff.Same {
				rt.Fatalf("%s: %v, %v", body, f.Verdict, err)
			}
		}
		scan.Unseen(func(_ int, id int64) { rt.Errorf("row %d unseen", id) })
	})
}

// Whatever the old snapshot and the new listing are: taking what the scan finds, and removing what it did not show,
// makes the snapshot the listing; over several rounds, so that the index lives through growth, removal and reuse.
func TestScanTurnsTheSnapshotIntoTheListing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSnapshot(t, diff.Spec{})
		for range rapid.IntRange(1, 6).Draw(rt, "rounds") {
			listing := rapid.MapOf(rapid.IntRange(0, 60), rapid.IntRange(0, 2)).Draw(rt, "listing")
			scan := s.scan(nil, nil)
			item, changed := 0, 0
			for id, v := range listing {
				item++
				body := fmt.Sprintf(`{"id":%d,"v":%d}`, id, v)
				f, err := scan.Add(record(1, item, body))
				if err != nil {
					rt.Fatal(err)
				}
				if f.Verdict != diff.Same {
					changed++
				}
				s.take(f, body)
			}
			if err := scan.End(); err != nil {
				rt.Fatal(err)
			}
			var gone []int64
			scan.Unseen(func(_ int, id int64) { gone = append(gone, id) })
			for _, id := range gone {
				slot := s.index.Slot(id)
				if slot < 0 {
					rt.Fatalf("row %d has no slot", id)
				}
				s.index.Remove(slot)
				delete(s.rows, id)
			}
			if s.index.Len() != len(listing) || len(s.rows) != len(listing) {
				rt.Fatalf("index has %d rows, store %d, listing %d", s.index.Len(), len(s.rows), len(listing))
			}
			for _, row := range s.rows {
				var id int
				if _, err := fmt.Sscan(row.Key, &id); err != nil {
					rt.Fatal(err)
				}
				if want := fmt.Sprintf(`{"id":%d,"v":%d}`, id, listing[id]); string(row.Body) != want {
					rt.Fatalf("row %d is %s, want %s", row.ID, row.Body, want)
				}
			}
		}
	})
}

func TestScanDropsWhatWasNotStored(t *testing.T) {
	s := newSnapshot(t, diff.Spec{}, `{"id":1}`)
	failed := s.scan(nil, nil)
	for i, body := range []string{`{"id":7}`, `{"id":8}`} {
		if _, err := failed.Add(record(1, i+1, body)); err != nil {
			t.Fatal(err)
		}
	}
	again := s.scan(nil, nil)
	if f, err := again.Add(record(1, 1, `{"id":7}`)); err != nil || f.Verdict != diff.New {
		t.Errorf("a record of a failed scan: %v, %v; want New", f.Verdict, err)
	}
	if s.index.Len() != 2 {
		t.Errorf("index has %d rows, want 2", s.index.Len())
	}
}

func TestTwiceInOneAnswerIsABadRecord(t *testing.T) {
	for _, second := range []string{`{"id":5,"v":1}`, `{"id":"5","v":2}`} {
		s := newSnapshot(t, diff.Spec{})
		scan := s.scan(nil, nil)
		_, _ = scan.Add(record(1, 1, `{"id":4}`))
		_, _ = scan.Add(record(1, 2, `{"id":5,"v":1}`))
		_, err := scan.Add(record(1, 3, second))
		var bad *diff.BadRecordError
		if !errors.As(err, &bad) || bad.Key != "5" || bad.Item != 3 || !strings.Contains(err.Error(), "item 2") {
			t.Errorf("%s: got %v, want a bad record that names both items", second, err)
		}
	}
}

func TestRecordsOfFilesAreFoundByName(t *testing.T) {
	in := func(file string, page, item int, body string) bridge.Record {
		r := record(page, item, body)
		r.File = file
		return r
	}
	s := newSnapshot(t, diff.Spec{})
	scan := s.scan(nil, nil)
	_, _ = scan.Add(in("a.csv", 1, 1, `{"id":1}`))
	_, err := scan.Add(in("a.csv", 1, 2, `{"id":1}`))
	if want := `a.csv, item 2: key "1" is also that of item 1 in the same file`; err == nil || err.Error() != want {
		t.Errorf("twice in one file: %v, want %s", err, want)
	}
	_, err = scan.Add(in("b.csv", 2, 1, `{}`))
	if want := `b.csv, item 1: key "id" is missing`; err == nil || err.Error() != want {
		t.Errorf("no key: %v, want %s", err, want)
	}

	scan = s.scan(nil, nil)
	_, _ = scan.Add(in("a.csv", 1, 1, `{"id":1}`))
	_, _ = scan.Add(in("b.csv", 2, 1, `{"id":2}`))
	_, _ = scan.Add(in("b.csv", 2, 2, `{"id":1}`))
	err = scan.End()
	var moved *diff.MovedError
	if want := `key "1" stands in a.csv (item 1) and in b.csv (item 2)`; !errors.As(err, &moved) || err.Error() != want {
		t.Fatalf("in two files: %v, want %s", err, want)
	}
	scan = s.scan(nil, nil)
	_, _ = scan.Add(in("a.csv", 1, 1, `{"id":1}`))
	_, _ = scan.Add(in("b.csv", 2, 1, `{"id":1}`))
	err = scan.End()
	if want := `b.csv has no key that an earlier file did not have, and "1" stands in a.csv (item 1): the source repeats itself`; !errors.Is(err, diff.ErrEndless) || err.Error() != want {
		t.Errorf("the same file again: %v, want %s", err, want)
	}
	scan = s.scan(nil, moved)
	_, _ = scan.Add(in("a.csv", 1, 1, `{"id":1}`))
	_, _ = scan.Add(in("b.csv", 2, 1, `{"id":2}`))
	_, err = scan.Add(in("b.csv", 2, 2, `{"id":1}`))
	if want := `b.csv, item 2: key "1" is also that of item 1 in a.csv, in two readings in a row`; err == nil || err.Error() != want {
		t.Errorf("again: %v, want %s", err, want)
	}
}

func TestRecordWithoutKeyIsBad(t *testing.T) {
	scan := newSnapshot(t, diff.Spec{}).scan(nil, nil)
	_, err := scan.Add(record(3, 9, `{"name":"x"}`))
	var bad *diff.BadRecordError
	if !errors.As(err, &bad) || bad.Page != 3 || bad.Item != 9 {
		t.Errorf("got %v, want a bad record at page 3, item 9", err)
	}
	if err := scan.End(); err != nil {
		t.Errorf("the page counts as endless: %v", err)
	}
}

func TestMovedKeyIsReadAgainOnce(t *testing.T) {
	s := newSnapshot(t, diff.Spec{}, `{"id":1}`)
	read := func(reread *diff.MovedError, pages ...[]string) (*diff.Scan, error) {
		scan := s.scan(nil, reread)
		for p, page := range pages {
			for i, body := range page {
				if _, err := scan.Add(record(p+1, i+1, body)); err != nil {
					return scan, err
				}
			}
		}
		return scan, scan.End()
	}
	_, err := read(nil, []string{`{"id":1}`, `{"id":2}`}, []string{`{"id":2}`, `{"id":3}`})
	var moved *diff.MovedError
	if !errors.As(err, &moved) || moved.Key != "2" || moved.Page != 1 || moved.Item != 2 || moved.Page2 != 2 || moved.Item2 != 1 {
		t.Fatalf("first scan: got %v, want key 2 moved from page 1 item 2 to page 2 item 1", err)
	}
	_, err = read(moved, []string{`{"id":1}`, `{"id":2}`}, []string{`{"id":2}`, `{"id":3}`})
	if bad := (*diff.BadRecordError)(nil); !errors.As(err, &bad) {
		t.Errorf("the same pair again: got %v, want a bad record", err)
	}
	scan, err := read(moved, []string{`{"id":1}`, `{"id":2,"v":1}`, `{"id":4}`}, []string{`{"id":3}`, `{"id":4,"v":2}`})
	if err != nil || scan.Stable() {
		t.Errorf("another pair: %v, stable %v; want an unstable scan", err, scan.Stable())
	}
	if f, _ := scan.Add(record(9, 1, `{"id":4}`)); !scan.Suspect(f.Slot) {
		t.Errorf("key 4 was seen with two bodies and is not suspect")
	}
	if f, _ := scan.Add(record(9, 2, `{"id":3}`)); scan.Suspect(f.Slot) {
		t.Errorf("key 3 was seen with one body and is suspect")
	}
}

func TestPageWithoutANewKeyIsEndless(t *testing.T) {
	s := newSnapshot(t, diff.Spec{})
	scan := s.scan(nil, nil)
	for page := 1; page <= 2; page++ {
		for i, body := range []string{`{"id":1}`, `{"id":2}`} {
			if _, err := scan.Add(record(page, i+1, body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := scan.End(); !errors.Is(err, diff.ErrEndless) {
		t.Errorf("got %v, want ErrEndless", err)
	}
}

func TestEditTellsOnlyWhatDiffersUnderBothRules(t *testing.T) {
	for _, tc := range []struct {
		name         string
		stored, seen string
		was, is      diff.Spec
		want         diff.Verdict
	}{
		{"ignore added, only ignored moved", `{"id":1,"a":1,"b":1}`, `{"id":1,"a":2,"b":1}`, diff.Spec{}, diff.Spec{Ignore: []string{"a"}}, diff.Renewed},
		{"ignore removed, only ignored moved", `{"id":1,"a":1,"b":1}`, `{"id":1,"a":2,"b":1}`, diff.Spec{Ignore: []string{"a"}}, diff.Spec{}, diff.Quiet},
		{"ignore removed, both moved", `{"id":1,"a":1,"b":1}`, `{"id":1,"a":2,"b":2}`, diff.Spec{Ignore: []string{"a"}}, diff.Spec{}, diff.Changed},
		{"ignore moved to another field", `{"id":1,"a":1,"b":1}`, `{"id":1,"a":1,"b":2}`, diff.Spec{Ignore: []string{"a"}}, diff.Spec{Ignore: []string{"b"}}, diff.Renewed},
		{"unordered added, order moved", `{"id":1,"a":[1,2]}`, `{"id":1,"a":[2,1]}`, diff.Spec{}, diff.Spec{Unordered: []string{"a"}}, diff.Renewed},
		{"nothing moved", `{"id":1,"a":1}`, `{"id":1,"a":1}`, diff.Spec{}, diff.Spec{Select: []string{"a"}}, diff.Renewed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSnapshot(t, tc.is, tc.stored)
			s.index.Forget()
			old, err := diff.NewRules(tc.was)
			if err != nil {
				t.Fatal(err)
			}
			f, err := s.scan(old, nil).Add(record(1, 1, tc.seen))
			if err != nil || f.Verdict != tc.want {
				t.Errorf("got %v, %v; want %v", f.Verdict, err, tc.want)
			}
		})
	}
}
