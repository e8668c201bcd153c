package http_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
	"github.com/hookbridge/bridge/sources/http"
)

// noon is when these tests happen, by the clock of the source.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// entry is a record of a ledger: what it says, and when it says that it changed.
type entry struct {
	id   int
	rev  int
	when string // raw JSON
}

// ledger is a source that answers, oldest first, with what changed at or after ?since=. It compares text, as a database
// does with its own spelling.
type ledger struct {
	entries []entry
	date    time.Time // its clock; zero: it sends no Date
	perPage int       // 0: everything at once
	meant   func()    // happens after every answer
	log     []string  // of what was asked for
}

func (l *ledger) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	query := r.URL.Query()
	l.log = append(l.log, query.Get("since"))
	w.Header()["Date"] = nil
	if !l.date.IsZero() {
		w.Header().Set("Date", l.date.Format(nethttp.TimeFormat))
	}
	if r.Header.Get("If-None-Match") != "" && query.Has("since") {
		w.WriteHeader(nethttp.StatusTeapot)
	}
	w.Header().Set("ETag", `"same"`)
	var found []entry
	for _, e := range l.entries {
		if strings.Trim(e.when, `"`) >= query.Get("since") {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b entry) int { return cmp.Compare(a.when, b.when) })
	if l.perPage > 0 {
		page, _ := strconv.Atoi(query.Get("page"))
		found = found[min(len(found), (page-1)*l.perPage):min(len(found), page*l.perPage)]
	}
	var items []string
	for _, e := range found {
		items = append(items, fmt.Sprintf(`{"id":%d,"rev":%d,"meta":{"changed.at":%s}}`, e.id, e.rev, e.when))
	}
	fmt.Fprintf(w, "[%s]", strings.Join(items, ","))
	if l.meant != nil {
		l.meant()
	}
}

func (l *ledger) asked() string {
	log := strings.Join(l.log, " ")
	l.log = nil
	return log
}

const incremental = "since {\n param = \"since\"\n value = \"meta.changed\\\\.at\"\n %s\n}"

func (l *ledger) source(t testing.TB, shared *http.Shared, more string) bridge.Source {
	return source(t, shared, fmt.Sprintf("url = %q\n"+incremental, serve(t, l.ServeHTTP), more))
}

// ids are the records of a fetch that went well.
func (f fetched) ids(t testing.TB) string {
	t.Helper()
	if f.Err != nil {
		t.Fatal(f.Err)
	}
	var ids []string
	for _, r := range f.Records {
		var e struct{ ID int }
		if err := json.Unmarshal([]byte(r[strings.IndexByte(r, ' '):]), &e); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, strconv.Itoa(e.ID))
	}
	return strings.Join(ids, " ")
}

// part fails unless the fetch was incremental and showed these records.
func (f fetched) part(t testing.TB, ids string) {
	t.Helper()
	if got := f.ids(t); got != ids {
		t.Errorf("records %q, want %q", got, ids)
	}
	if o := f.Outcome; !o.Incremental || o.Complete || o.NotModified || o.Next == nil {
		t.Errorf("not an incremental fetch: %+v", o)
	}
}

// all fails unless the fetch covered the source and showed these records.
func (f fetched) all(t testing.TB, ids string) {
	t.Helper()
	if got := f.ids(t); got != ids {
		t.Errorf("records %q, want %q", got, ids)
	}
	if o := f.Outcome; o.Incremental || !o.Complete {
		t.Errorf("not a complete fetch: %+v", o)
	}
}

func (l *ledger) expect(t testing.TB, want string) {
	t.Helper()
	if got := l.asked(); got != want {
		t.Errorf("asked since %q, want %q", got, want)
	}
}

