package csv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
	"unicode/utf8"

	"github.com/hookbridge/bridge/sources/decode"
)

// What ends a row besides its last cell.
var (
	errEnd      = errors.New("nothing follows")
	errTooLarge = errors.New("record exceeds its cap")
)

// ahead is how much is read at once.
const ahead = 64 << 10

// meaning is what a byte stands for, outside of quotes or inside.
type meaning byte

const (
	text    meaning = iota // itself
	escaped                // itself, but JSON wants it escaped
	breaks                 // the end of a line, or half of one
	delimits
	quotes
)

// end is what a cell ended with.
type end int

const (
	byDelimiter end = iota
	byLine
	byFile
)

// scanner reads cells, and writes them as JSON strings have them while it reads: no cell is held but in what comes out.
type scanner struct {
	r          io.Reader
	buffer     []byte
	begin, end int
	err        error // what r said last

	format          Format
	outside, inside [256]meaning
	charset         string
	limit           int64 // bytes of out

	out   []byte
	high  uint64 // bytes that were passed over, all in one: what is not ASCII shows in it
	line  int    // that is being read, from 1
	began int    // line on which the row began

	openings []string // what stands before the text of each cell in a record
	fixed    bool     // there are no more columns than these
}

var scanners = sync.Pool{New: func() any { return &scanner{buffer: make([]byte, ahead)} }}

func (s *scanner) release() {
	s.r, s.err = nil, nil
	clear(s.openings)
	if cap(s.out) > 1<<20 {
		s.out = nil
	}
	if cap(s.openings) > 1000 {
		s.openings = nil
	}
	scanners.Put(s)
}

func (s *scanner) reset(r io.Reader, f Format, charset string) {
	*s = scanner{r: r, buffer: s.buffer, out: s.out[:0], openings: s.openings[:0], format: f, limit: maxHeader, charset: charset, line: 1}
	for c := range 0x20 {
		s.inside[c] = escaped
	}
	s.inside['"'], s.inside['\\'] = escaped, escaped
	s.outside = s.inside
	s.outside['\n'], s.outside['\r'] = breaks, breaks
	s.outside[f.Delimiter] = delimits
	s.inside[f.Quote] = quotes
}

// fill reads on. What was read before must have been used.
func (s *scanner) fill() error {
	if int64(len(s.out)) > s.limit {
		return errTooLarge
	}
	s.begin, s.end = 0, 0
	for s.end == 0 && s.err == nil {
		var err error
		if s.end, err = s.r.Read(s.buffer); err == io.EOF {
			err = errEnd
		}
		s.err = err
	}
	if s.end == 0 {
		return s.err
	}
	return nil
}

