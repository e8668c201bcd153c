package sql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/golang-sql/civil"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/hookbridge/bridge/sources/stamp"
)

// sqlServer is a Microsoft SQL Server. It has no read-only transactions: the query is checked when it is loaded, and what
// a transaction did is always rolled back.
type sqlServer struct{ config msdsn.Config }

func readSQLServer(dsn, _ string) (database, error) {
	config, err := msdsn.Parse(dsn)
	if err != nil {
		return nil, errNoAddress
	}
	config.LogFlags = 0
	config.Encoding.GuidConversion = false
	if config.AppName == "" || config.AppName == "go-mssqldb" {
		config.AppName = applicationName
	}
	return &sqlServer{config}, nil
}

func (s *sqlServer) place() string {
	host := s.config.Host
	if s.config.Instance != "" {
		host += `\` + s.config.Instance
	}
	if s.config.Port != 0 {
		host = net.JoinHostPort(host, strconv.FormatUint(s.config.Port, 10))
	}
	return host + "/" + s.config.Database
}

func (s *sqlServer) credentials() (user, password string) { return s.config.User, s.config.Password }

func (s *sqlServer) grammar() grammar { return grammar{nested: true, quotes: `"`, bracket: true} }

// meteredDialer is how the driver connects.
type meteredDialer struct{ last *meter }

// DialContext connects through a meter.
func (d *meteredDialer) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	d.last, err = dial(ctx, network, address)
	return d.last, err
}

// sqlServerFacts asks whether a transaction can have a snapshot, whether a single statement has one, and for the time.
const sqlServerFacts = `select coalesce(max(cast(snapshot_isolation_state as int)), 0), coalesce(max(cast(is_read_committed_snapshot_on as int)), 0),
	sysdatetimeoffset() from sys.databases where database_id = db_id()`

func (s *sqlServer) begin(ctx context.Context) (transaction, error) {
	connector := mssql.NewConnectorConfig(s.config)
	dialer := &meteredDialer{}
	connector.Dialer = dialer
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	tx := &sqlServerTx{conn: conn, meter: dialer.last}
	if err := tx.start(ctx); err != nil {
		tx.close()
		return nil, err
	}
	return tx, nil
}

type sqlServerTx struct {
	conn     driver.Conn
	meter    *meter
	tx       driver.Tx
	rows     driver.Rows
	clock    clock
	snapshot bool // a statement sees one
}

func (tx *sqlServerTx) start(ctx context.Context) error {
	r, err := tx.conn.(driver.QueryerContext).QueryContext(ctx, sqlServerFacts, nil)
	if err != nil {
		return err
	}
	values, err := first(r)
	if err != nil {
		return err
	}
	at, ok := values[2].(time.Time)
	if !ok {
		return errors.New("the server does not tell the time")
	}
	tx.clock = clock{at: at.UTC(), wall: time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)}
	level := sql.LevelReadCommitted
	if values[0] == int64(1) {
		level = sql.LevelSnapshot
	}
	tx.snapshot = values[0] == int64(1) || values[1] == int64(1)
	tx.tx, err = tx.conn.(driver.ConnBeginTx).BeginTx(ctx, driver.TxOptions{Isolation: driver.IsolationLevel(level)})
	return err
}

func (tx *sqlServerTx) now() clock { return tx.clock }

// stable is false where the database keeps no versions of its rows: a row that moves while it is read may be seen twice,
// or not at all.
func (tx *sqlServerTx) stable() bool { return tx.snapshot }

func (tx *sqlServerTx) close() {
	if tx.rows != nil {
		_ = tx.rows.Close()
	}
	if tx.tx != nil {
		_ = tx.tx.Rollback()
	}
	_ = tx.conn.Close()
}

