package sql_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hookbridge/bridge"
)

// count runs a query for one number as the source would, over a connection of its own.
func (d database) count(t testing.TB, query string) string {
	t.Helper()
	f := fetch(t, d.source(t, query, ""), nil)
	if f.Err != nil {
		t.Fatal(f.Err)
	}
	return strings.Join(f.Records, " ")
}

func TestQueriesCannotWrite(t *testing.T) {
	for _, test := range []struct {
		name    string
		open    func(testing.TB) database
		prepare string
		queries map[string]string // and what is said about it
	}{
		{"postgres", postgres, `create sequence s; create function sneak() returns int language plpgsql volatile as $$ begin
			perform set_config('transaction_read_only', 'off', true); insert into t values (2); return 1; end $$`, map[string]string{
			"with gone as (delete from t returning *) select * from gone": "the query would write; only what reads can be asked for",
			"insert into t values (2) returning *":                        "the query would write",
			"select nextval('s')":                                         "the query would write",
			"select * from t for update":                                  "the query would write",
			"select sneak()":                                              "read-write mode",
			"select 1; delete from t":                                     "42601",
			"create table u (id int)":                                     "it gives no result",
			"commit":                                                      "it gives no result",
		}},
		{"mysql", mariadb, `create procedure sneak() begin commit; insert into t values (2); select 1 as one; end`, map[string]string{
			"insert into t values (2)":              "the query would write; only what reads can be asked for",
			"delete from t":                         "the query would write",
			"insert into t values (2) returning id": "the query would write",
			"call sneak()":                          "the query would write",
			"select 1; delete from t":               "check query",
			"commit":                                "it gives no result",
		}},
		{"sqlite", sqlite, ``, map[string]string{
			"delete from t":                        "it gives no result",
			"insert into t values (2) returning *": "only what reads can be asked for",
			"select 1; delete from t":              "it gives no result",
			"pragma query_only = 0":                "only what reads can be asked for",
			"attach 'other.db' as other":           "only what reads can be asked for",
			"begin immediate":                      "only what reads can be asked for",
			"select load_extension('x')":           "not authorized to use function: load_extension",
			"create table u (id int)":              "only what reads can be asked for",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := test.open(t)
			d.do(t, "create table t (id int)")
			d.do(t, "insert into t values (1)")
			if test.prepare != "" {
				d.do(t, "%s", test.prepare)
			}
			for query, said := range test.queries {
				fetch(t, d.source(t, query, ""), nil).wantError(t, "source.sql: ", said)
				if got := d.count(t, "select count(*) as n from t"); got != `{"n":1}` {
					t.Fatalf("%s: left %s", query, got)
				}
			}
			if test.name == "postgres" {
				if got := d.count(t, "select last_value as n, is_called as b from s"); got != `{"n":1,"b":false}` {
					t.Errorf("the sequence moved on: %s", got)
				}
			}
		})
	}
}

func TestAProcedureThatFailsAfterItsSelectIsNoResult(t *testing.T) {
	d := mariadb(t)
	d.do(t, "create procedure halfway() begin select 1 as one; signal sqlstate '45000' set message_text = 'out of rows'; end")
	d.do(t, "create procedure through() begin select 1 as one; end")
	fetch(t, d.source(t, "call halfway()", ""), nil).wantError(t, "source.sql: read row 2: ", "out of rows")
	fetch(t, d.source(t, "call through()", ""), nil).want(t, `{"one":1}`)
}

// What only reads is allowed in SQLite, in whatever way it reads.
func TestSQLiteReadsInManyWays(t *testing.T) {
	d := sqlite(t)
	d.do(t, `create table t (id int, data text, parent int); insert into t values (1, '{"tags":["a","b"]}', null), (2, '{"tags":["c"]}', 1);
		create view v as select id, data from t; create virtual table f using rtree(id, low, high); insert into f values (1, 0, 2)`)
	for query, want := range map[string]string{
		"select id from v where data like '%c%'":                                     `{"id":2}`,
		"select j.value as tag from t, json_each(t.data, '$.tags') j where t.id = 2": `{"tag":"c"}`,
		"with recursive up(id) as (select 2 union all select parent from t join up on t.id = up.id where parent is not null) select max(id) as id from up": `{"id":2}`,
		"select id, row_number() over (order by id desc) as n from t order by n limit 1":                                                                   `{"id":2,"n":1}`,
		"select group_concat(id, '+') as ids, date('2026-11-21', '+1 day') as day from t":                                                                  `{"ids":"1+2","day":"2026-11-22"}`,
		"select id from f where low >= 0":                                                                `{"id":1}`,
		"select count(*) as n from sqlite_schema where type = 'view'":                                    `{"n":1}`,
		"select * from (values (1)) union select 1 intersect select id as column1 from t order by 1 asc": `{"column1":1}`,
	} {
		fetch(t, d.source(t, query, ""), nil).want(t, want)
	}
}

