package bridge

import "time"

// EventQuery selects events, newest last. Zero fields do not restrict.
type EventQuery struct {
	ID     string    `json:"id,omitempty"`
	Job    string    `json:"job,omitempty"` // instance name
	Key    string    `json:"key,omitempty"`
	Type   string    `json:"type,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	After  int64     `json:"after,omitempty"` // rows numbered above this; for following
	Limit  int       `json:"limit,omitempty"` // the newest so many; 0: 100
	Bodies bool      `json:"bodies,omitempty"`
}

// EventRow is an event as it stands in the store. Number rises with every event and serves to follow.
type EventRow struct {
	Number int64
	Event
}

// DeliveryQuery selects deliveries, newest last. Zero fields do not restrict.
type DeliveryQuery struct {
	ID          int64         `json:"id,omitempty"`
	Event       string        `json:"event,omitempty"`
	Job         string        `json:"job,omitempty"`
	Destination string        `json:"destination,omitempty"`
	State       DeliveryState `json:"state,omitempty"`
	Since       time.Time     `json:"since,omitzero"` // of the event
	Until       time.Time     `json:"until,omitzero"`
	After       int64         `json:"after,omitempty"`        // deliveries numbered above this
	ChangedIn   time.Time     `json:"changed_after,omitzero"` // settled or created after this; for following
	Limit       int           `json:"limit,omitempty"`        // the newest so many; 0: 100
}

// DeliveryRow is a delivery as it stands in the store.
type DeliveryRow struct {
	ID          int64
	Destination string
	State       DeliveryState
	Due         time.Time // of the next attempt; zero unless ready
	Ended       time.Time // when it was delivered or died; zero before
	Attempts    int
	Last        Attempt // zero before the first
	Format      string
	Version     int
	Replay      bool
	Event       Event // without bodies
}

// ReplayQuery selects what is sent again, under the same ids. Deliveries that still wait for their turn are left alone.
type ReplayQuery struct {
	Event       string    `json:"event,omitempty"`
	Job         string    `json:"job,omitempty"`
	Destination string    `json:"destination,omitempty"`
	Since       time.Time `json:"since,omitzero"` // of the event
	Until       time.Time `json:"until,omitzero"`
	Dead        bool      `json:"dead,omitempty"` // dead letters only
	// Missing sends what a destination never had a delivery for. It needs Destination and goes to Targets[0].
	Missing bool     `json:"missing,omitempty"`
	Targets []Target `json:"-"`
}

// Retention says how long what is over is kept.
type Retention struct {
	Events   time.Duration
	Attempts time.Duration
	Dead     time.Duration
	Backlog  int64 // undelivered events before jobs pause
}

// Pruned counts what went.
type Pruned struct {
	Events, Attempts, Dead int64
	Inbounds               int64
}
