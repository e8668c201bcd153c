package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// restless is a legacy system that changes whenever somebody has looked, and sometimes while somebody looks.
type restless struct {
	mu     sync.Mutex
	random *rand.Rand
	lists  map[string]map[int]string
	before map[string]map[int]string // what lists were before they last changed
	shown  map[string]bool           // "job key body"
	frozen bool
	polls  int
	polled chan struct{}
}

func newRestless(seed uint64) *restless {
	r := &restless{random: rand.New(rand.NewPCG(seed, 2)), lists: map[string]map[int]string{}, before: map[string]map[int]string{},
		shown: map[string]bool{}, polled: make(chan struct{}, 1)}
	for _, job := range slices.Sorted(maps.Keys(killJobs)) { // the same for the same seed
		r.lists[job] = map[int]string{}
		n := 20
		if job == "told" {
			n = 400 // more than one commit takes
		}
		for id := range n {
			r.put(job, id)
		}
	}
	return r
}

func (r *restless) put(job string, id int) {
	r.lists[job][id] = fmt.Sprintf(`{"id":%d,"v":%d.10,"text":%q}`, id, r.random.IntN(1000), strings.Repeat("x", r.random.IntN(50)))
}

// change changes a list in a few places, or puts it back to what it was before.
func (r *restless) change(job string) {
	if r.random.IntN(4) == 0 && r.before[job] != nil {
		r.lists[job], r.before[job] = r.before[job], r.lists[job]
		return
	}
	r.before[job] = maps.Clone(r.lists[job])
	for range 1 + r.random.IntN(6) {
		id := r.random.IntN(10 + 30*r.random.IntN(2)) // some records never rest
		if r.random.IntN(3) == 0 {
			delete(r.lists[job], id)
		} else {
			r.put(job, id)
		}
	}
}

func (r *restless) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = true
}

// forget drops the news of a poll.
func (r *restless) forget() {
	select {
	case <-r.polled:
	default:
	}
}

func (r *restless) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	job := strings.Trim(request.URL.Path, "/")
	list := r.lists[job]
	ids := slices.Sorted(maps.Keys(list))
	page, _ := strconv.Atoi(request.URL.Query().Get("page"))
	if page > 0 {
		ids = ids[min(len(ids), 7*(page-1)):min(len(ids), 7*page)]
	}
	var bodies []string
	for _, id := range ids {
		bodies = append(bodies, list[id])
		r.shown[fmt.Sprint(job, " ", id, " ", list[id])] = true
	}
	body := "[" + strings.Join(bodies, ",") + "]"
	if !r.frozen && (page == 0 || len(ids) == 0 || r.random.IntN(10) == 0) {
		r.change(job)
	}
	r.polls++
	r.mu.Unlock()
	if page <= 1 {
		defer func() {
			select {
			case r.polled <- struct{}{}:
			default:
			}
		}()
	}
	tag := fmt.Sprintf(`"%x"`, checksum(body))
	w.Header().Set("ETag", tag)
	if request.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = io.WriteString(w, body)
}

func checksum(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s)
	return h.Sum64()
}
