package sql_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
)

// clockwork is a way in which databases keep when a row was changed.
type clockwork struct {
	name string
	open func(testing.TB) database
	kind string // of the column
	ago  string // a time so many minutes ago, as the database writes it
}

var clockworks = []clockwork{
	{"postgres timestamptz", postgres, "timestamptz", "now() - interval '%d minutes'"},
	{"postgres timestamp", postgres, "timestamp", "localtimestamp - interval '%d minutes'"},
	{"postgres text", postgres, "text", `to_char(now() at time zone 'UTC' - interval '%d minutes', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`},
	{"mysql timestamp", mariadb, "timestamp(6) null", "now(6) - interval %d minute"},
	{"mysql datetime", mariadb, "datetime", "now() - interval %d minute"},
	{"mysql text", mariadb, "varchar(30)", "date_format(utc_timestamp() - interval %d minute, '%%Y-%%m-%%dT%%H:%%i:%%sZ')"},
	{"sqlite text", sqlite, "datetime", "datetime('now', -(%d) || ' minutes')"},
}

func everyClockwork(t *testing.T, test func(t *testing.T, c clockwork, d database)) {
	for _, c := range clockworks {
		t.Run(c.name, func(t *testing.T) {
			d := c.open(t)
			d.do(t, "create table orders (id int, changed %s)", c.kind)
			test(t, c, d)
		})
	}
}

// add inserts a row that was changed so many minutes ago.
func (c clockwork) add(t testing.TB, d database, id, minutes int) {
	t.Helper()
	d.do(t, "insert into orders values (%d, %s)", id, fmt.Sprintf(c.ago, minutes))
}

const changed = "select * from orders where :since is null or changed >= :since order by id"

const byChanged = "since {\n value = \"changed\"\n%s\n}"

// ids are the ids of the records.
func (f fetched) ids(t testing.TB) string {
	t.Helper()
	if f.Err != nil {
		t.Fatal(f.Err)
	}
	var ids []string
	for _, r := range f.Records {
		var row struct{ ID json.Number }
		if err := json.Unmarshal([]byte(r), &row); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, row.ID.String())
	}
	return strings.Join(ids, " ")
}

// part fails unless the fetch was incremental and showed these records.
func (f fetched) part(t testing.TB, ids string) bridge.Checkpoint {
	t.Helper()
	if got := f.ids(t); got != ids {
		t.Errorf("records %q, want %q", got, ids)
	}
	if o := f.Outcome; !o.Incremental || o.Complete || !o.Stable || o.NotModified || o.Next == nil {
		t.Errorf("not an incremental fetch: %+v", o)
	}
	return f.Outcome.Next
}

// all fails unless the fetch covered the source and showed these records.
func (f fetched) all(t testing.TB, ids string) bridge.Checkpoint {
	t.Helper()
	if got := f.ids(t); got != ids {
		t.Errorf("records %q, want %q", got, ids)
	}
	if o := f.Outcome; o.Incremental || !o.Complete {
		t.Errorf("not a complete fetch: %+v", o)
	}
	return f.Outcome.Next
}

func TestSince(t *testing.T) {
	everyClockwork(t, func(t *testing.T, c clockwork, d database) {
		c.add(t, d, 1, 120)
		c.add(t, d, 2, 60)
		d.do(t, "insert into orders values (0, null)")
		s := d.source(t, changed, fmt.Sprintf(byChanged, ""))
		mark := fetch(t, s, nil).all(t, "0 1 2")

		// The newest, less five minutes: what is equal, or came late, is found.
		d.do(t, "insert into orders select 3, changed from orders where id = 2")
		c.add(t, d, 4, 64)
		c.add(t, d, 5, 66)
		next := fetch(t, s, mark).part(t, "2 3 4")
		if string(next) != string(mark) {
			t.Errorf("%s became %s", mark, next)
		}
		c.add(t, d, 6, 1)
		later := fetch(t, s, next).part(t, "2 3 4 6")
		fetch(t, s, later).part(t, "6")

		// Nothing new, not even the rows of the overlap: the watermark stays.
		d.do(t, "delete from orders where id = 6")
		if again := fetch(t, s, later).part(t, ""); string(again) != string(later) {
			t.Errorf("%s became %s", later, again)
		}

		// Whoever relies on nothing reads everything, as a reconciliation does.
		fetch(t, s, nil).all(t, "0 1 2 3 4 5")
		fetchWith(t.Context(), s, bridge.FetchOptions{From: later, Unconditional: true}).all(t, "0 1 2 3 4 5")
	})
}

