//go:build unix

package sftp_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemon is a real OpenSSH server on loopback, with keys of its own, that lets in whoever runs the tests.
type daemon struct {
	addr    string
	user    string
	keys    string // folder with host_ed25519, host_ecdsa, host_rsa, id (the user's) and their public halves
	process *os.Process
}

// need finds a program, and skips the test where it is missing, but not in CI.
func need(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if path := "/usr/sbin/" + name; exec.Command("test", "-x", path).Run() == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing; .ci/doctor test installs it", name)
	}
	t.Skipf("SKIPPED: %s is missing; type: .ci/doctor test", name)
	return ""
}

// keygen makes a key pair.
func keygen(t testing.TB, path, kind string, more ...string) {
	t.Helper()
	args := append([]string{"-q", "-N", "", "-C", "test", "-t", kind, "-f", path}, more...)
	if out, err := exec.Command(need(t, "ssh-keygen"), args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
}

// sshd starts a server; more are lines of its configuration. The line of the subsystem is the last of its kind that counts.
func sshd(t testing.TB, more ...string) *daemon {
	t.Helper()
	program := need(t, "sshd")
	d := &daemon{keys: t.TempDir()}
	for kind, size := range map[string]string{"ed25519": "256", "ecdsa": "256", "rsa": "2048"} {
		keygen(t, filepath.Join(d.keys, "host_"+kind), kind, "-b", size)
	}
	keygen(t, filepath.Join(d.keys, "id"), "ed25519")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	d.user = me.Username
	if os.Getuid() == 0 { // what its service makes at start
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(strings.Join(more, "\n"), "Subsystem") {
		more = append(more, "Subsystem sftp internal-sftp")
	}
	for range 5 { // its port may be taken in between
		if d.start(t, program, more) {
			return d
		}
	}
	t.Fatal("sshd finds no free port")
	return nil
}

func (d *daemon) start(t testing.TB, program string, more []string) bool {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = free.Addr().String()
	_, port, _ := net.SplitHostPort(d.addr)
	_ = free.Close()
	config := filepath.Join(d.keys, "sshd_config")
	lines := append([]string{
		"ListenAddress 127.0.0.1:" + port, "PidFile none", "UsePAM no", "StrictModes no", "PasswordAuthentication no",
		"KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password", "MaxStartups 100", "LogLevel VERBOSE",
		"AuthorizedKeysFile " + filepath.Join(d.keys, "id.pub"),
		"HostKey " + filepath.Join(d.keys, "host_ecdsa"), "HostKey " + filepath.Join(d.keys, "host_ed25519"), "HostKey " + filepath.Join(d.keys, "host_rsa"),
	}, more...)
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-D", "-e", "-f", config)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.process = cmd.Process
	up, said := make(chan bool, 1), make(chan string, 1)
	go func() {
		var all strings.Builder
		for in := bufio.NewScanner(log); in.Scan(); {
			all.WriteString(in.Text() + "\n")
			if strings.HasPrefix(in.Text(), "Server listening") {
				up <- true
			}
		}
		said <- all.String()
		up <- false
	}()
	ended := false
	end := func() {
		if !ended {
			ended = true
			d.killSessions()
			_ = cmd.Process.Signal(syscall.SIGTERM)
			text := <-said
			_ = cmd.Wait()
			if t.Failed() {
				t.Logf("sshd said:\n%s", text)
			}
		}
	}
	select {
	case ok := <-up:
		if !ok {
			text := <-said
			said <- text
			if !strings.Contains(text, "Address already in use") {
				t.Fatalf("sshd does not start: %s", text)
			}
			end()
			return false
		}
	case <-time.After(time.Minute):
		end()
		t.Fatal("sshd does not start")
	}
	t.Cleanup(end)
	return true
}

// killSessions kills the processes that serve connections, and theirs.
func (d *daemon) killSessions() {
	for _, pid := range children(d.process.Pid) {
		for _, grandchild := range children(pid) {
			_ = syscall.Kill(grandchild, syscall.SIGKILL)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func children(pid int) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, child)
		}
	}
	return pids
}

// public is a public key, without its comment.
func (d *daemon) public(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.keys, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text))
	return fields[0] + " " + fields[1]
}

// known writes a known_hosts file with the lines, in which HOST is the server's name in such a file, and returns its path.
func (d *daemon) known(t testing.TB, lines ...string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(d.addr)
	path := filepath.Join(t.TempDir(), "known_hosts")
	text := strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "HOST", fmt.Sprintf("[%s]:%s", host, port))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// block is the block of a source, with every key of the server known, unless more names others.
func (d *daemon) block(t testing.TB, path string, more ...string) string {
	t.Helper()
	lines := map[string]string{
		"addr": d.addr, "user": d.user, "key_file": filepath.Join(d.keys, "id"), "path": path, "settle": "0s",
	}
	for i := 0; i+1 < len(more); i += 2 {
		lines[more[i]] = more[i+1]
	}
	if _, ok := lines["known_hosts"]; !ok {
		lines["known_hosts"] = d.known(t, "HOST "+d.public(t, "host_ed25519"), "HOST "+d.public(t, "host_rsa"), "HOST "+d.public(t, "host_ecdsa"))
	}
	var b strings.Builder
	for name, value := range lines {
		if value != "" {
			fmt.Fprintf(&b, "%s = %q\n", name, value)
		}
	}
	return b.String()
}
