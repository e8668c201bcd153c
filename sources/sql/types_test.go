package sql_test

import (
	"strings"
	"testing"
)

// typeCase is a value as its database writes it, and as a record has it.
type typeCase struct{ expression, want string }

// everyType reads each value by a query of its own, and then all of them by one.
func everyType(t *testing.T, d database, cases []typeCase) {
	t.Helper()
	var all, want []string
	for i, c := range cases {
		name := "c" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		f := fetch(t, d.source(t, "select "+c.expression+" as v", ""), nil)
		if f.Err != nil {
			t.Errorf("%s: %v", c.expression, f.Err)
			continue
		}
		if got := f.Records[0]; got != `{"v":`+c.want+`}` {
			t.Errorf("%s is %s, want %s", c.expression, got, c.want)
		}
		all, want = append(all, c.expression+" as "+name), append(want, `"`+name+`":`+c.want)
	}
	fetch(t, d.source(t, "select "+strings.Join(all, ", "), ""), nil).want(t, "{"+strings.Join(want, ",")+"}")
}

func TestPostgresTypes(t *testing.T) {
	d := postgres(t)
	d.do(t, `create type mood as enum ('happy', 'so so'); create domain cents as numeric(12,2); create domain tags as text[]; create type pair as (a int, b text)`)
	everyType(t, d, []typeCase{
		{`9223372036854775807::int8`, `9223372036854775807`},
		{`(-9223372036854775808)::int8`, `-9223372036854775808`},
		{`32767::int2`, `32767`},
		{`-1::int4`, `-1`},
		{`4294967295::oid`, `4294967295`},
		{`12.50::numeric(12,2)`, `12.50`},
		{`-0.000000000000000000000001::numeric`, `-0.000000000000000000000001`},
		{`123456789012345678901234567890.123456789::numeric`, `123456789012345678901234567890.123456789`},
		{`'NaN'::numeric`, `"NaN"`},
		{`'Infinity'::numeric`, `"Infinity"`},
		{`7.10::cents`, `7.10`},
		{`0.1::float8`, `0.1`},
		{`0.1::float4`, `0.1`},
		{`1e300::float8`, `1e+300`},
		{`5e-324::float8`, `5e-324`},
		{`0.30000000000000004::float8`, `0.30000000000000004`},
		{`'-Infinity'::float8`, `"-Infinity"`},
		{`'NaN'::float4`, `"NaN"`},
		{`true`, `true`},
		{`false`, `false`},
		{`null::int`, `null`},
		{`null::text`, `null`},
		{`''::text`, `""`},
		{`E'quote " back \\ line\n tab\t € 😀'::text`, `"quote \" back \\ line\n tab\t € 😀"`},
		{`'0012'::varchar(10)`, `"0012"`},
		{`'ab'::char(4)`, `"ab  "`},
		{`'happy'::mood`, `"happy"`},
		{`'2026-11-21 12:00:00.123456+02'::timestamptz`, `"2026-11-21T10:00:00.123456Z"`},
		{`'2026-11-21 23:30:00-05'::timestamptz`, `"2026-11-22T04:30:00Z"`},
		{`'1850-06-01 00:00:00 America/New_York'::timestamptz`, `"1850-06-01T04:56:02Z"`},
		{`'infinity'::timestamptz`, `"infinity"`},
		{`'2026-11-21 12:00:00.5'::timestamp`, `"2026-11-21T12:00:00.5"`},
		{`'2026-11-01 01:30:00'::timestamp`, `"2026-11-01T01:30:00"`},
		{`'-infinity'::timestamp`, `"-infinity"`},
		{`'0044-03-15 12:00:00 BC'::timestamp`, `"0044-03-15 12:00:00 BC"`},
		{`'12026-01-01 00:00:00'::timestamp`, `"12026-01-01 00:00:00"`},
		{`'2026-11-21'::date`, `"2026-11-21"`},
		{`'12:34:56.7'::time`, `"12:34:56.7"`},
		{`'12:34:56+02'::timetz`, `"12:34:56+02"`},
		{`'1 year 2 mons 3 days 04:05:06'::interval`, `"P1Y2M3DT4H5M6S"`},
		{`'{"b":1,"a":[1.50,9007199254740993]}'::json`, `{"b":1,"a":[1.50,9007199254740993]}`},
		{`'{"b":1,"a":2}'::jsonb`, `{"a": 2, "b": 1}`},
		{`'null'::jsonb`, `null`},
		{`'"text"'::jsonb`, `"text"`},
		{`'\x00ff10'::bytea`, `"AP8Q"`},
		{`''::bytea`, `""`},
		{`'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid`, `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`},
		{`array[1,2,null]::int[]`, `[1,2,null]`},
		{`array[[1,2],[3,4]]::int8[]`, `[[1,2],[3,4]]`},
		{`'[5:6]={1.50,2}'::numeric[]`, `[1.50,2]`},
		{`array['a,b', 'c"d', '', null, 'NULL', '{}', E'back\\slash']::text[]`, `["a,b","c\"d","",null,"NULL","{}","back\\slash"]`},
		{`'{}'::text[]`, `[]`},
		{`array['happy','so so']::mood[]`, `["happy","so so"]`},
		{`array[1.10, 2.20]::cents[]`, `[1.10,2.20]`},
		{`array['x','y']::tags`, `["x","y"]`},
		{`array[true,false]`, `[true,false]`},
		{`array['2026-11-21 12:00:00+02']::timestamptz[]`, `["2026-11-21T10:00:00Z"]`},
		{`array['\x01', '\x02']::bytea[]`, `["AQ==","Ag=="]`},
		{`array['{"a":[1,2]}']::jsonb[]`, `[{"a": [1, 2]}]`},
		{`array['((1,1),(0,0))']::box[]`, `["(1,1),(0,0)"]`},
		{`'1 2 3'::int2vector`, `"1 2 3"`},
		{`'192.168.0.1/24'::inet`, `"192.168.0.1/24"`},
		{`'(1,2)'::point`, `"(1,2)"`},
		{`'[1,5)'::int4range`, `"[1,5)"`},
		{`row(1, 'x')::pair`, `"(1,x)"`},
		{`B'101'`, `"101"`},
		{`'<a/>'::xml`, `"<a/>"`},
		{`'a & b'::tsquery`, `"'a' & 'b'"`},
		{`current_setting('TimeZone')`, `"America/New_York"`},
	})
}

