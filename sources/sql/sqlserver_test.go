package sql

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-sql/civil"

	"github.com/hookbridge/bridge"
)

// There is no SQL Server that a test could start. What lies between its driver and a record is tested here; the protocol
// is the driver's.

func TestSQLServerReadsOnly(t *testing.T) {
	g := (&sqlServer{}).grammar()
	for _, query := range []string{
		"select * from orders", "  SELECT 1", "(select 1) union (select 2)", "with o as (select * from orders) select * from o",
		"select [delete], \"update\", 'drop table x', '''insert' from [into]] exec]", "select 1 -- delete\n, 2 /* insert /* into */ update */",
		"select updated, deleted_at, created, inserted, executor, dropped from t", "select * from a inner merge join b on a.id = b.id",
		"select a from t option (merge union)", "select set_id, x.insertion from x", "select @p1, @@version, #t.a from #t", "select N'drop' as a",
	} {
		if word, ok := g.reads(query); !ok {
			t.Errorf("%s is refused for %q", query, word)
		}
	}
	for query, want := range map[string]string{
		"": "", "-- select": "", "delete from t": "delete", "select 1 delete from t": "delete", "select 1; DELETE from t": "DELETE",
		"with x as (select 1 as a) delete from t": "delete", "with x as (select 1 as a) merge t using x": "merge", "select 1 merge": "merge",
		"select * into copy from t": "into", "exec sp_who": "exec", "select 1 commit": "commit", "begin tran": "begin", "waitfor delay '1'": "waitfor",
		"select 1 -- '\n update t set a = 1": "update", "select '' drop table t": "drop", "select ']' insert t values (1)": "insert", "select 1 use master": "use",
		"set nocount on select 1": "set", "declare @a int": "declare", "select 'a''' truncate table t": "truncate", "select 1 /* /* */ */ kill 5": "kill",
	} {
		if word, ok := g.reads(query); ok || word != want {
			t.Errorf("%s: %q %t, want %q", query, word, ok, want)
		}
	}
}

func TestSQLServerTypes(t *testing.T) {
	offset := time.FixedZone("", 2*60*60)
	for _, test := range []struct {
		name  string
		value driver.Value // as the driver hands it out
		kind  kind
		want  string
	}{
		{"BIGINT", int64(9223372036854775807), number, `9223372036854775807`},
		{"TINYINT", int64(255), number, `255`},
		{"BIT", true, other, `true`},
		{"DECIMAL", []byte("12.50"), number, `12.50`},
		{"DECIMAL", []byte("-0.0001"), number, `-0.0001`},
		{"DECIMAL", []byte("99999999999999999999999999999999999999"), number, `99999999999999999999999999999999999999`},
		{"MONEY", []byte("-922337203685477.5808"), number, `-922337203685477.5808`},
		{"FLOAT", 0.30000000000000004, number, `0.30000000000000004`},
		{"REAL", float64(float32(0.1)), number, `0.1`},
		{"NVARCHAR", "quote \" € 😀", other, `"quote \" € 😀"`},
		{"CHAR", "0012  ", other, `"0012  "`},
		{"XML", "<a/>", other, `"<a/>"`},
		{"VARBINARY", []byte{0, 255, 16}, other, `"AP8Q"`},
		{"UNIQUEIDENTIFIER", []byte{0xEE, 0xBC, 0x99, 0xA0, 0x0B, 0x9C, 0xF8, 0x4E, 0xBB, 0x6D, 0x6B, 0xB9, 0xBD, 0x38, 0x0A, 0x11}, other, `"A099BCEE-9C0B-4EF8-BB6D-6BB9BD380A11"`},
		{"DATE", time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), moment, `"2026-11-21"`},
		{"TIME", time.Date(1, 1, 1, 12, 34, 56, 123456700, time.UTC), other, `"12:34:56.1234567"`},
		{"DATETIME", time.Date(2026, 11, 21, 12, 0, 0, 3000000, time.UTC), moment, `"2026-11-21T12:00:00.003"`},
		{"DATETIME2", time.Date(2026, 11, 21, 12, 0, 0, 123456700, time.UTC), moment, `"2026-11-21T12:00:00.1234567"`},
		{"DATETIMEOFFSET", time.Date(2026, 11, 21, 12, 0, 0, 0, offset), moment, `"2026-11-21T12:00:00+02:00"`},
		{"DATETIMEOFFSET", time.Date(2026, 11, 21, 12, 0, 0, 5e8, time.UTC), moment, `"2026-11-21T12:00:00.5Z"`},
	} {
		k, w := sqlServerType(test.name)
		got, err := w(nil, test.value)
		if err != nil || string(got) != test.want || k != test.kind {
			t.Errorf("%s %v is %s of kind %c (%v), want %s of kind %c", test.name, test.value, got, k, err, test.want, test.kind)
		}
	}
	if _, err := writeText(nil, "caf\xe9"); err == nil || !strings.Contains(err.Error(), "is not valid UTF-8") {
		t.Errorf("text that is none: %v", err)
	}
	for _, name := range []string{"SQL_VARIANT", "GEOMETRY", "HIERARCHYID", ""} {
		if _, w := sqlServerType(name); w != nil {
			t.Errorf("%s is written", name)
		}
	}
}

