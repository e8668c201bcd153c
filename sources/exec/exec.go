// Package exec reads records from what a program prints. There is no shell: the program gets its arguments as they are
// written, an environment of nothing but what is named, and nothing to read. Only an output that was read to its end, of a
// program that ended well, counts.
package exec

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/archive"
	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode"
)

// Source is a program.
type Source struct {
	path     string   // of the program, whole
	args     []string // with its name, as it is written
	dir      string
	env      []string // NAME=value, sorted; never nil, which would mean the bridge's own
	format   decode.Format
	unpack   archive.Options
	veil     block.Veil
	identity string
}

// Decode reads the block of a source "exec". Paths in it are relative to dir, in which the program runs, too, unless the
// block names another folder. A program that is named without a slash is looked for in the PATH of the bridge, once.
func Decode(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	r := attr.NewReader(body, ctx, `source "exec"`)
	s := &Source{dir: dir, env: []string{}}
	s.command(r, dir)
	if inside := r.String("dir", ""); inside != "" {
		s.dir = within(dir, inside)
		if info, err := os.Stat(s.dir); err != nil || !info.IsDir() {
			r.Warnf(r.Range("dir"), "No such folder", "%s is not a folder yet; until it is, every run fails.", s.dir)
		}
	}
	s.environment(r)
	if s.format = block.Format(r); s.format == nil && len(r.Blocks("decode")) == 0 {
		r.Errorf(r.Range("decode"), "Missing decode block", `Nothing says what the program prints. Add a decode block, such as decode "ndjson" {}.`)
	}
	s.unpack = archive.Options{Members: archive.Pattern(r), Max: r.Size("max_body", archive.DefaultMax)}
	diags := r.Done()
	if diags.HasErrors() {
		return nil, diags
	}
	s.veil = block.NewVeil(r.Known())
	s.identity = s.identify()
	return s, diags
}

func (s *Source) command(r *attr.Reader, dir string) {
	if s.args = r.Strings("command"); len(s.args) == 0 || s.args[0] == "" {
		if r.Has("command") && r.Errors() == 0 || r.Missing("command") {
			r.Errorf(r.Range("command"), "No command", `command is a list: the program, then each argument by itself, such as ["/usr/local/bin/dump-orders", "--json"].`)
		}
		return
	}
	for i, arg := range s.args {
		if strings.ContainsRune(arg, 0) {
			r.Errorf(r.ElementRange("command", i), "Invalid argument", "An argument cannot hold a NUL byte.")
			return
		}
	}
	name, at := s.args[0], r.ElementRange("command", 0)
	if strings.ContainsAny(name, " \t") && len(s.args) == 1 && !there(within(dir, name)) {
		r.Errorf(at, "One word per element", "There is no shell that would split it: write each argument as an element of its own.")
		return
	}
	if !strings.ContainsRune(name, filepath.Separator) {
		path, err := osexec.LookPath(name)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			r.Errorf(at, "No such program", "The PATH of the bridge leads to no program %q. Write its whole path.", name)
		}
		s.path = path
		return
	}
	s.path = within(dir, name)
	if info, err := os.Stat(s.path); err != nil || info.IsDir() || !runnable(info) {
		r.Warnf(at, "No such program", "%s is not a program that can be run; until it is, every run fails.", name)
	}
}

func (s *Source) environment(r *attr.Reader) {
	env := r.StringMap("env")
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(env[name], 0) {
			r.Errorf(r.MemberRange("env", name), "Invalid variable", "A variable has a name without = and a value without NUL bytes.")
		}
		s.env = append(s.env, name+"="+env[name])
	}
}

func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// identify names the program, and its arguments as a hash. A secret among them, which may be rotated, is left out of it.
func (s *Source) identify() string {
	sum := sha256.New()
	for _, arg := range s.args[1:] {
		_, _ = fmt.Fprintf(sum, "%q ", s.veil.Text(arg))
	}
	identity := "exec " + s.args[0] + " " + hex.EncodeToString(sum.Sum(nil)[:8]) + " " + s.format.Identity()
	if s.unpack.Members != "" {
		identity += " members " + s.unpack.Members
	}
	return s.veil.Text(identity)
}

// Identity names the program, its arguments as a hash, and how its output is read. The environment is not part of it.
func (s *Source) Identity() string { return s.identity }

// String is the identity: a source that is printed by accident shows no secret.
func (s *Source) String() string { return s.identity }

// GoString is the identity, too.
func (s *Source) GoString() string { return s.identity }

// Fetch runs the program and reads what it prints; see bridge.Source. The context ends it: SIGTERM first, to it and all it
// has started, SIGKILL five seconds later.
func (s *Source) Fetch(ctx context.Context, options bridge.FetchOptions, emit func(bridge.Record) error) (bridge.Outcome, error) {
	f := &fetch{Source: s, Documents: archive.Documents{Fits: options.Fits, Emit: emit}, ctx: ctx}
	outcome, err := f.run(options.From)
	if f.Broken != nil {
		return outcome, f.Broken
	}
	if err != nil {
		err = fmt.Errorf("source.exec: %s: %w", s.args[0], err)
	}
	return outcome, s.veil.Error(err)
}
