package sql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func TestMistakesInTheBlock(t *testing.T) {
	const good = "driver = \"postgres\"\ndsn = secret.dsn\n"
	const dsn = "postgres://bridge:p4ssw0rd@db.example.com/shop"
	for _, test := range []struct {
		block, dsn string
		want       string // line: detail
	}{
		{"driver = \"postgres\"\ndsn = secret.dsn\nquery = \"select 1\"", dsn, ""},
		{"dsn = secret.dsn\nquery = \"select 1\"", dsn, `The argument "driver" is required in source "sql": there is postgres, mysql, sqlserver, sqlite.`},
		{"driver = \"postgre\"\ndsn = secret.dsn\nquery = \"select 1\"", dsn, `1: "postgre" is not a choice for "driver": there is "postgres", "mysql", "sqlserver" and "sqlite". Did you mean "postgres"?`},
		{"driver = \"oracle\"\ndsn = secret.dsn\nquery = \"select 1\"", dsn, `1: "oracle" is not a choice`},
		{"drivr = \"postgres\"\ndsn = secret.dsn\nquery = \"select 1\"", dsn, `1: An argument named "drivr" is not expected here. Did you mean "driver"?`},
		{"driver = \"postgres\"\nquery = \"select 1\"", dsn, `The argument "dsn" is required`},
		{good, dsn, `The argument "query" is required`},
		{good + "query = \"\"", dsn, `3: "query" must not be empty.`},
		{good + "query = \"select 1\"\nquerry = 1", dsn, `4: An argument named "querry" is not expected here. Did you mean "query"?`},
		{good + "query = \"select 1\"\ndecode \"json\" {}", dsn, `4: A block of type "decode" is not expected here.`},
		{good + "query = \"select 1\"\nmax_body = 0", dsn, `4: "0" is not a size`},
		{good + "query = \"select 1\"", "postgres://bridge:p4ss%w0rd@db.example.com/shop", `2: The dsn is not one of driver "postgres": it cannot be understood; in an address, a password is written urlencode(…). It is written like postgres://USER`},
		{good + "query = \"select 1\"", "postgres://bridge:p4ssw0rd@db.example.com:x/shop", `2: The dsn is not one of driver "postgres"`},
		{good + "query = \"select 1\"", "bridge:p4ssw0rd@tcp(db.example.com)/shop", `2: The dsn is not one of driver "postgres"`},
		{good + "query = \"select 1\"", dsn + "?sslmode=verify-full&sslrootcert=/none.pem", `2: The dsn is not one of driver "postgres": a file it names cannot be read: open /none.pem: no such file`},
		{"driver = \"mysql\"\ndsn = secret.dsn\nquery = \"select 1\"", "bridge:p4ssw0rd@tcp(db.example.com)", `2: The dsn is not one of driver "mysql": missing the slash separating the database name. It is written like USER:PASSWORD@tcp(HOST:3306)/DATABASE`},
		{"driver = \"mysql\"\ndsn = secret.dsn\nquery = \"select 1\"", "bridge:p4ssw0rd@tcp(db.example.com)/shop?tls=p4ssw0rd", `2: The dsn is not one of driver "mysql": it cannot be understood`},
		{"driver = \"mysql\"\ndsn = secret.dsn\nquery = \"select 1\"", "bridge:p4ssw0rd@tcp(db.example.com)/shop?time_zone=%27SYSTEM%27", `2: The dsn is not one of driver "mysql": it sets time_zone, but sessions are always in UTC`},
		{"driver = \"sqlserver\"\ndsn = secret.dsn\nquery = \"select 1\"", "sqlserver://bridge:p4ssw0rd@db.example.com:p4ssw0rd", `2: The dsn is not one of driver "sqlserver": it cannot be understood`},
		{"driver = \"sqlite\"\ndsn = \":memory:\"\nquery = \"select 1\"", "", `2: The dsn is not one of driver "sqlite": it names no file. It is written like the name of the file`},
		{"driver = \"sqlite\"\ndsn = \"a.db?mode=rwc\"\nquery = \"select 1\"", "", `2: The dsn is not one of driver "sqlite": the only option there is is ?immutable=1`},
		// A message shows the line that it points at, which must not be one with a password.
		{"driver = \"postgres\"\ndsn = \"postgres://bridge:p4ss%w0rd@db\"\nquery = \"select 1\"", "", `1: The dsn is not one of driver "postgres"`},

		{good + "query = \"select * from t where a > :since\"", dsn, `3: The query refers to :since, which the block since { value = … } gives a value to.`},
		{good + "query = \"select * from t\"\nsince {\n value = \"a\"\n}", dsn, `3: The block since gives a value to :since, but the query does not use it: … where :since is null or a >= :since`},
		{good + "query = \"select * from t where b = ':since' -- :since\"\nsince {\n value = \"a\"\n}", dsn, `3: The block since gives a value to :since, but the query does not use it`},
		{good + "query = \"select * from t where a >= :since\"\nsince {\n value = \"a\"\n}", dsn, `3: Without initial, :since is null when everything is to be read, and this query would find nothing then. Write … where :since is null or a >= :since, or set initial.`},
		{good + "query = \"select * from t where a >= :since\"\nsince {\n value = \"a\"\n initial = 0\n}", dsn, ""},
		{good + "query = \"select * from t where a >= :since\"\nsince {\n value = \"a\"\n initial = \"soon\"\n}", dsn, `6: initial is a number, or a time like`},
		{good + "query = \"select * from t where a >= :since\"\nsince {\n initial = 0\n}", dsn, `The argument "value" is required in since`},
		{good + "query = \"select * from t where a >= :since\"\nsince {\n value = \"a\"\n initial = 0\n overlap = -1\n}", dsn, `7: overlap is a duration such as "5m" for times, or a number that is not negative for numbers.`},
		{good + "query = \"select * from t where a >= :since\"\nsince {\n value = \"a\"\n initial = 0\n overlap = \"-5m\"\n}", dsn, `7: "overlap" must not be negative.`},
		{good + "query = \"select * from t where a >= :since\"\nsince {\n value = \"a\"\n initial = 0\n overlap = \"soon\"\n}", dsn, `7: "soon" is not a duration`},
		{good + "query = \"select * from t where a >= :since\"\nsince {\n value = \"a\"\n initial = 0\n parm = 1\n}", dsn, `7: An argument named "parm" is not expected here.`},

		{"driver = \"sqlserver\"\ndsn = secret.dsn\nquery = \"delete from t\"", "sqlserver://bridge:p4ssw0rd@db/?database=shop", `3: SQL Server has no read-only transactions, so the query must be a single select, with or without a with before it; "delete" is none of it. A name that is spelled so has to be quoted: [delete].`},
	} {
		source, diags := decode(t, test.block, test.dsn, "")
		var said []string
		for _, d := range diags {
			said = append(said, fmt.Sprintf("%d: %s", d.Subject.Start.Line, d.Detail))
			if d.Severity != hcl.DiagError {
				t.Errorf("%s: %s is no error", test.block, d.Detail)
			}
		}
		all := strings.Join(said, "\n")
		noSecret(t, all)
		if test.want == "" {
			if source == nil || all != "" {
				t.Errorf("%s: %s", test.block, all)
			}
			continue
		}
		if source != nil || len(said) != 1 || !strings.Contains(all, test.want) {
			t.Errorf("%s:\n got %s\nwant %s", test.block, all, test.want)
		}
	}
}

