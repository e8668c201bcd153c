//go:build unix

package sftp_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// BenchmarkFetch reads a file of 64 MB from OpenSSH. x-bare is the time taken, with login, decoding and checks, as a
// multiple of that of the bare library copying the file to nowhere over a connection it has.
func BenchmarkFetch(b *testing.B) {
	d, dir := sshd(b), b.TempDir()
	line := `{"id":1,"number":"A-0000001","status":"open","note":"` + strings.Repeat("x", 440) + "\"}\n"
	size := 64 << 20 / len(line) * len(line)
	put(b, dir+"/large.ndjson", strings.Repeat(line, size/len(line)))
	s := source(b, d.block(b, dir+"/*.ndjson"))
	text, err := os.ReadFile(filepath.Join(d.keys, "id"))
	if err != nil {
		b.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := ssh.Dial("tcp", d.addr, &ssh.ClientConfig{
		User: d.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: func(string, net.Addr, ssh.PublicKey) error { return nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	client, err := pkgsftp.NewClient(conn)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var ours, theirs time.Duration
	for b.Loop() {
		started := time.Now()
		records := 0
		if _, err := s.Fetch(b.Context(), bridge.FetchOptions{}, func(bridge.Record) error { records++; return nil }); err != nil || records != size/len(line) {
			b.Fatal(records, err)
		}
		ours += time.Since(started)
		b.StopTimer()
		started = time.Now()
		f, err := client.Open(dir + "/large.ndjson")
		if err != nil {
			b.Fatal(err)
		}
		if n, err := f.WriteTo(io.Discard); err != nil || n != int64(size) {
			b.Fatal(n, err)
		}
		_ = f.Close()
		theirs += time.Since(started)
		b.StartTimer()
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-bare")
}
