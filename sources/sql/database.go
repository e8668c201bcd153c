package sql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"time"

	"github.com/hookbridge/bridge/sources/decode"
)

// database is one place that is read from: a kind of database, and a dsn that was understood. It is safe for concurrent
// use.
type database interface {
	// place names the server and the database, without user or password.
	place() string
	// credentials are what must not be seen in an error.
	credentials() (user, password string)
	grammar() grammar
	// begin connects and begins a transaction that reads.
	begin(ctx context.Context) (transaction, error)
	// explain says what to do about an error of this database, and returns it as it is where there is no advice.
	explain(err error) error
}

// transaction reads, and sees one state of the database as far as stable says so. It is used by one goroutine.
type transaction interface {
	// now is the database's clock.
	now() clock
	// stable reports whether every row comes from one snapshot.
	stable() bool
	// query runs a statement, the only one of this transaction. The columns are handed to check before the first row is
	// read; what it returns is returned.
	query(ctx context.Context, s statement, value bound, check func([]column) error) (rows, error)
	// close ends the transaction and the connection. Nothing that was written stays.
	close()
}

// rows is the result of a query, read row by row.
type rows interface {
	// next goes to the next row; io.EOF where there is none.
	next() error
	// value appends column i of the row as JSON.
	value(dst []byte, i int) ([]byte, error)
}

// clock is the time of a database at the beginning of a transaction: as a point in time, and as the clock on its wall
// shows it, given as if that were UTC.
type clock struct{ at, wall time.Time }

// driverConfig is how a driver reads its dsn. dir is what file names are relative to.
type driverConfig struct {
	name string
	read func(dsn, dir string) (database, error)
	form string // of the dsn
}

// drivers are the databases there are.
var drivers = []driverConfig{
	{"postgres", readPostgres, "postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full"},
	{"mysql", readMySQL, "USER:PASSWORD@tcp(HOST:3306)/DATABASE?tls=true"},
	{"sqlserver", readSQLServer, "sqlserver://USER:PASSWORD@HOST:1433?database=DATABASE"},
	{"sqlite", readSQLite, "the name of the file"},
}

// connectTimeout bounds how long a server may take to answer at all; how long a query may take is the job's affair.
const connectTimeout = 10 * time.Second

// applicationName is what a server sees as the program behind a connection.
const applicationName = "hookbridge"

// resultSet reads the rows of a database/sql driver.
type resultSet struct {
	rows   driver.Rows
	write  []write
	values []driver.Value
	meter  *meter // nil: none
}

func (r *resultSet) next() error {
	if r.meter != nil {
		r.meter.allow()
	}
	err := r.rows.Next(r.values)
	switch {
	case err != nil && r.meter != nil && r.meter.left.Load() <= 0:
		return errTooWide // which the driver does not pass on
	case !errors.Is(err, io.EOF):
		return err
	}
	if more, ok := r.rows.(driver.RowsNextResultSet); ok && more.HasNextResultSet() {
		switch err := more.NextResultSet(); {
		case err == nil && len(r.rows.Columns()) > 0:
			return errors.New("the query gives more than one result; only a single select can be read")
		case err != nil && !errors.Is(err, io.EOF): // a procedure failed after its select
			return err
		}
	}
	return io.EOF
}

func (r *resultSet) value(dst []byte, i int) ([]byte, error) {
	if r.values[i] == nil {
		return append(dst, "null"...), nil
	}
	return r.write[i](dst, r.values[i])
}

// first reads the one row of a query that has one.
func first(r driver.Rows) ([]driver.Value, error) {
	values := make([]driver.Value, len(r.Columns()))
	err := r.Next(values)
	for i, v := range values {
		if b, ok := v.([]byte); ok {
			values[i] = string(b)
		}
	}
	if closing := r.Close(); err == nil {
		err = closing
	}
	return values, err
}

// bound is the value of :since.
type bound struct {
	name string // of the column that it is compared with
	kind kind
	text string // empty: null
}

// rowBudget is how many bytes of one row may come over the wire. Encodings differ, so it is more than a record may have.
const rowBudget = 2*decode.DefaultRecord + 1<<20
