package sql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/decode"
)

// maxColumns is how many columns a result may have, which is as many as the databases allow in a table.
const maxColumns = 4096

// Fetch runs the query and emits every row as an object of its columns, in their order; see bridge.Source. The rows are
// read one by one, in one transaction that cannot write, on a connection that is there for this fetch only. A source with
// a since block is read from its watermark on where there is one. That nothing changed is never claimed: only the rows
// can tell.
func (s *Source) Fetch(ctx context.Context, options bridge.FetchOptions, emit func(bridge.Record) error) (bridge.Outcome, error) {
	f := fetch{Source: s, options: options, emit: emit}
	if s.since != nil {
		f.start = s.since.whole()
		if !options.Unconditional {
			f.mark, f.incremental = s.since.recall(options.From)
		}
	}
	for {
		outcome, err := f.run(ctx)
		wrong, ok := errors.AsType[errKind](err)
		switch {
		case !ok:
			return outcome, err
		case f.incremental: // the column is another one than when the watermark was taken
			f.mark, f.incremental = value{}, false
		case f.start.kind == moment && wrong.column == other: // times that are written as text
			f.start.kind = other
		default:
			return outcome, s.fail("run the query", fmt.Errorf("initial does not fit: %w", wrong))
		}
	}
}

// fetch is one reading of a source.
type fetch struct {
	*Source
	options     bridge.FetchOptions
	emit        func(bridge.Record) error
	start       bound // of everything
	mark        value // of the last fetch
	incremental bool  // only what changed since the watermark is asked for
	tide        tide

	names [][]byte // of the columns, as JSON with what stands around them
	json  []bool   // columns of text that hold JSON
	at    int      // of the column since looks at
}

func (f *fetch) run(ctx context.Context) (bridge.Outcome, error) {
	outcome := bridge.Outcome{Pages: 1, Incremental: f.incremental}
	tx, err := f.database.begin(ctx)
	if err != nil {
		return outcome, f.failed(ctx, "connect to "+f.database.place(), err)
	}
	defer tx.close()
	outcome.Stable, outcome.Date = tx.stable(), tx.now().at
	start := f.start
	if f.since != nil {
		if f.incremental && f.mark.kind != number && f.mark.at.At.After(f.since.limit(f.mark, tx.now()).Add(absurd)) {
			f.mark, f.incremental, outcome.Incremental = value{}, false, false
		}
		if f.incremental {
			start = f.since.from(f.mark)
			f.say(ctx, "asks for what changed since the watermark %s: from %s on", f.mark.text, start.text)
		}
		f.tide = tide{since: f.since, now: tx.now(), mark: f.mark}
	}
	result, err := tx.query(ctx, f.query, start, func(columns []column) error { return f.examine(columns, start) })
	if err != nil {
		if wrong, ok := errors.AsType[errKind](err); ok {
			return outcome, wrong
		}
		return outcome, f.failed(ctx, "run the query", err)
	}
	rows, err := f.read(ctx, result, &outcome)
	if err != nil {
		return outcome, err
	}
	f.say(ctx, "read %s: %d rows, %d columns, %d bytes", f.database.place(), rows, len(f.names), outcome.Bytes)
	if err := f.settle(rows); err != nil {
		return outcome, f.fail("read the rows", err)
	}
	outcome.Complete = !f.incremental
	outcome.Next = f.next(outcome.Stable)
	return outcome, nil
}

// next is what to remember. Without a snapshot a row that changed while we read may have escaped us. It has a time later
// than our beginning then, which no watermark of ours goes beyond by more than the overlap. Of a number nobody knows.
func (f *fetch) next(stable bool) bridge.Checkpoint {
	switch {
	case f.tide.mark.text == "":
		return nil
	case !stable && f.tide.mark.kind == number && f.incremental:
		return f.options.From
	case !stable && f.tide.mark.kind == number:
		return nil
	}
	return f.since.remember(f.tide.mark)
}

// settle judges the values that since looked at.
func (f *fetch) settle(rows int) error {
	switch {
	case f.since == nil || f.incremental || rows == 0:
	case f.tide.read == 0:
		return f.since.unreadable(rows, f.scrub(f.tide.strange))
	case f.tide.ahead == f.tide.read:
		f.since.ahead.Do(func() {
			f.logger.Warn("every value that since looks at is later than the database's own clock; all rows are read each time",
				"database", f.database.place(), "value", f.since.column, "clock", f.tide.now.at)
		})
	}
	return nil
}

