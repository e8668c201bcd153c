package sql_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/mattn/go-sqlite3"

	"github.com/hookbridge/bridge"
)

// order is a row of seven columns as legacy systems have them, of about 170 bytes as a record.
var order = map[string]string{
	"postgres": `select i::bigint as id, 'C-' || i %% 1000 as customer, (i %% 100000) / 100.0::numeric(12,2) as total, i %% 2 = 0 as paid,
		timestamptz '2026-01-01' + i * interval '1 second' as updated_at, case when i %% 3 = 0 then 'a note' end as note, i / 7.0::float8 as weight
		from generate_series(1, %d) i`,
	"mysql": `select seq as id, concat('C-', seq %% 1000) as customer, cast(seq %% 100000 / 100 as decimal(12,2)) as total, seq %% 2 = 0 as paid,
		timestamp '2026-01-01 00:00:00' + interval seq second as updated_at, if(seq %% 3 = 0, 'a note', null) as note, seq / 7.0e0 as weight
		from seq_1_to_%d`,
	"sqlite": "select * from orders limit %d",
}

// fillOrders makes a table of as many rows in SQLite, which has no other way to make them that does not take longer than
// to read them.
func fillOrders(b testing.TB, d database, rows int) {
	d.do(b, `create table orders (id integer, customer text, total real, paid int, updated_at text, note text, weight real);
		insert into orders with recursive s(i) as (select 1 union all select i + 1 from s where i < %d)
		select i, 'C-' || i %% 1000, i %% 100000 / 100.0, i %% 2 = 0, datetime('2026-01-01', i || ' seconds'), case when i %% 3 = 0 then 'a note' end, i / 7.0 from s`, rows)
}

// readAll fetches the rows of a query, and returns by how much more the heap held at most, five times on the way, than
// before: after a collection, because what is left to be collected depends on when that runs.
func readAll(tb testing.TB, d database, query string, rows int, measure bool) (outcome bridge.Outcome, held int64) {
	tb.Helper()
	s := d.source(tb, query, "")
	before, seen := live(), 0
	outcome, err := s.Fetch(tb.Context(), bridge.FetchOptions{}, func(bridge.Record) error {
		if seen++; measure && seen%(rows/5) == 0 {
			held = max(held, live()-before)
		}
		return nil
	})
	if err != nil || seen != rows || !outcome.Complete {
		tb.Fatalf("%d rows, %+v, %v", seen, outcome, err)
	}
	return outcome, held
}

func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMemoryDoesNotFollowTheRows(t *testing.T) {
	for name, open := range map[string]func(testing.TB) database{"postgres": postgres, "mysql": mariadb, "sqlite": sqlite} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			if name == "sqlite" {
				fillOrders(t, d, 100_000)
			}
			_, few := readAll(t, d, fmt.Sprintf(order[name], 1000), 1000, true)
			_, many := readAll(t, d, fmt.Sprintf(order[name], 100_000), 100_000, true)
			if many > few+256<<10 {
				t.Errorf("1,000 rows held %d KiB, 100,000 rows %d KiB", few>>10, many>>10)
			}
		})
	}
}

// bare reads the rows with nothing but the driver, its values as they come.
var bare = map[string]func(ctx context.Context, dsn, query string) (rows int, err error){
	"postgres": func(ctx context.Context, dsn, query string) (rows int, err error) {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return 0, err
		}
		defer conn.Close(ctx)
		result, err := conn.Query(ctx, query)
		if err != nil {
			return 0, err
		}
		var (
			id       int64
			customer string
			total    string
			paid     bool
			updated  time.Time
			note     *string
			weight   float64
		)
		for ; result.Next(); rows++ {
			if err := result.Scan(&id, &customer, &total, &paid, &updated, &note, &weight); err != nil {
				return rows, err
			}
		}
		return rows, result.Err()
	},
	"mysql": func(ctx context.Context, dsn, query string) (int, error) {
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			return 0, err
		}
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return 0, err
		}
		conn, err := connector.Connect(ctx)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		statement, err := conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
		if err != nil {
			return 0, err
		}
		return drain(statement.(driver.StmtQueryContext).QueryContext(ctx, nil))
	},
	"sqlite": func(ctx context.Context, dsn, query string) (int, error) {
		conn, err := (&sqlite3.SQLiteDriver{}).Open("file:" + (&url.URL{Path: dsn}).EscapedPath() + "?mode=ro")
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return drain(conn.(driver.QueryerContext).QueryContext(ctx, query, nil))
	},
}

func drain(result driver.Rows, err error) (rows int, _ error) {
	if err != nil {
		return 0, err
	}
	defer result.Close()
	values := make([]driver.Value, len(result.Columns()))
	for ; ; rows++ {
		if err := result.Next(values); errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return rows, err
		}
	}
}

// BenchmarkRows reads rows of seven columns. of-bare is our rate as a share of that of the bare driver in the same run,
// which makes no records of them; KiB-held is by how much the heap grew, and does not follow the rows.
func BenchmarkRows(b *testing.B) {
	for _, kind := range []struct {
		name string
		open func(testing.TB) database
	}{{"postgres", postgres}, {"mysql", mariadb}, {"sqlite", sqlite}} {
		var d database
		b.Run(kind.name, func(b *testing.B) {
			d = kind.open(b)
			if kind.name == "sqlite" {
				fillOrders(b, d, 1_000_000)
			}
			for _, rows := range []int{10_000, 1_000_000} {
				b.Run(fmt.Sprint(rows), func(b *testing.B) { benchmarkRows(b, d, fmt.Sprintf(order[kind.name], rows), rows) })
			}
		})
	}
}

func benchmarkRows(b *testing.B, d database, query string, rows int) {
	var ours, theirs time.Duration
	for b.Loop() {
		started := time.Now()
		outcome, _ := readAll(b, d, query, rows, false)
		ours += time.Since(started)
		b.SetBytes(outcome.Bytes)
		b.StopTimer()
		started = time.Now()
		if n, err := bare[d.driver](b.Context(), d.dsn, query); err != nil || n != rows {
			b.Fatalf("the driver alone: %d rows, %v", n, err)
		}
		theirs += time.Since(started)
		b.StartTimer()
	}
	_, held := readAll(b, d, query, rows, true)
	b.ReportMetric(float64(b.N*rows)/ours.Seconds(), "rows/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-bare")
	b.ReportMetric(float64(held)/(1<<10), "KiB-held")
}

// BenchmarkSmallPoll is a poll that finds ten rows: most of it is to connect, for which no connection is kept.
func BenchmarkSmallPoll(b *testing.B) {
	for name, open := range map[string]func(testing.TB) database{"postgres": postgres, "mysql": mariadb, "sqlite": sqlite} {
		b.Run(name, func(b *testing.B) {
			d := open(b)
			d.do(b, "create table t (id int)")
			d.do(b, "insert into t values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)")
			s := d.source(b, "select id from t", "")
			for b.Loop() {
				if f := fetch(b, s, nil); f.Err != nil {
					b.Fatal(f.Err)
				}
			}
		})
	}
}
