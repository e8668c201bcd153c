package sql

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/hookbridge/bridge/sources/decode"
)

// errTooWide is a row that is not even read to its end.
var errTooWide = fmt.Errorf("a row is larger than %s; ask for fewer columns, or for less of them", decode.Size(decode.DefaultRecord))

// meter hands on no more than one row may have, so that no row can fill memory: the drivers read a row as a whole. It
// belongs to one connection.
type meter struct {
	net.Conn
	left atomic.Int64 // a driver may read ahead, in a goroutine of its own
}

func (m *meter) Read(p []byte) (int, error) {
	left := m.left.Load()
	if left <= 0 {
		return 0, errTooWide
	}
	n, err := m.Conn.Read(p[:min(int64(len(p)), left)])
	m.left.Add(-int64(n))
	return n, err
}

// allow lets another row come.
func (m *meter) allow() { m.left.Store(rowBudget) }

// dial connects through a meter.
func dial(ctx context.Context, network, address string) (*meter, error) {
	conn, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	m := &meter{Conn: conn}
	m.allow()
	return m, nil
}
