package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/hookbridge/bridge/signature"
)

// receiver verifies webhooks and tells arrived about each. It is what listen and demo receive with.
type receiver struct {
	keys     []signature.Key
	path     string  // empty: any
	failRate float64 // share of good webhooks that are refused on purpose
	arrived  func(arrival)

	mu   sync.Mutex
	seen recent
}

// arrival is a webhook as it came in, and what was answered.
type arrival struct {
	At        time.Time       `json:"at"`
	Answer    int             `json:"answer"`
	Verified  bool            `json:"verified"`
	Problem   string          `json:"problem,omitempty"`
	ID        string          `json:"id"`
	Again     bool            `json:"again,omitempty"`  // this id was answered 2xx before
	Replay    bool            `json:"replay,omitempty"` // sent outside the order
	Type      string          `json:"type,omitempty"`
	Timestamp time.Time       `json:"timestamp,omitzero"`
	Job       string          `json:"job,omitempty"`
	Key       string          `json:"key,omitempty"`
	Sequence  int64           `json:"sequence,omitempty"`
	Origin    string          `json:"origin,omitempty"`
	Changed   []string        `json:"changed,omitempty"`
	Body      json.RawMessage `json:"body,omitempty"`

	raw []byte
}

const maxWebhook = 16 << 20

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost || r.path != "" && request.URL.Path != r.path {
		http.Error(w, "webhooks come as POST to "+cmp.Or(r.path, "any path"), http.StatusNotFound)
		return
	}
	a := arrival{At: time.Now(), Answer: http.StatusOK, ID: request.Header.Get("Webhook-Id"), Replay: request.Header.Get("Hookbridge-Replay") == "1"}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxWebhook))
	switch {
	case err != nil:
		a.Answer, a.Problem = http.StatusBadRequest, "the body could not be read: "+err.Error()
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			a.Answer = http.StatusRequestEntityTooLarge
		}
	default:
		if err := signature.Verify(r.keys, request.Header, body, a.At); err != nil {
			a.Answer, a.Problem = http.StatusUnauthorized, err.Error()
			break
		}
		a.Verified = true
		a.read(request.Header, body)
		if r.failRate > 0 && rand.Float64() < r.failRate {
			a.Answer, a.Problem = http.StatusServiceUnavailable, "refused on purpose (--fail-rate)"
		}
	}
	r.mu.Lock()
	a.Again = r.seen.has(a.ID)
	if a.Answer == http.StatusOK {
		r.seen.add(a.ID)
	}
	r.arrived(a)
	r.mu.Unlock()
	w.WriteHeader(a.Answer)
}

// read takes what there is to say from the envelope, or from the headers where the body is the record alone.
func (a *arrival) read(header http.Header, body []byte) {
	a.raw = body
	if json.Valid(body) {
		a.Body = body
	}
	var envelope struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      struct {
			Job      string   `json:"job"`
			Key      string   `json:"key"`
			Sequence int64    `json:"sequence"`
			Origin   string   `json:"origin"`
			Changed  []string `json:"changed"`
		} `json:"data"`
	}
	_ = json.Unmarshal(body, &envelope) // a job's own data may have any shape; what does not fit stays empty
	a.Type, a.Timestamp = envelope.Type, envelope.Timestamp
	a.Job, a.Key, a.Sequence = envelope.Data.Job, envelope.Data.Key, envelope.Data.Sequence
	a.Origin, a.Changed = envelope.Data.Origin, envelope.Data.Changed
	if job := unescape(header.Get("Hookbridge-Job")); job != "" {
		a.Job, a.Key = job, unescape(header.Get("Hookbridge-Key"))
		a.Sequence, _ = strconv.ParseInt(header.Get("Hookbridge-Sequence"), 10, 64)
		a.Origin = unescape(header.Get("Hookbridge-Origin"))
	}
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// recent remembers the last ids that were accepted.
type recent struct {
	ids  map[string]bool
	ring []string
	next int
}

const remembered = 10_000

func (r *recent) has(id string) bool { return r.ids[id] }

func (r *recent) add(id string) {
	if r.ids == nil {
		r.ids, r.ring = make(map[string]bool), make([]string, remembered)
	}
	if r.ids[id] {
		return
	}
	delete(r.ids, r.ring[r.next])
	r.ids[id], r.ring[r.next] = true, id
	r.next = (r.next + 1) % remembered
}
