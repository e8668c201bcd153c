// Package drop reads records from files that somebody else puts down: one, or all that match a pattern, in the order of
// their names, wherever they lie. A source brings the Place; what is the same everywhere is here: which files there are,
// whether they are finished, whether they are those of the last fetch, what is in them, and that none moved while it was
// read. Every file is one answer, and so is every member of an archive.
package drop

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hookbridge/bridge/configs/attr"
	"github.com/hookbridge/bridge/sources/archive"
	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode"
)

// Place is a file system, on whatever machine. Names are whole paths with slashes. Errors that say that a file or a folder
// is not there satisfy errors.Is(err, fs.ErrNotExist). What a call waits for must end when the context of the fetch does.
type Place interface {
	// ReadDir lists a folder, in any order. What the entries say of themselves is believed, but links are asked for again.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Stat describes what a name leads to, at the end of all links.
	Stat(name string) (fs.FileInfo, error)
	// Open reads a file that Stat or ReadDir said to be of size bytes. If it is an io.ReaderAt as well, a zip is read in
	// place; otherwise it is copied to a temporary file first.
	Open(name string, size int64) (io.ReadCloser, error)
}

// Ahead is a Place that can begin to fetch files before they are opened.
type Ahead interface {
	Place
	// Expect names the files that are opened next, each once, in this order. What Open returns of them may have been read
	// before Open was called; then it has a method After, as Early says.
	Expect(files []Expected)
}

// Expected is a file that will be opened.
type Expected struct {
	Name string
	Size int64
}

// Early is a file that was read before it was opened.
type Early interface {
	// After is what Stat said of the name when the last byte had been read.
	After() (fs.FileInfo, error)
}

// Set says which files are read, and how. It is safe for concurrent use.
type Set struct {
	Manners
	path    string        // as it is written
	pattern string        // the same, whole and with slashes
	format  decode.Format // nil where each file's name decides
	members string
	maxBody int64
}

// Manners are what a kind of source has of its own.
type Manners struct {
	Kind     string        // begins every error: file, sftp
	Ignore   []string      // default of ignore: the names of files that are not finished yet
	Settle   time.Duration // default of settle: how long a file must stay as it is before it is read; 0: not at all
	OurClock bool          // the times of files come from the clock of this machine
	Home     string        // folder that a relative path begins in; empty: the place knows
	Hint     string        // what to check where no file matches
}

// maxFiles bounds what one fetch reads.
const maxFiles = 100_000

// Read reads what the blocks of all such sources have in common: path, decode, members, ignore, settle and max_body.
func Read(r *attr.Reader, m Manners) *Set {
	s := &Set{Manners: m, path: r.Required("path"), format: block.Format(r)}
	if r.Has("ignore") {
		s.Ignore = r.Strings("ignore")
	}
	for i, pattern := range s.Ignore {
		if !doublestar.ValidatePattern(pattern) || strings.Contains(pattern, "/") {
			r.Errorf(r.ElementRange("ignore", i), "Invalid pattern", `ignore lists patterns for the last part of a name, such as "*.tmp"; this one is malformed or has a slash.`)
		}
	}
	s.pattern = filepath.ToSlash(s.path)
	if s.Home != "" && !filepath.IsAbs(s.path) {
		s.pattern = escape(filepath.ToSlash(s.Home)) + "/" + s.pattern
	}
	s.pattern = path.Clean(s.pattern)
	_, pattern := doublestar.SplitPattern(s.pattern)
	switch {
	case s.path == "":
	case !doublestar.ValidatePathPattern(s.path):
		r.Errorf(r.Range("path"), "Invalid pattern", "path is a file name or a pattern with *, ?, [a-z], {a,b} and **; this one is malformed.")
	case block.ByName(s.path) == nil && !strings.HasSuffix(s.path, "}") && !strings.HasSuffix(strings.ToLower(s.path), ".zip") && len(r.Blocks("decode")) == 0:
		r.Errorf(r.Range("path"), "Unknown kind of file", `The name does not say what is in the file, as %s do. Add a decode block, such as decode "json" {}.`, strings.Join(block.Endings(), ", "))
	case !strings.ContainsAny(pattern, `*?[{\`) && s.ignored(pattern):
		r.Errorf(r.Range("path"), "Ignored file", "path names a file that ignore leaves out (%s): nothing would ever be read. Write an ignore of your own.", strings.Join(s.Ignore, ", "))
	}
	s.members = archive.Pattern(r)
	s.Settle = r.Duration("settle", m.Settle, 0)
	s.maxBody = r.Size("max_body", archive.DefaultMax)
	return s
}

// Identity names the pattern as it is written and how the files are read.
func (s *Set) Identity() string {
	items := "by name"
	if s.format != nil {
		items = s.format.Identity()
	}
	identity := s.path + " " + items
	if s.members != "" {
		identity += " members " + s.members
	}
	return identity
}

func (s *Set) ignored(name string) bool {
	return slices.ContainsFunc(s.Ignore, func(pattern string) bool {
		match, _ := doublestar.Match(pattern, path.Base(name))
		return match
	})
}

// escape makes a folder's name literal in a pattern.
func escape(dir string) string {
	var b strings.Builder
	for _, c := range []byte(dir) {
		if strings.IndexByte(`*?[]{}\`, c) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// fail names the file in an error, and takes off what the file system added: the same name once more.
func (s *Set) fail(f file, err error) error {
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s: %w", wrapped.Op, wrapped.Err)
	}
	return fmt.Errorf("source.%s: %s: %w", s.Kind, s.shown(f.name), err)
}

// plain shows the name that a file system put into an error as other names are shown.
func (s *Set) plain(err error) error {
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s %s: %w", wrapped.Op, s.shown(wrapped.Path), wrapped.Err)
	}
	return err
}

// maxShown is how many bytes of a name errors and traces have.
const maxShown = 500

// shown is a file's name as errors and traces have it: below Home without it, and fit for a line of text.
func (s *Set) shown(name string) string {
	if s.Home != "" {
		if relative, err := filepath.Rel(s.Home, filepath.FromSlash(name)); err == nil && filepath.IsLocal(relative) {
			name = relative
		}
	}
	if len(name) > maxShown {
		end := maxShown
		for end > 0 && !utf8.RuneStart(name[end]) {
			end--
		}
		name = name[:end] + "…"
	}
	if strings.ContainsFunc(name, func(c rune) bool { return !strconv.IsPrint(c) }) || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}
