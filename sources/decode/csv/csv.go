// Package csv decodes comma-separated values (RFC 4180) and their relatives, streaming and in bounded memory. Every cell
// stays the text it is, so that "0012", "1e5" and a line end within quotes come out as they went in; encoding/csv would
// turn CR LF within a cell into LF, and hold a whole record of any size before it could be refused.
package csv

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/charset"
)

// Caps of the columns: their names are held, and stand in every record.
const (
	maxColumns = 16_384 // as many as a spreadsheet has
	maxHeader  = 1 << 20
)

// Format is how a table is written. The zero value is that of RFC 4180 with a header.
type Format struct {
	Delimiter byte            // between cells; 0: a comma
	Quote     byte            // around a cell, and doubled within one; 0: the quotation mark
	Unquoted  bool            // nothing quotes: every character stands for itself
	Comment   byte            // lines that begin with it are passed over; 0: there are none
	Headless  bool            // the first line is a record, too
	Names     []string        // of the columns; nil: those of the header, or without one 1, 2, 3 …
	Charset   charset.Charset // zero: see charset.Charset.Decode
}

// Read reads the block decode "csv".
func Read(r *attr.Reader) decode.Format {
	f := Format{
		Delimiter: character(r, "delimiter", ","),
		Quote:     character(r, "quote", `"`),
		Comment:   character(r, "comment", ""),
		Headless:  !r.Bool("header", true),
		Names:     r.Strings("names"),
		Charset:   charset.Read(r),
	}
	f.Unquoted = f.Quote == 0
	for _, pair := range [][2]string{{"delimiter", "quote"}, {"comment", "delimiter"}, {"comment", "quote"}} {
		a, b := map[string]byte{"delimiter": f.Delimiter, "quote": f.Quote, "comment": f.Comment}, pair[0]
		if c := a[b]; c != 0 && c == a[pair[1]] {
			r.Errorf(r.Range(b), "The same character twice", "%s and %s are both %q; they must differ.", b, pair[1], c)
		}
	}
	if r.Has("delimiter") && f.Delimiter == 0 && !r.Failed() {
		r.Errorf(r.Range("delimiter"), "No delimiter", `A delimiter is one character, such as "," or ";" or "\t".`)
	}
	seen := map[string]bool{}
	for i, name := range f.Names {
		switch {
		case name == "":
			r.Errorf(r.ElementRange("names", i), "Empty name", "A column needs a name.")
		case seen[name]:
			r.Errorf(r.ElementRange("names", i), "The same name twice", "There is already a column %q.", name)
		}
		seen[name] = true
	}
	if len(f.Names) > maxColumns {
		r.Errorf(r.Range("names"), "Too many columns", "A table has at most %d columns.", maxColumns)
	}
	return f
}

func character(r *attr.Reader, name, def string) byte {
	text := r.String(name, def)
	switch {
	case text == "":
		return 0
	case len(text) > 1 || text[0] >= 0x80 || strings.ContainsAny(text, "\r\n\x00"):
		r.Errorf(r.Range(name), "Invalid character", `%s is one ASCII character, such as "," or ";" or "|" or "\t"; %q is not.`, name, text)
		return 0
	}
	return text[0]
}

// Identity says that the records are rows, and how a row becomes cells with names. The charset is no part of it: one that
// is put right is a correction that is told.
func (f Format) Identity() string {
	f = f.withDefaults()
	var b strings.Builder
	b.WriteString("rows")
	if f.Delimiter != ',' {
		fmt.Fprintf(&b, " delimiter=%q", f.Delimiter)
	}
	if f.Unquoted {
		b.WriteString(" unquoted")
	} else if f.Quote != '"' {
		fmt.Fprintf(&b, " quote=%q", f.Quote)
	}
	if f.Comment != 0 {
		fmt.Fprintf(&b, " comment=%q", f.Comment)
	}
	if f.Headless {
		b.WriteString(" headless")
	}
	if len(f.Names) > 0 {
		fmt.Fprintf(&b, " names=%q", f.Names)
	}
	return b.String()
}

// Accept asks for CSV, but takes what else a server calls it.
func (Format) Accept() string { return "text/csv, text/plain;q=0.9, */*;q=0.5" }

// Enveloped is false: there are only rows.
func (Format) Enveloped() bool { return false }

// Window is false: a table holds everything.
func (Format) Window() bool { return false }

func (f Format) withDefaults() Format {
	if f.Delimiter == 0 {
		f.Delimiter = ','
	}
	if f.Quote == 0 {
		f.Quote = '"'
	}
	return f
}

// Split hands every row to emit, as an object of strings in the order of the columns; see decode.Format. Empty lines are
// passed over. A *decode.SyntaxError has the line and the column: it is a row with more or fewer cells than there are
// columns, a cell whose quotes do not end or are followed by something, a header with an empty name or one name twice, one
// without rows that does not fit the records that are wanted, a carriage return alone outside of quotes, or what is no text
// in the charset.
func (f Format) Split(r io.Reader, o decode.Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	var envelope decode.Envelope
	o, err := o.WithDefaults()
	if err != nil {
		return envelope, err
	}
	text, used, err := f.Charset.Decode(r, o.ContentType)
	if err != nil {
		return envelope, err
	}
	s := scanners.Get().(*scanner)
	defer s.release()
	s.reset(text, f.withDefaults(), used.Name())
	if err := s.columns(f); err != nil {
		return envelope, err
	}
	s.limit = o.Record
	for {
		item := envelope.Items + 1
		raw, err := s.record()
		switch {
		case errors.Is(err, errEnd) && item == 1 && f.Headless:
			return envelope, decode.ErrEmpty
		case errors.Is(err, errEnd) && item == 1 && o.Fits != nil:
			return envelope, s.fits(o.Fits)
		case errors.Is(err, errEnd):
			return envelope, nil
		case errors.Is(err, errTooLarge):
			return envelope, o.TooLarge(item)
		case err != nil:
			return envelope, err
		case item == 1 && f.Headless && page(raw[len(s.openings[0]):]):
			return envelope, s.fault(s.began, 1, errors.New("it begins like a web page or XML, not like a table"))
		}
		if err := o.Check(raw, item); err != nil {
			return envelope, err
		}
		envelope.Items = item
		if err := emit(raw, item); err != nil {
			return envelope, err
		}
	}
}
