package sql

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mySQL is a server of MySQL or MariaDB. Results come in the binary format, which is exact for floats.
type mySQL struct{ config *mysql.Config }

func readMySQL(dsn, dir string) (database, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		// These messages are fixed; others show parts of the dsn.
		if strings.HasPrefix(err.Error(), "invalid DSN: ") {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "invalid DSN: "))
		}
		return nil, errors.New("it cannot be understood")
	}
	if _, ok := config.Params["time_zone"]; ok {
		return nil, errors.New("it sets time_zone, but sessions are always in UTC; take time_zone out")
	}
	if err := certificates(config, dir); err != nil {
		return nil, err
	}
	config.ParseTime, config.MultiStatements, config.InterpolateParams = false, false, false
	config.AllowAllFiles = false // or a server could ask for any file of this machine
	config.Logger = &mysql.NopLogger{}
	if config.Timeout == 0 {
		config.Timeout = connectTimeout
	}
	return &mySQL{config}, nil
}

func (m *mySQL) place() string { return m.config.Addr + "/" + m.config.DBName }

func (m *mySQL) credentials() (user, password string) { return m.config.User, m.config.Passwd }

func (m *mySQL) grammar() grammar { return grammar{backslash: true, hash: true, quotes: "\"`"} }

// connect opens a connection with a meter.
func (m *mySQL) connect(ctx context.Context) (driver.Conn, *meter, error) {
	var metered *meter
	config := m.config.Clone()
	config.DialFunc = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		metered, err = dial(ctx, network, address)
		return metered, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, nil, err
	}
	conn, err := connector.Connect(ctx)
	return conn, metered, err
}

// mySQLSettings make the session one that only reads, also when a procedure ends the transaction, and the spelling of
// values independent of the server's settings.
var mySQLSettings = []string{
	"set session transaction isolation level repeatable read, read only",
	"set time_zone = '+00:00', character_set_client = utf8mb4, character_set_connection = utf8mb4, character_set_results = utf8mb4",
}

const mySQLBegin = "start transaction with consistent snapshot, read only"

// mySQLClock asks for the clock on the wall, too: columns without a zone were written by sessions in the server's own.
const mySQLClock = `select connection_id(), cast(utc_timestamp(6) as char),
	cast(coalesce(convert_tz(utc_timestamp(6), '+00:00', @@global.time_zone), utc_timestamp(6)) as char)`

func (m *mySQL) begin(ctx context.Context) (transaction, error) {
	conn, metered, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	tx := &mySQLTx{mySQL: m, conn: conn, meter: metered, ctx: ctx}
	if err := tx.start(ctx); err != nil {
		tx.close()
		return nil, err
	}
	return tx, nil
}

type mySQLTx struct {
	*mySQL
	conn  driver.Conn
	meter *meter
	ctx   context.Context // of the fetch; closing kills the query under it
	id    string          // of the connection
	clock clock
	busy  bool // the server may still be at work on the query
}

func (tx *mySQLTx) start(ctx context.Context) error {
	for _, text := range mySQLSettings {
		if _, err := tx.conn.(driver.ExecerContext).ExecContext(ctx, text, nil); err != nil {
			return err
		}
	}
	// The clock is asked first, so that the snapshot has everything that was committed until then.
	r, err := tx.conn.(driver.QueryerContext).QueryContext(ctx, mySQLClock, nil)
	if err != nil {
		return err
	}
	values, err := first(r)
	if err != nil {
		return err
	}
	tx.id = fmt.Sprint(values[0])
	for i, at := range []*time.Time{&tx.clock.at, &tx.clock.wall} {
		if *at, err = time.Parse(time.DateTime, fmt.Sprint(values[i+1])); err != nil {
			return errors.New("the server does not tell the time")
		}
	}
	_, err = tx.conn.(driver.ExecerContext).ExecContext(ctx, mySQLBegin, nil)
	return err
}

func (tx *mySQLTx) now() clock   { return tx.clock }
func (tx *mySQLTx) stable() bool { return true }

// close needs no rollback: the server does it when the connection ends. That it ended is not noticed by a server that is
// busy, so the query is killed.
func (tx *mySQLTx) close() {
	_ = tx.conn.Close()
	if !tx.busy {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tx.ctx), 2*time.Second)
	defer cancel()
	if conn, _, err := tx.connect(ctx); err == nil {
		_, _ = conn.(driver.ExecerContext).ExecContext(ctx, "kill query "+tx.id, nil)
		_ = conn.Close()
	}
}

func (tx *mySQLTx) query(ctx context.Context, s statement, value bound, check func([]column) error) (rows, error) {
	placeholder, argument := mySQLArgument(value)
	prepared, err := tx.conn.(driver.ConnPrepareContext).PrepareContext(ctx, s.with(placeholder))
	if err != nil {
		return nil, err
	}
	if n := prepared.NumInput(); n != len(s)-1 {
		return nil, fmt.Errorf("the query has %d parameters of its own, and nothing gives them a value; only :since is known", n-len(s)+1)
	}
	arguments := make([]driver.NamedValue, len(s)-1)
	for i := range arguments {
		arguments[i] = driver.NamedValue{Ordinal: i + 1, Value: argument}
	}
	tx.busy = true
	r, err := prepared.(driver.StmtQueryContext).QueryContext(ctx, arguments)
	if err != nil {
		tx.busy = !answered(err)
		return nil, err
	}
	columns, writers := describe(r, mySQLType)
	if err := check(columns); err != nil {
		return nil, err
	}
	return &mySQLRows{resultSet{rows: r, write: writers, values: make([]driver.Value, len(columns)), meter: tx.meter}, tx}, nil
}