// What a column had comes back as a parameter of the same type.
func TestSQLServerArguments(t *testing.T) {
	for _, test := range []struct {
		value bound
		want  driver.Value
	}{
		{bound{}, nil},
		{bound{kind: number, text: "9223372036854775807"}, int64(9223372036854775807)},
		{bound{kind: number, text: "12.50"}, "12.50"},
		{bound{kind: moment, text: "2026-11-21"}, civil.Date{Year: 2026, Month: 11, Day: 21}},
		{bound{kind: moment, text: "2026-11-21T12:00:00.1234567"}, civil.DateTimeOf(time.Date(2026, 11, 21, 12, 0, 0, 123456700, time.UTC))},
		{bound{kind: other, text: "2026-11-21T12:00:00Z"}, "2026-11-21T12:00:00Z"},
	} {
		if got := sqlServerArgument(test.value); got != test.want {
			t.Errorf("%+v is %v, want %v", test.value, got, test.want)
		}
	}
	zoned, ok := sqlServerArgument(bound{kind: moment, text: "2026-11-21T12:00:00+02:00"}).(time.Time)
	if want := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC); !ok || !zoned.Equal(want) {
		t.Errorf("a time with its zone is %v, want %s", zoned, want)
	}
}

// Without a snapshot a row that moves may escape a fetch, and a number does not tell when that was.
func TestWatermarksWithoutASnapshot(t *testing.T) {
	w := &since{column: "changed", overlap: defaultOverlap}
	before := bridge.Checkpoint("as it was")
	for _, test := range []struct {
		stable, incremental bool
		kind                kind
		text                string
		want                bridge.Checkpoint
	}{
		{true, true, number, "5", w.remember(value{kind: number, text: "5"})},
		{false, true, moment, "2026-11-21", w.remember(value{kind: moment, text: "2026-11-21"})},
		{false, true, number, "5", before},
		{false, false, number, "5", nil},
		{true, false, 0, "", nil},
	} {
		f := fetch{Source: &Source{since: w}, options: bridge.FetchOptions{From: before}, incremental: test.incremental}
		f.tide.mark = value{kind: test.kind, text: test.text}
		if got := f.next(test.stable); string(got) != string(test.want) {
			t.Errorf("%+v leaves %q", test, got)
		}
	}
}

func TestAServerThatSendsTooManyColumns(t *testing.T) {
	f := fetch{Source: &Source{}}
	columns := make([]column, maxColumns+1)
	for i := range columns {
		columns[i].name = fmt.Sprint("c", i)
	}
	if err := f.examine(columns, bound{}); err == nil || err.Error() != "its result has 4097 columns, at most 4096 are possible; name those that are needed" {
		t.Error(err)
	}
	if err := f.examine(columns[1:], bound{}); err != nil {
		t.Error(err)
	}
}