func (s *scanner) peek() (byte, error) {
	if s.begin == s.end {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	return s.buffer[s.begin], nil
}

// start passes over empty lines and comments; errEnd where nothing follows.
func (s *scanner) start() error {
	s.out = s.out[:0]
	for {
		c, err := s.peek()
		switch {
		case err != nil:
			return err
		case c == '\n' || c == '\r':
			if _, err := s.lineEnd(1); err != nil {
				return err
			}
		case c == s.format.Comment && c != 0:
			for c != '\n' && err == nil {
				s.begin++
				c, err = s.peek()
			}
		default:
			return nil
		}
	}
}

// cell adds the text of the next cell to out. number is that of its column.
func (s *scanner) cell(number int) (end, error) {
	from, line := len(s.out), s.line
	c, err := s.peek()
	if err != nil {
		return ending(err) // after a last delimiter
	}
	var ended end
	s.high = 0
	if c == s.format.Quote && !s.format.Unquoted {
		ended, err = s.quoted(number)
	} else {
		ended, err = s.bare(number)
	}
	if err != nil {
		return 0, err
	}
	if s.high&ascii != 0 && !utf8.Valid(s.out[from:]) {
		if s.charset != "utf-8" {
			return 0, s.fault(line, number, fmt.Errorf("the cell has bytes that are not %s; another charset is named by charset = …", s.charset))
		}
		return 0, s.fault(line, number, errors.New(`the cell has bytes that are not utf-8; another charset is named so: charset = "windows-1252"`))
	}
	if int64(len(s.out)) > s.limit {
		return 0, errTooLarge
	}
	return ended, nil
}

// ending is what a cell ends with where nothing can be read.
func ending(err error) (end, error) {
	if errors.Is(err, errEnd) {
		return byFile, nil
	}
	return 0, err
}

const (
	each  = 0x0101010101010101 // times a byte: it in every place of a word
	ascii = 0x80 * each        // the bits that no word of ASCII has
)

// run adds what stands for itself to out: eight bytes at a time as long as none of them is a control character, a quotation
// mark, a backslash or the one that is special here. The lowest of the bits that say where one is is never wrong.
func (s *scanner) run(special byte, meanings *[256]meaning) {
	left := s.buffer[s.begin:s.end]
	n, wanted := 0, each*uint64(special)
	for ; n+8 <= len(left); n += 8 {
		word := binary.LittleEndian.Uint64(left[n:])
		s.high |= word
		quote, slash, other := word^each*'"', word^each*'\\', word^wanted
		if found := ((word-each*0x20)&^word | (quote-each)&^quote | (slash-each)&^slash | (other-each)&^other) & ascii; found != 0 {
			n += bits.TrailingZeros64(found) / 8
			break
		}
	}
	for n < len(left) && meanings[left[n]] == text {
		s.high |= uint64(left[n])
		n++
	}
	s.out = append(s.out, left[:n]...)
	s.begin += n
}

// bare reads a cell without quotes around it. Quotes in the middle stand for themselves.
func (s *scanner) bare(number int) (end, error) {
	for {
		s.run(s.format.Delimiter, &s.outside)
		c, err := s.peek()
		if err != nil {
			return ending(err)
		}
		switch s.outside[c] {
		case delimits:
			s.begin++
			return byDelimiter, nil
		case breaks:
			return s.lineEnd(number)
		case escaped:
			s.begin++
			s.literal(c)
		}
	}
}

// quoted reads a cell from its opening quote to what follows the closing one.
func (s *scanner) quoted(number int) (end, error) {
	line := s.line
	s.begin++
	for {
		s.run(s.format.Quote, &s.inside)
		c, err := s.peek()
		if errors.Is(err, errEnd) {
			err = s.fault(line, number, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return 0, err
		}
		switch s.inside[c] {
		case escaped:
			s.begin++
			s.literal(c)
			if c == '\n' {
				s.line++
			}
		case quotes:
			s.begin++
			next, err := s.peek()
			switch {
			case err != nil:
				return ending(err)
			case next == s.format.Quote:
				s.begin++
				s.literal(next)
			case next == s.format.Delimiter:
				s.begin++
				return byDelimiter, nil
			case next == '\n' || next == '\r':
				return s.lineEnd(number)
			default:
				return 0, s.fault(s.line, number, errors.New("something follows after the closing quote of the cell; a quote within one is doubled"))
			}
		}
	}
}

// lineEnd passes over LF, CR LF, or a CR that ends the text.
func (s *scanner) lineEnd(number int) (end, error) {
	if s.buffer[s.begin] == '\r' {
		s.begin++
		next, err := s.peek()
		if err != nil {
			return ending(err)
		}
		if next != '\n' {
			return 0, s.fault(s.line, number, errors.New("a carriage return stands alone; lines end with LF or CR LF, and a cell with line ends of its own is quoted"))
		}
	}
	s.begin++
	s.line++
	return byLine, nil
}

// literal adds a byte of ASCII, or of a valid string, as a JSON string has it.
func (s *scanner) literal(c byte) {
	const hex = "0123456789abcdef"
	switch {
	case c == '"' || c == '\\':
		s.out = append(s.out, '\\', c)
	case c == '\n':
		s.out = append(s.out, '\\', 'n')
	case c == '\r':
		s.out = append(s.out, '\\', 'r')
	case c == '\t':
		s.out = append(s.out, '\\', 't')
	case c < 0x20:
		s.out = append(s.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	default:
		s.out = append(s.out, c)
	}
}

func (s *scanner) fault(line, column int, err error) error {
	return &decode.SyntaxError{Language: "CSV", Line: line, Column: column, Err: err}
}
