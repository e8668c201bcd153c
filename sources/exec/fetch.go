package exec

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/archive"
	"github.com/hookbridge/bridge/sources/decode"
	"github.com/zeebo/xxh3"
)

// small is the size up to which an output is held and compared before it is parsed.
const small = 1 << 20

// fetch is one run of the program.
type fetch struct {
	*Source
	archive.Documents
	ctx context.Context
}

func (f *fetch) run(from bridge.Checkpoint) (bridge.Outcome, error) {
	started := time.Now()
	p, err := f.start()
	if err != nil {
		return bridge.Outcome{}, err
	}
	defer p.end() // whatever happens, nothing of it is left behind
	held := make([]byte, small+1)
	n, err := io.ReadFull(p, held)
	held = held[:n]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return f.Outcome, err
	}
	var next bridge.Checkpoint
	if n <= small {
		if err := p.wait(); err != nil {
			return f.Outcome, err
		}
		if next = remember(held); bytes.Equal(next, from) {
			f.trace(p, started, ", the same output as last time")
			window := f.format.Window()
			return bridge.Outcome{Next: next, NotModified: true, Complete: !window, Incremental: window, Window: window, Stable: true, Pages: 1}, nil
		}
		if err = f.documents(bytes.NewReader(held)); err != nil && f.Broken == nil {
			err = f.said(err, held, p)
		}
	} else if err = f.documents(io.MultiReader(bytes.NewReader(held), p)); f.Broken == nil && p.over {
		// An output that is cut short is explained by how its program ended.
		if ended := p.wait(); ended != nil {
			err = ended
		}
	}
	if err != nil {
		return f.Outcome, err
	}
	f.trace(p, started, "")
	o := f.Outcome
	o.Next, o.Stable = next, true
	o.Incremental, o.Complete = o.Window, !o.Window
	return o, nil
}

// said adds to an error what the program printed, which nobody else has kept: mostly it says what is wrong.
func (f *fetch) said(err error, output []byte, p *process) error {
	if start := bytes.TrimSpace(output[:min(len(output), 8<<10)]); len(start) > 0 && archive.Sniff(start) == archive.Plain {
		text := f.veil.Text(string(start)) // before it is cut: a part of a secret would not be recognised
		err = fmt.Errorf("%w, begins with %s", err, strconv.Quote(text[:min(len(text), 200)]))
	}
	if said := p.said.tail(f.veil); said != "" {
		err = fmt.Errorf("%w; stderr ends with %s", err, said)
	}
	return err
}

// remember is the memory of an output. Two that are the same have the same, and two others do not.
func remember(output []byte) bridge.Checkpoint {
	sum := xxh3.Hash128(output).Bytes()
	return fmt.Appendf(nil, `{"n":%d,"h":%q}`, len(output), base64.RawStdEncoding.EncodeToString(sum[:]))
}

// documents emits the records of every document in the output, and reads it to its end.
func (f *fetch) documents(output io.Reader) error {
	held, err := archive.Stream(output, "output", f.unpack)
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }()
	as := func(archive.Member) (decode.Format, string, error) { return f.format, "", nil }
	if err := f.Documents.Read(f.ctx, held.Members, as); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, output)
	return err
}

func (f *fetch) trace(p *process, started time.Time, remark string) {
	trace := decode.Trace(f.ctx)
	if trace == nil {
		return
	}
	line := fmt.Sprintf("ran %s in %s, %d bytes%s", f.args[0], time.Since(started).Round(time.Millisecond), p.read, remark)
	if said := p.said.tail(f.veil); said != "" {
		line += ", stderr " + said
	}
	trace(f.veil.Text(line))
}
