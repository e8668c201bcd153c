package drop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hookbridge/bridge/sources/decode"
)

// file is what a look at a file showed.
type file struct {
	name    string // whole, with slashes
	regular bool
	size    int64
	written int64 // modification time in nanoseconds
	inode   uint64
	seen    time.Time // by when it was first seen as it is
	looked  time.Time // from when on it was last seen so
	read    bool      // an earlier fetch has read it as it is
}

// describe is a look at a file, but for when.
func describe(name string, info fs.FileInfo) file {
	return file{name: name, regular: info.Mode().IsRegular(), size: info.Size(), written: info.ModTime().UnixNano(), inode: inode(info)}
}

// is reports whether nothing tells the two apart.
func (f file) is(other file) bool {
	return f.name == other.name && f.size == other.size && f.written == other.written && f.inode == other.inode
}

// What a place says it has need not end: a look is bounded in how deep folders lie within each other, how many names all of
// them have, and how long these are together.
const (
	maxDepth = 64
	maxNames = 1_000_000
	maxNamed = 64 << 20 // bytes
)

// tree is a Place from one folder on, as doublestar wants it, for one look.
type tree struct {
	Place
	base   string
	listed map[string][]fs.DirEntry // by name: a walk comes by more than once where a pattern has ** or alternatives
	names  int
	named  int // bytes
}

func (t *tree) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid} // a walk looks, and opens nothing
}

func (t *tree) Stat(name string) (fs.FileInfo, error) { return t.Place.Stat(path.Join(t.base, name)) }

// ReadDir lists a folder in the order of its names, each once: a place that changes while it is listed may have one twice.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	if entries, ok := t.listed[name]; ok {
		return entries, nil
	}
	if strings.Count(name, "/") >= maxDepth {
		return nil, fmt.Errorf("folders lie more than %d deep within each other; write a path that is not for all of them", maxDepth)
	}
	entries, err := t.Place.ReadDir(path.Join(t.base, name))
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		base := e.Name()
		return base == "" || base == "." || base == ".." || strings.Contains(base, "/")
	})
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	entries = slices.CompactFunc(entries, func(a, b fs.DirEntry) bool { return a.Name() == b.Name() })
	for _, e := range entries {
		t.named += len(e.Name())
	}
	if t.names += len(entries); t.names > maxNames || t.named > maxNamed {
		return nil, fmt.Errorf("the folders have more than %d names, or more than %s of them; write a path that is not for all of them", maxNames, decode.Size(maxNamed))
	}
	t.listed[name] = entries
	return entries, nil
}

// alternatives takes those in the last part of a pattern out of it, to be matched name by name: to walk with them
// is to sort what is found by insertion.
func alternatives(pattern string) (walked, one string) {
	dir, last := path.Split(pattern)
	if strings.Contains(last, "{") && strings.ContainsAny(last, "*?[") && !strings.Contains(last, "**") && doublestar.ValidatePattern(last) && doublestar.ValidatePattern(dir) {
		return dir + "*", last
	}
	return pattern, ""
}

// list looks which files there are, sorted by name. That none matches is an error: an empty folder would look as if
// every record had been deleted.
func (s *Set) list(ctx context.Context, place Place) ([]file, error) {
	base, pattern := doublestar.SplitPattern(s.pattern)
	pattern, one := alternatives(pattern)
	in := &tree{Place: place, base: base, listed: map[string][]fs.DirEntry{}}
	began := time.Now()
	var files []file
	var folder string // one that matches
	err := doublestar.GlobWalk(in, pattern, func(name string, entry fs.DirEntry) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.ignored(name) || one != "" && !doublestar.MatchUnvalidated(one, path.Base(name)) {
			return nil
		}
		if entry.IsDir() {
			folder = path.Join(base, name)
			return nil
		}
		info, err := entry.Info()
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			info, err = in.Stat(name)
		} else if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since the folder was listed
		}
		if err != nil {
			return err
		}
		if info.IsDir() {
			folder = path.Join(base, name)
			return nil
		}
		if len(files) == maxFiles {
			return fmt.Errorf("more than %d files match", maxFiles)
		}
		files = append(files, describe(path.Join(base, name), info))
		return nil
	}, doublestar.WithFailOnIOErrors())
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("source.%s: list %s: %w", s.Kind, s.path, s.plain(err))
	}
	if len(files) == 0 && folder != "" {
		return nil, fmt.Errorf("source.%s: %s matches no file, but the folder %s; the files in it are matched by %s/*", s.Kind, s.path, s.shown(folder), s.path)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("source.%s: %s matches no file; %s", s.Kind, s.path, s.Hint)
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	ended := time.Now()
	for i := range files { // which of them was looked at when is not known
		files[i].looked, files[i].seen = began, ended
	}
	return files, nil
}

// rested looks until every file has stayed as it is for Settle, and returns what it saw last. Files that appear meanwhile
// are left for the next fetch. A file that an earlier fetch has read as it is has rested.
func (s *Set) rested(ctx context.Context, place Place, files []file) ([]file, error) {
	if s.Settle == 0 {
		return files, nil
	}
	for {
		var last *file // the one that was seen last as it is
		for i, f := range files {
			if !f.read && f.looked.Sub(f.seen) < s.Settle && (last == nil || f.seen.After(last.seen)) {
				last = &files[i]
			}
		}
		if last == nil {
			return files, nil
		}
		wait := time.Until(last.seen.Add(s.Settle))
		if trace := decode.Trace(ctx); trace != nil {
			trace(fmt.Sprintf("look again in %s whether %s is still %d bytes", max(wait, 0).Round(time.Millisecond), s.shown(last.name), last.size))
		}
		again, err := s.again(ctx, place, wait)
		if ctx.Err() != nil {
			return nil, s.fail(*last, fmt.Errorf("is still being written, or was until now (%d bytes): it is read when it has stayed as it is for %s: %w", last.size, s.Settle, context.Cause(ctx)))
		}
		if err != nil {
			return nil, err
		}
		files = meet(files, again)
		if len(files) == 0 {
			return nil, fmt.Errorf("source.%s: every file of %s was moved away while it was to settle", s.Kind, s.path)
		}
	}
}

// again looks again after a time.
func (s *Set) again(ctx context.Context, place Place, wait time.Duration) ([]file, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.list(ctx, place)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// meet returns the files that are in both looks, as the second saw them. Both are sorted by name.
func meet(before, now []file) []file {
	var both []file
	for _, f := range now {
		i, found := slices.BinarySearchFunc(before, f.name, func(b file, name string) int { return cmp.Compare(b.name, name) })
		if !found {
			continue
		}
		if b := before[i]; f.is(b) {
			f.seen, f.read = b.seen, b.read
		}
		both = append(both, f)
	}
	return both
}

// same reports whether two looks found the same files as they were. A record may have moved to a file that was read by then
// from one that was not yet.
func same(a, b []file) bool { return slices.EqualFunc(a, b, file.is) }
