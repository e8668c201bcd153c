package drop_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAFileIsReadWhenItRests: each look finds the file longer, up to the fourth.
func TestAFileIsReadWhenItRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, started, looks := files("done.ndjson", "0\n", "a.ndjson", "1\n{"), time.Now(), 0
		got := fetch(traced(t.Context(), func(line string) {
			if !strings.HasPrefix(line, "look again in 5s whether ") {
				return
			}
			if looks++; looks <= 3 {
				s.put("a.ndjson", s.things["a.ndjson"].data+"}\n"+strings.Repeat("{", 1-looks/3), long) // no time shows it
			}
		}), read(t, "path = \"*.ndjson\"\nsettle = \"5s\""), s, nil)
		got.want(t, "1.1 1", "1.2 {}", "1.3 {}", "1.4 {}", "2.1 0")
		if took := time.Since(started); looks != 4 || took != 20*time.Second {
			t.Errorf("%d looks, %s", looks, took)
		}
		again := time.Now()
		fetch(t.Context(), read(t, "path = \"*.ndjson\"\nsettle = \"5s\""), s, got.outcome.Next).want(t)
		if took := time.Since(again); took != 0 {
			t.Errorf("files that were read before were waited for: %s", took)
		}
	})
}

// TestTheTimeALookTakesIsNoRest: a file may have been looked at when the first look ended and when the second began.
func TestTheTimeALookTakesIsNoRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, lists, started := files("a.ndjson", "1\n"), 0, time.Now()
		s.before = func(step, _ string) {
			if step != "list" {
				return
			}
			if lists++; lists == 1 {
				time.Sleep(6 * time.Second)
			}
			if time.Since(started) > 8*time.Second { // a pause of less than 5s
				s.put("a.ndjson", "1\n2\n", long)
			}
		}
		fetch(t.Context(), read(t, "path = \"*.ndjson\"\nsettle = \"5s\""), s, nil).want(t, "1.1 1", "1.2 2")
		if lists != 4 { // two that differ, one that shows that it rests, one after reading
			t.Errorf("%d looks", lists)
		}
	})
}

// TestWhatIsStillWrittenWhenTheTimeIsUpIsNamed, wherever the fetch is then: waiting, or looking again.
func TestWhatIsStillWrittenWhenTheTimeIsUpIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		limit time.Duration
		size  string
	}{"when it was to look again": {10 * time.Second, "4"}, "while it looks": {12 * time.Second, "4"}, "while it waits": {18 * time.Second, "6"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := files("a.ndjson", "1\n", "done.ndjson", "0\n")
				late := errors.New("the job's time is up")
				ctx, cancel := context.WithTimeoutCause(t.Context(), test.limit, late)
				defer cancel()
				s.before = func(step, _ string) {
					if step == "list" {
						s.put("a.ndjson", s.things["a.ndjson"].data+"1\n", long)
						time.Sleep(5 * time.Second)
					}
				}
				got := fetch(ctx, read(t, "path = \"*.ndjson\"\nsettle = \"5s\""), s, nil)
				got.fails(t, "source.test: a.ndjson: is still being written, or was until now ("+test.size+" bytes): it is read when it has stayed as it is for 5s: the job's time is up")
				if !errors.Is(got.err, late) || got.records != nil {
					t.Errorf("%v, %q", got.err, got.records)
				}
			})
		})
	}
}

func TestAFileIsReadOnceItIsRenamedIntoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := files("a.ndjson", "1\n", "b.ndjson.tmp", "2\n{")
		set := read(t, "path = \"*\"\nsettle = \"5s\"\ndecode \"ndjson\" {}")
		rename := func() {
			s.things["b.ndjson"] = s.things["b.ndjson.tmp"]
			delete(s.things, "b.ndjson.tmp")
		}
		// What appears while others are waited for is left for the next fetch, which finds that the list has changed.
		got := fetch(traced(t.Context(), func(line string) {
			if strings.HasPrefix(line, "look again") {
				s.things["b.ndjson.tmp"].data += "}\n"
				rename()
			}
		}), set, s, nil)
		if got.err != nil || got.outcome.Stable || got.outcome.Next != nil || strings.Join(got.records, ",") != "1.1 1" {
			t.Errorf("%+v", got)
		}
		fetch(t.Context(), set, s, nil).want(t, "1.1 1", "2.1 2", "2.2 {}")
	})
}

func TestFilesMovedAwayWhileTheySettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := files("a.ndjson", "1\n", "b.ndjson", "2\n")
		got := fetch(traced(t.Context(), func(line string) {
			if strings.HasPrefix(line, "look again") {
				clear(s.things)
				s.put("c.ndjson", "3\n", long)
			}
		}), read(t, "path = \"*.ndjson\"\nsettle = \"5s\""), s, nil)
		got.fails(t, "source.test: every file of *.ndjson was moved away while it was to settle")
	})
}

// TestATimeIsBelievedWhenItIsOver: a second write within the time that the clock of a file can tell shows only in what the
// file holds.
func TestATimeIsBelievedWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, set := files("a.json", "[1]"), read(t, `path = "a.json"`)
		first := fetch(t.Context(), set, s, nil)
		first.want(t, "1.1 1")
		s.things["a.json"].data = "[2]"
		second := fetch(t.Context(), set, s, first.outcome.Next)
		second.want(t, "1.1 2")
		time.Sleep(2 * time.Second)
		third := fetch(t.Context(), set, s, second.outcome.Next)
		third.want(t)
		s.things["a.json"].data = "[3]"
		time.Sleep(time.Nanosecond)
		fourth := fetch(t.Context(), set, s, third.outcome.Next)
		fourth.want(t, "1.1 3")
		s.steps = nil
		fetch(t.Context(), set, s, fourth.outcome.Next).want(t)
		for _, step := range s.steps {
			if strings.HasPrefix(step, "open") {
				t.Errorf("opened, although its time is over: %q", s.steps)
			}
		}
	})
}
