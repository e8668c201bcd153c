package configs_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
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

func TestLoadReadsWhatWebhooksNeed(t *testing.T) {
	c, err := configs.Load(filepath.Join(valid, "watchdog.hcl"), configs.Options{
		Environ: environ("SECRET=" + secret), Sources: sources.New(sources.Runtime{}), Rules: rules})
	if err != nil {
		t.Fatal(rendered(err))
	}
	secrets := []bridge.Secret{bridge.NewSecret(secret)}
	wantBridge := configs.Bridge{
		Listen: "127.0.0.1:8484", Inbound: ":8485", PublicURL: "https://bridge.example.com",
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}
	wantReceivers := []*configs.Receiver{{
		Name: "orders", Decode: "json", MaxBody: 1 << 20, Rate: 200, Dedup: 24 * time.Hour, Deliver: []string{"orders"},
		Allow:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
		Verify: configs.Verify{Dialect: "github", Secrets: secrets},
	}, {
		Name: "signals", Decode: "form", MaxBody: 2 << 20, Dedup: 72 * time.Hour,
		Verify: configs.Verify{Dialect: "hmac", Secrets: secrets, HMAC: &configs.HMAC{
			Algorithm: "sha512", Key: "base64", KeyPrefix: "whsec_", Sign: "{ts}.{url}.{body}", Header: "X-Signature", Prefix: "v1=",
			Separator: ",", Encoding: "base64", Time: configs.HMACTime{Part: "t=", Format: "ms", Tolerance: time.Minute},
			ID: configs.HMACID{Header: "X-Delivery"},
		}},
	}, {
		Name: "ids", Decode: "xml", MaxBody: 2 << 20, Dedup: 72 * time.Hour,
		Verify: configs.Verify{Dialect: "token", Header: "X-Token", Secrets: secrets},
	}}
	wantWatchdogs := []*configs.Watchdog{{
		Receiver: "orders", OnEvent: "apply", Silence: 15 * time.Minute, Min: time.Minute, Max: 2 * time.Hour, Audit: 12 * time.Hour,
		Grace: 2 * time.Minute, Expect: "Mon-Fri 07:00-19:00 Europe/Berlin", RecoverAfter: 3,
	}, {
		Receiver: "orders", OnEvent: "apply", Silence: 15 * time.Minute, Min: time.Minute, Max: 2 * time.Hour, Audit: 12 * time.Hour,
		Grace: 2 * time.Minute, Expect: "Mon-Fri 07:00-19:00 America/New_York", RecoverAfter: 3,
	}, {
		Receiver: "signals", OnEvent: "poll", Min: 5 * time.Minute, Max: 4 * time.Hour, Audit: 24 * time.Hour, Grace: 5 * time.Minute, RecoverAfter: 2,
	}, {
		Receiver: "ids", OnEvent: "lookup", Min: 5 * time.Minute, Max: 4 * time.Hour, Audit: 24 * time.Hour, Grace: 5 * time.Minute, RecoverAfter: 2,
	}}
	var watchdogs []*configs.Watchdog
	var rest []string
	for _, j := range c.Jobs {
		watchdogs = append(watchdogs, j.Watchdog)
		line := j.Name + " " + j.Version + " " + j.Reconcile.Text
		if j.Lookup != nil {
			line += " " + j.Lookup.Record
		}
		rest = append(rest, line)
	}
	options := cmp.Options{
		cmp.Transformer("reveal", bridge.Secret.Reveal), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmpopts.IgnoreFields(configs.Receiver{}, "Range"), cmpopts.IgnoreFields(configs.Verify{}, "Range"),
		cmpopts.IgnoreFields(configs.Bridge{}, "Store", "Retain"), cmpopts.IgnoreUnexported(configs.Watchdog{}),
	}
	for _, diff := range []string{
		cmp.Diff(wantBridge, c.Bridge, options), cmp.Diff(wantReceivers, c.Receivers, options), cmp.Diff(wantWatchdogs, watchdogs, options),
		cmp.Diff([]string{"orders/eu meta.updated_at CRON_TZ=Europe/Berlin 0 3 * * *", "orders/us meta.updated_at CRON_TZ=Europe/Berlin 0 3 * * *",
			"signals  @every 24h", "ids  @every 24h data"}, rest),
	} {
		if diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	// Each instance asks for its own region.
	e := configs.InboundEvent{Body: []byte(`{"region":"us"}`)}
	for i, want := range []bool{false, true} {
		if got, err := c.Jobs[i].Watchdog.Match(e); got != want || err != nil {
			t.Errorf("%s: %t, %v", c.Jobs[i].Name, got, err)
		}
	}
	if a, b := c.Jobs[0].Digest, c.Jobs[1].Digest; a == b {
		t.Error("two instances have the same digest")
	}
}

func TestTLSComesFromFilesBesideTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"me.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "me.key": {Type: "PRIVATE KEY", Bytes: key},
		"bridge.hcl": nil,
	} {
		content := []byte("bridge {\n  listen = \":8484\"\n  tls {\n    cert_file = \"me.pem\"\n    key_file = \"me.key\"\n  }\n}\n" + job(""))
		if block != nil {
			content = pem.EncodeToMemory(block)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := configs.Load(filepath.Join(dir, "bridge.hcl"), configs.Options{Environ: environ("SECRET=" + secret), Sources: sources.New(sources.Runtime{})})
	if err != nil {
		t.Fatal(rendered(err))
	}
	want := &configs.TLS{CertFile: filepath.Join(dir, "me.pem"), KeyFile: filepath.Join(dir, "me.key")}
	if diff := cmp.Diff(want, c.Bridge.TLS); diff != "" || len(c.Warnings.Diagnostics) > 0 {
		t.Errorf("warnings %q, (-want +got):\n%s", c.Warnings.Lines(), diff)
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
