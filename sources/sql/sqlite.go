package sql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/mattn/go-sqlite3"
)

// sqlite is a file of SQLite's. It is opened for reading only, and the query may do nothing but read.
type sqlite struct {
	written string // the dsn of the configuration
	name    string // of the file in it
	dsn     string // of the driver
}

func readSQLite(dsn, dir string) (database, error) {
	name, options, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(dsn, "sqlite:"), "file:"), "?")
	query := url.Values{"mode": {"ro"}, "_query_only": {"1"}, "_busy_timeout": {"2000"}}
	switch {
	case name == "" || strings.HasPrefix(name, ":memory:"):
		return nil, errors.New("it names no file")
	case options == "immutable=1": // nobody writes, and nothing has to be locked
		query.Set("immutable", "1")
	case options != "":
		return nil, errors.New(`the only option there is is ?immutable=1, for files that nobody writes to`)
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return &sqlite{dsn, name, "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode()}, nil
}

func (s *sqlite) place() string { return s.name }

func (s *sqlite) credentials() (user, password string) { return "", "" }

func (s *sqlite) grammar() grammar { return grammar{quotes: "\"`", bracket: true} }

// sqliteAllowed are the actions a query may consist of (sqlite.org, "Authorizer Action Codes"); 33 is SQLITE_RECURSIVE.
// Virtual tables prepare to write when they are only read. That the file and the connection are read-only keeps them, and
// everybody else, from doing so.
var sqliteAllowed = map[int]bool{
	sqlite3.SQLITE_SELECT: true, sqlite3.SQLITE_READ: true, sqlite3.SQLITE_FUNCTION: true, 33: true,
	sqlite3.SQLITE_INSERT: true, sqlite3.SQLITE_UPDATE: true, sqlite3.SQLITE_DELETE: true,
}

func (s *sqlite) begin(context.Context) (transaction, error) {
	conn, err := (&sqlite3.SQLiteDriver{}).Open(s.dsn)
	if err != nil {
		return nil, err
	}
	c := conn.(*sqlite3.SQLiteConn)
	c.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, decode.DefaultRecord)
	c.RegisterAuthorizer(func(action int, _, function, _ string) int {
		if !sqliteAllowed[action] || function == "load_extension" {
			return sqlite3.SQLITE_DENY
		}
		return sqlite3.SQLITE_OK
	})
	now := time.Now().UTC() // SQLite's own clock is that of this machine, and shows UTC
	return &sqliteTx{conn: c, clock: clock{at: now, wall: now}}, nil
}

// sqliteTx needs no begin: a query is a transaction by itself.
type sqliteTx struct {
	conn  *sqlite3.SQLiteConn
	rows  driver.Rows
	clock clock
}

func (tx *sqliteTx) now() clock   { return tx.clock }
func (tx *sqliteTx) stable() bool { return true }

func (tx *sqliteTx) close() {
	if tx.rows != nil {
		_ = tx.rows.Close()
	}
	_ = tx.conn.Close()
}

func (tx *sqliteTx) query(ctx context.Context, s statement, value bound, check func([]column) error) (rows, error) {
	var arguments []driver.NamedValue
	if s.asks() {
		arguments = []driver.NamedValue{{Ordinal: 1, Value: sqliteArgument(value)}}
	}
	r, err := tx.conn.QueryContext(ctx, s.with("?1"), arguments)
	if err != nil {
		return nil, err
	}
	tx.rows = r
	// The driver would make times and booleans of what was declared as such, whatever it holds. What a value is, is said by
	// the value itself: SQLite keeps text and numbers as they came.
	if declared, ok := r.(*sqlite3.SQLiteRows); ok {
		clear(declared.DeclTypes())
	}
	var columns []column
	var writers []write
	for _, name := range r.Columns() {
		columns, writers = append(columns, column{name: name, kind: mixed}), append(writers, writeAny)
	}
	if err := check(columns); err != nil {
		return nil, err
	}
	return &resultSet{rows: r, write: writers, values: make([]driver.Value, len(columns))}, nil
}

func sqliteArgument(b bound) driver.Value {
	if b.kind == number {
		if i, err := strconv.ParseInt(b.text, 10, 64); err == nil {
			return i
		}
		if f, err := strconv.ParseFloat(b.text, 64); err == nil {
			return f
		}
	}
	if b.text == "" {
		return nil
	}
	return b.text
}

func (s *sqlite) explain(err error) error {
	failed, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return err
	}
	advice := map[sqlite3.ErrNo]string{
		sqlite3.ErrError:    "check query",
		sqlite3.ErrAuth:     "the query would do more than read; only what reads can be asked for",
		sqlite3.ErrReadonly: "the query would do more than read; only what reads can be asked for",
		sqlite3.ErrBusy:     "somebody else keeps it locked; it is tried again at the next poll",
		sqlite3.ErrCantOpen: "check the name in dsn, which is relative to the folder of the configuration, and that the file may be read",
		sqlite3.ErrNotADB:   "check the name in dsn: this file is none of SQLite's, or it is encrypted",
		sqlite3.ErrCorrupt:  "the file is damaged",
		sqlite3.ErrTooBig:   "a record may be as large as " + decode.Size(decode.DefaultRecord),
	}[failed.Code]
	return advise(fmt.Sprintf("%s: %v", s.name, failed), advice)
}
