package archive

import (
	"context"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/sources/decode"
)

// Documents reads files whose documents are answers, each of its own.
type Documents struct {
	Fits func(row []byte) error // see bridge.FetchOptions
	Emit func(bridge.Record) error

	Outcome bridge.Outcome // Pages, Bytes and Window are those of all documents so far
	Broken  error          // what Emit returned; the error of Read is no other then
}

// Read emits the records of every member. as says how one is read, and what it is called where it has a name by which
// people find it. An error about a member of a zip says which.
func (d *Documents) Read(ctx context.Context, members []Member, as func(Member) (decode.Format, string, error)) error {
	for _, m := range members {
		if err := d.read(ctx, m, as); err != nil {
			if d.Broken != nil {
				return d.Broken
			}
			return m.failed(err)
		}
	}
	return nil
}

func (d *Documents) read(ctx context.Context, m Member, as func(Member) (decode.Format, string, error)) error {
	format, name, err := as(m)
	if err != nil {
		return err
	}
	in, err := m.Open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	counted := &counted{ctx: ctx, r: in}
	d.Outcome.Pages++
	_, err = format.Split(counted, decode.Options{Fits: d.Fits}, func(raw []byte, item int) error {
		d.Broken = d.Emit(bridge.Record{Body: raw, Page: d.Outcome.Pages, Item: item, File: name})
		return d.Broken
	})
	d.Outcome.Bytes += counted.n
	d.Outcome.Window = d.Outcome.Window || format.Window()
	return err
}
