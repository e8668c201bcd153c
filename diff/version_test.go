package diff_test

import (
	"testing"

	"github.com/hookbridge/bridge/diff"
)

func TestNewerVersions(t *testing.T) {
	v, err := diff.NewVersion("meta.v")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{`2`, `1`, true},
		{`1`, `1.0`, false},
		{`9007199254740993`, `9007199254740992`, true},
		{`10`, `9`, true},
		{`"10"`, `"9"`, false}, // text sorts as text
		{`"2026-01-01T01:00:00+02:00"`, `"2026-01-01T00:30:00Z"`, false},
		{`"2026-10-25T02:30:00.000+0100"`, `"2026-10-25T02:45:00.000+0200"`, true},
		{`"2026-10-25T02:45:00.000+0200"`, `"2026-10-25T02:30:00.000+01:00"`, false},
		{`"2026-01-01T00:00:00.5Z"`, `"2026-01-01T00:00:00Z"`, true},
		{`"2026-01-02"`, `"2026-01-01"`, true},
		{`2`, `"1"`, false},
		{`null`, `1`, false},
		{`1e999999999`, `1`, false},
	} {
		a, b := []byte(`{"meta":{"v":`+tc.a+`}}`), []byte(`{"meta":{"v":`+tc.b+`}}`)
		if got := v.Newer(a, b); got != tc.want {
			t.Errorf("%s newer than %s: %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
	if v.Newer([]byte(`{}`), []byte(`{"meta":{"v":1}}`)) {
		t.Error("a body without a version is newer than one with")
	}
	if _, err := diff.NewVersion("a.*"); err == nil {
		t.Error("a wildcard was taken as a version")
	}
}
