package file

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/block"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/zeebo/xxh3"
)

// known is one file of the last complete fetch.
type known struct {
	Name    string `json:"n"`
	Size    int64  `json:"s"`
	Written int64  `json:"w"`           // modification time in nanoseconds
	Settled bool   `json:"o,omitempty"` // it had not been written for a while when it was read
	Inode   uint64 `json:"i,omitempty"`
	Hash    string `json:"h"`
}

// settle is how long a file must have rested before its modification time says anything: clocks of file systems are
// coarse, and two writes may carry the same time.
const settle = 2 * time.Second

// maxKnown bounds the memory: a fetch of more files remembers none.
const maxKnown = 1000

func recall(from bridge.Checkpoint) []known {
	var files []known
	if len(from) == 0 || json.Unmarshal(from, &files) != nil {
		return nil
	}
	return files
}

func remember(files []known) bridge.Checkpoint {
	if len(files) > maxKnown {
		return nil
	}
	data, err := json.Marshal(files)
	if err != nil {
		return nil
	}
	return data
}

// verify finds out whether all files are those of the last fetch. It ends at the first that is not.
func (s *Source) verify(ctx context.Context, names []string, files []known, thorough bool) (bridge.Outcome, error) {
	outcome := bridge.Outcome{Complete: true, Stable: true}
	next := make([]known, len(files))
	for i, name := range names {
		f, err := open(name)
		if err != nil {
			return outcome, s.fail(name, err)
		}
		k, err := f.sameAs(ctx, files[i], thorough)
		_ = f.Close()
		if err != nil {
			return outcome, s.fail(name, err)
		}
		if k == nil {
			return outcome, nil
		}
		if trace := decode.Trace(ctx); trace != nil {
			trace(fmt.Sprintf("looked at %s, %d bytes, unchanged", name, k.Size))
		}
		next[i] = *k
		outcome.Pages++
	}
	outcome.NotModified, outcome.Next = true, remember(next)
	return outcome, nil
}

// opened is a regular file with what it was when it was opened.
type opened struct {
	*os.File
	info os.FileInfo
	known
}

func open(name string) (*opened, error) {
	// Asked before opening, because opening a named pipe would wait for its writer.
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &opened{File: f, info: info, known: known{
		Name: name, Size: info.Size(), Written: info.ModTime().UnixNano(), Inode: inode(info),
		Settled: time.Since(info.ModTime()) > settle,
	}}, nil
}

// sameAs returns what to remember of the file if its content is that of before, and nil if it is not.
func (f *opened) sameAs(ctx context.Context, before known, thorough bool) (*known, error) {
	if f.known.Name != before.Name || f.Size != before.Size {
		return nil, nil
	}
	if !thorough && before.Settled && f.Written == before.Written && f.Inode == before.Inode {
		return &before, nil
	}
	hash := xxh3.New()
	if _, err := io.Copy(hash, &steady{ctx: ctx, r: f, left: f.Size}); err != nil {
		return nil, err
	}
	if f.known.Hash = text(hash); f.known.Hash != before.Hash {
		return nil, nil
	}
	return &f.known, f.unmoved()
}

// unmoved fails if the file was written to or replaced since it was opened.
func (f *opened) unmoved() error {
	there, err := os.Stat(f.known.Name)
	if err != nil {
		return err
	}
	here, err := f.Stat()
	if err != nil {
		return err
	}
	for _, now := range []os.FileInfo{there, here} {
		if !os.SameFile(now, f.info) || now.Size() != f.info.Size() || !now.ModTime().Equal(f.info.ModTime()) {
			return errors.New("was written to or replaced while it was read; it is read again at the next poll")
		}
	}
	return nil
}

// read emits the records of one file. broken is what emit returned.
func (s *Source) read(ctx context.Context, name string, page int, emit func(bridge.Record) error) (k known, size int64, broken, err error) {
	f, err := open(name)
	if err != nil {
		return known{}, 0, nil, err
	}
	defer func() { _ = f.Close() }()
	if f.Size > s.maxSize {
		return known{}, 0, nil, fmt.Errorf("%d bytes are more than max_body (%d); raise it if that is right", f.Size, s.maxSize)
	}
	format := s.format
	if format == nil {
		format = block.ByName(name)
	}
	if format == nil {
		return known{}, 0, nil, errors.New("the name does not say what is in the file; add a decode block")
	}
	hash := xxh3.New()
	in := &steady{ctx: ctx, r: f, left: f.Size}
	_, err = format.Split(io.TeeReader(in, hash), decode.Options{}, func(raw []byte, item int) error {
		broken = emit(bridge.Record{Body: raw, Page: page, Item: item})
		return broken
	})
	if broken != nil {
		return known{}, 0, broken, nil
	}
	if moved := f.unmoved(); moved != nil {
		return known{}, 0, nil, moved
	}
	if err != nil {
		return known{}, 0, nil, err
	}
	if trace := decode.Trace(ctx); trace != nil {
		trace(fmt.Sprintf("read %s, %d bytes", name, f.Size))
	}
	f.known.Hash = text(hash)
	return f.known, f.Size, nil, nil
}

// steady reads the size a file had when it was opened, no more and no less, and stops with its context.
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
	if err == io.EOF && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func text(hash *xxh3.Hasher) string {
	sum := hash.Sum128().Bytes()
	return base64.RawStdEncoding.EncodeToString(sum[:])
}
