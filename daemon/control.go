package daemon

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/inbound"
	"github.com/hookbridge/bridge/watchdog"
)

// Control is what the command line asks of a bridge: of a running daemon over its socket (Client), or of the store
// itself when none runs (Daemon). Errors carry what to do next in their text; bridge.ErrNotFound is kept through the
// socket for names that do not exist.
type Control interface {
	Status(ctx context.Context, request StatusRequest) (Status, error)
	// Poll runs the job once, now, and waits for its end.
	Poll(ctx context.Context, job string) (bridge.RunReport, error)
	// Reconcile compares the job with its whole source and tells what was missed.
	Reconcile(ctx context.Context, job string) (bridge.RunReport, error)
	// Approve releases or rejects held deletions.
	Approve(ctx context.Context, request ApproveRequest) (ApproveReport, error)
	Events(ctx context.Context, query bridge.EventQuery) ([]EventView, error)
	Deliveries(ctx context.Context, query bridge.DeliveryQuery) ([]DeliveryView, error)
	// Delivery shows one delivery with its attempts, and the request as it was or would be sent (signature left out).
	Delivery(ctx context.Context, id int64) (DeliveryDetail, error)
	Replay(ctx context.Context, query bridge.ReplayQuery) (Count, error)
	// Inbounds and Inbound show what receivers took in; ReplayInbound acts on one once more.
	Inbounds(ctx context.Context, query bridge.InboundQuery) ([]InboundView, error)
	Inbound(ctx context.Context, id int64) (InboundView, error)
	ReplayInbound(ctx context.Context, id int64) (InboundView, error)
	Pause(ctx context.Context, target Target) error
	Resume(ctx context.Context, target Target) error
	// Forget ends the state of a job or destination that is no longer configured.
	Forget(ctx context.Context, target Target) (Count, error)
	// Reload reads the configuration again, as SIGHUP does.
	Reload(ctx context.Context) error
}

// StatusRequest: Deep also checks the store (integrity_check and the rules of its own).
type StatusRequest struct {
	Deep bool `json:"deep"`
}

// Status is the bridge at a glance. Its JSON is a public contract.
type Status struct {
	Running      bool                `json:"running"` // a daemon answered; otherwise read from the store
	Version      string              `json:"version"`
	PID          int                 `json:"pid,omitempty"`
	Since        time.Time           `json:"since,omitzero"`
	Config       string              `json:"config"`
	ConfigError  string              `json:"config_error,omitempty"` // of a reload that was refused
	Store        string              `json:"store"`
	StoreBytes   int64               `json:"store_bytes"`
	Backlog      int64               `json:"backlog"` // undelivered events, all destinations
	BacklogCap   int64               `json:"backlog_cap"`
	Jobs         []JobStatus         `json:"jobs"`
	Destinations []DestinationStatus `json:"destinations"`
	Holds        []bridge.Hold       `json:"holds"`
	Listening    string              `json:"listening,omitempty"` // where webhooks come in
	Receivers    []inbound.Status    `json:"receivers,omitempty"` // what they have done since the daemon began
	Warnings     []string            `json:"warnings,omitempty"`
	Deep         *DeepStatus         `json:"deep,omitempty"`
}

// DeepStatus is the result of checking the store.
type DeepStatus struct {
	OK       bool          `json:"ok"`
	Problems []string      `json:"problems"`
	Took     time.Duration `json:"took_ns"`
}

// JobStatus is one job. State is idle, queued, running, paused, backing-off, backlog (paused by the backlog cap) or
// orphaned (no longer configured).
type JobStatus struct {
	Name       string               `json:"name"`
	State      string               `json:"state"`
	Schedule   string               `json:"schedule,omitempty"`
	Baselined  bool                 `json:"baselined"`
	LastRun    *bridge.RunReport    `json:"last_run"` // null before the first
	NextRun    time.Time            `json:"next_run,omitzero"`
	Records    int64                `json:"records"`
	Pending    int64                `json:"pending"` // absent records not yet proved gone
	Held       int64                `json:"held"`
	Quarantine []bridge.Quarantined `json:"quarantine,omitempty"`
	Watchdog   *watchdog.Status     `json:"watchdog,omitempty"`
	History    []bridge.Transition  `json:"watchdog_history,omitempty"` // newest last
}

