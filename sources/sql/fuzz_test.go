package sql

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzStatement: cutting a query loses nothing of it, whatever it is, and every token lies in it in order.
func FuzzStatement(f *testing.F) {
	for _, seed := range []string{
		"select * from t where :since is null or a >= :since::text", "select ':since', E'\\':since', $a$:since$a$, \":since\" -- :since",
		"/* :since /* */ :since */ select [a]]:since]", "select `:since` # :since\n", "$1 $$ : :: :s :since", "coalesce((:SINCE), 1)", "select 'a\\",
	} {
		f.Add(seed, byte(0))
	}
	grammars := []grammar{(&postgres{}).grammar(), (&mySQL{}).grammar(), (&sqlServer{}).grammar(), (&sqlite{}).grammar()}
	f.Fuzz(func(t *testing.T, query string, which byte) {
		g := grammars[int(which)%len(grammars)]
		s, absent := g.parse(query)
		if got := s.with(parameter); !strings.EqualFold(got, query) || len(got) != len(query) {
			t.Errorf("%q became %q", query, got)
		}
		if absent && !s.asks() {
			t.Errorf("%q has no parameter, but says what happens without", query)
		}
		at := 0
		for token := range g.tokens(query) {
			if token.start < at || token.end <= token.start || token.text != query[token.start:token.end] {
				t.Fatalf("%q: token %+v after %d", query, token, at)
			}
			at = token.end
		}
		g.reads(query)
	})
}

// FuzzPostgresValues: whatever a server sends as a value is written as valid JSON, or refused, and what stood before stays.
func FuzzPostgresValues(f *testing.F) {
	for _, seed := range []string{
		`{1,NULL,"a\"b",{x}}`, `[0:1]={1,2}`, `{{1},{2}}`, `{}`, `2026-11-21 12:00:00.5+02`, `2026-11-21 12:00:00-03:30:15`, `0044-03-15 12:00:00 BC`,
		`\x00ff`, `-12.50`, `NaN`, `.5`, `1e+20`, `0001-01-01 00:00:00+15`, `9999-12-31 23:59:59-15`, "t", "\xff", `{"a":1,"a":2}`, "0000-00-00 00:00:00",
	} {
		f.Add([]byte(seed))
	}
	writers := []pgWrite{
		pgBool, pgBytes, appendNumber[[]byte], appendJSON, appendText[[]byte], pgTimestamp, pgTimestampZone,
		pgArray(',', appendText[[]byte]), pgArray(',', appendNumber[[]byte]), pgArray(';', pgTimestampZone), pgArray(',', pgArray(',', pgBytes)),
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for i, write := range writers {
			got, err := write([]byte(`{"a":`), text)
			if err == nil && !jsontext.Value(append(got, '}')).IsValid() {
				t.Errorf("writer %d: %q became %s", i, text, got)
			}
		}
		if got, err := writeDateTime("Z")(nil, text); err == nil && !jsontext.Value(got).IsValid() {
			t.Errorf("%q became %s", text, got)
		}
	})
}

// FuzzPostgresTime: a time with an offset is the same point in time in UTC.
func FuzzPostgresTime(f *testing.F) {
	f.Add(int64(1795258800), int16(7200))
	f.Add(int64(-62135596800), int16(-18000))
	f.Fuzz(func(t *testing.T, seconds int64, offset int16) {
		at := time.Unix(seconds, 0).In(time.FixedZone("", int(offset)))
		if at.Year() < 1 || at.Year() > 9998 {
			return
		}
		got, err := pgTimestampZone(nil, []byte(at.Format("2006-01-02 15:04:05-07:00:00")))
		if want := `"` + at.UTC().Format(time.RFC3339) + `"`; err != nil || string(got) != want {
			t.Errorf("%s is %s (%v), want %s", at, got, err, want)
		}
	})
}

// FuzzWatermark: what is remembered is recalled.
func FuzzWatermark(f *testing.F) {
	w := &since{column: "changed", overlap: defaultOverlap}
	for _, k := range []kind{number, moment, other} {
		for _, text := range []string{"2026-11-21", "2026-11-21T12:00:00.5Z", "-12.50", "18446744073709551615"} {
			f.Add([]byte(w.remember(value{kind: k, text: text})))
		}
	}
	f.Add([]byte(markVersion))
	f.Fuzz(func(t *testing.T, from []byte) {
		mark, ok := w.recall(from)
		if !ok {
			return
		}
		again, ok := w.recall(w.remember(mark))
		if !ok || again.text != mark.text || again.kind != mark.kind || again.after(mark) || mark.after(again) {
			t.Errorf("%+v became %+v", mark, again)
		}
		if start := w.from(mark); start.text == "" {
			t.Errorf("from %+v on is nothing", mark)
		}
	})
}
