package sqlite_test

import (
	"testing"

	"github.com/hookbridge/bridge"
)

// A newer version may read rules into a configuration that nobody has edited. A source that proves "unchanged" against
// the checkpoint would then end the edit without one record having been compared under the new rules.
func TestOtherRulesClearTheCheckpointWithoutAnEdit(t *testing.T) {
	ctx := t.Context()
	db := open(t, path(t))
	job := must[bridge.JobState](t)(db.OpenJob(ctx, "orders", "digest", "rules"))
	began := must[int64](t)(db.BeginRun(ctx, job.Number))
	must[bridge.Committed](t)(db.Commit(ctx, &bridge.Chunk{Job: job.Number, Began: began, RulesNumber: job.RulesNumber, First: true,
		Identity: "http", Finish: &bridge.Finish{Checkpoint: bridge.Checkpoint("etag"), Baselined: true, Complete: true}}))
	db.EndRun(job.Number, began)
	if state := must[bridge.JobState](t)(db.OpenJob(ctx, "orders", "digest", "rules")); string(state.Checkpoint) != "etag" {
		t.Errorf("opened as it was, the checkpoint is %q", state.Checkpoint)
	}
	if state := must[bridge.JobState](t)(db.OpenJob(ctx, "orders", "digest", "other rules")); state.Checkpoint != nil || state.OldRules != "rules" {
		t.Errorf("under other rules the checkpoint is %q, the old rules %q", state.Checkpoint, state.OldRules)
	}
}