func TestSince(t *testing.T) {
	l := &ledger{date: noon, entries: []entry{{1, 1, `"2026-11-21T10:00:00Z"`}, {2, 1, `"2026-11-21T11:00:00Z"`}}}
	s := l.source(t, newShared(), "")
	first := fetch(t, s, nil)
	first.all(t, "1 2")
	l.expect(t, "")

	// The newest, less five minutes: what is equal, or came late, is found.
	l.entries = append(l.entries, entry{3, 1, `"2026-11-21T11:00:00Z"`}, entry{4, 1, `"2026-11-21T10:56:00Z"`})
	second := fetch(t, s, first.Outcome.Next)
	second.part(t, "4 2 3")
	l.expect(t, "2026-11-21T10:55:00Z")

	// Nothing new, not even the records of the overlap: the watermark stays.
	l.entries = l.entries[:1]
	third := fetch(t, s, second.Outcome.Next)
	third.part(t, "")
	if string(third.Outcome.Next) != string(second.Outcome.Next) {
		t.Errorf("%s became %s", second.Outcome.Next, third.Outcome.Next)
	}

	// An older record does not take it back.
	l.entries = append(l.entries, entry{5, 1, `"2026-11-21T10:59:00Z"`})
	fourth := fetch(t, s, third.Outcome.Next)
	fourth.part(t, "5")
	if string(fourth.Outcome.Next) != string(second.Outcome.Next) {
		t.Errorf("%s became %s", second.Outcome.Next, fourth.Outcome.Next)
	}
	l.asked()

	// Whoever relies on nothing reads everything, as a reconciliation does.
	fetch(t, s, nil).all(t, "1 5")
	fetchWith(t.Context(), s, bridge.FetchOptions{From: fourth.Outcome.Next, Unconditional: true}).all(t, "1 5")
	l.expect(t, " ")
}

func TestSinceAsksInTheSpellingOfTheSource(t *testing.T) {
	for _, test := range []struct{ more, value, want string }{
		{``, `"2026-11-21T11:00:00.250+02:00"`, "2026-11-21T10:55:00.250+02:00"},
		{`overlap = "0s"`, `"2026-11-21T11:00:00.2500000Z"`, "2026-11-21T11:00:00.2500000Z"},
		{`overlap = "1h30m"`, `"2026-11-21 11:00"`, "2026-11-21 09:30"},
		{``, `"2026-11-21"`, "2026-11-20"},
		{``, `1795258800`, "1795258500"},
		{``, `"1795258800.5"`, "1795258500.5"},
		{``, `1795258800123`, "1795258500123"},
		// What the parameter takes may be another spelling than that of the records; the initial value shows it.
		{`initial = "2020-01-01T00:00:00Z"`, `1795258800123`, "2026-11-21T10:55:00Z"},
		{`initial = "1577836800"`, `"2026-11-21T11:00:00+00:00"`, "1795258500"},
		{`initial = 1577836800`, `"2026-11-21T11:00:00Z"`, "1795258500"},
		{`initial = "2020-01-01"`, `"2026-11-21T11:00:00Z"`, "2026-11-21"},
		{`initial = "0"`, `1795258800123`, "1795258500123"},
		{`initial = "0"`, `"2026-11-21T11:00:00Z"`, "1795258500"},
		// Nothing before the initial value is ever asked for.
		{"initial = \"2026-11-21T10:58:00Z\"", `"2026-11-21T11:00:00Z"`, "2026-11-21T10:58:00Z"},
	} {
		l := &ledger{date: noon}
		s := source(t, newShared(), fmt.Sprintf("url = %q\n"+incremental, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			l.log = append(l.log, r.URL.Query().Get("since"))
			w.Header().Set("Date", noon.Format(nethttp.TimeFormat))
			fmt.Fprintf(w, `[{"meta":{"changed.at":%s}}]`, test.value)
		}), test.more))
		again := fetch(t, s, fetch(t, s, nil).Outcome.Next)
		if again.Err != nil || !again.Outcome.Incremental || l.log[1] != test.want {
			t.Errorf("%s, value %s: asked since %q, want %q (%v)", test.more, test.value, l.log, test.want, again.Err)
		}
	}
}

