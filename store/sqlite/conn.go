package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"syscall"

	"github.com/hookbridge/bridge"
	sqlite3 "github.com/mattn/go-sqlite3"
)

// conn is one connection below database/sql, whose pool and conversions would cost more than the statements
// themselves. It is used by one goroutine at a time and keeps its statements prepared.
type conn struct {
	raw  *sqlite3.SQLiteConn
	kept map[string]*statement
}

type statement struct {
	*sqlite3.SQLiteStmt
	args []driver.NamedValue
	row  row
}

// row is one row of a result. Blobs and texts in it are copies and may be kept; the row itself may not.
type row []driver.Value

func (r row) int(i int) int64   { v, _ := r[i].(int64); return v }
func (r row) text(i int) string { v, _ := r[i].(string); return v }
func (r row) blob(i int) []byte { v, _ := r[i].([]byte); return v }
func (r row) null(i int) bool   { return r[i] == nil }

// errEnough ends a query before its last row.
var errEnough = errors.New("enough")

func dial(path string, options url.Values) (*conn, error) {
	// A path may hold ? and %, which the URI form would read as its own.
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + options.Encode()
	raw, err := (&sqlite3.SQLiteDriver{}).Open(name)
	if err != nil {
		return nil, explain(err)
	}
	return &conn{raw: raw.(*sqlite3.SQLiteConn), kept: make(map[string]*statement)}, nil
}

func (c *conn) close() error {
	for _, s := range c.kept {
		_ = s.Close()
	}
	return c.raw.Close()
}

func (c *conn) prepare(sql string) (*statement, error) {
	if s := c.kept[sql]; s != nil {
		return s, nil
	}
	s, err := c.open(sql)
	if err != nil {
		return nil, err
	}
	c.kept[sql] = s
	return s, nil
}

func (c *conn) open(sql string) (*statement, error) {
	raw, err := c.raw.Prepare(sql)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", brief(sql), explain(err))
	}
	return &statement{SQLiteStmt: raw.(*sqlite3.SQLiteStmt)}, nil
}

// exec runs one statement and returns the number of rows it changed.
func (c *conn) exec(sql string, args ...any) (int64, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	s.bind(args)
	result, err := s.ExecContext(context.Background(), s.args)
	clear(s.args) // bodies must not live on in a prepared statement
	if err != nil {
		return 0, fmt.Errorf("%s: %w", brief(sql), explain(err))
	}
	return result.RowsAffected()
}

// script runs several statements without arguments.
func (c *conn) script(sql string) error {
	_, err := c.raw.ExecContext(context.Background(), sql, nil)
	return explain(err)
}

// query calls each for every row of a prepared statement. each may run other statements, not the same one.
func (c *conn) query(sql string, each func(row) error, args ...any) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	return s.run(sql, each, args)
}

// queryOnce is query for a statement that is put together anew each time and would only fill the cache.
func (c *conn) queryOnce(sql string, each func(row) error, args ...any) error {
	s, err := c.open(sql)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.run(sql, each, args)
}

// first calls each for the first row and reports whether there was one.
func (c *conn) first(sql string, each func(row), args ...any) (bool, error) {
	found := false
	err := c.query(sql, func(r row) error {
		found = true
		each(r)
		return errEnough
	}, args...)
	return found, err
}

// number returns the first column of the first row as a number; 0 where there is no row.
func (c *conn) number(sql string, args ...any) (n int64, err error) {
	_, err = c.first(sql, func(r row) { n = r.int(0) }, args...)
	return n, err
}

func (s *statement) run(sql string, each func(row) error, args []any) error {
	s.bind(args)
	rows, err := s.QueryContext(context.Background(), s.args)
	clear(s.args)
	if err != nil {
		return fmt.Errorf("%s: %w", brief(sql), explain(err))
	}
	defer rows.Close()
	if s.row == nil {
		s.row = make(row, len(rows.Columns()))
	}
	for {
		if err := rows.Next(s.row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", brief(sql), explain(err))
		}
		if err := each(s.row); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (s *statement) bind(args []any) {
	s.args = s.args[:0]
	for i, arg := range args {
		switch v := arg.(type) {
		case int:
			arg = int64(v)
		case uint64:
			arg = int64(v)
		}
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
}

func brief(sql string) string {
	words := strings.Fields(sql)
	return strings.Join(words[:min(len(words), 6)], " ")
}

// explain turns an error of SQLite that a caller branches on into the bridge's.
func explain(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code == sqlite3.ErrFull || e.SystemErrno == syscall.ENOSPC || e.SystemErrno == syscall.EDQUOT {
		return fmt.Errorf("%w (%w)", bridge.ErrFull, err)
	}
	return err
}
