package inbound_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/inbound"
	"github.com/hookbridge/bridge/signature"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// desk is an inbox that remembers what it was given.
type desk struct {
	mu     sync.Mutex
	taken  []bridge.Inbound
	bodies []string
	refuse error
	twice  bool
}

func (d *desk) Accept(_ context.Context, w *bridge.Inbound, body json.RawMessage) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse != nil {
		return false, d.refuse
	}
	d.taken = append(d.taken, *w)
	d.bodies = append(d.bodies, string(body))
	return d.twice, nil
}

func (d *desk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.taken)
}

func dialect(t testing.TB, name string, secrets ...string) (signature.Dialect, []signature.Key) {
	t.Helper()
	d, ok := signature.Find(name)
	if !ok {
		t.Fatalf("there is no dialect %q", name)
	}
	var all []bridge.Secret
	for _, s := range secrets {
		all = append(all, bridge.NewSecret(s))
	}
	keys, err := d.Keys(all)
	if err != nil {
		t.Fatal(err)
	}
	return d, keys
}

func orders(t testing.TB) inbound.Receiver {
	t.Helper()
	d, keys := dialect(t, "standard", secret)
	return inbound.Receiver{Name: "orders", Dialect: d, Keys: keys, PublicURL: "https://bridge.example.com"}
}

// serve runs a server with those receivers behind real HTTP.
func serve(t testing.TB, inbox inbound.Inbox, options inbound.Options, receivers ...inbound.Receiver) (*inbound.Server, *httptest.Server) {
	t.Helper()
	s := inbound.New(inbox, options)
	if err := s.Set(receivers, nil); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return s, web
}

// signed is a request as the sender of a receiver makes it. edit may spoil it afterwards.
func signed(t testing.TB, base string, r inbound.Receiver, id, body string) *http.Request {
	t.Helper()
	headers, err := r.Dialect.Sign(r.Keys, signature.Message{ID: id, At: time.Now(), Method: http.MethodPost,
		URL: r.PublicURL + inbound.Prefix + r.Name, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+inbound.Prefix+r.Name, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		request.Header.Add(h.Name, h.Value)
	}
	return request
}

func send(t testing.TB, request *http.Request) (status int, text string, header http.Header) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(all)), response.Header
}

func TestAWebhookIsKeptAsItCame(t *testing.T) {
	var d desk
	r := orders(t)
	s, web := serve(t, &d, inbound.Options{}, r)
	const body = ` {"id": 9007199254740993, "price": 10.50} `
	request := signed(t, web.URL, r, "msg_1", body)
	request.URL.RawQuery = "token=hush&page=2"
	request.Header.Set("Authorization", "Bearer hush")
	request.Header.Set("Cookie", "session=hush")
	request.Header.Set("X-Event", "order.updated")
	before := time.Now()
	if status, text, _ := send(t, request); status != http.StatusOK || text != "accepted" {
		t.Fatalf("answer %d %q", status, text)
	}
	got := d.taken[0]
	if got.At.Before(before) || got.Until.Sub(got.At) != 72*time.Hour {
		t.Errorf("at %s until %s", got.At, got.Until)
	}
	for _, name := range []string{"Authorization", "Cookie", "Webhook-Signature"} {
		if got.Header.Get(name) != "" {
			t.Errorf("header %s was kept", name)
		}
	}
	if got.Header.Get("X-Event") != "order.updated" || got.Header.Get("Webhook-Id") != "msg_1" {
		t.Errorf("headers %v", got.Header)
	}
	got.At, got.Until, got.Header = time.Time{}, time.Time{}, nil
	want := bridge.Inbound{Receiver: "orders", DeliveryID: "msg_1", Method: "POST", Path: "/in/orders",
		Query: "token=xxxxx&page=xxxxx", Body: []byte(body), State: bridge.InboundReceived}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if d.bodies[0] != `{"id": 9007199254740993, "price": 10.50}` {
		t.Errorf("body %s", d.bodies[0])
	}
	status := s.Status()
	if len(status) != 1 || status[0].Accepted != 1 || status[0].Last.Before(before) {
		t.Errorf("status %+v", status)
	}
}

