package csv

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hookbridge/bridge/sources/decode"
)

// columns finds out what the cells of a row are called.
func (s *scanner) columns(f Format) error {
	names := f.Names
	if !f.Headless {
		header, err := s.header(len(f.Names) == 0)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			for _, name := range header {
				s.column(name)
			}
			s.fixed = true
			return nil
		}
		if len(header) != len(names) {
			return s.fault(s.began, min(len(header), len(names))+1, fmt.Errorf("the header has %d columns, but names has %d", len(header), len(names)))
		}
	}
	for _, name := range names {
		s.out = s.out[:0]
		for i := range len(name) {
			s.literal(name[i])
		}
		s.column(s.out)
	}
	s.fixed = len(names) > 0
	return nil
}

// column adds a column whose name is written as within a JSON string.
func (s *scanner) column(name []byte) {
	opening := `","`
	if len(s.openings) == 0 {
		opening = `{"`
	}
	s.openings = append(s.openings, opening+string(name)+`":"`)
}

// header reads the names in the first row, written as within JSON strings. They must be names if they are used.
func (s *scanner) header(used bool) ([][]byte, error) {
	err := s.start()
	if errors.Is(err, errEnd) {
		return nil, decode.ErrEmpty
	}
	if err != nil {
		return nil, err
	}
	var names [][]byte
	seen := map[string]bool{}
	s.began, s.out = s.line, s.out[:0]
	for ended := byDelimiter; ended == byDelimiter; {
		number, line, from := len(names)+1, s.line, len(s.out)
		if number > maxColumns {
			return nil, &decode.LimitError{Limit: fmt.Sprintf("has more than %d columns", maxColumns)}
		}
		if ended, err = s.cell(number); err != nil {
			if errors.Is(err, errTooLarge) {
				err = &decode.LimitError{Limit: "has a header that is larger than " + decode.Size(maxHeader)}
			}
			return nil, err
		}
		name := bytes.Clone(s.out[from:])
		names = append(names, name)
		switch {
		case number == 1 && foreign(name):
			return nil, s.fault(line, number, errors.New("it begins like a web page, XML or JSON, not like a header"))
		case !used:
		case len(name) == 0:
			return nil, s.fault(line, number, errors.New("the header names no column here; write names = [ … ] for all of them"))
		case bytes.Contains(bytes.ReplaceAll(name, []byte(`\\`), nil), []byte(`\u0000`)):
			return nil, s.fault(line, number, errors.New(`the header has a NUL in it; perhaps the text is UTF-16: write charset = "utf-16le"`))
		case seen[string(name)]:
			return nil, s.fault(line, number, fmt.Errorf(`the header names two columns "%s"; write names = [ … ] for all of them`, name))
		}
		seen[string(name)] = true
	}
	return names, nil
}

// foreign reports whether what should be the first name is the beginning of another language. The one line of an error
// page would else be a header without rows, and so a table without records.
func foreign(name []byte) bool {
	name = bytes.TrimLeft(name, " ")
	for _, start := range []string{"<", "{", "[{", "[[", `[\"`, "[]"} {
		if bytes.HasPrefix(name, []byte(start)) {
			return true
		}
	}
	return false
}

// page reports whether the first cell of a table without a header is the beginning of a web page, or of XML.
func page(cell []byte) bool {
	cell = bytes.ToLower(bytes.TrimLeft(cell[:min(len(cell), 64)], " "))
	for _, start := range []string{"<!doctype", "<html", "<?xml"} {
		if bytes.HasPrefix(cell, []byte(start)) {
			return true
		}
	}
	return false
}

// fits judges a header that no row follows. The one line of an error message looks like one, too.
func (s *scanner) fits(judge func(row []byte) error) error {
	row := []byte(strings.Join(s.openings, "-") + `-"}`)
	if err := judge(row); err != nil {
		return s.fault(s.began, 1, fmt.Errorf("there are no rows, and the header does not fit: %w", err))
	}
	return nil
}

// record reads the next row as an object; errEnd where none follows. It is valid until the next.
func (s *scanner) record() ([]byte, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	s.began, s.out = s.line, s.out[:0]
	for number := 1; ; number++ {
		if number > len(s.openings) {
			if s.fixed {
				return nil, s.fault(s.line, number, fmt.Errorf("the row has more than %d cells", len(s.openings)))
			}
			if number > maxColumns {
				return nil, &decode.LimitError{Limit: fmt.Sprintf("has more than %d columns", maxColumns)}
			}
			s.column(strconv.AppendInt(nil, int64(number), 10))
		}
		s.out = append(s.out, s.openings[number-1]...)
		ended, err := s.cell(number)
		if err != nil {
			return nil, err
		}
		if ended == byDelimiter {
			continue
		}
		if s.fixed && number < len(s.openings) {
			hint := ""
			if ended == byFile {
				hint = "; perhaps the text is cut short"
			}
			return nil, s.fault(s.began, number+1, fmt.Errorf("the row has %d of %d cells%s", number, len(s.openings), hint))
		}
		s.fixed = true
		s.out = append(s.out, `"}`...)
		return s.out, nil
	}
}
