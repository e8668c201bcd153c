package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hookbridge/bridge/sources/decode"
)

// Split hands every record of what r gives to emit, as format.Split does: of a document itself, of what a gzip stream
// holds, or of all wanted members of a zip, one after another, which are numbered as one. It is for answers that come as a
// stream; see Stream. What is wrong with a member says which. The values beside the records can be told of one document
// only, so a zip of several is an error where o.Fields asks for any.
func Split(ctx context.Context, format decode.Format, r io.Reader, o decode.Options, pick Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	if b, ok := r.(*bytes.Buffer); ok && Sniff(b.Bytes()) == Plain {
		return format.Split(b, o, emit) // in place
	}
	held, err := Stream(r, "", pick)
	if err != nil {
		return decode.Envelope{}, err
	}
	defer func() { _ = held.Close() }()
	if len(o.Fields) > 0 && len(held.Members) > 1 {
		return decode.Envelope{}, fmt.Errorf("the zip has %d members, but what stands beside the records is wanted of one document; members = … picks one", len(held.Members))
	}
	var all decode.Envelope
	for _, m := range held.Members {
		if err := split(ctx, format, m, o, &all, emit); err != nil {
			return all, err
		}
	}
	return all, nil
}

func split(ctx context.Context, format decode.Format, m Member, o decode.Options, all *decode.Envelope, emit func(raw []byte, item int) error) error {
	in, err := m.Open()
	if err != nil {
		return m.failed(err)
	}
	defer func() { _ = in.Close() }()
	before := all.Items
	counted := &counted{ctx: ctx, r: in}
	var broken error
	envelope, err := format.Split(counted, o, func(raw []byte, item int) error {
		broken = emit(raw, before+item)
		return broken
	})
	all.Items += envelope.Items
	all.Unpacked += counted.n
	if envelope.Fields != nil {
		all.Fields = envelope.Fields
	}
	if broken != nil || ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return m.failed(err)
}

// failed names a member of a zip in its errors.
func (m Member) failed(err error) error {
	if err == nil || !m.Zipped {
		return err
	}
	return fmt.Errorf("%s: %w", m, err)
}

// counted counts what is read, and ends with its context.
type counted struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
