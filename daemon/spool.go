package daemon

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/hookbridge/bridge"
)

// spoolMemory is what a spool keeps in memory before it goes to disk.
const spoolMemory = 4 << 20

// step is one row that a run wants to write, and what it wants told about it.
type step struct {
	slot   int
	entry  bridge.IndexEntry
	key    string
	body   []byte        // nil: the stored body stays
	before []byte        // the stored body; not spooled, an event has its own
	delete bool          // the row goes
	event  *bridge.Event // nil: silent
	why    string        // it is silent
}

// Why a step has no event.
const (
	whyBaseline = "baseline"
	whyEdit     = "edit"
	whyWhen     = "when"
)

// spool keeps the steps of a run until its fetch has ended well (P1): a few MB in memory, the rest in an unlinked file
// beside the store.
type spool struct {
	dir   string
	steps int64
	mem   bytes.Buffer
	file  *os.File
	out   *bufio.Writer
	buf   []byte
}

func newSpool(dir string) *spool { return &spool{dir: dir} }

// reset drops everything for a second scan.
func (s *spool) reset() {
	s.close()
	s.steps = 0
	s.mem = bytes.Buffer{}
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close() // unlinked when it was made
		s.file, s.out = nil, nil
	}
}

const (
	flagBody = 1 << iota
	flagDelete
	flagEvent
	flagData
	flagBefore
)

func (s *spool) add(t step) error {
	b := s.buf[:0]
	var flags byte
	if t.body != nil {
		flags |= flagBody
	}
	if t.delete {
		flags |= flagDelete
	}
	if t.event != nil {
		flags |= flagEvent
		if t.event.Data != nil {
			flags |= flagData
		}
		if t.event.Before != nil {
			flags |= flagBefore
		}
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(t.slot))
	b = binary.AppendUvarint(b, uint64(t.entry.ID))
	b = binary.LittleEndian.AppendUint64(b, t.entry.Key)
	b = binary.LittleEndian.AppendUint64(b, t.entry.Raw)
	b = binary.LittleEndian.AppendUint64(b, t.entry.Canon)
	b = appendBytes(b, t.key)
	b = appendBytes(b, t.why)
	if t.body != nil {
		b = appendBytes(b, t.body)
	}
	if e := t.event; e != nil {
		b = appendBytes(b, e.Op)
		b = appendBytes(b, e.Type)
		if e.Before != nil {
			b = appendBytes(b, e.Before)
		}
		if e.Data != nil {
			b = appendBytes(b, e.Data)
		}
		b = binary.AppendUvarint(b, uint64(len(e.Changed)))
		for _, pointer := range e.Changed {
			b = appendBytes(b, pointer)
		}
	}
	s.buf = b
	s.steps++
	if s.file == nil && s.mem.Len()+len(b) > spoolMemory {
		if err := s.spill(); err != nil {
			return err
		}
	}
	var err error
	if s.out != nil {
		_, err = s.out.Write(b)
	} else {
		s.mem.Write(b)
	}
	if err != nil {
		return fmt.Errorf("spool changes: %w", err)
	}
	return nil
}

func (s *spool) spill() error {
	f, err := os.CreateTemp(s.dir, ".hookbridge-spool-*") // 0600
	if err != nil {
		return fmt.Errorf("spool changes: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return fmt.Errorf("spool changes: %w", err)
	}
	s.file, s.out = f, bufio.NewWriterSize(f, 256<<10)
	_, err = s.mem.WriteTo(s.out)
	s.mem = bytes.Buffer{}
	if err != nil {
		return fmt.Errorf("spool changes: %w", err)
	}
	return nil
}

// each reads the steps in the order they were added.
func (s *spool) each(f func(step) error) error {
	var in *bufio.Reader
	if s.file != nil {
		if err := s.out.Flush(); err != nil {
			return fmt.Errorf("spool changes: %w", err)
		}
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("spool changes: %w", err)
		}
		in = bufio.NewReaderSize(s.file, 256<<10)
	} else {
		in = bufio.NewReader(bytes.NewReader(s.mem.Bytes()))
	}
	for range s.steps {
		t, err := readStep(in)
		if err != nil {
			return fmt.Errorf("read spooled changes: %w", err)
		}
		if err := f(t); err != nil {
			return err
		}
	}
	return nil
}

func appendBytes[T ~string | ~[]byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// stepReader reads one step; the first error sticks.
type stepReader struct {
	in  *bufio.Reader
	err error
}

func readStep(in *bufio.Reader) (step, error) {
	r := stepReader{in: in}
	var fixed [24]byte
	flags, err := in.ReadByte()
	if err != nil {
		return step{}, err
	}
	t := step{slot: int(r.uvarint())}
	t.entry.ID = int64(r.uvarint())
	r.full(fixed[:])
	t.entry.Key = binary.LittleEndian.Uint64(fixed[0:])
	t.entry.Raw = binary.LittleEndian.Uint64(fixed[8:])
	t.entry.Canon = binary.LittleEndian.Uint64(fixed[16:])
	t.key = string(r.bytes())
	t.why = string(r.bytes())
	t.delete = flags&flagDelete != 0
	if flags&flagBody != 0 {
		t.body = r.bytes()
	}
	if flags&flagEvent != 0 {
		e := &bridge.Event{Key: t.key, Op: bridge.Op(r.bytes()), Type: string(r.bytes())}
		if flags&flagBefore != 0 {
			e.Before = json.RawMessage(r.bytes())
		}
		if flags&flagData != 0 {
			e.Data = json.RawMessage(r.bytes())
		}
		for range r.uvarint() {
			e.Changed = append(e.Changed, string(r.bytes()))
		}
		if t.body != nil && !t.delete {
			e.After = json.RawMessage(t.body)
		}
		t.event = e
	}
	return t, r.err
}

func (r *stepReader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, err := binary.ReadUvarint(r.in)
	r.err = err
	return v
}

func (r *stepReader) full(b []byte) {
	if r.err == nil {
		_, r.err = io.ReadFull(r.in, b)
	}
}

func (r *stepReader) bytes() []byte {
	n := r.uvarint()
	if r.err != nil {
		return nil
	}
	b := make([]byte, n)
	r.full(b)
	return b
}
