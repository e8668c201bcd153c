package diff_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/diff"
)

func indexOf(n int) *diff.Index {
	x := diff.NewIndex(n)
	for i := range n {
		x.Add(bridge.IndexEntry{ID: int64(i + 1), Key: diff.HashKey(fmt.Sprint(i)), Raw: 1, Canon: 1})
	}
	return x
}

func ids(from, to int64) []int64 {
	var out []int64
	for id := from; id <= to; id++ {
		out = append(out, id)
	}
	return out
}

func TestAbsenceNeedsProof(t *testing.T) {
	policy := diff.Policy{Confirm: 2, Max: 1, MaxRows: 1000}
	for _, tc := range []struct {
		name   string
		stable []bool // of each complete scan in a row
		proved bool
	}{
		{"one stable scan", []bool{true}, false},
		{"two stable scans", []bool{true, true}, true},
		{"two unstable scans", []bool{false, false}, false},
		{"three unstable scans", []bool{false, false, false}, true},
		{"unstable, then stable", []bool{false, true}, false},
		{"stable, unstable, stable", []bool{true, false, true}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			index := indexOf(10)
			var j diff.Judgement
			for _, stable := range tc.stable {
				j = policy.Judge(index, []int64{4}, stable)
				for _, a := range j.Counted {
					index.SetAbsence(a)
				}
			}
			if got := len(j.Deletes) == 1; got != tc.proved {
				t.Errorf("proved: %v, want %v (%+v)", got, tc.proved, j)
			}
		})
	}
}

func TestGuardHoldsMassDeletion(t *testing.T) {
	for _, tc := range []struct {
		name          string
		total         int
		lacking, held int64
		policy        diff.Policy
		guard         string
	}{
		{"few of many", 1000, 50, 0, diff.Policy{Confirm: 1, Max: .2, MaxRows: 50}, ""},
		{"many rows, small part", 1000, 100, 0, diff.Policy{Confirm: 1, Max: .2, MaxRows: 50}, ""},
		{"few rows, large part", 100, 49, 0, diff.Policy{Confirm: 1, Max: .2, MaxRows: 50}, ""},
		{"many rows and a large part", 100, 51, 0, diff.Policy{Confirm: 1, Max: .2, MaxRows: 50}, "51 of 100"},
		{"drip by drip beside what is held", 100, 3, 60, diff.Policy{Confirm: 1, Max: .2, MaxRows: 50}, "63 of 100"},
		{"everything", 3, 3, 0, diff.Policy{Confirm: 1, Max: 1, MaxRows: 50}, "all 3"},
		{"the only one", 1, 1, 0, diff.Policy{Confirm: 1, Max: 1, MaxRows: 50}, "all 1"},
		{"the rest beside what is held", 10, 1, 9, diff.Policy{Confirm: 1, Max: 1, MaxRows: 50}, "all 10"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			index := indexOf(tc.total)
			for _, id := range ids(tc.lacking+1, tc.lacking+tc.held) {
				index.SetAbsence(bridge.Absence{ID: id, Scans: 2, Stable: 2, Hold: 1})
			}
			j := tc.policy.Judge(index, ids(1, tc.lacking+tc.held), true)
			if tc.guard == "" {
				if j.Guard != "" || int64(len(j.Deletes)) != tc.lacking {
					t.Errorf("got guard %q and %d deletes, want %d deletes", j.Guard, len(j.Deletes), tc.lacking)
				}
				return
			}
			if !strings.Contains(j.Guard, tc.guard) || len(j.Deletes) != 0 || int64(len(j.Holds)) != tc.lacking {
				t.Errorf("got guard %q, %d deletes, %d holds; want %q and %d holds", j.Guard, len(j.Deletes), len(j.Holds), tc.guard, tc.lacking)
			}
		})
	}
}

func TestRejectedDeletionIsNotCounted(t *testing.T) {
	index := indexOf(10)
	index.SetAbsence(bridge.Absence{ID: 2, Scans: -1})
	j := diff.Policy{Confirm: 1, Max: 1, MaxRows: 50}.Judge(index, []int64{2, 3}, true)
	if d := cmp.Diff([]int64{3}, j.Deletes); d != "" {
		t.Errorf("deletes (-want +got):\n%s", d)
	}
	if index.Pending() != 0 || index.Held() != 0 {
		t.Errorf("a rejected deletion counts as pending (%d) or held (%d)", index.Pending(), index.Held())
	}
}

func TestGuardCountsOnlyWhatIsStillAbsent(t *testing.T) {
	index := indexOf(100)
	for _, id := range ids(1, 60) {
		index.SetAbsence(bridge.Absence{ID: id, Scans: 1, Stable: 1})
	}
	for _, id := range ids(61, 90) {
		index.SetAbsence(bridge.Absence{ID: id, Scans: 2, Stable: 2, Hold: 1})
	}
	j := diff.Policy{Confirm: 2, Max: .2, MaxRows: 10}.Judge(index, []int64{5, 90}, true) // the others were shown again
	if d := cmp.Diff([]int64{5}, j.Deletes); d != "" || j.Guard != "" {
		t.Errorf("guard %q, deletes (-want +got):\n%s", j.Guard, d)
	}
}
