package daemon

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

func numbers(queue []bridge.Intent) []int64 {
	out := []int64{}
	for _, i := range queue {
		out = append(out, i.ID)
	}
	return out
}

func TestIntentsStandInTheOrderOfTheirCommits(t *testing.T) {
	var q intents
	for _, id := range []int64{3, 1, 5, 3, 2} { // noted in any order
		q.add(bridge.Intent{ID: id, Kind: bridge.IntentApply})
		q.add(bridge.Intent{ID: id + 10, Kind: bridge.IntentPoll})
	}
	if diff := cmp.Diff([]int64{1, 2, 3, 5}, numbers(q.apply)); diff != "" || q.newest != 15 || q.open() != 8 {
		t.Errorf("newest %d, %d open (-want +got):\n%s", q.newest, q.open(), diff)
	}
	q.applied(3) // while 1 and 2 came late
	q.applied(1)
	q.applied(9)
	if diff := cmp.Diff([]int64{2, 5}, numbers(q.apply)); diff != "" {
		t.Errorf("after two were applied (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{11, 12}, numbers(q.fulfilled(12))); diff != "" {
		t.Errorf("fulfilled (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{13, 15}, numbers(q.poll)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
