package login

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
)

// hiddenField finds the value of an input by its name in a web page.
func hiddenField(page []byte, name string) (value string, found bool) {
	inputs(page, func(field map[string]string) bool {
		if field["name"] == name {
			value, found = field["value"], true
		}
		return !found
	})
	return value, found
}

// asksForPassword reports whether a page has a field for one: then it is a login page.
func asksForPassword(page []byte) (found bool) {
	inputs(page, func(field map[string]string) bool {
		found = strings.EqualFold(field["type"], "password")
		return !found
	})
	return found
}

// inputs shows the attributes of each input of a page, until use returns false.
func inputs(page []byte, use func(map[string]string) bool) {
	for z := html.NewTokenizer(bytes.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			if token.Data != "input" {
				continue
			}
			field := map[string]string{}
			for _, a := range token.Attr {
				field[a.Key] = a.Val
			}
			if !use(field) {
				return
			}
		}
	}
}
