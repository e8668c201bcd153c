package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/signature"
)

// shipment is what the demo's system has webhooks for.
type shipment struct {
	ID       string `json:"id"`
	Revision int    `json:"revision"`
	Stage    string `json:"stage"`
	Place    string `json:"place"`
}

var stages = []string{"packed", "collected", "on the road", "at the depot", "out for delivery", "delivered"}

const (
	someShipments = 8
	mostShipments = 200
)

func (l *legacy) addShipment() shipment {
	x := shipment{ID: fmt.Sprintf("S%d", 71+len(l.shipments)), Revision: 1, Stage: stages[0], Place: pick(cities)}
	l.shipments = append(l.shipments, x)
	return x
}

// ship moves a shipment that is not busy, or takes in a new one where all are.
func (l *legacy) ship(busy func(job, key string) bool) (legacyChange, shipment, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range mathrand.Perm(len(l.shipments)) {
		x := &l.shipments[i]
		stage := slices.Index(stages, x.Stage)
		if stage == len(stages)-1 || busy("shipments", x.ID) {
			continue
		}
		words := x.Stage + " → " + stages[stage+1]
		x.Stage, x.Place, x.Revision = stages[stage+1], pick(cities), x.Revision+1
		return legacyChange{bridge.Updated, "shipments", x.ID, words}, *x, true
	}
	if len(l.shipments) >= mostShipments {
		return legacyChange{}, shipment{}, false
	}
	x := l.addShipment()
	return legacyChange{bridge.Created, "shipments", x.ID, x.Stage + " in " + x.Place}, x, true
}

func (l *legacy) serveShipments(w http.ResponseWriter) {
	l.mu.Lock()
	shipments := slices.Clone(l.shipments)
	l.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(shipments)
}

// notifier sends the legacy system's own webhooks, signed as the receiver of the configuration wants it.
type notifier struct {
	dialect signature.Dialect
	keys    []signature.Key
	url     string
}

func newNotifier(receiver *configs.Receiver, address string) (*notifier, error) {
	dialect, ok := signature.Find(receiver.Verify.Dialect)
	if !ok || !dialect.Signs() {
		return nil, fmt.Errorf("receiver %q: the demo's system cannot sign as %s", receiver.Name, receiver.Verify.Dialect)
	}
	keys, err := dialect.Keys(receiver.Verify.Secrets)
	if err != nil {
		return nil, fmt.Errorf("receiver %q: %w", receiver.Name, err)
	}
	return &notifier{dialect, keys, "http://" + address + "/in/" + receiver.Name}, nil
}

func (n *notifier) send(ctx context.Context, change legacyChange, x shipment) error {
	body, err := json.Marshal(map[string]any{"type": "shipment." + string(change.op), "shipment": x})
	if err != nil {
		return err
	}
	headers, err := n.dialect.Sign(n.keys, signature.Message{ID: "msg_" + rand.Text(), At: time.Now(), Method: http.MethodPost, URL: n.url, Body: body})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		request.Header.Set(h.Name, h.Value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("it was answered %s", response.Status)
	}
	return nil
}
