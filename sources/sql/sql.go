// Package sql reads records from databases: every row of a query is one, read in a transaction that cannot write.
package sql

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
)

// Source is one query to one database.
type Source struct {
	logger   *slog.Logger
	database database
	identity string
	query    statement
	since    *since          // nil: every fetch reads everything
	json     map[string]bool // columns of text that hold JSON
	maxBody  int64
	secrets  []string
}

// Identity names what is read: kind, driver, server and database, and the query, with what shapes its rows, as a hash. User and password are no part
// of it, so that a rotated password is not another source.
func (s *Source) Identity() string { return s.identity }

// String is the identity: a source that is printed by accident shows no secret.
func (s *Source) String() string { return s.identity }

// GoString is the identity, too.
func (s *Source) GoString() string { return s.identity }

// Decoder reads the blocks of sources "sql"; file names in them are relative to dir. A nil logger discards. Nothing is
// connected to before the first fetch.
func Decoder(logger *slog.Logger) func(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return func(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
		r := attr.NewReader(body, ctx, `source "sql"`)
		s := &Source{logger: logger, json: map[string]bool{}}
		d := readDriver(r)
		s.database = readDSN(r, d, dir)
		query := strings.TrimRight(r.Required("query"), "; \t\r\n")
		for _, name := range r.Strings("json") {
			s.json[name] = true
		}
		s.maxBody = r.Size("max_body", 2<<30)
		var absent bool
		s.since = readSince(r)
		if s.database != nil && query != "" {
			s.query, absent = s.database.grammar().parse(query)
			s.examine(r, d.name, query, absent)
		}
		diags := r.Done()
		if diags.HasErrors() {
			return nil, diags
		}
		s.secrets = r.Known()
		if file, ok := s.database.(*sqlite); ok { // the name of a file is no secret, wherever it comes from
			s.secrets = slices.DeleteFunc(s.secrets, func(secret string) bool { return secret == file.written })
		}
		s.identity = s.identify(d.name, query)
		return s, diags
	}
}

func readDriver(r *attr.Reader) driverConfig {
	names := make([]string, len(drivers))
	for i, d := range drivers {
		names[i] = d.name
	}
	if r.Missing("driver") {
		r.Errorf(r.Range("driver"), "Missing required argument", "The argument \"driver\" is required in %s: there is %s.", r.What(), strings.Join(names, ", "))
	}
	name := r.Word("driver", "", names...)
	for _, d := range drivers {
		if d.name == name {
			return d
		}
	}
	return driverConfig{}
}

// readDSN reads the dsn; nil where something is wrong with it, or with the driver.
func readDSN(r *attr.Reader, d driverConfig, dir string) database {
	dsn := r.RequiredSecret("dsn")
	if d.read == nil || dsn.Empty() {
		return nil
	}
	database, err := d.read(dsn.Reveal(), dir)
	if err == nil {
		return database
	}
	// A message shows the line that it points at. One with a password in it must not be shown.
	at := r.Range("driver")
	if attr.IsSecret(r.Value("dsn")) || d.name == "sqlite" {
		at = r.Range("dsn")
	}
	r.Errorf(at, "Invalid dsn", "The dsn is not one of driver %q: %v. It is written like %s", d.name, err, d.form)
	return nil
}

// examine notes what is wrong with a query as far as can be told without its database.
func (s *Source) examine(r *attr.Reader, driver, query string, absent bool) {
	at := r.Range("query")
	switch {
	case s.since == nil && s.query.asks():
		r.Errorf(at, "No value for :since", "The query refers to :since, which the block since { value = … } gives a value to. Add that block, or take :since out.")
	case s.since != nil && !s.query.asks():
		r.Errorf(at, "Unused since", "The block since gives a value to :since, but the query does not use it: … where :since is null or %s >= :since", s.since.column)
	case s.since != nil && s.since.initial.text == "" && !absent:
		r.Errorf(at, "No answer without a value", "Without initial, :since is null when everything is to be read, and this query would find nothing then. Write … where :since is null or %s >= :since, or set initial.", s.since.column)
	}
	if driver == "sqlserver" {
		if word, ok := s.database.grammar().reads(query); !ok {
			r.Errorf(at, "Not a query that only reads", "SQL Server has no read-only transactions, so the query must be a single select, with or without a with before it; %q is none of it. A name that is spelled so has to be quoted: [%s].", word, word)
		}
	}
}

func (s *Source) identify(driver, query string) string {
	initial := ""
	if s.since != nil {
		initial = s.since.initial.text
	}
	embedded := strings.Join(slices.Sorted(maps.Keys(s.json)), "\x00")
	sum := sha256.Sum256([]byte(s.scrub(query) + "\x00" + initial + "\x00" + embedded))
	return fmt.Sprintf("sql %s %s %s", driver, s.scrub(s.database.place()), hex.EncodeToString(sum[:8]))
}
