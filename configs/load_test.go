package configs_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
)

const valid = "../testdata/config/valid"

func TestLoadReadsEveryBlock(t *testing.T) {
	c, err := configs.Load(filepath.Join(valid, "full.hcl"), configs.Options{Environ: environ("SECRET=" + secret), Sources: sources.New(sources.Runtime{})})
	if err != nil {
		t.Fatal(rendered(err))
	}
	dir, err := filepath.Abs(valid)
	if err != nil {
		t.Fatal(err)
	}
	want := &configs.Config{
		Path: filepath.Join(valid, "full.hcl"),
		Dir:  dir,
		Bridge: configs.Bridge{
			Store:  filepath.Join(dir, "state/bridge.db"),
			Alerts: []string{"ops"},
			Retain: bridge.Retention{Events: 24 * time.Hour, Attempts: 168 * time.Hour, Dead: 2160 * time.Hour, Backlog: 1000},
			Listen: "127.0.0.1:8484",
		},
		Destinations: []*configs.Destination{{
			Name: "warehouse", URL: "https://warehouse.example.com/hooks", Secrets: []bridge.Secret{bridge.NewSecret(secret)},
			Signature: "standard", Format: "raw", Concurrency: 4, Rate: 50, Timeout: 5 * time.Second,
			Headers: map[string]bridge.Secret{"X-Team": bridge.NewSecret("erp"), "Authorization": bridge.NewSecret("Bearer " + secret)},
			Allow:   []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.1.1/32")},
			Retry:   []time.Duration{0, 5 * time.Second},
		}, {
			Name: "ops", URL: "https://ops.example.com/alerts", Signature: "none", Format: "standard", Ordered: true,
			Concurrency: 16, Timeout: 15 * time.Second,
			Retry: []time.Duration{0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
				10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour},
		}},
		Moved: []configs.Move{{From: "order", To: "orders-all/eu"}},
	}
	for _, region := range []string{"eu", "us"} {
		want.Jobs = append(want.Jobs, &configs.Job{
			Name: "orders-all/" + region, Label: "orders-all", Timeout: time.Minute, Deliver: []string{"warehouse"}, SourceKind: "http",
			Key: []string{"region", "id"}, Select: []string{"id", "lines.*.price", `a\.b`}, Unordered: []string{"tags"},
			Emit: true, Quarantine: true, Deletes: configs.Deletes{Confirm: 3, Max: 0.125, MaxRows: 0},
		})
	}
	if diff := cmp.Diff(want, c,
		cmp.Transformer("reveal", bridge.Secret.Reveal), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmpopts.IgnoreFields(configs.Job{}, "Source", "Schedule", "Event", "Digest", "Range"),
		cmpopts.IgnoreFields(configs.Destination{}, "Range")); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	for _, j := range c.Jobs {
		if j.Source == nil || j.Event == nil || len(j.Digest) != 64 || j.Range.Start.Line == 0 {
			t.Errorf("job %s: %+v", j.Name, j)
		}
	}
	if a, b := c.Jobs[0].Digest, c.Jobs[1].Digest; a == b {
		t.Error("two instances have the same digest")
	}
	// The zone is Berlin's, whatever the clock that asks.
	from := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) // a Friday
	if got, want := c.Jobs[0].Schedule.Next(from), time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("next = %s, want %s", got, want)
	}
}

func TestValidFilesLoad(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(valid, "*.hcl"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := configs.Load(file, configs.Options{Environ: environ("SECRET=" + secret), Sources: sources.New(sources.Runtime{})})
			if err != nil {
				t.Fatal(rendered(err))
			}
			if lines := c.Warnings.Lines(); len(lines) > 0 {
				t.Errorf("warnings: %q", lines)
			}
			formatted, err := configs.Format(file, src)
			if err != nil {
				t.Fatal(rendered(err))
			}
			if diff := cmp.Diff(string(src), string(formatted)); diff != "" {
				t.Errorf("not laid out as fmt does it (-file +fmt):\n%s", diff)
			}
		})
	}
}
