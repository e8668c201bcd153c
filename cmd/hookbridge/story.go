package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/daemon"
	"github.com/hookbridge/bridge/watchdog"
)

const (
	observeEvery = 100 * time.Millisecond // how often the story looks at the watchdog
	storyPace    = 10 * time.Second       // longest silence and grace that a demo can wait for
	patience     = 30 * time.Second       // that the watchdog has for one change of state
)

// story is the second part of the demo: a system that has webhooks, until it has not.
type story struct {
	job      *configs.Job
	receiver *configs.Receiver
	address  string
	notify   *notifier
	sending  bool            // its webhooks work
	untold   map[string]bool // changed while they did not
	told     time.Time       // the last change of state that was narrated
}

// newStory is nil where the configuration has no job to tell it with.
func newStory(config *configs.Config) (*story, error) {
	job := config.Job("shipments")
	if job == nil || job.Watchdog == nil || job.Watchdog.Silence == 0 || job.Watchdog.Silence > storyPace || job.Watchdog.Grace > storyPace {
		return nil, nil
	}
	s := &story{job: job, address: config.Bridge.Inbound, untold: map[string]bool{}}
	if s.address == "" {
		s.address = config.Bridge.Listen
	}
	for _, r := range config.Receivers {
		if r.Name == job.Watchdog.Receiver {
			s.receiver = r
		}
	}
	// The daemon listens there itself, but here it can be said what to do about a taken port.
	listener, err := occupy(s.address)
	if err != nil {
		return nil, err
	}
	_ = listener.Close()
	s.notify, err = newNotifier(s.receiver, s.address)
	return s, err
}

// length is about how long the story takes.
func (s *story) length(every time.Duration) time.Duration {
	return 9*every + 2*s.job.Watchdog.Silence + s.job.Watchdog.Grace + 15*time.Second
}

// scene is a stretch of the demo: what happens in the legacy system, and when that ends.
type scene struct {
	polled    bool           // orders and customers change
	shipments bool           // so do shipments
	until     watchdog.State // the scene ends once the watchdog is there
	length    time.Duration  // of one without until; 0: it has no end
}

// act plays the first part, then the story where there is time for it, then everything without an end.
func (s *show) act(ctx context.Context, d *daemon.Daemon, o demoOptions) error {
	first := 7 * o.every
	if s.story != nil && o.length > 0 {
		left := o.length - s.story.length(o.every)
		if left < o.every {
			s.say("demo", s.out.bold, fmt.Sprintf("shows polling only; a longer one shows the watchdog too: --for %.0fs", math.Ceil((s.story.length(o.every)+first).Seconds())))
			return s.scene(ctx, d, o, scene{polled: true})
		}
		first = min(first, left)
	}
	if s.story == nil {
		return s.scene(ctx, d, o, scene{polled: true})
	}
	if err := s.scene(ctx, d, o, scene{polled: true, length: first}); err != nil {
		return err
	}
	if err := s.tell(ctx, d, o); err != nil {
		return err
	}
	return s.scene(ctx, d, o, scene{polled: true, shipments: true})
}

// tell plays the story: webhooks come and polls rest, webhooks fail and nobody says so, webhooks are back.
func (s *show) tell(ctx context.Context, d *daemon.Daemon, o demoOptions) error {
	steps := []struct {
		says    string
		sending bool
		until   watchdog.State
	}{
		{"shipments can be polled too, and from now on they send webhooks of their own, signed", true, watchdog.Listening},
		{"the webhooks of shipments stop, and nobody says so: shipments go on changing", false, watchdog.Fallback},
		{"the webhooks of shipments are back", true, watchdog.Listening},
	}
	for _, step := range steps {
		s.say("legacy", s.out.yellow, s.out.bold(step.says))
		s.mu.Lock()
		s.story.sending = step.sending
		s.mu.Unlock()
		if err := s.scene(ctx, d, o, scene{shipments: true, until: step.until}); err != nil {
			return err
		}
		stay := 3 * o.every
		if step.until == watchdog.Fallback { // long enough for polls to show what they are for
			stay += s.story.job.Watchdog.Silence / 2
		}
		if err := s.scene(ctx, d, o, scene{shipments: true, length: stay}); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.story.untold)
	end := "until Ctrl-C"
	if o.length > 0 {
		end = "until its time is over"
	}
	s.say("demo", s.out.bold, "that was the whole story; everything goes on "+end)
	return nil
}