// mySQLRows knows when the server has nothing more to do.
type mySQLRows struct {
	resultSet
	tx *mySQLTx
}

func (r *mySQLRows) next() error {
	err := r.resultSet.next()
	if err != nil {
		r.tx.busy = !answered(err)
	}
	return err
}

// answered reports whether it was the server that ended a query, well or not.
func answered(err error) bool {
	_, refused := errors.AsType[*mysql.MySQLError](err)
	return refused || errors.Is(err, io.EOF)
}

// mySQLArgument is the parameter of a value, so that it is compared by the rules of its column: a number as text would be
// compared as a float.
func mySQLArgument(b bound) (placeholder string, argument driver.Value) {
	switch {
	case b.text == "":
		return "?", nil
	case b.kind == moment:
		return "?", strings.TrimSuffix(strings.Replace(b.text, "T", " ", 1), "Z")
	case b.kind == number:
		if i, err := strconv.ParseInt(b.text, 10, 64); err == nil {
			return "?", i
		}
		return "cast(? as decimal(65,30))", b.text
	}
	return "?", b.text
}

// mySQLType says how the values of a type are written. Text that names no type is what it is in Go.
func mySQLType(name string) (kind, write) {
	switch strings.TrimPrefix(name, "UNSIGNED ") {
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR", "DECIMAL", "FLOAT", "DOUBLE":
		return number, writeNumber
	case "BIT":
		return number, writeBits
	case "DATE", "TIMESTAMP", "DATETIME":
		return moment, map[string]write{"DATE": writeText, "DATETIME": writeDateTime(""), "TIMESTAMP": writeDateTime("Z")}[name]
	case "JSON":
		return other, writeJSON
	case "BLOB", "LONGBLOB", "MEDIUMBLOB", "TINYBLOB", "BINARY", "VARBINARY", "GEOMETRY", "VECTOR":
		return other, writeAny
	}
	return other, writeText
}

// writeBits writes up to 64 bits as the number they are.
func writeBits(dst []byte, v driver.Value) ([]byte, error) {
	raw, ok := v.([]byte)
	if !ok || len(raw) > 8 {
		return writeAny(dst, v)
	}
	var wide [8]byte
	copy(wide[8-len(raw):], raw)
	return strconv.AppendUint(dst, binary.BigEndian.Uint64(wide[:]), 10), nil
}

// writeDateTime writes a date and time with a zone behind it. 0000-00-00, which some use for none, is no time and stays.
func writeDateTime(zone string) write {
	return func(dst []byte, v driver.Value) ([]byte, error) {
		raw, ok := v.([]byte)
		if !ok || !plainTime(raw) || strings.Contains(string(raw[:len(time.DateOnly)]), "-00") {
			return writeText(dst, v)
		}
		dst = append(append(dst, '"'), raw...)
		dst[len(dst)-len(raw)+len(time.DateOnly)] = 'T'
		return append(append(dst, zone...), '"'), nil
	}
}

// describe lists the columns of a result with their writers.
func describe(r driver.Rows, typeOf func(name string) (kind, write)) ([]column, []write) {
	types, _ := r.(driver.RowsColumnTypeDatabaseTypeName)
	var columns []column
	var writers []write
	for i, name := range r.Columns() {
		k, w := typeOf(types.ColumnTypeDatabaseTypeName(i))
		columns, writers = append(columns, column{name: name, kind: k}), append(writers, w)
	}
	return columns, writers
}

// mySQLAdvice is what to do about an error, by its number.
var mySQLAdvice = map[uint16]string{
	1040: "the server has no connection left; raise max_connections there, or poll less often",
	1044: "grant the user of dsn the right to use the database",
	1045: "the server refused the login; check user and password in dsn",
	1049: "check the name of the database in dsn",
	1054: "check the names of the columns in query",
	1064: "check query",
	1130: "the server takes no connections from this host; allow it there",
	1142: "grant the user of dsn the right to read it",
	1143: "grant the user of dsn the right to read it",
	1146: "check the names of the tables in query",
	1317: "somebody ended the query on the server",
	1792: "the query would write; only what reads can be asked for",
	1969: "the server ended the query; raise max_statement_time there, or ask for less",
	3024: "the server ended the query; raise max_execution_time there, or ask for less",
}

func (m *mySQL) explain(err error) error {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case ok && refused.Number == 1045: // its message names the user
		return fmt.Errorf("%s (1045)", mySQLAdvice[1045])
	case ok:
		return advise(fmt.Sprintf("%s (%d)", refused.Message, refused.Number), mySQLAdvice[refused.Number])
	case errors.Is(err, mysql.ErrInvalidConn):
		return advise("the server closed the connection", "its log may say why")
	case errors.Is(err, mysql.ErrNoTLS):
		return advise("the server offers no TLS, which dsn asks for", "set it up there, or change tls in dsn")
	}
	return err
}