// examine checks the columns of the result, and prepares what is the same for every row.
func (f *fetch) examine(columns []column, start bound) error {
	if len(columns) == 0 {
		return errors.New("it gives no result; a source is a query that gives rows, such as a select")
	}
	if len(columns) > maxColumns {
		return fmt.Errorf("its result has %d columns, at most %d are possible; name those that are needed", len(columns), maxColumns)
	}
	f.names, f.json = make([][]byte, len(columns)), make([]bool, len(columns))
	seen := map[string]bool{}
	for i, c := range columns {
		if c.name == "" {
			return fmt.Errorf("column %d of its result has no name; give it an alias", i+1)
		}
		if seen[c.name] {
			return fmt.Errorf("its result has two columns %q; give one of them an alias", c.name)
		}
		seen[c.name] = true
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		name, err := jsontext.AppendQuote([]byte{separator}, c.name)
		if err != nil {
			return fmt.Errorf("the name of column %d of its result %w", i+1, errNotText)
		}
		f.names[i], f.json[i] = append(name, ':'), f.Source.json[c.name]
	}
	for name := range f.Source.json {
		if !seen[name] {
			return fmt.Errorf("json names the column %q, which the result does not have; it has %s", name, names(columns))
		}
	}
	if f.since == nil {
		return nil
	}
	var err error
	if f.at, err = f.since.fits(columns, start); err == nil {
		f.tide.kind = columns[f.at].kind
	}
	return err
}

// names lists columns for an error.
func names(columns []column) string {
	var list []string
	for i, c := range columns {
		if i == 20 {
			list = append(list, "…")
			break
		}
		list = append(list, c.name)
	}
	return strings.Join(list, ", ")
}

// read emits the rows of a result, and returns how many there were.
func (f *fetch) read(ctx context.Context, result rows, outcome *bridge.Outcome) (int, error) {
	options, err := decode.Options{}.WithDefaults()
	if err != nil {
		return 0, err
	}
	var record []byte
	for row := 1; ; row++ {
		err := result.next()
		if errors.Is(err, io.EOF) {
			return row - 1, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return row, f.failed(ctx, fmt.Sprintf("read row %d", row), err)
		}
		record = record[:0]
		for i, name := range f.names {
			record = append(record, name...)
			start := len(record)
			if record, err = result.value(record, i); err == nil && f.json[i] {
				record, err = embed(record, start)
			}
			if err != nil {
				return row, f.fail(fmt.Sprintf("read row %d", row), fmt.Errorf("column %s %w", f.name(i), err))
			}
			if int64(len(record)) > options.Record {
				return row, f.fail("read the rows", options.TooLarge(row))
			}
			if f.since != nil && i == f.at {
				f.tide.observe(record[start:])
			}
		}
		record = append(record, '}')
		if err := options.Check(record, row); err != nil {
			return row, f.fail("read the rows", err)
		}
		if outcome.Bytes += int64(len(record)); outcome.Bytes > f.maxBody {
			return row, f.fail("read the rows", fmt.Errorf("they are more than max_body (%s); raise it if that is right, or ask for less", decode.Size(f.maxBody)))
		}
		if err := f.emit(bridge.Record{Body: record, Page: 1, Item: row}); err != nil {
			return row, err
		}
	}
}

// name is the name of a column in quotes.
func (f *fetch) name(i int) string { return string(f.names[i][1 : len(f.names[i])-1]) }

// failed says what was attempted, or that there was no time left for it.
func (f *fetch) failed(ctx context.Context, attempted string, err error) error {
	if ctx.Err() != nil {
		return &fetchError{text: f.scrub("source.sql: " + attempted + ": " + context.Cause(ctx).Error()), cause: context.Cause(ctx)}
	}
	return f.fail(attempted, err)
}

func (s *Source) say(ctx context.Context, format string, args ...any) {
	if trace := decode.Trace(ctx); trace != nil {
		trace(s.scrub(fmt.Sprintf(format, args...)))
	}
}
