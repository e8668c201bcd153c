package sql_test

import (
	"crypto/tls"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/hookbridge/bridge"
)

// with is the same database by another dsn.
func (d database) with(dsn string) database {
	d.dsn = dsn
	return d
}

func TestErrorsSayWhatToDo(t *testing.T) {
	p, m := postgres(t), mariadb(t)
	for _, d := range []database{p, m} {
		d.do(t, "create table t (id int)")
	}
	p.do(t, "do $$ begin if not exists (select from pg_roles where rolname = 'stranger') then create role stranger login password '%s'; end if; end $$", password)
	stranger := strings.Replace(p.dsn, "bridge:", "stranger:", 1)
	port := func(dsn, from string) string { // where nobody listens
		free, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(dsn, ":"+from, ":"+free, 1)
	}
	my := func(change func(c *mysql.Config)) string {
		c, err := mysql.ParseDSN(m.dsn)
		if err != nil {
			t.Fatal(err)
		}
		change(c)
		return c.FormatDSN()
	}
	for _, test := range []struct {
		d     database
		query string
		want  []string
	}{
		{p.with(port(p.dsn, postgresServer.port)), "select 1", []string{"source.sql: connect to 127.0.0.1:", "/postgres: connection refused; check host and port in dsn"}},
		{p.with(strings.Replace(p.dsn, "p4ss", "p4sswrong", 1)), "select 1", []string{"the server refused the login; check user and password in dsn (28P01)"}},
		{p.with(strings.Replace(p.dsn, "bridge:", "nobody:", 1)), "select 1", []string{"the server refused the login"}},
		{p.with(strings.Replace(p.dsn, "/postgres?", "/nowhere?", 1)), "select 1", []string{`database "nowhere" does not exist (3D000); check the name of the database in dsn`}},
		{p.with(strings.Replace(p.dsn, "127.0.0.1", "db.invalid", 1)), "select 1", []string{"the host is not known; check the host in dsn"}},
		{p.with(strings.Replace(p.dsn, "sslmode=disable", "sslmode=require", 1)), "select 1", []string{"the server offers no TLS, which dsn asks for; set it up there, or change sslmode in dsn"}},
		{p, "select * from nowhere", []string{`source.sql: run the query: relation "nowhere" does not exist (42P01); check the names of the tables`}},
		{p, "select nothing from t", []string{`column "nothing" does not exist (42703); check the names of the columns`}},
		{p, "selec * from t", []string{`syntax error at or near "selec" (42601); check query`}},
		{p, "select 1/(id-1) from generate_series(1, 2) id", []string{"source.sql: read row 1: division by zero (22012)"}},
		{p.with(stranger), "select * from " + strings.Split(p.dsn, "search_path=")[1] + ".t", []string{"permission denied", "(42501); grant the user of dsn the right to read it"}},
		{p, "select $1::int as a", []string{"bind message supplies 0 parameters"}},
		{m.with(port(m.dsn, mariaServer.port)), "select 1", []string{"source.sql: connect to 127.0.0.1:", "connection refused; check host and port in dsn"}},
		{m.with(my(func(c *mysql.Config) { c.Passwd = "p4sswrong" })), "select 1", []string{"the server refused the login; check user and password in dsn (1045)"}},
		{m.with(my(func(c *mysql.Config) { c.DBName = "nowhere" })), "select 1", []string{"Access denied for user '(user)'@", "'nowhere' (1044); grant the user of dsn the right to use the database"}},
		{m.with(my(func(c *mysql.Config) { c.Addr = "db.invalid:3306" })), "select 1", []string{"the host is not known; check the host in dsn"}},
		{m.with(my(func(c *mysql.Config) { c.TLSConfig = "true" })), "select 1", []string{"the server offers no TLS, which dsn asks for; set it up there, or change tls in dsn"}},
		{m.with(my(func(c *mysql.Config) { c.Net, c.Addr = "unix", "/nowhere/s.sock" })), "select 1", []string{"there is no such socket; check its path in dsn, and that the server runs on this machine"}},
		{p.with("host=/nowhere user=bridge dbname=shop"), "select 1", []string{"there is no such socket; check its path in dsn"}},
		{m, "select * from nowhere", []string{"nowhere' doesn't exist (1146); check the names of the tables"}},
		{m, "select nothing from t", []string{"Unknown column 'nothing'", "(1054); check the names of the columns"}},
		{m, "selec * from t", []string{"You have an error in your SQL syntax", "(1064); check query"}},
		{m, "select * from mysql.global_priv", []string{"command denied to user '(user)'@", "(1142); grant the user of dsn the right to read it"}},
		{m, "select ? as a", []string{"the query has 1 parameters of its own, and nothing gives them a value; only :since is known"}},
		{m, "select id, (select seq from seq_1_to_3) as x from seq_1_to_2, (select 1 as id) as one", []string{"Subquery returns more than 1 row (1242)"}},
	} {
		fetch(t, test.d.source(t, test.query, ""), nil).wantError(t, test.want...)
	}
}

