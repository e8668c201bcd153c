package recipes_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	stripeKey    = "rk_test_51MtHbELkdIwHu7ix"
	stripeSecret = "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH"
)

// stripe follows https://docs.stripe.com/api/events, .../api/pagination and .../webhooks.
func stripe() []recipe {
	env := map[string]string{"STRIPE_KEY": stripeKey}
	hooks := map[string]string{"STRIPE_WEBHOOK_SECRET": stripeSecret}
	events := func() *site {
		return &site{answer: stripeAnswer, records: many(fixture("stripe/events.json")[0], 130, func(i int, r record) {
			r.set(map[string]any{"id": fmt.Sprintf("evt_%06d", i), "created": 1714000000 + 60*i})
		})}
	}
	// Two within a second: the second one is not seen after the first.
	happen := func(s *site) {
		s.add(map[string]any{"id": "evt_900001", "type": "customer.subscription.deleted", "created": 1714100000})
		s.add(map[string]any{"id": "evt_900000", "type": "invoice.payment_failed", "created": 1714100000})
	}
	expire := func(s *site) { s.records = s.records[100:] }
	return []recipe{
		{page: "stripe", block: 0, env: env, taken: 130, short: true, site: events, story: []scene{
			{name: "two events", happens: happen, told: []string{"stripe.customer.subscription.deleted evt_900001", "stripe.invoice.payment_failed evt_900000"}},
			{name: "webhooks of others are delivered", happens: func(s *site) { s.edit("id", "evt_900000", map[string]any{"pending_webhooks": 0}) }},
			{name: "one that becomes visible late", happens: func(s *site) {
				s.add(map[string]any{"id": "evt_900002", "type": "charge.refunded", "created": 1714099700})
			}, told: []string{"stripe.charge.refunded evt_900002"}},
			{name: "thirty days are over", happens: expire, runs: []string{"reconcile", "reconcile"}},
		}},
		{page: "stripe", block: 1, env: env, hooks: hooks, taken: 130, short: true, site: events, story: []scene{
			{name: "a webhook", happens: happen, webhook: func(s *site) *http.Request { return stripeHook(s.find("id", "evt_900000")) },
				told: []string{"stripe.invoice.payment_failed evt_900000"}},
			{name: "the other one is lost", told: []string{"stripe.customer.subscription.deleted evt_900001"}},
			{name: "and comes after all", webhook: func(s *site) *http.Request { return stripeHook(s.find("id", "evt_900001")) }},
			{name: "thirty days are over", happens: expire, runs: []string{"reconcile", "reconcile"}},
		}},
	}
}

func stripeAnswer(s *site, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Request-Id", "req_"+strconv.Itoa(s.answers))
	w.Header().Set("Stripe-Version", "2024-04-10")
	if r.Header.Get("Authorization") != "Bearer "+stripeKey {
		write(w, http.StatusUnauthorized, record{"error": record{"message": "Invalid API Key provided: rk_test_********", "type": "invalid_request_error"}})
		return
	}
	query := r.URL.Query()
	if r.URL.Path != "/v1/events" || !s.only(r, "limit", "starting_after", "created[gte]", "type", "types[]") {
		s.surprise(w, r)
		return
	}
	since := number(r, "created[gte]", 0)
	var records []record
	for _, e := range s.records {
		if created, _ := strconv.Atoi(fmt.Sprint(e["created"])); created >= since {
			records = append(records, e)
		}
	}
	slices.SortStableFunc(records, func(a, b record) int { // the newest first
		return strings.Compare(fmt.Sprint(b["created"]), fmt.Sprint(a["created"]))
	})
	if after := query.Get("starting_after"); after != "" {
		at := slices.IndexFunc(records, func(e record) bool { return e["id"] == after })
		if at < 0 {
			write(w, http.StatusBadRequest, record{"error": record{"code": "resource_missing", "message": "No such event: '" + after + "'",
				"param": "starting_after", "type": "invalid_request_error"}})
			return
		}
		records, s.pages = records[at+1:], 2
	}
	on, last := s.page(records, 1, min(number(r, "limit", 10), 100))
	write(w, http.StatusOK, record{"object": "list", "url": "/v1/events", "has_more": last > 1, "data": list(on)})
}

// stripeHook is a webhook about an event, while others are still to be sent.
func stripeHook(event record) *http.Request {
	event = event.clone()
	event["pending_webhooks"] = 3
	return webhook("stripe", event, func(body string) map[string]string {
		now := time.Now().Unix()
		return map[string]string{"Stripe-Signature": fmt.Sprintf("t=%d,v1=%s", now, hexHMAC(stripeSecret, fmt.Sprintf("%d.%s", now, body)))}
	})
}
