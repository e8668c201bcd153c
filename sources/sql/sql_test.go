package sql_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/zclconf/go-cty/cty"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources"
)

// database is a database of its own on a server: how to reach it, and how the tests write to it.
type database struct {
	driver string
	dsn    string
	exec   func(ctx context.Context, text string) error
}

var databases struct {
	sync.Mutex
	n int
}

func nextName() string {
	databases.Lock()
	defer databases.Unlock()
	databases.n++
	return "legacy" + strconv.Itoa(databases.n)
}

// open is a way to write through database/sql.
func open(t testing.TB, driver, dsn string) func(context.Context, string) error {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return func(ctx context.Context, text string) error {
		_, err := db.ExecContext(ctx, text)
		return err
	}
}

// connect is a way to write to PostgreSQL, several statements at a time.
func connect(t testing.TB, dsn string) func(context.Context, string) error {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return func(ctx context.Context, text string) error {
		_, err := conn.Exec(ctx, text).ReadAll()
		return err
	}
}

func postgres(t testing.TB) database {
	t.Helper()
	s := postgresServer.need(t)
	name := nextName()
	dsn := &url.URL{Scheme: "postgres", User: url.UserPassword("bridge", password), Host: "127.0.0.1:" + s.port, Path: "postgres", RawQuery: "sslmode=disable&search_path=" + name}
	d := database{"postgres", dsn.String(), connect(t, dsn.String())}
	d.do(t, "create schema %s", name)
	return d
}

func mariadb(t testing.TB) database { return mariadbOn(t, &mariaServer) }

func mariadbOn(t testing.TB, s *server) database {
	t.Helper()
	s.need(t)
	root := "root@unix(" + filepath.Join(s.dir, "sock") + ")/%s?multiStatements=true"
	name := nextName()
	server := database{exec: open(t, "mysql", fmt.Sprintf(root, ""))}
	server.do(t, "create database %[1]s; create user if not exists bridge@'%%' identified by '%[2]s'; grant select, insert, delete, create routine, execute on %[1]s.* to bridge@'%%'", name, password)
	config := mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr, config.DBName = "bridge", password, "tcp", "127.0.0.1:"+s.port, name
	return database{"mysql", config.FormatDSN(), open(t, "mysql", fmt.Sprintf(root, name))}
}

func sqlite(t testing.TB) database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "legacy.db")
	d := database{"sqlite", path, open(t, "sqlite3", path)}
	d.do(t, "create table unused (x)")
	return d
}

// do writes to the database.
func (d database) do(t testing.TB, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	if err := d.exec(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// block is the inside of a source block for a query.
func (d database) block(query, more string) string {
	return fmt.Sprintf("driver = %q\ndsn = secret.dsn\nquery = %s\n%s", d.driver, quote(query), more)
}

// quote writes text as HCL does.
func quote(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(text))
}

// source is the source of a query, as the table of kinds reads it.
func (d database) source(t testing.TB, query, more string) bridge.Source {
	t.Helper()
	s, diags := decode(t, d.block(query, more), d.dsn, "")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

func decode(t testing.TB, block, dsn, dir string) (bridge.Source, hcl.Diagnostics) {
	t.Helper()
	return decodeWith(t, sources.New(sources.Runtime{}), block, dsn, dir)
}

func decodeWith(t testing.TB, table *sources.Table, block, dsn, dir string) (bridge.Source, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(block), "bridge.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"secret": cty.ObjectVal(map[string]cty.Value{"dsn": attr.Secret(dsn)})}}
	return table.Decode("sql", file.Body, ctx, dir)
}

// fetched is everything a fetch showed.
type fetched struct {
	Records []string
	Outcome bridge.Outcome
	Err     error
}

func fetch(t testing.TB, s bridge.Source, from bridge.Checkpoint) fetched {
	t.Helper()
	return fetchWith(t.Context(), s, bridge.FetchOptions{From: from})
}

func fetchWith(ctx context.Context, s bridge.Source, options bridge.FetchOptions) fetched {
	var f fetched
	f.Outcome, f.Err = s.Fetch(ctx, options, func(r bridge.Record) error {
		if r.Page != 1 || r.Item != len(f.Records)+1 {
			return fmt.Errorf("record %d is called %d.%d", len(f.Records)+1, r.Page, r.Item)
		}
		f.Records = append(f.Records, string(r.Body))
		return nil
	})
	return f
}

// want fails unless the fetch was complete and showed exactly these records.
func (f fetched) want(t testing.TB, records ...string) {
	t.Helper()
	if f.Err != nil {
		t.Fatalf("fetch: %v", f.Err)
	}
	if o := f.Outcome; !o.Complete || !o.Stable || o.NotModified || o.Incremental || o.Pages != 1 {
		t.Errorf("not a complete fetch: %+v", o)
	}
	if diff := cmp.Diff(records, f.Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// wantError fails unless the fetch failed with all of these in its text, and without any secret.
func (f fetched) wantError(t testing.TB, texts ...string) {
	t.Helper()
	if f.Err == nil {
		t.Fatalf("the fetch went well, want an error with %q; got %+v %q", texts, f.Outcome, f.Records)
	}
	if f.Outcome.Complete || f.Outcome.NotModified || f.Outcome.Next != nil {
		t.Errorf("a failed fetch says more than that: %+v", f.Outcome)
	}
	for _, text := range texts {
		if !strings.Contains(f.Err.Error(), text) {
			t.Errorf("error lacks %q:\n%v", text, f.Err)
		}
	}
	noSecret(t, f.Err.Error())
}

// noSecret fails if the text holds what only the dsn should: the password, as it is or escaped, or the user.
func noSecret(t testing.TB, text string) {
	t.Helper()
	for _, secret := range []string{"p4ss", "w0rd", "bridge:", "'bridge'", `"bridge"`, "user=bridge", "bridge@"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q holds the secret %q", text, secret)
		}
	}
}
