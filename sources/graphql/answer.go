package graphql

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/hookbridge/bridge/sources/decode"
	"github.com/tidwall/gjson"
)

// maxErrors is how large the errors of an answer may be, in bytes.
const maxErrors = 1 << 20

// Identity says where the records are.
func (f format) Identity() string {
	if f.node == nil {
		return f.Format.Identity()
	}
	return f.Format.Identity() + " " + f.node.String()
}

// Accept asks for the type of "GraphQL over HTTP", and for the one that was in use before it.
func (format) Accept() string { return "application/graphql-response+json, application/json;q=0.9" }

// Split cuts the records out of an answer; see decode.Format. An answer with errors is a *decode.RefusedError, whatever
// else is in it.
func (f format) Split(r io.Reader, o decode.Options, emit func(raw []byte, item int) error) (decode.Envelope, error) {
	at := len(o.Fields)
	o.Fields = append(slices.Clip(o.Fields), decode.Path{"errors"})
	o.Containers = max(o.Containers, maxErrors)
	envelope, err := f.Format.Split(r, o, f.cut(emit))
	if len(envelope.Fields) <= at {
		return envelope, err
	}
	told := envelope.Fields[at]
	envelope.Fields = envelope.Fields[:at]
	if _, ok := errors.AsType[*decode.ItemsError](err); err != nil && !ok {
		return envelope, err
	}
	if refused := refusal(told.Raw); refused != nil {
		return envelope, refused
	}
	return envelope, err
}

// cut emits the node of each edge, in the bytes it was sent in.
func (f format) cut(emit func([]byte, int) error) func([]byte, int) error {
	if f.node == nil {
		return emit
	}
	path := f.node.GJSON()
	return func(raw []byte, item int) error {
		// A string of the same bytes, for as long as they are looked at: a copy of each record would take half the time.
		found := gjson.Get(unsafe.String(unsafe.SliceData(raw), len(raw)), path)
		if !found.Exists() {
			return fmt.Errorf("record %d: %w", item, &decode.RecordError{Path: f.node, Found: decode.Missing})
		}
		return emit(raw[found.Index:][:len(found.Raw)], item)
	}
}

// fault is one of the errors of an answer (GraphQL specification, section 7.1.2).
type fault struct {
	Message    string `json:"message"`
	Type       string `json:"type"` // where some servers write the code
	Path       []any  `json:"path"`
	Extensions struct {
		Code any `json:"code"`
	} `json:"extensions"`
}

// refusal reads the errors of an answer, which are valid JSON: what they say, which code they have, where it happened. It
// is nil where there are none.
func refusal(raw []byte) *decode.RefusedError {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	refused := &decode.RefusedError{What: "the answer has errors"}
	var faults []fault
	switch err := stdjson.Unmarshal(raw, &faults); {
	case err == nil && len(faults) == 0: // an empty list, however it is written
		return nil
	case err != nil:
		refused.Said = string(raw) // not as the specification has it
		return refused
	}
	var b strings.Builder
	for i, f := range faults {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(strconv.Quote(f.Message))
		code := f.Type
		if f.Extensions.Code != nil {
			code = fmt.Sprint(f.Extensions.Code)
		}
		var notes []string
		if code != "" {
			notes = append(notes, code)
		}
		if len(f.Path) > 0 {
			steps := make([]string, len(f.Path))
			for i, step := range f.Path {
				steps[i] = fmt.Sprint(step)
			}
			notes = append(notes, "at "+strings.Join(steps, "."))
		}
		if len(notes) > 0 {
			b.WriteString(" (" + strings.Join(notes, ", ") + ")")
		}
		code = strings.ToUpper(code)
		if refused.Next == "" {
			refused.Next = advice[code]
		}
		refused.Login = refused.Login || slices.Contains(loggedOut, code)
	}
	refused.Said = b.String()
	return refused
}

// advice is what codes in wide use ask for.
var advice = map[string]string{
	"UNAUTHENTICATED": "check auth", "AUTH_NOT_AUTHENTICATED": "check auth", "INVALID-JWT": "check auth", "FORBIDDEN": "check auth and what its login may see",
	"THROTTLED": "poll less often or set rate", "RATE_LIMITED": "poll less often or set rate", "MAX_COST_EXCEEDED": "ask for fewer records a page",
}

// loggedOut are the codes of somebody who is not logged in: Apollo's, Hot Chocolate's and Hasura's.
var loggedOut = []string{"UNAUTHENTICATED", "AUTH_NOT_AUTHENTICATED", "INVALID-JWT"}

// explain finds the errors in an answer whose status is one.
func explain(_ string, start []byte) *decode.RefusedError {
	var answer struct{ Errors stdjson.RawMessage }
	if stdjson.Unmarshal(start, &answer) != nil {
		return nil
	}
	return refusal(answer.Errors)
}
