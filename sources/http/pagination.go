package http

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/decode/xml"
	"golang.org/x/net/http/httpguts"
)

// pages reads a pagination block.
type pages struct {
	*attr.Reader
	block   *hclsyntax.Block
	format  decode.Format
	payload *Payload
	query   *Payload
	inQuery bool // pages may be told apart by parameters of the query
	paging  paging
}

// pagination reads the pagination block of a plan; the zero value without one.
func (p *Plan) pagination(r *attr.Reader) paging {
	b := r.Block("pagination", 1)
	if b == nil || !block.Choice(r, b, "pagination", p.Paginations) {
		return paging{}
	}
	kind := b.Labels[0]
	c := &pages{
		Reader: r.Child(b, `pagination "`+kind+`"`), block: b, format: p.Format, payload: p.Payload, query: p.query, inQuery: p.inQuery,
		paging: paging{kind: kind},
	}
	at := &c.paging
	switch kind {
	case byPage:
		at.start = c.Int("start", 1, 0, 1<<30)
		c.parameter("page", "number", "offset")
		c.size()
		at.total, at.pages = c.path("total", ""), c.path("pages", "")
		c.headers("total_header", "pages_header")
	case byOffset:
		at.start = c.Int("start", 0, 0, 1<<30)
		c.parameter("offset", "offset", "number")
		c.size()
		at.total = c.path("total", "")
		c.headers("total_header", "")
	case byCursor:
		c.parameter("", "cursor")
		c.size()
		c.cursor()
	case byLink:
		c.headers("total_header", "pages_header")
	case byNext:
		c.Required("path")
		at.next = c.path("path", "")
	case byRelay:
		c.relay()
	}
	for _, path := range []decode.Path{at.total, at.pages, at.more, at.next} {
		if path != nil {
			at.fields = append(at.fields, path)
		}
	}
	return *at
}

// parameter reads the parameter that tells pages apart; def where it is not written. None is needed where the payload
// refers to one of parts of page.
func (c *pages) parameter(def string, parts ...string) {
	switch moved := c.payload.uses(parts...) || c.query.uses(parts...); {
	case !c.inQuery && !moved:
		c.Errorf(c.block.DefRange(), "Nothing would change", "Every page would be asked for with the same request: refer to page.%s in %q.", parts[0], c.payload.name)
	case !c.inQuery:
	case moved:
		c.paging.param = c.String("param", "")
	case def == "":
		c.paging.param = c.Required("param")
	default:
		c.paging.param = c.String("param", def)
	}
}

func (c *pages) size() {
	at := &c.paging
	if at.size = c.Int("size", 0, 1, 1<<30); c.inQuery {
		at.sizeParam = c.String("size_param", "")
	}
	switch {
	case (c.payload.uses("size") || c.query.uses("size")) && at.sizeParam == "":
	case c.inQuery && (at.sizeParam == "") != (at.size == 0):
		c.Errorf(c.block.DefRange(), "Incomplete page size", "size_param and size belong together: write both or neither.")
	case !c.inQuery && at.size > 0:
		c.Errorf(c.Range("size"), "Size without effect", "Nothing asks for so many records: refer to page.size in %q, or leave it out.", c.payload.name)
	}
}

// path reads where a value stands beside the records.
func (c *pages) path(name, def string) decode.Path {
	text := c.String(name, def)
	if text == "" {
		return nil
	}
	path, err := decode.ParsePath(text)
	if err != nil {
		c.Errorf(c.Range(name), "Invalid path", "%v.", err)
	}
	c.holds(name, path)
	if err == nil && path == nil {
		c.Errorf(c.Range(name), "Invalid path", "%s names one value beside the records, not the whole body.", name)
	}
	if !c.format.Enveloped() {
		c.Errorf(c.Range(name), "No envelope", `A document of this format has nothing beside its records, so %q cannot be read; leave it out, or use decode "json".`, name)
	}
	return path
}

// knowing is a format that knows of some values that no answer has.
type knowing interface {
	// Misses says in a sentence why answers cannot have a value at a path; empty: they may have one.
	Misses(path decode.Path) string
}

// holds notes a path to what no answer has: without it, the first answer would look like the last.
func (c *pages) holds(name string, path decode.Path) {
	if f, ok := c.format.(knowing); ok {
		if wrong := f.Misses(path); wrong != "" {
			c.Errorf(c.Range(name), "Not asked for", "%s", wrong)
		}
	}
}

// headers reads which headers declare a number that is checked; pages may be empty, where there is no such number.
func (c *pages) headers(total, pages string) {
	read := func(name string, beside decode.Path) string {
		if name == "" {
			return ""
		}
		header := c.String(name, "")
		switch {
		case header == "":
		case beside != nil:
			c.Errorf(c.Range(name), "Declared twice", "The number stands either in the body (%s) or in a header (%s), not both.", strings.TrimSuffix(name, "_header"), name)
		case !httpguts.ValidHeaderFieldName(header):
			c.Errorf(c.Range(name), "Invalid header", "%q is not the name of a header.", header)
		}
		return header
	}
	h := declared{total: read(total, c.paging.total), pages: read(pages, c.paging.pages)}
	if h != (declared{}) {
		c.paging.headers = &h
	}
}

func (c *pages) cursor() {
	at := &c.paging
	if c.Has("next") && c.Has("last") {
		c.Errorf(c.Range("last"), "Two cursors", "The cursor stands either in the body (next) or in the last record (last), not both.")
	}
	_, elements := c.format.(xml.Format)
	members := c.inQuery && !elements // whose names have a tradition
	switch {
	case c.Has("last"):
		last, err := decode.ParsePath(c.Required("last"))
		if err != nil || last == nil {
			c.Errorf(c.Range("last"), "Invalid path", "last names a field of the record, such as \"id\".")
		}
		at.last = last.GJSON()
	case !c.format.Enveloped():
		c.Errorf(c.block.DefRange(), "No envelope", `A document of this format has nothing beside its records: write last, or use decode "json".`)
	case members:
		at.next = c.path("next", "next_cursor")
	default:
		if !c.Has("next") {
			c.Required("next")
		}
		at.next = c.path("next", "")
	}
	at.moreWritten = c.Has("more")
	if at.moreWritten {
		at.more = c.path("more", "")
	} else if members {
		at.more = c.path("more", defaultHas)
	}
}

// relay reads the connection of a GraphQL server: a cursor whose words are given.
func (c *pages) relay() {
	at := &c.paging
	at.kind = byCursor
	c.Required("path")
	before := c.Errors()
	if info := c.path("path", ""); info != nil && c.Errors() == before {
		at.next = append(info[:len(info):len(info)], "endCursor")
		at.more = append(info[:len(info):len(info)], "hasNextPage")
		c.holds("path", at.next)
		c.holds("path", at.more)
	}
	at.moreWritten = true
	if c.payload.relay = c.String("variable", ""); c.payload.relay == "" && !c.payload.uses("cursor") {
		c.Errorf(c.block.DefRange(), "Nothing would change", "Every page would be asked for with the same request: write variable, the name of the variable that takes the cursor, or refer to page.cursor in %q.", c.payload.name)
	}
}
