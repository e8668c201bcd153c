package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What follows an answer that ends earlier is nobody's, and may repeat what the source was sent.
func TestWhatASourceSendsUnaskedIsNotShown(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				fmt.Fprintf(conn, "HTTP/1.1 204 No Content\r\n\r\nyour token is %s", scriptSecret)
			}
		}
	}()
	config := filepath.Join(t.TempDir(), "bridge.hcl")
	text := fmt.Sprintf("destination \"d\" {\n url = \"https://hooks.example.com\"\n signature = \"none\"\n}\njob \"j\" {\n schedule = \"@hourly\"\n deliver = [destination.d]\n key = \"id\"\n source \"http\" {\n  url = \"http://%s\"\n  auth \"bearer\" {\n   token = env(\"SECRET\")\n  }\n }\n}\n", listener.Addr())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, "plan", "--config", config)
	c.Args[0] = "hookbridge" // see TestMain
	c.Env = append(os.Environ(), "SECRET="+scriptSecret)
	out, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "answered 204") || strings.Contains(string(out), "your token") {
		t.Errorf("%v, printed %s", err, out)
	}
}
