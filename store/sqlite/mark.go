package sqlite

import (
	"encoding/binary"
	"fmt"

	"github.com/hookbridge/bridge"
)

// mark is all the index needs of a row, 8 bytes each and big-endian: its id, the hash of its key, the hash of its body,
// its fingerprint, and the number of the rules that was taken under. In one value, so that SQLite can string thousands
// of rows together: crossing into C for each of a million rows would be most of the time it takes to load them.
const markSize = 5 * 8

func markOf(e bridge.IndexEntry, id, rules int64) []byte {
	m := make([]byte, 0, markSize)
	m = binary.BigEndian.AppendUint64(m, uint64(id))
	m = binary.BigEndian.AppendUint64(m, e.Key)
	m = binary.BigEndian.AppendUint64(m, e.Raw)
	m = binary.BigEndian.AppendUint64(m, e.Canon)
	return binary.BigEndian.AppendUint64(m, uint64(rules))
}

// entries calls each for the marks in text, which must be count and of rising ids. Canon is 0 where it was taken under
// other rules than those.
func entries(text string, count, rules int64, each func(bridge.IndexEntry) error) error {
	if int64(len(text)) != count*markSize {
		return fmt.Errorf("%d rows came with %d bytes of marks; run: hookbridge status --deep", count, len(text))
	}
	last := int64(-1)
	for m := []byte(text); len(m) > 0; m = m[markSize:] {
		e := bridge.IndexEntry{
			ID: int64(binary.BigEndian.Uint64(m)), Key: binary.BigEndian.Uint64(m[8:]),
			Raw: binary.BigEndian.Uint64(m[16:]), Canon: binary.BigEndian.Uint64(m[24:]),
		}
		if int64(binary.BigEndian.Uint64(m[32:])) != rules {
			e.Canon = 0
		}
		if e.ID <= last {
			return fmt.Errorf("row %d came after row %d; run: hookbridge status --deep", e.ID, last)
		}
		last = e.ID
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}