func (s *show) scene(ctx context.Context, d *daemon.Daemon, o demoOptions, now scene) error {
	polled, observe := time.NewTicker(o.every), time.NewTicker(observeEvery)
	defer polled.Stop()
	defer observe.Stop()
	pace := o.every
	if s.story != nil { // webhooks that work are never so rare that they seem to be missing
		pace = min(pace, s.story.job.Watchdog.Silence/3)
	}
	ships := time.NewTicker(pace)
	defer ships.Stop()
	limit := now.length
	if now.until != "" {
		limit = patience
	}
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			if now.until != "" {
				return fmt.Errorf("the watchdog of %s is not %s after %s; see what it says: hookbridge status", s.story.job.Name, now.until, patience)
			}
			return nil
		case <-polled.C:
			if now.polled {
				s.change()
			}
		case <-ships.C:
			if now.shipments {
				s.ship(ctx)
			}
		case <-observe.C:
			state, err := s.observe(ctx, d)
			if err != nil {
				return err
			}
			if now.until != "" && state == now.until {
				return nil
			}
		}
	}
}

// ship lets something happen to a shipment, and sends the webhook while those work.
func (s *show) ship(ctx context.Context) {
	s.mu.Lock()
	sending := s.story.sending
	c, x, ok := s.legacy.ship(func(job, key string) bool {
		_, open := s.open[job+" "+key]
		return open || s.story.untold[key] && sending // what was missed shall not look as if it had only been late
	})
	if !ok {
		s.mu.Unlock()
		return
	}
	note := "sends a webhook"
	if !sending {
		note = s.out.red("no webhook")
		s.story.untold[c.key] = true
	}
	s.happened(c, note)
	s.mu.Unlock()
	if !sending {
		return
	}
	if err := s.story.notify.send(ctx, c, x); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		s.say("legacy", s.out.yellow, s.out.red("its webhook was not taken: ")+printable(err.Error()))
	}
}

// observe narrates what the watchdog has come to believe since it was last looked at.
func (s *show) observe(ctx context.Context, d *daemon.Daemon) (watchdog.State, error) {
	if s.story == nil {
		return "", nil
	}
	status, err := d.Status(ctx, daemon.StatusRequest{})
	if err != nil {
		return "", err
	}
	var state watchdog.State
	for _, j := range status.Jobs {
		if j.Name != s.story.job.Name {
			continue
		}
		for _, t := range j.History {
			if !t.At.After(s.story.told) {
				continue
			}
			s.story.told, state = t.At, watchdog.State(t.To)
			s.say("watchdog", s.out.cyan, fmt.Sprintf("%s → %s: %s%s", t.From, s.out.watchdog(state)(t.To), printable(t.Why), s.meaning(state)))
		}
		if n := len(j.History); n > 0 {
			state = watchdog.State(j.History[n-1].To)
		}
	}
	return state, nil
}

// meaning says what a state of the watchdog makes the bridge do.
func (s *show) meaning(state watchdog.State) string {
	schedule := strings.TrimPrefix(s.story.job.Schedule.Text, "@")
	text := map[watchdog.State]string{
		watchdog.Recovering: "polls " + schedule + " check that webhooks tell everything",
		watchdog.Listening:  "polling rests while webhooks come",
		watchdog.Probing:    "one poll looks whether anything was missed",
		watchdog.Fallback:   "polling " + schedule + " until webhooks are back",
	}[state]
	if text == "" {
		return ""
	}
	return s.out.faint("; " + text)
}
