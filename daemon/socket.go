package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/hookbridge/bridge"
)

// The control socket speaks HTTP over a Unix socket that only the store's owner may open: POST /v1/METHOD with a JSON
// argument answers a JSON result, or an error object with status 422 (404 for what does not exist).

const maxOrder = 1 << 20 // bytes of a request on the socket

// ErrNoDaemon means that no daemon runs on the store.
var ErrNoDaemon = errors.New("no daemon is running on this store")

// socketPath is beside the store.
func socketPath(store string) string { return store + ".sock" }

func (d *Daemon) listen() (net.Listener, error) {
	path := socketPath(d.storePath)
	// We hold the store's lock, so a socket that is there belongs to nobody any more.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	mask := syscall.Umask(0o177)
	listener, err := net.Listen("unix", path)
	syscall.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w (its path may be too long: 107 bytes is the limit; move the store)", path, err)
	}
	return listener, nil
}

func (d *Daemon) serve(ctx context.Context, listener net.Listener) error {
	orders, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	defer context.AfterFunc(ctx, func() { end(errStopping) })() // who waits for an order hears why it is over
	server := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return orders },
		ErrorLog:    slog.NewLogLogger(d.log.Handler(), slog.LevelError)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("control socket: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// order answers one method of Control.
func order[In, Out any](f func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		w.Header().Set("content-type", "application/json")
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&in)
		if err == nil || errors.Is(err, io.EOF) {
			var out Out
			if out, err = f(r.Context(), in); err == nil {
				_ = json.NewEncoder(w).Encode(out)
				return
			}
		}
		status := http.StatusUnprocessableEntity
		if errors.Is(err, bridge.ErrNotFound) {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(refusal{err.Error()})
	}
}

type refusal struct {
	Error string `json:"error"`
}

// nothing turns a method without a result into an order.
func nothing[In any](f func(context.Context, In) error) func(context.Context, In) (struct{}, error) {
	return func(ctx context.Context, in In) (struct{}, error) { return struct{}{}, f(ctx, in) }
}

func (d *Daemon) handler() http.Handler {
	mux := http.NewServeMux()
	for method, handler := range map[string]http.HandlerFunc{
		"status":     order(d.Status),
		"poll":       order(d.Poll),
		"reconcile":  order(d.Reconcile),
		"approve":    order(d.Approve),
		"events":     order(d.Events),
		"deliveries": order(d.Deliveries),
		"delivery":   order(d.Delivery),
		"replay":     order(d.Replay),
		"inbounds":   order(d.Inbounds),
		"inbound":    order(d.Inbound),
		"reinbound":  order(d.ReplayInbound),
		"pause":      order(nothing(d.Pause)),
		"resume":     order(nothing(d.Resume)),
		"forget":     order(d.Forget),
		"reload":     order(nothing(func(ctx context.Context, _ struct{}) error { return d.Reload(ctx) })),
	} {
		mux.HandleFunc("POST /v1/"+method, handler)
	}
	return mux
}

// Client is a Control over the socket of a running daemon.
type Client struct{ http http.Client }

// Dial connects to the daemon that runs on the store of the configuration; ErrNoDaemon when none does. A file that was
// broken under a running daemon is no hindrance as long as it says where the store is.
func Dial(ctx context.Context, options Options) (*Client, error) {
	store, broken := storeOf(options)
	if store == "" {
		return nil, broken
	}
	client, err := dial(ctx, socketPath(store))
	if errors.Is(err, ErrNoDaemon) && broken != nil {
		return nil, broken
	}
	return client, err
}

func dial(ctx context.Context, path string) (*Client, error) {
	var dialer net.Dialer
	connect := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) }
	conn, err := connect(ctx, "", "")
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EINVAL): // too long to listen on
		return nil, ErrNoDaemon
	case err != nil:
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	_ = conn.Close()
	return &Client{http.Client{Transport: &http.Transport{DialContext: connect}}}, nil
}

// Close lets go of the connection.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

func call[Out any](ctx context.Context, c *Client, method string, in any) (Out, error) {
	var out Out
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://bridge/v1/"+method, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return out, fmt.Errorf("ask the daemon: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(&out); err != nil {
			return out, fmt.Errorf("ask the daemon: %w", err)
		}
		return out, nil
	}
	var refused refusal
	if err := json.NewDecoder(response.Body).Decode(&refused); err != nil || refused.Error == "" {
		return out, fmt.Errorf("ask the daemon: it answered %s", response.Status)
	}
	if response.StatusCode == http.StatusNotFound {
		return out, notFound(refused.Error)
	}
	return out, errors.New(refused.Error)
}

// notFound is the text of an error of the daemon's that was bridge.ErrNotFound.
type notFound string

func (e notFound) Error() string        { return string(e) }
func (e notFound) Is(target error) bool { return target == bridge.ErrNotFound }

func (c *Client) Status(ctx context.Context, request StatusRequest) (Status, error) {
	return call[Status](ctx, c, "status", request)
}

func (c *Client) Poll(ctx context.Context, job string) (bridge.RunReport, error) {
	return call[bridge.RunReport](ctx, c, "poll", job)
}

func (c *Client) Reconcile(ctx context.Context, job string) (bridge.RunReport, error) {
	return call[bridge.RunReport](ctx, c, "reconcile", job)
}

func (c *Client) Approve(ctx context.Context, request ApproveRequest) (ApproveReport, error) {
	return call[ApproveReport](ctx, c, "approve", request)
}

func (c *Client) Events(ctx context.Context, query bridge.EventQuery) ([]EventView, error) {
	return call[[]EventView](ctx, c, "events", query)
}

func (c *Client) Deliveries(ctx context.Context, query bridge.DeliveryQuery) ([]DeliveryView, error) {
	return call[[]DeliveryView](ctx, c, "deliveries", query)
}

func (c *Client) Delivery(ctx context.Context, id int64) (DeliveryDetail, error) {
	return call[DeliveryDetail](ctx, c, "delivery", id)
}

func (c *Client) Replay(ctx context.Context, query bridge.ReplayQuery) (Count, error) {
	return call[Count](ctx, c, "replay", query)
}

func (c *Client) Inbounds(ctx context.Context, query bridge.InboundQuery) ([]InboundView, error) {
	return call[[]InboundView](ctx, c, "inbounds", query)
}

func (c *Client) Inbound(ctx context.Context, id int64) (InboundView, error) {
	return call[InboundView](ctx, c, "inbound", id)
}

func (c *Client) ReplayInbound(ctx context.Context, id int64) (InboundView, error) {
	return call[InboundView](ctx, c, "reinbound", id)
}

func (c *Client) Pause(ctx context.Context, target Target) error {
	_, err := call[struct{}](ctx, c, "pause", target)
	return err
}

func (c *Client) Resume(ctx context.Context, target Target) error {
	_, err := call[struct{}](ctx, c, "resume", target)
	return err
}

func (c *Client) Forget(ctx context.Context, target Target) (Count, error) {
	return call[Count](ctx, c, "forget", target)
}

func (c *Client) Reload(ctx context.Context) error {
	_, err := call[struct{}](ctx, c, "reload", struct{}{})
	return err
}
