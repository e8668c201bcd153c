package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/sources"
)

// demoConfig is bridge.hcl with the addresses and the pace of a test.
func demoConfig(t *testing.T, receiver string) string {
	t.Helper()
	config := strings.NewReplacer("http://127.0.0.1:9191", "http://"+receiver, `"127.0.0.1:8484"`, `"`+freeAddress(t.Fatalf)+`"`,
		`"@every 2s"`, `"@every 1s"`, `"@every 3s"`, `"@every 1s"`, `"4s"`, `"2s"`, `"2s" #`, `"1s" #`).Replace(bridge.Example)
	path := filepath.Join(t.TempDir(), "bridge.hcl")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDemoTurnsEveryChangeIntoAVerifiedWebhook(t *testing.T) {
	api, hooks := freeAddress(t.Fatalf), freeAddress(t.Fatalf)
	p := call(t, nil, "demo", "--for", "3s", "--every", "200ms", "--legacy", api, "--receiver", hooks,
		"--config", demoConfig(t, hooks), "--var", "legacy_url=http://"+api)
	code := p.wait(t)
	var lines []string
	for line := range p.stdout {
		lines = append(lines, line)
	}
	for line := range p.stderr {
		t.Log(line)
	}
	if code != exitDone {
		t.Fatalf("exit code %d; printed:\n%s", code, strings.Join(lines, "\n"))
	}
	sum := regexp.MustCompile(`demo     (\d+) changes, (\d+) webhooks verified$`).FindStringSubmatch(lines[len(lines)-1])
	if sum == nil || sum[1] != sum[2] || sum[1] == "0" {
		t.Errorf("the last line is %q", lines[len(lines)-1])
	}
	if !regexp.MustCompile(`first poll: took in 8 orders, 5 customers and 8 shipments silently`).MatchString(strings.Join(lines, "\n")) {
		t.Errorf("the baseline is not told in:\n%s", strings.Join(lines, "\n"))
	}
	if _, err := os.Stat("bridge.db"); err == nil {
		t.Error("the demo left a store behind")
	}
}

// The second part: a source of webhooks falls silent, is found out and comes back, and every change is told all the same.
func TestDemoTellsTheStoryOfTheWatchdog(t *testing.T) {
	api, hooks := freeAddress(t.Fatalf), freeAddress(t.Fatalf)
	p := call(t, nil, "demo", "--every", "300ms", "--legacy", api, "--receiver", hooks,
		"--config", demoConfig(t, hooks), "--var", "legacy_url=http://"+api)
	for _, next := range [][]string{
		{"watchdog unproven → recovering: "},
		{"receiver ✓ shipments.", "verified, by webhook"},
		{"watchdog recovering → listening: "},
		{"legacy", "the webhooks of shipments stop"},
		{"legacy", "shipment", "no webhook"},
		{"watchdog listening → probing: silent for "},
		{"watchdog probing → fallback: ", "that no webhook told"},
		{"receiver ✓ shipments.", "verified, by fallback"},
		{"legacy", "the webhooks of shipments are back"},
		{"watchdog fallback → recovering: webhooks are back"},
		{"watchdog recovering → listening: "},
		{"demo", "that was the whole story"},
	} {
		if line := p.until(t, p.stdout, holding(next...)); strings.Contains(line, "NOT VERIFIED") {
			t.Error(line)
		}
	}
	if code := p.stop(t); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	p.until(t, p.stdout, holding("demo     ", " webhooks verified"))
}

func TestDemoEndsWhenInterrupted(t *testing.T) {
	api, hooks := freeAddress(t.Fatalf), freeAddress(t.Fatalf)
	p := call(t, nil, "demo", "--json", "--legacy", api, "--receiver", hooks, "--config", demoConfig(t, hooks), "--var", "legacy_url=http://"+api)
	p.until(t, p.stdout, holding(`"who":"bridge"`, "first poll"))
	if code := p.stop(t); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	p.until(t, p.stdout, holding(`"who":"demo"`, "verified"))
}

func TestDemoSaysThatAPortIsTaken(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	taken := strings.TrimPrefix(server.URL, "http://")
	p := call(t, nil, "demo", "--legacy", taken)
	if line := p.read(t, p.stderr); !strings.Contains(line, taken+" is taken") {
		t.Errorf("said %q", line)
	}
	if code := p.wait(t); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	api, hooks := freeAddress(t.Fatalf), freeAddress(t.Fatalf)
	path := demoConfig(t, hooks)
	config, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, regexp.MustCompile(`listen = "[^"]*"`).ReplaceAll(config, []byte(`listen = "`+taken+`"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	p = call(t, nil, "demo", "--legacy", api, "--receiver", hooks, "--config", path, "--var", "legacy_url=http://"+api)
	if line := p.read(t, p.stderr); !strings.Contains(line, taken+" is taken") {
		t.Errorf("said %q", line)
	}
	if code := p.wait(t); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

func TestTheExampleIsValid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.hcl")
	if err := os.WriteFile(path, []byte(bridge.Example), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := configs.Load(path, configs.Options{Sources: sources.New(sources.Runtime{})})
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Warnings.Lines()) > 0 {
		t.Errorf("warnings: %q", config.Warnings.Lines())
	}
}

func TestLegacyServesPagesAndETags(t *testing.T) {
	server := httptest.NewServer(newLegacy())
	defer server.Close()
	fetch := func(path, tag string) (*http.Response, map[string]json.RawMessage) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("If-None-Match", tag)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var body map[string]json.RawMessage
		_ = json.NewDecoder(response.Body).Decode(&body) // customers are an array, and a 304 has none
		return response, body
	}
	size := func(raw json.RawMessage) int {
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			t.Fatal(err)
		}
		return len(items)
	}
	for path, want := range map[string]int{"/orders": 8, "/orders?page=1&per_page=5": 5, "/orders?page=2&per_page=5": 3,
		"/orders?page=3&per_page=5": 0, "/orders?page=900&per_page=1000": 0} {
		if _, body := fetch(path, ""); size(body["data"]) != want || string(body["total"]) != "8" {
			t.Errorf("%s: %d of %s orders, want %d of 8", path, size(body["data"]), body["total"], want)
		}
	}
	first, _ := fetch("/customers", "")
	if again, _ := fetch("/customers", first.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("the same customers again: status %d, want 304", again.StatusCode)
	}
	if response, _ := fetch("/shipments", ""); response.StatusCode != http.StatusOK {
		t.Errorf("shipments: status %d", response.StatusCode)
	}
	if none, _ := fetch("/elsewhere", ""); none.StatusCode != http.StatusNotFound {
		t.Errorf("elsewhere: status %d, want 404", none.StatusCode)
	}
}

func TestLegacyLeavesBusyRecordsAlone(t *testing.T) {
	l := newLegacy()
	for range 500 {
		if c, ok := l.change(func(string, string) bool { return true }); ok && c.op != bridge.Created {
			t.Fatalf("changed a busy record: %+v", c)
		}
	}
	known := map[string]bool{}
	for range 500 {
		c, ok := l.change(func(string, string) bool { return false })
		if !ok {
			continue
		}
		if id := c.job + " " + c.key; c.op == bridge.Created && known[id] {
			t.Fatalf("created %s twice", id)
		} else {
			known[id] = true
		}
	}
	for range 2 * mostShipments * len(stages) {
		if c, x, ok := l.ship(func(_, key string) bool { return key == "S71" }); ok && (x.ID == "S71" || c.key != x.ID) {
			t.Fatalf("moved a busy shipment: %+v, %+v", c, x)
		}
	}
	if len(l.shipments) != mostShipments {
		t.Errorf("%d shipments", len(l.shipments))
	}
	if len(l.orders) < 4 || len(l.orders) > 20 || len(l.customers) > 12 {
		t.Errorf("%d orders and %d customers", len(l.orders), len(l.customers))
	}
}
