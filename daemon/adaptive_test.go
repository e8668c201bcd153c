package daemon

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
)

func TestTheIntervalFollowsTheSource(t *testing.T) {
	b := newBench(t, jobEvery("@every 10s", "adaptive {\n min = \"5s\"\n max = \"30s\"\n}"))
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{answer: func(n int) (int, http.Header, string, time.Duration) {
			return 200, nil, fmt.Sprintf(`[{"id":1,"v":%d}]`, min(n, 3)), 0 // changes at the second and third poll
		}}
		t0 := time.Now()
		simulate(t, b, p, 150*time.Second, func(d *Daemon) {
			j, _ := d.job("orders")
			if j.state.LastRun.Missed != 0 || j.interval() != 30*time.Second {
				t.Errorf("missed %d, interval %s", j.state.LastRun.Missed, j.interval())
			}
		})
		// A baseline says nothing; two changes halve 10s down to 5s; then 7.5s, 11.25s, 16.9s, 25.3s, 30s.
		if d := cmp.Diff([]string{"0s", "10s", "15s", "20s", "28s", "39s", "56s", "1m21s", "1m51s", "2m21s"}, p.since(t0)); d != "" {
			t.Errorf("polls (-want +got):\n%s", d)
		}
	})
}

func TestOnlyScheduledRunsSetTheInterval(t *testing.T) {
	b := newBench(t, jobEvery("@every 10s", "adaptive {\n min = \"5s\"\n max = \"30s\"\n}"))
	synctest.Test(t, func(t *testing.T) {
		p := &inProcess{answer: fine}
		simulate(t, b, p, time.Second, func(d *Daemon) {
			j, _ := d.job("orders")
			for range 3 {
				<-d.request(j, bridge.Manual).done
			}
			if j.interval() != 10*time.Second {
				t.Errorf("the interval is %s after runs by hand", j.interval())
			}
		})
	})
}
