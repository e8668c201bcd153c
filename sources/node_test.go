package sources_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const nodeFolder = "../testdata/node"

// startNode runs a script of testdata/node that prints the port it listens on, and returns its address. It skips where
// the npm packages were never installed, but not in CI, where make test installs them.
func startNode(t *testing.T, module, script string, args ...string) string {
	t.Helper()
	_, err := os.Stat(filepath.Join(nodeFolder, "node_modules", module, "package.json"))
	if err == nil {
		_, err = exec.LookPath("node")
	}
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%v; type: make test", err)
	default:
		t.Skipf("%v; make test installs what this test needs", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	command := exec.CommandContext(ctx, "node", append([]string{script}, args...)...)
	command.Dir = nodeFolder
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = command.Wait() // killed: that is how it ends
	})
	scanner := bufio.NewScanner(output)
	if !scanner.Scan() {
		t.Fatalf("node %s ended before it listened", script)
	}
	return "http://127.0.0.1:" + scanner.Text()
}
