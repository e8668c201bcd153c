package http

import "strings"

// nextLink finds the target of the link with relation "next" in Link headers (RFC 8288, section 3), as it is written.
// Links that are about another resource (anchor) are passed over. What is malformed ends the header it is in.
func nextLink(headers []string) (string, bool) {
	for _, header := range headers {
		rest := header
		for {
			rest = strings.TrimLeft(rest, " \t,")
			if !strings.HasPrefix(rest, "<") {
				break
			}
			target, after, ok := strings.Cut(rest[1:], ">")
			if !ok {
				break
			}
			var relation, anchor string
			var related, anchored bool
			rest = after
			for {
				rest = strings.TrimLeft(rest, " \t")
				if !strings.HasPrefix(rest, ";") {
					break
				}
				var name, value string
				name, value, rest = parameter(rest[1:])
				switch {
				case name == "rel" && !related: // only the first counts
					relation, related = value, true
				case name == "anchor" && !anchored:
					anchor, anchored = value, true
				}
			}
			if anchor == "" && hasWord(relation, "next") {
				return strings.TrimSpace(target), true
			}
			if rest != "" && rest[0] != ',' {
				break
			}
		}
	}
	return "", false
}

// parameter reads one name[=value] of a link; the value is a token or a quoted string.
func parameter(s string) (name, value, rest string) {
	s = strings.TrimLeft(s, " \t")
	end := strings.IndexAny(s, "=;, \t")
	if end < 0 {
		return strings.ToLower(s), "", ""
	}
	name, s = strings.ToLower(s[:end]), strings.TrimLeft(s[end:], " \t")
	if !strings.HasPrefix(s, "=") {
		return name, "", s
	}
	s = strings.TrimLeft(s[1:], " \t")
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ";, \t")
		if end < 0 {
			end = len(s)
		}
		return name, s[:end], s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return name, b.String(), s[i+1:]
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return name, "", "" // the quote is never closed
}

func hasWord(text, word string) bool {
	for field := range strings.FieldsSeq(text) {
		if strings.EqualFold(field, word) {
			return true
		}
	}
	return false
}
