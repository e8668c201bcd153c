//go:build unix

package sftp_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/sftp"
	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// bare is a connection of the bare library.
func (d *daemon) bare(b *testing.B) *pkgsftp.Client {
	b.Helper()
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
	b.Cleanup(func() { _ = conn.Close() })
	client, err := pkgsftp.NewClient(conn)
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// beside measures ours, and theirs in turn with it.
func beside(b *testing.B, ours, theirs func()) {
	b.Helper()
	var us, them time.Duration
	for b.Loop() {
		started := time.Now()
		ours()
		us += time.Since(started)
		b.StopTimer()
		started = time.Now()
		theirs()
		them += time.Since(started)
		b.StartTimer()
	}
	b.ReportMetric(us.Seconds()/them.Seconds(), "x-bare")
}

func copied(b *testing.B, client *pkgsftp.Client, name string, size int) {
	b.Helper()
	f, err := client.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	if n, err := f.WriteTo(io.Discard); err != nil || n != int64(size) {
		b.Fatal(n, err)
	}
	_ = f.Close()
}

const benchLine = `{"id":1,"number":"A-0000001","status":"open","note":"%s"}` + "\n"

// BenchmarkFetch reads from OpenSSH: one file of 64 MB, and a thousand of 500 bytes. x-bare is the time taken, with login,
// decoding and checks, as a multiple of that of the bare library copying the files to nowhere over a connection it has.
func BenchmarkFetch(b *testing.B) {
	line := fmt.Sprintf(benchLine, strings.Repeat("x", 440))
	for name, of := range map[string]struct{ files, lines int }{"large": {1, 64 << 20 / len(line)}, "small": {1000, 1}} {
		b.Run(name, func(b *testing.B) {
			d, dir := sshd(b), b.TempDir()
			var names []string
			for i := range of.files {
				names = append(names, fmt.Sprintf("%s/%04d.ndjson", dir, i))
				put(b, names[i], strings.Repeat(line, of.lines))
			}
			s, client := source(b, d.block(b, dir+"/*.ndjson")), d.bare(b)
			b.SetBytes(int64(of.files * of.lines * len(line)))
			b.ReportAllocs()
			beside(b, func() {
				records := 0
				if _, err := s.Fetch(b.Context(), bridge.FetchOptions{}, func(bridge.Record) error { records++; return nil }); err != nil || records != of.files*of.lines {
					b.Fatal(records, err)
				}
			}, func() {
				for _, name := range names {
					copied(b, client, name, of.lines*len(line))
				}
			})
		})
	}
}

// BenchmarkReadAhead reads a file of 64 MB from OpenSSH over one connection, in turn as a fetch does, in order and as it is
// asked for, and by WriteTo of the bare library.
func BenchmarkReadAhead(b *testing.B) {
	const size = 64 << 20
	d, dir := sshd(b), b.TempDir()
	put(b, dir+"/large", strings.Repeat("x", size))
	client := d.bare(b)
	b.SetBytes(size)
	b.ReportAllocs()
	beside(b, func() {
		if n, err := sftp.ReadOver(b.Context(), client, dir+"/large", size); err != nil || n != size {
			b.Fatal(n, err)
		}
	}, func() { copied(b, client, dir+"/large", size) })
}
