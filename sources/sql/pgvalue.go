package sql

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pgWrite appends a value in PostgreSQL's text format as JSON.
type pgWrite func(dst, text []byte) ([]byte, error)

// pgType is what is known of a type.
type pgType struct {
	kind  kind
	write pgWrite
}

// pgTypes are the types whose text is more than text, by object id (pg_type.dat), and those that look like an array and
// are none.
var pgTypes = map[uint32]pgType{
	16:   {other, pgBool},
	17:   {other, pgBytes},
	20:   {number, pgRaw}, // int8, int2, int4, oid
	21:   {number, pgRaw},
	23:   {number, pgRaw},
	26:   {number, pgRaw},
	700:  {number, appendNumber[[]byte]}, // float4, float8, numeric
	701:  {number, appendNumber[[]byte]},
	1700: {number, appendNumber[[]byte]},
	114:  {other, appendJSON}, // json, jsonb
	3802: {other, appendJSON},
	1082: {moment, appendText[[]byte]}, // date
	1114: {moment, pgTimestamp},
	1184: {moment, pgTimestampZone},
	18:   {other, appendText[[]byte]}, // "char", name, text, bpchar, varchar, time, timetz, interval, uuid, xml
	19:   {other, appendText[[]byte]},
	25:   {other, appendText[[]byte]},
	1042: {other, appendText[[]byte]},
	1043: {other, appendText[[]byte]},
	1083: {other, appendText[[]byte]},
	1266: {other, appendText[[]byte]},
	1186: {other, appendText[[]byte]},
	2950: {other, appendText[[]byte]},
	142:  {other, appendText[[]byte]},
	22:   {other, appendText[[]byte]}, // int2vector, oidvector
	30:   {other, appendText[[]byte]},
}

func (tx *postgresTx) writer(oid uint32) (kind, pgWrite) {
	if t, ok := pgTypes[oid]; ok {
		return t.kind, t.write
	}
	return other, tx.writers[oid]
}

// pgLookUp names what the elements of arrays are and what domains are made of.
const pgLookUp = `select oid::bigint, case when typcategory = 'A' and typlen = -1 then typelem::bigint else 0 end, typbasetype::bigint,
	(select e.typdelim from pg_type e where e.oid = t.typelem) from pg_type t where oid = any($1::oid[])`

// lookUp learns the types that are not known from the start. What is neither an array nor a domain is text.
func (tx *postgresTx) lookUp(ctx context.Context, fields []pgconn.FieldDescription) error {
	type made struct {
		element, base uint32
		delimiter     byte
	}
	seen := map[uint32]made{}
	var unknown []uint32
	ask := func(oid uint32) {
		if _, known := pgTypes[oid]; !known && oid != 0 {
			if _, asked := seen[oid]; !asked {
				seen[oid] = made{}
				unknown = append(unknown, oid)
			}
		}
	}
	for _, field := range fields {
		ask(field.DataTypeOID)
	}
	for len(unknown) > 0 {
		list := "{"
		for _, oid := range unknown {
			list += strconv.FormatUint(uint64(oid), 10) + ","
		}
		list, unknown = strings.TrimSuffix(list, ",")+"}", nil
		result := tx.conn.ExecParams(ctx, pgLookUp, [][]byte{[]byte(list)}, nil, nil, nil).Read()
		if result.Err != nil {
			return result.Err
		}
		for _, row := range result.Rows {
			var oids [3]uint32
			for i := range oids {
				n, err := strconv.ParseUint(string(row[i]), 10, 32)
				if err != nil {
					return errors.New("the server describes its types in a way that cannot be read")
				}
				oids[i] = uint32(n)
			}
			m := made{element: oids[1], base: oids[2], delimiter: ','}
			if len(row[3]) == 1 {
				m.delimiter = row[3][0]
			}
			seen[oids[0]] = m
			ask(m.element)
			ask(m.base)
		}
	}
	var resolve func(oid uint32, depth int) pgWrite
	resolve = func(oid uint32, depth int) pgWrite {
		m := seen[oid]
		switch t, ok := pgTypes[oid]; {
		case ok:
			return t.write
		case depth > 0 && m.base != 0:
			return resolve(m.base, depth-1)
		case depth > 0 && m.element != 0:
			return pgArray(m.delimiter, resolve(m.element, depth-1))
		}
		return appendText[[]byte]
	}
	for oid := range seen {
		tx.writers[oid] = resolve(oid, 8)
	}
	return nil
}