func TestMySQLTypes(t *testing.T) {
	d := mariadb(t)
	d.do(t, `create table t (
		i8 bigint, u8 bigint unsigned, i1 tinyint, u1 tinyint unsigned, i2 smallint, i3 mediumint, i4 int unsigned, b1 boolean, y year,
		d decimal(12,2), dz decimal(8,2) unsigned zerofill, big decimal(65,30), f float, g double, bits bit(10), bit64 bit(64),
		s varchar(20), c char(4), tx text, e enum('a','b c'), st set('x','y'), j json,
		ts timestamp(6) null, dt datetime(3), da date, ti time(2), z datetime, zd date,
		bi binary(3), vb varbinary(5), bl blob)`)
	d.do(t, `set time_zone = '-08:00'; set sql_mode = ''; insert into t values (
		-9223372036854775808, 18446744073709551615, -128, 255, -32768, -8388608, 4294967295, true, 2026,
		12.50, 12.50, 123456789012345678901234567890.123456789, 0.1, 0.30000000000000004, 513, 18446744073709551615,
		'0012', 'ab', 'quote " back \\ line\n € 😀', 'b c', 'x,y', '{"b":1,"a":[1.50]}',
		'2026-11-21 04:00:00.123456', '2026-11-21 12:00:00.5', '2026-11-21', '-838:59:59.99', '0000-00-00 00:00:00', '0000-00-00',
		'abc', 'a', x'00ff10')`)
	columns := []typeCase{
		{`i8`, `-9223372036854775808`}, {`u8`, `18446744073709551615`}, {`i1`, `-128`}, {`u1`, `255`}, {`i2`, `-32768`}, {`i3`, `-8388608`},
		{`i4`, `4294967295`}, {`b1`, `1`}, {`y`, `2026`},
		{`d`, `12.50`}, {`dz`, `12.50`}, {`big`, `123456789012345678901234567890.123456789000000000000000000000`}, {`f`, `0.1`}, {`g`, `0.30000000000000004`},
		{`bits`, `513`}, {`bit64`, `18446744073709551615`},
		{`s`, `"0012"`}, {`c`, `"ab"`}, {`tx`, `"quote \" back \\ line\n € 😀"`}, {`e`, `"b c"`}, {`st`, `"x,y"`}, {`j`, `"{\"b\":1,\"a\":[1.50]}"`},
		{`ts`, `"2026-11-21T12:00:00.123456Z"`}, {`dt`, `"2026-11-21T12:00:00.500"`}, {`da`, `"2026-11-21"`}, {`ti`, `"-838:59:59.99"`},
		{`z`, `"0000-00-00 00:00:00"`}, {`zd`, `"0000-00-00"`},
		{`bi`, `"YWJj"`}, {`vb`, `"YQ=="`}, {`bl`, `"AP8Q"`},
	}
	var want []string
	for _, c := range columns {
		want = append(want, `"`+c.expression+`":`+c.want)
	}
	fetch(t, d.source(t, "select * from t", ""), nil).want(t, "{"+strings.Join(want, ",")+"}")
	fetch(t, d.source(t, "select j from t", `json = ["j"]`), nil).want(t, `{"j":{"b":1,"a":[1.50]}}`)
	everyType(t, d, []typeCase{
		{`null`, `null`},
		{`''`, `""`},
		{`cast(null as datetime)`, `null`},
		{`1.0e20`, `1e+20`},
		{`0.1 + 0.2`, `0.3`},
		{`1/3`, `0.3333`},
		{`point(1,2)`, `"AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAAQA=="`},
		{`timestamp'2026-11-21 12:00:00'`, `"2026-11-21T12:00:00"`},
		{`_latin1 x'e9'`, `"é"`},
		{`@@session.time_zone`, `"+00:00"`},
	})
}

