// Package inbound takes webhooks: it verifies who sent them, keeps them, and only then says so. What they do to a job is
// not its business.
package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/hookbridge/bridge"
)

// Inbox is what a receiver needs of the rest of the bridge.
type Inbox interface {
	// Accept keeps the webhook and everything that follows from it in one commit; duplicate reports that this delivery
	// id was accepted before and has had its effect. body is the webhook's as JSON. A webhook whose state is
	// bridge.InboundFailed could not be decoded: it is kept with its reason, has no body and nothing follows from it.
	// bridge.ErrFull where there is no space to keep it.
	Accept(ctx context.Context, w *bridge.Inbound, body json.RawMessage) (duplicate bool, err error)
}

// Options of New. The zero value is useful.
type Options struct {
	Logger *slog.Logger // nil: discards

	AcceptTimeout time.Duration // for the inbox; default 20s, a little more than senders wait
	Memory        int64         // bytes of bodies held at a time; default 256 MiB. Beyond, clients are sent away
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.AcceptTimeout <= 0 {
		o.AcceptTimeout = 20 * time.Second
	}
	if o.Memory <= 0 {
		o.Memory = 256 << 20
	}
	return o
}

const bodyTimeout = 15 * time.Second // for a client to send a body

// Server answers for all receivers of a bridge. It is a http.Handler for paths that begin with Prefix, to be served by
// itself or by another server.
type Server struct {
	inbox   Inbox
	options Options
	memory  budget
	set     atomic.Pointer[settings]
	setting sync.Mutex // held while set is replaced
}

// settings are what a reload changes.
type settings struct {
	receivers map[string]*receiver
	proxies   []netip.Prefix // whose X-Forwarded-For is believed
}

// receiver is one that is in use.
type receiver struct {
	Receiver
	limit  *rate.Limiter // nil: none
	counts *counts
}

// New makes a server without receivers.
func New(inbox Inbox, options Options) *Server {
	s := &Server{inbox: inbox, options: options.withDefaults()}
	s.memory.left.Store(s.options.Memory)
	s.set.Store(new(settings))
	return s
}

// Set replaces the receivers and the trusted proxies, at once and without an effect on requests under way. Receivers
// that stay keep their counts, and what is left of their rate unless that changed. Where one is wrong nothing changes,
// and the error names every mistake.
func (s *Server) Set(receivers []Receiver, proxies []netip.Prefix) error {
	s.setting.Lock()
	defer s.setting.Unlock()
	before := s.set.Load()
	now := &settings{receivers: make(map[string]*receiver, len(receivers)), proxies: proxies}
	var problems []error
	for _, given := range receivers {
		completed, err := given.complete()
		if err == nil && now.receivers[given.Name] != nil {
			err = errors.New("receiver " + given.Name + " is there twice")
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		r := &receiver{Receiver: completed, limit: completed.limiter(), counts: new(counts)}
		if old := before.receivers[r.Name]; old != nil {
			r.counts = old.counts
			if old.Rate == r.Rate {
				r.limit = old.limit
			}
		}
		now.receivers[r.Name] = r
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	s.set.Store(now)
	return nil
}

// Receiver returns a receiver that is in use, with its defaults filled in.
func (s *Server) Receiver(name string) (Receiver, bool) {
	r := s.set.Load().receivers[name]
	if r == nil {
		return Receiver{}, false
	}
	return r.Receiver, true
}

// Status is what a receiver has done since the process began.
type Status struct {
	Receiver   string           `json:"receiver"`
	Accepted   int64            `json:"accepted"`          // duplicates and undecodable ones included
	Duplicates int64            `json:"duplicates"`        // that had had their effect before
	Failed     int64            `json:"failed"`            // kept, and could not be decoded
	Refused    map[string]int64 `json:"refused,omitempty"` // by why: signature causes, rate, size, busy ...
	Last       time.Time        `json:"last,omitzero"`     // when one was accepted
}

// Status tells of every receiver, by name.
func (s *Server) Status() []Status {
	var all []Status
	for name, r := range s.set.Load().receivers {
		status := r.counts.status()
		status.Receiver = name
		all = append(all, status)
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Receiver, b.Receiver) })
	return all
}

// budget is memory that may still be taken.
type budget struct{ left atomic.Int64 }

func (b *budget) take(n int64) bool {
	if b.left.Add(-n) < 0 {
		b.left.Add(n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.left.Add(n) }

// ServeHTTP answers one webhook.
func (s *Server) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	deadline(w, time.Now().Add(bodyTimeout))
	set := s.set.Load()
	name, _ := strings.CutPrefix(request.URL.Path, Prefix)
	r := set.receivers[name]
	if r == nil || !strings.HasPrefix(request.URL.Path, Prefix) {
		answer{status: http.StatusNotFound, text: "there is no such receiver", last: true}.write(w)
		return
	}
	h := handling{server: s, receiver: r, w: w, request: request, client: client(request, set.proxies)}
	h.handle().write(w)
}