func pgRaw(dst, text []byte) ([]byte, error) { return append(dst, text...), nil }

func pgBool(dst, text []byte) ([]byte, error) {
	return strconv.AppendBool(dst, len(text) == 1 && text[0] == 't'), nil
}

func pgBytes(dst, text []byte) ([]byte, error) {
	digits, ok := bytes.CutPrefix(text, []byte(`\x`))
	if !ok {
		return dst, errors.New("is bytea in a form that is not known")
	}
	raw := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(raw, digits); err != nil {
		return dst, errors.New("is bytea in a form that is not known")
	}
	return appendBytes(dst, raw), nil
}

// dateTime is the length of 2006-01-02 15:04:05.
const dateTime = len(time.DateTime)

// plainTime reports whether text is a date and a time in the years that RFC 3339 knows, with what may follow of digits.
// Others, and infinity, are kept as the database writes them.
func plainTime(text []byte) bool {
	const pattern = "0000-00-00 00:00:00"
	if len(text) < dateTime {
		return false
	}
	for i, c := range text {
		switch digit := c >= '0' && c <= '9'; {
		case i >= dateTime:
			if !digit && c != '.' && c != '+' && c != '-' && c != ':' {
				return false
			}
		case digit != (pattern[i] == '0') || !digit && c != pattern[i]:
			return false
		}
	}
	return true
}

// pgTimestamp writes a time without a zone.
func pgTimestamp(dst, text []byte) ([]byte, error) {
	start := len(dst)
	dst, err := appendText(dst, text)
	if err == nil && plainTime(text) {
		dst[start+1+len(time.DateOnly)] = 'T'
	}
	return dst, err
}

// pgTimestampZone writes a time with a zone, in UTC. The server sends it in the zone of the session, with the offset that
// had there and then.
func pgTimestampZone(dst, text []byte) ([]byte, error) {
	offset, from, ok := pgOffset(text)
	if !ok {
		return appendText(dst, text)
	}
	start := len(dst)
	dst = append(append(append(dst, '"'), text[:from]...), 'Z', '"')
	local := dst[start+1:]
	local[len(time.DateOnly)] = 'T'
	if offset == 0 {
		return dst, nil
	}
	two := func(i int) int { return int(local[i]-'0')*10 + int(local[i+1]-'0') }
	at := time.Date(two(0)*100+two(2), time.Month(two(5)), two(8), two(11), two(14), two(17), 0, time.UTC).Add(-offset)
	if at.Year() < 0 || at.Year() > 9999 {
		return appendText(dst[:start], text)
	}
	at.AppendFormat(local[:0], "2006-01-02T15:04:05")
	return dst, nil
}

// pgOffset reads the offset at the end of a time: +02, -03:30, +00:53:28; from is where it begins.
func pgOffset(text []byte) (offset time.Duration, from int, ok bool) {
	if !plainTime(text) {
		return 0, 0, false
	}
	from = bytes.LastIndexAny(text, "+-")
	if from < dateTime {
		return 0, 0, false
	}
	unit := time.Hour
	for part := range bytes.SplitSeq(text[from+1:], []byte(":")) {
		n, err := strconv.ParseUint(string(part), 10, 7)
		if err != nil || unit < time.Second || len(part) != 2 {
			return 0, 0, false
		}
		offset += time.Duration(n) * unit
		unit /= 60
	}
	if text[from] == '-' {
		offset = -offset
	}
	return offset, from, true
}
