package diff_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/diff"
)

// Two keys whose hashes are the same: the stored key decides, nothing is lost and nothing is invented.
func TestCollidingKeyHashesAreHarmless(t *testing.T) {
	s := newSnapshot(t, diff.Spec{Select: []string{"v"}}, `{"id":"a","v":1}`, `{"id":"b","v":1}`)
	same := diff.HashKey("b")
	s.index.Store(0, bridge.IndexEntry{ID: 1, Key: same, Raw: 1, Canon: s.rules.Fingerprint([]byte(`{"id":"a","v":1}`), "a")})
	s.index.Compact()
	rebuilt := diff.NewIndex(2)
	for id := int64(1); id <= 2; id++ {
		row := s.rows[id]
		rebuilt.Add(bridge.IndexEntry{ID: id, Key: same, Raw: diff.HashBody(row.Body), Canon: s.rules.Fingerprint(row.Body, row.Key)})
	}
	s.index = rebuilt
	scan := s.scan(nil, nil)
	f, err := scan.Add(record(1, 1, `{"id":"b","v":2}`))
	if err != nil || f.Verdict != diff.Changed || f.Entry.ID != 2 {
		t.Fatalf("got %v of row %d, %v; want row 2 changed", f.Verdict, f.Entry.ID, err)
	}
	var unseen []int64
	scan.Unseen(func(_ int, id int64) { unseen = append(unseen, id) })
	if d := cmp.Diff([]int64{1}, unseen); d != "" {
		t.Errorf("unseen (-want +got):\n%s", d)
	}
}

func TestIndexStaysUnderFortyBytesARecord(t *testing.T) {
	const n = 1 << 20
	for _, tc := range []struct {
		name  string
		start int
	}{{"loaded at once", n}, {"grown one by one", 0}} {
		t.Run(tc.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			index := diff.NewIndex(tc.start)
			for i := range n {
				index.Add(bridge.IndexEntry{ID: int64(i + 1), Key: uint64(i) * 0x9e3779b97f4a7c15, Raw: uint64(i), Canon: 1})
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if per := float64(after.HeapAlloc-before.HeapAlloc) / n; per > 40 {
				t.Errorf("%.1f bytes a record, want at most 40", per)
			}
			runtime.KeepAlive(index)
		})
	}
}

func TestRecordsThatAreTheSameCostNoMemory(t *testing.T) {
	key, err := diff.NewKey([]string{"id"})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := diff.NewRules(diff.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	const records = 200
	index := diff.NewIndex(records)
	var bodies [][]byte
	for i := range records {
		text := fmt.Sprintf("a record with a long name, number %d", i)
		body := fmt.Appendf(nil, `{"id":%q}`, text)
		bodies = append(bodies, body)
		index.Add(bridge.IndexEntry{ID: int64(i + 1), Key: diff.HashKey(text), Raw: diff.HashBody(body), Canon: rules.Fingerprint(body, text)})
	}
	scan := diff.NewScan(index, key, rules, nil, nil, nil)
	item := 0
	add := func() {
		item++
		if f, err := scan.Add(bridge.Record{Body: bodies[item-1], Page: 1, Item: item}); err != nil || f.Verdict != diff.Same {
			t.Fatalf("record %d: %+v, %v", item, f, err)
		}
	}
	add() // room for a key and a page is made once
	if allocs := testing.AllocsPerRun(records-2, add); allocs != 0 {
		t.Errorf("%v allocations for each", allocs)
	}
}
