// Package signature signs what goes out and verifies what comes in. One table of dialects serves both directions, so
// that what we send can be checked by the same rows that check what others send.
package signature

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Dialect is one way of signing a message: where its parts travel and how far its clock may be off. What is signed is
// always "id.timestamp.body" (Standard Webhooks 1.0, "Signature scheme").
type Dialect struct {
	Name      string        // as in a destination's signature
	ID        string        // header of the message's id, in canonical form
	Timestamp string        // header of the attempt's time, in seconds since 1970
	Signature string        // header of the signatures, separated by spaces
	Tolerance time.Duration // between the timestamp and our clock, both ways
}

// Standard is Standard Webhooks: HMAC-SHA256 (v1) and ed25519 (v1a).
var Standard = Dialect{
	Name:      "standard",
	ID:        "Webhook-Id",
	Timestamp: "Webhook-Timestamp",
	Signature: "Webhook-Signature",
	Tolerance: 5 * time.Minute,
}

var dialects = []Dialect{Standard}

// Named returns the dialect of that name.
func Named(name string) (Dialect, bool) {
	for _, d := range dialects {
		if d.Name == name {
			return d, true
		}
	}
	return Dialect{}, false
}

// Why a message is refused. Verify wraps one of them.
var (
	ErrMissing   = errors.New("a header of the signature is missing")
	ErrTimestamp = errors.New("the timestamp is not a number of seconds")
	ErrExpired   = errors.New("the timestamp is too far from this machine's clock")
	ErrMismatch  = errors.New("no signature matches")
)

// Sign returns the value of the signature header: one signature per key that can sign, in the order of keys, so that
// a receiver which knows any of them accepts the message. Keys that can only verify are passed over.
func (d Dialect) Sign(keys []Key, id string, at time.Time, body []byte) string {
	signed := message{id, strconv.FormatInt(at.Unix(), 10), body}
	out := make([]byte, 0, 64*len(keys))
	for _, key := range keys {
		if !key.CanSign() {
			continue
		}
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = key.sign(out, signed)
	}
	return string(out)
}

// Verify reports whether body carries a signature by one of the keys that is not older or newer than the dialect's
// tolerance. Any match wins; versions nobody here speaks are passed over, and never trusted.
func (d Dialect) Verify(keys []Key, header http.Header, body []byte, now time.Time) error {
	id, timestamp := header.Get(d.ID), header.Get(d.Timestamp)
	signatures := header.Values(d.Signature)
	switch {
	case id == "":
		return fmt.Errorf("verify %s: %w: %s", d.Name, ErrMissing, strings.ToLower(d.ID))
	case timestamp == "":
		return fmt.Errorf("verify %s: %w: %s", d.Name, ErrMissing, strings.ToLower(d.Timestamp))
	case len(signatures) == 0 || signatures[0] == "":
		return fmt.Errorf("verify %s: %w: %s", d.Name, ErrMissing, strings.ToLower(d.Signature))
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || timestamp[0] == '+' {
		return fmt.Errorf("verify %s: %w", d.Name, ErrTimestamp)
	}
	tolerance := int64(d.Tolerance / time.Second)
	if off := now.Unix() - seconds; off > tolerance || off < -tolerance {
		return fmt.Errorf("verify %s: %w: off by %d s, at most %d s are allowed", d.Name, ErrExpired, off, tolerance)
	}
	signed := message{id, timestamp, body}
	for _, line := range signatures {
		for one := range strings.FieldsSeq(line) {
			version, value, ok := strings.Cut(one, ",")
			if !ok || value == "" {
				continue
			}
			for _, key := range keys {
				if key.version() == version && key.verify(signed, value) {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("verify %s: %w; check that both sides have the same secret and that the body was not re-encoded on its way", d.Name, ErrMismatch)
}

// Verify checks a message in the Standard dialect.
func Verify(keys []Key, header http.Header, body []byte, now time.Time) error {
	return Standard.Verify(keys, header, body, now)
}

// Sign signs a message in the Standard dialect.
func Sign(keys []Key, id string, at time.Time, body []byte) string {
	return Standard.Sign(keys, id, at, body)
}

// message is what is signed, in parts.
type message struct {
	id, timestamp string
	body          []byte
}

// head is what stands before the body.
func (m message) head() []byte {
	out := make([]byte, 0, 64)
	out = append(out, m.id...)
	out = append(out, '.')
	out = append(out, m.timestamp...)
	return append(out, '.')
}
