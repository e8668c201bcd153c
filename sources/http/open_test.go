package http_test

import (
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
)

func TestLinesThatMayHaveBeenCutShortAreNotTaken(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
	for name, test := range map[string]struct{ decode, answer, want string }{
		"half a row":                  {"csv", head + "\r\nid,n\n1,100\n2,1", "does not end with a line break"},
		"half a line":                 {"ndjson", head + "\r\n{\"id\":1}\n22", "does not end with a line break"},
		"a row, by its length":        {"csv", head + "Content-Length: 15\r\n\r\nid,n\n1,100\n2,10", ""},
		"a line, by its line break":   {"ndjson", head + "\r\n{\"id\":1}\n", ""},
		"JSON, which ends by itself":  {"json", head + "\r\n[{\"id\":1}]", ""},
		"a row in UTF-16, with break": {"csv", head + "Content-Type: text/csv; charset=utf-16le\r\n\r\ni\x00d\x00\n\x001\x00\n\x00", ""},
	} {
		server := &canned{answers: map[string][][]byte{"GET /": {[]byte(test.answer)}}}
		s := source(t, newShared(), "url = \""+server.serve(t)+"/\"\ndecode \""+test.decode+"\" {}")
		outcome, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error { return nil })
		switch {
		case test.want == "" && (err != nil || !outcome.Complete):
			t.Errorf("%s: %+v, %v", name, outcome, err)
		case test.want != "" && (err == nil || outcome.Complete || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %+v, %v", name, outcome, err)
		}
	}
}
