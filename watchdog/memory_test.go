package watchdog

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestARestartContinuesWhereItWas(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	w := newWorld(t, Config{Zone: berlin}, "2026-02-02 07:00", 1)
	w.poisson(20, office(20, berlin))
	w.run(20 * 24 * time.Hour)
	memory, err := w.m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if len(memory) > 4096 {
		t.Errorf("memory is %d bytes:\n%s", len(memory), memory)
	}
	again, err := Load(w.cfg, memory, half)
	if err != nil {
		t.Fatal(err)
	}
	if again.state.State != Listening {
		t.Errorf("loaded %s", again.state.State)
	}
	later := w.now.Add(time.Hour)
	again.Hear(later)
	if d := again.Next(later); d.Poll != Catchup || d.Scheduled != None {
		t.Errorf("after a restart: %+v", d)
	}
	before, after := w.m.state.Detector.rates(), again.state.Detector.rates()
	for hour := range before {
		if math.Abs(before[hour]/after[hour]-1) > 1e-5 {
			t.Fatalf("hour %d: %v due before, %v after", hour, before[hour], after[hour])
		}
	}
	if s := again.Status(later); s.Webhooks != w.m.state.Webhooks || s.Last.IsZero() {
		t.Errorf("status: %+v", s)
	}
}

func TestARestartInFallbackKeepsTheProof(t *testing.T) {
	s := fallen(t, Config{}, "x", "y")
	memory, err := json.Marshal(s.m)
	if err != nil {
		t.Fatal(err)
	}
	if s.m, err = Load(s.m.cfg, memory, half); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Hour)
	s.m.Hear(s.now)
	s.want(Fallback)
	if s.m.state.Missed != 2 || s.m.state.Relapses != 1 {
		t.Errorf("after a restart %d missed, %d relapses", s.m.state.Missed, s.m.state.Relapses)
	}
	s.poll(Catchup, updated("z")...)
	s.hook("a")
	s.want(Recovering)
}

