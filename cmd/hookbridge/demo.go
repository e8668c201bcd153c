package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/daemon"
	"github.com/hookbridge/bridge/signature"
)

// settleTime is how long the demo waits at its end for what is still on its way. A deletion needs two polls.
const settleTime = 20 * time.Second

// drainTime is how long deliveries may finish at its very end.
const drainTime = 2 * time.Second

type demoOptions struct {
	legacy, receiver string
	length           time.Duration // 0: until interrupted
	every            time.Duration
	own              bool // the configuration was named with --config
}

func demoCommand(a *app) *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "A legacy API that changes, the bridge and a receiver, in one terminal",
		Long: `A small legacy API whose data keeps changing, the bridge and a receiver that verifies, in one terminal: prints each
change as it happens and the webhook it becomes. After some polling a part of the API begins to send webhooks, falls
silent and comes back, and the bridge's watchdog with it; that takes about a minute. It uses a configuration and a store of its own, both gone afterwards;
--config names another configuration, whose jobs read the demo's API and whose destination is the demo's receiver.
--json: one {at, who, text} a line.`,
		Args: between(0, 0, ""),
	}
	flags := c.Flags()
	flags.DurationVar(&o.length, "for", 0, "end by itself after this time (default: run until Ctrl-C)")
	flags.DurationVar(&o.every, "every", 1500*time.Millisecond, "time between two changes")
	flags.StringVar(&o.legacy, "legacy", "127.0.0.1:9090", "`ADDRESS` of the legacy API")
	flags.StringVar(&o.receiver, "receiver", "127.0.0.1:9191", "`ADDRESS` of the receiver")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if o.every < 10*time.Millisecond || o.length < 0 {
			return wrongCall(cmd, "--every needs at least 10ms, --for a positive time")
		}
		if o.own = cmd.Flags().Changed("config"); !o.own && cmd.Flags().Changed("receiver") {
			return wrongCall(cmd, "--receiver needs --config, whose destination is at that address")
		}
		return action(func(ctx context.Context, _ []string) error { return a.demo(ctx, o) })(cmd, args)
	}
	return c
}

func (a *app) demo(ctx context.Context, o demoOptions) (err error) {
	folder, err := os.MkdirTemp("", "hookbridge-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if !o.own {
		a.config = filepath.Join(folder, "bridge.hcl")
		if err := os.WriteFile(a.config, []byte(bridge.Example), 0o600); err != nil {
			return fmt.Errorf("write the demo's configuration: %w", err)
		}
		a.vars["legacy_url"] = "http://" + o.legacy
	}
	config, err := a.load()
	if err != nil {
		return err
	}
	s := &show{app: a, legacy: newLegacy(), open: map[string]time.Time{}, changed: make(chan struct{}, 1)}
	s.receiver.arrived = s.arrived
	for _, d := range config.Destinations {
		keys, err := signature.ParseSecrets(d.Secrets)
		if err != nil {
			return fmt.Errorf("destination %q: %w", d.Name, err)
		}
		s.receiver.keys = append(s.receiver.keys, keys...)
	}
	if s.api, err = occupy(o.legacy); err != nil {
		return err
	}
	if s.hooks, err = occupy(o.receiver); err != nil {
		_ = s.api.Close()
		return err
	}
	if s.story, err = newStory(config); err != nil {
		_, _ = s.api.Close(), s.hooks.Close()
		return err
	}
	options := a.options(silent)
	options.Store = filepath.Join(folder, "bridge.db")
	return s.run(ctx, o, config, options)
}

// show is the demo while it runs.
type show struct {
	*app
	legacy     *legacy
	receiver   receiver
	api, hooks net.Listener
	story      *story // nil: there is nothing to tell of webhooks

	mu       sync.Mutex
	open     map[string]time.Time // changes whose webhook has not arrived yet
	changes  int
	verified int
	refused  int
	changed  chan struct{} // open has shrunk
}

func (s *show) run(ctx context.Context, o demoOptions, config *configs.Config, options daemon.Options) error {
	// The API and the receiver outlive the bridge, so that what it is delivering at its end still arrives.
	serving, dismantle := context.WithCancel(context.WithoutCancel(ctx))
	defer dismantle()
	group, serving := errgroup.WithContext(serving)
	group.Go(func() error { return serve(serving, s.api, s.legacy) })
	group.Go(func() error { return serve(serving, s.hooks, &s.receiver) })
	running, stop := context.WithCancel(serving)
	defer stop()
	d, err := daemon.Open(running, options)
	if err != nil {
		dismantle()
		_ = group.Wait()
		return err
	}
	group.Go(func() error {
		defer dismantle()
		drain, cut := context.WithCancel(context.WithoutCancel(running))
		defer cut()
		context.AfterFunc(running, func() { time.AfterFunc(drainTime, cut) })
		return d.Run(running, drain)
	})
	s.introduce(config)
	// The play ends with an interrupt, with --for, or when a part of the stage breaks down.
	playing, end := context.WithCancel(ctx)
	context.AfterFunc(running, end)
	played := s.play(playing, d, o)
	end()
	stop()
	failed := group.Wait()
	if closed := d.Close(); failed == nil {
		failed = closed
	}
	if failed != nil && !errors.Is(failed, context.Canceled) {
		return failed
	}
	if played != nil && !errors.Is(played, context.Canceled) {
		return played
	}
	return s.sum(ctx.Err() == nil)
}

