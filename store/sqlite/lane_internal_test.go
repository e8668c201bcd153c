package sqlite

import (
	"fmt"
	"testing"
)

// Numbers are what most keys are. If records of two jobs shared lanes by the thousand, a receiver that refuses one would
// hold up the other.
func TestRecordsOfJobsDoNotShareLanes(t *testing.T) {
	type record struct {
		job int64
		key string
	}
	seen := map[int64]record{}
	for job := int64(1); job <= 8; job++ {
		for n := range 5000 {
			for _, key := range []string{fmt.Sprint(n), fmt.Sprint(10_000_000 + 11*n), fmt.Sprintf("[%d,1]", n)} {
				hash := hashOf(job, key)
				if other, taken := seen[hash]; taken && other != (record{job, key}) {
					t.Fatalf("record %q of job %d shares the lane of %q of job %d", key, job, other.key, other.job)
				}
				seen[hash] = record{job, key}
			}
		}
	}
}
