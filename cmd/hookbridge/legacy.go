package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hookbridge/bridge"
)

// legacy is the demo's system: an API over orders and customers that change by themselves, and over shipments that have
// webhooks as well.
type legacy struct {
	mu        sync.Mutex
	orders    []order
	customers []customer
	shipments []shipment
	lastOrder int
	lastUser  int
}

type order struct {
	ID        int         `json:"id"`
	Status    string      `json:"status"`
	Customer  int         `json:"customer"`
	Total     json.Number `json:"total"`
	FetchedAt time.Time   `json:"fetched_at"` // differs in every answer, as such fields do
	Lines     []orderLine `json:"lines"`
}

type orderLine struct {
	Article  string `json:"article"`
	Quantity int    `json:"quantity"`
}

type customer struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	City  string `json:"city"`
	Email string `json:"email"`
}

// legacyChange is one thing that happened in the legacy system.
type legacyChange struct {
	op    bridge.Op
	job   string
	key   string
	words string
}

var (
	statuses = []string{"open", "paid", "packed", "shipped"}
	articles = []string{"anvil", "bellows", "chisel", "dowel", "escapement", "ferrule"}
	names    = []string{"Ada Byron", "Blaise Pascal", "Charles Babbage", "Grace Murray", "Herman Hollerith", "Konrad Zuse"}
	cities   = []string{"Aachen", "Bergen", "Cork", "Delft", "Espoo", "Faro", "Gdańsk"}
)

func newLegacy() *legacy {
	l := &legacy{lastOrder: 1000}
	for range 8 {
		l.addOrder()
	}
	for range 5 {
		l.addCustomer()
	}
	for range someShipments {
		l.addShipment()
	}
	return l
}

func (l *legacy) addOrder() order {
	l.lastOrder++
	o := order{ID: l.lastOrder, Status: statuses[0], Customer: 1 + rand.IntN(5), Lines: []orderLine{{pick(articles), 1 + rand.IntN(4)}}}
	o.price()
	l.orders = append(l.orders, o)
	return o
}

func (l *legacy) addCustomer() customer {
	name := names[l.lastUser%len(names)]
	l.lastUser++
	first, _, _ := strings.Cut(strings.ToLower(name), " ")
	c := customer{ID: l.lastUser, Name: name, City: pick(cities), Email: first + "@example.com"}
	l.customers = append(l.customers, c)
	return c
}

func (o *order) price() {
	cents := 0
	for _, line := range o.Lines {
		cents += line.Quantity * (1000 + 37*len(line.Article)*len(line.Article))
	}
	o.Total = json.Number(fmt.Sprintf("%d.%02d", cents/100, cents%100))
}

func pick[T any](from []T) T { return from[rand.IntN(len(from))] }

// change does something to a record that is not busy, or nothing where all are.
func (l *legacy) change(busy func(job, key string) bool) (legacyChange, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch n := rand.IntN(10); {
	case n < 2 && len(l.orders) < 20:
		o := l.addOrder()
		return legacyChange{bridge.Created, "orders", strconv.Itoa(o.ID), fmt.Sprintf("%d × %s, total %s", o.Lines[0].Quantity, o.Lines[0].Article, o.Total)}, true
	case n < 3 && len(l.customers) < 12:
		c := l.addCustomer()
		return legacyChange{bridge.Created, "customers", strconv.Itoa(c.ID), c.Name + " in " + c.City}, true
	case n < 5 && len(l.orders) > 4:
		i := rand.IntN(len(l.orders))
		key := strconv.Itoa(l.orders[i].ID)
		if busy("orders", key) {
			return legacyChange{}, false
		}
		l.orders = slices.Delete(l.orders, i, i+1)
		return legacyChange{bridge.Deleted, "orders", key, ""}, true
	case n < 7:
		return l.moveCustomer(busy)
	}
	return l.advanceOrder(busy)
}

func (l *legacy) moveCustomer(busy func(job, key string) bool) (legacyChange, bool) {
	c := &l.customers[rand.IntN(len(l.customers))]
	key := strconv.Itoa(c.ID)
	city := pick(cities)
	if busy("customers", key) || city == c.City {
		return legacyChange{}, false
	}
	words := c.City + " → " + city
	c.City = city
	return legacyChange{bridge.Updated, "customers", key, words}, true
}

func (l *legacy) advanceOrder(busy func(job, key string) bool) (legacyChange, bool) {
	o := &l.orders[rand.IntN(len(l.orders))]
	key := strconv.Itoa(o.ID)
	i := slices.Index(statuses, o.Status)
	if busy("orders", key) || i == len(statuses)-1 {
		return legacyChange{}, false
	}
	words := o.Status + " → " + statuses[i+1]
	o.Status = statuses[i+1]
	return legacyChange{bridge.Updated, "orders", key, words}, true
}

func (l *legacy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/orders":
		l.serveOrders(w, r)
	case "/customers":
		l.serveCustomers(w, r)
	case "/shipments":
		l.serveShipments(w)
	default:
		http.NotFound(w, r)
	}
}

// serveOrders answers page by page: ?page=1&per_page=50.
func (l *legacy) serveOrders(w http.ResponseWriter, r *http.Request) {
	page, size := number(r, "page", 1), number(r, "per_page", 50)
	l.mu.Lock()
	total := len(l.orders)
	from := min((page-1)*size, total)
	orders := slices.Clone(l.orders[from:min(from+size, total)])
	l.mu.Unlock()
	now := time.Now().UTC()
	for i := range orders {
		orders[i].FetchedAt = now
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"data": orders, "total": total})
}

func number(r *http.Request, name string, otherwise int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 1 || n > 1000 {
		return otherwise
	}
	return n
}

// serveCustomers answers with everything at once and an ETag.
func (l *legacy) serveCustomers(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	body, err := json.Marshal(l.customers)
	l.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}
