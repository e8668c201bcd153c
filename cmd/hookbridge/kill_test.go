package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

var (
	killSeed  = flag.Uint64("kill.seed", 0, "seed of TestKilledDaemonTellsEverythingOnce; 0: a random one")
	killLives = flag.Int("kill.lives", 50, "how often TestKilledDaemonTellsEverythingOnce kills the daemon; 10 with -short")
)

// TestKilledDaemonTellsEverythingOnce kills the real daemon with SIGKILL at random moments, under sources that never
// stand still and a receiver that often fails. In the end what the receiver has heard must be the truth: nothing lost,
// nothing invented, one id and one body for each change, in order for each record.
func TestKilledDaemonTellsEverythingOnce(t *testing.T) {
	seed, lives := *killSeed, *killLives
	if seed == 0 {
		seed = rand.Uint64()
	}
	if testing.Short() {
		lives = min(lives, 10)
	}
	t.Logf("to repeat: go test -run %s -kill.seed=%d -kill.lives=%d", t.Name(), seed, lives)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	binary := filepath.Join(dir, "hookbridge")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	source := newRestless(seed)
	sources := httptest.NewServer(source)
	t.Cleanup(sources.Close)
	ear := &ear{t: t, random: rand.New(rand.NewPCG(seed, 1)), bodies: map[string]string{}}
	receiver := httptest.NewServer(ear)
	t.Cleanup(receiver.Close)
	config := filepath.Join(dir, "bridge.hcl")
	if err := os.WriteFile(config, []byte(killConfig(sources.URL, receiver.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	start := func() *exec.Cmd {
		c := exec.Command(binary, "run", "--config", config)
		c.Stdout, c.Stderr = &log, &log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	stop := func(c *exec.Cmd) {
		_ = c.Process.Kill()
		if err := c.Wait(); !killed(err) {
			t.Fatalf("the daemon had ended by itself: %v\n%s", err, tail(&log))
		}
	}
	for range lives {
		daemon := start()
		moment := time.After(20*time.Millisecond + rand.N(580*time.Millisecond))
		if random.IntN(2) == 0 { // half of them shortly after a poll, when there is something to break
			select {
			case <-source.polled:
				moment = time.After(rand.N(40 * time.Millisecond))
			case <-moment:
				moment = time.After(0)
			}
		}
		<-moment
		stop(daemon)
		source.forget()
	}
	source.freeze()
	ear.heal()
	last := start()
	for quiet := 0; quiet < 3*len(killJobs); { // each job confirms deletions once more and finds nothing new
		<-source.polled
		if status := statusOf(t, binary, config); status.Backlog == 0 && !status.pending() {
			quiet++
		} else {
			quiet = 0
		}
	}
	stop(last)
	out, err := exec.CommandContext(t.Context(), binary, "status", "--deep", "--json", "--config", config).Output()
	var status killStatus
	if err != nil || json.Unmarshal(out, &status) != nil || status.Deep == nil || !status.Deep.OK {
		t.Errorf("the store after %d kills: %v\n%s", lives, err, out)
	}
	ear.judge(source)
	t.Logf("%d polls, %d events, %d arrivals", source.polls, len(ear.bodies), len(ear.arrivals))
	if t.Failed() {
		t.Logf("the daemons' last words:\n%s", tail(&log))
	}
}

func killed(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.ExitCode() == -1
}

func tail(log *bytes.Buffer) string {
	text := log.String()
	return text[max(0, len(text)-8000):]
}

// killJobs are the jobs of the test, and whether their first run is told.
var killJobs = map[string]bool{"told": true, "paged": true, "silent": false}

func killConfig(source, receiver string) string {
	retries := `"0s"` + strings.Repeat(`, "300ms"`, 49)
	text := fmt.Sprintf("destination \"ear\" {\n  url = %q\n  secrets = [%q]\n  allow = [\"127.0.0.0/8\"]\n  concurrency = 8\n  retry {\n    schedule = [%s]\n  }\n}\n",
		receiver, scriptSecret, retries)
	for name, emit := range killJobs {
		initial, paging := "baseline", ""
		if emit {
			initial = "emit"
		}
		if name == "paged" {
			paging = "pagination \"page\" {\n      size_param = \"size\"\n      size = 7\n    }"
		}
		text += fmt.Sprintf(`
job %q {
  schedule = "@every 1s"
  deliver  = [destination.ear]
  initial  = %q
  source "http" {
    url     = "%s/%s"
    retries = 0
    %s
  }
  key = "id"
  deletes {
    max = "100%%"
  }
}
`, name, initial, source, name, paging)
	}
	return text
}

type killStatus struct {
	Backlog int64
	Jobs    []struct{ Pending, Held int64 }
	Deep    *struct{ OK bool }
}

func (s killStatus) pending() bool {
	for _, j := range s.Jobs {
		if j.Pending+j.Held > 0 {
			return true
		}
	}
	return false
}

func statusOf(t *testing.T, binary, config string) (status killStatus) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "status", "--json", "--config", config).Output()
	if err == nil {
		err = json.Unmarshal(out, &status)
	}
	if err != nil {
		t.Fatalf("status: %v\n%s", err, out)
	}
	return status
}

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
	for job := range killJobs {
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
