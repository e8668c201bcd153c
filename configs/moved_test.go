package configs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge/configs"
)

func TestMoves(t *testing.T) {
	regions := `for_each = toset(["eu", "us"])`
	for _, c := range []struct {
		name, job, from, to string
		want                configs.Move
		err                 string
	}{
		{name: "a job to its new name", from: "job.orders", to: "job.big-orders", want: configs.Move{From: "orders", To: "big-orders"}},
		{name: "a job to an instance", job: regions, from: "job.orders", to: "job.big-orders/eu", want: configs.Move{From: "orders", To: "big-orders/eu"}},
		{name: "a job to its own instance", job: regions, from: "job.big-orders", to: "job.big-orders/eu", want: configs.Move{From: "big-orders", To: "big-orders/eu"}},
		{name: "an instance that is gone to its job", from: "job.big-orders/eu", to: "job.big-orders", want: configs.Move{From: "big-orders/eu", To: "big-orders"}},
		{name: "an instance to another", job: regions, from: "job.big-orders/ap", to: "job.big-orders/us", want: configs.Move{From: "big-orders/ap", To: "big-orders/us"}},
		{name: "all instances", job: regions, from: "job.orders", to: "job.big-orders", want: configs.Move{From: "orders", To: "big-orders"}},
		{name: "an instance that is there", job: regions, from: "job.big-orders/eu", to: "job.big-orders/us", err: "There still is a job"},
		{name: "a job that is there", from: "job.big-orders", to: "job.orders", err: "There still is a job"},
		{name: "an instance that is not there", job: regions, from: "job.orders", to: "job.big-orders/ap", err: "has no instance"},
		{name: "a key that cannot be", from: "job.orders/a b", to: "job.big-orders", err: "A job is named in quotes"},
		{name: "a key that is empty", from: "job.orders/", to: "job.big-orders", err: "A job is named in quotes"},
		{name: "no job", from: "destination.d", to: "job.big-orders", err: "A job is named in quotes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := load(t, job(c.job)+fmt.Sprintf("moved {\n from = %q\n to = %q\n}\n", c.from, c.to), configs.Options{})
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("err = %v, want %s", err, c.err)
				}
			case err != nil:
				t.Error(rendered(err))
			default:
				if diff := cmp.Diff([]configs.Move{c.want}, got.Moved); diff != "" {
					t.Errorf("moves (-want +got):\n%s", diff)
				}
			}
		})
	}
}
