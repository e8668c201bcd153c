package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
)

// change is one change of one record, as it was done and as it arrived.
type change struct {
	Op            bridge.Op
	Before, After map[string]any
}

// truth is what the legacy system holds, and what was done to it, by "job/key".
type truth struct {
	rows    map[string]map[int]map[string]any
	history map[string][]change
	told    int
	next    int
	random  *mathrand.Rand
}

// newTruth has three pages of orders and one list of customers.
func newTruth() *truth {
	tr := &truth{
		rows:    map[string]map[int]map[string]any{"orders": {}, "customers": {}},
		history: map[string][]change{},
		next:    1000,
		random:  mathrand.New(mathrand.NewPCG(1, 2)),
	}
	for id := 1; id <= 27; id++ {
		tr.rows["orders"][id] = map[string]any{"id": float64(id), "status": "open", "total": 10.5 * float64(id)}
	}
	for id := 1; id <= 9; id++ {
		tr.rows["customers"][id] = map[string]any{"id": float64(id), "name": "customer " + strconv.Itoa(id)}
	}
	return tr
}

func (tr *truth) json(t *testing.T) []byte {
	t.Helper()
	lists := map[string][]any{}
	for list, rows := range tr.rows {
		for id := 1; id <= len(rows); id++ {
			lists[list] = append(lists[list], rows[id])
		}
	}
	text, err := json.Marshal(lists)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// restRequest is one call of json-server's REST API.
type restRequest struct {
	method, path string
	body         map[string]any
}

func (r restRequest) send(ctx context.Context, t *testing.T, client *http.Client, base string) {
	t.Helper()
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, r.method, base+r.path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("content-type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s", r.method, r.path, answer.Status)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
}

// step changes every list: a record added, one removed, some changed; no record twice, because a poll in between is
// nobody's promise. The next step may take the same records again.
func (tr *truth) step() []restRequest {
	var requests []restRequest
	for _, list := range []string{"orders", "customers"} {
		rows := tr.rows[list]
		ids := slices.Sorted(maps.Keys(rows))
		tr.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })

		tr.next++
		added := map[string]any{"id": float64(tr.next), "note": fmt.Sprintf("added to %s, „%d“", list, tr.next)}
		requests = append(requests, restRequest{"POST", "/" + list, added})
		tr.did(list, tr.next, bridge.Created, nil, added)

		gone := ids[0]
		requests = append(requests, restRequest{"DELETE", fmt.Sprintf("/%s/%d", list, gone), nil})
		tr.did(list, gone, bridge.Deleted, rows[gone], nil)

		for _, id := range ids[1:5] {
			before := rows[id]
			after := map[string]any{"revision": float64(tr.random.IntN(1 << 30))}
			method := "PUT" // replaces the record
			if tr.random.IntN(2) == 0 {
				method = "PATCH" // merges into it
			}
			requests = append(requests, restRequest{method, fmt.Sprintf("/%s/%d", list, id), after})
			merged := map[string]any{"id": float64(id), "revision": after["revision"]}
			if method == "PATCH" {
				for name, value := range before {
					if _, ok := merged[name]; !ok {
						merged[name] = value
					}
				}
			}
			tr.did(list, id, bridge.Updated, before, merged)
		}
	}
	return requests
}

func (tr *truth) did(list string, id int, op bridge.Op, before, after map[string]any) {
	name := fmt.Sprintf("%s/%d", list, id)
	tr.history[name] = append(tr.history[name], change{op, before, after})
	tr.told++
	if after == nil {
		delete(tr.rows[list], id)
		return
	}
	tr.rows[list][id] = after
}

// arrival is one line of receiver.js.
type arrival struct {
	ID     string `json:"id"`
	Status int    `json:"status"`
	Error  string `json:"error"`
	Event  *struct {
		Type string `json:"type"`
		Data struct {
			Job      string         `json:"job"`
			Key      string         `json:"key"`
			Sequence int64          `json:"sequence"`
			Changed  []string       `json:"changed"`
			Before   map[string]any `json:"before"`
			After    map[string]any `json:"after"`
		} `json:"data"`
	} `json:"event"`
}

// history is what arrived.
type history struct {
	t        *testing.T
	lines    <-chan string
	accepted []arrival
	refused  int
}

func newHistory(t *testing.T, lines <-chan string) *history { return &history{t: t, lines: lines} }

// collect takes arrivals until so many were accepted.
func (h *history) collect(ctx context.Context, accepted int) {
	h.t.Helper()
	for len(h.accepted) < accepted {
		select {
		case line, ok := <-h.lines:
			if !ok {
				h.t.Fatal("the receiver ended")
			}
			h.take(line)
		case <-ctx.Done():
			h.t.Fatalf("%d of %d changes arrived in time; the last: %+v", len(h.accepted), accepted, h.accepted[max(0, len(h.accepted)-1):])
		}
	}
}

func (h *history) take(line string) {
	h.t.Helper()
	var a arrival
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		h.t.Fatalf("receiver said %q: %v", line, err)
	}
	switch {
	case a.Status == http.StatusServiceUnavailable:
		h.refused++
	case a.Status/100 == 2 && a.Event != nil:
		h.accepted = append(h.accepted, a)
	default:
		h.t.Errorf("not verified: %s", line)
	}
}

// changes is the history by "job/key", with what the receiver had left to say. It checks what every history must hold:
// one id and one sequence number per event, no gaps per job, rising per record, types and changed paths that fit.
func (h *history) changes(rest []string) map[string][]change {
	h.t.Helper()
	for _, line := range rest {
		h.take(line)
	}
	byRecord := map[string][]change{}
	last := map[string]int64{}
	ids := map[string]bool{}
	sequences := map[string]map[int64]bool{}
	for _, a := range h.accepted {
		data := a.Event.Data
		name := data.Job + "/" + data.Key
		if ids[a.ID] || !strings.HasPrefix(a.ID, "evt_") {
			h.t.Errorf("%s: id %q is not new", name, a.ID)
		}
		ids[a.ID] = true
		if sequences[data.Job] == nil {
			sequences[data.Job] = map[int64]bool{}
		}
		if sequences[data.Job][data.Sequence] {
			h.t.Errorf("%s: sequence %d came twice", name, data.Sequence)
		}
		sequences[data.Job][data.Sequence] = true
		if data.Sequence <= last[name] {
			h.t.Errorf("%s: sequence %d arrived after %d", name, data.Sequence, last[name])
		}
		last[name] = data.Sequence

		label, op, _ := strings.Cut(a.Event.Type, ".")
		if label != data.Job {
			h.t.Errorf("%s: type %q", name, a.Event.Type)
		}
		if updated := op == string(bridge.Updated); updated != (len(data.Changed) > 0) {
			h.t.Errorf("%s: %s changed %v", name, op, data.Changed)
		}
		byRecord[name] = append(byRecord[name], change{bridge.Op(op), data.Before, data.After})
	}
	for job, seen := range sequences {
		for n := int64(1); n <= int64(len(seen)); n++ {
			if !seen[n] {
				h.t.Errorf("%s: of %d events number %d is missing", job, len(seen), n)
			}
		}
	}
	return byRecord
}
