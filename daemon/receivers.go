package daemon

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/inbound"
	"github.com/hookbridge/bridge/outbound"
	"github.com/hookbridge/bridge/signature"
	"github.com/hookbridge/bridge/watchdog"
)

// What a watchdog block can have a webhook do.
const (
	onApply  = "apply"
	onPoll   = "poll"
	onLookup = "lookup"
)

// Rules hold a configuration to what the rooms of the house can do, so that what they refuse has a line.
func Rules() configs.Rules {
	return configs.Rules{
		Sign: func(c *configs.Destination) error {
			return outbound.Check(courier(c, bridge.DestinationInfo{}))
		},
		Hours: func(text string) error {
			_, err := watchdog.ParseHours(text, time.Local)
			return err
		},
		Verify: func(v configs.Verify) error {
			_, _, err := verifier(v)
			return err
		},
	}
}

// verifier makes the dialect of a verify block, and its keys.
func verifier(v configs.Verify) (signature.Dialect, []signature.Key, error) {
	var dialect signature.Dialect
	var err error
	switch {
	case v.HMAC != nil:
		dialect, err = signature.NewHMAC(axes(v.HMAC))
	case v.Dialect == "token" && v.Header != "":
		dialect, err = signature.NewToken(v.Header)
	default:
		var known bool
		if dialect, known = signature.Find(v.Dialect); !known {
			err = fmt.Errorf("dialect %q is not known", v.Dialect)
		}
	}
	if err != nil {
		return dialect, nil, err
	}
	keys, err := dialect.Keys(v.Secrets)
	return dialect, keys, err
}

// axes are those of a configured dialect, in the words of package signature.
func axes(h *configs.HMAC) signature.HMAC {
	return signature.HMAC{
		Algorithm: signature.Algorithm(h.Algorithm), Key: signature.Encoding(h.Key), KeyPrefix: h.KeyPrefix, Sign: h.Sign,
		Header: h.Header, Prefix: h.Prefix, Separator: h.Separator, Encoding: signature.Encoding(h.Encoding),
		Time: signature.Timestamp{Header: h.Time.Header, Part: h.Time.Part, Path: h.Time.Path,
			Format: signature.TimeFormat(h.Time.Format), Tolerance: h.Time.Tolerance},
		ID: signature.Identity{Header: h.ID.Header, Path: h.ID.Path},
	}
}

// receivers are those of a configuration, made ready to take webhooks.
func receivers(cfg *configs.Config) ([]inbound.Receiver, error) {
	out := make([]inbound.Receiver, 0, len(cfg.Receivers))
	for _, c := range cfg.Receivers {
		dialect, keys, err := verifier(c.Verify)
		if err != nil {
			return nil, fmt.Errorf("receiver %q: %w", c.Name, err)
		}
		out = append(out, inbound.Receiver{Name: c.Name, Dialect: dialect, Keys: keys, Decode: inbound.Decoding(c.Decode), MaxBody: c.MaxBody,
			Rate: c.Rate, Allow: c.Allow, Dedup: c.Dedup, PublicURL: cfg.Bridge.PublicURL})
	}
	return out, nil
}

// door is where webhooks come in, and with which certificate. Without an address there is none: nothing is received.
type door struct{ address, cert, key string }

func doorOf(cfg *configs.Config) door {
	if len(cfg.Receivers) == 0 {
		return door{}
	}
	at := door{address: cfg.Bridge.Listen}
	if cfg.Bridge.Inbound != "" {
		at.address = cfg.Bridge.Inbound
	}
	if tls := cfg.Bridge.TLS; tls != nil {
		at.cert, at.key = tls.CertFile, tls.KeyFile
	}
	return at
}

// receive takes webhooks until ctx ends, and has the watchdogs know that it does. Its address follows the configuration:
// it opens with the first receiver that a reload brings, and moves with an edit of it. An address that cannot be had ends
// a daemon that begins, and not one that runs: that stays where it is and tries again at the next reload.
func (d *Daemon) receive(ctx, drain context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	var open door
	leave := func() {}
	for began := true; ; began = false {
		if want := doorOf(d.config()); want != open {
			if want.address == open.address || want.address == "" { // one address cannot be had twice
				leave()
				open, leave = door{}, func() {}
			}
			stay, err := d.enter(ctx, drain, want, group)
			switch {
			case err != nil && began:
				return err
			case err != nil:
				d.log.Error("webhooks cannot be received where the configuration says", "error", err, "still_at", open.address,
					"hint", "free the address, or change bridge.inbound, and reload")
			default:
				leave()
				open, leave = want, stay
			}
		}
		select {
		case <-ctx.Done():
			err := group.Wait()
			d.listening.Store(nil)
			return err
		case <-d.called:
		}
	}
}

// enter takes webhooks that come in at a door, if there is one, until leave is called or ctx ends. leave returns when the
// address is free again; what was begun is finished meanwhile.
func (d *Daemon) enter(ctx, drain context.Context, at door, group *errgroup.Group) (leave func(), err error) {
	if at.address == "" {
		return func() {}, nil
	}
	inner, err := d.inbound.Listen(ctx, at.address, at.cert, at.key)
	if err != nil {
		return nil, err
	}
	listener := &leaving{Listener: inner, left: make(chan struct{})}
	serving, cancel := context.WithCancel(ctx)
	group.Go(func() error { return d.inbound.Serve(serving, drain, listener) })
	address := listener.Addr().String()
	d.listening.Store(&address)
	d.log.Info("receiving webhooks", "at", address, "receivers", len(d.config().Receivers))
	for _, j := range d.allJobs() {
		if j.watch != nil {
			d.hear(j.watch)
		}
	}
	return func() {
		d.listening.CompareAndSwap(&address, nil)
		cancel()
		<-listener.left
	}, nil
}

// leaving is a listener that says when it was closed.
type leaving struct {
	net.Listener
	once sync.Once
	left chan struct{}
}

func (l *leaving) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() { close(l.left) })
	return err
}

// Inbounds lists what receivers took in.
func (d *Daemon) Inbounds(ctx context.Context, query bridge.InboundQuery) ([]InboundView, error) {
	return d.desk().inbounds(ctx, query)
}

// Inbound shows one webhook.
func (d *Daemon) Inbound(ctx context.Context, id int64) (InboundView, error) {
	return d.desk().inbound(ctx, id)
}

// ReplayInbound acts on a stored webhook once more, as if it had just come.
func (d *Daemon) ReplayInbound(ctx context.Context, id int64) (InboundView, error) {
	w, err := d.store.Inbound(ctx, id)
	if err != nil {
		return InboundView{}, err
	}
	receiver, ok := d.inbound.Receiver(w.Receiver)
	if !ok {
		return InboundView{}, fmt.Errorf("inbound %d: receiver %q is no longer configured", id, w.Receiver)
	}
	w.State, w.Reason = bridge.InboundReceived, ""
	body, err := inbound.Body(&w, receiver.Decode)
	if err != nil {
		return InboundView{}, fmt.Errorf("inbound %d: %w", id, err)
	}
	if _, err := d.Accept(ctx, &w, body); err != nil {
		return InboundView{}, err
	}
	return d.Inbound(ctx, id)
}
