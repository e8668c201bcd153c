// Package decode cuts bytes into records, whatever carried them: JSON and line-delimited JSON, streaming, validating and
// in bounded memory.
package decode

import (
	"fmt"
	"io"
)

// Kind is the name of a decoder as configurations write it.
type Kind string

// The decoders there are.
const (
	KindJSON   Kind = "json"
	KindNDJSON Kind = "ndjson"
)

// Kinds lists the decoders there are.
func Kinds() []string { return []string{string(KindJSON), string(KindNDJSON)} }

// Format says how bytes are cut into records. The zero value is JSON whose whole document is the array.
type Format struct {
	Kind  Kind
	Items Path // where the array is; JSON only
}

// Split cuts r; see JSON and NDJSON.
func (f Format) Split(r io.Reader, o Options, emit func(raw []byte, item int) error) (Envelope, error) {
	switch f.Kind {
	case KindNDJSON:
		return NDJSON(r, o, emit)
	case KindJSON, "":
		return JSON(r, f.Items, o, emit)
	}
	return Envelope{}, fmt.Errorf("decode: there is no decoder %q", f.Kind)
}