func TestInitialBoundsTheWholeSource(t *testing.T) {
	l := &ledger{date: noon, entries: []entry{{1, 1, `"2019-01-01T00:00:00Z"`}, {2, 1, `"2026-11-21T11:00:00Z"`}}}
	s := l.source(t, newShared(), `initial = "2020-01-01T00:00:00Z"`)
	fetch(t, s, fetch(t, s, nil).Outcome.Next).part(t, "2")
	fetch(t, s, nil).all(t, "2")
	l.expect(t, "2020-01-01T00:00:00Z 2026-11-21T10:55:00Z 2020-01-01T00:00:00Z")

	// Another beginning is another source; a since block without one reads the same source as none at all.
	url := `url = "https://x.example.com/?a=b"` + "\n"
	identity := func(more string) string { return source(t, newShared(), url+more).Identity() }
	plain, later, sooner := identity(""), identity(fmt.Sprintf(incremental, `initial = "2020-01-01"`)), identity(fmt.Sprintf(incremental, `initial = "2019-01-01"`))
	if plain == later || later == sooner {
		t.Errorf("initial is no part of the identity: %s, %s, %s", plain, later, sooner)
	}
	if got := identity(fmt.Sprintf(incremental, `overlap = "1h"`)); got != plain {
		t.Errorf("since without initial is another source: %s, %s", got, plain)
	}
}

func TestARecordOf2099DoesNotFreezeTheWatermark(t *testing.T) {
	for _, date := range []time.Time{noon, {}} { // without a Date, our own clock has to do
		now := cmp.Or(date, time.Now().UTC())
		at := func(d time.Duration) string { return strconv.Quote(now.Add(d).Format(time.RFC3339)) }
		l := &ledger{date: date, entries: []entry{{1, 1, at(-time.Hour)}, {2, 1, `"2099-01-01T00:00:00Z"`}}}
		s := l.source(t, newShared(), "")
		first := fetch(t, s, nil)
		first.all(t, "1 2")
		l.entries = append(l.entries, entry{3, 1, at(-time.Minute)})
		second := fetch(t, s, first.Outcome.Next)
		second.part(t, "1 3 2")
		fetch(t, s, second.Outcome.Next).part(t, "3 2")
	}
}

// As far as the overlap a value may be ahead: clocks differ. Beyond, it counts as soon as it is no longer.
func TestAWatermarkMayBeAheadByTheOverlap(t *testing.T) {
	l := &ledger{date: noon, entries: []entry{{1, 1, `"2026-11-21T10:00:00Z"`}, {2, 1, `"2026-11-21T12:05:00Z"`}, {3, 1, `"2026-11-21T12:05:01Z"`}}}
	s := l.source(t, newShared(), "")
	next := fetch(t, s, nil).Outcome.Next
	l.date = noon.Add(time.Second)
	next = fetch(t, s, next).Outcome.Next
	fetch(t, s, next).part(t, "2 3")
	l.expect(t, " 2026-11-21T12:00:00Z 2026-11-21T12:00:01Z")
}

// A source whose clock was far ahead for one answer must not be frozen by what that answer let through.
func TestAWatermarkThatCannotBeIsGivenUp(t *testing.T) {
	l := &ledger{date: noon.AddDate(80, 0, 0), entries: []entry{{1, 1, `"2026-11-21T10:00:00Z"`}, {2, 1, `"2099-01-01T00:00:00Z"`}}}
	s := l.source(t, newShared(), "")
	first := fetch(t, s, nil)
	l.date = noon
	again := fetch(t, s, first.Outcome.Next)
	again.all(t, "1 2")
	l.expect(t, " 2098-12-31T23:55:00Z ")
	if again.Outcome.Pages != 2 {
		t.Errorf("%d answers are counted, want both", again.Outcome.Pages)
	}
	fetch(t, s, again.Outcome.Next).part(t, "1 2")
}