func TestABrokenMemoryIsAnError(t *testing.T) {
	good, err := New(Config{}, half).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Config{}, good, half); err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(good, &fields); err != nil {
		t.Fatal(err)
	}
	profileOf := func(x float32) any {
		p := profile{}
		p[7] = x
		packed, _ := p.MarshalJSON()
		return json.RawMessage(packed)
	}
	for name, change := range map[string]func(detector map[string]any){
		"version":       func(map[string]any) { fields["version"] = 99 },
		"state":         func(map[string]any) { fields["state"] = "sleeping" },
		"events":        func(d map[string]any) { d["events"] = profileOf(-1) },
		"not a number":  func(d map[string]any) { d["exposure"] = profileOf(float32(math.NaN())) },
		"short profile": func(d map[string]any) { d["events"] = "AAAA" },
		"sensitivity":   func(d map[string]any) { d["sensitivity"] = -1 },
		"doublings":     func(d map[string]any) { d["doublings"] = 1000 },
		"relapses":      func(map[string]any) { fields["relapses"] = -1 },
	} {
		fields = nil
		if err := json.Unmarshal(good, &fields); err != nil {
			t.Fatal(err)
		}
		change(fields["detector"].(map[string]any))
		bad, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(Config{}, bad, half); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, bad := range []string{"", "null-ish", "[]", `{"state":7}`} {
		if _, err := Load(Config{}, []byte(bad), half); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// TestMemoryOfAFutureThatWasTakenBack loads times that a clock set back has put ahead.
func TestMemoryOfAFutureThatWasTakenBack(t *testing.T) {
	s := drive(t, Config{})
	s.poll(Catchup)
	s.hook("a")
	s.want(Recovering)
	memory, err := s.m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	s.m, err = Load(Config{}, memory, half)
	if err != nil {
		t.Fatal(err)
	}
	s.now = s.now.AddDate(-1, 0, 0)
	s.m.Hear(s.now)
	s.poll(Catchup)
	for range 2 {
		s.wait(time.Minute)
		s.hook("a")
		s.poll(Shadow)
	}
	s.want(Listening)
	if reason := s.silence(); reason != Probe || s.now.Year() != 2025 {
		t.Errorf("%s at %v", reason, s.now)
	}
}

// TestOldWeeksFade confirms a year of silence hour by hour: the numbers of an hour stay those of about six weeks.
func TestOldWeeksFade(t *testing.T) {
	c := calendar{zone: time.UTC}
	d := newDetector(time.UTC)
	at := date(t, "2026-03-02 10:20")
	d.restart(at)
	for range 52 * week {
		at = at.Add(time.Hour)
		d.settle(&c, at)
	}
	for hour, exposure := range d.Exposure {
		if exposure < 5 || exposure > 6.5 {
			t.Fatalf("hour %d: %v hours of exposure", hour, exposure)
		}
	}
}

// TestMoreKeysThanCanBeRememberedRaiseNoAlarm tells of many times as many keys as are remembered, then finds all of them
// changed; and one in ten lost is still noticed.
func TestMoreKeysThanCanBeRememberedRaiseNoAlarm(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		s := listening(t, Config{})
		s.wait(time.Second)
		s.poll(Other)
		var changes []Change
		for i := range 3 * memorable {
			key := fmt.Sprintf("order-%d", i)
			if !lossy || i%10 != 0 {
				s.m.Webhook(s.now, Webhook{Key: key})
			}
			if i%7 == 0 {
				changes = append(changes, Change{Key: key, Expected: true})
			}
		}
		if n := len(s.m.told.keys); n > memorable || n < memorable/4 {
			t.Fatalf("%d keys remembered, want a good part of %d", n, memorable)
		}
		s.silence()
		s.poll(Probe, changes...)
		if !lossy {
			s.want(Listening, "listening>probing", "probing>listening")
		} else {
			s.wait(5 * time.Minute)
			s.want(Fallback, "listening>probing", "probing>fallback")
		}
		for range 5 * ring { // the sample grows again, and still takes forgetting for nothing else
			s.wait(time.Second)
			s.poll(Other)
		}
		if s.m.told.halvings != 0 || s.m.told.narrow != 0 {
			t.Errorf("the sample stays at %d halvings", s.m.told.halvings)
		}
	}
}

func TestExplainSaysWhyAndUntilWhen(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	hours, err := ParseHours("Mon-Fri 07:00-19:00", berlin)
	if err != nil {
		t.Fatal(err)
	}
	s := listening(t, Config{Expect: hours}) // 11:00 in Berlin
	s.wait(3 * time.Minute)
	says := func(want ...string) {
		t.Helper()
		text := s.m.Explain(s.now)
		t.Log(text)
		for _, want := range want {
			if !strings.Contains(text, want) {
				t.Errorf("%q does not say %q", text, want)
			}
		}
	}
	says("last event 3 min ago", "at this hour", "were due since (bursts count once)", "probing at", "about 11:", "at latest 14:", "next audit by Tue 11:0")
	s.silence()
	says("webhooks were due; a poll decides")
	s.result(Probe, PollResult{Failed: true})
	says("the next poll decides, at 11:")
	s.silence()
	s.poll(Probe)
	says("1 fruitless probe today")
	s.now = date(t, "2026-03-07 12:00")
	s.m.Hear(s.now)
	says("one poll is due for what may have been missed")
	s.poll(Catchup)
	says("none is expected at this hour", "probing at", "Mon")
	s.m.Deaf(s.now)
	says("no webhook can reach us now")
	s.m.Hear(s.now)
	s.poll(Catchup)
	s.wait(time.Second)
	s.now = date(t, "2026-03-09 06:00")
	s.poll(s.silence(), updated("x", "y")...)
	says("2 found untold, waiting for webhooks until")
	s.wait(5 * time.Minute)
	says("polling on schedule until webhooks are back")
	s.hook("a")
	says("0 of 2 polls with traffic found nothing missed")
	s.poll(Shadow)
	s.wait(time.Second)
	s.hook("a")
	s.poll(Shadow, updated("z")...)
	s.wait(31 * time.Minute)
	says("webhooks are believed again after", "2 times")
	fresh := New(Config{}, half)
	fresh.Hear(s.now)
	fresh.PollBegan(s.now)
	fresh.PollEnded(s.now, PollResult{Complete: true})
	if text := fresh.Explain(s.now); text != "no event yet; polling on schedule until the first webhook comes" {
		t.Error(text)
	}
}

func TestStatusGivesTheWindow(t *testing.T) {
	s := listening(t, Config{Silence: 15 * time.Minute})
	s.wait(time.Minute)
	status := s.m.Status(s.now)
	if status.State != Listening || status.Silence != 15*time.Minute || !status.Probe.Equal(s.now.Add(14*time.Minute)) {
		t.Errorf("%+v", status)
	}
	if _, err := json.Marshal(status); err != nil {
		t.Error(err)
	}
}

// BenchmarkWebhook is what a webhook costs the machine, the question what to do next included.
func BenchmarkWebhook(b *testing.B) {
	berlin := zone(b, "Europe/Berlin")
	hours, err := ParseHours("Mon-Fri 07:00-19:00", berlin)
	if err != nil {
		b.Fatal(err)
	}
	for name, cfg := range map[string]Config{"always": {Zone: berlin}, "hours": {Expect: hours}} {
		b.Run(name, func(b *testing.B) {
			now := date(b, "2026-03-06 17:55")
			m := New(cfg, half)
			m.state.State = Listening
			m.Hear(now)
			m.PollBegan(now)
			m.PollEnded(now, PollResult{Complete: true})
			keys := make([]string, 1000)
			for i := range keys {
				keys[i] = fmt.Sprint("order-", i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(time.Microsecond)
				m.Webhook(now, Webhook{Key: keys[i%len(keys)]})
				m.Next(now)
			}
		})
	}
}
