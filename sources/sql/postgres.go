package sql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
)

// postgres is a PostgreSQL server, or one that speaks its protocol. Results come in the text format: it keeps every digit,
// and most of it is JSON as it stands.
type postgres struct{ config *pgconn.Config }

func readPostgres(dsn, _ string) (database, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		if file, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, fmt.Errorf("a file it names cannot be read: %w", file)
		}
		return nil, errNoAddress
	}
	config.RuntimeParams["client_encoding"] = "UTF8"
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = applicationName
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	config.MaxProtocolMessageBodyLen = rowBudget
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: time.Second}
	}
	return &postgres{config}, nil
}

func (p *postgres) place() string {
	host := p.config.Host
	if network, _ := pgconn.NetworkAddress(host, p.config.Port); network != "unix" {
		host = net.JoinHostPort(host, strconv.Itoa(int(p.config.Port)))
	}
	return host + "/" + p.config.Database
}

func (p *postgres) credentials() (user, password string) { return p.config.User, p.config.Password }

func (p *postgres) grammar() grammar { return grammar{nested: true, dollar: true, quotes: `"`} }

// postgresBegin makes the transaction read only and the spelling of values independent of the server's settings. Three
// digits more than the type guarantees are as many as it takes to read the same float again.
const postgresBegin = `begin isolation level repeatable read, read only;
set local datestyle = 'ISO'; set local intervalstyle = 'iso_8601'; set local bytea_output = 'hex'; set local extra_float_digits = 3;
select extract(epoch from now()), extract(epoch from localtimestamp)`

func (p *postgres) begin(ctx context.Context) (transaction, error) {
	conn, err := pgconn.ConnectConfig(ctx, p.config)
	if err != nil {
		return nil, err
	}
	tx := &postgresTx{conn: conn, writers: map[uint32]pgWrite{}, ctx: ctx}
	begin := postgresBegin
	if conn.ParameterStatus("server_encoding") == "SQL_ASCII" {
		// Such a database does not know what its text is. We look at it ourselves, and can say where it is wrong.
		begin = "set client_encoding = 'SQL_ASCII'; " + begin
	}
	results, err := conn.Exec(ctx, begin).ReadAll()
	if err != nil {
		tx.close()
		return nil, err
	}
	last := results[len(results)-1]
	if len(last.Rows) != 1 || len(last.Rows[0]) != 2 {
		tx.close()
		return nil, errors.New("the server does not tell the time; is it a PostgreSQL?")
	}
	tx.clock = clock{at: seconds(last.Rows[0][0]), wall: seconds(last.Rows[0][1])}
	return tx, nil
}

// seconds reads a number of seconds since 1970.
func seconds(text []byte) time.Time {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(f * 1e6)).UTC()
}

type postgresTx struct {
	conn    *pgconn.PgConn
	ctx     context.Context // of the fetch; closing says good-bye under it
	clock   clock
	writers map[uint32]pgWrite // of types that were looked up
	busy    bool               // the server may still be at work on the query
}

func (tx *postgresTx) now() clock   { return tx.clock }
func (tx *postgresTx) stable() bool { return true }

// close needs no rollback: the server does it when the connection ends. That it ended is not noticed by a server that is
// busy, so it is told.
func (tx *postgresTx) close() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tx.ctx), 2*time.Second)
	defer cancel()
	if tx.busy {
		_ = tx.conn.CancelRequest(ctx)
	}
	_ = tx.conn.Close(ctx)
}

func (tx *postgresTx) query(ctx context.Context, s statement, value bound, check func([]column) error) (rows, error) {
	// Of "$1 is null" the server cannot tell what type $1 has. With null in its place the query can be described, and the
	// parameter has the type of the column that it is compared with.
	described, err := tx.conn.Prepare(ctx, "", s.with("null"), nil)
	if err != nil {
		return nil, err
	}
	if err := tx.lookUp(ctx, described.Fields); err != nil {
		return nil, err
	}
	columns := make([]column, len(described.Fields))
	r := &postgresRows{tx: tx, write: make([]pgWrite, len(columns))}
	for i, field := range described.Fields {
		columns[i].name = field.Name
		columns[i].kind, r.write[i] = tx.writer(field.DataTypeOID)
	}
	if err := check(columns); err != nil {
		return nil, err
	}
	var values [][]byte
	var types []uint32
	if s.asks() {
		values, types = [][]byte{nil}, []uint32{value.column(described.Fields)}
		if value.text != "" {
			values[0] = []byte(value.text)
		}
	}
	tx.busy = true
	r.result = tx.conn.ExecParams(ctx, s.with("$1"), values, types, nil, nil)
	return r, nil
}

// column is the type of the column that the value is compared with; 0, for the server to guess, where it is not there.
func (b bound) column(fields []pgconn.FieldDescription) uint32 {
	for _, field := range fields {
		if field.Name == b.name {
			return field.DataTypeOID
		}
	}
	return 0
}

type postgresRows struct {
	tx     *postgresTx
	result *pgconn.ResultReader
	write  []pgWrite
	values [][]byte
}

func (r *postgresRows) next() error {
	if !r.result.NextRow() {
		_, err := r.result.Close()
		if err == nil {
			err = io.EOF
		}
		_, refused := errors.AsType[*pgconn.PgError](err)
		r.tx.busy = !refused && !errors.Is(err, io.EOF)
		return err
	}
	if r.values = r.result.Values(); len(r.values) != len(r.write) {
		return fmt.Errorf("a row has %d columns where %d were announced", len(r.values), len(r.write))
	}
	return nil
}

func (r *postgresRows) value(dst []byte, i int) ([]byte, error) {
	if r.values[i] == nil {
		return append(dst, "null"...), nil
	}
	return r.write[i](dst, r.values[i])
}

// postgresAdvice is what to do about an error, by its SQLSTATE (PostgreSQL, appendix A).
var postgresAdvice = map[string]string{
	"25006": "the query would write; only what reads can be asked for",
	"28000": "the server refused the login; check user and sslmode in dsn, and pg_hba.conf on the server",
	"28P01": "the server refused the login; check user and password in dsn",
	"3D000": "check the name of the database in dsn",
	"42501": "grant the user of dsn the right to read it",
	"42601": "check query",
	"42703": "check the names of the columns in query",
	"42883": "check query; a value may need a cast, as in :since::bigint",
	"42P01": "check the names of the tables in query, and whether they need a schema before them",
	"53300": "the server has no connection left; raise max_connections there, or poll less often",
	"57014": "the server cancelled the query; raise statement_timeout there, or ask for less",
	"57P03": "the server is not ready yet",
	"40001": "a standby needed what the query was reading; it is tried again at the next poll",
}

func (p *postgres) explain(err error) error {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		// The message of a refused login names the user.
		if refused.Code == "28P01" || refused.Code == "28000" {
			return fmt.Errorf("%s (%s)", postgresAdvice[refused.Code], refused.Code)
		}
		text := fmt.Sprintf("%s (%s)", refused.Message, refused.Code)
		if refused.Hint != "" {
			text += "; " + strings.TrimSuffix(refused.Hint, ".")
		}
		return advise(text, postgresAdvice[refused.Code])
	}
	if _, large := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); large {
		return errTooWide
	}
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = connect.Unwrap() // without the user
		if strings.Contains(err.Error(), "server refused TLS") {
			return advise("the server offers no TLS, which dsn asks for", "set it up there, or change sslmode in dsn")
		}
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")) // one for each address that was tried
	}
	return err
}