func TestWhatIsNotAccepted(t *testing.T) {
	r := orders(t)
	r.MaxBody = 100
	for name, tc := range map[string]struct {
		edit   func(*http.Request)
		status int
		why    string
	}{
		"another receiver": {func(r *http.Request) { r.URL.Path = "/in/customers" }, 404, ""},
		"below a receiver": {func(r *http.Request) { r.URL.Path = "/in/orders/1" }, 404, ""},
		"another path":     {func(r *http.Request) { r.URL.Path = "/orders" }, 404, ""},
		"GET":              {func(r *http.Request) { r.Method, r.Body, r.ContentLength = "GET", nil, 0 }, 405, "method"},
		"DELETE":           {func(r *http.Request) { r.Method = "DELETE" }, 405, "method"},
		"no signature":     {func(r *http.Request) { r.Header.Del("webhook-signature") }, 401, "missing"},
		"another body":     {func(r *http.Request) { fill(r, `{"id":2}`) }, 401, "mismatch"},
		"a large body":     {func(r *http.Request) { fill(r, strings.Repeat("x", 101)) }, 413, "size"},
		"a large body of unknown length": {func(r *http.Request) {
			fill(r, strings.Repeat("x", 101))
			r.ContentLength = -1
		}, 413, "size"},
		"headers without end": {func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 70<<10)) }, 431, "size"},
		"a query without end": {func(r *http.Request) { r.URL.RawQuery = strings.Repeat("x", 9<<10) }, 414, "size"},
	} {
		t.Run(name, func(t *testing.T) {
			var d desk
			s, web := serve(t, &d, inbound.Options{}, r)
			request := signed(t, web.URL, r, "msg_1", `{"id":1}`)
			tc.edit(request)
			status, text, header := send(t, request)
			if status != tc.status || d.count() != 0 {
				t.Errorf("answer %d %q, %d taken", status, text, d.count())
			}
			if status == http.StatusMethodNotAllowed && header.Get("Allow") != "POST, PUT" {
				t.Errorf("allow is %q", header.Get("Allow"))
			}
			var want map[string]int64
			if tc.why != "" {
				want = map[string]int64{tc.why: 1}
			}
			if diff := cmp.Diff(want, s.Status()[0].Refused); diff != "" {
				t.Errorf("refusals (-want +got):\n%s", diff)
			}
		})
	}
}

func fill(r *http.Request, body string) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	r.GetBody = nil
}

func TestABodyMayBeAsLargeAsAllowed(t *testing.T) {
	r := orders(t)
	r.MaxBody = 100_000
	body := `"` + strings.Repeat("x", 100_000-2) + `"`
	for _, length := range []int64{int64(len(body)), -1} {
		var d desk
		_, web := serve(t, &d, inbound.Options{}, r)
		request := signed(t, web.URL, r, "msg_1", body)
		request.ContentLength = length
		if status, text, _ := send(t, request); status != http.StatusOK || d.bodies[0] != body {
			t.Errorf("length %d: answer %d %q", length, status, text)
		}
	}
}

func TestAnUnknownPathTellsNothing(t *testing.T) {
	_, web := serve(t, &desk{}, inbound.Options{}, orders(t))
	for _, path := range []string{"/in/", "/in/nobody", "/in//orders", "/in/orders%2f", "/"} {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+path, nil)
		if status, _, _ := send(t, request); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestTheInboxDecidesWhatIsAnswered(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
		retry  string
		why    string
	}{
		{fmt.Errorf("take: %w", bridge.ErrFull), 503, "60", "full"},
		{errors.New("the store is closed"), 500, "", "trouble"},
	} {
		d := desk{refuse: tc.err}
		r := orders(t)
		s, web := serve(t, &d, inbound.Options{}, r)
		status, text, header := send(t, signed(t, web.URL, r, "msg_1", `{}`))
		if status != tc.status || header.Get("Retry-After") != tc.retry || strings.Contains(text, tc.err.Error()) {
			t.Errorf("%v: answer %d %q, retry after %q", tc.err, status, text, header.Get("Retry-After"))
		}
		if got := s.Status()[0]; got.Accepted != 0 || got.Refused[tc.why] != 1 {
			t.Errorf("%v: status %+v", tc.err, got)
		}
	}
	d := desk{twice: true}
	r := orders(t)
	s, web := serve(t, &d, inbound.Options{}, r)
	if status, _, _ := send(t, signed(t, web.URL, r, "msg_1", `{}`)); status != http.StatusOK {
		t.Errorf("a duplicate is answered %d", status)
	}
	if got := s.Status()[0]; got.Duplicates != 1 || got.Accepted != 1 {
		t.Errorf("status %+v", got)
	}
}

// hang is an inbox that waits for its context to end.
type hang struct{}

func (hang) Accept(ctx context.Context, _ *bridge.Inbound, _ json.RawMessage) (bool, error) {
	<-ctx.Done()
	return false, context.Cause(ctx)
}

func TestASlowInboxIsNotWaitedForWithoutEnd(t *testing.T) {
	r := orders(t)
	s, web := serve(t, hang{}, inbound.Options{AcceptTimeout: time.Millisecond}, r)
	status, text, header := send(t, signed(t, web.URL, r, "msg_1", `{}`))
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") != "10" || s.Status()[0].Refused["busy"] != 1 {
		t.Errorf("answer %d %q", status, text)
	}
}

