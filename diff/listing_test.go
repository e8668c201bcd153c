package diff_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/diff"
)

func TestAListingSaysWhetherItsDetailIsNeeded(t *testing.T) {
	const listed, moved, detail = `{"id":1,"v":1}`, `{"id":1,"v":2}`, `{"id":1,"text":"a"}`
	s := newSnapshot(t, diff.Spec{}, detail)
	first := s.scan(nil, nil)
	if first.Known([]byte(listed)) {
		t.Error("a listing was known before it was seen")
	}
	if f, err := first.Add(bridge.Record{Page: 1, Item: 1, Listing: []byte(listed), Body: []byte(detail)}); err != nil || f.Verdict != diff.Same {
		t.Fatalf("the same detail: %+v, %v", f, err)
	}
	second := s.scan(nil, nil)
	for text, want := range map[string]bool{listed: true, moved: false, `{"id":2}`: false, `{"no":1}`: false, detail: false} {
		if got := second.Known([]byte(text)); got != want {
			t.Errorf("Known(%s) = %t", text, got)
		}
	}
	if f, err := second.Add(bridge.Record{Page: 1, Item: 1, Listing: []byte(listed)}); err != nil || f.Verdict != diff.Same || second.Records() != 1 {
		t.Fatalf("a known listing: %+v, %v", f, err)
	}
	// The same listing with another detail, as a reconciliation finds it.
	third := s.scan(nil, nil)
	f, err := third.Add(bridge.Record{Page: 1, Item: 1, Listing: []byte(listed), Body: []byte(`{"id":1,"text":"b"}`)})
	if err != nil || f.Verdict != diff.Changed || f.Entry.Raw != diff.HashBody([]byte(listed)) {
		t.Fatalf("another detail: %+v, %v", f, err)
	}
}

func TestDetailsThatCannotBeTaken(t *testing.T) {
	gone := errors.New("listed, but not there")
	for want, r := range map[string]bridge.Record{
		"page 1, item 1: listed, but not there":                              {Listing: []byte(`{"id":1}`), Bad: gone},
		`page 1, item 1: is listed with key "1", and its detail has key "2"`: {Listing: []byte(`{"id":1}`), Body: []byte(`{"id":2}`)},
		"page 1, item 1: its detail: ":                                       {Listing: []byte(`{"id":1}`), Body: []byte(`{"no":2}`)},
	} {
		r.Page, r.Item = 1, 1
		scan := newSnapshot(t, diff.Spec{}).scan(nil, nil)
		_, err := scan.Add(r)
		if bad := (*diff.BadRecordError)(nil); !errors.As(err, &bad) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if err := scan.End(); err != nil {
			t.Errorf("a page of bad records alone: %v", err)
		}
	}
	scan := newSnapshot(t, diff.Spec{}).scan(nil, nil)
	if _, err := scan.Add(bridge.Record{Page: 1, Item: 1, Listing: []byte(`{"id":1}`)}); err == nil {
		t.Error("took a listing that is not known")
	}
}
