// Package file reads records from files the bridge can see: one, or all that match a pattern, in the order of their
// names. Every file is one answer.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hashicorp/hcl/v2"
	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode"
)

// Source is a set of files.
type Source struct {
	dir     string
	pattern string
	format  decode.Format // nil where each file's name decides
	maxSize int64
}

// Decode reads the block of a source "file". The path in it is relative to dir.
func Decode(body hcl.Body, ctx *hcl.EvalContext, dir string) (bridge.Source, hcl.Diagnostics) {
	r := attr.NewReader(body, ctx, `source "file"`)
	s := &Source{dir: dir, pattern: r.Required("path"), format: block.Format(r)}
	if s.pattern != "" {
		if !doublestar.ValidatePathPattern(s.pattern) {
			r.Errorf(r.Range("path"), "Invalid pattern", "path is a file name or a pattern with *, ?, [a-z], {a,b} and **; this one is malformed.")
		} else if block.ByName(s.pattern) == nil && !strings.HasSuffix(s.pattern, "}") && len(r.Blocks("decode")) == 0 {
			r.Errorf(r.Range("path"), "Unknown kind of file", `The name does not say what is in the file, as %s do. Add a decode block, such as decode "json" {}.`, strings.Join(block.Endings(), ", "))
		}
	}
	s.maxSize = r.Size("max_body", 2<<30)
	diags := r.Done()
	if diags.HasErrors() {
		return nil, diags
	}
	return s, diags
}

// Identity names the pattern as it is written and how the files are read.
func (s *Source) Identity() string {
	items := "by name"
	if s.format != nil {
		items = s.format.Identity()
	}
	return "file " + s.pattern + " " + items
}

// Fetch reads every file; see bridge.Source. If all files are those of the last fetch, nothing is emitted. What a file
// is called and when it was written only helps to see quickly that it is the same; a difference is one of content.
func (s *Source) Fetch(ctx context.Context, options bridge.FetchOptions, emit func(bridge.Record) error) (bridge.Outcome, error) {
	names, err := s.names()
	if err != nil {
		return bridge.Outcome{}, fmt.Errorf("source.file: %w", err)
	}
	if known := recall(options.From); len(known) == len(names) {
		outcome, err := s.verify(ctx, names, known, options.Unconditional)
		if err != nil || outcome.NotModified {
			return outcome, err
		}
	}
	outcome := bridge.Outcome{Stable: true}
	var memory []known
	for i, name := range names {
		k, size, broken, err := s.read(ctx, name, i+1, emit)
		if broken != nil {
			return outcome, broken
		}
		if err != nil {
			return outcome, s.fail(name, err)
		}
		outcome.Pages++
		outcome.Bytes += size
		memory = append(memory, k)
	}
	after, err := s.names()
	if err != nil {
		return outcome, fmt.Errorf("source.file: %w", err)
	}
	outcome.Window = s.format != nil && s.format.Window()
	outcome.Incremental = outcome.Window
	outcome.Complete = !outcome.Incremental
	outcome.Stable = slices.Equal(names, after)
	if outcome.Stable {
		outcome.Next = remember(memory)
	}
	return outcome, nil
}

// names lists the files, sorted. That none matches is an error: an empty folder would look as if every record had been
// deleted.
func (s *Source) names() ([]string, error) {
	pattern := s.path(s.pattern)
	names, err := doublestar.FilepathGlob(pattern, doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", s.pattern, err)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && info.IsDir()
	})
	if len(names) == 0 {
		return nil, fmt.Errorf("%s matches no file; check path, which is relative to the folder of the configuration", s.pattern)
	}
	slices.Sort(names)
	return names, nil
}

func (s *Source) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(escape(s.dir), name)
}

// escape makes a folder's name literal in a pattern.
func escape(dir string) string {
	var b strings.Builder
	for _, c := range []byte(dir) {
		if strings.IndexByte(`*?[]{}\`, c) >= 0 && filepath.Separator != '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (s *Source) fail(name string, err error) error {
	shown := name
	if relative, relErr := filepath.Rel(s.dir, name); relErr == nil && filepath.IsLocal(relative) {
		shown = relative
	}
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s: %w", wrapped.Op, wrapped.Err)
	}
	return fmt.Errorf("source.file: %s: %w", shown, err)
}