func TestABodyThatCannotBeDecodedIsKeptWithItsReason(t *testing.T) {
	for _, tc := range []struct {
		header, value, body string
		status              int
		reason              string
	}{
		{"Content-Type", "application/json", `{"id":`, 400, "the body ends in the middle of its JSON"},
		{"Content-Type", "application/x-www-form-urlencoded", `id=1`, 415,
			`the body is in another form: it is application/x-www-form-urlencoded; set decode = "form", or the content type at the sender`},
		{"Content-Encoding", "gzip", "\x1f\x8b", 415,
			"the body is in another form: it is compressed (content-encoding); have the sender send it plain"},
	} {
		var d desk
		r := orders(t)
		s, web := serve(t, &d, inbound.Options{}, r)
		request := signed(t, web.URL, r, "msg_1", tc.body)
		request.Header.Set(tc.header, tc.value)
		status, text, _ := send(t, request)
		if status != tc.status || text != tc.reason {
			t.Errorf("%q: answer %d %q", tc.body, status, text)
		}
		if d.count() != 1 || d.taken[0].State != bridge.InboundFailed || d.taken[0].Reason != tc.reason ||
			!bytes.Equal(d.taken[0].Body, []byte(tc.body)) || d.bodies[0] != "" {
			t.Errorf("%q: kept %+v with body %q", tc.body, d.taken, d.bodies)
		}
		if got := s.Status()[0]; got.Failed != 1 || got.Accepted != 1 {
			t.Errorf("status %+v", got)
		}
	}
}

func TestARateHoldsBackWhatIsVerifiedOnly(t *testing.T) {
	var d desk
	r := orders(t)
	r.Rate = 0.01 // one now, the next in 100 s
	s, web := serve(t, &d, inbound.Options{}, r)
	for range 3 {
		forged := signed(t, web.URL, r, "msg_0", `{}`)
		fill(forged, `{"forged":true}`)
		if status, _, _ := send(t, forged); status != http.StatusUnauthorized {
			t.Fatalf("a stranger is answered %d", status)
		}
	}
	if status, text, _ := send(t, signed(t, web.URL, r, "msg_1", `{}`)); status != http.StatusOK {
		t.Fatalf("strangers have used up the rate: %d %q", status, text)
	}
	for range 2 { // being refused costs nothing of the rate either
		status, _, header := send(t, signed(t, web.URL, r, "msg_2", `{}`))
		if status != http.StatusTooManyRequests || header.Get("Retry-After") != "100" {
			t.Fatalf("answer %d, retry after %q", status, header.Get("Retry-After"))
		}
	}
	if err := s.Set([]inbound.Receiver{r}, nil); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := send(t, signed(t, web.URL, r, "msg_2", `{}`)); status != http.StatusTooManyRequests {
		t.Errorf("a reload has given the rate back: %d", status)
	}
	if got := s.Status()[0]; got.Accepted != 1 || got.Refused["rate"] != 3 || got.Refused["mismatch"] != 3 {
		t.Errorf("status %+v", got)
	}
}

func TestOnlyAllowedClientsMaySend(t *testing.T) {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for _, tc := range []struct {
		name    string
		allow   string
		proxies []netip.Prefix
		through []string // X-Forwarded-For
		status  int
	}{
		{"the connection's address", "127.0.0.1/32", nil, nil, 200},
		{"another", "192.0.2.0/24", nil, nil, 403},
		{"nobody's proxy is believed", "192.0.2.0/24", nil, []string{"192.0.2.1"}, 403},
		{"a trusted proxy is", "192.0.2.0/24", []netip.Prefix{loopback}, []string{"192.0.2.1"}, 200},
		{"what the client says of itself is not", "192.0.2.0/24", []netip.Prefix{loopback}, []string{"192.0.2.1, 198.51.100.7"}, 403},
		{"several lines are one list", "192.0.2.0/24", []netip.Prefix{loopback}, []string{"198.51.100.7", "192.0.2.1"}, 200},
		{"two proxies", "192.0.2.0/24", []netip.Prefix{loopback, netip.MustParsePrefix("10.0.0.0/8")}, []string{"192.0.2.1, 10.1.2.3"}, 200},
		{"a port", "192.0.2.0/24", []netip.Prefix{loopback}, []string{"192.0.2.1:4711"}, 200},
		{"IPv6", "2001:db8::/32", []netip.Prefix{loopback}, []string{"[2001:db8::1]:4711"}, 200},
		{"IPv4 in IPv6", "192.0.2.0/24", []netip.Prefix{loopback}, []string{"::ffff:192.0.2.1"}, 200},
		{"what is no address", "0.0.0.0/0", []netip.Prefix{loopback}, []string{"192.0.2.1, unknown"}, 403},
		{"a proxy that says nothing", "127.0.0.1/32", []netip.Prefix{loopback}, nil, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var d desk
			r := orders(t)
			r.Allow = []netip.Prefix{netip.MustParsePrefix(tc.allow)}
			s, web := serve(t, &d, inbound.Options{}, r)
			if err := s.Set([]inbound.Receiver{r}, tc.proxies); err != nil {
				t.Fatal(err)
			}
			request := signed(t, web.URL, r, "msg_1", `{}`)
			for _, line := range tc.through {
				request.Header.Add("X-Forwarded-For", line)
			}
			if status, text, _ := send(t, request); status != tc.status {
				t.Errorf("answer %d %q, want %d", status, text, tc.status)
			}
		})
	}
}