// DestinationStatus is one destination. State is active, paused, disabled or orphaned.
type DestinationStatus struct {
	Name        string                  `json:"name"`
	State       bridge.DestinationState `json:"state"`
	Reason      string                  `json:"reason,omitempty"`
	Backlog     int64                   `json:"backlog"`
	Dead        int64                   `json:"dead"`
	NextAttempt time.Time               `json:"next_attempt,omitzero"`
}

// ApproveRequest names a job and, where it is not simply all of the job's, one hold.
type ApproveRequest struct {
	Job    string `json:"job"`
	Hold   int64  `json:"hold,omitempty"`
	Reject bool   `json:"reject,omitempty"`
}

// ApproveReport says what became of the held rows.
type ApproveReport struct {
	Deleted int64 `json:"deleted"` // approve: deleted and told
	Kept    int64 `json:"kept"`    // reject: kept until a complete poll has shown them again
}

// InboundView is a webhook as inbound prints it.
type InboundView struct {
	ID         int64               `json:"id"`
	Receiver   string              `json:"receiver"`
	DeliveryID string              `json:"delivery_id,omitempty"`
	At         time.Time           `json:"at"`
	State      bridge.InboundState `json:"state"`
	Reason     string              `json:"reason,omitempty"`
	Method     string              `json:"method"`
	Path       string              `json:"path"`
	Query      string              `json:"query,omitempty"` // names; values are not kept
	Headers    map[string][]string `json:"headers,omitempty"`
	Body       string              `json:"body,omitempty"`
}

// Target names a job or a destination; exactly one is set.
type Target struct {
	Job         string `json:"job,omitempty"`
	Destination string `json:"destination,omitempty"`
}

// Count says how many rows an order touched.
type Count struct {
	Count int64 `json:"count"`
}

// EventView is an event as events prints it.
type EventView struct {
	Number   int64           `json:"number"`
	ID       string          `json:"id"`
	Time     time.Time       `json:"time"`
	Type     string          `json:"type"`
	Op       bridge.Op       `json:"op,omitempty"`
	Job      string          `json:"job"`
	Key      string          `json:"key"`
	Sequence int64           `json:"sequence"`
	Origin   bridge.Origin   `json:"origin"`
	Changed  []string        `json:"changed,omitempty"`
	Before   json.RawMessage `json:"before,omitempty"`
	After    json.RawMessage `json:"after,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// DeliveryView is a delivery as deliveries prints it.
type DeliveryView struct {
	ID          int64                `json:"id"`
	Destination string               `json:"destination"`
	State       bridge.DeliveryState `json:"state"`
	Held        string               `json:"held,omitempty"` // why a ready or waiting one does not move: paused, disabled, orphaned
	Event       string               `json:"event"`
	Type        string               `json:"type"`
	Job         string               `json:"job"`
	Key         string               `json:"key"`
	Sequence    int64                `json:"sequence"`
	Attempts    int                  `json:"attempts"`
	Due         time.Time            `json:"due,omitzero"`
	Ended       time.Time            `json:"ended,omitzero"`
	Status      int                  `json:"status,omitempty"` // of the last attempt
	Error       string               `json:"error,omitempty"`
	Replay      bool                 `json:"replay,omitempty"`
}

// DeliveryDetail is one delivery with everything known of it.
type DeliveryDetail struct {
	DeliveryView
	Tries   []AttemptView `json:"tries"`
	Request *RequestView  `json:"request,omitempty"` // nil where the destination is no longer configured
}

// AttemptView is one attempt.
type AttemptView struct {
	Number int           `json:"number"`
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took_ns"`
	Status int           `json:"status,omitempty"`
	Error  string        `json:"error,omitempty"`
	Answer string        `json:"answer,omitempty"`
}

// RequestView is the request of a delivery, without signature and without secret headers' values.
type RequestView struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"` // redacted
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
}
