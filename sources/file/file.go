// Package file reads records from files the bridge can see: one, or all that match a pattern, in the order of their
// names. Every file is one answer, and so is every member of an archive.
package file

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/drop"
)

// Source is a set of files.
type Source struct{ set *drop.Set }

// Decode reads the block of a source "file". The path in it is relative to dir.
func Decode(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	r := attr.NewReader(body, ctx, `source "file"`)
	s := &Source{drop.Read(r, drop.Manners{
		Kind: "file", OurClock: true, Home: dir, Hint: "check path, which is relative to the folder of the configuration",
	})}
	diags := r.Done()
	if diags.HasErrors() {
		return nil, diags
	}
	return s, diags
}

// Identity names the pattern as it is written and how the files are read.
func (s *Source) Identity() string { return "file " + s.set.Identity() }

// Fetch reads every file; see drop.Set.
func (s *Source) Fetch(ctx context.Context, options bridge.FetchOptions, emit func(bridge.Record) error) (bridge.Outcome, error) {
	return s.set.Fetch(ctx, disk{}, options, emit)
}

// disk is the file system of this machine.
type disk struct{}

func (disk) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(filepath.FromSlash(name)) }
func (disk) Stat(name string) (fs.FileInfo, error)      { return os.Stat(filepath.FromSlash(name)) }
func (disk) Open(name string, _ int64) (io.ReadCloser, error) {
	return os.Open(filepath.FromSlash(name))
}
