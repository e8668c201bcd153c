package drop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/archive"
	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/zeebo/xxh3"
)

// errMoved is a file that is not what it was when it was looked at.
var errMoved = errors.New("was written to or replaced while it was read; it is read again at the next poll")

// Fetch reads every file; see bridge.Source. If all files are those of the last fetch, nothing is emitted. What a file
// is called and when it was written only helps to see quickly that it is the same; a difference is one of content.
func (s *Set) Fetch(ctx context.Context, place Place, options bridge.FetchOptions, emit func(bridge.Record) error) (bridge.Outcome, error) {
	memory := recall(options.From)
	files, err := s.list(ctx, place)
	if err != nil {
		return bridge.Outcome{}, err
	}
	if window, same := isSummary(memory, files); same && !options.Unconditional {
		return bridge.Outcome{NotModified: true, Complete: !window, Incremental: window, Window: window, Stable: true, Pages: len(files), Next: options.From}, nil
	}
	recognize(files, memory)
	if files, err = s.rested(ctx, place, files); err != nil {
		return bridge.Outcome{}, err
	}
	f := &fetch{Set: s, Documents: archive.Documents{Fits: options.Fits, Emit: emit}, ctx: ctx, place: place}
	if len(memory) == len(files) {
		outcome, err := f.verify(files, memory, options.Unconditional)
		if err != nil || outcome.NotModified {
			return outcome, err
		}
	}
	return f.everything(files)
}

// fetch is one fetch on its way.
type fetch struct {
	*Set
	archive.Documents
	ctx   context.Context
	place Place
}

// verify finds out whether all files are those of the last fetch. It ends at the first that is not.
func (f *fetch) verify(files []file, memory []known, thorough bool) (bridge.Outcome, error) {
	outcome := bridge.Outcome{Stable: true}
	next := make([]known, len(files))
	for i, at := range files {
		k, err := f.sameAs(at, memory[i], thorough)
		if err != nil {
			return outcome, f.failed(at, err)
		}
		if k == nil {
			return outcome, nil
		}
		f.trace("looked at %s, %d bytes, unchanged", at.name, k.Size)
		next[i] = *k
		outcome.Window = outcome.Window || k.Window
		outcome.Pages++
	}
	outcome.Incremental, outcome.Complete = outcome.Window, !outcome.Window
	outcome.NotModified, outcome.Next = true, remember(next)
	return outcome, nil
}

