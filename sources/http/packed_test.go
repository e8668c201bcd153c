package http_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
)

func zipped(t *testing.T, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		member, err := w.Create(pairs[i])
		if err == nil {
			_, err = io.WriteString(member, pairs[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// answers serves one body as a file to be downloaded.
func answers(t *testing.T, body []byte) string {
	return serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(body)
	})
}

func TestFilesThatArePacked(t *testing.T) {
	table := "id;name\n0012;Köln\n"
	long := "id;name\n" + strings.Repeat("1;"+strings.Repeat("x", 990)+"\n", 2000) // 2 MB
	for _, test := range []struct {
		name, block string
		body        []byte
		want        []string
		failure     string
	}{
		{"not packed", ``, []byte(table), []string{`1.1 {"id":"0012","name":"Köln"}`}, ""},
		{"gzip", ``, gzipped(table), []string{`1.1 {"id":"0012","name":"Köln"}`}, ""},
		{"gzip in two members", ``, append(gzipped("id;na"), gzipped("me\n1;a\n")...), []string{`1.1 {"id":"1","name":"a"}`}, ""},
		{"zip", ``, zipped(t, "orders.csv", table), []string{`1.1 {"id":"0012","name":"Köln"}`}, ""},
		{"zip of several, in the order of names", ``, zipped(t, "b.csv", "id;name\n2;b\n", "a.csv", "id;name\n1;a\n3;c\n", "x/", ""),
			[]string{`1.1 {"id":"1","name":"a"}`, `1.2 {"id":"3","name":"c"}`, `1.3 {"id":"2","name":"b"}`}, ""},
		{"members picked", `members = "*.csv"`, zipped(t, "a.csv", "id;name\n1;a\n", "readme.txt", "hello"), []string{`1.1 {"id":"1","name":"a"}`}, ""},

		{"gzip cut short", ``, gzipped(table)[:30], nil, "the gzip data ends too early: unexpected EOF (status 200, application/octet-stream, "},
		{"zip cut short", ``, zipped(t, "a.csv", table)[:60], nil, "the zip is damaged or cut short"},
		{"a member that cannot be read", ``, zipped(t, "a.csv", table, "b.csv", "id;name\n1\n"), nil, "b.csv: the body is not valid CSV (at line 2, column 2): the row has 1 of 2 cells (status 200"},
		{"no such member", `members = "*.json"`, zipped(t, "a.csv", table), nil, `no member of the zip matches members = "*.json"`},
		{"gzip that is too large", `max_body = 100000`, gzipped(long), nil, "holds more than max_body (97.66 KiB) when it is unpacked; raise it if that is right"},
		{"zip that is too large", `max_body = 1000000`, zipped(t, "a.csv", long), nil, "holds more than max_body (976.6 KiB) when it is unpacked"},
		{"zip that is too large as it is", `max_body = 100`, zipped(t, "a.csv", table), nil, "the answer is larger than max_body (100 bytes)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"csv\" { delimiter = \";\" }\n%s", answers(t, test.body), test.block))
			got := fetch(t, s, nil)
			if test.failure != "" {
				got.wantError(t, "source.http: "+test.failure)
				return
			}
			got.want(t, test.want...)
			if again := fetch(t, s, got.Outcome.Next); !again.Outcome.NotModified || again.Records != nil {
				t.Errorf("the same bytes are not the same: %+v", again)
			}
		})
	}
}

func TestLargeFilesThatArePacked(t *testing.T) {
	var table strings.Builder
	table.WriteString("id,x\n")
	for i := range 20_000 {
		fmt.Fprintf(&table, "%d,%x%x\n", i, i*i*i*7919, i*7907*i)
	}
	stored := func() []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, name := range []string{"a.csv", "b.csv"} {
			member, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
			if err == nil {
				_, err = io.WriteString(member, table.String())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}()
	if len(stored) < 600<<10 {
		t.Fatalf("only %d bytes", len(stored))
	}
	s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"csv\" {}", answers(t, stored)))
	got := fetch(t, s, nil)
	if got.Err != nil || len(got.Records) != 40_000 || !got.Outcome.Complete || got.Outcome.Bytes < int64(2*table.Len()) {
		t.Errorf("%d records, %+v, %v", len(got.Records), got.Outcome, got.Err)
	}

	mine := errors.New("mine")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := s.Fetch(ctx, bridge.FetchOptions{}, func(r bridge.Record) error {
		if r.Item == 25_000 {
			cancel(mine)
		}
		return nil
	})
	if !errors.Is(err, mine) {
		t.Errorf("cancelled in the middle: %v", err)
	}
	if _, err := s.Fetch(t.Context(), bridge.FetchOptions{}, func(bridge.Record) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("emit's error came back as %v", err)
	}
}

func TestWhatStandsBesideTheRecordsOfAZip(t *testing.T) {
	page := func(records, total string) string { return fmt.Sprintf(`{"data":[%s],"total":%s}`, records, total) }
	block := "url = %q\ndecode \"json\" { items = \"data\" }\npagination \"offset\" { total = \"total\" }\n"
	one := answers(t, zipped(t, "a.json", page("1,2", "2")))
	fetch(t, source(t, newShared(), fmt.Sprintf(block, one)), nil).want(t, "1.1 1", "1.2 2")
	two := answers(t, zipped(t, "a.json", page("1", "2"), "b.json", page("2", "1")))
	fetch(t, source(t, newShared(), fmt.Sprintf(block, two)), nil).
		wantError(t, "page 1: the zip has 2 members, but what stands beside the records is wanted of one document; members = … picks one")
	fetch(t, source(t, newShared(), fmt.Sprintf(block+`members = "b.json"`, two)), nil).want(t, "1.1 2")
}

func TestMembersArePartOfTheIdentity(t *testing.T) {
	all := source(t, newShared(), `url = "http://x/a.zip"`)
	some := source(t, newShared(), "url = \"http://x/a.zip\"\nmembers = \"*.csv\"")
	if all.Identity() == some.Identity() || !strings.Contains(some.Identity(), "members *.csv") {
		t.Errorf("%s\n%s", all.Identity(), some.Identity())
	}
	body, ctx := parse(t, "url = \"http://x\"\nmembers = \"[\"")
	if _, diags := newShared().Decode(body, ctx, ""); !strings.Contains(diags.Error(), "Invalid pattern") {
		t.Errorf("%v", diags)
	}
}
