package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// ear is a receiver that writes down everything, and answers as it likes.
type ear struct {
	t        *testing.T
	mu       sync.Mutex
	random   *rand.Rand
	healed   bool
	bodies   map[string]string // by webhook-id
	arrivals []heard
}

// heard is one arrival.
type heard struct {
	id       string
	taken    bool // answered with 200
	Type     string
	Job, Key string
	Sequence int64
	Before   json.RawMessage
	After    json.RawMessage
}

func (e *ear) heal() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.healed = true
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the daemon was killed in the middle of it
	}
	hook, err := standardwebhooks.NewWebhook(scriptSecret)
	if err == nil {
		err = hook.Verify(body, r.Header)
	}
	if err != nil {
		e.t.Errorf("a delivery does not verify: %v", err)
	}
	var envelope struct {
		Type string
		Data heard
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		e.t.Errorf("a delivery is not JSON: %v\n%s", err, body)
	}
	h := envelope.Data
	h.id, h.Type = r.Header.Get("webhook-id"), envelope.Type

	e.mu.Lock()
	if known, again := e.bodies[h.id]; again && known != string(body) {
		e.t.Errorf("event %s came with two bodies:\n%s\n%s", h.id, known, body)
	}
	e.bodies[h.id] = string(body)
	mood, slow := e.random.IntN(10), time.Duration(e.random.IntN(100))*time.Millisecond
	if key, _ := strconv.Atoi(h.Key); (key+len(e.arrivals)/40)%4 == 0 { // a record is refused for a while, and its events pile up
		mood = 0
	}
	if e.healed {
		mood = 9
	}
	h.taken = mood > 2
	e.arrivals = append(e.arrivals, h)
	e.mu.Unlock()
	switch mood {
	case 0, 1:
		w.WriteHeader(http.StatusInternalServerError)
	case 2:
		panic(http.ErrAbortHandler)
	case 3:
		select {
		case <-time.After(slow):
		case <-r.Context().Done():
		}
	}
}

// judge compares what was heard with the truth.
func (e *ear) judge(source *restless) {
	e.mu.Lock()
	defer e.mu.Unlock()
	source.mu.Lock()
	defer source.mu.Unlock()
	bySequence, latest, taken := map[string]map[int64]heard{}, map[string]heard{}, map[string]bool{}
	for _, h := range e.arrivals {
		if bySequence[h.Job] == nil {
			bySequence[h.Job] = map[int64]heard{}
		}
		first, again := bySequence[h.Job][h.Sequence]
		switch lane := h.Job + " " + h.Key; {
		case again && first.id != h.id:
			e.t.Errorf("change %d of %s came under two ids, %s and %s", h.Sequence, h.Job, first.id, h.id)
		case again:
		case latest[lane].id != "" && (latest[lane].Sequence > h.Sequence || !taken[latest[lane].id]):
			e.t.Errorf("change %d of %s first came while change %d of the same record was not taken", h.Sequence, lane, latest[lane].Sequence)
		default:
			latest[lane] = h
		}
		bySequence[h.Job][h.Sequence] = h
		taken[h.id] = taken[h.id] || h.taken
	}
	for id, body := range e.bodies {
		if !taken[id] {
			e.t.Errorf("event %s was never taken: %s", id, body)
		}
	}
	for job, emit := range killJobs {
		e.judgeJob(source, job, emit, bySequence[job])
	}
}

func (e *ear) judgeJob(source *restless, job string, emit bool, events map[int64]heard) {
	known := map[string]string{} // the record as it was last told; "" after a deletion
	for sequence := int64(1); sequence <= int64(len(events)); sequence++ {
		h, there := events[sequence]
		if !there {
			e.t.Errorf("change %d of %s was lost", sequence, job)
			continue
		}
		before, after := text(h.Before), text(h.After)
		if last, told := known[h.Key]; told && last != before || !told && emit && before != "" {
			e.t.Errorf("change %d of %s, %s, says that it was %s; last told was %s", sequence, job, h.Key, before, last)
		}
		for _, body := range []string{before, after} {
			if body != "" && !source.shown[fmt.Sprint(job, " ", h.Key, " ", body)] {
				e.t.Errorf("change %d of %s tells of %s, which the source never showed", sequence, job, body)
			}
		}
		if want := job + "." + op(before, after); h.Type != want || before == after {
			e.t.Errorf("change %d of %s is %s from %s to %s", sequence, job, h.Type, before, after)
		}
		known[h.Key] = after
	}
	truth := map[string]string{}
	for id, body := range source.lists[job] {
		truth[strconv.Itoa(id)] = body
	}
	for key, body := range truth {
		if last, told := known[key]; told && last != body || !told && emit {
			e.t.Errorf("%s of %s is %s; last told was %q", key, job, body, last)
		}
	}
	for key, body := range known {
		if body != "" && truth[key] == "" {
			e.t.Errorf("%s of %s is gone, and last told was %s", key, job, body)
		}
	}
}

func text(body json.RawMessage) string {
	if string(body) == "null" {
		return ""
	}
	return string(body)
}

func op(before, after string) string {
	switch {
	case before == "":
		return "created"
	case after == "":
		return "deleted"
	}
	return "updated"
}