func TestAWatermarkOfAnotherFieldMeansNothing(t *testing.T) {
	l := &ledger{date: noon, entries: []entry{{1, 1, `"2026-11-21T10:00:00Z"`}, {2, 1, `"2026-11-21T11:00:00Z"`}}}
	address := serve(t, l.ServeHTTP)
	block := "url = %q\nsince {\n param = \"%s\"\n value = \"meta.changed\\\\.at\"\n %s\n}"
	next := fetch(t, source(t, newShared(), fmt.Sprintf(block, address, "since", "")), nil).Outcome.Next
	fetch(t, source(t, newShared(), fmt.Sprintf(block, address, "since", `overlap = "1m"`)), next).part(t, "2")
	fetch(t, source(t, newShared(), fmt.Sprintf(block, address, "after", "")), next).all(t, "1 2")
	fetch(t, source(t, newShared(), fmt.Sprintf(block, address, "since", `initial = "2020-01-01"`)), next).all(t, "1 2")
	fetch(t, source(t, newShared(), fmt.Sprintf("url = %q", address)), next).all(t, "1 2") // the block is gone
	for _, from := range []string{"http since 1\n", "http since 2\nx\t2026-11-21\n", strings.TrimSuffix(string(next), "2026-11-21T11:00:00Z\n")} {
		fetch(t, source(t, newShared(), fmt.Sprintf(block, address, "since", "")), bridge.Checkpoint(from)).all(t, "1 2")
	}
}

// As long as there is no watermark, a source is an ordinary one: nothing, or the same, is recognised as that.
func TestASourceWithoutAWatermarkIsAnOrdinaryOne(t *testing.T) {
	var logged strings.Builder
	l := &ledger{date: noon}
	s := l.source(t, http.NewShared(slog.New(slog.NewTextHandler(&logged, nil)), "", nil), "")
	empty := fetch(t, s, nil)
	empty.all(t, "")
	again := fetch(t, s, empty.Outcome.Next)
	if !again.Outcome.NotModified || !again.Outcome.Complete {
		t.Errorf("%+v", again.Outcome)
	}
	if logged.Len() > 0 {
		t.Errorf("logged %s", logged.String())
	}
	l.entries = []entry{{1, 1, `"2099-01-01T00:00:00Z"`}}
	ahead := fetch(t, s, again.Outcome.Next)
	ahead.all(t, "1")
	l.entries[0].rev = 2
	fetch(t, s, ahead.Outcome.Next).all(t, "1")
	if n := strings.Count(logged.String(), "later than the source's own clock"); n != 1 {
		t.Errorf("%d warnings: %s", n, logged.String())
	}
}

func TestValuesThatAreNoTimes(t *testing.T) {
	for value, found := range map[string]string{
		`null`: "null", `"soon"`: `\"soon\"`, `{"at":1}`: `{\"at\":1}`, `""`: `\"\"`, `true`: "true", `20261121`: "20261121", `-1`: "-1",
		`"0001-01-01T00:00:00Z"`: "0001-01-01", `"S3CRET-TOKEN"`: "(secret)", `"\u0007` + strings.Repeat("x", 1000) + `"`: `\u2026`,
	} {
		l := &ledger{date: noon, entries: []entry{{1, 1, value}, {2, 1, value}}}
		s := source(t, newShared(), fmt.Sprintf("url = %q\nauth \"bearer\" { token = secret.token }\n"+incremental, serve(t, l.ServeHTTP), ""))
		fetch(t, s, nil).wantError(t, "source.http: none of the 2 records has a time at ", "which since needs; the last one has", found)

		// One that has is enough, and of what has changed nothing is demanded: it moves no watermark.
		l.entries[0].when = `"2026-11-21T11:00:00Z"`
		first := fetch(t, s, nil)
		first.all(t, first.ids(t))
		l.entries = []entry{{2, 1, `"zzz"`}}
		fetch(t, s, first.Outcome.Next).part(t, "2")
	}
	s := source(t, newShared(), fmt.Sprintf("url = %q\n"+incremental, serve(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		fmt.Fprint(w, `[{"id":1},2,[3],"4"]`)
	}), ""))
	fetch(t, s, nil).wantError(t, "none of the 4 records has a time", "nothing there")
}

