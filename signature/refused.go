package signature

import (
	"fmt"
	"strings"
)

// Cause is the kind of a refusal, one of a few words, so that refusals can be counted.
type Cause string

// Why a message is refused.
const (
	Missing       Cause = "missing"       // a header or a part of it is not there
	Malformed     Cause = "malformed"     // the time is not one
	Oversized     Cause = "oversized"     // a header is longer than any sender needs
	Stale         Cause = "stale"         // it was signed too long ago
	Early         Cause = "early"         // it was signed in our future
	Mismatch      Cause = "mismatch"      // no signature matches
	Misconfigured Cause = "misconfigured" // we lack what is needed to check it
)

// RefusedError says why a message was refused. It is fit for a log: nothing the sender wrote is in it, and no secret.
type RefusedError struct {
	Dialect string
	Cause   Cause
	Reason  string
}

func (e *RefusedError) Error() string { return "verify " + e.Dialect + ": " + e.Reason }

func refuse(cause Cause, format string, args ...any) *RefusedError {
	return &RefusedError{Cause: cause, Reason: fmt.Sprintf(format, args...)}
}

func missing(header string) *RefusedError {
	return refuse(Missing, "header %s is missing or empty", strings.ToLower(header))
}

func oversized(header string, size, most int) *RefusedError {
	return refuse(Oversized, "header %s has %d bytes, at most %d are read", strings.ToLower(header), size, most)
}