func TestErrorsOfFiles(t *testing.T) {
	d := sqlite(t)
	fetch(t, d.source(t, "select * from nowhere", ""), nil).wantError(t, "legacy.db: no such table: nowhere; check query")
	fetch(t, d.source(t, "selec 1", ""), nil).wantError(t, `near "selec": syntax error; check query`)
	other := filepath.Join(filepath.Dir(d.dsn), "other.db")
	if err := os.WriteFile(other, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	fetch(t, d.with(other).source(t, "select 1 as one", ""), nil).wantError(t, "file is not a database; check the name in dsn")
}

func TestNamesOfFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain.db", "with space.db", "hash#percent%41.db", "sub/ümlaut.db"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		d := database{"sqlite", path, open(t, "sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath())}
		d.do(t, "create table t (id int); insert into t values (1)")
		for _, dsn := range []string{name, path, "file:" + name, "sqlite:" + name, name + "?immutable=1"} {
			s, diags := decode(t, fmt.Sprintf("driver = \"sqlite\"\ndsn = %s\nquery = \"select * from t\"", quote(dsn)), "", dir)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			fetch(t, s, nil).want(t, `{"id":1}`)
		}
	}
}

func TestAFileThatIsLocked(t *testing.T) {
	d := sqlite(t)
	writer, err := sql.Open("sqlite3", d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	conn, err := writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, statement := range []string{"begin exclusive", "insert into unused values (1)"} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	s := d.source(t, "select * from unused", "")
	fetch(t, s, nil).wantError(t, "database is locked; somebody else keeps it locked; it is tried again at the next poll")
	if _, err := conn.ExecContext(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	fetch(t, s, nil).want(t, `{"x":1}`)
}

// A server that is none, or that ends in the middle, is an error, and nothing is taken for the end of the rows.
func TestServersThatHangUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	for driver, dsn := range map[string]string{
		"postgres":  "postgres://bridge:p4ssw0rd@%s/db?sslmode=disable",
		"mysql":     "bridge:p4ssw0rd@tcp(%s)/db",
		"sqlserver": "sqlserver://bridge:p4ssw0rd@%s?database=db&encrypt=disable",
	} {
		d := database{driver: driver, dsn: fmt.Sprintf(dsn, l.Addr())}
		fetch(t, d.source(t, "select 1 as one", ""), nil).wantError(t, "source.sql: connect to "+l.Addr().String()+"/db: ")
	}

	d := postgres(t)
	seen := 0
	outcome, err := d.source(t, "select i from generate_series(1, 1000000) i", "").Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error {
		if seen++; seen == 1 {
			d.do(t, "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select i from generate_series%%'")
		}
		return nil
	})
	if err == nil || outcome.Complete {
		t.Fatalf("%d rows, %+v, %v", seen, outcome, err)
	}
}

// A server whose certificate nobody vouches for does not get the password.
func TestServersThatProveNothing(t *testing.T) {
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// What PostgreSQL does when it is asked for TLS: eight bytes come, one goes back, and it begins.
			if _, err := io.ReadFull(conn, make([]byte, 8)); err == nil {
				_, _ = conn.Write([]byte("S"))
				_ = tls.Server(conn, https.TLS).Handshake()
			}
			_ = conn.Close()
		}
	}()
	d := database{driver: "postgres", dsn: fmt.Sprintf("postgres://bridge:p4ssw0rd@%s/db?sslmode=verify-full", l.Addr())}
	fetch(t, d.source(t, "select 1 as one", ""), nil).wantError(t, "source.sql: connect to "+l.Addr().String()+"/db: the server's certificate is not trusted: ", "name the one that signed it in dsn")
}