func TestAFileIsNotMadeByReadingIt(t *testing.T) {
	dir := t.TempDir()
	s, diags := decode(t, "driver = \"sqlite\"\ndsn = \"none.db\"\nquery = \"select 1 as one\"", "", dir)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	fetch(t, s, nil).wantError(t, "source.sql: ", "none.db: unable to open database file", "check the name in dsn")
	if _, err := os.Stat(filepath.Join(dir, "none.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}

// Whatever is committed while the rows are read, they are those of one moment.
func TestRowsAreOneSnapshot(t *testing.T) {
	const rows = 20000
	for _, test := range []struct {
		name, fill string
		open       func(testing.TB) database
	}{
		{"postgres", "insert into t select i, 1, repeat('x', 500) from generate_series(1, %d) i", postgres},
		{"mysql", "insert into t select seq, 1, repeat('x', 500) from seq_1_to_%d", mariadb},
		{"sqlite", "insert into t with recursive s(i) as (select 1 union all select i + 1 from s where i < %d) select i, 1, hex(zeroblob(250)) from s", func(t testing.TB) database {
			d := sqlite(t)
			d.do(t, "pragma journal_mode = wal")
			return d
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := test.open(t)
			d.do(t, "create table t (id int primary key, rev int, filler text)")
			d.do(t, test.fill, rows)
			s := d.source(t, "select id, rev from t", "")
			seen := 0
			outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(r bridge.Record) error {
				if seen++; seen == 1 {
					d.do(t, "update t set rev = 2")
					d.do(t, "delete from t where id > %d", rows/2)
					d.do(t, "insert into t values (0, 2, '')")
				}
				if body := string(r.Body); !strings.HasSuffix(body, `"rev":1}`) {
					return fmt.Errorf("row %d is %s, which was committed after the first was read", seen, body)
				}
				return nil
			})
			if err != nil || seen != rows || !outcome.Complete || !outcome.Stable {
				t.Fatalf("%d rows, %+v, %v", seen, outcome, err)
			}
			if got, want := d.count(t, "select count(*) as n, min(rev) as rev from t"), fmt.Sprintf(`{"n":%d,"rev":2}`, rows/2+1); got != want {
				t.Errorf("afterwards it is %s, want %s", got, want)
			}
		})
	}
}

// endless are queries that take for ever, before their first row and after it.
var endless = map[string]map[string]string{
	"postgres": {
		"before the first row": "select pg_sleep(600)",
		"between rows":         "select i, case when i > 100000 then pg_sleep(600)::text end from generate_series(1, 200000) i",
	},
	"mysql": {
		"before the first row": "select sleep(600) as s",
		"between rows":         "select seq, if(seq > 100000, sleep(600), 0) as s from seq_1_to_200000",
	},
	"sqlite": {
		"before the first row": "select count(*) as n from (with recursive s(i) as (select 1 union all select i + 1 from s) select i from s)",
		"between rows":         "with recursive s(i) as (select 1 union all select i + 1 from s) select i from s where i < 1000 or i < 0",
	},
}

// running counts what a server is busy with besides the question.
var running = map[string]string{
	"postgres": "select count(*) as n from pg_stat_activity where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid() and query like 'select%sleep%'",
	"mysql":    "select count(*) as n from information_schema.processlist where db = database() and id <> connection_id() and info like 'select%sleep%'",
}

func TestTheEndOfTheJobsTimeEndsTheQuery(t *testing.T) {
	errOver := errors.New("the job's time is over")
	for name, open := range map[string]func(testing.TB) database{"postgres": postgres, "mysql": mariadb, "sqlite": sqlite} {
		d := open(t)
		for when, query := range endless[name] {
			t.Run(name+" "+when, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if when == "before the first row" && running[name] == "" { // there is nobody to ask whether it has begun
					var stop context.CancelFunc
					ctx, stop = context.WithTimeoutCause(ctx, 50*time.Millisecond, errOver)
					defer stop()
				}
				type result struct {
					rows    int
					outcome bridge.Outcome
					err     error
				}
				s, ended := d.source(t, query, ""), make(chan result, 1)
				go func() {
					var r result
					r.outcome, r.err = s.Fetch(ctx, bridge.FetchOptions{}, func(bridge.Record) error {
						if r.rows++; r.rows == 500 {
							cancel(errOver)
						}
						return nil
					})
					ended <- r
				}()
				if when == "before the first row" && running[name] != "" {
					waitFor(t, func() bool { return d.count(t, running[name]) == `{"n":1}` }, "the server does not run the query")
					cancel(errOver)
				}
				r := <-ended
				if !errors.Is(r.err, errOver) || r.outcome.Complete || (r.rows > 0) != (when == "between rows") {
					t.Fatalf("%d rows, %+v, %v", r.rows, r.outcome, r.err)
				}
				noSecret(t, r.err.Error())
				if running[name] != "" {
					waitFor(t, func() bool { return d.count(t, running[name]) == `{"n":0}` }, "the server still runs the query")
				}
			})
		}
	}
}

// waitFor asks again until it is so.
func waitFor(t testing.TB, so func() bool, otherwise string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !so(); {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

func TestATimeThatIsOverBeforeTheBeginning(t *testing.T) {
	errOver := errors.New("shutting down")
	for name, open := range map[string]func(testing.TB) database{"postgres": postgres, "mysql": mariadb, "sqlite": sqlite} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errOver)
		if f := fetchWith(ctx, open(t).source(t, "select 1 as one", ""), bridge.FetchOptions{}); !errors.Is(f.Err, errOver) {
			t.Errorf("%s: %v", name, f.Err)
		}
	}
}

// Nothing of a fetch stays: no connection on the server, no goroutine here, whichever way it ended.
func TestAFetchLeavesNothingBehind(t *testing.T) {
	errEnough := errors.New("enough")
	for name, open := range map[string]func(testing.TB) database{"postgres": postgres, "mysql": mariadb, "sqlite": sqlite} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			before := goleak.IgnoreCurrent()
			many := map[string]string{"postgres": "select i from generate_series(1, 1000000) i", "mysql": "select seq from seq_1_to_1000000", "sqlite": strings.ReplaceAll(endless["sqlite"]["between rows"], "1000 ", "1000000 ")}[name]
			for range 3 {
				if f := fetch(t, d.source(t, "select 1 as one", ""), nil); f.Err != nil {
					t.Fatal(f.Err)
				}
				fetch(t, d.source(t, "select none from nowhere", ""), nil).wantError(t, "nowhere")
				rows := 0
				_, err := d.source(t, many, "").Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error {
					if rows++; rows == 1000 {
						return errEnough
					}
					return nil
				})
				if !errors.Is(err, errEnough) {
					t.Fatalf("after %d rows: %v", rows, err)
				}
			}
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
			connections := map[string]string{
				"postgres": "select count(*) as n from pg_stat_activity where datname = current_database() and application_name = 'hookbridge' and pid <> pg_backend_pid()",
				"mysql":    "select count(*) as n from information_schema.processlist where db = database() and user = 'bridge' and id <> connection_id()",
			}[name]
			if connections != "" {
				waitFor(t, func() bool { return d.count(t, connections) == `{"n":0}` }, "a connection is left")
			}
		})
	}
}

func TestASourceIsSafeForConcurrentUse(t *testing.T) {
	for name, open := range map[string]func(testing.TB) database{"postgres": postgres, "mysql": mariadb, "sqlite": sqlite} {
		d := open(t)
		d.do(t, "create table t (id int)")
		d.do(t, "insert into t values (1), (2)")
		s := d.source(t, "select id from t order by id", "")
		results := make(chan fetched)
		for range 8 {
			go func() { results <- fetch(t, s, nil) }()
		}
		for range 8 {
			if f := <-results; f.Err != nil || len(f.Records) != 2 {
				t.Errorf("%s: %q %v", name, f.Records, f.Err)
			}
		}
	}
}
