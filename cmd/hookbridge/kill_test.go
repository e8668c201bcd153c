package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
		moment := time.After(20*time.Millisecond + time.Duration(random.Int64N(int64(580*time.Millisecond))))
		if random.IntN(2) == 0 { // half of them shortly after a poll, when there is something to break
			select {
			case <-source.polled:
				moment = time.After(time.Duration(random.Int64N(int64(40 * time.Millisecond))))
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
