package outbound

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookbridge/bridge"
)

func TestReloadChangesWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 40)
		destination := to(1, "http://old.test/")
		destination.Concurrency = 1
		d, _ := running(t, l, Options{Transport: a.during(time.Second, always(200))}, destination)
		pass(4500 * time.Millisecond)
		moved := to(1, "http://new.test/")
		if err := d.Set([]Destination{moved}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		old := strings.Count(strings.Join(a.hosts, " "), "old.test")
		if old != 5 || a.count() != 40 || a.most != 16 {
			t.Errorf("%d to the old URL, %d in all, %d together; want 5, 40, 16", old, a.count(), a.most)
		}

		broken := to(1, "ftp://new.test/")
		if err := d.Set([]Destination{broken}); err == nil {
			t.Fatal("a broken destination was taken")
		}
		l.add(1, "")
		d.Wake(1)
		pass(10 * time.Second)
		if a.count() != 41 || a.hosts[40] != "new.test" {
			t.Errorf("after a refused reload: %d, last to %s", a.count(), a.hosts[len(a.hosts)-1])
		}
	})
}

func TestRemovedDestinationFinishesAndHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 10)
		destination := to(1, "http://shop.test/")
		destination.Concurrency = 2
		d, end := running(t, l, Options{Transport: a.during(time.Second, always(200))}, destination)
		pass(500 * time.Millisecond)
		if err := d.Set(nil); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if a.count() != 2 || l.count(bridge.StateDelivered) != 2 || l.count(bridge.StateReady) != 8 {
			t.Errorf("%d attempts, %d delivered, %d held; want 2, 2, 8", a.count(), l.count(bridge.StateDelivered), l.count(bridge.StateReady))
		}
		if got := goroutines("(*courier)"); got != 0 {
			t.Errorf("its courier is still there, in %d goroutines", got)
		}
		if _, err := d.Request(l.rows[0].Delivery); !errors.Is(err, bridge.ErrNotFound) {
			t.Errorf("request of an orphan: %v", err)
		}
		if err := d.Set([]Destination{destination}); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if got := l.count(bridge.StateDelivered); got != 10 {
			t.Errorf("when it came back: %d delivered, want 10", got)
		}
		if err := end(false); err != nil {
			t.Error(err)
		}
	})
}

func TestRemovedAndBackWhileInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := backlog(t, 10)
		destination := to(1, "http://shop.test/")
		destination.Concurrency = 2
		d, _ := running(t, l, Options{Transport: a.during(time.Second, always(200))}, destination)
		for range 4 {
			pass(100 * time.Millisecond)
			for _, set := range [][]Destination{nil, {destination}} {
				if err := d.Set(set); err != nil {
					t.Fatal(err)
				}
			}
		}
		pass(time.Hour)
		if a.count() != 10 || a.most != 2 || l.count(bridge.StateDelivered) != 10 {
			t.Errorf("%d attempts, %d together, %d delivered; want 10, 2, 10", a.count(), a.most, l.count(bridge.StateDelivered))
		}
	})
}

func TestSetReportsEveryMistake(t *testing.T) {
	bad := Destination{
		Number: 1, Name: "shop", URL: "ftp://u:hunter22@h/?k=hunter33", Secrets: []bridge.Secret{bridge.NewSecret("whsec_hunter44")}, Concurrency: -1, Rate: -1,
		Timeout: -1, Retry: []time.Duration{0, -1},
		Headers: []Header{{"Webhook-Id", bridge.NewSecret("x")}, {"a b", bridge.NewSecret("x")}, {"X-A", bridge.NewSecret("hunter55\r\nX-B: 1")}},
	}
	err := New(nil, Options{}).Set([]Destination{bad, {Number: 2, Name: "none", URL: "http://h/"}, {Number: 3, Name: "odd", URL: "http://h:x/", Signature: "magic"}})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		`"shop"`, "must start with http://", "secret 1", "concurrency must be", "rate must be", "timeout must be", "wait 2", `"Webhook-Id" is the bridge's own`,
		`"a b" is not a valid name`, `value of header "X-A"`, `"none": no secret to sign with`, "url cannot be parsed", `signature "magic" is not known`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter") {
		t.Errorf("a secret is in:\n%v", err)
	}
}

func TestRequestIsShownWithoutSecrets(t *testing.T) {
	d := New(nil, Options{UserAgent: "hookbridge/1.0"})
	destination := to(1, "https://u:hunter22@shop.example.com/?k=hunter33")
	destination.Headers = []Header{{"x-auth", bridge.NewSecret("hunter44")}}
	if err := d.Set([]Destination{destination}); err != nil {
		t.Fatal(err)
	}
	got, err := d.Request(bridge.Delivery{Destination: 1, Event: sample(), Format: FormatRaw, FormatVersion: 1})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", got)
	for _, want := range []string{"POST", "https://xxxxx@shop.example.com/?k=xxxxx", "{webhook-signature (secret)}", "[x-auth (secret)]", "[hookbridge-key 1001]", "[user-agent hookbridge/1.0]"} {
		want = strings.NewReplacer("{", "[", "}", "]").Replace(want)
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if strings.Contains(text, "hunter") || strings.Contains(text, "v1,") || string(got.Body) != string(sample().After) {
		t.Errorf("got %s, body %s", text, got.Body)
	}
	if _, err := d.Request(bridge.Delivery{Destination: 2}); !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("unknown destination: %v", err)
	}
}