func TestIdentityNamesWhatIsRead(t *testing.T) {
	identity := func(driver, dsn, query, more string) string {
		s := database{driver: driver, dsn: dsn}.source(t, query, more)
		for _, printed := range []string{s.Identity(), fmt.Sprint(s), fmt.Sprintf("%+v %#v %s", s, s, s)} {
			noSecret(t, printed)
		}
		return s.Identity()
	}
	const query = "select 1 as one"
	for driver, dsns := range map[string][3]string{
		"postgres":  {"postgres://bridge:p4ss@db.example.com/shop?sslmode=disable", "host=db.example.com user=other password=w0rd dbname=shop", "db.example.com:5432/shop"},
		"mysql":     {"bridge:p4ss@tcp(db.example.com)/shop", "other:w0rd@tcp(db.example.com:3306)/shop?tls=true", "db.example.com:3306/shop"},
		"sqlserver": {"sqlserver://bridge:p4ss@db.example.com:1433?database=shop", "server=db.example.com;port=1433;user id=other;password=w0rd;database=shop", "db.example.com:1433/shop"},
		"sqlite":    {"drops/shop.db", "file:drops/shop.db?immutable=1", "drops/shop.db"},
	} {
		first := identity(driver, dsns[0], query, "")
		if want := "sql " + driver + " " + dsns[2] + " "; !strings.HasPrefix(first, want) || len(first) != len(want)+16 {
			t.Errorf("it is %s, want %s and a hash", first, want)
		}
		if rotated := identity(driver, dsns[1], query, ""); rotated != first {
			t.Errorf("with another login it is another source: %s, %s", first, rotated)
		}
		if other := identity(driver, strings.Replace(dsns[0], "shop", "p0s", 1), query, ""); other == first {
			t.Errorf("another database is the same source: %s", other)
		}
		if other := identity(driver, dsns[0], "select 2 as one", ""); other == first {
			t.Errorf("another query is the same source: %s", other)
		}
	}
	if plain, embedded := identity("sqlite", "a.db", query, ""), identity("sqlite", "a.db", query, `json = ["one"]`); plain == embedded {
		t.Errorf("records of another form are the same source: %s", plain)
	}
	if socket := identity("postgres", "host=/run/postgresql user=bridge dbname=shop", query, ""); !strings.HasPrefix(socket, "sql postgres /run/postgresql/shop ") {
		t.Errorf("a socket is %s", socket)
	}
	// A secret in the query is no part of it either.
	secret := func(value string) string {
		s, diags := decode(t, "driver = \"sqlite\"\ndsn = \"a.db\"\nquery = \"select decrypt(x, '${secret.dsn}') as x from t\"", value, "")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		return s.Identity()
	}
	if first, rotated := secret("p4ssphrase"), secret("an0ther one"); first != rotated {
		t.Errorf("a rotated secret is another source: %s, %s", first, rotated)
	}
}

func TestNothingIsConnectedToBeforeAFetch(t *testing.T) {
	for driver, dsn := range map[string]string{
		"postgres": "postgres://u:p@192.0.2.1/db", "mysql": "u:p@tcp(192.0.2.1)/db", "sqlserver": "sqlserver://u:p@192.0.2.1?database=db", "sqlite": "/none/none.db",
	} {
		if s := (database{driver: driver, dsn: dsn}).source(t, "select 1 as one", ""); s == nil {
			t.Errorf("%s: no source", driver)
		}
	}
}
