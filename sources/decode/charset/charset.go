// Package charset turns text of any charset into UTF-8, and loses nothing silently: whatever a charset has no character
// for comes out as a byte that is not valid UTF-8, so that a decoder finds it where it stands.
package charset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/hookbridge/bridge/configs/attr"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"
)

// Charset is how a text is written. The zero value stands for one that nobody named. It is safe for concurrent use.
type Charset struct {
	name     string // in lower case; empty: not named
	encoding encoding.Encoding
}

// UTF8 is what a text is where nothing says otherwise.
var UTF8 = Charset{name: "utf-8"}

const (
	anyEndian    = "utf-16" // its byte order is told by a mark only (RFC 2781)
	bigEndian    = "utf-16be"
	littleEndian = "utf-16le"
)

// Lookup finds a charset by its IANA name, or by one of the labels that browsers know. Case does not matter.
func Lookup(name string) (Charset, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "utf-8", "utf8":
		return UTF8, nil
	case anyEndian, bigEndian, littleEndian:
		return Charset{name: name}, nil
	}
	found, err := ianaindex.IANA.Encoding(name)
	if err != nil || found == nil {
		found, err = htmlindex.Get(name)
	}
	if err != nil || found == encoding.Replacement {
		return Charset{}, fmt.Errorf("there is no charset %q; names are those of IANA, such as utf-8, utf-16le, windows-1252 or iso-8859-15", name)
	}
	return Charset{name: name, encoding: found}, nil
}

// Read reads the attribute charset; the zero value where it is not written.
func Read(r *attr.Reader) Charset {
	name := r.String("charset", "")
	if name == "" {
		return Charset{}
	}
	c, err := Lookup(name)
	if err != nil {
		r.Errorf(r.Range("charset"), "Unknown charset", "%v.", err)
	}
	return c
}

// Name is the name in lower case; empty where nobody named the charset.
func (c Charset) Name() string { return c.name }

var marks = []struct{ bytes, name string }{
	{"\xef\xbb\xbf", "utf-8"}, {"\xff\xfe", littleEndian}, {"\xfe\xff", bigEndian},
}

// Decode reads r as UTF-8 and tells what it was written in: what c names, or else what the byte order mark says, or else
// the charset of contentType, or else UTF-8. The mark is left out, whatever the charset is: some exporters put that of
// UTF-8 before other charsets. UTF-8 is handed through as it is, so it is for the reader to validate it. Errors of r come
// back as they are.
func (c Charset) Decode(r io.Reader, contentType string) (io.Reader, Charset, error) {
	r = &patient{r}
	start := make([]byte, 3)
	n, short := io.ReadFull(r, start)
	if short != nil && short != io.EOF && short != io.ErrUnexpectedEOF {
		return nil, c, short
	}
	marked := ""
	rest := start[:n]
	for _, mark := range marks {
		if bytes.HasPrefix(rest, []byte(mark.bytes)) {
			marked, rest = mark.name, rest[len(mark.bytes):]
			break
		}
	}
	if c.name == "" {
		var err error
		if c, err = declared(marked, contentType); err != nil {
			return nil, c, err
		}
	}
	switch {
	case c.name == anyEndian && (marked == bigEndian || marked == littleEndian):
		c.name = marked
	case c.name == anyEndian:
		return nil, c, errors.New(`the text has no byte order mark, so "utf-16" does not say enough: write charset = "utf-16le" or "utf-16be"`)
	case c.name == bigEndian && marked == littleEndian, c.name == littleEndian && marked == bigEndian:
		return nil, c, fmt.Errorf("the text begins with the byte order mark of %s, but its charset is said to be %s", marked, c.name)
	}
	text := io.MultiReader(bytes.NewReader(rest), r)
	switch {
	case c.name == bigEndian || c.name == littleEndian:
		return transform.NewReader(text, &wide{little: c.name == littleEndian}), c, nil
	case c.encoding != nil:
		return transform.NewReader(text, &honest{c.encoding.NewDecoder()}), c, nil
	}
	return text, c, nil
}

func declared(marked, contentType string) (Charset, error) {
	if marked != "" {
		return Charset{name: marked}, nil
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["charset"] == "" {
		return UTF8, nil
	}
	c, err := Lookup(params["charset"])
	if err != nil {
		return c, fmt.Errorf("the content type names a charset that is not known: %w; write charset = … to say what it is", err)
	}
	return c, nil
}

// patient gives up on a reader that has nothing to say and never ends.
type patient struct{ r io.Reader }

func (p *patient) Read(b []byte) (int, error) {
	for range 100 {
		if n, err := p.r.Read(b); n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
