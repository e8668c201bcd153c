package diff

import "encoding/json"

// Field is one place where two bodies differ.
type Field struct {
	Pointer       string          // JSON Pointer (RFC 6901); empty: the whole body
	Before, After json.RawMessage // as they stand in the bodies, whose memory they share; nil: missing
}

// Fields lists what differs, place by place, in the order of Changed. A body that is nil stands for a record that does
// not exist: of the other one every field is listed.
func (r *Rules) Fields(before, after []byte) []Field {
	if len(before) == 0 {
		before = []byte("{}")
	}
	if len(after) == 0 {
		after = []byte("{}")
	}
	return r.compare(before, after, false)
}
