package sftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/hookbridge/bridge/sources/drop"
	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

const (
	maxListing = 64 << 20 // bytes of one folder's list on the wire
	inFlight   = 64       // requests for one file, of 32 KiB each
	ahead      = 2 << 20  // bytes of a file that are asked for at a time; as many again while they are used
)

// remote is the file system of a server, as drop wants it.
type remote struct {
	ctx     context.Context
	wire    *wire
	ssh     *ssh.Client
	sftp    *pkgsftp.Client
	guard   sync.WaitGroup
	unwatch func() bool
	queue   []drop.Expected // what will be opened after begun
	begun   []*whole        // what will be opened next
}

func (r *remote) ReadDir(name string) ([]fs.DirEntry, error) {
	r.wire.most.Store(r.wire.read.Load() + maxListing)
	infos, err := r.sftp.ReadDirContext(r.ctx, name)
	r.wire.most.Store(0)
	if err == nil {
		// The library takes the end of a connection for the end of the list, if it comes at the wrong moment. One that still
		// answers has not ended.
		_, err = r.stat(name)
	}
	if err != nil {
		return nil, r.failed("list", name, err)
	}
	entries := make([]fs.DirEntry, len(infos))
	for i, info := range infos {
		entries[i] = fs.FileInfoToDirEntry(info)
	}
	return entries, nil
}

func (r *remote) Stat(name string) (fs.FileInfo, error) {
	info, err := r.stat(name)
	if err != nil {
		return nil, r.failed("look at", name, err)
	}
	return info, nil
}

// errNothing is a server that says that all is well where it was to send something. The library hands on nothing, then.
var errNothing = errors.New("the server says that it succeeded, and sends nothing")

func (r *remote) stat(name string) (fs.FileInfo, error) {
	info, err := r.sftp.Stat(name)
	if err != nil {
		return nil, err
	}
	if stat, ok := info.Sys().(*pkgsftp.FileStat); ok && stat == nil {
		return nil, errNothing
	}
	return info, nil
}

func (r *remote) open(name string) (*pkgsftp.File, error) {
	f, err := r.sftp.Open(name)
	if err == nil && f == nil {
		err = errNothing
	}
	return f, err
}

func (r *remote) Open(name string, size int64) (io.ReadCloser, error) {
	if w := r.fetched(name, size); w != nil {
		if w.err != nil {
			return nil, r.failed(w.op, name, w.err)
		}
		return w, nil
	}
	f, err := r.open(name)
	if err != nil {
		return nil, r.failed("open", name, err)
	}
	return &reader{remote: r, file: f, name: name, size: size}, nil
}

func (r *remote) failed(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: r.why(err)}
}

// reader reads a file of a known size, the next piece while the last is used.
type reader struct {
	*remote
	file *pkgsftp.File
	name string
	size int64
	off  int64 // of what comes next from the server

	piece  []byte // what is left of it
	spare  []byte
	coming chan answer // nil: nothing was asked for
}

type answer struct {
	piece []byte
	err   error
}

func (r *reader) Read(p []byte) (int, error) {
	if len(r.piece) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

// next takes the piece that was asked for and asks for the one after it.
func (r *reader) next() error {
	if r.coming == nil {
		r.ask()
	}
	got := <-r.coming
	r.coming = nil
	r.off += int64(len(got.piece))
	if len(got.piece) == 0 {
		if errors.Is(got.err, io.EOF) {
			return io.EOF
		}
		return r.failed("read", r.name, cmp.Or(got.err, errNothing))
	}
	used := r.spare
	r.piece, r.spare = got.piece, got.piece[:cap(got.piece)]
	if r.off < r.size {
		r.askInto(used)
	}
	return nil
}

func (r *reader) ask() { r.askInto(nil) }

func (r *reader) askInto(buffer []byte) {
	length := min(ahead, max(r.size-r.off, 1)) // one byte of a file without a size shows that it has one
	if int64(len(buffer)) < length {
		buffer = make([]byte, length)
	}
	coming, off := make(chan answer, 1), r.off
	go func() {
		// A server may send less than it was asked for, which the library takes for the end: what is short is asked for again.
		n, err := r.file.ReadAt(buffer[:length], off)
		coming <- answer{buffer[:n], err}
	}()
	r.coming = coming
}

// Close waits for what was asked for, which ends with the connection at the latest.
func (r *reader) Close() error {
	if r.coming != nil {
		<-r.coming
	}
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", r.name, r.why(err))
	}
	return nil
}
