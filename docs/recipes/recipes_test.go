// Package recipes_test cuts the recipes out of their pages and runs them: each as it stands there, through a whole daemon,
// against a server that answers as the documentation of that API says.
package recipes_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recipe is one configuration of a page, and what becomes of it.
type recipe struct {
	page  string            // docs/recipes/PAGE.md
	block int               // which of its hcl blocks, from 0
	env   map[string]string // the credentials it needs; the API refuses others
	hooks map[string]string // what the API signs its webhooks with
	no    string            // what is said of other credentials, where it is not that the login was refused
	site  func() *site
	taken int64 // records in the baseline
	free  bool  // a run that finds nothing is answered 304 throughout
	short bool  // a run that finds nothing reads one page: it asks for what changed
	story []scene
}

// scene is something that happens at the API, then a run of the job, and what the destination is told of it.
type scene struct {
	name    string
	happens func(s *site)
	webhook func(s *site) *http.Request // what the API sends; the job is not run
	runs    []string                    // "poll" (once if nothing is written), "reconcile"
	fails   string                      // the run does, and says this
	told    []string
}

var recipes = map[string]func() []recipe{
	"gitea":     gitea,
	"github":    github,
	"gitlab":    gitlab,
	"jira":      jira,
	"odata":     odata,
	"soap":      soap,
	"stripe":    stripe,
	"wordpress": wordpress,
}

func TestRecipes(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(page, ".md")
		if name == "README" {
			continue
		}
		if recipes[name] == nil {
			t.Errorf("%s is tried by nobody", page)
			continue
		}
		blocks := configurations(t, page)
		tried := map[int]bool{}
		for _, r := range recipes[name]() {
			tried[r.block] = true
			if r.block >= len(blocks) {
				t.Errorf("%s has %d hcl blocks, and number %d is to be tried", page, len(blocks), r.block)
				continue
			}
			t.Run(fmt.Sprint(name, " ", r.block), func(t *testing.T) { r.play(t, blocks[r.block]) })
		}
		if len(tried) != len(blocks) {
			t.Errorf("%s has %d hcl blocks, of which %d are tried", page, len(blocks), len(tried))
		}
	}
	if len(pages) != len(recipes)+1 {
		t.Errorf("found %d pages of recipes, want %d and an index", len(pages), len(recipes))
	}
}

var fence = regexp.MustCompile("(?ms)^```hcl\n(.*?)^```$")

// configurations are the hcl blocks of a page.
func configurations(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range fence.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

var jobName = regexp.MustCompile(`(?m)^job "([^"]+)"`)

// play runs a recipe: refused with other credentials, a silent baseline, the story, and in the end a run that finds
// nothing more.
func (r recipe) play(t *testing.T, config string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	jobs := jobName.FindAllStringSubmatch(config, -1)
	if len(jobs) != 1 {
		t.Fatalf("the configuration has %d jobs, want one", len(jobs))
	}
	if r.no == "" {
		r.no = "the login was refused"
	}
	s, told := r.site(), newDestination(t)
	s.serve(t)
	b := newBridge(t, config, jobs[0][1], s, told)

	for name, value := range r.hooks {
		t.Setenv(name, value)
	}
	for name, value := range r.env {
		t.Setenv(name, "wrong-"+value)
	}
	if failed := b.refused(ctx); !strings.Contains(failed, r.no) {
		t.Errorf("with wrong credentials: %q, want that they were refused", failed)
	} else if leaked(failed, r.env) {
		t.Errorf("with wrong credentials: %q shows one", failed)
	}
	for name, value := range r.env {
		t.Setenv(name, value)
	}
	b.run(ctx)
	report := b.poll(ctx)
	if b.taken(ctx) != r.taken || len(told.all()) > 0 {
		t.Fatalf("the baseline has %d records, want %d; last run %+v, told %v", b.taken(ctx), r.taken, report, told.all())
	}
	s.locked(func(s *site) {
		if s.pages < 2 {
			t.Errorf("the list came in %d pages, want at least 2", s.pages)
		}
	})
	known := 0
	for _, scene := range r.story {
		known = r.act(ctx, t, scene, s, b, told, known)
	}
	for range 2 {
		s.locked(func(s *site) { s.pages, s.answers, s.unchanged = 0, 0, 0 })
		if report := b.poll(ctx); report.Created+report.Updated+report.Deleted+report.Pending+report.Held != 0 {
			t.Errorf("a run after the story found %+v, want nothing", report)
		}
	}
	s.locked(func(s *site) {
		if r.free && (s.unchanged == 0 || s.unchanged != s.answers) {
			t.Errorf("of %d answers %d were 304, want all", s.answers, s.unchanged)
		}
		if r.short != (s.pages == 1) {
			t.Errorf("a run that finds nothing reads %d pages; one is wanted: %t", s.pages, r.short)
		}
		for _, surprise := range s.surprises {
			t.Errorf("the API was asked for what it does not have: %s", surprise)
		}
	})
}

// act plays one scene. What happens there stands between two runs, and where a webhook tells of it, no run sees it first.
func (r recipe) act(ctx context.Context, t *testing.T, scene scene, s *site, b *runningBridge, told *destination, known int) int {
	t.Helper()
	if scene.webhook != nil {
		s.lists.Lock()
		defer s.lists.Unlock()
	}
	if scene.happens != nil {
		s.locked(scene.happens)
	}
	switch {
	case scene.webhook != nil:
		var hook *http.Request
		s.locked(func(s *site) { hook = scene.webhook(s) })
		b.receive(ctx, hook)
	case scene.fails != "":
		if report, err := b.Poll(ctx, b.job); err != nil || !strings.Contains(report.Error, scene.fails) || leaked(report.Error, r.env) {
			t.Errorf("%s: %+v, %v; want a failure with %q", scene.name, report, err, scene.fails)
		}
	case scene.runs == nil:
		b.poll(ctx)
	}
	for _, how := range scene.runs {
		if how == "reconcile" {
			b.reconcile(ctx)
		} else {
			b.poll(ctx)
		}
	}
	b.delivered(ctx)
	all := told.all()
	got := slices.Sorted(slices.Values(all[known:]))
	if diff := cmp.Diff(scene.told, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", scene.name, diff)
	}
	return len(all)
}

func leaked(text string, env map[string]string) bool {
	for _, value := range env {
		if len(value) > 6 && strings.Contains(text, value) {
			return true
		}
	}
	return false
}
