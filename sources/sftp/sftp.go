// Package sftp reads records from files on an SFTP server (SSH file transfer, version 3). Which files, how they are read
// and that none is read while it is written, package drop says. The server must prove who it is, by a key in known_hosts.
// Every fetch makes one connection and ends it.
package sftp

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/hookbridge/bridge/sources/drop"
)

// Source is a set of files on a server.
type Source struct {
	addr   string // host:port
	user   string
	login  login
	hosts  hosts
	legacy bool
	files  *drop.Set
	veil   block.Veil
}

// Decode reads the block of a source "sftp". Files it names are relative to dir.
func Decode(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	r := attr.NewReader(body, ctx, `source "sftp"`)
	s := &Source{addr: address(r), user: r.Required("user")}
	s.login = readLogin(r, dir)
	s.hosts = readHosts(r, s.addr, dir)
	s.legacy = r.Word("algorithms", "secure", "secure", "legacy") == "legacy"
	s.files = drop.Read(r, drop.Manners{
		Kind:   "sftp",
		Ignore: []string{"*.tmp", "*.part", "*.filepart", ".*"},
		Settle: 5 * time.Second,
		Hint:   "check path and ignore; a relative path begins in the folder that the login leads to",
	})
	diags := r.Done()
	if diags.HasErrors() {
		return nil, diags
	}
	s.veil = block.NewVeil(r.Known())
	return s, diags
}

// Identity names the server, the user, whose view of it may differ from that of others, the pattern and how the files are
// read. Neither a new password nor a new key is another source.
func (s *Source) Identity() string {
	return s.veil.Text("sftp " + s.user + "@" + s.addr + " " + s.files.Identity())
}

// String is the identity: a source that is printed by accident shows no secret.
func (s *Source) String() string { return s.Identity() }

// GoString is the identity, too.
func (s *Source) GoString() string { return s.Identity() }

// Fetch connects, reads every file and disconnects; see drop.Set.
func (s *Source) Fetch(ctx context.Context, options bridge.FetchOptions, emit func(bridge.Record) error) (bridge.Outcome, error) {
	if trace := decode.Trace(ctx); trace != nil {
		ctx = decode.WithTrace(ctx, func(line string) { trace(s.veil.Text(line)) })
	}
	place, err := s.connect(ctx)
	if err != nil {
		return bridge.Outcome{}, s.veil.Error(err)
	}
	defer place.close()
	outcome, err := s.files.Fetch(ctx, place, options, emit)
	return outcome, s.veil.Error(err)
}

// address reads addr: host, host:port or [IPv6]:port. It is empty where that is none, which is noted.
func address(r *attr.Reader) string {
	text := r.Required("addr")
	if text == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), "22"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case strings.Contains(text, "@"):
		r.Errorf(r.Range("addr"), "Invalid address", `addr is a host or host:port; the user is named by user = "…".`)
	case strings.Contains(text, "/"):
		r.Errorf(r.Range("addr"), "Invalid address", `addr is a host or host:port, such as "files.example.com:22"; the files are named by path = "…".`)
	case err != nil || number == 0 || host == "" || strings.ContainsAny(host, " \t\n[]"):
		r.Errorf(r.Range("addr"), "Invalid address", `addr is a host or host:port, such as "files.example.com:22" or "[2001:db8::1]:2222".`)
	default:
		return net.JoinHostPort(host, port)
	}
	return ""
}

// maxFile bounds the small files that a block names.
const maxFile = 4 << 20

// load reads a file that a block names, and returns where it is. The text is empty, and noted, where it cannot be read.
func load(r *attr.Reader, name, dir string, hint func(path string) string) (path string, text []byte) {
	path = r.String(name, "")
	if path == "" {
		return "", nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := small(path)
	if err != nil {
		r.Errorf(r.Range(name), "Unreadable file", "%s cannot be read: %v.%s", name, err, hint(path))
	}
	return path, text
}

func small(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, &os.PathError{Op: "read", Path: path, Err: os.ErrInvalid}
	}
	return os.ReadFile(path)
}
