package daemon_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// nodeProcess is a script of testdata/node that has said on which port it listens.
type nodeProcess struct {
	url   string
	lines chan string // of its standard output, after the port; closed at its end
	end   context.CancelFunc
}

const nodeFolder = "../testdata/node"

// needNode skips where the npm packages were never installed, but not in CI, where make test installs them.
func needNode(t *testing.T) {
	t.Helper()
	_, err := os.Stat(filepath.Join(nodeFolder, "node_modules", "json-server", "package.json"))
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
}

func startNode(t *testing.T, environ []string, script string, args ...string) *nodeProcess {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	command := exec.CommandContext(ctx, "node", append([]string{script}, args...)...)
	command.Dir = nodeFolder
	command.Env = append(os.Environ(), environ...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &nodeProcess{lines: make(chan string, 1<<16), end: cancel}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(p.lines)
		scanner := bufio.NewScanner(output)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			p.lines <- scanner.Text()
		}
		_ = command.Wait() // killed: that is how it ends
	}()
	t.Cleanup(func() { cancel(); <-ended })
	port, ok := <-p.lines
	if !ok {
		t.Fatalf("node %s ended before it listened", script)
	}
	p.url = "http://127.0.0.1:" + port
	return p
}

// stop ends the process and returns what it had said and nobody read.
func (p *nodeProcess) stop() []string {
	p.end()
	var rest []string
	for line := range p.lines {
		rest = append(rest, line)
	}
	return rest
}

func randomBytes(t *testing.T, n int) []byte {
	t.Helper()
	bytes := make([]byte, n)
	if _, err := rand.Read(bytes); err != nil {
		t.Fatal(err)
	}
	return bytes
}
