package daemon

import (
	"context"
	"fmt"
	"net"
	"time"

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

// listenAddress is where webhooks come in; empty where there is no receiver.
func listenAddress(cfg *configs.Config) string {
	switch {
	case len(cfg.Receivers) == 0:
		return ""
	case cfg.Bridge.Inbound != "":
		return cfg.Bridge.Inbound
	}
	return cfg.Bridge.Listen
}

// receive takes webhooks until ctx ends, and has the watchdogs know that it does. Where there is no receiver it waits for
// the first one that a reload brings. An address that cannot be had ends a daemon that begins, and not one that runs:
// that tries again at the next reload.
func (d *Daemon) receive(ctx, drain context.Context) error {
	for began := true; ; began = false {
		listener, err := d.listenInbound(ctx)
		switch {
		case err != nil && began:
			return err
		case err != nil:
			d.log.Error("the receivers cannot be reached", "error", err, "hint", "free the address, or change bridge.inbound, and reload")
		case listener != nil:
			return d.take(ctx, drain, listener)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.called:
		}
	}
}

// listenInbound listens where the configuration says; nil where it has no receiver.
func (d *Daemon) listenInbound(ctx context.Context) (net.Listener, error) {
	cfg := d.config()
	address := listenAddress(cfg)
	if address == "" {
		return nil, nil
	}
	cert, key := "", ""
	if tls := cfg.Bridge.TLS; tls != nil {
		cert, key = tls.CertFile, tls.KeyFile
	}
	return d.inbound.Listen(ctx, address, cert, key)
}

// take takes webhooks that come in at a listener.
func (d *Daemon) take(ctx, drain context.Context, listener net.Listener) error {
	at := listener.Addr().String()
	d.listening.Store(&at)
	defer d.listening.Store(nil)
	d.log.Info("receiving webhooks", "at", at, "receivers", len(d.config().Receivers))
	for _, j := range d.allJobs() {
		if j.watch != nil {
			d.hear(j.watch)
		}
	}
	return d.inbound.Serve(ctx, drain, listener)
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
