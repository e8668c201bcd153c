package daemon

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// shelf is one list of the legacy system of the model test. It answers whole (/list) or in pages (/list?page=1&size=3),
// remembers what it has shown, and fails and moves on demand.
type shelf struct {
	mu      sync.Mutex
	records []string // the truth: bodies in order
	etag    bool
	failure string // how answers fail from page failAt on; empty: not at all
	failAt  int
	move    func(page int) // changes the records between two answers; called with mu held

	scans  []scan // shown since the last look, one for each time it was read from its beginning
	failed bool   // an answer was not worth reading
}

// scan is one reading of a shelf from its beginning: what stood on each page, and the number of records it declared.
type scan struct {
	pages  [][]string
	totals []int
}

// failures are the ways an answer can be no answer. The last two are answers with a bad record.
var failures = []string{"500", "reset", "cut", "garbage", "html", "nothing", "tail", "object", "nameless", "double"}

// shown returns what was shown since the last look, and whether an answer failed.
func (s *shelf) shown() ([]scan, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	scans, failed := s.scans, s.failed
	s.scans, s.failed = nil, false
	return scans, failed
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("size"))
	items := s.records
	if page > 0 {
		items = items[min(len(items), (page-1)*size):min(len(items), page*size)]
	}
	failure := s.failure
	if page < s.failAt {
		failure = ""
	}
	switch failure {
	case "":
	case "nameless", "double":
		if len(items) > 0 && (page == 0 || page == s.failAt) { // on every page it would be paging without end
			items = append(items[:len(items):len(items)], map[string]string{"nameless": `{"r":"a"}`, "double": items[0]}[failure])
		}
	default:
		s.failed = true
	}
	if page <= 1 {
		s.scans = append(s.scans, scan{})
	}
	now := &s.scans[len(s.scans)-1]
	now.pages = append(now.pages, append([]string{}, items...))
	now.totals = append(now.totals, len(s.records))
	body := fmt.Sprintf(`{"total":%d,"items":[%s]}`, len(s.records), strings.Join(items, ", "))
	if s.move != nil {
		s.move(page)
	}
	etag := s.etag
	s.mu.Unlock()
	answer(w, r, body, failure, etag)
}

func answer(w http.ResponseWriter, r *http.Request, body, failure string, etag bool) {
	switch failure {
	case "500":
		http.Error(w, body, http.StatusInternalServerError)
		return
	case "reset":
		panic(http.ErrAbortHandler)
	case "cut":
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write([]byte(body[:len(body)-1]))
		panic(http.ErrAbortHandler)
	case "garbage":
		body = body[:len(body)-2]
	case "html":
		body = "<html>please log in</html>"
	case "nothing":
		body = ""
	case "tail":
		body += "}"
	case "object":
		body = `{"total":0,"items":{}}`
	}
	if etag && failure == "" {
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(body)))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(body))
}