func TestARowOfTheFutureDoesNotFreezeTheWatermark(t *testing.T) {
	everyClockwork(t, func(t *testing.T, c clockwork, d database) {
		c.add(t, d, 1, 60)
		c.add(t, d, 2, -60*24*365*8)
		s := d.source(t, changed, fmt.Sprintf(byChanged, ""))
		mark := fetch(t, s, nil).all(t, "1 2")
		c.add(t, d, 3, 30)
		mark = fetch(t, s, mark).part(t, "1 2 3")
		// As far as the overlap a value may be ahead, but not beyond.
		c.add(t, d, 4, -3)
		c.add(t, d, 5, -7)
		mark = fetch(t, s, mark).part(t, "2 3 4 5")
		c.add(t, d, 6, 0)
		c.add(t, d, 7, 10)
		fetch(t, s, mark).part(t, "2 4 5 6")
	})
}

// Whatever is written, in whatever order and late by no more than the overlap: the next poll sees it.
func TestSinceLosesNothing(t *testing.T) {
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(r *rapid.T) {
		d := sqlite(t)
		d.do(t, "create table orders (id int primary key, rev int, changed text)")
		s := d.source(t, changed, fmt.Sprintf(byChanged, ""))
		var mark bridge.Checkpoint
		now, known, truth := begin, map[int]int{}, map[int]int{}
		for rev := range rapid.IntRange(1, 12).Draw(r, "polls") {
			for range rapid.IntRange(0, 4).Draw(r, "writes") {
				now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(r, "later")) * time.Second)
				late := time.Duration(rapid.IntRange(0, 300).Draw(r, "late")) * time.Second
				id := rapid.IntRange(1, 5).Draw(r, "id")
				d.do(t, "insert or replace into orders values (%d, %d, '%s')", id, rev, now.Add(-late).Format(time.DateTime))
				truth[id] = rev
			}
			f := fetch(t, s, mark)
			if f.Err != nil {
				t.Fatal(f.Err)
			}
			for _, raw := range f.Records {
				var row struct{ ID, Rev int }
				if err := json.Unmarshal([]byte(raw), &row); err != nil {
					t.Fatal(err)
				}
				known[row.ID] = row.Rev
			}
			if diff := cmp.Diff(truth, known); diff != "" {
				r.Fatalf("poll %d (-written +seen):\n%s", rev, diff)
			}
			mark = f.Outcome.Next
		}
	})
}

