package sql

import (
	"iter"
	"slices"
	"strings"
)

// grammar is what must be known of a database's SQL to tell its words from what is quoted or remarked.
type grammar struct {
	backslash bool   // a backslash escapes in strings
	nested    bool   // comments nest
	hash      bool   // # begins a comment, and -- only before a space
	dollar    bool   // $tag$ … $tag$ is a string, and E'…' one with backslashes
	quotes    string // that enclose names or strings and are doubled inside
	bracket   bool   // [name]
}

// token is a piece of a query that is neither space nor comment. Names and strings in quotes are one token each.
type token struct {
	text       string
	start, end int
}

// parameter is how a query refers to the value of the since block.
const parameter = ":since"

// tokens cuts a query. What is not closed reaches to the end: the server will say so.
func (g grammar) tokens(query string) iter.Seq[token] {
	return func(yield func(token) bool) {
		for i := 0; i < len(query); {
			end, skip := g.next(query, i)
			if !skip && !yield(token{query[i:end], i, end}) {
				return
			}
			i = end
		}
	}
}

// next finds the end of what begins at i, and whether it says nothing.
func (g grammar) next(query string, i int) (end int, skip bool) {
	rest, c := query[i:], query[i]
	switch {
	case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
		return i + 1, true
	case strings.HasPrefix(rest, "--") && (!g.hash || len(rest) == 2 || rest[2] <= ' '), c == '#' && g.hash:
		return upTo(query, i, "\n"), true
	case strings.HasPrefix(rest, "/*"):
		return g.comment(query, i), true
	case g.dollar && (c == 'e' || c == 'E') && len(rest) > 1 && rest[1] == '\'':
		return quoted(query, i+1, '\'', true), false
	case c == '\'':
		return quoted(query, i, c, g.backslash), false
	case strings.IndexByte(g.quotes, c) >= 0:
		return quoted(query, i, c, g.backslash && c == '"'), false
	case c == '[' && g.bracket:
		return quoted(query, i, ']', false), false
	case c == '$' && g.dollar:
		if tag := dollarTag(rest); tag != "" {
			return upTo(query, i+len(tag), tag), false
		}
		return i + 1, false
	case strings.HasPrefix(rest, "::"):
		return i + 2, false
	case strings.HasPrefix(strings.ToLower(rest[:min(len(rest), len(parameter))]), parameter) && (len(rest) == len(parameter) || !wordByte(rest[len(parameter)])):
		return i + len(parameter), false
	case wordByte(c):
		for i++; i < len(query) && (wordByte(query[i]) || query[i] == '$'); i++ {
		}
		return i, false
	}
	return i + 1, false
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '@' || c >= 0x80
}

// upTo is the end of the next mark, or of the query.
func upTo(query string, from int, mark string) int {
	if at := strings.Index(query[from:], mark); at >= 0 {
		return from + at + len(mark)
	}
	return len(query)
}

func (g grammar) comment(query string, i int) int {
	for depth := 0; i < len(query); {
		switch {
		case strings.HasPrefix(query[i:], "/*") && (g.nested || depth == 0):
			depth++
			i += 2
		case strings.HasPrefix(query[i:], "*/"):
			if i += 2; depth == 1 {
				return i
			}
			depth--
		default:
			i++
		}
	}
	return len(query)
}

// quoted is the end of what a quote at i begins and another one ends; two of them stand for one.
func quoted(query string, i int, quote byte, backslash bool) int {
	for i++; i < len(query); i++ {
		switch {
		case backslash && query[i] == '\\':
			i++
		case query[i] == quote && i+1 < len(query) && query[i+1] == quote:
			i++
		case query[i] == quote:
			return i + 1
		}
	}
	return len(query)
}

// dollarTag is the $tag$ that rest begins with; empty where it begins with none.
func dollarTag(rest string) string {
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '$':
			return rest[:i+1]
		case !wordByte(c) || c == '@' || i == 1 && c >= '0' && c <= '9':
			return ""
		}
	}
	return ""
}

// statement is a query, cut where :since stands in it.
type statement []string

// parse cuts a query at every :since. absent reports whether the query says what happens where there is no value: it
// asks whether :since is null, or gives another value for it.
func (g grammar) parse(query string) (s statement, absent bool) {
	from := 0
	var before []string // the words up to here, without parentheses and casts
	for t := range g.tokens(query) {
		if word := strings.ToLower(t.text); word == parameter {
			s = append(s, query[from:t.start])
			from = t.end
			absent = absent || len(before) > 0 && slices.Contains([]string{"coalesce", "ifnull", "isnull", "nvl"}, before[len(before)-1])
			before = append(before, word)
		} else if word != "(" && word != ")" {
			if n := len(before); word == "is" && n > 0 && (before[n-1] == parameter || n > 2 && before[n-3] == parameter && before[n-2] == "::") {
				absent = true
			}
			before = append(before, word)
		}
	}
	return append(s, query[from:]), absent
}

// asks reports whether the query has a :since.
func (s statement) asks() bool { return len(s) > 1 }

// with puts something into the place of each :since.
func (s statement) with(placeholder string) string { return strings.Join(s, placeholder) }

// writing are words that begin what does not read, or that end a transaction. All are reserved in Transact-SQL: a name of
// this spelling has to be quoted there.
var writing = strings.Fields(`alter backup begin bulk checkpoint commit create dbcc deny delete drop exec execute grant
	insert into kill merge restore revert revoke rollback save set shutdown truncate update updatetext use waitfor writetext`)

// reads checks that a query in Transact-SQL is one that only reads. It returns the first word that says otherwise.
func (g grammar) reads(query string) (word string, ok bool) {
	number, held := 0, ""
	for t := range g.tokens(query) {
		lower := strings.ToLower(t.text)
		if number++; number == 1 && lower != "select" && lower != "with" && lower != "(" {
			return t.text, false
		}
		// "merge" is a way to join, too.
		if held != "" && lower != "join" && lower != "union" {
			return held, false
		}
		if held = ""; lower == "merge" {
			held = t.text
		} else if slices.Contains(writing, lower) {
			return t.text, false
		}
	}
	return held, held == "" && number > 0
}
