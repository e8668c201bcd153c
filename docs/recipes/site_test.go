package recipes_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// record is one thing that an API lists.
type record map[string]any

// site is an API: its records in the order it lists them, and how it answers.
type site struct {
	answer func(s *site, w http.ResponseWriter, r *http.Request) // under mu

	one       string     // how the paths of single records begin
	lists     sync.Mutex // held while nobody may read a list
	mu        sync.Mutex
	records   []record
	pages     int      // the last page that was read of any list
	answers   int      // since somebody set it to 0
	unchanged int      // of them 304
	expired   bool     // the credentials are no longer good
	broken    bool     // it answers with errors
	between   func()   // happens once, between a first page and the second
	surprises []string // requests that nobody should make
	server    *httptest.Server
}

func (s *site) serve(t *testing.T) {
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
}

func (s *site) address(t *testing.T) *url.URL {
	u, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.one == "" || !strings.HasPrefix(r.URL.Path, s.one) {
		s.lists.Lock()
		defer s.lists.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers++
	if s.between != nil && r.URL.Query().Get("page") == "2" {
		s.between()
		s.between = nil
	}
	s.answer(s, w, r)
}

func (s *site) locked(do func(*site)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s)
}

// surprise notes a request that the documentation has no answer for.
func (s *site) surprise(w http.ResponseWriter, r *http.Request) {
	s.surprises = append(s.surprises, r.Method+" "+r.URL.String())
	w.WriteHeader(http.StatusNotFound)
}

// only reports whether a request has no other parameters than these.
func (s *site) only(r *http.Request, names ...string) bool {
	for name := range r.URL.Query() {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// fixture reads records out of testdata/recipes.
func fixture(name string) []record {
	data, err := os.ReadFile("../../testdata/recipes/" + name)
	if err != nil {
		panic(err)
	}
	var records []record
	decode(data, &records)
	return records
}

func decode(data []byte, into any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		panic(err)
	}
}

// many makes n records after the example of the first.
func many(example record, n int, each func(i int, r record)) []record {
	records := make([]record, n)
	for i := range records {
		records[i] = example.clone()
		each(i, records[i])
	}
	return records
}

func (r record) clone() (c record) {
	data, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	decode(data, &c)
	return c
}

// set sets members, and members of members: "fields.summary".
func (r record) set(values map[string]any) {
	for path, value := range values {
		names := strings.Split(path, ".")
		at := map[string]any(r)
		for _, name := range names[:len(names)-1] {
			at = at[name].(map[string]any)
		}
		at[names[len(names)-1]] = value
	}
}

// edit changes the record whose member id has this value.
func (s *site) edit(id, value string, values map[string]any) { s.find(id, value).set(values) }

func (s *site) find(id, value string) record {
	at := s.index(id, value)
	if at < 0 {
		panic(fmt.Sprintf("no record has %s %s", id, value))
	}
	return s.records[at]
}

func (s *site) index(id, value string) int {
	return slices.IndexFunc(s.records, func(r record) bool { return fmt.Sprint(r[id]) == value })
}

func (s *site) remove(id, value string) {
	at := s.index(id, value)
	s.records = slices.Delete(s.records, at, at+1)
}

// add puts a copy of the last record, with other values, at the end.
func (s *site) add(values map[string]any) {
	r := s.records[len(s.records)-1].clone()
	r.set(values)
	s.records = append(s.records, r)
}

// since are the records whose member is a time at or after another; all without one.
func (s *site) since(member, from string) []record {
	if from == "" {
		return slices.Clone(s.records)
	}
	var found []record
	for _, r := range s.records {
		if !moment(r[member].(string)).Before(moment(from)) {
			found = append(found, r)
		}
	}
	return found
}

func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

// page cuts one page out of a list; a page beyond the last is empty.
func (s *site) page(records []record, number, size int) (on []record, last int) {
	s.pages = max(s.pages, number)
	from := min((number-1)*size, len(records))
	return records[from:min(from+size, len(records))], max(1, (len(records)+size-1)/size)
}

// number reads a parameter that is a number.
func number(r *http.Request, name string, without int) int {
	text := r.URL.Query().Get(name)
	if text == "" {
		return without
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		panic(fmt.Sprintf("%s is %q", name, text))
	}
	return n
}

// write answers with JSON.
func write(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// list makes an empty list an empty array.
func list(records []record) []record { return append([]record{}, records...) }

// linked is the address of the request with other parameters, as the API itself would write it.
func linked(r *http.Request, path string, parameters map[string]string) string {
	query := r.URL.Query()
	for name, value := range parameters {
		query.Set(name, value)
	}
	return "https://" + r.Host + path + "?" + query.Encode()
}

// webhook is a POST of JSON, as the API sends it; sign gives its headers.
func webhook(receiver string, body any, sign func(body string) map[string]string) *http.Request {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r, err := http.NewRequest(http.MethodPost, "http://bridge.example.com/in/"+receiver, bytes.NewReader(data))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range sign(string(data)) {
		r.Header.Set(name, value)
	}
	return r
}

// hexHMAC is HMAC-SHA256 in hexadecimal.
func hexHMAC(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}