// sameAs returns what to remember of the file if its content is that of before, and nil if it is not.
func (f *fetch) sameAs(at file, before known, thorough bool) (*known, error) {
	if at.name != before.Name || at.size != before.Size {
		return nil, nil
	}
	if !thorough && before.Settled && at.is(before.file()) {
		return &before, nil
	}
	now, in, err := f.open(at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	k := f.known(now)
	if k.Hash, err = f.hash(in, now.size); err != nil {
		return nil, err
	}
	if k.Hash != before.Hash {
		return nil, nil
	}
	k.Window = before.Window
	return &k, f.unmoved(now, in)
}

// everything emits the records of all files.
func (f *fetch) everything(files []file) (bridge.Outcome, error) {
	if place, ok := f.place.(Ahead); ok {
		expected := make([]Expected, len(files))
		for i, at := range files {
			expected[i] = Expected{at.name, at.size}
		}
		place.Expect(expected)
	}
	var memory []known
	for _, at := range files {
		k, err := f.read(at)
		if f.Broken != nil {
			return f.Outcome, f.Broken
		}
		if err != nil {
			return f.Outcome, f.failed(at, err)
		}
		memory = append(memory, k)
	}
	after, err := f.list(f.ctx, f.place)
	if err != nil {
		return f.Outcome, err
	}
	o := f.Outcome
	o.Incremental, o.Complete = o.Window, !o.Window
	if o.Stable = same(files, after); o.Stable {
		o.Next = remember(memory)
	}
	return o, nil
}

// failed names the file in an error. What goes wrong because the fetch is to end is no fault of the file's.
func (f *fetch) failed(at file, err error) error {
	if f.ctx.Err() != nil && !errors.Is(err, context.Cause(f.ctx)) {
		err = context.Cause(f.ctx)
	}
	return f.fail(at, err)
}

// open opens a file as it is now. One that was waited for must be what was waited for.
func (f *fetch) open(at file) (file, io.ReadCloser, error) {
	now := at
	if f.Settle == 0 {
		info, err := f.place.Stat(at.name)
		if err != nil {
			return now, nil, err
		}
		now = describe(at.name, info)
		if now.seen = time.Now(); now.is(at) {
			now.seen = at.seen
		}
	}
	if !now.regular { // a named pipe would wait for its writer
		return now, nil, errors.New("not a regular file")
	}
	if now.size < 0 { // a server may say so
		return now, nil, fmt.Errorf("is said to have %d bytes", now.size)
	}
	in, err := f.place.Open(at.name, now.size)
	return now, in, err
}

// unmoved fails if the file was written to or replaced since it was looked at.
func (f *fetch) unmoved(at file, in io.Reader) error {
	look := func() (fs.FileInfo, error) { return f.place.Stat(at.name) }
	if early, ok := in.(Early); ok {
		look = early.After
	}
	info, err := look()
	if err != nil {
		return err
	}
	if !describe(at.name, info).is(at) {
		return errMoved
	}
	return nil
}

func (f *fetch) hash(in io.Reader, size int64) (string, error) {
	hash := xxh3.New()
	_, err := io.Copy(hash, &steady{ctx: f.ctx, r: in, left: size})
	return text(hash), err
}

// read emits the records of one file.
func (f *fetch) read(at file) (known, error) {
	now, in, err := f.open(at)
	if err != nil {
		return known{}, err
	}
	defer func() { _ = in.Close() }()
	if now.size > f.maxBody {
		return known{}, fmt.Errorf("%d bytes are more than max_body (%d); raise it if that is right", now.size, f.maxBody)
	}
	if now.size == 0 {
		if n, _ := in.Read(make([]byte, 1)); n > 0 {
			return known{}, errors.New("is said to be empty and is not: its size is not told, so nothing shows whether it is whole")
		}
	}
	k := f.known(now)
	window := f.Outcome.Window
	f.Outcome.Window = false
	k.Hash, err = f.unpack(now, in)
	k.Window = f.Outcome.Window
	f.Outcome.Window = window || k.Window
	if f.Broken != nil {
		return k, f.Broken
	}
	if moved := f.unmoved(now, in); moved != nil {
		return k, moved
	}
	if err != nil {
		return k, err
	}
	f.trace("read %s, %d bytes", now.name, now.size)
	return k, nil
}

// unpack emits the records of every document in a file, and returns the hash of the file.
func (f *fetch) unpack(at file, in io.ReadCloser) (string, error) {
	o := archive.Options{Members: f.members, Max: f.maxBody}
	if r, ok := in.(io.ReaderAt); ok {
		start := make([]byte, min(at.size, archive.Magic))
		if _, err := r.ReadAt(start, 0); err == nil && archive.Sniff(start) == archive.Zip {
			sum, err := f.hash(in, at.size)
			if err != nil {
				return "", err
			}
			members, err := archive.Open(r, at.size, at.name, o)
			if err != nil {
				return "", err
			}
			return sum, f.Documents.Read(f.ctx, members, f.as(at))
		}
	}
	hash := xxh3.New()
	whole := io.TeeReader(&steady{ctx: f.ctx, r: in, left: at.size}, hash)
	held, err := archive.Stream(whole, at.name, o)
	if err != nil {
		return "", err
	}
	defer func() { _ = held.Close() }()
	if err := f.Documents.Read(f.ctx, held.Members, f.as(at)); err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, whole) // so that the hash is of all of it
	return text(hash), err
}

// as says how a document of a file is read, and under which name people know it.
func (f *fetch) as(at file) func(archive.Member) (decode.Format, string, error) {
	return func(m archive.Member) (decode.Format, string, error) {
		name, format := f.shown(at.name), f.format
		if m.Zipped {
			name += ": " + m.String()
		}
		if format == nil {
			format = block.ByName(m.Name)
		}
		switch {
		case format == nil && m.Zipped:
			return nil, "", errors.New("the name does not say what is in the member; add a decode block, or name those that are wanted: members = …")
		case format == nil:
			return nil, "", errors.New("the name does not say what is in the file; add a decode block")
		}
		return format, name, nil
	}
}

func (f *fetch) trace(format, name string, size int64) {
	if trace := decode.Trace(f.ctx); trace != nil {
		trace(fmt.Sprintf(format, f.shown(name), size))
	}
}

// steady reads the size a file had when it was looked at, no more and no less, and stops with its context.
type steady struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (s *steady) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF) && s.left > 0:
		err = io.ErrUnexpectedEOF
	case err != nil && s.ctx.Err() != nil:
		err = context.Cause(s.ctx)
	}
	return n, err
}