// Some say that nothing changed by 204. At a fetch of everything it still says nothing at all.
func TestNothingChangedMayBeNoContent(t *testing.T) {
	for _, paging := range []string{``, `pagination "page" {}`, "pagination \"cursor\" {\n param = \"c\"\n}", `pagination "link" {}`} {
		status := 200
		s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"json\" { items = \"data\" }\n%s\n"+incremental, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Date", noon.Format(nethttp.TimeFormat))
			if w.WriteHeader(status); status == 200 && (r.URL.Query().Get("page") == "" || r.URL.Query().Get("page") == "1") {
				fmt.Fprint(w, `{"data":[{"id":1,"meta":{"changed.at":"2026-11-21T11:00:00Z"}}]}`)
			} else if status == 200 {
				fmt.Fprint(w, `{"data":[]}`)
			}
		}), paging, ""))
		first := fetch(t, s, nil)
		first.all(t, "1")
		status = 204
		again := fetch(t, s, first.Outcome.Next)
		again.part(t, "")
		if string(again.Outcome.Next) != string(first.Outcome.Next) {
			t.Errorf("%s became %s", first.Outcome.Next, again.Outcome.Next)
		}
		fetch(t, s, nil).wantError(t, "answered 204 No Content")
	}
}

// A total that changes while we read says that records moved: some may have escaped us, so the watermark stays.
func TestAnUnstableIncrementalFetchKeepsItsWatermark(t *testing.T) {
	total := 2
	s := source(t, newShared(), fmt.Sprintf("url = %q\ndecode \"json\" { items = \"data\" }\npagination \"page\" { total = \"total\" }\n"+incremental, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Date", noon.Format(nethttp.TimeFormat))
		page := r.URL.Query().Get("page")
		fmt.Fprintf(w, `{"total":%d,"data":[{"id":%s,"meta":{"changed.at":"2026-11-21T0%s:00:00Z"}}]}`, total, page, page)
		if r.URL.Query().Has("since") && page == "1" {
			total++
		}
	}), ""))
	first := fetch(t, s, nil)
	first.all(t, "1 2")
	again := fetch(t, s, first.Outcome.Next)
	again.part(t, "1 2 3")
	if again.Outcome.Stable || string(again.Outcome.Next) != string(first.Outcome.Next) {
		t.Errorf("%+v; the watermark was %s", again.Outcome, first.Outcome.Next)
	}
}

func TestTheWatermarkIsTraced(t *testing.T) {
	l := &ledger{date: noon, entries: []entry{{1, 1, `"2026-11-21T11:00:00Z"`}}}
	s := l.source(t, newShared(), "")
	first := fetch(t, s, nil)
	var lines []string
	ctx := sources.WithTrace(t.Context(), func(line string) { lines = append(lines, line) })
	fetchWith(ctx, s, bridge.FetchOptions{From: first.Outcome.Next})
	if len(lines) != 2 || lines[0] != `asks for what changed since the watermark 2026-11-21T11:00:00Z, less 5m0s` {
		t.Errorf("%q", lines)
	}
}

func TestAFailedFetchMovesNoWatermark(t *testing.T) {
	fail := false
	s := source(t, newShared(), fmt.Sprintf("url = %q\nretries = 0\npagination \"page\" {}\n"+incremental, serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		switch page := r.URL.Query().Get("page"); {
		case page == "1":
			fmt.Fprint(w, `[{"id":1,"meta":{"changed.at":"2026-11-21T11:00:00Z"}}]`)
		case fail:
			w.WriteHeader(500)
		default:
			fmt.Fprint(w, `[]`)
		}
	}), ""))
	first := fetch(t, s, nil)
	fail = true
	again := fetch(t, s, first.Outcome.Next)
	again.wantError(t, "page 2: answered 500")
	if again.Outcome.Next != nil {
		t.Errorf("a failed fetch leaves %s", again.Outcome.Next)
	}
}