func (tx *sqlServerTx) query(ctx context.Context, s statement, value bound, check func([]column) error) (rows, error) {
	var arguments []driver.NamedValue
	if s.asks() {
		arguments = []driver.NamedValue{{Ordinal: 1, Value: sqlServerArgument(value)}}
	}
	r, err := tx.conn.(driver.QueryerContext).QueryContext(ctx, s.with("@p1"), arguments)
	if err != nil {
		return nil, err
	}
	tx.rows = r
	columns, writers, err := sqlServerColumns(r)
	if err == nil {
		err = check(columns)
	}
	if err != nil {
		return nil, err
	}
	return &resultSet{rows: r, write: writers, values: make([]driver.Value, len(columns)), meter: tx.meter}, nil
}

// sqlServerColumns lists the columns. The driver panics at a type that it does not know.
func sqlServerColumns(r driver.Rows) (columns []column, writers []write, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the result has a column of a type that is not known; cast it to nvarchar(max)")
		}
	}()
	columns, writers = describe(r, sqlServerType)
	for i, w := range writers {
		if w == nil {
			return nil, nil, fmt.Errorf("column %q is of type sql_variant, or of one of the server's own; cast it to nvarchar(max)", columns[i].name)
		}
	}
	return columns, writers, nil
}

// sqlServerArgument is the parameter of a value in the type of its column, as far as that is known: in another one the
// server would convert the column, and use no index.
func sqlServerArgument(b bound) driver.Value {
	switch {
	case b.text == "":
		return nil
	case b.kind == number:
		if i, err := strconv.ParseInt(b.text, 10, 64); err == nil {
			return i
		}
	case b.kind == moment:
		if at, ok := stamp.Read(b.text); ok {
			switch {
			case at.Zoned():
				return at.At
			case len(b.text) == len(time.DateOnly):
				return civil.DateOf(at.At)
			}
			return civil.DateTimeOf(at.At)
		}
	}
	return b.text
}

// sqlServerType says how the values of a type are written; nil where it is not known what they are.
func sqlServerType(name string) (kind, write) {
	switch name {
	case "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DECIMAL", "MONEY", "SMALLMONEY":
		return number, writeNumber
	case "REAL":
		return number, writeReal
	case "BIT", "BINARY", "VARBINARY", "IMAGE":
		return other, writeAny
	case "DATE":
		return moment, writeMoment(time.DateOnly)
	case "DATETIME", "DATETIME2", "SMALLDATETIME":
		return moment, writeMoment("2006-01-02T15:04:05.999999999")
	case "DATETIMEOFFSET":
		return moment, writeMoment("2006-01-02T15:04:05.999999999Z07:00")
	case "TIME":
		return other, writeMoment("15:04:05.999999999")
	case "UNIQUEIDENTIFIER":
		return other, writeGUID
	case "CHAR", "VARCHAR", "NCHAR", "NVARCHAR", "TEXT", "NTEXT", "XML":
		return other, writeText
	}
	return other, nil
}

// writeGUID writes a uniqueidentifier, which the server sends with its first three parts turned round.
func writeGUID(dst []byte, v driver.Value) ([]byte, error) {
	raw, ok := v.([]byte)
	if !ok || len(raw) != 16 {
		return writeText(dst, v)
	}
	var id mssql.UniqueIdentifier
	if err := id.Scan(raw); err != nil {
		return dst, err
	}
	return appendText(dst, id.String())
}

// sqlServerAdvice is what to do about an error, by its number.
var sqlServerAdvice = map[int32]string{
	102:   "check query",
	156:   "check query",
	207:   "check the names of the columns in query",
	208:   "check the names of the tables in query, and whether they need a schema before them",
	229:   "grant the user of dsn the right to read it",
	1205:  "another transaction was in the way; it is tried again at the next poll",
	1222:  "another transaction was in the way; it is tried again at the next poll",
	4060:  "check the name of the database in dsn, and that the user may open it",
	18456: "the server refused the login; check user and password in dsn",
}

func (s *sqlServer) explain(err error) error {
	refused, ok := errors.AsType[mssql.Error](err)
	switch {
	case ok && refused.Number == 18456: // its message names the user
		return fmt.Errorf("%s (18456)", sqlServerAdvice[18456])
	case ok:
		return advise(fmt.Sprintf("%s (%d)", refused.Message, refused.Number), sqlServerAdvice[refused.Number])
	}
	return err
}
