//go:build unix

package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/decode"
)

// onLook calls meddle at each look but the first, before the wait that goes before it.
func onLook(ctx context.Context, meddle func(look int)) context.Context {
	look := 0
	return decode.WithTrace(ctx, func(line string) {
		if strings.HasPrefix(line, "look again") {
			look++
			meddle(look)
		}
	})
}

func put(t testing.TB, dir, name, content string, flag int) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY|flag, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
}

func TestAFileIsReadWhenItHasSettled(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.ndjson", "1\n", os.O_APPEND)
	put(t, dir, "b.ndjson", "2\n", os.O_APPEND)
	s := source(t, dir, "path = \"*.ndjson\"\nsettle = \"5s\"")
	var first bridge.Outcome
	synctest.Test(t, func(t *testing.T) {
		started, looks := time.Now(), 0
		var records []string
		var err error
		first, err = s.Fetch(onLook(t.Context(), func(look int) {
			if looks = look; look <= 3 {
				put(t, dir, "b.ndjson", fmt.Sprintf("%d\n", look+2), os.O_APPEND)
			}
		}), bridge.FetchOptions{}, func(r bridge.Record) error {
			records = append(records, string(r.Body))
			return nil
		})
		if err != nil || fmt.Sprint(records) != "[1 2 3 4 5]" || !first.Complete || !first.Stable {
			t.Errorf("%v %+v, %v", records, first, err)
		}
		if took := time.Since(started); looks != 4 || took != 20*time.Second {
			t.Errorf("%d looks, %s", looks, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		again := fetch(t, s, bridge.FetchOptions{From: first.Next})
		again.want(t)
		if took := time.Since(started); took != 0 {
			t.Errorf("files that were read before were waited for: %s", took)
		}
	})
	put(t, dir, "a.ndjson", "9\n", os.O_APPEND)
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		fetch(t, s, bridge.FetchOptions{From: first.Next}).want(t, "1.1 1", "1.2 9", "2.1 2", "2.2 3", "2.3 4", "2.4 5")
		if took := time.Since(started); took != 5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestAFileThatNeverSettlesFailsTheFetch(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.ndjson", "1\n", os.O_APPEND)
	put(t, dir, "done.ndjson", "0\n", os.O_APPEND)
	s := source(t, dir, "path = \"*.ndjson\"\nsettle = \"5s\"")
	synctest.Test(t, func(t *testing.T) {
		late := errors.New("the job's time is up")
		ctx, cancel := context.WithTimeoutCause(onLook(t.Context(), func(int) { put(t, dir, "a.ndjson", "1\n", os.O_APPEND) }), 122*time.Second, late)
		defer cancel()
		outcome, err := s.Fetch(ctx, bridge.FetchOptions{}, func(r bridge.Record) error {
			t.Errorf("emitted %s", r.Body)
			return nil
		})
		want := "source.file: a.ndjson: is still being written, or was until now (50 bytes): it is read when it has stayed as it is for 5s: the job's time is up"
		if !errors.Is(err, late) || err.Error() != want || outcome.Complete || outcome.NotModified {
			t.Errorf("%+v, %v", outcome, err)
		}
	})
}

func TestFilesComeAndGoWhileOneSettles(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.ndjson", "1\n", 0)
	put(t, dir, "gone.ndjson", "2\n", 0)
	s := source(t, dir, "path = \"*.ndjson\"\nsettle = \"5s\"")
	synctest.Test(t, func(t *testing.T) {
		outcome, err := s.Fetch(onLook(t.Context(), func(int) {
			put(t, dir, "new.ndjson", "3\n", 0)
			if err := os.Remove(filepath.Join(dir, "gone.ndjson")); err != nil {
				t.Error(err)
			}
		}), bridge.FetchOptions{}, func(r bridge.Record) error {
			if string(r.Body) != "1" {
				t.Errorf("emitted %s", r.Body)
			}
			return nil
		})
		if err != nil || outcome.Stable || outcome.Next != nil {
			t.Errorf("%+v, %v: a file that was not read makes the scan unstable", outcome, err)
		}
	})
}

func TestUnfinishedNamesAreIgnored(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.json", "[1]", time.Hour)
	write(t, dir, "b.json.part", "[2", time.Hour)
	write(t, dir, ".c.json", "[3", time.Hour)
	s := source(t, dir, "path = \"*\"\nignore = [\"*.part\", \".*\"]\ndecode \"json\" {}")
	first := fetch(t, s, bridge.FetchOptions{})
	first.want(t, "1.1 1")
	if err := os.Rename(filepath.Join(dir, "b.json.part"), filepath.Join(dir, "b.json")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "b.json", "[2]", time.Hour)
	fetch(t, s, bridge.FetchOptions{From: first.outcome.Next}).want(t, "1.1 1", "2.1 2")
}

func TestThousandsOfFilesAreRememberedTogether(t *testing.T) {
	dir := t.TempDir()
	for i := range 1500 {
		write(t, dir, fmt.Sprintf("%04d.json", i), "[1]", time.Hour)
	}
	s := source(t, dir, `path = "*.json"`)
	first := fetch(t, s, bridge.FetchOptions{})
	if first.err != nil || len(first.records) != 1500 || len(first.outcome.Next) > 1000 {
		t.Fatalf("%d records, %d bytes of memory, %v", len(first.records), len(first.outcome.Next), first.err)
	}
	fetch(t, s, bridge.FetchOptions{From: first.outcome.Next}).want(t)
	if all := fetch(t, s, bridge.FetchOptions{From: first.outcome.Next, Unconditional: true}); len(all.records) != 1500 {
		t.Errorf("%d records when nothing is to be believed", len(all.records))
	}
	write(t, dir, "0700.json", "[2]", time.Minute)
	if changed := fetch(t, s, bridge.FetchOptions{From: first.outcome.Next}); len(changed.records) != 1500 || changed.outcome.NotModified {
		t.Errorf("%d records after a change, %+v", len(changed.records), changed.outcome)
	}
}