// say prints one line of the story.
func (s *show) say(who string, tint func(string) string, text string) {
	if s.json {
		_ = s.line(struct {
			At   time.Time `json:"at"`
			Who  string    `json:"who"`
			Text string    `json:"text"`
		}{time.Now(), who, text})
		return
	}
	s.printf("%s  %s %s\n", s.out.faint(time.Now().Format("15:04:05.000")), tint(fmt.Sprintf("%-8s", who)), text)
}

func (s *show) introduce(config *configs.Config) {
	s.say("legacy", s.out.yellow, fmt.Sprintf("an API on http://%s with orders, customers and shipments, and without webhooks", s.api.Addr()))
	s.say("receiver", s.out.green, fmt.Sprintf("waits on http://%s and verifies every signature", s.hooks.Addr()))
	jobs := make([]string, len(config.Jobs))
	for i, job := range config.Jobs {
		jobs[i] = job.Name + " " + job.Schedule.Text
	}
	s.say("bridge", s.out.cyan, "polls "+strings.Join(jobs, ", "))
	if s.story != nil {
		s.say("bridge", s.out.cyan, fmt.Sprintf("takes webhooks at http://%s/in/%s; those of %s are missing when none came for %s", s.story.address,
			s.story.receiver.Name, s.story.job.Name, s.story.job.Watchdog.Silence))
	}
}

// play waits for the baseline, changes things until its time is over, then waits for what is still on its way.
func (s *show) play(ctx context.Context, d *daemon.Daemon, o demoOptions) error {
	if err := s.baseline(ctx, d); err != nil {
		return err
	}
	acting, end := ctx, func() {}
	if o.length > 0 {
		acting, end = context.WithTimeout(ctx, o.length)
	}
	err := s.act(acting, d, o)
	end()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return s.settle(ctx)
}

func (s *show) baseline(ctx context.Context, d *daemon.Daemon) error {
	for {
		status, err := d.Status(ctx, daemon.StatusRequest{})
		if err != nil {
			return err
		}
		missing := 0
		var taken []string
		for _, j := range status.Jobs {
			switch {
			case j.LastRun != nil && j.LastRun.Outcome == bridge.RunFailed:
				return hinted(fmt.Errorf("job %q: %s", j.Name, j.LastRun.Error), "the demo's API is on http://%s; does the configuration read it?", s.api.Addr())
			case !j.Baselined:
				missing++
			default:
				taken = append(taken, fmt.Sprintf("%d %s", j.Records, j.Name))
			}
		}
		if missing == 0 && len(taken) > 0 {
			s.say("bridge", s.out.cyan, "first poll: took in "+enumerate(taken)+" silently; from now on every change is told")
			return nil
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// change lets something happen to a record none of whose changes is on its way, so that each becomes a webhook of its
// own: changes between two polls become one.
func (s *show) change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c legacyChange
	for tries, ok := 0, false; !ok; tries++ {
		if tries == 20 {
			return
		}
		c, ok = s.legacy.change(func(job, key string) bool { _, busy := s.open[job+" "+key]; return busy })
	}
	s.happened(c, "")
}

// happened narrates a change and waits for its webhook from now on.
func (s *show) happened(c legacyChange, note string) {
	s.open[c.job+" "+c.key] = time.Now()
	s.changes++
	sign := map[bridge.Op]string{bridge.Created: "+", bridge.Updated: "~", bridge.Deleted: "-"}[c.op]
	s.say("legacy", s.out.yellow, strings.TrimRight(fmt.Sprintf("%s %s %s %s  %s  %s", s.out.op(c.op)(sign), strings.TrimSuffix(c.job, "s"),
		s.out.bold(c.key), c.op, s.out.faint(c.words), note), " "))
}

// enumerate joins words as a sentence does.
func enumerate(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

func (s *show) arrived(x arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !x.Verified {
		s.refused++
		s.say("receiver", s.out.green, s.out.red("✗ NOT VERIFIED ")+printable(x.Problem))
		return
	}
	s.verified++
	delay := "verified"
	if s.story != nil && x.Job == s.story.job.Name {
		delay += ", by " + x.Origin
	}
	if since, ok := s.open[x.Job+" "+x.Key]; ok {
		delete(s.open, x.Job+" "+x.Key)
		delay += ", " + span(x.At.Sub(since)) + " after the change"
	}
	s.say("receiver", s.out.green, s.out.green("✓ ")+s.arrivalWords(x)+"  "+s.out.faint(delay))
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *show) settle(ctx context.Context) error {
	deadline := time.NewTimer(settleTime)
	defer deadline.Stop()
	for first := true; ; first = false {
		s.mu.Lock()
		left := len(s.open)
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		if first {
			s.say("demo", s.out.bold, "no more changes; waiting for "+count(left, "webhook")+" on the way")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return nil
		case <-s.changed:
		}
	}
}

// sum is the last line. A demo that came to its end owes a verified webhook for every change.
func (s *show) sum(ended bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%s, %s verified", count(s.changes, "change"), count(s.verified, "webhook"))
	if s.refused > 0 {
		text += fmt.Sprintf(", %d not verified", s.refused)
	}
	if len(s.open) > 0 {
		text += fmt.Sprintf(", %d still on the way", len(s.open))
	}
	s.say("demo", s.out.bold, text)
	if s.refused > 0 || ended && len(s.open) > 0 {
		return exitError(exitFailed)
	}
	return nil
}
