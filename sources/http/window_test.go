package http_test

import (
	"fmt"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources"
)

// TestWorkersReportThroughTheFetch: whoever called Fetch gets lines and records one after the other, although the details
// are asked for by others. The race detector judges it: nothing guards what both write.
func TestWorkersReportThroughTheFetch(t *testing.T) {
	api, emitted := &detailed{}, make(chan struct{})
	api.detail = func(_ nethttp.ResponseWriter, _ *nethttp.Request, id string) bool {
		if id != "1" {
			<-emitted // so that its line is ready while a record is taken
		}
		return false
	}
	s := source(t, newShared(), fmt.Sprintf(eachBlock, serve(t, api.ServeHTTP), ""))
	var said []string
	ctx := sources.WithTrace(t.Context(), func(line string) {
		if _, path, ok := strings.Cut(strings.Fields(line)[1], "/orders/"); ok {
			said = append(said, "asked for "+path)
		}
	})
	_, err := s.Fetch(ctx, bridge.FetchOptions{}, func(r bridge.Record) error {
		if r.Item == 1 {
			close(emitted)
		}
		said = append(said, fmt.Sprintf("took %d", r.Item))
		return nil
	})
	if err != nil || len(said) != 6 {
		t.Fatalf("%v: %q", err, said)
	}
	if got := strings.Join(said[:2], ", "); got != "asked for 1, took 1" {
		t.Errorf("begins with %s", got)
	}
}
