package bridge

import (
	"errors"
	"net/http"
	"time"
)

// Inbound is one webhook as a receiver took it.
type Inbound struct {
	ID         int64
	Receiver   string
	DeliveryID string    // the sender's, the same on a redelivery; empty where it has none: such a webhook always acts
	Until      time.Time // when DeliveryID may act again
	At         time.Time // when it was received last
	Method     string
	Path       string
	Query      string      // names only; values are hidden, because that is where API keys live
	Header     http.Header // without what authenticates the sender
	Body       []byte      // as received
	State      InboundState
	Reason     string // why it is ignored or has failed
}

// InboundState is what became of a webhook. received -> applied | ignored | failed; failed -> received by a redelivery,
// any by a replay.
type InboundState string

// The states of a webhook.
const (
	InboundReceived InboundState = "received" // its intents are not over yet
	InboundApplied  InboundState = "applied"
	InboundIgnored  InboundState = "ignored" // no job wanted it
	InboundFailed   InboundState = "failed"
)

// IntentKind is what a webhook makes us do.
type IntentKind string

// The kinds of intents.
const (
	IntentApply  IntentKind = "apply" // of a job without baseline, which webhooks have to wait for
	IntentPoll   IntentKind = "poll"
	IntentLookup IntentKind = "lookup"
)

// Intent is what a webhook that was acknowledged still has to do. It outlives a restart and ends once (P7).
type Intent struct {
	ID      int64
	Inbound int64 // the webhook it follows from
	Job     int64
	Kind    IntentKind
	At      time.Time
	// Join, in a Take, is an open intent of the same job and kind that does for this webhook too: where it is still open
	// nothing is added, and ID becomes the same. 0: none.
	Join int64
}

// Take is one webhook with everything that follows from it, in one commit.
type Take struct {
	// Webhook gets its ID written back. One with an ID is a replay of the webhook that is stored under it: its state and
	// reason are renewed, and nothing is compared.
	Webhook *Inbound
	// Chunks are applied whole or not at all: where one of their rows has moved on since it was read, the webhook is not
	// taken either, so that it can be read again. Their Began is 0, for they belong to no run: the Moved of each put and
	// delete says when it was read. (With another Began they are judged by the run that began there.)
	Chunks  []*Chunk
	Intents []Intent // ID, Inbound and At are written back
	// Event relays the webhook as it is, to Targets; nil: it is not relayed. It counts among the bridge's own.
	Event   *Event
	Targets []Target
}

// ErrMoved is a webhook that was not taken because a row it changes has moved on since it was read. Read it again.
var ErrMoved = errors.New("a record has moved on since it was read")

// InboundQuery selects webhooks, newest last. Zero fields do not restrict.
type InboundQuery struct {
	Receiver   string       `json:"receiver,omitempty"`
	DeliveryID string       `json:"delivery_id,omitempty"`
	State      InboundState `json:"state,omitempty"`
	Since      time.Time    `json:"since,omitzero"`
	Until      time.Time    `json:"until,omitzero"`
	After      int64        `json:"after,omitempty"` // those numbered above this; for following
	Limit      int          `json:"limit,omitempty"` // the newest so many; 0: 100
	Bodies     bool         `json:"bodies,omitempty"`
}
