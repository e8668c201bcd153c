package sftp

import (
	"cmp"
	"errors"
	"io"
	"io/fs"

	"github.com/hookbridge/bridge/sources/drop"
)

const (
	early    = 16       // small files that are fetched before they are asked for
	smallest = 64 << 10 // bytes of a file that is small
)

// whole is a small file that was fetched before it was asked for: thousands of them would take a journey to the server and
// back for every step otherwise.
type whole struct {
	*remote
	drop.Expected
	done chan struct{} // nil: it is not small, and nothing was fetched
	data []byte
	info fs.FileInfo // after all of it was read
	op   string
	err  error
}

// Expect begins to fetch what will be opened next.
func (r *remote) Expect(files []drop.Expected) {
	r.queue = files
	r.fetchEarly()
}

func (r *remote) fetchEarly() {
	for len(r.begun) < early && len(r.queue) > 0 {
		w := &whole{remote: r, Expected: r.queue[0]}
		r.queue, r.begun = r.queue[1:], append(r.begun, w)
		if w.Size <= smallest {
			w.done = make(chan struct{})
			r.guard.Go(w.fetch)
		}
	}
}

// fetched returns the next file, if it is the one that is wanted and was fetched; nil otherwise.
func (r *remote) fetched(name string, size int64) *whole {
	if len(r.begun) == 0 || r.begun[0].Name != name {
		return nil
	}
	w := r.begun[0]
	r.begun = r.begun[1:]
	r.fetchEarly()
	if w.done == nil || w.Size != size {
		return nil
	}
	<-w.done
	return w
}

func (w *whole) fetch() {
	defer close(w.done)
	w.op = "open"
	f, err := w.open(w.Name)
	if err != nil {
		w.err = err
		return
	}
	defer func() { _ = f.Close() }()
	w.op = "read"
	data := make([]byte, max(w.Size, 1)) // one byte of a file without a size shows that it has one
	for len(w.data) < len(data) {
		n, err := f.ReadAt(data[len(w.data):], int64(len(w.data)))
		w.data = data[:len(w.data)+n]
		if errors.Is(err, io.EOF) && n == 0 {
			break
		}
		if n == 0 {
			err = cmp.Or(err, errNothing)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			w.err = err
			return
		}
	}
	w.op = "look at"
	w.info, w.err = w.stat(w.Name)
}

// Read gives what was fetched.
func (w *whole) Read(p []byte) (int, error) {
	if len(w.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, w.data)
	w.data = w.data[n:]
	return n, nil
}

// After describes what its name led to after the last byte was read.
func (w *whole) After() (fs.FileInfo, error) { return w.info, nil }

// Close has nothing to end.
func (w *whole) Close() error { return nil }