func TestResultsThatAreNoRecords(t *testing.T) {
	for _, test := range []struct {
		open        func(testing.TB) database
		query, more string
		want        string
	}{
		{postgres, "select 1 as id, 2 as id", "", `its result has two columns "id"; give one of them an alias`},
		{mariadb, "select 1 as id, 2 as id", "", `its result has two columns "id"; give one of them an alias`},
		{sqlite, "select 1 as id, 2 as id", "", `its result has two columns "id"; give one of them an alias`},
		{postgres, "select", "", `it gives no result`},
		{mariadb, "select ''", "", `column 1 of its result has no name; give it an alias`},
		{sqlite, `select 1 as ""`, "", `column 1 of its result has no name; give it an alias`},
		{postgres, `select '{"a":1,"a":2}'::json as j`, "", `source.sql: read row 1: column "j" is not valid JSON, or has a name twice`},
		{sqlite, `select 1 as a, '{"a":' as j`, `json = ["j"]`, `read row 1: column "j" is not valid JSON`},
		{sqlite, `select 1 as a`, `json = ["a"]`, `column "a" is not text, so it holds no JSON`},
		{sqlite, `select 1 as a`, `json = ["b"]`, `json names the column "b", which the result does not have; it has a`},
		{sqlite, `select 'ok' as a union all select cast(x'61ff62' as text)`, ``, `read row 2: column "a" is not valid UTF-8; convert it in the query, or correct it in the database`},
		{sqlite, `select zeroblob(60000000) as a`, ``, `record 1 is larger than 64 MiB`},
		{sqlite, `select hex(zeroblob(33000000)) || hex(zeroblob(2000000)) as a`, ``, `string or blob too big; a record may be as large as 64 MiB`},
		{sqlite, `select 1 as a union all select 2`, `max_body = 10`, `they are more than max_body (10 bytes); raise it if that is right, or ask for less`},
		{postgres, `select repeat('x', 60000000) as a, repeat('y', 60000000) as b`, ``, `record 1 is larger than 64 MiB`},
		{postgres, `select repeat('x', 70000000) as a, repeat('x', 70000000) as b`, ``, `a row is larger than`},
		{mariadb, `select repeat('x', 16000000) as a, repeat('y', 16000000) as b, repeat('y', 16000000) as c, repeat('y', 16000000) as d, repeat('y', 16000000) as e`, ``, `record 1 is larger than 64 MiB`},
		{mariadb, "select " + wide(9), ``, `a row is larger than 64 MiB; ask for fewer columns, or for less of them`},
		{postgres, `select to_jsonb(repeat('[', 200)::text || repeat(']', 200)) as a, (repeat('[', 200) || repeat(']', 200))::jsonb as b`, ``, `record 1 is nested deeper than 128 levels`},
	} {
		fetch(t, test.open(t).source(t, test.query, test.more), nil).wantError(t, "source.sql: ", test.want)
	}
}

// wide are columns of 16 MB.
func wide(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("repeat('x', 16000000) as c%d", i)
	}
	return strings.Join(list, ", ")
}

func columns(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%d as c%d", i, i)
	}
	return strings.Join(list, ", ")
}

// A database without an encoding hands out the bytes that were put in.
func TestTextThatIsNotUTF8(t *testing.T) {
	p := postgres(t)
	name := nextName()
	p.do(t, "create database %s encoding SQL_ASCII locale 'C' template template0", name)
	dsn := strings.Replace(p.dsn, "/postgres?", "/"+name+"?", 1)
	b := database{"postgres", dsn, connect(t, dsn)}
	b.do(t, `create table public.t (id int, name text); insert into public.t values (1, 'ok'), (2, E'caf\xe9')`)
	fetch(t, b.source(t, "select * from public.t order by id", ""), nil).wantError(t, `source.sql: read row 2: column "name" is not valid UTF-8`)
	fetch(t, b.source(t, "select id, convert_from(convert(name::bytea, 'LATIN1', 'UTF8'), 'UTF8') as name from public.t order by id", ""), nil).want(t, `{"id":1,"name":"ok"}`, `{"id":2,"name":"café"}`)
	fetch(t, b.source(t, "select id, array[name] as names from public.t order by id", ""), nil).wantError(t, `row 2: column "names" is not valid UTF-8`)
}

func TestSocketsInTheFileSystem(t *testing.T) {
	p, m := postgres(t), mariadb(t)
	p = p.with(fmt.Sprintf("host=%s port=%s user=bridge password='%s' dbname=postgres", postgresServer.dir, postgresServer.port, password))
	m = m.with(strings.Replace(m.dsn, "tcp(127.0.0.1:"+mariaServer.port+")", "unix("+filepath.Join(mariaServer.dir, "sock")+")", 1))
	for _, d := range []database{p, m} {
		fetch(t, d.source(t, "select 1 as one", ""), nil).want(t, `{"one":1}`)
	}
}

func TestManyColumns(t *testing.T) {
	d := sqlite(t)
	if f := fetch(t, d.source(t, "select "+columns(2000), ""), nil); f.Err != nil || !strings.HasSuffix(f.Records[0], `"c1999":1999}`) {
		t.Errorf("%v", f.Err)
	}
}
