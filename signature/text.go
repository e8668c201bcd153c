package signature

import (
	"fmt"
	"strings"
)

// Places of a template.
const (
	placeID     = "{id}"
	placeTime   = "{ts}"
	placeBody   = "{body}"
	placeURL    = "{url}"
	placeMethod = "{method}"
)

// template is what is signed: literals and places, cut where the body goes, so that a body is never copied.
type template struct{ head, tail []string }

// text is a template filled in.
type text struct{ head, body, tail []byte }

// values fill the places of a template, all but the body.
type values struct{ id, time, url, method string }

func parseTemplate(source string) (template, error) {
	var t template
	side := &t.head
	bodies := 0
	for rest := source; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			*side = append(*side, rest)
			break
		}
		if open > 0 {
			*side = append(*side, rest[:open])
		}
		end := strings.IndexByte(rest[open:], '}')
		if end < 0 {
			return t, fmt.Errorf("what is signed, %q, has a { that is not closed", source)
		}
		switch place := rest[open : open+end+1]; place {
		case placeBody:
			bodies++
			side = &t.tail
		case placeID, placeTime, placeURL, placeMethod:
			*side = append(*side, place)
		default:
			return t, fmt.Errorf("what is signed, %q, has no place %s; use {id}, {ts}, {body}, {url} or {method}", source, place)
		}
		rest = rest[open+end+1:]
	}
	if bodies != 1 {
		return t, fmt.Errorf("what is signed, %q, must hold {body} once", source)
	}
	return t, nil
}

func (t template) uses(place string) bool {
	for _, side := range [...][]string{t.head, t.tail} {
		for _, piece := range side {
			if piece == place {
				return true
			}
		}
	}
	return false
}

func (t template) fill(v values, body []byte) text {
	return text{v.fill(t.head), body, v.fill(t.tail)}
}

func (v values) fill(pieces []string) []byte {
	if len(pieces) == 0 {
		return nil
	}
	out := make([]byte, 0, 64)
	for _, piece := range pieces {
		switch piece {
		case placeID:
			piece = v.id
		case placeTime:
			piece = v.time
		case placeURL:
			piece = v.url
		case placeMethod:
			piece = v.method
		}
		out = append(out, piece...)
	}
	return out
}

// whole is the text in one piece, for schemes that cannot take it in parts.
func (t text) whole() []byte {
	out := make([]byte, 0, len(t.head)+len(t.body)+len(t.tail))
	out = append(out, t.head...)
	out = append(out, t.body...)
	return append(out, t.tail...)
}
