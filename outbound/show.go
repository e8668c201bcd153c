package outbound

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hookbridge/bridge"
)

const hidden = "(secret)"

// Request is how a delivery goes out, fit to be shown: secrets and signatures are left out.
type Request struct {
	Method  string
	URL     string      // redacted
	Headers [][2]string // by name
	Body    []byte
}

// Request returns the request of a delivery as it was or would be sent; only the time of the attempt is not known. It
// is bridge.ErrNotFound where the delivery's destination is not configured.
func (d *Dispatcher) Request(delivery bridge.Delivery) (Request, error) {
	d.mu.Lock()
	c := d.couriers[delivery.Destination]
	d.mu.Unlock()
	if c == nil {
		return Request{}, fmt.Errorf("destination %d: %w", delivery.Destination, bridge.ErrNotFound)
	}
	p, _, removed := c.orders()
	if removed {
		return Request{}, fmt.Errorf("destination %q: %w", p.Name, bridge.ErrNotFound)
	}
	return p.show(&delivery, d.options.UserAgent)
}

// show makes the request and hides what must not be seen. Names are written as in the documentation, in lower case.
func (p *plan) show(delivery *bridge.Delivery, agent string) (Request, error) {
	made, err := p.request(delivery, time.Now(), agent)
	if err != nil {
		return Request{}, err
	}
	body, err := made.BodyBytes()
	if err != nil {
		return Request{}, err
	}
	out := Request{Method: made.Method, URL: bridge.Redact(p.URL), Body: body}
	for _, name := range slices.Sorted(maps.Keys(made.Header)) {
		for _, value := range made.Header[name] {
			switch {
			case name == "Webhook-Timestamp", name == p.dialect.TimeHeader():
				value = "(time of the attempt)"
			case p.dialect.Carries(name), p.headers[name] != nil:
				value = hidden
			}
			out.Headers = append(out.Headers, [2]string{strings.ToLower(name), value})
		}
	}
	return out, nil
}