func TestAllRowsAheadAreReadEachTime(t *testing.T) {
	d := postgres(t)
	d.do(t, "create table orders (id int, changed timestamptz); insert into orders values (1, now() + interval '1 day')")
	var logged strings.Builder
	table := sources.New(sources.Runtime{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	s, diags := decodeWith(t, table, d.block(changed, fmt.Sprintf(byChanged, "")), d.dsn, "")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for range 2 {
		if next := fetch(t, s, nil).all(t, "1"); next != nil {
			t.Errorf("a watermark out of nothing: %s", next)
		}
	}
	if n := strings.Count(logged.String(), "later than the database's own clock"); n != 1 {
		t.Errorf("%d warnings: %s", n, logged.String())
	}
	noSecret(t, logged.String())
}

// A database whose clock was far ahead for one fetch must not be frozen by what that fetch let through.
func TestAWatermarkThatCannotBeIsGivenUp(t *testing.T) {
	everyClockwork(t, func(t *testing.T, c clockwork, d database) {
		c.add(t, d, 1, 60)
		s := d.source(t, changed, fmt.Sprintf(byChanged, ""))
		mark := string(fetch(t, s, nil).all(t, "1"))
		at := strings.LastIndex(mark, "\t") + 1
		fetch(t, s, bridge.Checkpoint(mark[:at]+"2099"+mark[at+4:])).all(t, "1")
	})
}

func TestInitialBoundsTheWholeSource(t *testing.T) {
	everyClockwork(t, func(t *testing.T, c clockwork, d database) {
		c.add(t, d, 1, 60*24*365*8)
		c.add(t, d, 2, 60)
		initial := "2020-01-01T00:00:00Z"
		if strings.HasPrefix(c.name, "sqlite") {
			initial = "2020-01-01 00:00:00" // it compares text
		}
		query := "select * from orders where changed >= :since order by id"
		s := d.source(t, query, fmt.Sprintf(byChanged, `initial = "`+initial+`"`))
		mark := fetch(t, s, nil).all(t, "2")
		fetch(t, s, mark).part(t, "2")
		// Nothing before the initial value is ever asked for.
		c.add(t, d, 3, 60*24*365*10)
		wide := d.source(t, query, fmt.Sprintf(byChanged, "overlap = \"87600h\"\ninitial = \""+initial+`"`))
		fetch(t, wide, fetch(t, wide, nil).all(t, "2")).part(t, "2")
		if s.Identity() == d.source(t, query, fmt.Sprintf(byChanged, `initial = "2021-01-01"`)).Identity() {
			t.Error("another beginning is the same source")
		}
	})
}

func TestNumbersAreWatermarks(t *testing.T) {
	for name, test := range map[string]struct {
		open                   func(testing.TB) database
		kind                   string
		small, middle, biggest string
	}{
		"postgres bigint":  {postgres, "bigint", "9007199254740991", "9007199254740992", "9007199254740993"},
		"postgres numeric": {postgres, "numeric", "99999999999999999999.8", "99999999999999999999.9", "100000000000000000000.00"},
		"mysql bigint":     {mariadb, "bigint unsigned", "18446744073709551613", "18446744073709551614", "18446744073709551615"},
		"mysql decimal":    {mariadb, "decimal(30,2)", "9007199254740991.98", "9007199254740991.99", "9007199254740992.00"},
		"sqlite integer":   {sqlite, "integer", "9007199254740991", "9007199254740992", "9007199254740993"},
	} {
		t.Run(name, func(t *testing.T) {
			d := test.open(t)
			d.do(t, "create table orders (id int, changed %s)", test.kind)
			d.do(t, "insert into orders values (1, %s), (3, %s), (0, null)", test.small, test.biggest)
			s := d.source(t, changed, fmt.Sprintf(byChanged, ""))
			mark := fetch(t, s, nil).all(t, "0 1 3")
			d.do(t, "insert into orders values (2, %s), (4, %s)", test.middle, test.biggest)
			if next := fetch(t, s, mark).part(t, "3 4"); string(next) != string(mark) {
				t.Errorf("%s became %s", mark, next)
			}
			near := d.source(t, changed, fmt.Sprintf(byChanged, "overlap = 1"))
			fetch(t, near, fetch(t, near, nil).all(t, "0 1 2 3 4")).part(t, map[bool]string{true: "2 3 4", false: "1 2 3 4"}[strings.Contains(name, "bigint") || strings.Contains(name, "integer")])
			low := d.source(t, "select * from orders where changed >= :since order by id", fmt.Sprintf(byChanged, "initial = "+test.middle))
			fetch(t, low, nil).all(t, "2 3 4")
		})
	}
}

func TestValuesThatAreNoWatermark(t *testing.T) {
	for value, found := range map[string]string{
		`null`: `"null" there`, `'soon'`: `\"soon\"`, `'0001-01-01T00:00:00Z'`: "0001-01-01", `x'00'`: `\"AA==\"`, `9e999`: "Infinity", `'2026'`: "2026", `''`: `\"\"`,
	} {
		d := sqlite(t)
		d.do(t, "create table orders (id int, changed); insert into orders values (1, %[1]s), (2, %[1]s)", value)
		s := d.source(t, changed, fmt.Sprintf(byChanged, ""))
		fetch(t, s, nil).wantError(t, `source.sql: read the rows: none of the 2 rows has a time or a number in "changed", which since needs; the last one has`, found)

		// One that has is enough, and of what has changed nothing is demanded.
		d.do(t, "insert into orders values (3, datetime('now'))")
		mark := fetch(t, s, nil).all(t, "1 2 3")
		d.do(t, "delete from orders where id = 3; insert into orders values (4, 'zzz')")
		fetchWith(t.Context(), s, bridge.FetchOptions{From: mark}).ids(t)
	}
	d := postgres(t)
	d.do(t, "create table orders (id int, changed boolean); insert into orders values (1, true)")
	fetch(t, d.source(t, "select * from orders where :since is null", fmt.Sprintf(byChanged, "")), nil).wantError(t, `none of the 1 rows`, "true")
	d.do(t, "delete from orders")
	if next := fetch(t, d.source(t, "select * from orders where :since is null", fmt.Sprintf(byChanged, "")), nil).all(t, ""); next != nil {
		t.Errorf("nothing at all leaves %s", next)
	}
}

func TestSinceMustFitItsColumn(t *testing.T) {
	for _, open := range []func(testing.TB) database{postgres, mariadb} {
		d := open(t)
		d.do(t, "create table orders (id int, changed timestamp null, version bigint)")
		d.do(t, "insert into orders values (1, now(), 5)")
		fails := func(query, since string, texts ...string) {
			t.Helper()
			fetch(t, d.source(t, query, "since {\n"+since+"\n}"), nil).wantError(t, append(texts, "source.sql: run the query: ")...)
		}
		const byVersion = "select * from orders where :since is null or version >= :since"
		fails(changed, `value = "change"`, `the column "change", which the result does not have; it has id, changed, version`)
		fails(changed, "value = \"changed\"\noverlap = 5", `overlap is a number, but "changed" holds none; write a duration such as "5m"`)
		fails(byVersion, "value = \"version\"\noverlap = \"5m\"", `overlap is a duration, but "version" holds numbers; write a number`)
		fails(byVersion, "value = \"version\"\ninitial = \"2020-01-01\"", "initial does not fit: the column holds numbers")
		fails(changed, "value = \"changed\"\ninitial = 5", "initial does not fit: the column holds times")
	}
}

func TestAWatermarkOfAnotherColumnMeansNothing(t *testing.T) {
	for _, open := range []func(testing.TB) database{postgres, mariadb} {
		d := open(t)
		d.do(t, "create table orders (id int, changed timestamp null, version bigint)")
		d.do(t, "insert into orders values (1, now(), 5), (2, now(), 6)")
		s := d.source(t, changed, fmt.Sprintf(byChanged, ""))
		mark := fetch(t, s, nil).all(t, "1 2")
		fetch(t, s, mark).part(t, "1 2")
		fetch(t, d.source(t, "select * from orders where :since is null or version >= :since order by id", "since {\n value = \"version\"\n}"), mark).all(t, "1 2")
		fetch(t, d.source(t, changed, fmt.Sprintf(byChanged, `initial = "2020-01-01"`)), mark).all(t, "1 2")
		fetch(t, d.source(t, "select * from orders order by id", ""), mark).all(t, "1 2") // the block is gone
		for _, from := range []string{"x", "sql since 1\n", "http since 1\nx\tt\t2026-11-21\n", strings.Replace(string(mark), "\tt\t", "\tx\t", 1), strings.TrimSuffix(string(mark), "\n")} {
			fetch(t, s, bridge.Checkpoint(from)).all(t, "1 2")
		}

		// The column became one of numbers.
		d.do(t, "alter table orders drop column changed")
		d.do(t, "alter table orders add changed bigint default 7")
		fetch(t, s, mark).all(t, "1 2")
	}
}

// A query says in its own words what happens without a value, and may ask for it more than once, or convert it.
func TestSinceInOtherWords(t *testing.T) {
	d := postgres(t)
	d.do(t, "create table orders (id int, changed timestamptz, epoch bigint); insert into orders select i, t, extract(epoch from t) from (select i, now() - make_interval(hours => 10 - i) as t from generate_series(1, 3) i) x")
	for _, query := range []string{
		"select * from orders where changed >= coalesce(:since, '-infinity'::timestamptz) order by id",
		"select * from orders where changed >= COALESCE( :SINCE , '-infinity'::timestamptz) order by id -- :since",
		"select * from orders where :since::timestamptz is null or changed >= :since::timestamptz order by id",
		"select * from orders where (:since) is null or changed >= :since /* :since /* */ ':since */ order by id",
		"select id, changed, epoch from orders where ':since' = $$:since$$ and (changed >= :since or :since is null) order by id;",
	} {
		s := d.source(t, query, fmt.Sprintf(byChanged, ""))
		fetch(t, s, fetch(t, s, nil).all(t, "1 2 3")).part(t, "3")
	}
	s := d.source(t, "select * from orders where :since is null or changed >= to_timestamp(:since) order by id", "since {\n value = \"epoch\"\n overlap = 300\n}")
	fetch(t, s, fetch(t, s, nil).all(t, "1 2 3")).part(t, "3")
}

func TestTheWatermarkIsTraced(t *testing.T) {
	d := sqlite(t)
	d.do(t, "create table orders (id int, changed); insert into orders values (1, '2025-11-21 11:00:00')")
	s := d.source(t, changed, fmt.Sprintf(byChanged, ""))
	mark := fetch(t, s, nil).all(t, "1")
	var lines []string
	ctx := sources.WithTrace(t.Context(), func(line string) { lines = append(lines, line) })
	fetchWith(ctx, s, bridge.FetchOptions{From: mark})
	if len(lines) != 2 || lines[0] != "asks for what changed since the watermark 2025-11-21 11:00:00: from 2025-11-21 10:55:00 on" ||
		!strings.HasSuffix(lines[1], "legacy.db: 1 rows, 2 columns, 40 bytes") {
		t.Errorf("%q", lines)
	}
}
