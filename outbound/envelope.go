package outbound

import (
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hookbridge/bridge"
)

func standardBody(e *bridge.Event) []byte {
	b := make([]byte, 0, 128+len(e.Type)+dataSize(e))
	b = appendText(append(b, `{"type":`...), e.Type)
	b = append(b, `,"timestamp":"`...)
	b = e.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","data":`...)
	return append(appendData(b, e), '}')
}

// dataSize is room enough for what appendData appends.
func dataSize(e *bridge.Event) int {
	size := 128 + len(e.Job) + len(e.Key) + len(e.Before) + len(e.After) + len(e.Data)
	for _, pointer := range e.Changed {
		size += len(pointer) + 3
	}
	return size
}

// appendData appends what an event tells: the object that all formats have by default, or what the job's event block
// wrote.
func appendData(b []byte, e *bridge.Event) []byte {
	if e.Data != nil {
		return append(b, e.Data...)
	}
	b = appendText(append(b, `{"job":`...), e.Job)
	b = appendText(append(b, `,"key":`...), e.Key)
	b = strconv.AppendInt(append(b, `,"sequence":`...), e.Sequence, 10)
	b = appendText(append(b, `,"origin":`...), string(e.Origin))
	b = append(b, `,"changed":[`...)
	for i, pointer := range e.Changed {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, pointer)
	}
	b = appendJSON(append(b, `],"before":`...), e.Before)
	b = appendJSON(append(b, `,"after":`...), e.After)
	return append(b, '}')
}

// rawBody is the record as it is now, or as it was when it is gone; of an event that has no record, its data.
func rawBody(e *bridge.Event) []byte {
	switch {
	case e.After != nil:
		return e.After
	case e.Before != nil:
		return e.Before
	}
	return appendJSON(nil, e.Data)
}

func appendJSON(b []byte, value []byte) []byte {
	if value == nil {
		return append(b, "null"...)
	}
	return append(b, value...)
}

// appendText appends s as a JSON string, escaping only what JSON demands.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			b, _ = jsontext.AppendQuote(b, s) // its only error is invalid UTF-8, which it replaces
			return b
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// Names of the bridge's own headers, in canonical form.
const (
	headerVersion  = "Hookbridge-Version"
	headerJob      = "Hookbridge-Job"
	headerKey      = "Hookbridge-Key"
	headerSequence = "Hookbridge-Sequence"
	headerOrigin   = "Hookbridge-Origin"
	headerReplay   = "Hookbridge-Replay"
)

// Headers returns what an event says outside its body: its id, the version of the payload, where the body lacks them
// (formats without an envelope of ours, or data written by the job) job, key, sequence and origin, and what the format
// needs. They are the same on every attempt; a replay says so besides.
func Headers(delivery *bridge.Delivery) http.Header {
	e := &delivery.Event
	h := make(http.Header, 8) // all there is, mostly
	values := [...]string{e.ID, strconv.Itoa(delivery.FormatVersion)}
	h["Webhook-Id"] = values[0:1:1]
	h[headerVersion] = values[1:2:2]
	if silent(delivery.Format) || e.Data != nil {
		for _, pair := range [...][2]string{
			{headerJob, e.Job}, {headerKey, e.Key}, {headerSequence, strconv.FormatInt(e.Sequence, 10)}, {headerOrigin, string(e.Origin)},
		} {
			if pair[1] != "" {
				h[pair[0]] = []string{escape(pair[1])}
			}
		}
	}
	formatHeaders(h, e, delivery.Format)
	if delivery.Replay {
		h[headerReplay] = []string{"1"}
	}
	return h
}

// escape percent-encodes as CloudEvents 1.0 does in HTTP headers (3.1.3.2): space, double quote, percent and every
// byte outside U+0021 to U+007E of the UTF-8 text.
func escape(s string) string {
	plain := func(c byte) bool { return c > ' ' && c <= '~' && c != '"' && c != '%' }
	for i := range len(s) {
		if plain(s[i]) {
			continue
		}
		const hex = "0123456789ABCDEF"
		out := append(make([]byte, 0, len(s)+8), s[:i]...)
		for j := i; j < len(s); j++ {
			if c := s[j]; plain(c) {
				out = append(out, c)
			} else {
				out = append(out, '%', hex[c>>4], hex[c&15])
			}
		}
		return string(out)
	}
	return s
}