func TestSQLiteTypes(t *testing.T) {
	d := sqlite(t)
	everyType(t, d, []typeCase{
		{`9223372036854775807`, `9223372036854775807`},
		{`-9223372036854775808`, `-9223372036854775808`},
		{`12.50`, `12.5`},
		{`0.1`, `0.1`},
		{`1e300`, `1e+300`},
		{`9e999`, `"Infinity"`},
		{`-9e999`, `"-Infinity"`},
		{`null`, `null`},
		{`''`, `""`},
		{`'quote " back \ € 😀'`, `"quote \" back \\ € 😀"`},
		{`'a' || char(0) || 'b'`, `"a\u0000b"`},
		{`x'00ff10'`, `"AP8Q"`},
		{`x''`, `""`},
		{`1 = 1`, `1`},
	})
	// What a column was declared as does not change what is in it.
	d.do(t, `create table t (a boolean, b datetime, c timestamp, d date, e decimal(10,2), f varchar(3), g json);
		insert into t values (2, '2026-11-21 12:00:00', 1795258800, 'yesterday', 12.50, '0012', '{"a": 1.50}'), (1, null, '2026-11-21T12:00:00Z', '', 'x', 12, null)`)
	fetch(t, d.source(t, "select * from t", `json = ["g"]`), nil).want(t,
		`{"a":2,"b":"2026-11-21 12:00:00","c":1795258800,"d":"yesterday","e":12.5,"f":"0012","g":{"a": 1.50}}`,
		`{"a":1,"b":null,"c":"2026-11-21T12:00:00Z","d":"","e":"x","f":"12","g":null}`)
}
