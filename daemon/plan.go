package daemon

import (
	"context"
	"errors"

	"github.com/hookbridge/bridge"
)

// PlanRequest asks what a run of a job would do. Plan reads the configuration file as it stands and the store without
// writing to it, so it works beside a running daemon and shows an edit before it is reloaded.
type PlanRequest struct {
	Options  Options
	Job      string                          // empty: every job
	Trace    func(line string)               // each request and its answer; nil: none
	Change   func(PlanChange) error          // each change, as it is found
	Progress func(job string, records int64) // at most ten times a second; nil: none
}

// PlanChange is one line of a plan.
type PlanChange struct {
	Job    string
	Change bridge.Change
	Fields []FieldChange // updated: field by field
	Type   string        // event type it would have
	Told   bool          // false: taken in silently, and Why says why
	Why    string        // baseline, edit, when, pending, held
}

// FieldChange is one differing field; Before or After is empty where the field is missing on that side.
type FieldChange struct {
	Pointer       string
	Before, After string // compact JSON
}

// PlanReport sums one job up.
type PlanReport struct {
	Job      string           `json:"job"`
	Report   bridge.RunReport `json:"report"`
	Baseline bool             `json:"baseline"`        // the run would take everything in silently
	Guard    string           `json:"guard,omitempty"` // why deletions would be held; empty: they would not
	Warnings []string         `json:"warnings,omitempty"`
	Error    string           `json:"error,omitempty"`
}

// Plan fetches and diffs for real and commits nothing. An error is one of loading; what went wrong in a job's own run
// stands in its report.
func Plan(ctx context.Context, request PlanRequest) ([]PlanReport, error) {
	return nil, errors.ErrUnsupported
}
