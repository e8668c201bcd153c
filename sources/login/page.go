package login

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
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

// isPage reports whether that is how a web page begins, be it called whatever: old servers call JSON text/html, too.
func isPage(start []byte) bool {
	for z := html.NewTokenizer(bytes.NewReader(start)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.TextToken:
			if len(bytes.Trim(z.Text(), " \t\r\n\f\ufeff")) > 0 {
				return false
			}
		case html.DoctypeToken:
			return strings.HasPrefix(strings.ToLower(z.Token().Data), "html")
		case html.StartTagToken:
			switch z.Token().Data {
			case "html", "head", "body", "title", "meta", "script", "form":
				return true
			}
			return false
		}
	}
}

// beginning is how the body of an answer begins, which is still read in full by others.
func beginning(resp *http.Response) []byte {
	r := bufio.NewReader(resp.Body)
	_, _ = r.Peek(1)
	start, _ := r.Peek(r.Buffered())
	resp.Body = struct {
		io.Reader
		io.Closer
	}{r, resp.Body}
	if unzip, err := gzip.NewReader(bytes.NewReader(start)); err == nil {
		plain := make([]byte, len(start))
		n, _ := io.ReadFull(unzip, plain) // it may end anywhere
		return plain[:n]
	}
	return start
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
