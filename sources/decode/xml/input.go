package xml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/charset"
)

// ahead is how many bytes are read at once.
const ahead = 64 << 10

var buffers = sync.Pool{New: func() any {
	b := make([]byte, ahead)
	return &b
}}

// halt is why there is no next byte.
type halt int

const (
	running    halt = iota
	ended           // the document is at its end
	overBudget      // the token is longer than allowed
	garbled         // what follows is no text
	failed          // the reader failed
)

var errHalted = errors.New("the document is not read on")

// input hands the document to the tokenizer as valid UTF-8, byte by byte, and no more than its budget, which is set anew
// before every token: so no single token can make the tokenizer's buffer grow without end.
type input struct {
	r         io.Reader
	used      charset.Charset
	buffer    []byte
	begin     int   // what is handed out next
	stop      int   // up to where the budget allows
	valid     int   // up to where the bytes are text
	end       int   // up to where there are bytes
	handed    int64 // bytes handed out before those in buffer
	left      int64 // of the budget, beyond stop
	err       error // why the reader failed
	last, bad bool  // after what is in buffer comes nothing; it goes on with what is no text
	any       bool  // there is more than white space
	halt      halt  // why the tokenizer did not get a byte
}

// UTF8 reads a document as UTF-8 and tells what it was written in: what written names, or else what the byte order mark
// says, or else the charset of contentType, or else the document's own declaration, or else UTF-8 itself, which is left to
// the reader to validate. A declaration stays in the text as it is. Errors of r come back as they are.
func UTF8(r io.Reader, written charset.Charset, contentType string) (io.Reader, charset.Charset, error) {
	if written.Name() == "" && !declares(contentType) {
		start := &beginning{r: r}
		if err := start.read(); err != nil {
			return nil, written, err
		}
		if name := declaration(start.text); name != "" {
			var err error
			if written, err = charset.Lookup(name); err != nil {
				return nil, written, &decode.SyntaxError{Language: "XML", Line: 1, Err: fmt.Errorf("%w; write charset = … to say what it is", err)}
			}
		}
		r = io.MultiReader(bytes.NewReader(start.text), r)
	}
	return written.Decode(r, contentType)
}

func declares(contentType string) bool {
	_, params, err := mime.ParseMediaType(contentType)
	return err == nil && params["charset"] != ""
}

// beginning is as much of a document as its declaration may take.
type beginning struct {
	r    io.Reader
	text []byte
}

func (b *beginning) read() error {
	b.text = make([]byte, 1<<10)
	n, empty := 0, 0
	for n < len(b.text) && !bytes.Contains(b.text[:n], []byte("?>")) {
		more, err := b.r.Read(b.text[n:])
		n += more
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if empty++; more > 0 {
			empty = 0
		} else if empty == 100 {
			return io.ErrNoProgress
		}
	}
	b.text = b.text[:n]
	return nil
}

// declaration is the charset that a document tells of itself, and empty where it has a byte order mark, or tells nothing
// (XML 1.0, 4.3.3 and appendix F). A document that is readable as ASCII is not in the UTF-16 that some writers declare.
func declaration(start []byte) string {
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")), bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return ""
	case bytes.HasPrefix(start, []byte("<\x00")):
		return "utf-16le"
	case bytes.HasPrefix(start, []byte("\x00<")):
		return "utf-16be"
	}
	decoder := xml.NewDecoder(bytes.NewReader(start))
	name := ""
	decoder.CharsetReader = func(said string, r io.Reader) (io.Reader, error) {
		name = said
		return r, nil
	}
	for {
		token, err := decoder.RawToken()
		if text, blank := token.(xml.CharData); err == nil && blank && len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if lower := strings.ToLower(name); lower == "utf-16" || lower == "ucs-2" || lower == "iso-10646-ucs-2" {
			return ""
		}
		return name
	}
}

// allow lets the next token be so long.
func (in *input) allow(budget int64) {
	in.stop = int(min(int64(in.valid), int64(in.begin)+budget))
	in.left = budget - int64(in.stop-in.begin)
}

// offset is how many bytes were handed out.
func (in *input) offset() int64 { return in.handed + int64(in.begin) }

// ReadByte is all that the tokenizer reads with.
func (in *input) ReadByte() (byte, error) {
	if in.begin == in.stop {
		if in.halt = in.more(); in.halt == ended {
			return 0, io.EOF
		} else if in.halt != running {
			return 0, errHalted
		}
	}
	c := in.buffer[in.begin]
	in.begin++
	return c, nil
}

// Read makes an input what the tokenizer takes for a reader.
func (in *input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := in.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

func (in *input) more() halt {
	if in.left <= 0 {
		return overBudget
	}
	if in.begin == in.valid {
		if why := in.fill(); why != running {
			return why
		}
	}
	grown := int(min(int64(in.valid-in.begin), in.left))
	in.stop, in.left = in.begin+grown, in.left-int64(grown)
	return running
}

// peek shows up to n bytes that come next, whatever the budget.
func (in *input) peek(n int) []byte {
	for in.valid-in.begin < n {
		if in.fill() != running {
			break
		}
	}
	return in.buffer[in.begin:min(in.begin+n, in.valid)]
}

// fill reads on, behind what is in the buffer and was not handed out yet.
func (in *input) fill() halt {
	in.handed += int64(in.begin)
	in.end = copy(in.buffer, in.buffer[in.begin:in.end])
	in.valid, in.begin, in.stop = in.valid-in.begin, 0, 0
	for before := in.valid; in.valid == before; {
		switch {
		case in.bad, in.last && in.valid < in.end: // half a character, then
			return garbled
		case in.last:
			return ended
		case in.err != nil:
			return failed
		}
		in.read()
		in.valid += text(in.buffer[in.valid:in.end])
		in.bad = utf8.FullRune(in.buffer[in.valid:in.end]) // and yet none
	}
	in.any = in.any || len(trim(in.buffer[:in.valid])) > 0
	return running
}

func (in *input) read() {
	for range 100 {
		n, err := in.r.Read(in.buffer[in.end:])
		in.end += n
		if in.last = err == io.EOF; !in.last {
			in.err = err
		}
		if n > 0 || err != nil {
			return
		}
	}
	in.err = io.ErrNoProgress
}

// text is how many bytes at the beginning of b are valid UTF-8.
func text(b []byte) int {
	if utf8.Valid(b) {
		return len(b)
	}
	n := 0
	for n < len(b) {
		c, size := utf8.DecodeRune(b[n:])
		if c == utf8.RuneError && size <= 1 {
			break
		}
		n += size
	}
	return n
}
