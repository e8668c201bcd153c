package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/signature"
)

func testKey(t *testing.T) signature.Key {
	t.Helper()
	key, err := signature.ParseSecret(bridge.NewSecret(scriptSecret))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// post sends a webhook signed with key and returns the status of the answer.
func post(t *testing.T, key signature.Key, url, id, body string, headers ...string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signature.Standard.Sign([]signature.Key{key}, signature.Message{ID: id, At: time.Now(), Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range signed {
		request.Header.Set(h.Name, h.Value)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

const standardBody = `{"type":"orders.updated","timestamp":"2026-11-20T12:00:00.123Z","data":{"job":"orders","key":"1001","sequence":42,"origin":"schedule","changed":["/status"],"before":{},"after":{}}}`

func TestReceiverVerifiesAndReadsWhatArrives(t *testing.T) {
	var got []arrival
	server := httptest.NewServer(&receiver{keys: []signature.Key{testKey(t)}, path: "/hooks", arrived: func(a arrival) {
		a.At, a.Body, a.raw = time.Time{}, nil, nil
		got = append(got, a)
	}})
	defer server.Close()
	other, err := signature.ParseSecret(signature.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key  signature.Key
		path string
		id   string
		body string
		head []string
		want int
	}{
		{testKey(t), "/hooks", "evt_1", standardBody, nil, 200},
		{testKey(t), "/hooks", "evt_1", standardBody, []string{"hookbridge-replay", "1"}, 200},
		{testKey(t), "/hooks", "evt_2", `{"id":7}`, []string{"hookbridge-job", "orders/eu", "hookbridge-key", "a%20b", "hookbridge-sequence", "9", "hookbridge-origin", "manual"}, 200},
		{testKey(t), "/hooks", "evt_3", `not json`, nil, 200},
		{other, "/hooks", "evt_4", standardBody, nil, 401},
		{testKey(t), "/elsewhere", "evt_5", standardBody, nil, 404},
	} {
		if status := post(t, c.key, server.URL+c.path, c.id, c.body, c.head...); status != c.want {
			t.Errorf("%s to %s: answered %d, want %d", c.id, c.path, status, c.want)
		}
	}
	at := time.Date(2026, 11, 20, 12, 0, 0, 123e6, time.UTC)
	first := arrival{Answer: 200, Verified: true, ID: "evt_1", Type: "orders.updated", Timestamp: at, Job: "orders", Key: "1001",
		Sequence: 42, Origin: "schedule", Changed: []string{"/status"}}
	again := first
	again.Again, again.Replay = true, true
	want := []arrival{
		first, again,
		{Answer: 200, Verified: true, ID: "evt_2", Job: "orders/eu", Key: "a b", Sequence: 9, Origin: "manual"},
		{Answer: 200, Verified: true, ID: "evt_3"},
	}
	if len(got) != 5 {
		t.Fatalf("%d arrivals, want 5: %+v", len(got), got)
	}
	if diff := cmp.Diff(want, got[:4], cmp.AllowUnexported(arrival{})); diff != "" {
		t.Errorf("arrivals differ (-want +got):\n%s", diff)
	}
	if bad := got[4]; bad.Verified || bad.Answer != 401 || bad.Problem == "" {
		t.Errorf("a wrong signature arrived as %+v", bad)
	}
}

func TestReceiverRefusesOnPurpose(t *testing.T) {
	var got []arrival
	r := &receiver{keys: []signature.Key{testKey(t)}, failRate: 1, arrived: func(a arrival) { got = append(got, a) }}
	server := httptest.NewServer(r)
	defer server.Close()
	for range 2 {
		if status := post(t, testKey(t), server.URL, "evt_1", standardBody); status != http.StatusServiceUnavailable {
			t.Errorf("answered %d, want 503", status)
		}
	}
	if len(got) != 2 || got[1].Again || !got[1].Verified {
		t.Errorf("what was refused is not taken, so it does not arrive again: %+v", got)
	}
}

func TestReceiverRemembersABoundedNumberOfIDs(t *testing.T) {
	var r recent
	for i := range remembered + 1 {
		r.add(strconv.Itoa(i))
		r.add(strconv.Itoa(i))
	}
	if r.has("0") || !r.has("1") || !r.has(strconv.Itoa(remembered)) || len(r.ids) != remembered {
		t.Errorf("remembers %d ids, the first: %t, the second: %t", len(r.ids), r.has("0"), r.has("1"))
	}
}

// listening returns the address listen has taken.
func listening(t *testing.T, p *process) string {
	t.Helper()
	line := p.read(t, p.stderr)
	_, url, ok := strings.Cut(line, "listening on ")
	url, _, ok2 := strings.Cut(url, ";")
	if !ok || !ok2 {
		t.Fatalf("listen began with %q", line)
	}
	return url
}

func TestListenPrintsEachWebhookOnALine(t *testing.T) {
	p := call(t, map[string]string{"HOOKBRIDGE_SECRET": scriptSecret}, "listen", "--addr", "127.0.0.1:0")
	url := listening(t, p)
	answers := make(chan int, 2)
	go func() { answers <- post(t, testKey(t), url+"/hooks", "evt_1", standardBody) }()
	if line := p.read(t, p.stdout); !strings.HasSuffix(line, "✓ orders.updated  1001  orders#42  /status  evt_1") {
		t.Errorf("printed %q", line)
	}
	other, err := signature.ParseSecret(signature.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	go func() { answers <- post(t, other, url+"/hooks", "evt_2", standardBody) }()
	if line := p.read(t, p.stdout); !strings.Contains(line, "✗ NOT VERIFIED") || !strings.HasSuffix(line, "answered 401") {
		t.Errorf("printed %q", line)
	}
	if a, b := <-answers, <-answers; a+b != 200+401 {
		t.Errorf("answered %d and %d", a, b)
	}
	if code := p.stop(t); code != 0 {
		t.Errorf("exit code %d, want 0: to be interrupted is its good end", code)
	}
}

func TestListenPrintsJSON(t *testing.T) {
	p := call(t, nil, "listen", "--addr", "127.0.0.1:0", "--secret", scriptSecret, "--json", "--bodies")
	url := listening(t, p)
	answered := make(chan int, 1)
	go func() { answered <- post(t, testKey(t), url, "evt_1", standardBody) }()
	var got arrival
	if err := json.Unmarshal([]byte(p.read(t, p.stdout)), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "evt_1" || !got.Verified || got.Key != "1001" || string(got.Body) != standardBody {
		t.Errorf("printed %+v", got)
	}
	if code := <-answered; code != 200 {
		t.Errorf("answered %d", code)
	}
	p.stop(t)
}

func TestListenSaysThatItsAddressIsTaken(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	p := call(t, nil, "listen", "--addr", addr, "--secret", scriptSecret)
	if line := p.read(t, p.stderr); line != "hookbridge: error: address "+addr+" is taken by another program" {
		t.Errorf("said %q", line)
	}
	if code := p.stop(t); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
}
