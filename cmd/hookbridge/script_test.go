package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/signature"
)

var update = flag.Bool("update", false, "write what commands print into the scripts that compare it")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hookbridge": main})
}

// TestScripts runs testdata/script: each file is a folder and the commands somebody types in it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SECRET", scriptSecret)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // with -race every process would end with a second's sleep
			env.Values[inboxKey{}] = make(chan arrival, 1000)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"api":      api,
			"receiver": startReceiver,
			"received": received,
			"address":  address,
			"webhook":  webhook,
		},
	})
}

const scriptSecret = "whsec_c2NyaXB0cyBzaWduIHdpdGggdGhpcyBzZWNyZXQ="

// exits CODE PROGRAM [ARG...] runs a program that must end with that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// api FOLDER serves a folder as a legacy system and puts its address into $API: /orders answers with orders.json,
// and with the status that stands in orders.status where there is such a file.
func api(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: api FOLDER")
	}
	folder := ts.MkAbs(args[0])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Join(folder, filepath.Base(r.URL.Path))
		body, err := os.ReadFile(name + ".json")
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if status, err := os.ReadFile(name + ".status"); err == nil {
			code, _ := strconv.Atoi(strings.TrimSpace(string(status)))
			w.WriteHeader(code)
		}
		_, _ = w.Write(body)
	}))
	ts.Defer(server.Close)
	ts.Setenv("API", server.URL)
}

type inboxKey struct{}

// receiver starts a receiver that verifies with $SECRET and puts its address into $RECEIVER.
func startReceiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: receiver")
	}
	key, err := signature.ParseSecret(bridge.NewSecret(scriptSecret))
	ts.Check(err)
	inbox := ts.Value(inboxKey{}).(chan arrival)
	server := httptest.NewServer(&receiver{keys: []signature.Key{key}, arrived: func(a arrival) { inbox <- a }})
	ts.Defer(server.Close)
	ts.Setenv("RECEIVER", server.URL)
}

// received N FILE waits until N more webhooks have arrived and writes them to FILE, a line of JSON each.
func received(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: received N FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	inbox := ts.Value(inboxKey{}).(chan arrival)
	var lines []byte
	deadline := time.After(2 * time.Minute)
	for i := range n {
		select {
		case a := <-inbox:
			line, err := json.Marshal(a)
			ts.Check(err)
			lines = append(append(lines, line...), '\n')
		case <-deadline:
			ts.Fatalf("%d webhooks arrived, want %d; so far:\n%s", i, n, lines)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), lines, 0o600))
}

// webhook STATUS RECEIVER ID FILE sends a file to a receiver at $INBOUND, signed with $SECRET unless ID is "-", and wants
// that answer. Where nobody listens yet it tries again until somebody does.
func webhook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: webhook STATUS RECEIVER ID FILE")
	}
	url, body := "http://"+ts.Getenv("INBOUND")+"/in/"+args[1], []byte(ts.ReadFile(args[3]))
	standard, _ := signature.Find("standard")
	keys, err := standard.Keys([]bridge.Secret{bridge.NewSecret(scriptSecret)})
	ts.Check(err)
	for deadline := time.Now().Add(30 * time.Second); ; {
		headers, err := standard.Sign(keys, signature.Message{ID: args[2], At: time.Now(), Method: http.MethodPost, URL: url, Body: body})
		ts.Check(err)
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
		ts.Check(err)
		request.Header.Set("Content-Type", "application/json")
		for _, h := range headers {
			if args[2] == "-" {
				break
			}
			request.Header.Set(h.Name, h.Value)
		}
		response, err := http.DefaultClient.Do(request)
		if errors.Is(err, syscall.ECONNREFUSED) && time.Now().Before(deadline) {
			continue
		}
		ts.Check(err)
		_ = response.Body.Close()
		if got := strconv.Itoa(response.StatusCode); got != args[0] {
			ts.Fatalf("the webhook was answered %s, want %s", got, args[0])
		}
		return
	}
}

// address NAME puts an address nobody listens on into $NAME.
func address(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: address NAME")
	}
	ts.Setenv(args[0], freeAddress(ts.Fatalf))
}

// freeAddress is a loopback address that nobody listened at a moment ago. Its port is none of those that connections are given
// by themselves, which somebody else's may be at any moment.
func freeAddress(fatalf func(string, ...any)) string {
	for range 100 {
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(20_000))); err == nil {
			defer func() { _ = listener.Close() }()
			return listener.Addr().String()
		}
	}
	fatalf("no address is free")
	return ""
}
