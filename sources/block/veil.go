package block

import (
	"net/url"
	"strconv"
	"strings"
)

// Veil hides the secrets of a source in whatever is said about it: in its identity, its errors, its traces.
type Veil struct{ secrets []string }

// NewVeil hides secrets, such as those that a reader knows when it has read its block.
func NewVeil(secrets []string) Veil { return Veil{secrets} }

// Text hides every secret, as it is and as it would stand in a URL or between quotes.
func (v Veil) Text(text string) string {
	for _, secret := range v.secrets {
		if len(secret) < 4 {
			continue // would hide half of any text and protect nothing
		}
		quoted := strconv.Quote(secret)
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), quoted[1 : len(quoted)-1]} {
			text = strings.ReplaceAll(text, form, "(secret)")
		}
	}
	return text
}

// Error hides every secret in the text of err, which may be nil, and keeps its cause for errors.Is and errors.As.
func (v Veil) Error(err error) error {
	if err == nil {
		return nil
	}
	return &veiled{v.Text(err.Error()), err}
}

type veiled struct {
	text  string
	cause error
}

func (e *veiled) Error() string { return e.text }
func (e *veiled) Unwrap() error { return e.cause }
