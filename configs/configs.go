// Package configs turns bridge.hcl into typed configuration, or into diagnostics: every mistake of a file in one pass,
// each with its line and the choices there were. It knows no kind of source: the block of one is decoded by whoever
// Options names, while the file is loaded, so that a typo in it has a line too.
package configs

import (
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/hookbridge/bridge"
)

// SourceDecoder decodes the source blocks of jobs at load time.
type SourceDecoder interface {
	// Kinds names what can stand in source "KIND".
	Kinds() []string
	// Decode reads a source block. dir is the folder of the configuration, which relative paths start from. The source
	// is used only where there is no error among the diagnostics.
	Decode(kind string, body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics)
}

// Options says where values come from that do not stand in the file.
type Options struct {
	Vars    map[string]string           // of --var
	Environ func(string) (string, bool) // nil: os.LookupEnv
	Sources SourceDecoder
	Rules   Rules
}

// Rules hold a configuration to what other parts of the bridge can do, so that what they refuse is found with its line,
// and while it is loaded. One that is nil refuses nothing.
type Rules struct {
	Hours  func(text string) error    // of watchdog.expect
	Sign   func(d *Destination) error // secrets, axes and headers that do not fit the signature; never shows a secret
	Verify func(v Verify) error       // secrets that do not fit their dialect, axes that do not go together; never shows a secret
}

// Config is a configuration that holds together: every name in it leads somewhere.
type Config struct {
	Path, Dir    string // of the file, as it was given, and of its folder, absolute
	Bridge       Bridge
	Destinations []*Destination // in the order of the file
	Receivers    []*Receiver    // in the order of the file
	Jobs         []*Job         // instances, in the order of the file, those of for_each by key
	Moved        []Move
	Warnings     Warnings
}

// Bridge is the bridge block.
type Bridge struct {
	Store  string   // absolute path of the SQLite database
	Alerts []string // names of destinations
	Retain bridge.Retention

	Listen         string         // address, HOST:PORT
	Inbound        string         // address of a listener of its own for webhooks; empty: they come in on Listen
	PublicURL      string         // that both are reached under from outside, without a slash at its end; empty: not known
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	TLS            *TLS           // nil: plain http
}

// TLS is what the listeners show to those who connect.
type TLS struct{ CertFile, KeyFile string } // absolute paths of PEM files

// Destination is a destination block.
type Destination struct {
	Name        string
	URL         string          // may carry a secret: print it through bridge.Redact
	Secrets     []bridge.Secret // valid ones; every one signs
	Signature   string          // a name of Dialects that signs, "hmac" or "none"
	HMAC        *HMAC           // of the signature "hmac", otherwise nil
	Format      string          // a name of Formats
	Ordered     bool            // order = "key"
	Concurrency int
	Rate        float64 // per second; 0: no limit
	Timeout     time.Duration
	Headers     map[string]bridge.Secret // by canonical name
	Allow       []netip.Prefix           // private networks that may be called
	Retry       []time.Duration          // waits before each attempt
	Range       hcl.Range                // of the block's header
}

// Job is one instance of a job block.
type Job struct {
	Name  string // of the instance: orders, orders/eu
	Label string // of the block: orders

	Schedule *Schedule
	Adaptive *Adaptive // nil: the schedule is kept as it is written
	Timeout  time.Duration
	RunOnce  bool // missed = "run_once": a run that was due while the bridge was down is made up for
	Deliver  []string

	Source     bridge.Source
	SourceKind string

	Key                       []string
	Ignore, Select, Unordered []string
	Emit                      bool // initial = "emit": the first run tells every record
	Quarantine                bool // on_bad_record = "quarantine"
	Deletes                   Deletes
	Event                     *Event

	Version   string    // path of a field that only ever grows; empty: none
	Reconcile *Schedule // of complete comparisons; nil: none
	Watchdog  *Watchdog // nil: polls only
	Lookup    *Lookup   // nil unless the watchdog looks records up

	// Digest changes with any edit that reaches the job: its block, each.key and each.value, and the variables and
	// locals it names. What a secret is does not show in it.
	Digest string
	Range  hcl.Range // of the block's header
}

// Deletes is the guard on deletions.
type Deletes struct {
	Confirm int     // complete polls in a row that must lack a record
	Max     float64 // share of the snapshot, 0 to 1
	MaxRows int
}

// Move renames the state of a job: From and To are labels, or instances such as orders/eu. A label stands for all its
// instances.
type Move struct{ From, To string }

// Destination returns a destination by its name, or nil.
func (c *Config) Destination(name string) *Destination {
	for _, d := range c.Destinations {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// Job returns a job by the name of its instance, or nil.
func (c *Config) Job(name string) *Job {
	for _, j := range c.Jobs {
		if j.Name == name {
			return j
		}
	}
	return nil
}
